"""Builds both functions with SAM, checks that their dependencies are inside, and compiles them ahead of time.

``python -m local.build`` makes the build that `sam deploy` takes to AWS.
"""

import argparse
import fcntl
import hashlib
import platform
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.isolation import ROOT, STATE, LocalCloudError, build_environment, run_quietly, tool

_INPUTS = ("template.yaml", "samconfig.toml", "requirements.txt", "local/build.py", "local/requirements-sam.txt")


def machine_architecture() -> str:
    """Return what this machine's processor is called in the template."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build(folder: Path, *, environment: str, architecture: str) -> None:
    """Run `sam build` and make its result ready to start fast.

    Args:
        folder: where the built template and one folder a function go.
        environment: section of samconfig.toml.
        architecture: arm64 or x86_64; wheels of the wrong one fail at import.

    Raises:
        LocalCloudError: the build failed or lacks a dependency.
    """
    command: list[str | Path] = [
        tool("sam", "sam"), "build", "--config-file", ROOT / "samconfig.toml", "--config-env", environment,
        "--cached", "--cache-dir", STATE / "sam-cache", "--build-dir", folder,
        "--parameter-overrides", f"Architecture={architecture}",
    ]  # fmt: skip
    run_quietly(command, environment=build_environment(), log=STATE / "log" / "sam-build.log", purpose="sam build")
    for function in _functions(folder):
        require_dependencies(folder / function)
        _compile(folder / function)


def packed_build(architecture: str) -> tuple[Path, bool]:
    """Return the template of a build for the local cloud, and whether it had to be made anew.

    The folders are zipped here, once, where `sam deploy` would zip them each time. A build of the same inputs is
    used again.
    """
    place = STATE / "lambda" / architecture
    place.mkdir(parents=True, exist_ok=True)
    stamp, template = place / "inputs.sha256", place / "template.yaml"
    with _only_builder(place):
        inputs = _digest(architecture)
        if stamp.exists() and stamp.read_text() == inputs:
            return template, False
        stamp.unlink(missing_ok=True)
        build(place / "build", environment="local", architecture=architecture)
        template.write_text(_pack(place))
        stamp.write_text(inputs)
    return template, True


def _pack(place: Path) -> str:
    """Zip each build once, also when several functions share it, and return the template that names the zips."""
    template = (place / "build" / "template.yaml").read_text()
    definitions = tomllib.loads((place / "build.toml").read_text())["function_build_definitions"]
    for definition in definitions.values():
        shared = definition["functions"][0]
        _zip(place / "build" / shared, place / f"{shared}.zip")
        for function in definition["functions"]:
            template = re.sub(rf"(?m)^(\s+CodeUri: ){function}$", rf"\g<1>{shared}.zip", template)
    return template


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))


@contextmanager
def _only_builder(place: Path) -> Iterator[None]:
    """Let one process build at a time: a test run may meet a `make run`."""
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(architecture: str) -> str:
    """Hash all that the build depends on, names and contents."""
    sources = sorted(path for path in (ROOT / "src").rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = hashlib.sha256(f"{architecture} {sys.version}".encode())
    for path in [*(ROOT / name for name in _INPUTS), *sources]:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _functions(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def require_dependencies(function: Path) -> None:
    """Refuse a build without its dependencies: SAM makes one, with a warning only, when it misses the manifest.

    Raises:
        LocalCloudError: naming what is missing.
    """
    pins = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements.txt").read_text())
    inside = {path.name.lower() for path in function.glob("*.dist-info")}
    missing = [pin for pin in pins if not any(name.startswith(f"{pin.replace('-', '_')}-") for name in inside)]
    if missing:
        raise LocalCloudError(f"the build of {function.name} lacks {', '.join(missing)}")


def _compile(function: Path) -> None:
    """Add .pyc files, which halve a cold start; checked by no timestamp, since deploying changes those."""
    command = [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, str(function)], check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Build for AWS and say where the result is."""
    parser = argparse.ArgumentParser(prog="python -m local.build", description="Build both functions for AWS.")
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="arm64")
    architecture = parser.parse_args().architecture
    folder = ROOT / ".aws-sam" / "build"
    try:
        build(folder, environment="default", architecture=architecture)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Built {' and '.join(_functions(folder))} for {architecture} in {folder.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
