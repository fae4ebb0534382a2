"""Tells mParticle what this integration is and needs."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import ModuleRegistrationRequest, ModuleRegistrationResponse
from mparticle_firehose.services import Services


def process(_request: ModuleRegistrationRequest, services: Services, _deadline: Deadline) -> ModuleRegistrationResponse:
    """Return the integration's registration.

    Raises:
        RegistrationError: it breaks a rule of mParticle's.
    """
    return services.integration.declaration()
