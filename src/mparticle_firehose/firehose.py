"""The Lambda entry points, and the one place where the parts are put together.

Everything costly is built once per execution environment, on the first invocation that needs it, and reused by every
later one: the serializer, the pooled HTTP client, the AWS clients.
"""

import gc

gc.disable()  # while everything loads: looking for garbage among modules would take a tenth of a cold start

import os
from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from snapshot_restore_py import register_after_restore, register_before_snapshot

from mparticle_firehose.aws_client import HURRIED, PATIENT, AwsClient
from mparticle_firehose.config import Settings
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.endpoint import is_http_event
from mparticle_firehose.partner_api.circuit_breaker import CircuitBreaker
from mparticle_firehose.partner_api.client import PartnerClient
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import AnyRequest, ModuleRegistrationRequest, Serializer
from mparticle_firehose.protocol.correlation import correlation
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.event_queue import EventQueue
from mparticle_firehose.queues.membership_queue import MembershipQueue
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.visibility import Backoff, Redelivery
from mparticle_firehose.reporting import reported, telemetry
from mparticle_firehose.services import QueueMappings, Services
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.suspensions import Suspensions
from mparticle_firehose.worker.worker import Worker
from partner.audiences import (
    MOST_CHANGES_PER_CALL,
    members_call,
    membership_changes,
    without_attributes,
)
from partner.erasures import erasure_call
from partner.events import events_call
from partner.partial_success import failures_in

if TYPE_CHECKING:  # loaded when the first HTTP request comes
    from mparticle_firehose.endpoint.router import Door

_ANSWER_SECONDS = 0.05
"""What is kept of the function's own timeout to answer in."""

_WORKER_SPARE_SECONDS = 5.0
"""What is kept of the worker's timeout to put aside and report what is left."""

serializer = Serializer()


class Application:
    """What an execution environment keeps between invocations; each part is built when something first needs it."""

    def __init__(self, settings: Settings) -> None:
        """Take the deployment's settings."""
        self.settings = settings

    def prepare(self) -> None:
        """Build everything now, without connecting to anything."""
        import partner.registration  # noqa: F401, PLC0415  checks the declaration

        _ = self.services, self.worker, self.door
        self._partner.prepare()
        for client in self._clients:
            client.make()
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
        vars(self).pop("door", None)  # and its tokens; another is put together at no cost
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
            telemetry=telemetry,
            event_mode=self.settings.event_mode,
        )

    @cached_property
    def door(self) -> "Door":
        """What answers over HTTPS."""
        from mparticle_firehose.endpoint.entry import open_door  # noqa: PLC0415  as its package says

        return open_door(self.settings, self.services, serializer, self._token_client)

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
                telemetry,
                membership_url=self.settings.membership_queue_url,
                event_url=self.settings.event_queue_url,
            ),
            backoff=Backoff(self.settings.retry_base_seconds, self.settings.retry_cap_seconds),
            most_attempts=self.settings.most_attempts,
            telemetry=telemetry,
        )

    @property
    def _clients(self) -> tuple[AwsClient, ...]:
        always = (self._sqs, self._suspension_client, self._ledger_client)
        return (*always, self._token_client) if self._token_client else always

    @cached_property
    def _partner(self) -> PartnerClient:
        return PartnerClient(self.settings.partner_api_url, failures_in)

    @cached_property
    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(self._partner)

    @cached_property
    def _sqs(self) -> AwsClient:
        return AwsClient("sqs", PATIENT)

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
    def _suspension_client(self) -> AwsClient:
        return AwsClient("dynamodb", HURRIED)

    @cached_property
    def _ledger_client(self) -> AwsClient:
        return AwsClient("dynamodb", PATIENT)

    @cached_property
    def _token_client(self) -> AwsClient | None:
        service = self.settings.token_service
        return AwsClient(service, HURRIED) if service else None


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
        return _over_http(event, context)
    with reported("answered") as report:
        services = application().services  # built before the clock starts: a cold start is no fault of the partner's
        deadline = _deadline(application().settings.handler_deadline_ms, context)
        request = serializer.parse(event)
        report.facts.update(_facts(request))
        return serializer.dump(process(request, services, deadline))


def _over_http(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    from mparticle_firehose.endpoint.entry import exchange  # noqa: PLC0415  as its package says

    return exchange(event, partial(_opened, context), _facts)


def _opened(context: LambdaContext) -> "tuple[Door, Callable[[], Deadline]]":
    return application().door, partial(_deadline, application().settings.http_deadline_ms, context)


def worker(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver one batch of queued messages, as Lambda's SQS event source mapping hands it over.

    Args:
        event: ``{"Records": [...]}``.
        context: of the invocation.

    Returns:
        The partial batch response, which names the messages that must come again.
    """
    with reported("delivered") as report:
        records = [Record.from_event(entry) for entry in event["Records"]]
        failed = application().worker.deliver(records, _remaining(_WORKER_SPARE_SECONDS, context))
        report.facts.update(message_type="queue", messages=len(records), failed=len(failed))
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _deadline(milliseconds: int, context: LambdaContext) -> Deadline:
    return _remaining(_ANSWER_SECONDS, context).within(milliseconds / 1000)


def _remaining(spare_seconds: float, context: LambdaContext) -> Deadline:
    return Deadline.after(context.get_remaining_time_in_millis() / 1000 - spare_seconds)


def _facts(request: AnyRequest) -> dict[str, Any]:
    """Return what may be said of a request: what it is and whose, but nothing of what it says."""
    telemetry.count("Unrecognized", request.unrecognized.total())
    unrecognized = {"unrecognized": dict(request.unrecognized)} if request.unrecognized else {}
    if isinstance(request, ModuleRegistrationRequest):
        return {"message_type": str(request.type), "request_id": str(request.id), **unrecognized}
    return {**correlation(request), **unrecognized}


def _let_loaded_things_be() -> None:
    """Spare the garbage collector what stays: looking through it takes longer than answering a request."""
    gc.collect()
    gc.freeze()


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
    application().prepare()  # while nobody waits
gc.freeze()
gc.set_threshold(20_000)  # ten times as rarely as usual: what a request leaves behind goes without help
gc.enable()
