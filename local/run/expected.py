"""What the partner must receive for a request: it follows from the integration's own items."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.partner.fake_api import FakeApi
from local.run.seam_rules import check_planned
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.errors import FirehoseError, IntegrationError
from mparticle_firehose.integration import Endpoint, Exchange, Integration, JsonObject, PartnerCall, Target
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Serializer,
)

_SERIALIZER = Serializer()


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
            if integration.subscription:
                for first in _first(integration.subscription(request)):
                    yield replace(first, headers={**integration.headers, **first.headers})
        case EventProcessingRequest() | AudienceMembershipChangeRequest() | DsrProcessingRequest():
            plan = Planner(integration).plan(request, source="")
            check_planned(request, plan.planned)
            for call in merged(plan.waiting):
                for made in _call(call.endpoint, call.target, call.bodies()):
                    yield replace(made, headers={**integration.headers, **made.headers})


def _call(endpoint: Endpoint, target: Target, bodies: list[JsonObject]) -> Iterator[PartnerCall]:
    made = endpoint.call(target, bodies)
    for call in [made] if isinstance(made, PartnerCall) else _first(made):
        yield replace(call, site=call.site or target.site, auth=call.auth or target.auth)


def _first[T](exchange: Exchange[T]) -> Iterator[PartnerCall]:
    for call in exchange:
        yield call
        exchange.close()
