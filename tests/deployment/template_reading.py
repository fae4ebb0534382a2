"""Reads template.yaml as plain data, and finds things in it."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import yaml

from local.isolation import ROOT

type Node = dict[str, Any]
type Check = Callable[[Node], list[str]]

ALIAS = "production"


class CloudFormationLoader(yaml.SafeLoader):
    """Reads ``!Ref x`` as ``{"Ref": "x"}`` and every other short form as ``{"Fn::Name": ...}``."""


def _intrinsic(loader: Any, suffix: str, node: Any) -> Node:
    if isinstance(node, yaml.ScalarNode):
        value: object = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


CloudFormationLoader.add_multi_constructor("!", _intrinsic)


def load() -> Node:
    """Read the template."""
    template: Node = yaml.load((ROOT / "template.yaml").read_text(), Loader=CloudFormationLoader)  # noqa: S506 - a SafeLoader with intrinsics
    return template


def of_type(template: Node, kind: str) -> dict[str, Node]:
    return {name: entry["Properties"] for name, entry in template["Resources"].items() if entry["Type"] == kind}


def queues(template: Node) -> dict[str, Node]:
    return of_type(template, "AWS::SQS::Queue")


def functions(template: Node) -> dict[str, Node]:
    return of_type(template, "AWS::Serverless::Function")


RELEASE_CHECK = "ReleaseCheckFunction"
"""The function that CodeDeploy invokes. It is not published and has no settings of the product."""

LETTER_ARCHIVE = "LetterArchiveFunction"
"""The function that archives dead letters. Its schedule alone invokes it, so it is not published."""


def published(template: Node) -> dict[str, Node]:
    """Return the functions with versions and an alias: those that take requests or messages."""
    unpublished = {RELEASE_CHECK, LETTER_ARCHIVE}
    return {name: function for name, function in functions(template).items() if name not in unpublished}


def statements_of(role: Node) -> list[Node]:
    """Return the statements of a role's own policies, those that depend on a condition as they stand."""
    return [entry for policy in role.get("Policies", []) for entry in policy["PolicyDocument"]["Statement"]]


def walk(node: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every node below this one, itself among them, with the keys that lead to it."""
    yield path, node
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, entry in entries:
        yield from walk(entry, (*path, str(key)))


def references(node: object) -> set[str]:
    """Return the names of everything that a node refers to."""
    found: set[str] = set()
    for _, part in walk(node):
        match part:
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
                found.add(name)
            case {"Fn::Sub": str(text)}:
                found |= _placeholders(text)
            case {"Fn::Sub": [str(text), dict(own)]}:
                found |= _placeholders(text) - set(own)
    return found


def _placeholders(text: str) -> set[str]:
    return {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}


def conditions(node: object) -> set[str]:
    """Return the names of the conditions that a node's value depends on."""
    return {part["Fn::If"][0] for _, part in walk(node) if isinstance(part, dict) and "Fn::If" in part}


def conditional_statements(template: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield each statement of a policy that depends on a condition, with its role and the condition."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for statement in statements_of(role):
            if "Fn::If" in statement:
                condition, given, _ = statement["Fn::If"]
                yield name, condition, given


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def problems(*found: tuple[object, str]) -> list[str]:
    """Return the text of each condition that is false."""
    return [text for holds, text in found if not holds]


@cache
def sources() -> str:
    """Return the whole code of the product."""
    return "\n".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
