"""What is remembered of a message until it is deleted: which items are settled, and how large its calls may be."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Self

_BITS = 8
_MAX_LIMITS_LENGTH = 100_000
_MAX_REFUSED_LENGTH = 200_000
"""Longer texts are left out, for both only save repetitions. DynamoDB takes 400 KB an entry, of which these leave 100
KB for what must be kept. The texts are ASCII."""
_STATE = "state"
_FINGERPRINT = re.compile(rf"[0-9a-f]{{0,16}}|{_STATE}")

STATE_SETTLED = f"{_STATE}:"
"""Text of a progress that no plan is known of yet, except that the item which covers nothing is settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the delivery of a message has come.

    An item is known by its position in the message's plan. That is valid as long as the plan has the same fingerprint:
    after a changed mapping everything unfinished is asked again.

    Attributes:
        fingerprint: of the plan that the positions belong to.
        settled: positions that are delivered, or dead-lettered.
        limits: positions whose call was refused without saying for which item, to the number of items that their next
            call may have.
        attempts: how often the delivery of the message was tried.
        unwritten: positions that are delivered, but whose versions are still to be stored: see `tables.ledger`.
        refused: positions that are refused or given up, but not in a letter yet, by the reason.
    """

    fingerprint: str = ""
    settled: frozenset[int] = frozenset()
    limits: Mapping[int, int] = field(default_factory=dict)
    attempts: int = 0
    unwritten: frozenset[int] = frozenset()
    refused: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @property
    def settles_state(self) -> bool:
        """Whether only the user's state is settled, wherever it is in the plan."""
        return self.fingerprint == _STATE

    def settled_text(self) -> str:
        """Return fingerprint and settled positions as text for a message attribute or a table."""
        return f"{self.fingerprint}:{_encoded(self.settled)}"

    def unwritten_text(self) -> str:
        """Return the positions whose versions are still to be stored as text."""
        return _encoded(self.unwritten) if self.unwritten else ""

    def refused_text(self) -> str:
        """Return the positions that are not in a letter yet as text; nothing if it is too long for an entry."""
        text = json.dumps({reason: _encoded(positions) for reason, positions in self.refused.items()})
        return text if len(text) <= _MAX_REFUSED_LENGTH else ""

    def limits_text(self) -> str:
        """Return the limits as text: ``first-last=limit`` for each run of positions; nothing if it is too long."""
        text = ",".join(f"{first}-{last}={limit}" for first, last, limit in _runs(sorted(self.limits.items())))
        return text if len(text) <= _MAX_LIMITS_LENGTH else ""

    @classmethod
    def from_text(
        cls, settled: str, limits: str = "", attempts: int = 0, *, unwritten: str = "", refused: str = ""
    ) -> Self:
        """Read what the four methods have written. What cannot be read is nothing: the items are asked again."""
        if not (settled or limits or unwritten or refused):
            return cls(attempts=attempts)
        fingerprint, _, encoded = settled.partition(":")
        if not _FINGERPRINT.fullmatch(fingerprint):
            return cls(attempts=attempts)
        try:
            return cls(
                fingerprint=fingerprint,
                settled=_decoded(encoded),
                limits={place: limit for run in filter(None, limits.split(",")) for place, limit in _positions(run)},
                attempts=attempts,
                unwritten=_decoded(unwritten),
                refused={reason: _decoded(text) for reason, text in json.loads(refused or "{}").items()},
            )
        except ValueError:
            return cls(attempts=attempts)

    def of_plan(self, fingerprint: str) -> "Progress":
        """Return this progress if it belongs to the plan, else the attempts alone."""
        return self if self.fingerprint == fingerprint else Progress(fingerprint=fingerprint, attempts=self.attempts)

    def also(self, other: "Progress") -> "Progress":
        """Return this progress with what another one has settled, if both belong to one plan; else this one.

        The one without a plan of its own gives way.
        """
        if not self.fingerprint:
            return replace(other, attempts=self.attempts)
        if other.fingerprint != self.fingerprint:
            return self
        return replace(self, settled=self.settled | other.settled)


def _encoded(positions: Iterable[int]) -> str:
    bits = sum(1 << position for position in positions)
    return base64.urlsafe_b64encode(bits.to_bytes(bits.bit_length() // _BITS + 1, "little")).decode()


def _decoded(text: str) -> frozenset[int]:
    bits = int.from_bytes(base64.urlsafe_b64decode(text), "little")
    return frozenset(place for place in range(bits.bit_length()) if bits >> place & 1)


def _runs(limits: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int, int]]:
    numbered = enumerate(limits)
    for (_, limit), run in groupby(numbered, key=lambda entry: (entry[1][0] - entry[0], entry[1][1])):
        places = [place for _, (place, _) in run]
        yield places[0], places[-1], limit


def _positions(run: str) -> Iterable[tuple[int, int]]:
    places, _, limit = run.partition("=")
    first, _, last = places.partition("-")
    return [(place, int(limit)) for place in range(int(first), int(last) + 1)]
