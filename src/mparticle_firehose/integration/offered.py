"""Refuses requests of a kind that the integration does not take."""

from mparticle_firehose.errors import UnsupportedMessageError


def offered[T](part: T | None) -> T:
    """Return the part of the integration that a request needs.

    Raises:
        UnsupportedMessageError: the integration does not have it. mParticle does not send such requests, since the
            registration declares what is offered.
    """
    if part is None:
        raise UnsupportedMessageError(("type", "is not offered by this integration"))
    return part
