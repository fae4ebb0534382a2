"""Resolves the conditions of template.yaml for given parameters, as CloudFormation does."""

from collections.abc import Mapping
from typing import Any

from tests.deployment.template_reading import Node

_ABSENT = object()


def resolved(template: Node, **parameters: str) -> dict[str, Any]:
    """Return the resources that exist with these parameters, and the defaults of the others.

    References are left as they are. Globals are among them, under their own name: SAM adds them to each function.
    """
    resolver = _Resolver(template, parameters)
    existing = {
        name: {key: part for key, part in resource.items() if key != "Condition"}
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or resolver.holds(resource["Condition"])
    }
    return dict(resolver.value({**existing, "Globals": template["Globals"]}))


def outputs(template: Node, **parameters: str) -> dict[str, Any]:
    """Return the outputs that exist with these parameters."""
    resolver = _Resolver(template, parameters)
    existing = {
        name: output
        for name, output in template["Outputs"].items()
        if "Condition" not in output or resolver.holds(output["Condition"])
    }
    return dict(resolver.value(existing))


def broken_rules(template: Node, **parameters: str) -> list[str]:
    """Return the names of the rules that refuse these parameters, as CloudFormation does before it changes anything."""
    resolver = _Resolver(template, parameters)
    return [name for name, rule in template["Rules"].items() if not resolver.accepts(rule)]


class _Resolver:
    def __init__(self, template: Node, parameters: Mapping[str, str]) -> None:
        self._conditions = template["Conditions"]
        defaults = {name: str(it["Default"]) for name, it in template["Parameters"].items()}
        self._values = {"AWS::Region": "us-east-1", "AWS::StackName": "stack", **defaults, **parameters}

    def holds(self, name: str) -> bool:
        return self._holds(self._conditions[name])

    def accepts(self, rule: Node) -> bool:
        applies = "RuleCondition" not in rule or self._holds(rule["RuleCondition"])
        return not applies or all(self._holds(it["Assert"]) for it in rule["Assertions"])

    def _holds(self, condition: Node) -> bool:
        match condition:
            case {"Condition": str(name)}:
                return self.holds(name)
            case {"Fn::Not": [other]}:
                return not self._holds(other)
            case {"Fn::And": list(parts)}:
                return all(map(self._holds, parts))
            case {"Fn::Or": list(parts)}:
                return any(map(self._holds, parts))
        return self._compares(condition)

    def _compares(self, condition: Node) -> bool:
        match condition:
            case {"Fn::Equals": [one, other]}:
                return self._text(one) == self._text(other)
            case {"Fn::Contains": [list(values), one]}:
                return self._text(one) in values
            case {"Fn::EachMemberEquals": [several, one]}:
                return set(self._text(several).split(",")) == {one}
        raise AssertionError(f"unknown condition {condition}")

    def _text(self, value: object) -> str:
        match value:
            case {"Ref": str(name)}:
                return self._values[name]
            case {"Fn::Select": [int(index), {"Ref": str(name)}]}:
                return self._values[name].split(",")[index]
        return str(value)

    def value(self, node: Any) -> Any:
        match node:
            case {"Fn::If": [str(condition), one, other]}:
                return self.value(one if self.holds(condition) else other)
            case {"Ref": "AWS::NoValue"}:
                return _ABSENT
            case dict():
                values = {key: self.value(entry) for key, entry in node.items()}
                return {key: entry for key, entry in values.items() if entry is not _ABSENT}
            case list():
                return [entry for entry in map(self.value, node) if entry is not _ABSENT]
        return node
