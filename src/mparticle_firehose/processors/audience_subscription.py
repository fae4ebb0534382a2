"""Connects, changes and disconnects the partner's audiences when customers do so with theirs."""

from collections.abc import Mapping

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.gates import note_call
from mparticle_firehose.errors import DeliveryError, FirehoseError, PartnerUnavailableError, RefusedError
from mparticle_firehose.integration import Answer, Delivered, Exchange, Outcome, PartnerCall, Retry, Suspend
from mparticle_firehose.integration.offered import offered
from mparticle_firehose.protocol import AudienceSubscriptionRequest, AudienceSubscriptionResponse, work_id
from mparticle_firehose.services import CIRCUIT_OPEN, SECRET_REFUSED, SECRET_UNAVAILABLE, Services

SECRET_REASONS = frozenset({SECRET_REFUSED, SECRET_UNAVAILABLE})


def process(
    request: AudienceSubscriptionRequest, services: Services, deadline: Deadline
) -> AudienceSubscriptionResponse:
    """Make the partner's calls within the request: what they answer belongs into the response.

    Raises:
        UnsupportedMessageError: the integration takes no audiences.
        MalformedRequestError: the action is none that the partner knows.
        SettingError: an account or subscription setting is missing.
        RefusedError: the partner refuses the audience or the account's credentials.
        PartnerUnavailableError: the partner could not do it now; mParticle repeats the request.
        DeliveryError: the same for a reason of this deployment's, such as its secret.
    """
    offered(services.integration.memberships)
    if services.integration.subscription is None:
        return AudienceSubscriptionResponse()
    settings = _Conversation(request, services, deadline).settings(services.integration.subscription(request))
    return AudienceSubscriptionResponse(audience_subscription_settings=dict(settings))


class _Conversation:
    """The calls of one request, of which each may need the answers before it."""

    def __init__(self, request: AudienceSubscriptionRequest, services: Services, deadline: Deadline) -> None:
        self._request = request
        self._services = services
        self._deadline = deadline

    def settings(self, exchange: Exchange[Mapping[str, str]]) -> Mapping[str, str]:
        try:
            call = next(exchange)
            while True:
                call = exchange.send(self._answer(call))
        except StopIteration as end:
            settings: Mapping[str, str] = end.value or {}
            return settings
        finally:
            exchange.close()

    def _answer(self, call: PartnerCall) -> Answer:
        seconds = self._deadline.remaining()
        answer = self._ask(call)
        note_call(self._services.breaker, call.site or "", answer, seconds)
        if isinstance(answer, Answer):
            if answer.succeeded or answer.status in call.accept:
                return answer
            answer = self._services.verdicts.judge(answer)
        raise self._error(answer)

    def _ask(self, call: PartnerCall) -> Answer | Outcome:
        if not self._services.breaker.admits(call.site or ""):
            return Retry(CIRCUIT_OPEN)
        work = work_id(self._request)
        return self._services.partner.ask(call, self._deadline, identity=f"subscription\n{work}", correlation_id=work)

    def _error(self, outcome: Outcome) -> FirehoseError:
        match outcome:
            case Suspend(reason):
                self._services.suspensions.suspend(self._request.account, reason)
                return RefusedError(f"the partner does not accept the account's credentials ({reason})")
            case Retry(reason) if reason in SECRET_REASONS:
                return DeliveryError(f"a secret of this deployment cannot be used ({reason})")
            case Retry(reason):
                return PartnerUnavailableError(f"the partner could not be reached in time ({reason})")
            case Delivered():
                return DeliveryError("the partner's answer was not expected")
            case _:
                return RefusedError(f"the partner refuses the audience ({outcome.reason})")
