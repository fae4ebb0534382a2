"""Keeps the partner's audiences in step with the audiences that customers connect."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError, RefusedError
from mparticle_firehose.integration.outcomes import Delivered, Rejected, Retry, Suspend
from mparticle_firehose.protocol import AudienceSubscriptionRequest, AudienceSubscriptionResponse
from mparticle_firehose.services import Services
from partner.audiences import subscription_call, subscription_settings


def process(
    request: AudienceSubscriptionRequest, services: Services, deadline: Deadline
) -> AudienceSubscriptionResponse:
    """Create, update or delete the partner's audience, in the call: its id belongs into the answer.

    Raises:
        MalformedRequestError: the action is none that the partner knows.
        SettingError: an account or subscription setting is missing.
        RefusedError: the partner will not do it.
        DeliveryError: the partner could not do it now; mParticle repeats the request.
    """
    call = subscription_call(request)
    if call is None:
        return AudienceSubscriptionResponse()
    match services.partner.send(call.part_of(request), deadline):
        case Delivered(answer):
            settings = subscription_settings(request, answer)
            return AudienceSubscriptionResponse(audience_subscription_settings=settings)
        case Suspend(reason):
            services.suspensions.suspend(request.account, reason)
            raise RefusedError(f"the partner does not accept the account's credentials ({reason})")
        case Rejected(reason):
            raise RefusedError(f"the partner refuses the audience ({reason})")
        case Retry(reason):
            raise DeliveryError(f"the partner could not be reached in time ({reason})")
