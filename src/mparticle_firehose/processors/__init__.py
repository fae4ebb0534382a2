"""What is done for each type of request, as one table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.processors import audience_membership, audience_subscription, dsr, events, registration
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    ModuleRegistrationRequest,
    Request,
    Response,
)
from mparticle_firehose.services import Services


class Processor(Protocol):
    """Does the work of one request and returns the answer."""

    def __call__(self, request: Any, services: Services, deadline: Deadline, /) -> Response:
        """Process a request of the type that the table names."""


PROCESSORS: Mapping[type[Request], Processor] = MappingProxyType(
    {
        ModuleRegistrationRequest: registration.process,
        EventProcessingRequest: events.process,
        AudienceSubscriptionRequest: audience_subscription.process,
        AudienceMembershipChangeRequest: audience_membership.process,
        DsrProcessingRequest: dsr.process,
    }
)


def process(request: Request, services: Services, deadline: Deadline) -> Response:
    """Process a request by its type."""
    return PROCESSORS[type(request)](request, services, deadline)
