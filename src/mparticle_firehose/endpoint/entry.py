"""Builds the router, and takes an HTTP event through it: read, process, respond."""

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from mparticle_firehose.config import VERIFICATION_OFF, Settings
from mparticle_firehose.deadline import Deadline, Invocation
from mparticle_firehose.endpoint.errors import RefusedRequestError, UnknownTokenError, UnreadRequestError
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse
from mparticle_firehose.endpoint.responses import error_response
from mparticle_firehose.endpoint.router import Router, facts_of
from mparticle_firehose.endpoint.token_source import from_nowhere, from_parameter, from_secret
from mparticle_firehose.endpoint.tokens import Tokens
from mparticle_firehose.errors import ConfigurationError, FirehoseError
from mparticle_firehose.protocol import Serializer
from mparticle_firehose.reporting import Report, reported
from mparticle_firehose.services import Services

if TYPE_CHECKING:  # loaded with the first webhook
    from mparticle_firehose.endpoint.feed_webhook import FeedWebhook
    from mparticle_firehose.queues.sender import QueueSender


class Application(Protocol):
    """What an HTTP event needs. Both are built when they are first read, and may raise a ConfigurationError."""

    @property
    def settings(self) -> Settings:
        """The deployment's settings."""

    @property
    def router(self) -> Router:
        """Answers the request."""


def build_router(
    settings: Settings,
    services: Services,
    serializer: Serializer,
    *,
    token_client: Any,
    feed_secret_client: Any,
    sender: "Callable[[], QueueSender]",
) -> Router:
    """Return the router of a deployment.

    Args:
        settings: the deployment's.
        services: for the processors.
        serializer: the environment's.
        token_client: of the settings' ``token_service``, if there is one; it is called when a token is needed.
        feed_secret_client: of the settings' ``feed_secret_service``, if there is one; as before.
        sender: returns what puts messages on queues. It is called with the first webhook.
    """
    read = _reader(settings, token_client)
    return Router(
        serializer=serializer,
        services=services,
        authorize=Tokens(read, settings.http_token_refresh_seconds, services.telemetry).verify if read else None,
        cookie_sync=_cookie_sync(services) if settings.cookie_sync == "on" else None,
        feed=_feed(settings, services, feed_secret_client, sender),
    )


def _cookie_sync(services: Services) -> Callable[[HttpRequest], HttpResponse]:
    from mparticle_firehose.endpoint.cookie_sync import sync  # noqa: PLC0415  loaded only where it is switched on

    declaration = services.integration.cookie_sync
    if declaration is None:
        raise ConfigurationError("COOKIE_SYNC: must be off, because the integration takes no part in the cookie sync")
    return partial(sync, declaration=declaration())


def _feed(
    settings: Settings, services: Services, client: Any, sender: "Callable[[], QueueSender]"
) -> Callable[[HttpRequest, Deadline], HttpResponse] | None:
    """Return what takes webhooks; None if the deployment takes none."""
    source, queue_url = settings.feed_webhook_secret_source, settings.feed_queue_url
    if not source or not queue_url:
        return None

    @cache
    def webhook() -> "FeedWebhook":
        from mparticle_firehose.endpoint.feed_webhook import FeedWebhook, feed_secrets  # noqa: PLC0415  as above

        secrets = feed_secrets(_source_reader(client, source), settings.http_token_refresh_seconds, services.telemetry)
        return FeedWebhook(secrets=secrets, sender=sender(), queue_url=queue_url, telemetry=services.telemetry)

    return lambda request, deadline: webhook().accept(request, deadline)


def _reader(settings: Settings, client: Any) -> Callable[[], str] | None:
    """Return what reads the tokens; None if the deployment authorizes every request."""
    if settings.http_token_source == VERIFICATION_OFF:
        return None
    return _source_reader(client, settings.http_token_source) if settings.http_token_source else from_nowhere


def _source_reader(client: Any, source: str) -> Callable[[], str]:
    return partial(from_parameter if source.startswith("/") else from_secret, client, source)


def respond(event: Mapping[str, Any], context: Invocation, application: Application) -> dict[str, Any]:
    """Answer an HTTP event. Errors become a status.

    Args:
        event: a payload of format 2.0.
        context: of the invocation.
        application: the router and its settings.
    """
    try:
        with reported("answered") as report:
            response = _response(event, context, application, report)
    except FirehoseError as error:
        response = error_response(error)
    return response.to_event()


def _response(event: Mapping[str, Any], context: Invocation, application: Application, report: Report) -> HttpResponse:
    report.facts["status"] = HTTPStatus.INTERNAL_SERVER_ERROR  # what an unexpected exception is answered with
    try:
        response = _answer(HttpRequest.from_event(event), context, application, report)
    except RefusedRequestError as error:  # no failure of this function: logged, but not as an error
        response = error_response(error)
        report.message = "refused"
        report.level = logging.WARNING if isinstance(error, UnknownTokenError) else logging.INFO
        report.facts.update(message_type="http", reason=error.code)
    except FirehoseError as error:
        report.facts["status"] = error_response(error).status
        if isinstance(error, UnreadRequestError):
            report.facts["message_type"] = "http"
        raise
    report.facts["status"] = response.status
    return response


def _answer(request: HttpRequest, context: Invocation, application: Application, report: Report) -> HttpResponse:
    report.facts.update(facts_of(request))
    router, deadline_ms = application.router, application.settings.http_deadline_ms
    message = router.read(request)
    if message:
        report.describe(message)
    # The deadline starts here: time spent on reading tokens must not be taken from the partner's call.
    deadline = Deadline.of_invocation(context).within(deadline_ms / 1000)
    return router.process(request, message, deadline)
