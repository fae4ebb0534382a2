"""Sends the requests of a Postman collection to the handler in process, as Postman would over the network."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from local.postman.collection import variables_in
from tests.conftest import Deployment, Json
from tests.endpoint.feed_webhooks import signature
from tests.endpoint.http_events import function_url_event

TOKEN = "canary-token-current"
FEED_SECRET = "canary-secret-of-the-partner-0001"


def folder(collection: Mapping[str, Any], name: str) -> list[Json]:
    """Return the requests of a folder."""
    [found] = [each["item"] for each in collection["item"] if each["name"] == name]
    return list(found)


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """Return a text in which the variables have their values."""
    for name in variables_in(text) & variables.keys():
        text = text.replace(f"{{{{{name}}}}}", variables[name])
    return text


def statuses(deployment: Deployment, collection: Mapping[str, Any], **variables: str) -> dict[str, int]:
    """Send each request of the folder for HTTPS, and return the status of each response by the request's name."""
    defaults = {each["key"]: each["value"] for each in collection["variable"]}
    values = {**defaults, "http_endpoint_url": "https://id.example", "http_token": TOKEN, **variables}
    return {item["name"]: _status(deployment, item["request"], values) for item in folder(collection, "HTTPS")}


def responses(deployment: Deployment, collection: Mapping[str, Any]) -> Iterator[str]:
    """Invoke the handler with each body of the folder for Lambda, and yield the types of the responses."""
    values = {each["key"]: each["value"] for each in collection["variable"]}
    for item in folder(collection, "Lambda"):
        yield deployment.invoke(json.loads(substituted(item["request"]["body"]["raw"], values)))["type"]


def _status(deployment: Deployment, request: Json, variables: Mapping[str, str]) -> int:
    body = substituted(request.get("body", {}).get("raw", ""), variables).encode()
    signed = {**variables, "feed_signature": signature(body, FEED_SECRET, at=str(int(time.time())))}
    headers = {each["key"]: substituted(each["value"], signed) for each in request["header"]}
    url = urlsplit(substituted(request["url"]["raw"], variables))
    event = {**function_url_event(request["method"], url.path, body, headers), "rawQueryString": url.query}
    return int(deployment.invoke(event)["statusCode"])
