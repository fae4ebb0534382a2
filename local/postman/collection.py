"""A Postman collection, format 2.1.0, of the OpenAPI document: a folder for each way to reach the handler."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from local.postman.examples import FEED, SETTING_PREFIX, Example

type Node = dict[str, Any]

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_VARIABLE = re.compile(r"{{([\w.-]+)}}")

_VARIABLES: Mapping[str, tuple[str, str]] = {
    "region": ("us-east-1", "The region of the stack"),
    "alias_arn": ("", "The output HandlerAliasArn"),
    "aws_access_key_id": ("", "Of an identity that may invoke the alias"),
    "aws_secret_access_key": ("", "Of the same identity"),
    "aws_session_token": ("", "Of the same identity, if its credentials are temporary"),
    "http_endpoint_url": ("https://example.execute-api.us-east-1.amazonaws.com", "The output HttpEndpointUrl"),
    "http_token": ("", "mParticle's token, without the word Token"),
    "feed_webhook_secret": ("", "The secret that the webhooks of the feed are signed with"),
    "feed_signature": ("", "Set before each request to /feed"),
}
"""The default and the description of each variable. None of them holds a secret: whoever imports it enters theirs."""

_SETTING = ("placeholder", "The customer's setting, as it is entered at mParticle")

# Postman resolves variables after this script: so it signs what the body becomes.
_SIGN = (
    "const at = Math.floor(Date.now() / 1000);",
    "const body = pm.variables.replaceIn(pm.request.body.raw);",
    "const secret = pm.variables.get('feed_webhook_secret');",
    "const digest = require('crypto-js').HmacSHA256(`${at}.${body}`, secret).toString();",
    "pm.variables.set('feed_signature', `t=${at},v1=${digest}`);",
)


def collection(description: Mapping[str, Any], examples: Sequence[Example]) -> Node:
    """Return the collection.

    Args:
        description: the OpenAPI document.
        examples: the bodies.
    """
    folders = [_lambda_folder(examples), _https_folder(description, examples)]
    return {
        "info": {
            "name": description["info"]["title"].replace(" over HTTPS", ""),
            "description": "Made by `make postman`. Enter the variables of the collection, and send.",
            "schema": _SCHEMA,
        },
        "item": folders,
        "variable": _variables(folders),
    }


def variables_in(node: object) -> set[str]:
    """Return the names of all variables that a part of a collection reads."""
    return set(_VARIABLE.findall(json.dumps(node, ensure_ascii=False)))


def _lambda_folder(examples: Sequence[Example]) -> Node:
    path = ["2015-03-31", "functions", "{{alias_arn}}", "invocations"]
    host = ["lambda", "{{region}}", "amazonaws", "com"]
    url = {"raw": f"https://{'.'.join(host)}/{'/'.join(path)}", "protocol": "https", "host": host, "path": path}
    items = [
        {"name": each.name, "request": {"method": "POST", "header": [_content_type()], "body": _body(each), "url": url}}
        for each in examples
        if each.kind != FEED
    ]
    return {"name": "Lambda", "description": "As mParticle invokes the alias.", "auth": _signing(), "item": items}


def _https_folder(description: Mapping[str, Any], examples: Sequence[Example]) -> Node:
    items = [
        item
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        for item in _items(description, path, method, operation, examples)
    ]
    about = "As mParticle calls the URL, a browser the cookie sync, and your own system the feed."
    return {"name": "HTTPS", "description": about, "auth": {"type": "noauth"}, "item": items}


def _items(
    description: Mapping[str, Any], path: str, method: str, operation: Node, examples: Sequence[Example]
) -> Iterator[Node]:
    request = {"method": method.upper(), "url": _url(path, operation), "description": operation["summary"]}
    headers = [*_credential(description, operation)]
    if "requestBody" not in operation:
        # What a browser would follow is the response to look at.
        behaviour = {"protocolProfileBehavior": {"followRedirects": False}} if "302" in operation["responses"] else {}
        yield {"name": path, "request": {**request, "header": headers}, **behaviour}
        return
    taken = _taken(description, operation, examples)
    # The base URL takes every message, and each has a path of its own below.
    for example in taken[:1] if path == "/" else taken:
        item = {
            "name": f"{path} {example.name}",
            "request": {**request, "header": [_content_type(), *headers], "body": _body(example)},
        }
        signing = {"listen": "prerequest", "script": {"type": "text/javascript", "exec": [*_SIGN]}}
        yield {**item, "event": [signing]} if example.kind == FEED else item


def _taken(description: Mapping[str, Any], operation: Node, examples: Sequence[Example]) -> list[Example]:
    """Return the examples that an operation takes."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    names = [each["$ref"].rpartition("/")[2] for each in schema.get("oneOf", [schema])]
    kinds = {kind for name in names for kind in _kinds(description["components"]["schemas"][name])}
    return [each for each in examples if each.kind in kinds]


def _kinds(schema: Node) -> list[str]:
    """Return the types of the messages that a schema describes."""
    kind = schema["properties"].get("type")
    return kind["enum"] if kind else [FEED]


def _credential(description: Mapping[str, Any], operation: Node) -> Iterator[Node]:
    """Yield the header of the first alternative: the registration needs no token."""
    alternatives = operation.get("security", description["security"])
    for scheme in alternatives[0] if alternatives else ():
        header = description["components"]["securitySchemes"][scheme]["name"]
        yield {"key": header, "value": {"token": "Token {{http_token}}", "signature": "{{feed_signature}}"}[scheme]}


def _url(path: str, operation: Node) -> Node:
    examples = {each["name"]: each["example"] for each in operation.get("parameters", []) if "example" in each}
    query = [{"key": name, "value": quote(value, safe="")} for name, value in examples.items()]
    text = "&".join(f"{each['key']}={each['value']}" for each in query)
    url = {
        "raw": f"{{{{http_endpoint_url}}}}{path}{f'?{text}' if text else ''}",
        "host": ["{{http_endpoint_url}}"],
        "path": path.removeprefix("/").split("/"),
    }
    return {**url, "query": query} if query else url


def _body(example: Example) -> Node:
    return {"mode": "raw", "raw": example.body, "options": {"raw": {"language": "json"}}}


def _variables(folders: Sequence[Node]) -> list[Node]:
    """Return the variables that the folders read, and those that a script sets or reads."""
    settings = sorted(name for name in variables_in(folders) if name.startswith(SETTING_PREFIX))
    named = {**_VARIABLES, **dict.fromkeys(settings, _SETTING)}
    return [{"key": name, "value": value, "description": about} for name, (value, about) in named.items()]


def _content_type() -> Node:
    return {"key": "Content-Type", "value": "application/json"}


def _signing() -> Node:
    """Return how an invocation is signed (AWS Signature Version 4)."""
    attributes = {
        "accessKey": "{{aws_access_key_id}}",
        "secretKey": "{{aws_secret_access_key}}",
        "sessionToken": "{{aws_session_token}}",
        "region": "{{region}}",
        "service": "lambda",
    }
    return {
        "type": "awsv4",
        "awsv4": [{"key": key, "value": value, "type": "string"} for key, value in attributes.items()],
    }
