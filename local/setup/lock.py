"""`make lock`: writes the lock files from the dependency groups in pyproject.toml.

A lock holds exact versions with the hashes of all their files, for every platform. Versions stay as they are unless the
group asks for another one, or with ``--upgrade``, which takes the newest of what the direct dependencies pull in.

Of pip's settings the main index is used and no other place: uv takes a release from one place only, and one that has
some of the files would leave the hashes of the others out. To lock what only another index has, set uv's own UV_INDEX.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from local.setup import uv
from local.setup.disk import SetupError, explained
from local.setup.environments import ENVIRONMENTS, ROOT, UV
from local.setup.pip_settings import pip_settings, uv_environment

_NOT_WHILE_LOCKING = {"extra-index-url", "find-links", "no-index"}

LOCKS: Mapping[str, Path] = MappingProxyType(
    {
        "ships": ROOT / "requirements.txt",
        **{name: each.lock for name, each in ENVIRONMENTS.items() if name != "bench"},
        "uv": UV.lock,
    }
)
"""The lock of each dependency group; a later one may depend on an earlier one."""

_BASES: Mapping[str, str] = MappingProxyType({"local": "ships", "tests": "local"})
"""Groups that include another one, whose versions they take."""

# What ships runs in Lambda only, so its lock has no conditions on the platform. The hashes are those of all platforms.
_PLATFORMS: Mapping[str, Sequence[str]] = MappingProxyType({"ships": ["--python-platform", "x86_64-manylinux_2_28"]})


def arguments(group: str, target: Path, *, upgrade: bool) -> Sequence[str | Path]:
    """Return what uv is called with to write a lock."""
    base = _BASES.get(group)
    command: list[str | Path] = [
        "pip", "compile", "--quiet", "--python", sys.executable, "--group", f"pyproject.toml:{group}",
        "--generate-hashes", *_PLATFORMS.get(group, ["--universal"]), "--no-emit-index-url", "--no-header",
        "--python-version", "3.13", "--annotation-style", "line", "--output-file", target.relative_to(ROOT),
        *(["--constraint", str(LOCKS[base].relative_to(ROOT))] if base else []),
        *(["--upgrade"] if upgrade else []),
    ]  # fmt: skip
    return command


def main() -> int:
    """Write all locks, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.setup.lock", description="Write the lock files.")
    parser.add_argument("--upgrade", action="store_true", help="take newer versions of indirect dependencies")
    upgrade = parser.parse_args().upgrade
    try:
        with explained(SetupError):
            _lock(upgrade=upgrade)
    except SetupError as error:
        print(f"Nothing more was locked: {error}", file=sys.stderr)
        return 1
    return 0


def _lock(*, upgrade: bool) -> None:
    program = (uv.find(os.environ) or uv.install(os.environ)).program
    settings = {name: value for name, value in pip_settings().items() if name not in _NOT_WHILE_LOCKING}
    compiler = uv.Uv(program, uv_environment(os.environ, settings))
    for group, target in LOCKS.items():
        before = target.read_text() if target.exists() else ""
        compiler.run(f"the lock of {group} was not written", *arguments(group, target, upgrade=upgrade))
        origin = f"# Written by `make lock` from the group `{group}` in pyproject.toml.\n"
        target.write_text(origin + target.read_text().removeprefix(origin))
        print(f"{'=' if target.read_text() == before else '✓'} {target.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
