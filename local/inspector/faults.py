"""Breaks the fake API on purpose, so that one can see what the product does then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from local.inspector.app import Call
from local.inspector.errors import unusable
from local.partner.fake_api import RefusesItems
from local.partner.faults import Behaviour
from local.partner.scripted import EVERY_ROUTE
from local.partner.server import PartnerServer

type Json = Mapping[str, object]

MAX_TIMES = 1_000
_MAX_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        title: its name.
        explanation: what the product does then.
        behaviour: makes it, of the seconds that the page gave.
        field: the name of these seconds, if it takes any.
        usual: how many they are unless the page says so.
    """

    title: str
    explanation: str
    behaviour: Callable[[float], Behaviour]
    field: str = ""
    usual: float = 0


KINDS: Mapping[str, Kind] = {
    "status_500": Kind(
        "500 Internal Server Error",
        "The handler queues the events, and the worker tries again, later each time; after five failures in a row the "
        "circuit breaker holds calls back.",
        lambda _: {"status": 500},
    ),
    "status_429": Kind(
        "429 Too Many Requests",
        "The calls with this credential wait as long as Retry-After says, and are tried again then.",
        lambda seconds: {"status": 429, "retry_after": round(seconds)},
        "wait_seconds",
        5,
    ),
    "hang": Kind(
        "No answer",
        "The handler gives up at its deadline, answers mParticle and leaves the events to the worker, which waits ten "
        "seconds and tries again.",
        lambda _: {"lost": "hang"},
    ),
    "reset": Kind(
        "Connection lost before the call",
        "Nothing has reached the partner; the worker makes the call again.",
        lambda _: {"lost": "reset"},
    ),
    "apply_then_reset": Kind(
        "Connection lost after the call",
        "The partner has taken the call, which nobody knows, so that it is made again. A call of one request has the "
        "same Idempotency-Key then, by which the partner can tell; one that merges requests must be repeatable.",
        lambda _: {"lost": "reset", "applied": True},
    ),
    "status_401": Kind(
        "401 Unauthorized",
        "Events are queued, and the worker calls again: refuse two calls to see more. Once the worker is refused, the "
        "account is suspended for fifteen minutes: what is queued for it becomes a dead letter, and within thirty "
        "seconds mParticle is told to stop sending it membership changes.",
        lambda _: {"status": 401},
    ),
    "partial": Kind(
        "First item of each call refused",
        "The call succeeds, and its answer refuses one item: that becomes a dead letter alone, and the others count "
        "as delivered.",
        lambda _: {"partial": True},
    ),
    "slow": Kind(
        "Slow answer",
        "The handler gives up at its deadline and leaves the events to the worker, which waits for up to ten seconds.",
        lambda seconds: {"delay": seconds},
        "delay_seconds",
        1,
    ),
}

NO_PARTIAL_FAILURE = "The fake API does not say how it refuses one item of a call: see `partial_failure` in the docs."


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one fake API.

    Attributes:
        partner: hosts it.
    """

    partner: PartnerServer
    _kinds: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def show(self, _: Call | None = None) -> Json:
        """Answer ``GET api/faults``."""
        offered = {name: kind for name, kind in KINDS.items() if self._refusal(name) is None}
        with self._lock:
            active = [
                {"kind": kind, "route": route, "left": left}
                for route, kind in self._kinds.items()
                if (left := self.partner.steps_left(route))
            ]
        return {
            "kinds": [
                {"name": name, "title": kind.title, "explanation": kind.explanation, "seconds": kind.field or None}
                for name, kind in offered.items()
            ],
            "left_out": [
                {"name": name, "reason": reason} for name in KINDS if (reason := self._refusal(name)) is not None
            ],
            "routes": list(self.partner.contract.routes),
            "active": active,
        }

    def add(self, call: Call) -> Json:
        """Answer ``POST api/faults``: the fault of a route replaces the one before."""
        name, route, times = (call.content.get(each) for each in ("kind", "route", "times"))
        times = 1 if times is None else times
        if not isinstance(name, str) or name not in KINDS:
            raise unusable(f"kind: must be one of {', '.join(KINDS)}.")
        if (reason := self._refusal(name)) is not None:
            raise unusable(f"kind: {reason}")
        if not isinstance(route, str) or (route != EVERY_ROUTE and route not in self.partner.contract.routes):
            raise unusable("route: must be empty, or one of the routes of the fake API.")
        if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= MAX_TIMES:
            raise unusable(f"times: must be a whole number from 1 to {MAX_TIMES}.")
        behaviour = KINDS[name].behaviour(_seconds(KINDS[name], call.content))
        with self._lock:
            self._kinds[route] = name
            self.partner.script_route(route, [{**behaviour, "name": name}] * times)
        return self.show()

    def remove(self, _: Call) -> Json:
        """Answer ``DELETE api/faults``."""
        with self._lock:
            for route in self._kinds:
                self.partner.script_route(route, [])
            self._kinds.clear()
        return self.show()

    def _refusal(self, name: str) -> str | None:
        is_possible = name != "partial" or isinstance(self.partner.api, RefusesItems)
        return None if is_possible else NO_PARTIAL_FAILURE


def _seconds(kind: Kind, content: Json) -> float:
    given = content.get(kind.field) if kind.field else None
    seconds = kind.usual if given is None else given
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _MAX_SECONDS:
        raise unusable(f"{kind.field}: must be a number from 0 to {_MAX_SECONDS}.")
    return seconds
