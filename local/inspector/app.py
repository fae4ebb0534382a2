"""The inspector as an ASGI application: static files, and operations that take and return JSON."""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from local.inspector.errors import InspectorError, unusable
from mparticle_firehose.errors import described

STATIC = Path(__file__).with_name("static")
"""The page: HTML, scripts and styles, which need no build."""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Of a request of the page's; Lambda takes six megabytes."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the page asks of an operation.

    Attributes:
        path: the variable parts of the path, by name.
        query: the parameters of the query, by name.
        content: the JSON object in the body. Never shown: it may hold personal data.
    """

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, object] = field(default_factory=dict, repr=False)


type Operation = Callable[[Call], object]
"""Returns the JSON of the answer. It runs in a thread of its own, and may wait."""

type Endpoint = Callable[[Request], Awaitable[Response]]


def build(operations: Mapping[str, Operation], streams: Mapping[str, Endpoint], static: Path = STATIC) -> ASGIApp:
    """Return the application.

    Args:
        operations: by method and path, such as ``GET /api/overview``.
        streams: what answers in an own way, by path.
        static: the folder of the page.
    """
    routes: list[BaseRoute] = [
        Route("/", lambda _: FileResponse(static / "index.html")),
        Mount("/static", StaticFiles(directory=static)),
    ]
    for route, operation in operations.items():
        method, path = route.split(" ")
        routes.append(Route(path, _endpoint(operation), methods=[method]))
    routes += [Route(path, stream) for path, stream in streams.items()]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse})


def json_response(content: object, status: int = 200) -> Response:
    """Return JSON in ASCII, which carries any text, also a lone surrogate. No browser reads Infinity or NaN."""
    try:
        text = json.dumps(content, allow_nan=False)
    except ValueError:
        text = json.dumps(_with_finite_numbers(content), allow_nan=False)
    return Response(text, status, media_type="application/json")


def _with_finite_numbers(value: object) -> object:
    """Return JSON with texts in place of what is no number of JSON: some clients send it, and Lambda takes it."""
    if isinstance(value, dict):
        return {name: _with_finite_numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_finite_numbers(each) for each in value]
    return value if not isinstance(value, float) or math.isfinite(value) else json.dumps(value)


async def _refuse(_: Request, error: Exception) -> Response:
    """Answer what no route takes, as everything else that is refused."""
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for these only
    return json_response({"error": f"{error.detail}."}, error.status_code)


def _endpoint(operation: Operation) -> Endpoint:
    async def respond(request: Request) -> Response:
        try:
            content = await _content(request)
            call = Call(request.path_params, request.query_params, content)
            return json_response(await run_in_threadpool(operation, call))
        except InspectorError as error:
            return json_response({"error": str(error)}, error.status)
        except Exception as error:  # noqa: BLE001  its text could quote a request, and the server would log it
            return json_response({"error": f"The inspector failed with an unexpected {described(error)}."}, 500)

    return respond


async def _content(request: Request) -> Mapping[str, object]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise unusable(f"The body must have at most {MAX_BODY_BYTES:,} bytes.")
    try:
        content = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite) if body else {}
    except (ValueError, RecursionError):
        raise unusable("The body must be JSON.") from None
    if not isinstance(content, dict):
        raise unusable("The body must be a JSON object.")
    return content


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise unusable("A number is larger than 1.8e308, so that it cannot be sent.")
    return number
