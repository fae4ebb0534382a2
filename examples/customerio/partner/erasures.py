"""How a request to forget a person reaches Customer.io: each identifier is suppressed."""

from collections.abc import Iterator

from mparticle_firehose.integration import Item, Undeliverable, subject_identities
from mparticle_firehose.protocol import DsrIdentityType, DsrProcessingRequest

from .account import track
from .batch import BATCH, NO_PERSON, person

_KINDS = (("id", DsrIdentityType.CONTROLLER_CUSTOMER_ID), ("email", DsrIdentityType.EMAIL))


def erasures(request: DsrProcessingRequest) -> Iterator[Item | Undeliverable]:
    """Yield whom to suppress. Suppressing deletes a person as well; whoever is only deleted comes back with new data.

    Raises:
        SettingError: a setting is missing or unusable.
    """
    target, people = track(request.account), subject_identities(request)
    found = [{name: people[kind]} for name, kind in _KINDS if kind in people]
    for place, ids in enumerate(found):
        body = person(ids, "suppress", 0)
        yield Item(endpoint=BATCH, target=target, body=body, covers=(("subject_identities", place),))
    if not found:
        yield Undeliverable((("subject_identities", 0),), NO_PERSON)
