"""What the partner must receive for a request: it follows from the integration's own items."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

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
class FirstCall:
    """A call that is made without an answer.

    Attributes:
        call: with its site, auth and headers.
        is_exchange: whether further calls follow, which need its answer.
    """

    call: PartnerCall
    is_exchange: bool


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


def first_call(integration: Integration, call: Call) -> FirstCall | None:
    """Return what carries the items of a merged call; of an exchange its first call, None if it makes none."""
    made = call.endpoint.call(call.target, call.bodies())
    if isinstance(made, PartnerCall):
        return FirstCall(_completed(integration, made, call.target), is_exchange=False)
    first = _first(made)
    return FirstCall(_completed(integration, first, call.target), is_exchange=True) if first else None


def first_subscription_call(integration: Integration, request: AudienceSubscriptionRequest) -> FirstCall | None:
    """Return the first call of a subscription's exchange; None if it makes none."""
    first = _first(integration.subscription(request)) if integration.subscription else None
    return FirstCall(_completed(integration, first, Target()), is_exchange=True) if first else None


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
            made = [first_subscription_call(integration, request)]
        case EventProcessingRequest() | AudienceMembershipChangeRequest() | DsrProcessingRequest():
            made = [first_call(integration, call) for call in merged(plan_of(integration, request).waiting)]
        case _:
            made = []
    yield from (first.call for first in made if first)


def _completed(integration: Integration, call: PartnerCall, target: Target) -> PartnerCall:
    """Return a call with what it has of its target and of the integration."""
    return replace(
        call,
        site=call.site or target.site,
        auth=call.auth or target.auth,
        headers={**integration.headers, **call.headers},
    )


def _first[T](exchange: Exchange[T]) -> PartnerCall | None:
    first = next(exchange, None)
    exchange.close()
    return first
