"""The Lambda entry points, and the one place where the parts are put together.

Everything costly is built once per execution environment, when a request first needs it, and reused by later ones: the
serializer, the pooled HTTP client, the AWS clients.
"""

# isort: off
import mparticle_firehose.startup  # noqa: F401  first: it pauses the garbage collector

# isort: on
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from mparticle_firehose.aws_client import (
    SHORT_TIMEOUTS,
    STANDARD_TIMEOUTS,
    AwsClient,
    queueing_timeouts,
    require_local_cloud,
    s3_settings,
)
from mparticle_firehose.config import Resources, Settings, runs_under_sam_cli
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.endpoint import is_http_event
from mparticle_firehose.integration import Integration
from mparticle_firehose.partner_api.circuit_breaker import CircuitBreaker
from mparticle_firehose.partner_api.client import PartnerClient
from mparticle_firehose.partner_api.deployment_secrets import DeploymentSecrets
from mparticle_firehose.partner_api.rate_limits import RateLimits
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.partner_api.sites import sites_of
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import AnyRequest, Serializer
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.event_queue import EventQueue, OrderedEventQueue
from mparticle_firehose.queues.large_bodies import LargeBodies
from mparticle_firehose.queues.membership_queue import MembershipQueue
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.reporting import Report, reported, telemetry
from mparticle_firehose.services import EventMode, EventStore, Telemetry
from mparticle_firehose.tables.suspensions import Suspensions

if TYPE_CHECKING:  # loaded with the first HTTP request, and with the first batch
    from mparticle_firehose.endpoint.router import Router
    from mparticle_firehose.feed_function import FeedFunction
    from mparticle_firehose.worker.worker import Worker

WORKER_SPARE_SECONDS = 20.0
"""Kept of the worker's timeout, to store what has come of a batch: see `queues.time_limits`.

The last of its steps begin four seconds after the deadline, and two calls that AWS does not answer take fourteen.
"""


class Firehose:
    """An integration as two Lambda functions: the handler answers mParticle, the worker empties the queues.

    It is also the `Services` that processors work with. Each part is built when it is first read.
    """

    def __init__(self, integration: Integration, environ: Mapping[str, str] = os.environ) -> None:
        """Take the integration, and the environment variables of the deployment. Nothing is built or read yet."""
        self.integration = integration
        self.serializer = Serializer(lambda: integration.registration().setting_ids())
        self.telemetry: Telemetry = telemetry
        self._environ = environ

    def handler(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Answer one mParticle request, which is the whole Lambda event or the body of an HTTP request.

        Args:
            event: the request's JSON object, as mParticle sends it, or an HTTP request as Lambda has it.
            context: of the invocation.

        Returns:
            The response's JSON object, or an HTTP response.

        Raises:
            FirehoseError: the request is not acknowledged; mParticle repeats it. The message holds no values. An HTTP
                request raises nothing: its status says it.
        """
        if is_http_event(event):
            from mparticle_firehose.endpoint.entry import respond  # noqa: PLC0415  as its package says

            return respond(event, context, self)
        with reported("answered") as report:
            deadline_ms = self.settings.handler_deadline_ms  # read first: a cold start must not use up the deadline
            deadline = Deadline.of_invocation(context).within(deadline_ms / 1000)
            request = self.serializer.parse(event)
            report.describe(request)
            return self.serializer.dump(process(request, self, deadline))

    def worker(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Deliver one batch of queued messages, as Lambda's SQS event source mapping hands it over.

        Args:
            event: ``{"Records": [...]}``.
            context: of the invocation.

        Returns:
            The partial batch response, which names the messages that must be delivered again.
        """
        with reported("delivered") as report:
            report.facts["message_type"] = "queue"
            return _delivered(self.queue_worker, event, context, report)

    def feed(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Deliver one batch of the partner's events to mParticle.

        Args:
            event: as of `worker`.
            context: of the invocation.

        Returns:
            As `worker`.
        """
        with reported("delivered") as report:
            report.facts["message_type"] = "feed"
            return _delivered(self.feed_function.worker, event, context, report)

    def prepare(self) -> None:
        """Build everything now, without connecting to anything.

        Raises:
            ConfigurationError: naming every environment variable that is missing or wrong.
            RegistrationError: the registration breaks a rule of mParticle's.
        """
        if self._is_the_feeds:
            self.feed_function.prepare()
            return
        self.integration.declaration()
        _ = self.breaker, self.memberships, self.queue_worker, self.router
        self.partner.prepare()
        for client in self._clients:
            client.make()
        self.serializer.prepare()

    def renew(self) -> None:
        """Drop what may be out of date: connections, tokens, and what is known of the partner and of accounts.

        Credentials need no renewal: boto3 reads them from the container's endpoint, and again when they have expired.
        No random state is kept here: ids and jitter come from the operating system.
        """
        if self._is_the_feeds:
            self.feed_function.renew()
            return
        self.partner.hang_up()
        self.partner.forget()
        worker = self.queue_worker
        for known in (self.breaker, self.rate_limits, worker.breaker, worker.forwarding.backlogs, self.suspensions):
            known.forget()
        vars(self).pop("router", None)  # and its tokens; building another one costs nothing
        for client in self._clients:
            client.close()

    # --- the services ------------------------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """The deployment's settings."""
        return Settings.from_env(self._environ)

    @property
    def parse(self) -> Callable[[Mapping[str, Any]], AnyRequest]:
        """Reads a request."""
        return self.serializer.parse

    @cached_property
    def partner(self) -> PartnerClient:
        """Makes the calls."""
        secrets = DeploymentSecrets(
            client=self._deployment_secret_client,
            source=self.settings.deployment_secret_source,
            refresh_seconds=self.settings.deployment_secret_refresh_seconds,
            telemetry=self.telemetry,
        )
        sites = sites_of(self.integration.sites, self.settings.partner_api_url)
        return PartnerClient(sites, self.verdicts, secrets, headers=self.integration.headers)

    @cached_property
    def verdicts(self) -> RetryPolicy:
        """Judges answers."""
        return RetryPolicy(self.integration.retry_policy, self.integration.wait_headers)

    @cached_property
    def breaker(self) -> CircuitBreaker:
        """Holds the handler's calls back to a site that is down."""
        return CircuitBreaker(telemetry=self.telemetry)

    @cached_property
    def rate_limits(self) -> RateLimits:
        """Holds back the calls of credentials that must wait."""
        return RateLimits()

    @cached_property
    def memberships(self) -> MembershipQueue:
        """The queue of membership changes."""
        return MembershipQueue(
            self.sender, self._resources.membership_queue_url, shards=self.settings.membership_shards
        )

    @cached_property
    def events(self) -> EventStore:
        """The queues of events and erasures."""
        resources = self._resources
        unordered = EventQueue(self.sender, resources.event_queue_url, erasure_url=resources.erasure_queue_url)
        if self.settings.event_order == "none":
            return unordered
        return OrderedEventQueue(
            sender=self.sender,
            url=resources.membership_queue_url,
            unordered=unordered,
            shards=self.settings.membership_shards,
        )

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """The dead-letter queues."""
        return DeadLetters.of(self.sender, self._resources)

    @cached_property
    def large_bodies(self) -> LargeBodies:
        """What is larger than a queue takes."""
        return LargeBodies(self._s3, self._resources.large_body_bucket)

    @cached_property
    def suspensions(self) -> Suspensions:
        """The suspended accounts."""
        return Suspensions(self._short_client, self._resources.suspension_table)

    @property
    def event_mode(self) -> EventMode:
        """Whether events are forwarded or queued."""
        return "in_order" if self.settings.event_order == "user" else self.settings.event_mode

    # --- the other parts ---------------------------------------------------------------------------------------------

    @cached_property
    def router(self) -> "Router":
        """Answers over HTTPS."""
        from mparticle_firehose.endpoint.entry import build_router  # noqa: PLC0415  as its package says

        return build_router(
            self.settings,
            self,
            self.serializer,
            token_client=self._token_client,
            feed_secret_client=self._feed_secret_client,
            sender=lambda: self.sender,
        )

    @cached_property
    def queue_worker(self) -> "Worker":
        """Empties the queues."""
        from mparticle_firehose.worker.assembly import (  # noqa: PLC0415  the handler does not need it
            WorkerClients,
            build_worker,
        )

        clients = WorkerClients(
            sqs=self._worker_sqs,
            forwarding_sqs=self._sqs,
            ledger=self._ledger_client,
            outages=self._short_client,
            erasure_key=self._erasure_key_client,
        )
        return build_worker(self, self._resources, clients)

    @cached_property
    def feed_function(self) -> "FeedFunction":
        """The parts of the feed's function."""
        from mparticle_firehose.feed_function import FeedFunction  # noqa: PLC0415  no other function needs it

        return FeedFunction(self.integration, self._environ, self.telemetry)

    @property
    def _is_the_feeds(self) -> bool:
        """Whether this is the feed's function: no other one gets to know where the key pairs are."""
        return "FEED_CREDENTIALS" in self._environ

    @cached_property
    def _resources(self) -> Resources:
        resources = Resources.from_env(self._environ)
        if runs_under_sam_cli(self._environ):
            require_local_cloud(self._environ)
        return resources

    @cached_property
    def sender(self) -> QueueSender:
        """Puts messages on queues while mParticle waits."""
        return QueueSender(self._sqs, self.large_bodies)

    @cached_property
    def _sqs(self) -> AwsClient:
        longest_ms = max(self.settings.handler_deadline_ms, self.settings.http_deadline_ms)
        return AwsClient("sqs", queueing_timeouts(longest_ms / 1000))

    @cached_property
    def _worker_sqs(self) -> AwsClient:
        return AwsClient("sqs", STANDARD_TIMEOUTS)

    @cached_property
    def _s3(self) -> AwsClient:
        return AwsClient("s3", s3_settings(STANDARD_TIMEOUTS, self._environ))

    @cached_property
    def _short_client(self) -> AwsClient:
        return AwsClient("dynamodb", SHORT_TIMEOUTS)

    @cached_property
    def _ledger_client(self) -> AwsClient:
        return AwsClient("dynamodb", STANDARD_TIMEOUTS)

    @cached_property
    def _token_client(self) -> AwsClient | None:
        service = self.settings.token_service
        return AwsClient(service, SHORT_TIMEOUTS) if service else None

    @cached_property
    def _feed_secret_client(self) -> AwsClient | None:
        service = self.settings.feed_secret_service
        return AwsClient(service, SHORT_TIMEOUTS) if service else None

    @cached_property
    def _deployment_secret_client(self) -> AwsClient | None:
        service = self.settings.deployment_secret_service
        return AwsClient(service, SHORT_TIMEOUTS) if service else None

    @cached_property
    def _erasure_key_client(self) -> AwsClient | None:
        service = self.settings.erasure_key_service
        return AwsClient(service, STANDARD_TIMEOUTS) if service else None

    @property
    def _clients(self) -> tuple[AwsClient, ...]:
        optional = (
            self._token_client,
            self._feed_secret_client,
            self._deployment_secret_client,
            self._erasure_key_client,
        )
        return (self._sqs, self._worker_sqs, self._s3, self._short_client, self._ledger_client, *filter(None, optional))


class _QueueWorker(Protocol):
    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[str]:
        """Deliver a batch and return the ids of the messages that must be delivered again."""


def _delivered(
    worker: _QueueWorker, event: Mapping[str, Any], context: LambdaContext, report: Report
) -> dict[str, Any]:
    records = [Record.from_event(entry) for entry in event["Records"]]
    failed = worker.deliver(records, Deadline.of_invocation(context, spare_seconds=WORKER_SPARE_SECONDS))
    report.facts.update(messages=len(records), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
