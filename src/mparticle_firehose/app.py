"""The Lambda entry points, and the one place where the parts are put together.

Everything costly is built once per execution environment, on the first invocation that needs it, and reused by every
later one: the serializer, the pooled HTTP client, the AWS clients.
"""

import gc

gc.disable()  # while everything loads: looking for garbage among modules would take a tenth of a cold start

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property, partial
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from snapshot_restore_py import register_after_restore, register_before_snapshot

from mparticle_firehose.config import VERIFICATION_OFF, Settings
from mparticle_firehose.delivery.circuit_breaker import CircuitBreaker
from mparticle_firehose.delivery.dead_letters import DeadLetters
from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.event_queue import EventQueue
from mparticle_firehose.delivery.interfaces import QueueMappings, Services
from mparticle_firehose.delivery.ledger import Ledger
from mparticle_firehose.delivery.membership_queue import MembershipQueue
from mparticle_firehose.delivery.partner_client import PartnerClient
from mparticle_firehose.delivery.queue_sender import QueueSender
from mparticle_firehose.delivery.record import Record
from mparticle_firehose.delivery.redelivery import Backoff, Redelivery
from mparticle_firehose.delivery.suspension import Suspensions
from mparticle_firehose.delivery.worker import Worker
from mparticle_firehose.endpoint.answers import error_answer
from mparticle_firehose.endpoint.cookie_sync import sync
from mparticle_firehose.endpoint.door import Door, facts_of
from mparticle_firehose.endpoint.http_event import HttpAnswer, HttpRequest, is_http_event
from mparticle_firehose.endpoint.refusal import RefusedRequestError, TurnedAwayError, UnknownTokenError
from mparticle_firehose.endpoint.token_source import from_nowhere, from_parameter, from_secret
from mparticle_firehose.endpoint.tokens import Tokens, let_everybody_in
from mparticle_firehose.errors import FirehoseError, UnexpectedError, described
from mparticle_firehose.partner.answers import failures_in
from mparticle_firehose.partner.audiences import (
    MOST_CHANGES_PER_CALL,
    members_call,
    membership_changes,
    without_attributes,
)
from mparticle_firehose.partner.cookie_sync import COOKIE_SYNC
from mparticle_firehose.partner.erasures import erasure_call
from mparticle_firehose.partner.events import events_call
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import AnyRequest, ModuleRegistrationRequest, Serializer

_ANSWER_SECONDS = 0.05
"""What is kept of the function's own timeout to answer in."""

_WORKER_SPARE_SECONDS = 5.0
"""What is kept of the worker's timeout to put aside and report what is left."""

_PATIENT = {"connect_timeout": 1, "read_timeout": 2, "retries": {"mode": "standard", "total_max_attempts": 2}}
_HURRIED = {"connect_timeout": 0.25, "read_timeout": 0.25, "retries": {"mode": "standard", "total_max_attempts": 1}}
"""For what the handler can do without: nobody may wait long to learn whether an account is suspended."""

logger = Logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "MParticleFirehose"))
serializer = Serializer()


class PowertoolsTelemetry:
    """Structured log lines, and counts in CloudWatch's embedded metric format, written when an invocation ends."""

    def count(self, name: str, value: int = 1) -> None:
        """Add to a metric; nothing is written for zero."""
        if value:
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)

    def measure(self, name: str, milliseconds: float) -> None:
        """Add to a metric of time."""
        metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=milliseconds)

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what happened to a piece of work."""
        logger.info(event, extra=dict(facts))

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what works still and needs somebody's eye."""
        logger.warning(event, extra=dict(facts))


class _Client(Any):  # type: ignore[misc]  # it has whatever the service's client has
    """Stands in for an AWS client, which is made when something is first asked of it.

    Loading boto3 and making a client take longer than everything else before the first answer, and most requests,
    such as events that the partner takes, need none.
    """

    def __init__(self, service: Any, config: Mapping[str, Any]) -> None:
        self._service = service
        self._config = config

    @cached_property
    def made(self) -> Any:
        """The client itself."""
        import boto3  # noqa: PLC0415  as the class says
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(self._service, config=Config(**self._config))

    def close(self) -> None:
        """End the client's connections, if it was ever made."""
        if "made" in vars(self):
            self.made.close()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.made, operation)


class Application:
    """What an execution environment keeps between invocations; each part is built when something first needs it."""

    def __init__(self, settings: Settings) -> None:
        """Take the deployment's settings."""
        self.settings = settings
        self._telemetry = PowertoolsTelemetry()

    def prepare(self) -> None:
        """Build everything now, without connecting to anything."""
        import mparticle_firehose.partner.registration  # noqa: F401, PLC0415  checks the declaration

        _ = self.services, self.worker, self.door
        self._partner.prepare()
        for client in self._clients:
            _ = client.made
        serializer.prepare()
        _let_loaded_things_be()

    def renew(self) -> None:
        """Drop what must not be older than this moment: connections, tokens, what was learnt of partner and accounts.

        Credentials need no care: boto3 takes them from the container's endpoint, and asks again when they have expired.
        Nothing here keeps random state: ids and jitter come from the operating system.
        """
        self._partner.hang_up()
        self._breaker.forget()
        self._suspensions.forget()
        self._tokens.forget()
        for client in self._clients:
            client.close()

    @cached_property
    def services(self) -> Services:
        """What the processors work with."""
        return Services(
            partner=self._breaker,
            memberships=MembershipQueue(
                self._sender, self.settings.membership_queue_url, shards=self.settings.membership_shards
            ),
            events=self._events,
            dead_letters=self._dead_letters,
            suspensions=self._suspensions,
            telemetry=self._telemetry,
            event_mode=self.settings.event_mode,
        )

    @cached_property
    def door(self) -> Door:
        """What answers over HTTPS."""
        is_open = self.settings.http_token_source == VERIFICATION_OFF
        return Door(
            serializer=serializer,
            services=self.services,
            authorize=let_everybody_in if is_open else self._tokens.verify,
            cookie_sync=partial(sync, declaration=COOKIE_SYNC) if self.settings.cookie_sync == "on" else None,
        )

    @cached_property
    def worker(self) -> Worker:
        """What empties the queues."""
        return Worker(
            serializer=serializer,
            partner=self._partner,
            mappings=QueueMappings(
                events=events_call,
                erasure=erasure_call,
                membership_changes=membership_changes,
                members_call=members_call,
                without_attributes=without_attributes,
                most_changes=MOST_CHANGES_PER_CALL,
            ),
            events=self._events,
            dead_letters=self._dead_letters,
            suspensions=self._suspensions,
            ledger=Ledger(self._ledger_client, self.settings.ledger_table),
            redelivery=Redelivery(
                self._sqs,
                self._telemetry,
                membership_url=self.settings.membership_queue_url,
                event_url=self.settings.event_queue_url,
            ),
            backoff=Backoff(self.settings.retry_base_seconds, self.settings.retry_cap_seconds),
            most_attempts=self.settings.most_attempts,
            telemetry=self._telemetry,
        )

    @property
    def _clients(self) -> tuple[_Client, ...]:
        return self._sqs, self._suspension_client, self._ledger_client

    @cached_property
    def _tokens(self) -> Tokens:
        return Tokens(self._token_source(), self.settings.http_token_refresh_seconds, self._telemetry)

    def _token_source(self) -> Callable[[], str]:
        """Return what reads the tokens; its client is made now, and asked when somebody knocks."""
        source = self.settings.http_token_source
        if source is None or source == VERIFICATION_OFF:
            return from_nowhere
        if source.startswith("/"):
            return partial(from_parameter, _Client("ssm", _HURRIED), source)
        return partial(from_secret, _Client("secretsmanager", _HURRIED), source)

    @cached_property
    def _partner(self) -> PartnerClient:
        return PartnerClient(self.settings.partner_api_url, failures_in)

    @cached_property
    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(self._partner)

    @cached_property
    def _sqs(self) -> _Client:
        return _Client("sqs", _PATIENT)

    @cached_property
    def _sender(self) -> QueueSender:
        return QueueSender(self._sqs)

    @cached_property
    def _events(self) -> EventQueue:
        return EventQueue(self._sender, self.settings.event_queue_url)

    @cached_property
    def _dead_letters(self) -> DeadLetters:
        return DeadLetters(
            self._sender, membership_url=self.settings.membership_dlq_url, event_url=self.settings.event_dlq_url
        )

    @cached_property
    def _suspensions(self) -> Suspensions:
        return Suspensions(self._suspension_client, self.settings.suspension_table)

    @cached_property
    def _suspension_client(self) -> _Client:
        return _Client("dynamodb", _HURRIED)

    @cached_property
    def _ledger_client(self) -> _Client:
        return _Client("dynamodb", _PATIENT)


@cache
def application() -> Application:
    """Return this environment's application, built on first use.

    Raises:
        ConfigurationError: naming every environment variable that is missing or wrong.
    """
    return Application(Settings.from_env(os.environ))


@register_before_snapshot  # type: ignore[untyped-decorator]  # as pyproject.toml says
def before_snapshot() -> None:
    """Do for SnapStart, once, what every environment would otherwise do on its first invocation."""
    application().prepare()


@register_after_restore  # type: ignore[untyped-decorator]  # as above
def after_restore() -> None:
    """Let nothing survive a restore that was true only when the snapshot was taken."""
    application().renew()


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Answer one mParticle request, which is the whole Lambda event or the body of an HTTP request.

    Args:
        event: the request's JSON object, as mParticle sends it, or an HTTP request as Lambda has it.
        context: of the invocation.

    Returns:
        The response's JSON object, or an HTTP response.

    Raises:
        FirehoseError: the request is not acknowledged; mParticle repeats it. The message holds no values. Over HTTP
            nothing is raised: the status says it.
    """
    if is_http_event(event):
        return _over_http(event, context).to_event()
    with _reported("answered") as facts:
        services = application().services  # built before the clock starts: a cold start is no fault of the partner's
        deadline = _deadline(application().settings.handler_deadline_ms / 1000, _ANSWER_SECONDS, context)
        request = serializer.parse(event)
        facts.update(_facts(request))
        return serializer.dump(process(request, services, deadline))


def _over_http(event: Mapping[str, Any], context: LambdaContext) -> HttpAnswer:
    try:
        with _reported("answered") as facts:
            request = HttpRequest.from_event(event)
            facts.update(facts_of(request))
            door = application().door  # built before the clock starts, as above
            deadline = _deadline(application().settings.http_deadline_ms / 1000, _ANSWER_SECONDS, context)
            answer = door.answer(request, deadline, heard=lambda message: facts.update(_facts(message)))
            facts["status"] = answer.status
            return answer
    except FirehoseError as error:
        return error_answer(error)


def worker(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver one batch of queued messages, as Lambda's SQS event source mapping hands it over.

    Args:
        event: ``{"Records": [...]}``.
        context: of the invocation.

    Returns:
        The partial batch response, which names the messages that must come again.
    """
    with _reported("delivered") as facts:
        records = [Record.from_event(entry) for entry in event["Records"]]
        deadline = _deadline(float("inf"), _WORKER_SPARE_SECONDS, context)
        failed = application().worker.deliver(records, deadline)
        facts.update(message_type="queue", messages=len(records), failed=len(failed))
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _deadline(seconds: float, spare: float, context: LambdaContext) -> Deadline:
    return Deadline.after(min(seconds, context.get_remaining_time_in_millis() / 1000 - spare))


def _facts(request: AnyRequest) -> dict[str, Any]:
    """Return what may be said of a request: what it is and whose, but nothing of what it says."""
    facts: dict[str, Any] = {"message_type": str(request.type), "request_id": str(request.id)}
    if not isinstance(request, ModuleRegistrationRequest):
        facts["account_id"] = request.account.account_id
    if request.unrecognized:
        facts["unrecognized"] = dict(request.unrecognized)
        metrics.add_metric(name="Unrecognized", unit=MetricUnit.Count, value=request.unrecognized.total())
    return facts


@contextmanager
def _reported(done: str) -> Iterator[dict[str, Any]]:
    """Log and measure one invocation, and let no error out that could quote a request.

    Yields:
        A dict to fill with facts for the log line.
    """
    facts: dict[str, Any] = {"message_type": "unreadable"}
    started = time.perf_counter()
    try:
        yield facts
    except FirehoseError as error:
        _report_error(error, facts, started)
        raise
    except Exception as error:  # noqa: BLE001  the outermost edge: nothing that could quote a request may pass it
        unexpected = UnexpectedError(described(error))
        _report_error(unexpected, facts, started)
        raise unexpected from None
    _report(done, facts, started)


def _report_error(error: FirehoseError, facts: dict[str, Any], started: float) -> None:
    """Log and measure what failed; a stranger who was turned away has failed nobody."""
    if isinstance(error, TurnedAwayError):
        facts["message_type"] = "http"
    if "route" in facts:
        facts["status"] = error_answer(error).status
    if isinstance(error, RefusedRequestError):
        write = logger.warning if isinstance(error, UnknownTokenError) else logger.info
        _report("refused", {**facts, "reason": error.code}, started, write)
    else:
        metrics.add_metric(name="Failed", unit=MetricUnit.Count, value=1)
        text = str(error) if isinstance(error, UnexpectedError) else f"{type(error).__name__}: {error}"
        _report("failed", {**facts, "error": text}, started, logger.error)


def _report(message: str, facts: Mapping[str, Any], started: float, write: Callable[..., None] = logger.info) -> None:
    duration_ms = round((time.perf_counter() - started) * 1000, 3)
    write(message, extra={**facts, "duration_ms": duration_ms})
    metrics.add_metric(name="Received", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="Duration", unit=MetricUnit.Milliseconds, value=duration_ms)
    metrics.add_dimension(name="message_type", value=facts["message_type"])
    metrics.flush_metrics()


def _let_loaded_things_be() -> None:
    """Spare the garbage collector what stays: looking through it takes longer than answering a request."""
    gc.collect()
    gc.freeze()


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
    application().prepare()  # while nobody waits
gc.freeze()
gc.set_threshold(20_000)  # ten times as rarely as usual: what a request leaves behind goes without help
gc.enable()
