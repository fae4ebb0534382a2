"""Creates, updates and deletes the partner's audiences when customers connect, change and disconnect theirs."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError, RefusedError
from mparticle_firehose.integration import Delivered, Rejected, Retry, Suspend
from mparticle_firehose.integration.offered import offered
from mparticle_firehose.protocol import AudienceSubscriptionRequest, AudienceSubscriptionResponse
from mparticle_firehose.services import Services


def process(
    request: AudienceSubscriptionRequest, services: Services, deadline: Deadline
) -> AudienceSubscriptionResponse:
    """Make the partner's call within the request: the id of the new audience belongs into the response.

    Raises:
        UnsupportedMessageError: the integration takes no audiences.
        MalformedRequestError: the action is none that the partner knows.
        SettingError: an account or subscription setting is missing.
        RefusedError: the partner refuses the audience or the account's credentials.
        DeliveryError: the partner could not do it now; mParticle repeats the request.
    """
    audiences = offered(services.integration.audiences)
    call = audiences.subscription_call(request)
    if call is None:
        return AudienceSubscriptionResponse()
    match services.partner.send(call.part_of(request), deadline):
        case Delivered(answer):
            settings = audiences.subscription_settings(request, answer)
            return AudienceSubscriptionResponse(audience_subscription_settings=settings)
        case Suspend(reason):
            services.suspensions.suspend(request.account, reason)
            raise RefusedError(f"the partner does not accept the account's credentials ({reason})")
        case Rejected(reason):
            raise RefusedError(f"the partner refuses the audience ({reason})")
        case Retry(reason):
            raise DeliveryError(f"the partner could not be reached in time ({reason})")
