"""Rooms: everything that belongs to one partner, by convention in these folders.

=============  ======================  =======================  =====================  ==============================
room           integration             fake API                 requests               accepted registration
=============  ======================  =======================  =====================  ==============================
your own       src/partner             tests/partner/fake_api   events                 registration.json
an example     examples/X/partner      examples/X/fake_api      examples/X/events      examples/X/registration.json
=============  ======================  =======================  =====================  ==============================

A room's code is imported from its folder under a name of its own: no tool of the framework imports `partner`.

The folder ``feed`` beside the requests, if there is one, has messages for the feed's queue.

Two optional files beside the fake API are for the local cloud, and are JSON objects of texts: ``parameters.json`` has
parameters of the template, and ``deployment_secret.json`` what the partner gave to the deployment, such as a client
secret: invented values, which only the fake API accepts.
"""

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Self

from local.isolation import ROOT, LocalCloudError
from local.partner.fake_api import FakeApi
from mparticle_firehose.integration import Integration


@dataclass(frozen=True)
class Room:
    """One partner's folders.

    Attributes:
        partner: the integration's package.
        fake_api_folder: the fake API's package.
        events: mParticle's requests, one JSON file each.
        registration: the registration that live customers rely on.
    """

    partner: Path
    fake_api_folder: Path
    events: Path
    registration: Path

    @classmethod
    def of(cls, folder: str = "") -> Self:
        """Return the room in a folder, relative to the project; empty means the user's own.

        Raises:
            LocalCloudError: there is no room in that folder.
        """
        if not folder:
            return cls(
                ROOT / "src" / "partner",
                ROOT / "tests" / "partner" / "fake_api",
                ROOT / "events",
                ROOT / "registration.json",
            )
        place = (ROOT / folder).resolve()
        if not (place / "partner" / "integration.py").exists():
            raise LocalCloudError(f"{folder} holds no integration: {folder}/partner/integration.py is missing")
        return cls(place / "partner", place / "fake_api", place / "events", place / "registration.json")

    @property
    def feed_messages(self) -> list[str]:
        """The messages in ``feed`` beside the requests: the partner's own events, as its system queues them."""
        return [path.read_text() for path in sorted((self.events / "feed").glob("*.json"))]

    @property
    def is_own(self) -> bool:
        """Whether it is the user's own."""
        return self.partner == ROOT / "src" / "partner"

    @property
    def parameters(self) -> Mapping[str, str]:
        """The template's parameters in the local cloud, by name; empty without ``parameters.json``.

        Raises:
            LocalCloudError: the file is not a JSON object of texts.
        """
        return _texts(self.fake_api_folder.parent / "parameters.json")

    @property
    def deployment_secret(self) -> Mapping[str, str]:
        """The deployment's secrets in the local cloud, by name; empty without ``deployment_secret.json``.

        Raises:
            LocalCloudError: the file is not a JSON object of texts.
        """
        return _texts(self.fake_api_folder.parent / "deployment_secret.json")

    def integration(self) -> Integration:
        """Import the integration.

        Raises:
            LocalCloudError: integration.py does not define INTEGRATION.
        """
        module = _imported(self.partner, "integration")
        integration = getattr(module, "INTEGRATION", None)
        if not isinstance(integration, Integration):
            raise LocalCloudError(f"{self.partner / 'integration.py'} does not define INTEGRATION")
        return integration

    def forget_integration(self) -> None:
        """Have the next `integration` read its files anew."""
        _forgotten(self.partner)

    def fake_api(self) -> FakeApi:
        """Import the fake API and return a new one, which knows nothing yet.

        Raises:
            LocalCloudError: there is none.
        """
        if not (self.fake_api_folder / "__init__.py").exists():
            raise LocalCloudError(
                f"there is no fake API: {_shown(self.fake_api_folder)}/__init__.py must define the class FakeApi; "
                "see docs/integrating.md, A fake API and tests of your own"
            )
        make = getattr(_imported(self.fake_api_folder), "FakeApi", None)
        if make is None:
            raise LocalCloudError(f"{self.fake_api_folder / '__init__.py'} does not define FakeApi")
        api: FakeApi = make()
        return api

    def reloaded_fake_api(self) -> FakeApi:
        """Read the fake API's files anew and return a new one. If they cannot be used, the earlier code stays.

        Raises:
            LocalCloudError: there is none.
        """
        earlier = _forgotten(self.fake_api_folder)
        try:
            return self.fake_api()
        except BaseException:
            sys.modules.update(earlier)
            raise


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _texts(file: Path) -> dict[str, str]:
    """Read an optional JSON object of texts."""
    try:
        content = json.loads(file.read_text()) if file.exists() else {}
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise LocalCloudError(f"{file} must be a JSON object of texts")
    return content


def _module_name(folder: Path) -> str:
    return "room" + re.sub(r"\W", "_", str(folder))


def _forgotten(folder: Path) -> dict[str, ModuleType]:
    """Have the next import of a folder read its files anew. Return the modules that were imported from it."""
    name = _module_name(folder)
    importlib.invalidate_caches()
    return {each: sys.modules.pop(each) for each in [*sys.modules] if f"{each}.".startswith(f"{name}.")}


def _imported(folder: Path, module: str = "") -> ModuleType:
    """Import a package from its folder, or a module of it, under a name that nothing else has."""
    name = _module_name(folder)
    if name not in sys.modules:
        init = folder / "__init__.py"
        spec = importlib.util.spec_from_file_location(name, init, submodule_search_locations=[str(folder)])
        if spec is None or spec.loader is None or not init.exists():
            raise LocalCloudError(f"{folder} is not a package: __init__.py is missing")
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        try:
            spec.loader.exec_module(package)
        except BaseException:
            del sys.modules[name]
            raise
    return importlib.import_module(f"{name}.{module}") if module else sys.modules[name]
