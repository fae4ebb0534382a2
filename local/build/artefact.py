"""Verifies a built function, as a folder or as the zip that is uploaded: it holds what ships, and nothing else."""

import importlib.util
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local.isolation import ROOT, LocalCloudError

OWN = frozenset({"app.py", "mparticle_firehose", "partner"})
"""The project's own code at the top level of a build, as in src/."""

MAX_UNPACKED_BYTES = 250 * 1024 * 1024
"""Lambda's limit, layers included."""

OWN_PARTNER = ROOT / "src" / "partner"

_PYC_HEADER_BYTES = 16
_UNCHECKED_HASH = 0b01  # PEP 552: Python does not compare the .pyc with its source
_OWN_TESTS = re.compile(r"(mparticle_firehose|partner)/(.*/)?(tests?/.*|test_[^/]*|conftest\.py)")
_MAX_NAMED = 5
# From the ELF specification: the position of the machine, and its values.
_ELF_MACHINE = slice(18, 20)
_ELF_MACHINES = {b"\x3e\x00": "x86_64", b"\xb7\x00": "arm64"}

type Files = Mapping[PurePosixPath, bytes]


@dataclass(frozen=True)
class Sizes:
    """The unpacked sizes of a build, in bytes.

    Attributes:
        own: the project's code.
        dependencies: theirs, without .pyc files.
        compiled: all .pyc files.
    """

    own: int
    dependencies: int
    compiled: int

    @property
    def total(self) -> int:
        """The size that Lambda limits."""
        return self.own + self.dependencies + self.compiled


def files_in(artefact: Path) -> Files:
    """Read all files of a built folder or zip."""
    if artefact.is_dir():
        found = (path for path in artefact.rglob("*") if path.is_file())
        return {PurePosixPath(path.relative_to(artefact).as_posix()): path.read_bytes() for path in found}
    with zipfile.ZipFile(artefact) as archive:
        return {PurePosixPath(name): archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def verify(artefact: Path, *, architecture: str, partner: Path = OWN_PARTNER) -> Sizes:
    """Check a built function.

    Args:
        artefact: its folder or zip.
        architecture: arm64 or x86_64.
        partner: the integration that must be in it.

    Returns:
        The sizes of what is in it.

    Raises:
        LocalCloudError: it names everything that is missing, superfluous, stale, or for another processor.
    """
    files = files_in(artefact)
    problems = [
        *_distribution_problems(files),
        *_content_problems(files, partner),
        *_bytecode_problems(files),
        *_processor_problems(files, architecture),
    ]
    sizes = measure(files)
    if sizes.total > MAX_UNPACKED_BYTES:
        problems.append(f"has {sizes.total} bytes unpacked, and Lambda accepts {MAX_UNPACKED_BYTES}")
    if problems:
        raise LocalCloudError("\n".join(f"the build of {artefact.stem} {problem}" for problem in problems))
    return sizes


def measure(files: Files) -> Sizes:
    """Add up what is in a build."""
    sizes = Counter[str]()
    for path, content in files.items():
        part = "compiled" if path.suffix == ".pyc" else "own" if path.parts[0] in OWN else "dependencies"
        sizes[part] += len(content)
    return Sizes(own=sizes["own"], dependencies=sizes["dependencies"], compiled=sizes["compiled"])


def pinned() -> set[str]:
    """Return the pins of requirements.txt as ``name-version``, spelled as the folder of a distribution."""
    pins = re.findall(r"(?m)^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text())
    return {_spelled(f"{name}-{version}") for name, version in pins}


def _distribution_problems(files: Files) -> Iterator[str]:
    """Find missing dependencies (SAM leaves out all if it finds no manifest), unpinned ones, and duplicates."""
    inside = _distributions(files)
    if missing := sorted(pinned() - set(inside)):
        yield f"lacks {', '.join(missing)}"
    if surplus := sorted(set(inside) - pinned()):
        yield f"holds {', '.join(surplus)}, which requirements.txt does not pin"
    twice = [name for name, times in Counter(name.rpartition("-")[0] for name in inside).items() if times > 1]
    if twice:
        yield f"holds more than one {', '.join(sorted(twice))}"


def _content_problems(files: Files, partner: Path) -> Iterator[str]:
    """Find files that are neither the project's, as in src/, nor listed by a dependency; missing ones; and tests."""
    listed = {path for owned in _owned(files).values() for path in owned}
    source = ROOT / "src"
    expected = {path for path in _sources(source) if path.parts[0] != "partner"}
    expected |= {PurePosixPath("partner", path) for path in _sources(partner)}
    actual = {path for path in files if path.suffix != ".pyc"}
    yield from _naming("holds files of no dependency:", actual - listed - expected)
    yield from _naming("lacks", expected - actual)
    yield from _naming("holds tests:", {path for path in actual if _OWN_TESTS.fullmatch(str(path))})


def _sources(folder: Path) -> set[PurePosixPath]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {PurePosixPath(path.relative_to(folder).as_posix()) for path in found}


def _bytecode_problems(files: Files) -> Iterator[str]:
    """Find missing .pyc files, which would double a cold start, and stale ones, which would run other code."""
    sources = {path for path in files if path.suffix == ".py"}
    compiled = {path: _bytecode_of(path) for path in sources}
    stale = {path for path in sources if compiled[path] in files and not is_current(files[compiled[path]], files[path])}
    yield from _naming("is not compiled:", {path for path in sources if compiled[path] not in files})
    yield from _naming("holds .pyc files that are not compiled from their source with an unchecked hash:", stale)
    yield from _naming(
        "holds .pyc files without a source:",
        {path for path in files if path.suffix == ".pyc"} - set(compiled.values()),
    )


def is_current(bytecode: bytes, source: bytes) -> bool:
    """Return whether a .pyc is for this Python, compiled from this source, and with an unchecked hash."""
    header = bytecode[:_PYC_HEADER_BYTES]
    flags = int.from_bytes(header[4:8], "little")
    magic, digest = header[:4], header[8:]
    return (magic, flags, digest) == (
        importlib.util.MAGIC_NUMBER,
        _UNCHECKED_HASH,
        importlib.util.source_hash(source),
    )


def _processor_problems(files: Files, architecture: str) -> Iterator[str]:
    foreign = {
        path
        for path, content in files.items()
        if content.startswith(b"\x7fELF") and _ELF_MACHINES.get(content[_ELF_MACHINE]) != architecture
    }
    yield from _naming(f"is not for {architecture}:", foreign)


def _bytecode_of(source: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(importlib.util.cache_from_source(str(source)))


def _distributions(files: Files) -> list[str]:
    """Return ``name-version`` of every distribution whose metadata is there."""
    folders = sorted({path.parts[0] for path in files if path.parts[0].endswith(".dist-info")})
    return [_spelled(folder.removesuffix(".dist-info")) for folder in folders]


def _spelled(distribution: str) -> str:
    name, _, version = distribution.rpartition("-")
    return f"{name.replace('-', '_').replace('.', '_').lower()}-{version}"


def _owned(files: Files) -> dict[str, list[PurePosixPath]]:
    """Return the files that each distribution lists in its RECORD; a line begins with a path."""
    records = [path for path in files if path.name == "RECORD" and path.parent.suffix == ".dist-info"]
    return {
        record.parts[0].removesuffix(".dist-info"): [
            PurePosixPath(line.rsplit(",", 2)[0].strip('"')) for line in files[record].decode().splitlines()
        ]
        for record in records
    }


def _naming(what: str, paths: set[PurePosixPath]) -> Iterator[str]:
    if paths:
        named: Sequence[str] = sorted(map(str, paths))
        more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
        yield f"{what} {', '.join(named[:_MAX_NAMED])}{more}"
