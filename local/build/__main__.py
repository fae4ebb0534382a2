"""`make build`: ``python -m local.build`` makes the build that `sam deploy` uploads to AWS."""

import argparse
import sys
import tempfile
import tomllib
from pathlib import Path

from local.build.build import packed_build, write_zip
from local.build.deployment_settings import problems
from local.build.sam_build import build, machine_architecture
from local.isolation import ROOT, LocalCloudError


def main() -> int:
    """Build for AWS, and print the folder and the sizes of the result."""
    parser = argparse.ArgumentParser(prog="python -m local.build", description="Build the functions for AWS.")
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
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text())
    if wrong := list(problems(configuration)):
        raise LocalCloudError("samconfig.toml: " + "\n".join(wrong))
    folder = ROOT / ".aws-sam" / "build"
    sizes = build(folder, environment="default", architecture=architecture)
    print(f"Built and verified for {architecture} in {folder.relative_to(ROOT)}:")
    for functions, size in sizes.items():
        parts = {"own code": size.own, "dependencies": size.dependencies, ".pyc": size.compiled}
        listed = ", ".join(f"{name} {_megabytes(number)}" for name, number in parts.items())
        zipped = _megabytes(_zipped_bytes(folder / functions[0]))
        print(f"  {', '.join(functions)}: {_megabytes(size.total)} MB, {zipped} MB zipped ({listed})")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _zipped_bytes(folder: Path) -> int:
    with tempfile.TemporaryFile() as file:
        write_zip(file, folder)
        return file.tell()


if __name__ == "__main__":
    sys.exit(main())
