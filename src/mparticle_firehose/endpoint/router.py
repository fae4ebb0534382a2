"""The HTTPS door: the same requests and the same processors as behind a direct invocation.

The adapter is our own. Powertools' event handler routes and validates well, but importing it takes 35 to 65 ms of the
first HTTP request's 100 ms::

    python -c 'import time, boto3, pydantic, aws_lambda_powertools.metrics, aws_lambda_powertools.logging
    t = time.perf_counter(); import aws_lambda_powertools.event_handler; print(time.perf_counter() - t)'
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.endpoint.admission import require_readable
from mparticle_firehose.endpoint.errors import RefusedRequestError, TokensUnavailableError, UnknownTokenError
from mparticle_firehose.endpoint.http_event import HttpAnswer, HttpRequest
from mparticle_firehose.endpoint.responses import json_answer
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
    """What a path is for.

    Attributes:
        method: the one that it takes.
        messages: the types of the requests that it takes, none if it takes no messages.
    """

    method: str
    messages: frozenset[type[Request]] = frozenset()


COOKIE_SYNC_PATH = "/cookie-sync"

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "/": Route("POST", frozenset(REQUEST_MODELS.values())),
        "/registration": Route("POST", frozenset({ModuleRegistrationRequest})),
        "/events": Route("POST", frozenset({EventProcessingRequest})),
        "/audiences": Route("POST", frozenset({AudienceSubscriptionRequest, AudienceMembershipChangeRequest})),
        "/dsr": Route("POST", frozenset({DsrProcessingRequest})),
        "/health": Route("GET"),
        COOKIE_SYNC_PATH: Route("GET"),
    }
)
"""Paths are compared as they come, letter by letter: nothing is decoded, shortened or completed."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_REGISTRATION_MARK = b"module_registration_request"
_MOST_REGISTRATION_BYTES = 64 * 1024
"""Of a registration request, which is some hundred bytes: all that strangers can make us read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Answers HTTP requests.

    Attributes:
        serializer: reads and writes the messages.
        services: for the processors.
        authorize: lets pass who may come in, by the value of ``Authorization``; None lets everybody in.
        cookie_sync: answers ``GET /cookie-sync``, if the deployment wants it.
    """

    serializer: Serializer
    services: Services
    authorize: Callable[[str | None], None] | None
    cookie_sync: Callable[[HttpRequest], HttpAnswer] | None = None

    def answer(
        self, request: HttpRequest, begin: Callable[[], Deadline], heard: Callable[[AnyRequest], None]
    ) -> HttpAnswer:
        """Answer one request.

        Args:
            request: as it came.
            begin: returns the deadline for whatever blocks, from when it is called. That is once the tokens have been
                read, which is no fault of the partner's.
            heard: is told of the message as soon as it is read.

        Raises:
            TurnedAwayError: it was not read as a message.
            FirehoseError: it was, and is not acknowledged.
        """
        try:
            return self._answer(request, begin, heard)
        except UnknownTokenError:
            self.services.telemetry.count("TokenRefused")
            raise
        except RefusedRequestError:
            self.services.telemetry.count("Refused")
            raise
        except TokensUnavailableError:
            self.services.telemetry.count("TokensUnavailable")
            raise

    def _answer(
        self, request: HttpRequest, begin: Callable[[], Deadline], heard: Callable[[AnyRequest], None]
    ) -> HttpAnswer:
        route = ROUTES.get(request.path)
        if not route or (request.path == COOKIE_SYNC_PATH and not self.cookie_sync):
            raise RefusedRequestError(404, "unknown_path")
        if request.method != route.method:
            raise RefusedRequestError(405, "method_not_allowed", {"Allow": route.method})
        if route.messages:
            message = self._message(request, route)
            heard(message)
            return self._processed(message, route, begin())
        if self.cookie_sync and request.path == COOKIE_SYNC_PATH:
            answer = self.cookie_sync(request)
            self.services.telemetry.count("CookieSyncs")
            return answer
        return json_answer(200, '{"status":"ok"}')

    def _message(self, request: HttpRequest, route: Route) -> AnyRequest:
        """Read the message, but nothing of a stranger's except a registration, for which mParticle has no token yet."""
        require_readable(request)
        if ModuleRegistrationRequest in route.messages and (registration := self._registration(request.body)):
            return registration
        if self.authorize:
            self.authorize(request.headers.get("authorization"))
        return self.serializer.parse(request.body)

    def _registration(self, body: bytes) -> ModuleRegistrationRequest | None:
        if len(body) > _MOST_REGISTRATION_BYTES or _REGISTRATION_MARK not in body:
            return None
        try:
            message = self.serializer.parse(body)
        except MalformedRequestError:
            return None
        return message if isinstance(message, ModuleRegistrationRequest) else None

    def _processed(self, message: AnyRequest, route: Route, deadline: Deadline) -> HttpAnswer:
        if type(message) not in route.messages:
            raise UnsupportedMessageError(("type", "must be one that this path takes"))
        response = process(message, self.services, deadline)
        return json_answer(200, self.serializer.dumps(response).decode())


def facts_of(request: HttpRequest) -> dict[str, str]:
    """Return what may be said of a request before it is read: nothing that its sender made up."""
    route = ROUTES.get(request.path)
    return {
        "message_type": _message_type(request.path, route),
        "method": request.method if request.method in _METHODS else "other",
        "route": request.path if route else "other",
    }


def _message_type(path: str, route: Route | None) -> str:
    if route and route.messages:
        return "unreadable"
    return "cookie_sync" if path == COOKIE_SYNC_PATH else "http"
