"""Puts the door together, and takes an HTTP event through it."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from mparticle_firehose.config import VERIFICATION_OFF, Settings
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.endpoint.errors import RefusedRequestError, TurnedAwayError, UnknownTokenError
from mparticle_firehose.endpoint.http_event import HttpAnswer, HttpRequest
from mparticle_firehose.endpoint.responses import error_answer
from mparticle_firehose.endpoint.router import Door, facts_of
from mparticle_firehose.endpoint.token_source import from_nowhere, from_parameter, from_secret
from mparticle_firehose.endpoint.tokens import Tokens
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.protocol import AnyRequest, Serializer
from mparticle_firehose.reporting import Report, logger, reported
from mparticle_firehose.services import Services

type Facts = Callable[[AnyRequest], Mapping[str, Any]]
type Opened = Callable[[], tuple[Door, Callable[[], Deadline]]]


def open_door(settings: Settings, services: Services, serializer: Serializer, token_client: Any) -> Door:
    """Return the door that a deployment wants.

    Args:
        settings: the deployment's.
        services: for the processors.
        serializer: the environment's.
        token_client: of the settings' ``token_service``, if there is one; it is only asked when a token is needed.
    """
    read = _reader(settings, token_client)
    return Door(
        serializer=serializer,
        services=services,
        authorize=Tokens(read, settings.http_token_refresh_seconds, services.telemetry).verify if read else None,
        cookie_sync=_cookie_sync() if settings.cookie_sync == "on" else None,
    )


def _cookie_sync() -> Callable[[HttpRequest], HttpAnswer]:
    from mparticle_firehose.endpoint.cookie_sync import sync  # noqa: PLC0415  who has none needs no declaration
    from partner.cookie_sync import COOKIE_SYNC  # noqa: PLC0415  checks the declaration

    return partial(sync, declaration=COOKIE_SYNC)


def _reader(settings: Settings, client: Any) -> Callable[[], str] | None:
    """Return what reads the tokens; None if the deployment says that everybody may come in."""
    match settings.token_service:
        case "ssm":
            return partial(from_parameter, client, str(settings.http_token_source))
        case "secretsmanager":
            return partial(from_secret, client, str(settings.http_token_source))
        case None:
            return None if settings.http_token_source == VERIFICATION_OFF else from_nowhere


def exchange(event: Mapping[str, Any], opened: Opened, facts: Facts) -> dict[str, Any]:
    """Answer an HTTP event, whatever happens: the status says it.

    Args:
        event: a payload of format 2.0.
        opened: returns the door, and what begins the deadline.
        facts: returns what may be said of a message.
    """
    try:
        with reported("answered") as report:
            answer = _answered(event, opened, facts, report)
    except FirehoseError as error:
        answer = error_answer(error)
    return answer.to_event()


def _answered(event: Mapping[str, Any], opened: Opened, facts: Facts, report: Report) -> HttpAnswer:
    report.facts["status"] = HTTPStatus.INTERNAL_SERVER_ERROR  # as long as nobody knows better
    try:
        request = HttpRequest.from_event(event)
        report.facts.update(facts_of(request))
        door, begin = opened()
        answer = door.answer(request, begin, heard=lambda message: report.facts.update(facts(message)))
    except RefusedRequestError as error:  # a stranger who is turned away has failed nobody
        answer = error_answer(error)
        report.message = "refused"
        report.write = logger.warning if isinstance(error, UnknownTokenError) else logger.info
        report.facts.update(message_type="http", reason=error.code)
    except FirehoseError as error:
        report.facts["status"] = error_answer(error).status
        if isinstance(error, TurnedAwayError):
            report.facts["message_type"] = "http"
        raise
    report.facts["status"] = answer.status
    return answer
