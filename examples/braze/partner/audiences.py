"""How audiences become custom attributes: true for a member, false for a user who has left."""

from collections.abc import Iterator

from mparticle_firehose.integration import (
    Item,
    JsonObject,
    JsonValue,
    Origin,
    Undeliverable,
    attribute_changes,
    changes_by_user,
)
from mparticle_firehose.protocol import Audience, AudienceAction, AudienceMembershipChangeRequest

from .account import target
from .track import TRACK
from .users import attributes, is_attribute, key, user

ATTRIBUTE = "attributeName"
"""The audience's setting that names its attribute; by default it is named by the audience's id, which never changes."""

_UNUSABLE = "the audience's action or attribute is not usable"
_MEMBERSHIP = {AudienceAction.ADD: True, AudienceAction.DELETE: False, AudienceAction.ATTRIBUTE_UPDATE: None}


def items(request: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    """Yield an object for each user with all of their changes: the last value wins. Raises as `target` does."""
    found: dict[str, tuple[JsonObject, list[Origin], dict[str, JsonValue]]] = {}
    for profile, of_user in changes_by_user(request):
        who = user(profile.user_identities, profile.mpid)
        for change in of_user:
            values = _values(change.audience)
            if who is None or values is None:
                yield Undeliverable((change.origin,), _UNUSABLE if who else "the user has no identity")
                continue
            _, covers, fields = found.setdefault(key(who), (who, [], {}))
            covers.append(change.origin)
            fields.update(values)
    for user_key, (who, covers, fields) in found.items():
        body: JsonObject = {"kind": "attributes", "object": {**fields, **who}}
        yield Item(endpoint=TRACK, target=target(request.account), body=body, covers=tuple(covers), key=user_key)


def _values(audience: Audience) -> dict[str, JsonValue] | None:
    """Return what changes; None if Braze cannot be told."""
    name = audience.audience_subscription_settings.get(ATTRIBUTE) or f"audience_{audience.audience_id}"
    if audience.action not in _MEMBERSHIP or not is_attribute(name):
        return None
    shared = attributes(attribute_changes(audience))  # null deletes an attribute
    is_member = _MEMBERSHIP[AudienceAction(audience.action)]
    return shared if is_member is None else {**shared, name: is_member}
