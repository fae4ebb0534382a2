"""The deployed integration in this process: with its clients, or without a network."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from tempfile import TemporaryFile
from typing import IO, Any
from unittest.mock import patch

from app import firehose
from bench.inputs import SHARDS, Json
from bench.loopback import variables
from local.isolation import CREDENTIALS, REGION
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.firehose import Firehose
from mparticle_firehose.integration import Answer, Integration, PartnerCall, Secret
from mparticle_firehose.partner_api.encoding import Label, encode
from mparticle_firehose.processors import process
from mparticle_firehose.queues.event_queue import EventQueue
from mparticle_firehose.queues.membership_queue import MembershipQueue
from mparticle_firehose.queues.sender import QueueSender

_ENVIRONMENT = {
    **CREDENTIALS,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class _Context:
    """What the functions read of an invocation."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


CONTEXT: Any = _Context()


@contextmanager
def deployed(environment: Mapping[str, str], integration: Integration = firehose.integration) -> Iterator[Firehose]:
    """Yield both functions, in an environment with these variables. Their logs are written, but discarded."""
    with (
        patch.dict(os.environ, {**_ENVIRONMENT, **environment}),
        open(os.devnull, "wb") as discarded,  # noqa: PTH123  a device
        _output_to(discarded),
    ):
        yield Firehose(integration)


def log_lines(act: Callable[[], object]) -> list[bytes]:
    """Return what something writes to the log, also while a test has replaced the standard output."""
    with TemporaryFile() as written:
        with _output_to(written), open(1, "w", closefd=False) as out, redirect_stdout(out):
            act()
        written.seek(0)
        return written.read().splitlines()


@contextmanager
def _output_to(file: IO[bytes]) -> Iterator[None]:
    """Redirect the standard output's descriptor, which loggers that exist already write to as well."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


class _Discarding:
    """Stands in for a service: accepts every call, does nothing, and counts nothing."""

    def __getattr__(self, _name: str) -> Callable[..., int]:
        return lambda *_, **__: 0


class _DiscardingPartner(_Discarding):
    """Takes every call.

    Args:
        encodes: whether the request is encoded, with its key, as before a call over the network.
    """

    def __init__(self, *, encodes: bool) -> None:
        self._encodes = encodes

    def ask(self, call: PartnerCall, _deadline: Deadline, *, identity: str, correlation_id: str) -> Answer:
        if self._encodes:
            encode(call, _placeholder, Label(identity, correlation_id))
        return Answer(status=200, body={})


def _placeholder(secret: Secret) -> str:
    return secret if isinstance(secret, str) else secret.name


class RecordingSqs:
    """Stands in for the client of SQS, and keeps the arguments of its calls."""

    def __init__(self) -> None:
        self.batches: list[Json] = []

    def send_message_batch(self, **batch: Any) -> Json:
        self.batches.append(batch)
        return {}

    def store(self, body: str) -> str:
        """Take a body that is larger than SQS takes."""
        self.batches.append({"body": body})
        return "[]"


def offline(
    integration: Integration = firehose.integration, *, sqs: RecordingSqs | None = None, **settings: str
) -> Firehose:
    """Return the integration without a network and without logs.

    Args:
        integration: the deployed one, or another.
        sqs: takes what would be queued; without it, nothing that would be sent is encoded.
        settings: variables beside those of the deployment.
    """
    built = Firehose(integration, {**variables(), **settings})
    discarding: Any = _Discarding()
    partner: Any = _DiscardingPartner(encodes=sqs is not None)
    sender: Any = QueueSender(sqs, sqs) if sqs else None  # type: ignore[arg-type]
    built.partner = partner
    built.memberships = MembershipQueue(sender, "membership", shards=SHARDS) if sqs else discarding
    built.events = EventQueue(sender, "event", erasure_url="erasure") if sqs else discarding
    built.dead_letters = built.suspensions = built.telemetry = discarding
    return built


def answer(payload: bytes, services: Firehose) -> str:
    """Answer a request as the handler does, without its log line and its metrics."""
    request = services.serializer.parse(json.loads(payload))
    return json.dumps(services.serializer.dump(process(request, services, Deadline.after(5))))


def sqs_batches(payload: bytes, **settings: str) -> list[Json]:
    """Return the arguments of each SendMessageBatch that a request leads to."""
    sqs = RecordingSqs()
    answer(payload, offline(firehose.integration, sqs=sqs, **settings))
    return sqs.batches
