"""What the partner must receive for a request: it follows from the integration's own items."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.partner.fake_api import FakeApi
from local.run.seam_rules import check_planned
from mparticle_firehose.delivery.merging import Call, merged
from mparticle_firehose.delivery.plan import Plan, Planner
from mparticle_firehose.errors import FirehoseError, IntegrationError
from mparticle_firehose.integration import Exchange, Integration, PartnerCall, Target
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    QueuedRequest,
    Serializer,
)

_SERIALIZER = Serializer()


@dataclass(frozen=True, slots=True)
class Sending:
    """What sends some items, or connects an audience.

    Attributes:
        calls: yields each call, with its site, auth and headers, and takes its answer.
        is_exchange: whether there may be several, each made from the answers before.
    """

    calls: Exchange[object]
    is_exchange: bool

    def first_call(self) -> PartnerCall | None:
        """Return the call that needs no answer, and make no other; None if there is none."""
        first = next(self.calls, None)
        self.calls.close()
        return first


def is_offered(integration: Integration, kind: str) -> bool:
    """Return whether the integration has the part that a request of this type needs. mParticle sends it no others."""
    parts = {
        "event_processing_request": integration.events,
        "audience_subscription_request": integration.memberships,
        "audience_membership_change_request": integration.memberships,
        "dsr_processing_request": integration.erasures,
    }
    return kind not in parts or parts[kind] is not None


def expected_calls(integration: Integration, content: Mapping[str, object]) -> list[PartnerCall]:
    """Return the calls that a request causes; empty for one that cannot be read or delivered."""
    try:
        return calls_for(integration, content)
    except FirehoseError:
        return []


def broken_seam(integration: Integration, content: Mapping[str, object]) -> list[str]:
    """Return the rule of the seam that the integration breaks with a request, if it does."""
    try:
        calls_for(integration, content)
    except IntegrationError as error:
        return [f"the integration breaks a rule: {error}"]
    except FirehoseError:
        pass
    return []


def calls_for(integration: Integration, content: Mapping[str, object]) -> list[PartnerCall]:
    """Return the calls that a request causes when it is delivered alone, each with its site, auth and headers.

    Of an exchange it is the first call: the others need answers.

    Raises:
        FirehoseError: it cannot be read, or not be delivered.
    """
    return list(_calls(integration, _SERIALIZER.parse(content)))


def plan_of(integration: Integration, request: QueuedRequest) -> Plan:
    """Return the plan of a request that is delivered alone, after its rules have been checked.

    Raises:
        FirehoseError: the mapping breaks a rule of the seam, or a customer's setting cannot be used.
    """
    plan = Planner(integration).plan(request, source="")
    check_planned(request, plan.planned)
    return plan


def sending(integration: Integration, call: Call) -> Sending:
    """Return what sends the items of a merged call."""
    made = call.endpoint.call(call.target, call.bodies())
    _check_made(made, "call", "must return a PartnerCall, or yield PartnerCalls")
    is_exchange = not isinstance(made, PartnerCall)
    exchange = made if not isinstance(made, PartnerCall) else _alone(made)
    return Sending(_completed_calls(integration, exchange, call.target), is_exchange)


def subscription_sending(integration: Integration, request: AudienceSubscriptionRequest) -> Sending | None:
    """Return what connects, changes or disconnects an audience; None if the integration makes no call for it."""
    if integration.subscription is None:
        return None
    made = integration.subscription(request)
    _check_made(made, "subscription", "must yield PartnerCalls, or be a generator that ends without one")
    return Sending(_completed_calls(integration, made, Target()), is_exchange=True)


def below_host(integration: Integration, call: PartnerCall) -> PartnerCall:
    """Return a call as its host gets it: with the path of its site's base URL before its own."""
    return replace(call, path=f"{urlsplit(integration.sites.get(call.site or '', '')).path}{call.path}")


def broken_rules(api: FakeApi, call: PartnerCall) -> list[str]:
    """Return the rule of a fake API that a call breaks, if it does: the field and the rule, never values."""
    try:
        answer_to(api, call)
    except ContractError as error:
        return [error.rule]
    return []


def _calls(integration: Integration, request: AnyRequest) -> Iterator[PartnerCall]:
    match request:
        case AudienceSubscriptionRequest():
            sent_by = [subscription_sending(integration, request)]
        case EventProcessingRequest() | AudienceMembershipChangeRequest() | DsrProcessingRequest():
            sent_by = [sending(integration, call) for call in merged(plan_of(integration, request).waiting)]
        case _:
            sent_by = []
    for each in sent_by:
        if each and (first := each.first_call()):
            yield first


def _check_made(made: object, rule: str, text: str) -> None:
    """Refuse what is neither a call nor an exchange: the error of its first use would name a line of this package."""
    if not isinstance(made, PartnerCall | Generator):
        raise IntegrationError(rule, text)


def _alone(call: PartnerCall) -> Exchange[object]:
    yield call
    return None


def _completed_calls[T](integration: Integration, exchange: Exchange[T], target: Target) -> Exchange[T]:
    """Yield the calls of an exchange with what each has of its target and of the integration."""
    try:
        call = next(exchange)
        while True:
            answer = yield replace(
                call,
                site=call.site or target.site,
                auth=call.auth or target.auth,
                headers={**integration.headers, **call.headers},
            )
            call = exchange.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        exchange.close()
