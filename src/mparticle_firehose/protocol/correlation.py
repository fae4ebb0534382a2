"""How a piece of work is traced back to the request of mParticle's that it came with."""

from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Request,
)

type QueuedRequest = AudienceMembershipChangeRequest | EventProcessingRequest | DsrProcessingRequest


def work_id(request: Request) -> str:
    """Return what tells the work on one request from that on another, also when mParticle sent no usable id."""
    return str(request.id or request.timestamp_ms)


def correlation(request: QueuedRequest | AudienceSubscriptionRequest) -> dict[str, str]:
    """Return what may be said of a request in a log line or a queue attribute: what it is and whose."""
    known = {"message_type": str(request.type), "account_id": str(request.account.account_id)}
    return {**known, "request_id": str(request.id)} if request.id else known
