"""What identifies a request in log lines, queue attributes and idempotency keys."""

from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    ModuleRegistrationRequest,
    Request,
)

type QueuedRequest = AudienceMembershipChangeRequest | EventProcessingRequest | DsrProcessingRequest


def work_id(request: Request) -> str:
    """Return the id of a request, or its time if mParticle sent no usable id."""
    return str(request.id or request.timestamp_ms)


def correlation(request: AnyRequest) -> dict[str, str]:
    """Return what a log line or a queue attribute may hold of a request: its type, account and id, and no values."""
    facts = {"message_type": str(request.type)}
    if not isinstance(request, ModuleRegistrationRequest):
        facts["account_id"] = str(request.account.account_id)
        if not request.id:
            return facts
    return {**facts, "request_id": str(request.id)}
