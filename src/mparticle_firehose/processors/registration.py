"""Answers mParticle's question what this integration is and needs."""

from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.interfaces import Services
from mparticle_firehose.protocol import ModuleRegistrationRequest, ModuleRegistrationResponse


def process(
    _request: ModuleRegistrationRequest, _services: Services, _deadline: Deadline
) -> ModuleRegistrationResponse:
    """Return the declaration, as a message of its own."""
    # mParticle asks once in a lifetime; checking the declaration would slow every other start down.
    from mparticle_firehose.partner.registration import registration  # noqa: PLC0415

    return registration()
