"""Checks requests against an OpenAPI document. Its validators are compiled once, so that a check takes microseconds."""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from jsonschema_rs import Draft202012Validator, ValidationError

from local.partner.rules import first_rule

_METHODS = ("get", "put", "post", "delete", "patch")
_NO_BODY: Sequence[object] = (None, {})

type Node = Mapping[str, Any]
type Located = dict[tuple[str, str], str]
"""Values of parameters by place and name."""


class ContractError(Exception):
    """A request breaks the contract.

    Attributes:
        status: what the API answers.
        rule: the field and the rule that it breaks, without values.
    """

    def __init__(self, status: int, rule: str) -> None:
        super().__init__(rule)
        self.status = status
        self.rule = rule


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        name: as the document has it.
        place: where it is sent.
        required: whether it must be there.
        is_text: whether its value is text, and not a number or a boolean.
        schema: what its value must be.
    """

    name: str
    place: Literal["path", "query", "header"]
    required: bool
    is_text: bool
    schema: Draft202012Validator

    def check(self, value: str | None) -> None:
        """Raise ContractError if the value breaks a rule; None means that there is none."""
        if not value and self.required:
            raise ContractError(400, f"{self.name}: is required")
        if value is None:
            return
        rule = first_rule(_errors(self.schema, value if self.is_text else _as_json(value)), self.name)
        if rule:
            raise ContractError(400, rule)


@dataclass(frozen=True)
class SecurityScheme:
    """Where a request shows whose it is.

    Attributes:
        header: the name of the header.
        kind: ``Bearer`` or ``Basic``; empty if the header holds nothing but the key.
    """

    header: str
    kind: Literal["Bearer", "Basic", ""]

    def credentials(self, headers: Mapping[str, str]) -> str:
        """Return the token, ``username:password`` or key.

        Raises:
            ContractError: there is none.
        """
        value = headers.get(self.header, "")
        kind, _, rest = value.partition(" ")
        shown = value if not self.kind else rest if kind == self.kind else ""
        credentials = _decoded(shown) if self.kind == "Basic" else shown.strip()
        if not credentials:
            rule = f"must be a {self.kind} credential" if self.kind else "must be present"
            raise ContractError(401, f"{self.header}: {rule}")
        return credentials


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Attributes:
        id: the operation id.
        security: the schemes of each alternative; a request must satisfy all of one. Empty: none is needed.
        parameters: of the path and of the operation.
        bodies: what the body must be, by media type. Empty: it must have none.
        needs_body: whether a body is required.
    """

    id: str
    security: tuple[tuple[SecurityScheme, ...], ...]
    parameters: tuple[Parameter, ...]
    bodies: Mapping[str, Draft202012Validator]
    needs_body: bool

    def credentials(self, headers: Mapping[str, str]) -> set[str]:
        """Return what the request shows of itself.

        Raises:
            ContractError: it satisfies none of the alternatives.
        """
        missing: list[ContractError] = []
        for schemes in self.security:
            try:
                return {scheme.credentials(headers) for scheme in schemes}
            except ContractError as error:
                missing.append(error)
        if missing:
            raise missing[0]
        return set()

    def check(self, target: Located, headers: Mapping[str, str], body: object) -> dict[str, str]:
        """Return the values of the parameters by their names.

        Args:
            target: the parameters in the path and the query, by place and name.
            headers: by their names in the document, and ``Content-Type``.
            body: the parsed JSON, the fields of a form by name, or None.

        Raises:
            ContractError: a parameter or the body breaks a rule.
        """
        unknown = {name for place, name in target if place == "query"} - {each.name for each in self.parameters}
        if unknown:
            raise ContractError(400, f"{min(unknown)}: is not part of the API")
        given = target | {("header", name): value for name, value in headers.items()}
        values = {each.name: given.get((each.place, each.name)) for each in self.parameters}
        for parameter in self.parameters:
            parameter.check(values[parameter.name])
        self._check_body(headers.get("Content-Type", "").partition(";")[0].strip().lower(), body)
        return {name: value for name, value in values.items() if value is not None}

    def _check_body(self, media_type: str, body: object) -> None:
        if not self.bodies and body not in _NO_BODY:
            raise ContractError(422, "body: must be empty")
        if not self.bodies or (body is None and not self.needs_body):
            return
        if body is not None and media_type not in self.bodies:
            raise ContractError(400, f"body: Content-Type must be {' or '.join(self.bodies)}")
        rule = first_rule(_errors(self.bodies.get(media_type, next(iter(self.bodies.values()))), body))
        if rule:
            raise ContractError(422, rule)


class _PathItem(NamedTuple):
    path: str
    pattern: re.Pattern[str]
    operations: Mapping[str, Operation]
    hosts: frozenset[str]


class Contract:
    """The operations of an OpenAPI document.

    It reads what a partner's API needs: paths, local references, parameters in path, query and header, JSON bodies and
    forms, and security by HTTP bearer, HTTP basic or a key in a header. Paths begin at the base URL. The servers of a
    path go before those of the document, as OpenAPI demands: they say which hosts offer it, and what its base URL may
    have after the host. A call may leave that out, because the base URL of a deployment's own API is not known here.
    """

    def __init__(self, document: Node) -> None:
        self._document = document
        # The concrete path goes before the templated one that fits as well, as OpenAPI demands.
        paths = sorted(document["paths"].items(), key=lambda entry: entry[0].count("{"))
        self._paths = [
            _PathItem(path, self._pattern(path, item), self._operations(item), self._hosts(item))
            for path, item in paths
        ]

    @property
    def headers(self) -> frozenset[str]:
        """The names of all headers that any operation reads."""
        operations = [operation for item in self._paths for operation in item.operations.values()]
        parameters = {each.name for operation in operations for each in operation.parameters if each.place == "header"}
        schemes = {each.header for operation in operations for schemes in operation.security for each in schemes}
        return frozenset(parameters | schemes)

    @property
    def routes(self) -> tuple[str, ...]:
        """The paths as the document has them, in its order."""
        return tuple(self._document["paths"])

    def route(self, target: str) -> str:
        """Return the path as the document has it, without the values of its parameters; an unknown one as it is."""
        path = target.partition("?")[0]
        return next((item.path for item in self._paths if item.pattern.fullmatch(path)), path)

    def find(self, method: str, target: str, host: str = "") -> tuple[Operation, Located]:
        """Return the operation that a request is for, and the parameters in its target by place and name.

        Args:
            method: of HTTP.
            target: the path with its query.
            host: the request's Host header. It is checked if it has no port, as that of a public API; a caller that
                addresses this machine names a port.

        Raises:
            ContractError: there is no such path, its host is another one, or it does not offer the method.
        """
        path, _, query = target.partition("?")
        matches = ((item.pattern.fullmatch(path), item) for item in self._paths)
        match, item = next(((match, item) for match, item in matches if match), (None, None))
        if not match or not item:
            raise ContractError(404, "path: is unknown")
        if host and ":" not in host and item.hosts and host not in item.hosts:
            raise ContractError(404, "host: does not offer this path")
        if method not in item.operations:
            raise ContractError(405, "method: is not offered for this path")
        operation = item.operations[method]
        in_path = [each.name for each in operation.parameters if each.place == "path"]
        given = {("path", name): unquote(match[_group(name)]) for name in in_path}
        return operation, given | {("query", name): value for name, value in parse_qsl(query, keep_blank_values=True)}

    def _servers(self, item: Node) -> list[SplitResult]:
        servers = item.get("servers") or self._document.get("servers", [])
        return [urlsplit(server["url"]) for server in servers]

    def _hosts(self, item: Node) -> frozenset[str]:
        return frozenset(server.netloc for server in self._servers(item)) - {""}

    def _pattern(self, path: str, item: Node) -> re.Pattern[str]:
        """Return what matches a path, alone or after the path of one of its servers."""
        parts = re.split(r"\{(.+?)\}", path)
        own = "".join(f"(?P<{_group(part)}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
        bases = sorted({server.path.rstrip("/") for server in self._servers(item)} - {""})
        return re.compile(f"(?:{'|'.join(map(re.escape, bases))})?{own}" if bases else own)

    def _operations(self, item: Node) -> dict[str, Operation]:
        shared = item.get("parameters", [])
        return {method.upper(): self._operation(item[method], shared) for method in _METHODS if method in item}

    def _operation(self, node: Node, shared: Sequence[Node]) -> Operation:
        body = self._resolved(node.get("requestBody", {}))
        security = node.get("security", self._document.get("security", []))
        return Operation(
            id=node["operationId"],
            security=tuple(tuple(map(self._scheme, alternative)) for alternative in security),
            parameters=tuple(map(self._parameter, [*shared, *node.get("parameters", [])])),
            bodies={media: self._validator(content["schema"]) for media, content in body.get("content", {}).items()},
            needs_body=body.get("required", False),
        )

    def _parameter(self, node: Node) -> Parameter:
        found = self._resolved(node)
        kind = self._resolved(found["schema"]).get("type", "string")
        return Parameter(
            name=found["name"],
            place=found["in"],
            required=found.get("required", False),
            is_text="string" in kind,
            schema=self._validator(found["schema"]),
        )

    def _scheme(self, name: str) -> SecurityScheme:
        match self._resolved(self._document["components"]["securitySchemes"][name]):
            case {"type": "http", "scheme": "bearer"}:
                return SecurityScheme("Authorization", "Bearer")
            case {"type": "http", "scheme": "basic"}:
                return SecurityScheme("Authorization", "Basic")
            case {"type": "apiKey", "in": "header", "name": header}:
                return SecurityScheme(header, "")
        raise ValueError(f"security scheme {name}: must be HTTP bearer, HTTP basic or a key in a header")

    def _validator(self, schema: Node) -> Draft202012Validator:
        """Compile a schema, with the components beside it that its references lead to."""
        return Draft202012Validator({**schema, "components": self._document.get("components", {})})

    def _resolved(self, node: Node) -> Node:
        while "$ref" in node:
            keys = node["$ref"].removeprefix("#/").split("/")
            node = reduce(lambda tree, key: tree[key.replace("~1", "/").replace("~0", "~")], keys, self._document)
        return node


def _group(name: str) -> str:
    """Return a parameter's name as the name of a group, which holds no hyphens."""
    return re.sub(r"\W", "_", name)


def _errors(schema: Draft202012Validator, body: object) -> Iterator[ValidationError]:
    try:
        return iter(schema.iter_errors(body))
    except UnicodeEncodeError:  # the validator takes no lone surrogates in names
        text = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        return iter(schema.iter_errors(json.loads(text)))


def _as_json(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""
