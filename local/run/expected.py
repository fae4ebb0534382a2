"""What the partner must receive for a request: it follows from the integration's own calls."""

import json
from collections.abc import Iterator, Mapping
from itertools import batched

from local.partner.contract import Contract, ContractError
from local.partner.fake_api import FakeApi
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.integration import (
    Audiences,
    Integration,
    JsonObject,
    MembershipChange,
    MembershipTarget,
    PartnerCall,
)
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
        "audience_subscription_request": integration.audiences,
        "audience_membership_change_request": integration.audiences,
        "dsr_processing_request": integration.erasures,
    }
    return kind not in parts or parts[kind] is not None


def expected_calls(integration: Integration, content: Mapping[str, object]) -> list[PartnerCall]:
    """Return the calls that a request causes; empty for one that cannot be read or delivered."""
    try:
        return calls_for(integration, content)
    except FirehoseError:
        return []


def calls_for(integration: Integration, content: Mapping[str, object]) -> list[PartnerCall]:
    """Return the calls that a request causes when it is delivered alone.

    Raises:
        FirehoseError: it cannot be read, or not be delivered.
    """
    return [call for call in _calls(integration, _SERIALIZER.parse(content)) if call]


def broken_rules(api: FakeApi, call: PartnerCall) -> list[str]:
    """Return the rules of a fake API that a call breaks, without sending it: fields and rules, never values."""
    encoded = call.encoded_body()
    body = json.loads(encoded) if encoded else None
    headers = dict([call.auth.header()]) | {"Content-Type": "application/json", "Idempotency-Key": "any"}
    try:
        operation, target = Contract(api.document).find(call.method, call.path)
        operation.credentials(headers)
        parameters = operation.check(target, headers, body)
    except ContractError as error:
        return [error.rule]
    return list(api.violations(operation.id, parameters, body))


def _calls(integration: Integration, request: AnyRequest) -> Iterator[PartnerCall | None]:
    match request:
        case EventProcessingRequest() if integration.events:
            yield integration.events(request)
        case AudienceSubscriptionRequest() if integration.audiences:
            yield integration.audiences.subscription_call(request)
        case AudienceMembershipChangeRequest() if integration.audiences and request.user_profiles:
            yield from _members_calls(integration.audiences, request)
        case DsrProcessingRequest() if integration.erasures:
            yield integration.erasures(request)


def _members_calls(audiences: Audiences, request: AudienceMembershipChangeRequest) -> Iterator[PartnerCall]:
    items: dict[MembershipTarget, list[JsonObject]] = {}
    for change in audiences.membership_changes(request):
        if isinstance(change, MembershipChange):
            items.setdefault(change.target, []).append(change.item)
    for target, changes in items.items():
        for batch in batched(changes, audiences.max_changes_per_call, strict=False):
            yield audiences.members_call(target, batch)
