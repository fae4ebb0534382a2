"""Queues membership changes in order, then acknowledges them. The worker delivers them."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration.offered import offered
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, AudienceMembershipChangeResponse
from mparticle_firehose.services import Services


def process(
    request: AudienceMembershipChangeRequest, services: Services, deadline: Deadline
) -> AudienceMembershipChangeResponse:
    """Queue the changes, or suspend the subscription if the partner no longer accepts the account's credentials.

    mParticle verifies the integration with requests that carry no profiles; they are answered at once. Changes that
    cannot be read are queued in their place among the others. The worker dead-letters them.

    Raises:
        UnsupportedMessageError: the integration takes no audiences.
        DeliveryError: the queue did not take all of them, so that mParticle must repeat the request.
    """
    offered(services.integration.memberships)
    if not (request.user_profiles or request.unreadable):
        return AudienceMembershipChangeResponse()
    if services.suspensions.is_suspended(request.account, deadline):
        services.telemetry.count("MembershipsSuspended")
        return AudienceMembershipChangeResponse(suspend_subscription=True)
    messages = services.memberships.enqueue(request, deadline)
    services.telemetry.count("ProfilesQueued", len(request.user_profiles))
    services.telemetry.count("MembershipMessages", messages)
    return AudienceMembershipChangeResponse()
