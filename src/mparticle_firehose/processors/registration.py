"""Answers mParticle's question what this integration is and needs."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import ModuleRegistrationRequest, ModuleRegistrationResponse
from mparticle_firehose.services import Services


def process(
    _request: ModuleRegistrationRequest, _services: Services, _deadline: Deadline
) -> ModuleRegistrationResponse:
    """Return the declaration, as a message of its own."""
    # mParticle asks once in a lifetime; checking the declaration would slow every other start down.
    from partner.registration import registration  # noqa: PLC0415

    return registration()
