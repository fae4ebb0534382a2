"""Builds both functions with SAM, compiles them ahead of time, and verifies what came out.

``python -m local.build.build`` makes the build that `sam deploy` takes to AWS.
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
_BIGGEST = 4
_DOWNLOADS = ROOT / ".aws-sam" / "deps"  # whatever the build folder is
_TASK_ROOT = "/var/task"
_STAMP = "inputs.sha256"


def machine_architecture() -> str:
    """Return what this machine's processor is called in the template."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build(folder: Path, *, environment: str, architecture: str) -> dict[str, Sizes]:
    """Run `sam build`, make its result ready to start fast, and verify it.

    Args:
        folder: where the built template and one folder a function go.
        environment: section of samconfig.toml.
        architecture: arm64 or x86_64; wheels of the wrong one fail at import.

    Returns:
        The sizes of what is inside, by function.

    Raises:
        LocalCloudError: the build failed, or is not what should be deployed.
    """
    with only_builder(STATE):
        _sam_build(folder, environment, architecture)
        try:
            return _finish(folder, architecture)
        except LocalCloudError:
            # SAM takes what an interrupted build has downloaded for whole, and uses it again and again.
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
    """Return the template of a build for the local cloud, and whether it had to be made anew.

    The folders are zipped here, once, where `sam deploy` would zip them each time. A build of the same inputs is
    used again.

    Args:
        architecture: arm64 or x86_64.
        room: whose integration is in it; None for the user's own. Another one replaces the user's in a copy.
    """
    place = STATE / "lambda" / architecture
    with only_builder(place):
        inputs = _digest(architecture)
        is_new = not _is_current(place, inputs)
        if is_new:
            build(place / "build", environment="local", architecture=architecture)
            _pack(place, place / "build.toml")
            (place / _STAMP).write_text(inputs)
        if room is None or room.is_own:
            return place / "template.yaml", is_new
        return _variant(place, inputs, room)


def _is_current(place: Path, inputs: str) -> bool:
    """Return whether a build was made of these inputs; if not, it no longer counts as finished."""
    stamp = place / _STAMP
    if stamp.exists() and stamp.read_text() == inputs:
        return True
    stamp.unlink(missing_ok=True)
    return False


def _variant(base: Path, inputs: str, room: Room) -> tuple[Path, bool]:
    """Return the template of a copy of a build that holds another room's integration."""
    place = base / "variants" / "-".join(room.partner.parent.parts[-2:])
    inputs = f"{inputs} {_content_digest(room.partner)}"
    if _is_current(place, inputs):
        return place / "template.yaml", False
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base / "build", place / "build", copy_function=os.link)
    for function in _functions(place / "build"):
        _replace_partner(place / "build" / function, room.partner)
        verify(place / "build" / function, architecture=base.name, partner=room.partner)
    _pack(place, base / "build.toml")
    (place / _STAMP).write_text(inputs)
    return place / "template.yaml", True


def _replace_partner(function: Path, partner: Path) -> None:
    target = function / "partner"
    shutil.rmtree(target)
    shutil.copytree(partner, target, ignore=shutil.ignore_patterns("__pycache__"))
    _compile(target, target.name)


def _pack(place: Path, definitions: Path) -> None:
    """Zip each build once, also when several functions share it, and write the template that names the zips."""
    template = (place / "build" / "template.yaml").read_text()
    for definition in tomllib.loads(definitions.read_text())["function_build_definitions"].values():
        shared = definition["functions"][0]
        _zip(place / "build" / shared, place / f"{shared}.zip")
        for function in definition["functions"]:
            template = re.sub(rf"(?m)^(\s+CodeUri: ){function}$", rf"\g<1>{shared}.zip", template)
    (place / "template.yaml").write_text(template)


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))


@contextmanager
def only_builder(place: Path) -> Iterator[None]:
    """Let one process build at a time: SAM deletes the downloads of other builds, those under way among them."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(architecture: str) -> str:
    """Hash all that the build depends on, names and contents."""
    digest = hashlib.sha256(f"{architecture} {sys.version} {_content_digest(ROOT / 'src')}".encode())
    for name in _INPUTS:
        digest.update(f"{name} {hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def _content_digest(folder: Path) -> str:
    """Hash the files of a folder, names and contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _functions(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _compile(folder: Path, below: str = "") -> None:
    """Add .pyc files, which halve a cold start; checked by no timestamp, since deploying changes those.

    They name the place where Lambda puts the code, and not this machine's.
    """
    command = [
        sys.executable, "-m", "compileall", "-q", "-f", "-j", "0", "--invalidation-mode", "unchecked-hash",
        "-s", str(folder), "-p", str(PurePosixPath(_TASK_ROOT, below)), str(folder),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Build for AWS, and say where the result is and how big."""
    parser = argparse.ArgumentParser(prog="python -m local.build.build", description="Build both functions for AWS.")
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="x86_64")
    architecture = parser.parse_args().architecture
    folder = ROOT / ".aws-sam" / "build"
    try:
        sizes = build(folder, environment="default", architecture=architecture)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Built and verified for {architecture} in {folder.relative_to(ROOT)}:")
    for function, inside in sizes.items():
        print(f"  {function}: {_described(inside, zipped=_zipped_bytes(folder / function))}")
    return 0


def _described(sizes: Sizes, *, zipped: int) -> str:
    parts = sorted(sizes.distributions.items(), key=lambda part: -part[1])
    rest = sum(size for _, size in parts[_BIGGEST:])
    inside = {"own code": sizes.own, **dict(parts[:_BIGGEST]), "other dependencies": rest, ".pyc": sizes.compiled}
    listed = ", ".join(f"{name} {_megabytes(size)}" for name, size in inside.items())
    return f"{_megabytes(sizes.total)} MB, {_megabytes(zipped)} MB zipped ({listed})"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _zipped_bytes(folder: Path) -> int:
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place, "function.zip")
        _zip(folder, archive)
        return archive.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
