"""Builds the functions with SAM, compiles them ahead of time, and verifies what came out."""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.build.artefact import Sizes, verify
from local.isolation import ROOT, STATE, LocalCloudError, build_environment, run_quietly, tool
from local.setup.disk import explained

_DOWNLOADS = ROOT / ".aws-sam" / "deps"  # for any build folder
_TASK_ROOT = "/var/task"
_WITHOUT_WHEEL = re.compile(r"ResolveDependencies - \{(.+)\(wheel\)\}")


def machine_architecture() -> str:
    """Return the template's name of this machine's processor."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build(folder: Path, *, environment: str, architecture: str) -> dict[tuple[str, ...], Sizes]:
    """Run `sam build`, compile the result ahead of time, and verify it.

    Args:
        folder: for the built template and one folder a function. Those of functions that share a build are links.
        environment: section of samconfig.toml.
        architecture: arm64 or x86_64; wheels of the wrong one fail at import.

    Returns:
        The sizes of each build, by the names of the functions that share it.

    Raises:
        LocalCloudError: the build failed, or did not pass the verification.
    """
    with explained(LocalCloudError), only_builder(STATE):
        _sam_build(folder, environment, architecture)
        try:
            return _finish(folder, architecture)
        except LocalCloudError:
            # SAM reuses an incomplete download of an interrupted build.
            shutil.rmtree(_DOWNLOADS, ignore_errors=True)
            _sam_build(folder, environment, architecture)
            return _finish(folder, architecture)


def _sam_build(folder: Path, environment: str, architecture: str) -> None:
    command: list[str | Path] = [
        tool("sam", "sam"), "build", "--config-file", ROOT / "samconfig.toml", "--config-env", environment,
        "--cached", "--cache-dir", STATE / "sam-cache", "--build-dir", folder,
        "--parameter-overrides", f"Architecture={architecture}",
    ]  # fmt: skip
    try:
        run_quietly(command, environment=build_environment(), log=STATE / "log" / "sam-build.log", purpose="sam build")
    except LocalCloudError as error:
        raise LocalCloudError(f"{error}{hint(str(error), architecture)}") from None


def hint(output: str, architecture: str) -> str:
    """Return what the user can do about a failed build, as a further line, if SAM does not say."""
    missing = _WITHOUT_WHEEL.search(output)
    if not missing:
        return ""
    return (
        f"\n{missing[1]} has no wheel for {architecture} whose hash is in requirements.txt. "
        "Choose another version in pyproject.toml, or run `make lock` if a file was added to that release."
    )


def _finish(folder: Path, architecture: str) -> dict[tuple[str, ...], Sizes]:
    """Compile and verify each build once; the other functions that it is for get links to its files."""
    sizes: dict[tuple[str, ...], Sizes] = {}
    for shared, *others in shared_builds(folder):
        compile_ahead(folder / shared, [folder / shared])
        sizes[shared, *others] = verify(folder / shared, architecture=architecture)
        for function in others:
            shutil.rmtree(folder / function)
            shutil.copytree(folder / shared, folder / function, copy_function=os.link)
    return sizes


def shared_builds(folder: Path) -> list[Sequence[str]]:
    """Return the names of the functions that share each build in this folder; SAM has written them down beside it."""
    written = tomllib.loads(folder.with_name("build.toml").read_text())
    return [definition["functions"] for definition in written["function_build_definitions"].values()]


def compile_ahead(function: Path, paths: Iterable[Path]) -> None:
    """Add .pyc files, which halve a cold start. They are not checked by timestamp, because a deployment changes it.

    They name the path of the code in Lambda instead of the one on this machine.

    Args:
        function: the folder of the built function.
        paths: what is to be compiled in it.
    """
    command: list[str | Path] = [
        sys.executable, "-m", "compileall", "-q", "-f", "-j", "0", "--invalidation-mode", "unchecked-hash",
        "-s", function, "-p", _TASK_ROOT, *paths,
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def only_builder(folder: Path) -> Iterator[None]:
    """Let one process build at a time: SAM deletes the downloads of other builds, even of running ones."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
