"""What the partner must receive for a request: it follows from the integration's own calls."""

from collections.abc import Iterator, Mapping

from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.integration import Audiences, Integration, MembershipChange, MembershipTarget, PartnerCall
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Serializer,
)

type Route = tuple[str, str]
"""A method and a path."""

_SERIALIZER = Serializer()


def expected_routes(integration: Integration, content: Mapping[str, object]) -> set[Route]:
    """Return method and path of each call that a request causes; empty for one that cannot be read or delivered."""
    try:
        return {(call.method, call.path) for call in calls_for(integration, content)}
    except FirehoseError:
        return set()


def calls_for(integration: Integration, content: Mapping[str, object]) -> list[PartnerCall]:
    """Return the calls that a request causes when it is delivered alone.

    Raises:
        FirehoseError: it cannot be read, or not be delivered.
    """
    return [call for call in _calls(integration, _SERIALIZER.parse(content)) if call]


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
    by_target: dict[MembershipTarget, list[MembershipChange]] = {}
    for change in audiences.membership_changes(request):
        if isinstance(change, MembershipChange):
            by_target.setdefault(change.target, []).append(change)
    for target, changes in by_target.items():
        yield audiences.members_call(target, [change.item for change in changes])
