"""How the partner's API wants a user's identities: one flat object from type to value."""

from collections.abc import Iterable

from mparticle_firehose.protocol import DeviceIdentity, PartnerIdentity, UserIdentity

type Identity = UserIdentity | DeviceIdentity | PartnerIdentity


def identities(*groups: Iterable[Identity]) -> dict[str, str]:
    """Return the identities by type, as mParticle names the types; of two of one type the first counts."""
    named: dict[str, str] = {}
    for group in groups:
        for identity in group:
            named.setdefault(str(identity.type), identity.value)
    return named
