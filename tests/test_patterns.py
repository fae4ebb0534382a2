"""Regular expressions take time that grows with the text, and not with its square: strangers choose the texts."""

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from tests.growth import MAX_GROWTH, growth, seconds

ROOT = Path(__file__).parent.parent
FILES = sorted(
    file
    for folder in (ROOT / "src", ROOT / "ops", *(ROOT / "examples").glob("*/partner"))
    for file in folder.rglob("*.py")
    if file.name != "__main__.py"
)

parser: Any = importlib.import_module("re._parser")
compiler: Any = importlib.import_module("re._compiler")

LETTERS = [chr(code) for code in (*range(32, 127), 9, 0xE9, 0xFFFE)]
MEASURABLE_SECONDS = 0.001
USES: dict[str, Callable[[re.Pattern[str], str], object]] = {
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "search": lambda pattern, text: pattern.search(text),
    "finditer": lambda pattern, text: [*pattern.finditer(text)],
    "sub": lambda pattern, text: pattern.sub("", text),
    "split": lambda pattern, text: pattern.split(text),
}


# --- the patterns of the package --------------------------------------------------------------------------------------


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in (parts[1:] if parts[0] == "src" else parts) if part != "__init__")


def uses(file: Path, name: str) -> list[str]:
    """The methods of a pattern that its module calls."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return sorted(
        {
            node.attr
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
        }
    )


def patterns() -> Iterator[tuple[str, re.Pattern[str], str]]:
    for file in FILES:
        if "re.compile(" not in file.read_text():
            continue
        for name, value in vars(importlib.import_module(module_name(file))).items():
            if isinstance(value, re.Pattern) and f"{name} = re.compile" in file.read_text():
                for use in uses(file, name):
                    yield f"{module_name(file)}.{name}.{use}", value, use


PATTERNS = {name: (pattern, use) for name, pattern, use in patterns()}


def hidden_patterns(source: str) -> list[int]:
    """The lines that use a pattern which is not the value of a name of its module."""
    tree = ast.parse(source)
    named = {id(node.value) for node in tree.body if isinstance(node, ast.Assign)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
        and not (node.func.attr == "compile" and id(node) in named)
    ] + [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "re"]


def test_every_pattern_is_a_name_of_its_module() -> None:
    assert {str(file): lines for file in FILES if (lines := hidden_patterns(file.read_text()))} == {}


def test_a_pattern_that_is_not_a_name_of_its_module_is_found() -> None:
    hidden = 'A = re.compile("a")\nre.sub("b", "", x)\ndef f():\n    return re.compile(f"{A}")\nfrom re import match\n'

    assert hidden_patterns(hidden) == [2, 4, 5]


def test_patterns_are_found_and_used() -> None:
    assert "mparticle_firehose.protocol.wire.coercion._DECIMAL_FLOAT.fullmatch" in PATTERNS
    assert "ops.masking._UUID.fullmatch" in PATTERNS
    compiled = sum(file.read_text().count(" = re.compile(") for file in FILES)
    assert len({name.rpartition(".")[0] for name in PATTERNS}) == compiled


# --- texts that are hard for a pattern --------------------------------------------------------------------------------


def letter(state: Any, node: Any) -> str:
    """A letter that one part of a pattern matches."""
    part = compiler.compile(parser.SubPattern(state, [node]), state.flags & ~re.VERBOSE)
    return next(each for each in LETTERS if part.fullmatch(each))


def word(nodes: Any, branch: int) -> str:
    """A text that a pattern nearly matches: its repetitions are there twice, and one of its alternatives each time."""
    return "".join(piece(nodes.state, node, branch) for node in nodes)


def piece(state: Any, node: Any, branch: int) -> str:
    kind, argument = str(node[0]), node[1]
    if kind in {"LITERAL", "NOT_LITERAL", "IN", "ANY"}:
        return letter(state, node)
    if kind == "BRANCH":
        alternatives = argument[1]
        return word(alternatives[branch % len(alternatives)], branch)
    if kind in {"SUBPATTERN", "ATOMIC_GROUP"}:
        return word(argument[-1] if kind == "SUBPATTERN" else argument, branch)
    if kind in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        least, most, repeated = argument
        return word(repeated, branch) * min(max(int(least), 2), int(most))
    assert kind in {"AT", "ASSERT", "ASSERT_NOT"}, kind
    return ""


@cache
def hard_texts(pattern: re.Pattern[str]) -> list[Callable[[int], str]]:
    """Texts of any length: each repeats a part of what the pattern nearly matches, and ends in what it does not."""
    nodes = parser.parse(pattern.pattern, pattern.flags)
    words = {word(nodes, branch)[:40] for branch in range(3)} | {"[", " ", "1", "a"}
    pieces = {
        (text[:start], text[start : start + length])
        for text in words
        for start in range(len(text))
        for length in (1, 2, 3)
    }
    return [partial(pumped, head, unit, tail) for head, unit in sorted(pieces) for tail in ("", "\0")]


def pumped(head: str, unit: str, tail: str, size: int) -> str:
    return head + unit * (size // len(unit)) + tail


def growth_with(pattern: re.Pattern[str], use: str, text: Callable[[int], str]) -> float:
    """How much longer a pattern takes for four times the text, at a size that takes long enough to be measured."""
    size = 500
    while size < 16_000 and seconds(lambda: USES[use](pattern, text(size)), runs=1) < MEASURABLE_SECONDS:  # noqa: B023
        size *= 2
    once, fourfold = text(size), text(4 * size)
    return growth(lambda: USES[use](pattern, once), lambda: USES[use](pattern, fourfold))


def steepest_growth(pattern: re.Pattern[str], use: str) -> float:
    """The same for the texts that take it longest."""
    ranked = sorted(hard_texts(pattern), key=lambda text: seconds(lambda: USES[use](pattern, text(500)), runs=1))
    return max(growth_with(pattern, use, text) for text in ranked[-3:])


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_takes_time_in_proportion_to_the_text(name: str) -> None:
    assert steepest_growth(*PATTERNS[name]) < MAX_GROWTH


QUADRATIC = {
    "starts-anew-at-every-bracket": (r"\[[^\]]*\]$", "sub"),
    "two-ways-to-share-out-digits": (r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)f?", "fullmatch"),
    "after-a-prefix": (r"0x(?:[0-9a-f]+\.?[0-9a-f]*)p", "match"),
    "blanks-before": (r"\s*x", "search"),
}


@pytest.mark.parametrize(("pattern", "use"), QUADRATIC.values(), ids=QUADRATIC)
def test_a_pattern_that_takes_quadratic_time_is_found(pattern: str, use: str) -> None:
    assert steepest_growth(re.compile(pattern), use) > MAX_GROWTH
