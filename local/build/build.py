"""Builds for the local cloud: an integration on dependencies that SAM has built once.

`sam build` runs again when the dependencies or the template change. When only code changes, it is put beside the
dependencies of before, which has the same result and takes a second or two.
"""

import hashlib
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Literal

from local.build.artefact import verify
from local.build.sam_build import build, compile_ahead, only_builder, shared_builds
from local.isolation import ROOT, STATE, LocalCloudError
from local.rooms import Room
from local.setup.disk import explained

_SOURCE = ROOT / "src"
_BASE_INPUTS = (
    "template.yaml",
    "samconfig.toml",
    "requirements.txt",
    "local/build/build.py",
    "local/build/sam_build.py",
    "local/build/artefact.py",
    "local/requirements/sam.txt",
)
_STAMP = "inputs.sha256"
_DEPENDENCIES = "dependencies"  # the name of their zip, after that of the function


def packed_build(architecture: str, room: Room | None = None) -> tuple[Path, bool]:
    """Return the template of a build for the local cloud, and whether it is a new build.

    A build of the same inputs is used again. Beside the template are a zip for all functions that share a build,
    because `sam deploy` would zip them each time, and the folder ``build`` with the same, not zipped.

    Args:
        architecture: arm64 or x86_64.
        room: whose integration is in it; None for the user's own.

    Raises:
        LocalCloudError: the build failed, or did not pass the verification.
    """
    room = room or Room.of()
    folder = STATE / "lambda" / architecture
    with explained(LocalCloudError), only_builder(folder):
        base = _base(folder / "base", architecture)
        return _with_code(base, folder / "rooms" / _name(room), architecture, room)


def fingerprint(architecture: str, room: Room) -> str:
    """Return a hash of everything that the build of a room's integration depends on, as it is on disk now."""
    own = f"{_content_digest(_SOURCE)} {_content_digest(room.partner)}"
    return hashlib.sha256(f"{_base_digest(architecture)} {own}".encode()).hexdigest()


def _name(room: Room) -> str:
    return "own" if room.is_own else "-".join(room.partner.parent.parts[-2:])


def _base(folder: Path, architecture: str) -> Path:
    """Return the folder with SAM's template and, for each build, a folder and a zip of the dependencies only."""
    inputs = _base_digest(architecture)
    if _is_current(folder, inputs):
        return folder
    build(folder / "build", environment="local", architecture=architecture)
    for shared, *others in shared_builds(folder / "build"):
        for function in others:
            shutil.rmtree(folder / "build" / function)
        _remove(_own(folder / "build" / shared))
        write_zip(folder / f"{shared}-{_DEPENDENCIES}.zip", folder / "build" / shared)
    (folder / _STAMP).write_text(inputs)
    return folder


def _with_code(base: Path, folder: Path, architecture: str, room: Room) -> tuple[Path, bool]:
    """Return the template of a build of a room's integration, and whether it is a new one."""
    inputs = fingerprint(architecture, room)
    if _is_current(folder, inputs):
        return folder / "template.yaml", False
    template = (base / "build" / "template.yaml").read_text()
    packed = template
    for functions in shared_builds(base / "build"):
        shared = functions[0]
        _put_together(base / "build" / shared, folder / "build" / shared, room)
        verify(folder / "build" / shared, architecture=architecture, partner=room.partner)
        _pack(base / f"{shared}-{_DEPENDENCIES}.zip", folder / "build" / shared, folder / f"{shared}.zip")
        template = _with_location(template, functions, shared)
        packed = _with_location(packed, functions, f"{shared}.zip")
    (folder / "build" / "template.yaml").write_text(template)
    (folder / "template.yaml").write_text(packed)
    (folder / _STAMP).write_text(inputs)
    return folder / "template.yaml", True


def _put_together(dependencies: Path, function: Path, room: Room) -> None:
    """Link the dependencies, unless they are there, and copy and compile the code."""
    linked = function.with_name(f"{function.name}.sha256")
    inputs = (dependencies.parent.parent / _STAMP).read_text()
    if linked.exists() and linked.read_text() == inputs:
        _remove(_own(function))
    else:
        linked.unlink(missing_ok=True)
        shutil.rmtree(function, ignore_errors=True)
        shutil.copytree(dependencies, function, copy_function=os.link)
        linked.write_text(inputs)
    no_bytecode = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(_SOURCE, function, ignore=no_bytecode, dirs_exist_ok=True)
    if not room.is_own:
        shutil.rmtree(function / "partner")
        shutil.copytree(room.partner, function / "partner", ignore=no_bytecode)
    compile_ahead(function, _own(function))


def _own(function: Path) -> list[Path]:
    """Return what is of src/ at the top level of a built function, with what was compiled of it."""
    names = {path.name for path in _SOURCE.iterdir()} - {"__pycache__"}
    compiled = [path for name in names for path in function.glob(f"__pycache__/{Path(name).stem}.*.pyc")]
    return [*(function / name for name in sorted(names) if (function / name).exists()), *compiled]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _pack(dependencies: Path, function: Path, target: Path) -> None:
    """Zip a function: a copy of the zip of its dependencies, with its code added."""
    shutil.copyfile(dependencies, target)
    write_zip(target, function, _own(function), mode="a")


def write_zip(
    target: Path | IO[bytes], folder: Path, paths: Iterable[Path] = (), mode: Literal["w", "a"] = "w"
) -> None:
    """Zip a folder, or these paths in it."""
    with zipfile.ZipFile(target, mode, zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in paths or [folder]:
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                archive.write(file, file.relative_to(folder))


def _with_location(template: str, functions: Iterable[str], location: str) -> str:
    """Return a built template in which the code of these functions is elsewhere."""
    names = "|".join(map(re.escape, functions))
    return re.sub(rf"(?m)^(\s+CodeUri: )(?:{names})$", rf"\g<1>{location}", template)


def _is_current(folder: Path, inputs: str) -> bool:
    """Return whether a build was made of these inputs; if not, mark it as unfinished."""
    stamp = folder / _STAMP
    if stamp.exists() and stamp.read_text() == inputs:
        return True
    stamp.unlink(missing_ok=True)
    return False


def _base_digest(architecture: str) -> str:
    """Hash the names and contents of everything but the code that a build depends on."""
    digest = hashlib.sha256(f"{architecture} {sys.version}".encode())
    for name in _BASE_INPUTS:
        digest.update(f"{name} {hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def _content_digest(folder: Path) -> str:
    """Hash the names and contents of the files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
