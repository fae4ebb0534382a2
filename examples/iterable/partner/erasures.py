"""How a request to forget a person reaches Iterable: one call for each identity by which the project knows people."""

from collections.abc import Iterator

from mparticle_firehose.integration import Item, Undeliverable, choice_setting, subject_identities
from mparticle_firehose.protocol import DsrIdentityType, DsrProcessingRequest

from .account import NO_PERSON, PROJECT_TYPE, PROJECT_TYPES, target
from .endpoints import FORGET

_KINDS = {"email": DsrIdentityType.EMAIL, "userId": DsrIdentityType.CONTROLLER_CUSTOMER_ID}


def erasures(request: DsrProcessingRequest) -> Iterator[Item | Undeliverable]:
    """Yield whom to forget; unlike a deletion it lasts. Raises SettingError for a missing or unusable setting."""
    people, access = subject_identities(request), target(request.account)
    fields = choice_setting(request.account, PROJECT_TYPE, PROJECT_TYPES)
    found = [{field: people[_KINDS[field]]} for field in fields if _KINDS[field] in people]
    for place, body in enumerate(found):
        yield Item(endpoint=FORGET, target=access, body=body, covers=(("subject_identities", place),))
    if not found:
        yield Undeliverable((("subject_identities", 0),), NO_PERSON)
