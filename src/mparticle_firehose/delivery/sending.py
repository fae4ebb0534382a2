"""Sends calls and settles each of their items by its own outcome."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.merging import Call
from mparticle_firehose.delivery.plan import Envelope, Pending
from mparticle_firehose.errors import IntegrationError, described
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Auth,
    Delivered,
    Endpoint,
    Exchange,
    JsonObject,
    NetworkFault,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Split,
    Suspend,
    Target,
    index_in,
)
from mparticle_firehose.integration.auth import belongs_to_deployment
from mparticle_firehose.protocol import AudienceMembershipChangeRequest
from mparticle_firehose.services import (
    BODY_NOT_JSON,
    CIRCUIT_OPEN,
    OUT_OF_TIME,
    Breaker,
    PartnerApi,
    RateLimits,
    Telemetry,
    Verdicts,
)

MAX_CALLS_A_TREE = 64
"""Calls in one invocation to find the items for which a call is refused. The rest is asked in the next one."""

MAX_CALLS_AN_EXCHANGE = 64
"""Calls of one exchange. One that goes on is an error of the integration, and must not take all the time there is."""

BEHIND_ANOTHER = "behind_another"
"""The reason of a Retry for an item whose user has an earlier one that waits."""

RATE_LIMITED = "rate_limited"
"""The reason of a Retry for an item whose credential waits after a 429."""

REFUSED_WITH_OTHERS = "refused_with_others"
"""The reason of a Retry for an item whose call was refused, and which no further call was left for."""

NEEDS_SEVERAL_CALLS = "needs_several_calls"
"""The reason of a Retry for an item that the worker is to deliver, because one call is not enough."""

SUSPENDED = "suspended"
INTEGRATION_FAILED = "integration_failed"
EXCHANGE_OUT_OF_TIME = "exchange_out_of_time"

SECRET_REFUSED = "deployment_secret_refused"  # noqa: S105  no secret
"""The reason of a Retry for a credential that holds a secret of the deployment, and that the partner refuses."""

_TOO_MANY_REQUESTS = 429
_SERVER_FAULTS = frozenset({408, *range(500, 600)})
_DEFAULT_PAUSE_SECONDS = 1.0
_MIN_WAIT_SECONDS = 1.0
_SECONDS_TO_CONNECT = 0.05
_MAX_CORRELATED_REQUESTS = 5

_OUTCOMES = (Delivered, Retry, Rejected, Suspend, Alone, Split)

type _Known = dict[int, Outcome]
type _Reply = Answer | Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What decides before a call whether it is made, and learns from it afterwards.

    Attributes:
        breaker: holds calls to a site back that is down.
        rate_limits: holds calls of a credential back that has been told to wait.
        suspend: records that the partner refuses the account of a message, with the reason.
    """

    breaker: Breaker
    rate_limits: RateLimits
    suspend: Callable[[Envelope, str], None]


@dataclass(slots=True, kw_only=True)
class Delivery:
    """The calls of one invocation.

    Attributes:
        partner: makes the calls.
        verdicts: judges the answers that an endpoint does not judge itself.
        gates: may hold calls back.
        telemetry: counts and logs.
        deadline: when to stop.
        in_order: whether a user's order holds between messages, as on a FIFO queue, or only within each.
        call_seconds: the maximum time of one call.
        min_call_seconds: with less time left no call is made.
        makes_one_call: whether a call is never followed by another one for the same items, and no exchange is begun.
    """

    partner: PartnerApi
    verdicts: Verdicts
    gates: Gates
    telemetry: Telemetry
    deadline: Deadline
    in_order: bool = False
    call_seconds: float = float("inf")
    min_call_seconds: float = 0.0
    makes_one_call: bool = False
    _held: set[tuple[str, str, str]] = field(default_factory=set)
    _refused_credentials: set[str] = field(default_factory=set)
    _credentials: dict[tuple[str, Auth | None], str] = field(default_factory=dict)

    def deliver(self, calls: Sequence[Call], executor: Executor | None = None) -> None:
        """Send the calls: with an executor side by side, as far as their order allows, else one after another."""
        if executor is None or len(calls) == 1:
            for call in calls:
                self._deliver(call)
            return
        _SideBySide(calls, self._deliver, executor).run()

    def _deliver(self, call: Call) -> None:
        """Send a call. What is refused without saying for which item is halved, left half first."""
        stack, calls = [call.items], 0
        max_calls = 1 if self.makes_one_call else MAX_CALLS_A_TREE
        while stack:
            items = self._due(stack.pop())
            if not items:
                continue
            if calls >= max_calls:
                self._settle_all(items, Retry(REFUSED_WITH_OTHERS))
                continue
            calls += 1
            try:
                known, rest = self._ask(call.endpoint, call.target, items)
            except Exception as error:  # noqa: BLE001  an integration may raise anything
                known, rest = {}, self._failed(call.endpoint, error)
            stack += self._settle(call, items, known, rest)

    def _due(self, items: Sequence[Pending]) -> list[Pending]:
        """Return the items that may be asked now, and give the others their outcome."""
        gate = self._gate(items[0].item.target)
        if gate is None and not self._held:
            return list(items)
        due = []
        for pending in items:
            held = self._hold(pending, gate)
            if held is None:
                due.append(self._without_held_riders(pending))
            else:
                self._note(pending, held, was_tried=False)
        return due

    def _hold(self, pending: Pending, gate: Retry | Suspend | None) -> Retry | Suspend | None:
        is_behind = self._order_of(pending) in self._held and not isinstance(gate, Suspend)
        return Retry(BEHIND_ANOTHER) if is_behind else gate

    def _without_held_riders(self, pending: Pending) -> Pending:
        """Take riders off whose own user has an earlier item that waits."""
        for rider in list(pending.riders):
            if self._hold(rider, None):
                pending.riders.remove(rider)
                self._note(rider, Retry(BEHIND_ANOTHER), was_tried=False)
        return pending

    def _gate(self, target: Target) -> Retry | Suspend | None:
        if not self._refused_credentials and not self.gates.rate_limits.is_pausing:
            return None
        credential = self._credential(target)
        if credential in self._refused_credentials:
            return Suspend(SUSPENDED)
        pause = self.gates.rate_limits.wait(credential)
        return Retry(RATE_LIMITED, pause) if pause > 0 else None

    def _credential(self, target: Target) -> str:
        """Return a digest that identifies a credential at a site, for memory only."""
        key = (target.site, target.auth)
        if key not in self._credentials:
            secrets = [getattr(target.auth, name) for name in getattr(target.auth, "__slots__", ())]
            text = repr((target.site, type(target.auth).__name__, secrets))
            self._credentials[key] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._credentials[key]

    def _ask(self, endpoint: Endpoint, target: Target, items: Sequence[Pending]) -> tuple[_Known, Outcome]:
        """Send a call or an exchange. Return what is known of single items, by index, and the outcome of the rest."""
        try:
            call = endpoint.call(target, [pending.item.body for pending in items])
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            failed = self._failed(endpoint, error)
            return {}, Alone(failed.reason) if len(items) > 1 else failed
        if isinstance(call, PartnerCall):
            return self._ask_once(endpoint, target, items, call)
        if self.makes_one_call:
            call.close()
            return {}, Retry(NEEDS_SEVERAL_CALLS, 0)
        return self._converse(endpoint, target, items, call)

    def _ask_once(
        self, endpoint: Endpoint, target: Target, items: Sequence[Pending], call: PartnerCall
    ) -> tuple[_Known, Outcome]:
        if endpoint.limits_bytes and call.size() > endpoint.max_bytes:
            return {}, Split()
        answer = self._send(endpoint, target, items, call)
        if not isinstance(answer, Answer):
            return {}, _ended(answer)
        if answer.status in call.accept:
            return {}, Delivered()
        return _spread(self._judged(endpoint, target, [pending.item.body for pending in items], answer))

    def _judged(self, endpoint: Endpoint, target: Target, bodies: Sequence[JsonObject], answer: Answer) -> Outcome:
        try:
            outcome = endpoint.judge(bodies, answer)
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            return self._failed(endpoint, error)
        outcome = self._reported(endpoint, self.verdicts.judge(answer) if outcome is None else outcome)
        if answer.status == _TOO_MANY_REQUESTS and isinstance(outcome, Retry):
            pause = _DEFAULT_PAUSE_SECONDS if outcome.after is None else outcome.after
            self.gates.rate_limits.pause(self._credential(target), pause)
        return outcome

    def _reported(self, endpoint: Endpoint, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, _OUTCOMES):
            return self._failed(endpoint, IntegrationError("outcome", "must be an outcome"))
        if isinstance(outcome, Delivered) and outcome.unplaced:
            self.telemetry.warn("failures without a place", {"endpoint": endpoint.name, "failures": outcome.unplaced})
        return outcome

    def _converse(
        self, endpoint: Endpoint, target: Target, items: Sequence[Pending], exchange: Exchange[Outcome]
    ) -> tuple[_Known, Outcome]:
        """Make the calls of an exchange until it ends. An error in it leaves what is known of items by then."""
        known: _Known = {}
        calls = 0
        bodies = [pending.item.body for pending in items]
        try:
            call = next(exchange)
            while calls < MAX_CALLS_AN_EXCHANGE:
                calls += 1
                known |= call.known
                if endpoint.limits_bytes and call.size() > endpoint.max_bytes:
                    return known, Split()
                answer = self._send(endpoint, target, items, call)
                if not isinstance(answer, Answer):
                    return known, _ended(answer, begun=calls > 1)
                if not answer.succeeded and answer.status not in call.accept:
                    failures, rest = _spread(self._judged(endpoint, target, bodies, answer))
                    return failures | known, rest
                call = exchange.send(answer)
            return known, self._failed(endpoint, IntegrationError("exchange", "makes too many calls"))
        except StopIteration as end:
            failures, rest = _spread(self._reported(endpoint, Delivered() if end.value is None else end.value))
            return known | failures, rest
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            failed = self._failed(endpoint, error)
            return known, Alone(failed.reason) if not calls and len(items) > 1 else failed
        finally:
            with suppress(RuntimeError):  # it does not let itself be closed
                exchange.close()

    def _send(self, endpoint: Endpoint, target: Target, items: Sequence[Pending], call: PartnerCall) -> _Reply:
        site = target.site if call.site is None else call.site
        seconds = self.deadline.remaining()
        if seconds < self.min_call_seconds:
            return Retry(OUT_OF_TIME, 0)
        if not self.gates.breaker.admits(site):
            return Retry(CIRCUIT_OPEN, max(_MIN_WAIT_SECONDS, self.gates.breaker.wait(site)))
        call = replace(call, site=site, auth=target.auth if call.auth is None else call.auth)
        answer = self.partner.ask(
            call,
            self.deadline.within(self.call_seconds),
            identity=_identity(endpoint, items),
            correlation_id=_correlation(items),
        )
        note_call(self.gates.breaker, site, answer, seconds)
        return answer

    def _settle(
        self, call: Call, items: Sequence[Pending], known: Mapping[int, Outcome], rest: Outcome
    ) -> list[list[Pending]]:
        """Give the items their outcomes, and return what is to be sent again at once, the last first."""
        if not known and isinstance(rest, Delivered):
            self._settle_all(items, rest)
            return []
        usable = {index: outcome for index, outcome in known.items() if index_in(index, len(items)) is not None}
        if len(usable) < len(known):
            unusable = len(known) - len(usable)
            self.telemetry.warn("unusable failure index", {"endpoint": call.endpoint.name, "indexes": unusable})
        others = [pending for index, pending in enumerate(items) if index not in usable]
        named = [(items[index], self._said(call, items, outcome)) for index, outcome in sorted(usable.items())]
        return [*self._settle_rest(call, items, others, rest), *reversed(self._settle_named(named))]

    def _said(self, call: Call, items: Sequence[Pending], outcome: Outcome) -> Outcome:
        """Return what it means for an item that an answer says this of it."""
        match outcome:
            case Alone(reason) | Split(reason) if len(items) == 1:
                return Rejected(reason)
            case Suspend(reason):  # the call succeeded, so that the credential works
                return Rejected(reason)
            case _ if isinstance(outcome, _OUTCOMES):
                return outcome
            case _:
                return self._failed(call.endpoint, IntegrationError("failures", "must be outcomes"))

    def _settle_named(self, named: Sequence[tuple[Pending, Outcome]]) -> list[list[Pending]]:
        """Settle the items that an answer names. Return those that are to be sent again at once, in their order."""
        settles = any(isinstance(outcome, Delivered | Rejected) for _, outcome in named)
        again: list[list[Pending]] = []
        has_room = False  # whether the last call of these takes a further item
        for pending, outcome in named:
            match outcome:
                case Alone() | Split():
                    pending.limit = 1
                    again.append([pending])
                    has_room = False
                case Retry(after=0) if settles:
                    again += [] if has_room else [[]]
                    again[-1].append(pending)
                    has_room = True
                case _:
                    self._note(pending, outcome)
        return again

    def _settle_rest(
        self, call: Call, items: Sequence[Pending], others: Sequence[Pending], rest: Outcome
    ) -> list[list[Pending]]:
        match rest:
            case Alone() | Split() if len(others) > 1:
                half = (len(others) + 1) // 2
                for pending in others:
                    pending.limit = min(pending.limit, half)
                return [list(others[half:]), list(others[:half])]
            case Alone(reason) | Split(reason) if len(items) == 1:
                self._settle_all(others, Rejected(reason))
            case Alone() | Split():
                for pending in others:
                    pending.limit = 1
                return [[pending] for pending in others]
            case Suspend() if belongs_to_deployment(call.target.auth):  # no customer can mend it
                self._settle_all(others, Retry(SECRET_REFUSED))
            case Suspend(reason):
                self._suspend(call.target, others, reason)
            case _:
                self._settle_all(others, rest)
        return []

    def _suspend(self, target: Target, items: Sequence[Pending], reason: str) -> None:
        self._refused_credentials.add(self._credential(target))
        self.telemetry.count("Suspended")
        for envelope in dict.fromkeys(pending.envelope for pending in items):
            self.gates.suspend(envelope, reason)
        self._settle_all(items, Suspend(reason))

    def _settle_all(self, items: Sequence[Pending], outcome: Outcome) -> None:
        was_tried = not (
            isinstance(outcome, Retry) and outcome.reason in {OUT_OF_TIME, CIRCUIT_OPEN, NEEDS_SEVERAL_CALLS}
        )
        for pending in items:
            self._note(pending, outcome, was_tried=was_tried)

    def _note(self, pending: Pending, outcome: Outcome, *, was_tried: bool = True) -> None:
        pending.outcome, pending.was_tried = outcome, was_tried
        for rider in pending.riders:
            rider.limit = pending.limit
            self._note(rider, outcome, was_tried=was_tried)
        if not pending.is_settled:
            self._held.add(self._order_of(pending))

    def _order_of(self, pending: Pending) -> tuple[str, str, str]:
        return (*pending.user_in_lane, "" if self.in_order else pending.envelope.source)

    def _failed(self, endpoint: Endpoint, error: Exception) -> Retry:
        self.telemetry.warn("integration failed", {"endpoint": endpoint.name, "error": described(error)})
        self.telemetry.count("IntegrationFailed")
        return Retry(INTEGRATION_FAILED)


class _SideBySide:
    """Sends calls in several threads. A call waits for those that hold earlier items of its users and keys."""

    def __init__(self, calls: Sequence[Call], send: Callable[[Call], None], executor: Executor) -> None:
        self._calls = calls
        self._send = send
        self._executor = executor
        self._blockers = {index: set(call.after) for index, call in enumerate(calls)}
        self._running: dict[Future[None], int] = {}

    def run(self) -> None:
        """Send them all. An error ends it when every call that has begun has ended."""
        try:
            self._start_ready()
            while self._running:
                ended, _ = wait(self._running, return_when=FIRST_COMPLETED)
                for future in ended:
                    self._end(future)
                self._start_ready()
        finally:
            wait(self._running)

    def _start_ready(self) -> None:
        for index in [index for index, blockers in self._blockers.items() if not blockers]:
            del self._blockers[index]
            self._running[self._executor.submit(self._send, self._calls[index])] = index

    def _end(self, future: Future[None]) -> None:
        index = self._running.pop(future)
        future.result()
        for blockers in self._blockers.values():
            blockers.discard(index)


def note_call(breaker: Breaker, site: str, answer: Answer | Outcome, seconds: float) -> None:
    """Tell a breaker what a call came to that had so many seconds.

    A call that a secret or a token has prevented says nothing about the site. One that was not begun does, if there was
    time to connect.
    """
    if isinstance(answer, Answer):
        breaker.note(site, failed=answer.status in _SERVER_FAULTS)
    elif isinstance(answer, Retry):
        was_slow = answer.reason == OUT_OF_TIME and seconds >= _SECONDS_TO_CONNECT
        if was_slow or answer.reason in set(NetworkFault):
            breaker.note(site, failed=True)


def _spread(outcome: Outcome) -> tuple[_Known, Outcome]:
    return (dict(outcome.failures), Delivered()) if isinstance(outcome, Delivered) else ({}, outcome)


def _ended(outcome: Outcome, *, begun: bool = False) -> Outcome:
    """Return what it means for the items that a call, or the exchange that it is a part of, got no answer.

    One item may be the reason that a body has no JSON. An exchange that has begun counts as tried.
    """
    if outcome == Rejected(BODY_NOT_JSON):
        return Alone(BODY_NOT_JSON)
    return Retry(EXCHANGE_OUT_OF_TIME, 0) if begun and _is_late(outcome) else outcome


def _is_late(outcome: Answer | Outcome) -> bool:
    return isinstance(outcome, Retry) and outcome.reason == OUT_OF_TIME


def _identity(endpoint: Endpoint, items: Sequence[Pending]) -> str:
    """Return what makes equal calls the same call, whenever they are repeated.

    A call within one request is the same however often its message comes. Which changes of memberships it carries is
    part of it: a user who joins, leaves and joins again causes the same call twice, and both must take effect.

    A call that merges requests is repeated in other combinations: with the key of an earlier one, the partner could
    take "leave" for a repetition of it, and the user would stay. Such a call is the same only within its attempt.
    """
    if endpoint.across_requests:
        return "\n".join([endpoint.name, *(pending.identity for pending in items)])
    envelope = items[0].envelope
    of_memberships = isinstance(envelope.request, AudienceMembershipChangeRequest)
    changes = [origin for pending in items for origin in pending.item.covers] if of_memberships else []
    return "\n".join([endpoint.name, envelope.work, *map(str, changes)])


def _correlation(items: Sequence[Pending]) -> str:
    works = dict.fromkeys(pending.envelope.work for pending in items)
    return " ".join(list(works)[:_MAX_CORRELATED_REQUESTS])
