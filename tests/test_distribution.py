"""The files that `tests.distribution` names are those that there are."""

from local.isolation import ROOT
from tests.distribution import FIRST

CLOUD = ("cloud: " + "LocalCloud", "inspector_url: " + "str")
"""The fixture that deploys the local cloud, and the one that needs it, as tests ask for them."""


def test_the_files_that_start_first_exist() -> None:
    assert [file for group in FIRST for file in group if not (ROOT / file).is_file()] == []


def test_the_files_that_deploy_the_local_cloud_run_in_one_process() -> None:
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    deploying = {file for file, source in sources.items() if any(fixture in source for fixture in CLOUD)}

    assert [set(group) for group in FIRST if set(group) & deploying] == [deploying]
