"""The processors' services without a network: what they are given ends here."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from app import firehose
from bench.inputs import SHARDS
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Delivered, Outcome, PartnerCall
from mparticle_firehose.queues.event_queue import EventQueue
from mparticle_firehose.queues.membership_queue import MembershipQueue
from mparticle_firehose.queues.sender import QueueSender


@dataclass(frozen=True)
class Nowhere:
    """Stands in for everything that delivers: takes it, and does nothing with it."""

    encodes: bool = False

    def send(self, call: PartnerCall, _deadline: Deadline) -> Outcome:
        if self.encodes:
            call.idempotency_key(call.encoded_body())
        return Delivered({"id": "aud-4242-1001"})

    def send_message_batch(self, **_batch: object) -> Mapping[str, object]:
        return {}

    def enqueue(self, *_: object) -> int:
        return 1

    def put_events(self, *_: object) -> None:
        return None

    def is_suspended(self, _account: object) -> bool:
        return False

    def suspend(self, _account: object, _reason: str) -> None:
        return None

    def lift(self, _account: object) -> None:
        return None

    def count(self, _name: str, _value: int = 1) -> None:
        return None

    def measure(self, _name: str, _milliseconds: float) -> None:
        return None

    def note(self, _event: str, _facts: object) -> None:
        return None


def services(*, encodes: bool, telemetry: Any = None, sqs: Any = None) -> Any:
    """Return what the processors work with: it ends at the interfaces of delivery, or just before the network.

    Args:
        encodes: whether what would be sent is made.
        telemetry: instead of none.
        sqs: takes the batches instead of nobody, if they are made.
    """
    nowhere: Any = Nowhere(encodes)
    sender = QueueSender(nowhere if sqs is None else sqs)
    return SimpleNamespace(
        integration=firehose.integration,
        event_mode="forward",
        partner=nowhere,
        memberships=MembershipQueue(sender, "membership", shards=SHARDS) if encodes else nowhere,
        events=EventQueue(sender, "event") if encodes else nowhere,
        dead_letters=nowhere,
        suspensions=nowhere,
        telemetry=telemetry or nowhere,
    )
