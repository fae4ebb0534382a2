"""Settings for `sam local invoke` and `sam local start-lambda`, with which a container reaches the local cloud."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from local.build.build import machine_architecture, packed_build
from local.isolation import LocalCloudError

_HOST = "host.docker.internal"
_FROM_CONTAINER = re.compile(r"\b(127\.0\.0\.1|localhost)\b")
_FIRST_VARIABLE = re.compile(r"(?m)^( +)PARTNER_API_URL:")
_CODE = re.compile(r"(?m)^( +CodeUri: )(?!/)(\S+)$")


def write_settings(place: Path, *, variables: Mapping[str, Mapping[str, str]], endpoint: str) -> None:
    """Write env.json, the template it is for, and a samconfig.toml that names both.

    Args:
        place: folder for the three.
        variables: of each deployed function, by its logical id.
        endpoint: the local cloud's URL on this machine.
    """
    built = packed_build(machine_architecture())[0].parent / "build"
    template = place / "template.yaml"
    template.write_text(with_endpoint((built / "template.yaml").read_text(), built))
    settings = {name: {**values, "AWS_ENDPOINT_URL": endpoint} for name, values in variables.items()}
    (place / "env.json").write_text(
        json.dumps({name: seen_from_container(values) for name, values in settings.items()}, indent=2) + "\n"
    )
    (place / "samconfig.toml").write_text(_samconfig(place))


def seen_from_container(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables whose URLs lead to this machine from inside a container."""
    return {name: _FROM_CONTAINER.sub(_HOST, value) for name, value in variables.items()}


def with_endpoint(template: str, built: Path) -> str:
    """Return a built template that declares AWS_ENDPOINT_URL: the SAM CLI sets no variable that it does not find.

    Raises:
        LocalCloudError: the template has no place for it.
    """
    declared, places = _FIRST_VARIABLE.subn(r'\1AWS_ENDPOINT_URL: ""\n\1PARTNER_API_URL:', template)
    if not places:
        raise LocalCloudError("the template sets no PARTNER_API_URL")
    return _CODE.sub(rf"\g<1>{built}/\g<2>", declared)


def _samconfig(place: Path) -> str:
    settings = f"""parameters]
template_file = "{place / "template.yaml"}"
env_vars = "{place / "env.json"}"
add_host = ["{_HOST}:host-gateway"]
parameter_overrides = ["Architecture={machine_architecture()}"]
"""
    return f"version = 0.1\n\n[default.local_invoke.{settings}\n[default.local_start_lambda.{settings}"
