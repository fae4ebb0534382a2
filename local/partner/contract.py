"""Checks requests against an OpenAPI document."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

_PARAMETER = re.compile(r"\{(\w+)\}")
_METHODS = ("get", "put", "post", "delete", "patch")

type Node = Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """Why a request breaks the contract.

    Attributes:
        status: the HTTP status of the answer.
        rule: ``field: rule``, without values.
    """

    status: int
    rule: str


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    Attributes:
        name: its operationId.
        headers: names of the headers that it requires.
        schema: checks its body; None if it takes no body.
    """

    name: str
    headers: tuple[str, ...]
    schema: jsonschema_rs.Draft202012Validator | None


@dataclass(frozen=True)
class Security:
    """How a caller shows who it is.

    Attributes:
        header: the header's name.
        scheme: the word before the credential, such as ``Bearer``; empty if the header holds it alone.
    """

    header: str
    scheme: str

    def credential(self, headers: Mapping[str, str]) -> str | None:
        """Return the credential in a request's headers; None if there is none of this kind."""
        value = headers.get(self.header, "").strip()
        if not self.scheme:
            return value or None
        scheme, _, credential = value.partition(" ")
        return credential.strip() or None if scheme == self.scheme else None

    @property
    def rule(self) -> str:
        """What a request without a credential breaks."""
        return f"{self.header}: must be {f'a {self.scheme} credential' if self.scheme else 'present'}"


class Contract:
    """The routes, schemas and security scheme of a document."""

    def __init__(self, document: Node) -> None:
        """Take an OpenAPI 3.1 document. The security scheme is bearer, basic or a key in a header."""
        self._document = document
        self._routes = [(_pattern(path), self._operations(item)) for path, item in document["paths"].items()]
        self.security = _security(document)

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]] | Refusal:
        """Return the operation of a request and the parameters in its path."""
        for pattern, operations in self._routes:
            if match := pattern.fullmatch(path):
                if operation := operations.get(method.lower()):
                    return operation, match.groupdict()
                return Refusal(405, "method: is not offered for this path")
        return Refusal(404, "path: is unknown")

    def problems(self, operation: Operation, headers: Mapping[str, str], body: object) -> Iterator[str]:
        """Name each rule of the document that a request breaks."""
        for header in operation.headers:
            if not headers.get(header):
                yield f"{header}: is required"
        if operation.schema is None:
            if body is not None:
                yield "body: must be empty"
            return
        for error in operation.schema.iter_errors(body):
            path = _spelled(error.instance_path)
            yield from self._broken(path, [str(step) for step in error.schema_path], error.kind)

    def _broken(self, path: str, schema_path: Sequence[str], kind: Any) -> Iterator[str]:
        keyword, limit = schema_path[-1], self._at(schema_path)
        prefix = f"{path}." if path else ""
        match keyword:
            case "required":
                yield f"{prefix}{kind.property}: is required"
            case "additionalProperties" | "unevaluatedProperties":
                yield from (f"{prefix}{name}: is not part of the API" for name in kind.unexpected)
            case "type":
                types = limit if isinstance(limit, list) else [limit]
                yield f"{path or 'body'}: must be {' or '.join(types)}"
            case "enum":
                yield f"{path}: must be one of {', '.join(map(str, limit))}"
            case _:
                yield f"{path or 'body'}: breaks {keyword}{'' if isinstance(limit, list | dict) else f' {limit}'}"

    def _at(self, schema_path: Sequence[str]) -> Any:
        node: Any = self._document
        for step in schema_path:
            node = node[int(step)] if isinstance(node, list) else node.get(step)
            if node is None:
                return None
        return node

    def _operations(self, item: Node) -> dict[str, Operation]:
        return {
            method: self._operation(item[method], item.get("parameters", [])) for method in _METHODS if method in item
        }

    def _operation(self, node: Node, shared: Sequence[Node]) -> Operation:
        parameters = [self._resolved(parameter) for parameter in [*shared, *node.get("parameters", [])]]
        headers = tuple(each["name"] for each in parameters if each["in"] == "header" and each.get("required"))
        content = node.get("requestBody", {}).get("content", {}).get("application/json")
        return Operation(node["operationId"], headers, self._validator(content["schema"]) if content else None)

    def _validator(self, schema: Node) -> jsonschema_rs.Draft202012Validator:
        components = self._document.get("components", {})
        return jsonschema_rs.Draft202012Validator({"components": components, **schema}, validate_formats=False)

    def _resolved(self, node: Node) -> Node:
        if "$ref" not in node:
            return node
        found: Node = self._at(str(node["$ref"]).removeprefix("#/").split("/"))
        return found


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", path)
    return re.compile(
        "".join(_PARAMETER.sub(r"(?P<\1>[^/]+)", part) if part[:1] == "{" else re.escape(part) for part in parts)
    )


def _security(document: Node) -> Security:
    (scheme,) = document["components"]["securitySchemes"].values()
    if scheme["type"] == "http":
        return Security("Authorization", str(scheme["scheme"]).title())
    return Security(scheme["name"], "")


def _spelled(path: Sequence[str | int]) -> str:
    """Return a path as ``changes[3].user``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
