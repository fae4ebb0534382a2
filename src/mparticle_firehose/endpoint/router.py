"""The HTTPS endpoint's routes: the same requests and the same processors as a direct invocation.

The adapter is our own. Powertools' event handler routes and validates well, but importing it takes 35 to 65 ms of the
first HTTP request's 100 ms::

    python -c 'import time, boto3, pydantic, aws_lambda_powertools.metrics, aws_lambda_powertools.logging
    t = time.perf_counter(); import aws_lambda_powertools.event_handler; print(time.perf_counter() - t)'
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.endpoint.errors import (
    FeedSecretUnavailableError,
    RefusedRequestError,
    SignatureRefusedError,
    TokensUnavailableError,
    UnknownTokenError,
)
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse
from mparticle_firehose.endpoint.responses import json_response
from mparticle_firehose.errors import MalformedRequestError, UnsupportedMessageError
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import (
    REQUEST_MODELS,
    AnyRequest,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    ModuleRegistrationRequest,
    Request,
    Serializer,
)
from mparticle_firehose.services import Services


@dataclass(frozen=True, slots=True)
class Route:
    """What a path accepts.

    Attributes:
        method: the HTTP method.
        messages: the types of mParticle's requests; empty if the path takes no message.
    """

    method: str
    messages: frozenset[type[Request]] = frozenset()


COOKIE_SYNC_PATH = "/cookie-sync"
FEED_PATH = "/feed"

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "/": Route("POST", frozenset(REQUEST_MODELS.values())),
        "/registration": Route("POST", frozenset({ModuleRegistrationRequest})),
        "/events": Route("POST", frozenset({EventProcessingRequest})),
        "/audiences": Route("POST", frozenset({AudienceSubscriptionRequest, AudienceMembershipChangeRequest})),
        "/dsr": Route("POST", frozenset({DsrProcessingRequest})),
        "/health": Route("GET"),
        COOKIE_SYNC_PATH: Route("GET"),
        FEED_PATH: Route("POST"),
    }
)
"""Paths are compared as they are sent, without decoding or normalizing them."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_REGISTRATION_MARK = b"module_registration_request"
MAX_REGISTRATION_BYTES = 4 * 1024
"""A registration request has some hundred bytes. A larger body is not read at all without a token: anyone can send it,
and reading it costs processor time."""

MAX_BODY_BYTES = 6 * 1024 * 1024
"""Lambda's own limit."""

_MAX_TYPE_LENGTH = 1_000  # characters of a Content-Type
_CHARSETS = frozenset({"utf-8", "utf8"})
_ENCODINGS = frozenset({"", "identity"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Answers HTTP requests in two steps: `read` authorizes and parses, `process` does the work.

    Attributes:
        serializer: reads and writes the messages.
        services: for the processors.
        authorize: takes the value of ``Authorization`` and raises if the request is not authorized; None authorizes
            every request.
        cookie_sync: answers ``GET /cookie-sync``; None if the deployment does not take part.
        feed: answers ``POST /feed``; None if the deployment takes no webhooks.
    """

    serializer: Serializer
    services: Services
    authorize: Callable[[str | None], None] | None
    cookie_sync: Callable[[HttpRequest], HttpResponse] | None = None
    feed: Callable[[HttpRequest, Deadline], HttpResponse] | None = None

    def read(self, request: HttpRequest) -> AnyRequest | None:
        """Check path, method and token, and parse the message; None if the path takes no message.

        Raises:
            UnreadRequestError: the request is refused, or tokens cannot be read.
            MalformedRequestError: the body is no message.
        """
        with self._counted():
            route = self._route(request)
            return self._message(request, route) if route.messages else None

    def process(self, request: HttpRequest, message: AnyRequest | None, deadline: Deadline) -> HttpResponse:
        """Answer a request that has been read.

        Args:
            request: as it came.
            message: what `read` returned.
            deadline: for whatever blocks.

        Raises:
            FirehoseError: the message is not acknowledged.
        """
        with self._counted():
            if message:
                return self._processed(message, ROUTES[request.path], deadline)
            if self.cookie_sync and request.path == COOKIE_SYNC_PATH:
                response = self.cookie_sync(request)
                self.services.telemetry.count("CookieSyncs")
                return response
            if self.feed and request.path == FEED_PATH:
                return self.feed(request, deadline)
            return json_response(200, '{"status":"ok"}')

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count refused requests by their reason."""
        try:
            yield
        except UnknownTokenError:
            self.services.telemetry.count("TokenRefused")
            raise
        except SignatureRefusedError:
            self.services.telemetry.count("FeedSignatureRefused")
            raise
        except RefusedRequestError:
            self.services.telemetry.count("Refused")
            raise
        except TokensUnavailableError:
            self.services.telemetry.count("TokensUnavailable")
            raise
        except FeedSecretUnavailableError:
            self.services.telemetry.count("FeedSecretUnavailable")
            raise

    def _route(self, request: HttpRequest) -> Route:
        route = ROUTES.get(request.path)
        optional = {COOKIE_SYNC_PATH: self.cookie_sync, FEED_PATH: self.feed}
        if not route or optional.get(request.path, self) is None:
            raise RefusedRequestError(404, "unknown_path")
        if request.method != route.method:
            raise RefusedRequestError(405, "method_not_allowed", {"Allow": route.method})
        return route

    def _message(self, request: HttpRequest, route: Route) -> AnyRequest:
        """Parse the message. Without a token only a registration is parsed, for which mParticle has no token yet."""
        _require_readable(request)
        if ModuleRegistrationRequest in route.messages and (registration := self._registration(request.body)):
            return registration
        if self.authorize:
            self.authorize(request.headers.get("authorization"))
        return self.serializer.parse(request.body)

    def _registration(self, body: bytes) -> ModuleRegistrationRequest | None:
        """Return the registration request that the body is, if it is one. No other type is read into a model."""
        if len(body) > MAX_REGISTRATION_BYTES or _REGISTRATION_MARK not in body:
            return None
        try:
            return self.serializer.parse_registration(body)
        except MalformedRequestError:
            return None

    def _processed(self, message: AnyRequest, route: Route, deadline: Deadline) -> HttpResponse:
        if type(message) not in route.messages:
            raise UnsupportedMessageError(("type", "must be one that this path takes"))
        response = process(message, self.services, deadline)
        return json_response(200, self.serializer.dumps(response).decode())


def facts_of(request: HttpRequest) -> dict[str, str]:
    """Return what may be logged of a request before it is read: no text of its sender's."""
    route = ROUTES.get(request.path)
    return {
        "message_type": _message_type(request.path, route),
        "method": request.method if request.method in _METHODS else "other",
        "route": request.path if route else "other",
    }


def _message_type(path: str, route: Route | None) -> str:
    if route and route.messages:
        return "unreadable"
    return {COOKIE_SYNC_PATH: "cookie_sync", FEED_PATH: "feed_webhook"}.get(path, "http")


def _require_readable(request: HttpRequest) -> None:
    """Check size, media type, charset and encoding of a body. Headers that are missing mean JSON in UTF-8.

    Raises:
        RefusedRequestError: the body is too large (413), or of another media type, charset or coding (415).
    """
    if len(request.body) > MAX_BODY_BYTES:
        raise RefusedRequestError(413, "too_large")
    if len(request.headers.get("content-type", "")) > _MAX_TYPE_LENGTH:
        raise RefusedRequestError(415, "unsupported_media_type", {"Accept": "application/json"})
    if request.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        raise RefusedRequestError(415, "unsupported_content_encoding", {"Accept-Encoding": "identity"})
    media_type, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    if media_type not in {"", "application/json"}:
        raise RefusedRequestError(415, "unsupported_media_type", {"Accept": "application/json"})
    if not _charsets(parameters) <= _CHARSETS:
        raise RefusedRequestError(415, "unsupported_charset")


def _charsets(parameters: list[str]) -> set[str]:
    named = (parameter.partition("=") for parameter in parameters)
    return {value.strip().strip('"') for name, _, value in named if name.strip() == "charset"}
