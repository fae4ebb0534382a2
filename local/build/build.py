"""Builds both functions with SAM, compiles them ahead of time, and verifies what came out.

``python -m local.build.build`` makes the build that `sam deploy` uploads to AWS.
"""

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from local.build.artefact import Sizes, verify
from local.isolation import ROOT, STATE, LocalCloudError, build_environment, run_quietly, tool
from local.rooms import Room

_INPUTS = (
    "template.yaml",
    "samconfig.toml",
    "requirements.txt",
    "local/build/build.py",
    "local/build/artefact.py",
    "local/requirements-sam.txt",
)
_DOWNLOADS = ROOT / ".aws-sam" / "deps"  # for any build folder
_TASK_ROOT = "/var/task"
_STAMP = "inputs.sha256"


def machine_architecture() -> str:
    """Return the template's name of this machine's processor."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build(folder: Path, *, environment: str, architecture: str) -> dict[str, Sizes]:
    """Run `sam build`, compile the result ahead of time, and verify it.

    Args:
        folder: for the built template and one folder a function.
        environment: section of samconfig.toml.
        architecture: arm64 or x86_64; wheels of the wrong one fail at import.

    Returns:
        The sizes of each function.

    Raises:
        LocalCloudError: the build failed, or did not pass the verification.
    """
    with only_builder(STATE):
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
    run_quietly(command, environment=build_environment(), log=STATE / "log" / "sam-build.log", purpose="sam build")


def _finish(folder: Path, architecture: str) -> dict[str, Sizes]:
    for function in _functions(folder):
        _compile(folder / function)
    return {function: verify(folder / function, architecture=architecture) for function in _functions(folder)}


def packed_build(architecture: str, room: Room | None = None) -> tuple[Path, bool]:
    """Return the template of a build for the local cloud, and whether it is a new build.

    A build of the same inputs is used again. Its folders are zipped once, because `sam deploy` would zip them each
    time.

    Args:
        architecture: arm64 or x86_64.
        room: whose integration is in it; None for the user's own. Another one replaces the user's in a copy.
    """
    folder = STATE / "lambda" / architecture
    with only_builder(folder):
        inputs = _digest(architecture)
        is_new = not _is_current(folder, inputs)
        if is_new:
            build(folder / "build", environment="local", architecture=architecture)
            _finish_packing(folder, folder, inputs)
        if room is None or room.is_own:
            return folder / "template.yaml", is_new
        return _variant(folder, inputs, room)


def fingerprint(architecture: str, room: Room) -> str:
    """Return a hash of everything that the build of a room's integration depends on, as it is on disk now."""
    return f"{_digest(architecture)} {_content_digest(room.partner)}"


def _is_current(folder: Path, inputs: str) -> bool:
    """Return whether a build was made of these inputs; if not, mark it as unfinished."""
    stamp = folder / _STAMP
    if stamp.exists() and stamp.read_text() == inputs:
        return True
    stamp.unlink(missing_ok=True)
    return False


def _variant(base: Path, inputs: str, room: Room) -> tuple[Path, bool]:
    """Return the template of a copy of a build that holds another room's integration."""
    folder = base / "variants" / "-".join(room.partner.parent.parts[-2:])
    inputs = f"{inputs} {_content_digest(room.partner)}"
    if _is_current(folder, inputs):
        return folder / "template.yaml", False
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base / "build", folder / "build", copy_function=os.link)
    for function in _functions(folder / "build"):
        _replace_partner(folder / "build" / function, room.partner)
        verify(folder / "build" / function, architecture=base.name, partner=room.partner)
    _finish_packing(folder, base, inputs)
    return folder / "template.yaml", True


def _replace_partner(function: Path, partner: Path) -> None:
    target = function / "partner"
    shutil.rmtree(target)
    shutil.copytree(partner, target, ignore=shutil.ignore_patterns("__pycache__"))
    _compile(target, target.name)


def _finish_packing(folder: Path, base: Path, inputs: str) -> None:
    """Zip each build once, also if several functions share it; write a template with the zips, and the stamp."""
    template = (folder / "build" / "template.yaml").read_text()
    for definition in tomllib.loads((base / "build.toml").read_text())["function_build_definitions"].values():
        shared = definition["functions"][0]
        _zip(folder / "build" / shared, folder / f"{shared}.zip")
        for function in definition["functions"]:
            template = re.sub(rf"(?m)^(\s+CodeUri: ){function}$", rf"\g<1>{shared}.zip", template)
    (folder / "template.yaml").write_text(template)
    (folder / _STAMP).write_text(inputs)


def _zip(folder: Path, target: Path | IO[bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))


@contextmanager
def only_builder(folder: Path) -> Iterator[None]:
    """Let one process build at a time: SAM deletes the downloads of other builds, even of running ones."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(architecture: str) -> str:
    """Hash the names and contents of everything that the build depends on."""
    digest = hashlib.sha256(f"{architecture} {sys.version} {_content_digest(ROOT / 'src')}".encode())
    for name in _INPUTS:
        digest.update(f"{name} {hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def _content_digest(folder: Path) -> str:
    """Hash the names and contents of the files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _functions(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _compile(folder: Path, below: str = "") -> None:
    """Add .pyc files, which halve a cold start. They are not checked by timestamp, because a deployment changes it.

    They name the path of the code in Lambda instead of the one on this machine.
    """
    command = [
        sys.executable, "-m", "compileall", "-q", "-f", "-j", "0", "--invalidation-mode", "unchecked-hash",
        "-s", str(folder), "-p", str(PurePosixPath(_TASK_ROOT, below)), str(folder),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Build for AWS, and print the folder and the sizes of the result."""
    parser = argparse.ArgumentParser(prog="python -m local.build.build", description="Build both functions for AWS.")
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="x86_64")
    parser.add_argument("--packed", action="store_true", help="build for this machine's local cloud instead, if needed")
    options = parser.parse_args()
    try:
        if options.packed:
            packed_build(machine_architecture())
        else:
            _build_for_aws(options.architecture)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _build_for_aws(architecture: str) -> None:
    folder = ROOT / ".aws-sam" / "build"
    sizes = build(folder, environment="default", architecture=architecture)
    print(f"Built and verified for {architecture} in {folder.relative_to(ROOT)}:")
    for function, size in sizes.items():
        parts = {"own code": size.own, "dependencies": size.dependencies, ".pyc": size.compiled}
        listed = ", ".join(f"{name} {_megabytes(number)}" for name, number in parts.items())
        zipped = _megabytes(_zipped_bytes(folder / function))
        print(f"  {function}: {_megabytes(size.total)} MB, {zipped} MB zipped ({listed})")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _zipped_bytes(folder: Path) -> int:
    with tempfile.TemporaryFile() as archive:
        _zip(folder, archive)
        return archive.tell()


if __name__ == "__main__":
    sys.exit(main())
