"""The parts of the feed's function, put together. No other function loads it."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from mparticle_firehose.aws_client import SHORT_TIMEOUTS, STANDARD_TIMEOUTS, AwsClient
from mparticle_firehose.config import FeedSettings
from mparticle_firehose.errors import ConfigurationError, DeliveryError
from mparticle_firehose.feed.mapping import Feed
from mparticle_firehose.feed_worker.clients import Clients
from mparticle_firehose.feed_worker.key_pairs import KeyPairs
from mparticle_firehose.feed_worker.pace import Paces
from mparticle_firehose.feed_worker.sending import Sending
from mparticle_firehose.feed_worker.worker import FeedWorker
from mparticle_firehose.integration import Integration
from mparticle_firehose.partner_api.circuit_breaker import CircuitBreaker
from mparticle_firehose.partner_api.rate_limits import RateLimits
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.source_queues import OneQueue
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import Telemetry
from mparticle_firehose.tables.erased_people import ErasedPeople, ErasureKey
from mparticle_firehose.tables.ledger import Ledger

_KEY_PAIRS_SIDE_BY_SIDE = 32
"""Key pairs whose events are sent at a time. Their requests to one host share its connections."""


class FeedFunction:
    """What the feed's function works with. Each part is built when it is first read."""

    def __init__(self, integration: Integration, environ: Mapping[str, str], telemetry: Telemetry) -> None:
        """Take the integration, the environment variables of the deployment, and what counts and logs."""
        self._integration = integration
        self._environ = environ
        self._telemetry = telemetry

    def prepare(self) -> None:
        """Build everything now, without connecting to anything.

        Raises:
            ConfigurationError: an environment variable is missing or wrong, or the integration has no feed.
        """
        _ = self.worker
        self.clients.prepare(self.settings.url)
        for client in (self._sqs, self._dynamodb, self._credential_client, self._secrets):
            client.make()

    def renew(self) -> None:
        """Drop what may be out of date: connections, key pairs, and what is known of mParticle."""
        self.clients.hang_up()
        for known in (self.pauses, self.paces, self.breaker, self.key_pairs):
            known.forget()
        for client in (self._sqs, self._dynamodb, self._credential_client, self._secrets):
            client.close()

    @cached_property
    def settings(self) -> FeedSettings:
        """The deployment's settings."""
        return FeedSettings.from_env(self._environ)

    @cached_property
    def worker(self) -> FeedWorker:
        """Delivers batches of messages."""
        settings, queue = self.settings, OneQueue(self.settings.queue_url)
        sender = QueueSender(self._sqs, _NoLargerBodies())
        backoff = Backoff(settings.retry_base_seconds, settings.retry_cap_seconds)
        return FeedWorker(
            feed=self._feed,
            feed_name=self._integration.feed_name,
            key_pairs=self.key_pairs,
            erased_people=self.erased_people,
            sending=Sending(
                api=self.clients.of,
                key_pairs=self.key_pairs,
                paces=self.paces,
                pauses=self.pauses,
                breaker=self.breaker,
                backoff=backoff,
                telemetry=self._telemetry,
                executor=ThreadPoolExecutor(_KEY_PAIRS_SIDE_BY_SIDE, thread_name_prefix="feed"),
            ),
            dead_letters=DeadLetters(
                sender, membership_url=settings.dlq_url, event_url=settings.dlq_url, erasure_url=settings.dlq_url
            ),
            ledger=Ledger(self._dynamodb, settings.ledger_table),
            visibility=VisibilityTimeouts(self._sqs, self._telemetry, queue),
            delays=Delays(sender, self._telemetry, queue),
            backoff=backoff,
            max_attempts=settings.max_attempts,
            telemetry=self._telemetry,
        )

    @cached_property
    def _feed(self) -> Feed:
        if self._integration.feed is None:
            raise ConfigurationError("the integration has no feed: see Integration.feed")
        return self._integration.feed()

    @cached_property
    def clients(self) -> Clients:
        """The clients of the Events API."""
        return Clients(self._feed.partner_identity, self.paces)

    @cached_property
    def pauses(self) -> RateLimits:
        """Key pairs that must wait."""
        return RateLimits()

    @cached_property
    def paces(self) -> Paces:
        """How fast each key pair may go, here."""
        return Paces(self.settings.batches_per_second / self.settings.concurrency)

    @cached_property
    def breaker(self) -> CircuitBreaker:
        """Holds requests back from a host that is down."""
        return CircuitBreaker(telemetry=self._telemetry)

    @cached_property
    def key_pairs(self) -> KeyPairs:
        """The customers' key pairs."""
        return KeyPairs(
            client=self._credential_client,
            source=self.settings.credentials,
            refresh_seconds=self.settings.refresh_seconds,
            default_url=self.settings.url,
            telemetry=self._telemetry,
        )

    @cached_property
    def erased_people(self) -> ErasedPeople:
        """Whom nothing must be sent about."""
        key = ErasureKey(self._secrets, self.settings.erasure_key_source)
        return ErasedPeople(self._dynamodb, self.settings.ledger_table, key)

    @cached_property
    def _sqs(self) -> AwsClient:
        return AwsClient("sqs", STANDARD_TIMEOUTS)

    @cached_property
    def _dynamodb(self) -> AwsClient:
        return AwsClient("dynamodb", STANDARD_TIMEOUTS)

    @cached_property
    def _credential_client(self) -> AwsClient:
        return AwsClient(self.settings.credential_service, SHORT_TIMEOUTS)

    @cached_property
    def _secrets(self) -> AwsClient:
        return AwsClient(self.settings.erasure_key_service, STANDARD_TIMEOUTS)


class _NoLargerBodies:
    """Stands for the store of large bodies: what the feed's queue holds fits its dead-letter queue as well."""

    def store(self, _body: str) -> str:
        """Refuse.

        Raises:
            DeliveryError: always.
        """
        raise DeliveryError("a message with its reason is larger than SQS takes")
