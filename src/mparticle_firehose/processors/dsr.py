"""Takes erasure requests in: stored durably, then acknowledged, because the acknowledgement is the only signal."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import DsrProcessingRequest, DsrProcessingResponse, DsrType
from mparticle_firehose.services import Services


def process(request: DsrProcessingRequest, services: Services, deadline: Deadline) -> DsrProcessingResponse:
    """Store the erasure.

    Raises:
        MalformedRequestError: it asks for something else than erasure, or does not say what; nothing is erased then.
        DeliveryError: the queue did not take it, so that mParticle must repeat the request.
    """
    if request.subject_request_type != DsrType.ERASURE:
        raise MalformedRequestError(("subject_request_type", "must be erasure, the only type that is supported"))
    services.events.enqueue(request, deadline)
    services.telemetry.count("ErasuresQueued")
    return DsrProcessingResponse()
