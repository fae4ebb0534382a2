"""HTTP requests as Lambda hands them over, in both shapes that AWS documents for payload format 2.0.

See "Function URL request and response payloads" and "Working with AWS Lambda proxy integrations for HTTP APIs".
"""

import base64
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.conftest import Json

HOST = "id.execute-api.us-east-1.amazonaws.com"
URL_HOST = "urlid.lambda-url.us-east-1.on.aws"
SOURCE_IP = "203.0.113.77"
QUERY = "canary-query=canary-value"

type Shape = Callable[..., Json]


def function_url_event(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, base64_body: bool = False
) -> Json:
    """Return what a Function URL makes of a request: headers in lower case, the host its own."""
    return _event(method, path, _lower(headers), host=URL_HOST, route="$default", body=_body(body, encoded=base64_body))


def http_api_event(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, base64_body: bool = False
) -> Json:
    """Return what an HTTP API's stage $default makes of a request, with the route's key and parameters."""
    event = _event(
        method, path, _lower(headers), host=HOST, route=f"{method} {path}", body=_body(body, encoded=base64_body)
    )
    return {**event, "pathParameters": {"proxy": path.lstrip("/")}, "stageVariables": {"stage": "production"}}


def shouting(shape: Shape) -> Shape:
    """Return the shape with headers in capitals, as emulators and test events have them."""

    def shout(*args: object, **options: object) -> Json:
        event = shape(*args, **options)
        return {**event, "headers": {name.upper(): value for name, value in event["headers"].items()}}

    return shout


def encoded(shape: Shape) -> Shape:
    """Return the shape with its body in base64, which Lambda does for content types that it takes for binary."""

    def encode(*args: object, **options: object) -> Json:
        return shape(*args, **{**options, "base64_body": True})

    return encode


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "function-url": function_url_event,
        "http-api": http_api_event,
        "function-url-base64": encoded(function_url_event),
        "http-api-capitals": shouting(http_api_event),
    }
)


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    given = {"Content-Type": "application/json"} if headers is None else headers
    return {name.lower(): value for name, value in given.items()}


def _body(body: bytes, *, encoded: bool) -> Json:
    """Return the body as text, or in base64 where it is none or where that is asked for."""
    try:
        text = None if encoded else body.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return {"body": text, "isBase64Encoded": False} if text else {"isBase64Encoded": False}


def _event(method: str, path: str, headers: Mapping[str, str], *, host: str, route: str, body: Json) -> Json:
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": QUERY,
        "cookies": ["canary-cookie=1", "other=2"],
        "headers": {
            "x-amzn-trace-id": "Root=1-5a3c1e70-000000000000000000000000",
            "x-forwarded-proto": "https",
            "host": host,
            "x-forwarded-port": "443",
            "x-forwarded-for": SOURCE_IP,
            "accept": "*/*",
            "user-agent": "canary-agent/1.0",
            **headers,
        },
        "queryStringParameters": {"canary-query": "canary-value"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": host.partition(".")[0],
            "authentication": None,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": "canary-agent/1.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "time": "22/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1795341600000,
        },
        **body,
    }
