"""Asks the partner: the call or the exchange that carries some items, and what its answer says of each."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.gates import Gates, note_call
from mparticle_firehose.delivery.plan import Pending
from mparticle_firehose.errors import SettingError, described
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Exchange,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Split,
    Suspend,
    Target,
)
from mparticle_firehose.protocol import AudienceMembershipChangeRequest
from mparticle_firehose.services import BODY_NOT_JSON, OUT_OF_TIME, PartnerApi, Telemetry, Verdicts

MAX_CALLS_AN_EXCHANGE = 64
"""Calls of one exchange. One that goes on is an error of the integration, and must not take all the time there is."""

NEEDS_SEVERAL_CALLS = "needs_several_calls"
"""The reason of a Retry for an item that the worker is to deliver, because one call is not enough."""

INTEGRATION_FAILED = "integration_failed"
EXCHANGE_OUT_OF_TIME = "exchange_out_of_time"

_TOO_MANY_REQUESTS = 429
_MAX_CORRELATED_REQUESTS = 5

OUTCOMES = (Delivered, Retry, Rejected, Suspend, Alone, Split)

type Known = dict[int, Outcome]
type _Reply = Answer | Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Asks the partner about items of one invocation.

    Attributes:
        partner: makes the calls.
        verdicts: judges the answers that an endpoint does not judge itself.
        gates: may hold calls back.
        telemetry: counts and logs.
        deadline: when to stop.
        call_seconds: the maximum time of one call.
        min_call_seconds: with less time left no call is made.
        makes_one_call: whether a call is never followed by another one for the same items, and no exchange is begun.
    """

    partner: PartnerApi
    verdicts: Verdicts
    gates: Gates
    telemetry: Telemetry
    deadline: Deadline
    call_seconds: float = float("inf")
    min_call_seconds: float = 0.0
    makes_one_call: bool = False

    def ask(self, endpoint: Endpoint, target: Target, items: Sequence[Pending]) -> tuple[Known, Outcome]:
        """Send a call or an exchange. Return what is known of single items, by index, and the outcome of the rest."""
        bodies = [pending.item.body for pending in items]
        try:
            call = endpoint.call(target, bodies)
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            return {}, self._raised(endpoint, error, several=len(items) > 1)
        if isinstance(call, PartnerCall):
            return self._ask_once(endpoint, target, items, bodies, call)
        if not isinstance(call, Generator):
            return {}, self.failed(endpoint, "the endpoint makes neither a call nor an exchange")
        if self.makes_one_call:
            call.close()
            return {}, Retry(NEEDS_SEVERAL_CALLS, 0)
        return self._converse(endpoint, target, items, bodies, call)

    def _ask_once(
        self,
        endpoint: Endpoint,
        target: Target,
        items: Sequence[Pending],
        bodies: Sequence[JsonObject],
        call: PartnerCall,
    ) -> tuple[Known, Outcome]:
        if endpoint.limits_bytes and call.size() > endpoint.max_bytes:
            return {}, Split()
        answer = self._send(endpoint, target, items, call)
        if not isinstance(answer, Answer):
            return {}, _ended(answer)
        if answer.status in call.accept:
            return {}, Delivered()
        return _spread(self._judged(endpoint, target, bodies, answer))

    def _judged(self, endpoint: Endpoint, target: Target, bodies: Sequence[JsonObject], answer: Answer) -> Outcome:
        try:
            outcome = endpoint.judge(bodies, answer)
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            return self.failed(endpoint, error)
        outcome = self._reported(endpoint, self.verdicts.judge(answer) if outcome is None else outcome)
        if answer.status == _TOO_MANY_REQUESTS and isinstance(outcome, Retry):
            self.gates.pause(target, outcome.after)
        return outcome

    def _reported(self, endpoint: Endpoint, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, OUTCOMES):
            return self.failed(endpoint, "the judge or the exchange returns no outcome")
        if isinstance(outcome, Delivered) and outcome.unplaced:
            self.telemetry.warn("failures without a place", {"endpoint": endpoint.name, "failures": outcome.unplaced})
        return outcome

    def _converse(
        self,
        endpoint: Endpoint,
        target: Target,
        items: Sequence[Pending],
        bodies: Sequence[JsonObject],
        exchange: Exchange[Outcome],
    ) -> tuple[Known, Outcome]:
        """Make the calls of an exchange until it ends. An error in it leaves what is known of items by then."""
        known: Known = {}
        calls = 0
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
            return known, self.failed(endpoint, f"the exchange makes more than {MAX_CALLS_AN_EXCHANGE} calls")
        except StopIteration as end:
            failures, rest = _spread(self._reported(endpoint, Delivered() if end.value is None else end.value))
            return known | failures, rest
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            return known, self._raised(endpoint, error, several=not calls and len(items) > 1)
        finally:
            with suppress(RuntimeError):  # it does not let itself be closed
                exchange.close()

    def _send(self, endpoint: Endpoint, target: Target, items: Sequence[Pending], call: PartnerCall) -> _Reply:
        site = target.site if call.site is None else call.site
        seconds = self.deadline.remaining()
        if seconds < self.min_call_seconds:
            return Retry(OUT_OF_TIME, 0)
        if held := self.gates.admit(site):
            return held
        call = replace(call, site=site, auth=target.auth if call.auth is None else call.auth)
        answer = self.partner.ask(
            call,
            self.deadline.within(self.call_seconds),
            identity=_identity(endpoint, items),
            correlation_id=_correlation(items),
        )
        note_call(self.gates.breaker, site, answer, seconds)
        return answer

    def _raised(self, endpoint: Endpoint, error: Exception, *, several: bool) -> Outcome:
        """Return what an error means for the items of a call. A setting is the target's, so it is all items' fault."""
        if isinstance(error, SettingError):
            return Rejected(str(error))
        failed = self.failed(endpoint, error)
        return Alone(failed.reason) if several else failed

    def failed(self, endpoint: Endpoint, error: Exception | str) -> Retry:
        """Report an error of the integration, and return what it means for the items."""
        text = error if isinstance(error, str) else described(error)
        self.telemetry.warn("integration failed", {"endpoint": endpoint.name, "error": text})
        self.telemetry.count("IntegrationFailed")
        return Retry(INTEGRATION_FAILED)


def _spread(outcome: Outcome) -> tuple[Known, Outcome]:
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
