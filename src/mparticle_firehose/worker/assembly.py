"""Puts the worker together. Only the worker's function loads it: the handler starts without it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mparticle_firehose.config import Resources, Settings
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.delivery.side_by_side import CALLS_AT_A_TIME
from mparticle_firehose.partner_api.shared_circuit_breaker import SharedCircuitBreaker
from mparticle_firehose.protocol import Serializer
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.counts import counter
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays
from mparticle_firehose.queues.large_bodies import LargeBodies
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.source_queues import SourceQueues
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import Services
from mparticle_firehose.tables.erased_people import ErasedPeople, ErasureKey
from mparticle_firehose.tables.forwarding import ForwardingTable
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.outages import Outages
from mparticle_firehose.worker.backlogs import Backlogs
from mparticle_firehose.worker.forwarding import BulkForwarding
from mparticle_firehose.worker.worker import Worker

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


class Deployment(Services, Protocol):
    """What the worker shares with the handler. A part may be built when it is first read."""

    @property
    def settings(self) -> Settings:
        """The deployment's settings."""

    @property
    def serializer(self) -> Serializer:
        """Reads what the queues hold."""

    @property
    def large_bodies(self) -> LargeBodies:
        """What is larger than a queue takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerClients:
    """The clients that a worker works with.

    Attributes:
        sqs: for the queues, which may take its time.
        forwarding_sqs: to forward with, which repeats nothing and may not.
        ledger: for the ledger and the entry of forwarded accounts, which may take its time.
        outages: for the entries of sites that are down, which may not.
        erasure_key: of the service that has `Settings.erasure_key_source`; None if there is no feed.
    """

    sqs: "SQSClient"
    forwarding_sqs: "SQSClient"
    ledger: "DynamoDBClient"
    outages: "DynamoDBClient"
    erasure_key: Any


def build_worker(deployment: Deployment, resources: Resources, clients: WorkerClients) -> Worker:
    """Return the worker of a deployment.

    Args:
        deployment: what the worker shares with the handler.
        resources: the deployment's queues and tables.
        clients: of AWS's services.
    """
    settings, telemetry = deployment.settings, deployment.telemetry
    sender = QueueSender(clients.sqs, deployment.large_bodies)
    source_queues = SourceQueues(
        membership_url=resources.membership_queue_url,
        bulk_url=resources.bulk_queue_url,
        event_url=resources.event_queue_url,
        erasure_url=resources.erasure_queue_url,
    )
    ledger = Ledger(clients.ledger, resources.ledger_table)
    return Worker(
        serializer=deployment.serializer,
        planner=Planner(deployment.integration),
        partner=deployment.partner,
        verdicts=deployment.verdicts,
        breaker=SharedCircuitBreaker(store=Outages(clients.outages, resources.ledger_table), telemetry=telemetry),
        rate_limits=deployment.rate_limits,
        dead_letters=DeadLetters.of(sender, resources),
        large_bodies=deployment.large_bodies,
        suspensions=deployment.suspensions,
        ledger=ledger,
        visibility=VisibilityTimeouts(clients.sqs, telemetry, source_queues),
        delays=Delays(sender, telemetry, source_queues),
        forwarding=_forwarding(deployment, resources, clients, ledger),
        backoff=Backoff(settings.retry_base_seconds, settings.retry_cap_seconds),
        max_attempts=settings.max_attempts,
        telemetry=telemetry,
        erased_people=_erased_people(settings, resources, clients),
        executor=ThreadPoolExecutor(CALLS_AT_A_TIME, thread_name_prefix="delivery"),
    )


def _forwarding(deployment: Deployment, resources: Resources, clients: WorkerClients, ledger: Ledger) -> BulkForwarding:
    backlogs = Backlogs(
        store=ForwardingTable(clients.ledger, resources.ledger_table),
        membership_queue=counter(clients.forwarding_sqs, resources.membership_queue_url),
        bulk_queue=counter(clients.forwarding_sqs, resources.bulk_queue_url),
        threshold=deployment.settings.backlog_threshold,
        telemetry=deployment.telemetry,
    )
    sender = QueueSender(clients.forwarding_sqs, deployment.large_bodies)
    return BulkForwarding(backlogs=backlogs, sender=sender, bulk_url=resources.bulk_queue_url, ledger=ledger)


def _erased_people(settings: Settings, resources: Resources, clients: WorkerClients) -> ErasedPeople | None:
    if settings.erasure_key_source is None:
        return None
    key = ErasureKey(clients.erasure_key, settings.erasure_key_source)
    return ErasedPeople(clients.ledger, resources.ledger_table, key)
