"""Queues erasure requests, then acknowledges them: mParticle and the customer get no other confirmation."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.integration.offered import offered
from mparticle_firehose.processors.unreadable import put_aside
from mparticle_firehose.protocol import DsrProcessingRequest, DsrProcessingResponse, DsrType
from mparticle_firehose.services import Services


def process(request: DsrProcessingRequest, services: Services, deadline: Deadline) -> DsrProcessingResponse:
    """Queue the erasure, or dead-letter it if it cannot be read.

    Raises:
        UnsupportedMessageError: the integration takes no erasures.
        MalformedRequestError: it asks for something else than an erasure, or does not say what; nothing is erased then.
        DeliveryError: no queue took it, so that mParticle must repeat the request.
    """
    offered(services.integration.erasures)
    if request.subject_request_type != DsrType.ERASURE:
        raise MalformedRequestError(("subject_request_type", "must be erasure, the only type that is supported"))
    put_aside(request, services, deadline)
    if not request.is_unreadable:
        services.events.enqueue(request, deadline)
        services.telemetry.count("ErasuresQueued")
    return DsrProcessingResponse()
