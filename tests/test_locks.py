"""The locks fit the dependency groups in pyproject.toml: `make lock` was run after the last change."""

import re
import tomllib
from collections.abc import Iterator, Mapping

import pytest

from local.isolation import ROOT
from local.setup.lock import LOCKS

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
ENTRY = re.compile(r"^([\w.-]+)==([^\s;]+)( ;[^\\]+)? \\$", re.MULTILINE)
SHA256 = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct(group: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the version of each direct dependency of a group."""
    for entry in GROUPS[group]:
        if isinstance(entry, dict):
            yield from direct(entry["include-group"])
        else:
            match = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)(;.*)?", entry)
            assert match, f"{entry} has no exact version"
            yield canonical(match[1]), match[2]


def locked(text: str) -> Mapping[str, str]:
    return {canonical(match[1]): match[2] for match in ENTRY.finditer(text)}


def problems(wanted: Mapping[str, str], text: str) -> list[str]:
    """Return what is wrong with a lock: names of versions that differ, of entries without a hash, and odd lines."""
    found = locked(text)
    unhashed = [
        match[1] for match in ENTRY.finditer(text) if not SHA256.match(text[match.end() + 1 :].partition("\n")[0])
    ]
    odd = [
        line
        for line in text.splitlines()
        if not (line.lstrip().startswith("#") or ENTRY.match(line) or SHA256.match(line))
    ]
    return [*(name for name, version in wanted.items() if found.get(name) != version), *unhashed, *odd]


def test_each_group_has_a_lock_or_is_included_in_one_that_has() -> None:
    included = {entry["include-group"] for group in GROUPS.values() for entry in group if isinstance(entry, dict)}

    assert set(GROUPS) - set(LOCKS) <= included
    assert set(LOCKS) <= set(GROUPS)


@pytest.mark.parametrize("group", LOCKS)
def test_a_lock_has_the_direct_dependencies_as_pinned_and_a_hash_of_everything(group: str) -> None:
    assert problems(dict(direct(group)), LOCKS[group].read_text()) == []


@pytest.mark.parametrize("group", LOCKS)
def test_a_lock_names_no_place_that_it_was_made_from(group: str) -> None:
    assert re.findall(r"\w+://|--(?:extra-)?index-url|--find-links|--trusted-host", LOCKS[group].read_text()) == []


@pytest.mark.parametrize(("smaller", "larger"), [("ships", "local"), ("local", "tests")])
def test_what_is_tested_is_what_ships(smaller: str, larger: str) -> None:
    assert locked(LOCKS[smaller].read_text()).items() <= locked(LOCKS[larger].read_text()).items()


def test_what_ships_depends_on_no_platform() -> None:
    assert [match[0] for match in ENTRY.finditer(LOCKS["ships"].read_text()) if match[3]] == []


LOCK = f"one==1.0 \\\n    --hash=sha256:{'0' * 64}\n    # via two\n"


@pytest.mark.parametrize(
    ("wanted", "text", "named"),
    [
        ({"one": "1.0"}, LOCK, []),
        ({"one": "1.1"}, LOCK, ["one"]),
        ({"two": "1.0"}, LOCK, ["two"]),
        ({"one": "1.0"}, "one==1.0 \\\n    # via two\n", ["one"]),
        ({"one": "1.0"}, LOCK + "-r other.txt\n", ["-r other.txt"]),
        ({"one": "1.0"}, LOCK + "two @ file:///two.whl\n", ["two @ file:///two.whl"]),
        ({"one": "1.0"}, LOCK + "two==2\n", ["two==2"]),
    ],
)
def test_a_lock_that_does_not_fit_would_be_found(wanted: Mapping[str, str], text: str, named: list[str]) -> None:
    assert problems(wanted, text) == named
