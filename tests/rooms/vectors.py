"""The shape of a judge's test case, and the parts of calls that several rooms share."""

from collections.abc import Sequence
from dataclasses import dataclass

from mparticle_firehose.integration import Answer, Endpoint, Integration, JsonObject


@dataclass(frozen=True)
class Vector:
    """One answer to one call, and the outcome of each item in it.

    Attributes:
        id: the case's name.
        room: whose table and wait headers count where the judge says nothing.
        endpoint: whose call it was.
        bodies: the call's items; a number stands for that many that the judge does not look at.
        answer: what came back.
        outcome: of each item: ok, reject, suspend, alone, split, retry, or retry(seconds).
    """

    id: str
    room: Integration
    endpoint: Endpoint
    bodies: Sequence[JsonObject] | int
    answer: Answer
    outcome: Sequence[str]

    @property
    def sent(self) -> Sequence[JsonObject]:
        """The bodies of the call."""
        return [{} for _ in range(self.bodies)] if isinstance(self.bodies, int) else self.bodies
