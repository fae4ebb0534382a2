"""What most mappings need: readers of mParticle's data that know its quirks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration.calls import JsonValue
from mparticle_firehose.integration.items import Origin
from mparticle_firehose.protocol import (
    Account,
    Audience,
    AudienceMembershipChangeRequest,
    DeviceIdentity,
    DeviceIdentityType,
    DsrIdentity,
    DsrProcessingRequest,
    EventProcessingRequest,
    IdentityEncoding,
    PartnerIdentity,
    UserAttributeAction,
    UserAttributeAudienceEvent,
    UserIdentity,
    UserIdentityType,
    UserProfile,
    identity_name,
)

_MAX_WHOLE_DIGITS = 18
_RAW = frozenset({IdentityEncoding.RAW, None})
_PATH_CHARACTERS = frozenset("/\\?#%")
_EPOCH = datetime.fromtimestamp(0, UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)  # not frozen, as `Item` is not
class Change:
    """One user's change in one audience. Treat it as a value.

    Attributes:
        origin: its place in the request, for `Item.covers`.
        profile: the user.
        audience: the audience, and what happens in it.
    """

    origin: Origin
    profile: UserProfile
    audience: Audience


def changes(request: AudienceMembershipChangeRequest) -> Iterator[Change]:
    """Yield the changes of a request in its order, without those that ask for nothing."""
    for _, of_user in changes_by_user(request):
        yield from of_user


def changes_by_user(
    request: AudienceMembershipChangeRequest,
) -> Iterator[tuple[UserProfile, Sequence[Change]]]:
    """Yield each user of a request with their changes, in the request's order, as `changes` does.

    What is about the user is then made once: a user may have thousands of identities and thousands of changes.
    """
    for user, profile in enumerate(request.user_profiles):
        wanted = ((place, each) for place, each in enumerate(profile.audiences) if each.action is not None)
        yield profile, [Change(("user_profiles", user, place), profile, audience) for place, audience in wanted]


def identity(
    identities: Iterable[UserIdentity | DeviceIdentity | PartnerIdentity],
    kind: UserIdentityType | DeviceIdentityType | str,
) -> str | None:
    """Return the value of the first identity of a type that is not a hash; None if there is none."""
    raw = (each.value for each in identities if each.type == kind and each.encoding == IdentityEncoding.RAW)
    return next(raw, None)


def named_identities(*groups: Iterable[UserIdentity | DeviceIdentity | PartnerIdentity]) -> dict[str, str]:
    """Return identities by name, for an API that takes any: a raw value by its type, such as ``email``.

    A hash has its encoding in its name, such as ``email_sha256``, so that it is never taken for the value. Of two
    identities of one name the first counts.
    """
    named: dict[str, str] = {}
    for group in groups:
        for each in group:
            named.setdefault(identity_name(each.type, each.encoding), each.value)
    return named


def subject_identities(request: DsrProcessingRequest) -> dict[str, str]:
    """Return whom to forget: OpenDSR's identities, and those that mParticle adds in its extension.

    They are named as by `named_identities`: what is found by a type is never a hash. A request in which two of one name
    are different is unreadable, so that none of them is lost here.
    """
    return {identity_name(kind, each.encoding): each.value for kind, each in _subject(request)}


def has_hashed_subject(request: DsrProcessingRequest) -> bool:
    """Return whether an identity of the person to forget is a hash."""
    return any(each.encoding not in _RAW for _, each in _subject(request))


def _subject(request: DsrProcessingRequest) -> Iterator[tuple[str, DsrIdentity]]:
    extension = request.extensions.mparticle if request.extensions else None
    yield from extension.subject_identities.items() if extension else ()
    yield from request.subject_identities.items()


def user_attributes(request: EventProcessingRequest) -> dict[str, JsonValue]:
    """Return a user's attributes and lists by name; a tag, which has no value, is true."""
    attributes = {name: True if value is None else value for name, value in request.user_attributes.items()}
    return {**attributes, **{name: list(values) for name, values in request.user_attribute_lists.items()}}


def attribute_changes(audience: Audience) -> dict[str, JsonValue]:
    """Return the attributes that changed with a membership, by name: None for one that is gone, true for a tag."""
    return {str(change.key): _attribute(change) for change in audience.attribute_changes}


def header_setting(account: Account, setting_id: str) -> str:
    """Return a customer's key for a header, without the spaces around it that pasting leaves.

    Raises:
        SettingError: it is missing, or has characters that no header can carry.
    """
    value = account.string_setting(setting_id, required=True).strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise SettingError(setting_id, "must be printable ASCII characters without blanks")
    return value


def path_segment(value: str, setting_id: str) -> str:
    """Return an id as one segment of a path, percent-encoded, so that it can never name another resource.

    Call it where the path is made. Characters with a meaning in a path are refused although they could be encoded:
    some servers and proxies decode a path before they split it. An id has none of them. For a text that may have them,
    such as a name, use ``urllib.parse.quote(text, safe="")``; ``.`` and ``..`` in such a path are refused as well.

    Args:
        value: the id.
        setting_id: the setting that holds it, of the account or the audience.

    Raises:
        SettingError: the value is blank, ``.`` or ``..``, or has a slash, a backslash, ``?``, ``#``, ``%``, or a
            character that cannot be printed; also in another form of these characters, or with blanks around it.
    """
    read = normalize("NFKC", value).strip()  # as a server may read it
    if read in {"", ".", ".."} or not value.isprintable() or _PATH_CHARACTERS.intersection(read):
        rule = "must be an id: not blank, . or .., and without slashes, backslashes, ?, #, % and control characters"
        raise SettingError(setting_id, rule, "setting")
    return quote(value, safe="")


def choice_setting[T](account: Account, setting_id: str, choices: Mapping[str, T]) -> T:
    """Return what a customer's choice stands for, such as a site's name.

    Raises:
        SettingError: it is missing, or none of the choices.
    """
    value = account.string_setting(setting_id, required=True).strip()
    if value not in choices:
        raise SettingError(setting_id, f"must be one of {', '.join(choices)}")
    return choices[value]


def known(**fields: JsonValue) -> dict[str, JsonValue]:
    """Return the fields that have a value: what mParticle does not say is left out."""
    return {name: value for name, value in fields.items() if value or (value is not None and value != {})}


def number(amount: Decimal | None) -> int | float | None:
    """Return a JSON number: exact for whole amounts and for fifteen digits, which is more than a price has.

    None if there is no amount, or one that JSON cannot carry: infinite, or beyond the range of a double.
    """
    if amount is None or not amount.is_finite():
        return None
    value = float(amount)
    if not value.is_integer():  # nor is an infinite one, which is beyond the range
        return value if isfinite(value) else None
    if amount.adjusted() < _MAX_WHOLE_DIGITS and amount == (whole := int(amount)):
        return whole
    return value


def iso_time(milliseconds: int) -> str:
    """Return an epoch in milliseconds as ISO 8601 in UTC; outside the years 1 to 9999, the nearest moment in them."""
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        moment = _LAST if milliseconds > 0 else _FIRST
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """Return a value that JSON can carry: a Decimal as a number, a mapping or list with everything in it."""
    match value:
        case Decimal():
            return number(value)
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return value


def _attribute(change: UserAttributeAudienceEvent) -> JsonValue:
    if change.action == UserAttributeAction.DELETE:
        return None
    if change.list_value is not None:
        return list(change.list_value)
    return True if change.value is None else change.value
