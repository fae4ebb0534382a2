"""A build that would fail in AWS is refused here."""

from pathlib import Path

import pytest

from local.build import require_dependencies
from local.isolation import ROOT, LocalCloudError


def distribution(pin: str) -> str:
    name, _, version = pin.partition("==")
    return f"{name.replace('-', '_')}-{version}.dist-info"


def pins() -> list[str]:
    return [line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]


def test_a_build_with_every_dependency_passes(tmp_path: Path) -> None:
    for pin in pins():
        (tmp_path / distribution(pin)).mkdir()
    require_dependencies(tmp_path)


def test_a_build_that_missed_the_manifest_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    for pin in pins():
        if not pin.startswith(("pydantic==", "urllib3==")):
            (tmp_path / distribution(pin)).mkdir()
    with pytest.raises(LocalCloudError, match=r"lacks pydantic, urllib3$"):
        require_dependencies(tmp_path)
