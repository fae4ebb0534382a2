"""Who a user is at Braze, and their attributes."""

from collections.abc import Mapping, Sequence

from mparticle_firehose.integration import JsonObject, JsonValue, identity, known
from mparticle_firehose.protocol import UserIdentity, UserIdentityType

ALIAS_LABEL = "mparticle_mpid"

FIELDS = {
    UserIdentityType.CUSTOMER: "external_id",
    UserIdentityType.EMAIL: "email",
    UserIdentityType.MOBILE_NUMBER: "phone",
}
"""What may name a user, the best first."""

_STANDARD = {"$firstname": "first_name", "$lastname": "last_name", "$city": "home_city", "$country": "country"}
_BRAZES_OWN = {"external_id", "braze_id", "user_alias", "email", "phone", "push_tokens"}


def user(identities: Sequence[UserIdentity], mpid: str | None) -> JsonObject | None:
    """Return the fields that name a user in an object: the first that there is, else an alias; None if nothing does."""
    for kind, field in FIELDS.items():
        if value := identity(identities, kind):
            return {field: value}
    # Without the flag, Braze creates no user who has only an alias.
    return {"user_alias": alias(mpid), "_update_existing_only": False} if mpid else None


def alias(mpid: str) -> JsonObject:
    """Return the alias of a user without any other identity."""
    return {"alias_name": mpid, "alias_label": ALIAS_LABEL}


def contact(who: JsonObject, identities: Sequence[UserIdentity]) -> dict[str, JsonValue]:
    """Return the address and telephone number of a user with an external id: only there they are attributes."""
    values = known(**{field: identity(identities, kind) for kind, field in FIELDS.items()})
    return values if "external_id" in who else {}


def attributes(values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return user attributes by Braze's names, without those that would name another user or are not allowed."""
    named = {_STANDARD.get(name.lower(), name): value for name, value in values.items()}
    return {name: value for name, value in named.items() if is_attribute(name)}


def is_attribute(name: str) -> bool:
    """Return whether Braze takes a custom attribute of this name and sees no more than an attribute in it."""
    return bool(name) and not name.startswith(("$", "_")) and name not in _BRAZES_OWN


def key(who: JsonObject) -> str:
    """Return what may be once in the attributes of a call: Braze promises no order inside it."""
    return f"attr:{sorted(who.items(), key=str)}"
