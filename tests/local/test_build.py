"""A build is refused if it would fail in AWS, start slowly, or holds other files than it should."""

import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from local.build.artefact import OWN, files_in, is_current, pinned, verify
from local.build.build import fingerprint, packed_build
from local.build.sam_build import build, hint, machine_architecture
from local.isolation import ROOT, LocalCloudError, build_environment
from local.rooms import Room

PACKAGE = "mparticle_firehose"
ELF_FOR_X86_64 = b"\x7fELF" + b"\0" * 14 + b"\x3e\0"


def bytecode_path(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def bytecode(source: bytes, *, magic: bytes = importlib.util.MAGIC_NUMBER, flags: int = 1) -> bytes:
    return magic + flags.to_bytes(4, "little") + importlib.util.source_hash(source) + b"code"


def put(source: Path, content: bytes) -> None:
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(content)
    bytecode_path(source).parent.mkdir(exist_ok=True)
    bytecode_path(source).write_bytes(bytecode(content))


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """Return a correct build: each pinned distribution with one module, and the project's own code."""
    folder = tmp_path / "SomeFunction"
    for distribution in pinned():
        module = f"{distribution.rpartition('-')[0]}_module.py"
        put(folder / module, b"pass")
        metadata = folder / f"{distribution}.dist-info"
        metadata.mkdir()
        (metadata / "RECORD").write_text(f"{module},sha256=x,4\n{metadata.name}/RECORD,,\n")
    for source in (ROOT / "src").rglob("*"):
        if source.is_file() and source.suffix == ".py":
            put(folder / source.relative_to(ROOT / "src"), source.read_bytes())
        elif source.is_file() and source.suffix != ".pyc":
            shutil.copy(source, folder / source.relative_to(ROOT / "src"))
    return folder


def rebuilt_with(folder: Path, name: str, version: str, *, module: str) -> None:
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir()
    put(folder / module, b"pass")
    (metadata / "RECORD").write_text(f"{module},,\n{metadata.name}/RECORD,,\n")


def without(folder: Path, distribution: str) -> None:
    shutil.rmtree(next(folder.glob(f"{distribution}-*.dist-info")))
    (folder / f"{distribution}_module.py").unlink()
    bytecode_path(folder / f"{distribution}_module.py").unlink()


def test_a_build_with_everything_that_ships_and_nothing_else_passes(function: Path) -> None:
    sizes = verify(function, architecture="arm64")
    assert sizes.own == sum(
        path.stat().st_size for path in function.rglob("*.py") if path.relative_to(function).parts[0] in OWN
    )
    assert sizes.dependencies == sum(
        path.stat().st_size for path in [*function.glob("*_module.py"), *function.glob("*.dist-info/*")]
    )
    assert sizes.compiled == sum(path.stat().st_size for path in function.rglob("*.pyc"))


def change_source(folder: Path) -> None:
    (folder / PACKAGE / "firehose.py").write_bytes(b"import os")


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: without(folder, "pydantic"), r"lacks pydantic-[\d.]+"),
    (lambda folder: rebuilt_with(folder, "pytest", "9.2.0", module="pytest.py"), r"holds pytest-9\.2\.0, which"),
    (lambda folder: rebuilt_with(folder, "boto3", "1.0", module="old.py"), "holds more than one boto3"),
    (lambda folder: put(folder / "botocore" / "client.py", b"pass"), r"of no dependency: botocore/client\.py"),
    (lambda folder: put(folder / "tests" / "test_app.py", b"pass"), r"of no dependency: tests/test_app\.py"),
    (lambda folder: put(folder / PACKAGE / "test_x.py", b"pass"), rf"holds tests: {PACKAGE}/test_x\.py"),
    (lambda folder: put(folder / PACKAGE / "tests" / "x.py", b"pass"), rf"holds tests: {PACKAGE}/tests/x\.py"),
    (lambda folder: (folder / "events.json").write_text("{}"), r"of no dependency: events\.json"),
    (lambda folder: (folder / PACKAGE / "errors.py").unlink(), rf"lacks {PACKAGE}/errors\.py"),
    (
        lambda folder: bytecode_path(folder / PACKAGE / "firehose.py").unlink(),
        rf"is not compiled: {PACKAGE}/firehose\.py",
    ),
    (change_source, rf"not compiled from their source with an unchecked hash: {PACKAGE}/firehose\.py"),
    (lambda folder: (folder / PACKAGE / "a.so").write_bytes(ELF_FOR_X86_64), rf"is not for arm64: {PACKAGE}/a\.so"),
]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    FAULTS,
    ids=[
        "without-a-dependency", "development-package", "boto3-twice", "boto3-beside-its-distribution", "tests-beside",
        "test-module", "tests-inside", "stray-file", "without-own-code", "not-compiled", "stale-bytecode",
        "other-processor",
    ],
)  # fmt: skip
def test_a_faulty_build_is_refused_by_name(function: Path, spoil: Callable[[Path], object], complaint: str) -> None:
    spoil(function)
    with pytest.raises(LocalCloudError, match=complaint):
        verify(function, architecture="arm64")


@pytest.mark.parametrize(
    ("content", "current"),
    [
        pytest.param(bytecode(b"pass"), True, id="unchecked-hash"),
        pytest.param(bytecode(b"pass", flags=0), False, id="timestamp"),
        pytest.param(bytecode(b"pass", flags=0b11), False, id="checked-hash"),
        pytest.param(bytecode(b"other"), False, id="other-source"),
        pytest.param(bytecode(b"pass", magic=b"\x00\x0b\r\n"), False, id="other-python"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_only_bytecode_of_this_source_with_an_unchecked_hash_is_current(content: bytes, current: bool) -> None:
    assert is_current(content, b"pass") is current


def test_a_wheel_that_is_missing_is_named_with_what_to_do() -> None:
    output = "Build Failed\nError: PythonPipBuilder:ResolveDependencies - {pydantic-core==2.50.4(wheel)}"
    assert hint(output, "arm64").startswith("\npydantic-core==2.50.4 has no wheel for arm64")
    assert hint("Build Failed\nError: PythonPipBuilder:ResolveDependencies - no such package", "arm64") == ""


def own_build() -> Path:
    """Return the folder with the build of the user's integration for this machine."""
    return packed_build(machine_architecture())[0].parent


def contents(artefact: Path) -> dict[PurePosixPath, bytes]:
    """Return what a build holds; of .pyc files only their header, because compilers order constants differently."""
    return {path: content[:16] if path.suffix == ".pyc" else content for path, content in files_in(artefact).items()}


@pytest.mark.cloud
def test_all_functions_share_a_build_that_passes_and_names_no_path_of_this_machine() -> None:
    folder = own_build() / "build"
    assert set(re.findall(r"(?m)^      CodeUri: (.*)$", (folder / "template.yaml").read_text())) == {"HandlerFunction"}
    verify(folder / "HandlerFunction", architecture=machine_architecture())
    compiled = [
        bytecode_path(folder / "HandlerFunction" / source).read_bytes()
        for source in (f"{PACKAGE}/firehose.py", "partner/integration.py", "app.py", "six.py", "pydantic/main.py")
    ]
    assert all(b"/var/task/" in code for code in compiled)
    assert not any(str(ROOT).encode() in code for code in compiled)


@pytest.mark.cloud
def test_code_beside_earlier_dependencies_is_what_sam_builds_of_it(tmp_path: Path) -> None:
    base = own_build().parent.parent / "base"
    shutil.copy(base / "build.toml", tmp_path)  # with it SAM takes the earlier downloads
    sizes = build(tmp_path / "build", environment="local", architecture=machine_architecture())
    (functions,) = sizes
    assert {"HandlerFunction", "WorkerFunction", "FeedFunction"} <= set(functions)
    by_sam = contents(tmp_path / "build" / "HandlerFunction")
    assert contents(own_build() / "HandlerFunction.zip") == by_sam
    assert contents(own_build() / "build" / "HandlerFunction") == by_sam
    assert contents(tmp_path / "build" / "FeedFunction") == by_sam


@pytest.mark.cloud
def test_another_integration_replaces_the_users_and_nothing_else() -> None:
    sample = Room.of("tests/sample")
    own, other = (
        contents(packed_build(machine_architecture(), room)[0].with_name("HandlerFunction.zip"))
        for room in (None, sample)
    )
    assert {path for path in own.keys() | other.keys() if own.get(path) != other.get(path)} == {
        path for path in own.keys() | other.keys() if path.parts[0] == "partner" and own.get(path) != other.get(path)
    }
    assert other[PurePosixPath("partner/integration.py")] == (sample.partner / "integration.py").read_bytes()


@pytest.mark.cloud
def test_a_build_is_used_again_until_its_inputs_change() -> None:
    sample = Room.of("tests/sample")
    packed_build(machine_architecture(), sample)
    assert packed_build(machine_architecture(), sample)[1] is False
    assert fingerprint(machine_architecture(), sample) != fingerprint(machine_architecture(), Room.of())


def test_pip_gets_the_lock_as_a_url_because_a_blank_ends_a_path_in_its_settings() -> None:
    assert re.fullmatch(r"file:///\S+/requirements\.txt", build_environment()["PIP_CONSTRAINT"])
