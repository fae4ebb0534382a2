"""Shows the structure of a request without its values."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import enums, field_names, json_value

_MAX_ELEMENTS = 10
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_TYPES = [member for member in vars(enums).values() if isinstance(member, type)]

_WORDS = frozenset(str(word) for enum in _TYPES if issubclass(enum, StrEnum) for word in enum)
"""All values of the protocol's enumerations, such as custom_event or delete."""

_FIELD_NAMES = field_names()
"""All field names of the protocol. Other names are a customer's: of attributes, settings, consent purposes."""


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value in _WORDS


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


# The values that are shown, by path, if they look as expected. An element of a list has the path of the list.
_SHOWN: Mapping[tuple[str, ...], Callable[[object], bool]] = {
    ("type",): _is_word,
    ("id",): _is_uuid,
    ("timestamp_ms",): _is_number,
    ("account", "account_id"): _is_number,
    ("events", "type"): _is_word,
    ("events", "id"): _is_uuid,
    ("events", "timestamp_ms"): _is_number,
    ("events", "action"): _is_word,
    ("system_notifications", "type"): _is_word,
    ("user_profiles", "audiences", "audience_id"): _is_number,
    ("user_profiles", "audiences", "action"): _is_word,
}

_LISTS_WITH_GAPS = frozenset({("user_profiles",), ("user_profiles", "audiences")})
"""Where an empty object stands for what is not in the letter, so that the others keep their indexes."""

_COUNTED: tuple[tuple[str, ...], ...] = (("events", "type"), ("user_profiles", "audiences", "action"))


def masked(body: str) -> str:
    """Return indented JSON in which every value that may be personal or secret is replaced by its type and length.

    Names that are not the protocol's, such as those of user attributes and settings, are replaced too. Long lists are
    shortened. Of the empty objects that stand for what is not in the letter only the number is shown.
    """
    try:
        return json.dumps(_masked(json_value(body), ()), indent=2)
    except (MalformedRequestError, RecursionError):
        return f"<not JSON, {len(body)}>"


def contents(body: str) -> Counter[str]:
    """Count the user profiles of a request, its events by type and its audience changes by action.

    A profile of which all is left out does not count.
    """
    try:
        request = json_value(body)
    except MalformedRequestError:
        return Counter()
    counts = Counter(user_profiles=sum(not _is_left_out(profile) for profile in _at(request, ("user_profiles",))))
    for path in _COUNTED:
        counts.update(str(word) if _is_word(word) else "unknown" for word in _at(request, path))
    return +counts


def masked_feed(body: str) -> str:
    """Return of a message of the feed the account's id and the number of events: the rest is the partner's own."""
    account, events = _feed_parts(body)
    number = "<unknown>" if events is None else events
    return json.dumps({"account_id": account if _is_number(account) else "<unknown>", "events": number}, indent=2)


def contents_of_feed(body: str) -> Counter[str]:
    """Count the events of a message of the feed."""
    _, events = _feed_parts(body)
    return +Counter(events=events or 0)


def _feed_parts(body: str) -> tuple[object, int | None]:
    """Return the account's id, whatever it is, and how many events there are, if there is a list of them."""
    try:
        message = json_value(body)
    except (MalformedRequestError, RecursionError):
        return None, None
    if not isinstance(message, dict):
        return None, None
    events = message.get("events")
    return message.get("account_id"), len(events) if isinstance(events, list) else None


def type_and_length(value: object) -> str:
    """Describe a value without showing it."""
    match value:
        case str():
            return f"<string, {len(value)}>"
        case bool():
            return "<boolean>"
        case int() | float():
            return "<number>"
        case list():
            return f"<list, {len(value)}>"
        case _:
            return "<null>"


def _masked(value: object, path: tuple[str, ...]) -> object:
    if isinstance(value, dict):
        return {
            _masked_name(name, number): _masked(inner, (*path, name))
            for number, (name, inner) in enumerate(value.items(), start=1)
        }
    if isinstance(value, list) and any(isinstance(element, dict | list) for element in value):
        return [*_masked_elements(value, path)]
    may_be_shown = _SHOWN.get(path)
    return value if may_be_shown and may_be_shown(value) else type_and_length(value)


def _masked_elements(elements: list[object], path: tuple[str, ...]) -> Iterable[object]:
    kept = [element for element in elements if element != {}] if path in _LISTS_WITH_GAPS else elements
    yield from (_masked(element, path) for element in kept[:_MAX_ELEMENTS])
    if (more := len(kept) - _MAX_ELEMENTS) > 0:
        yield f"<{more} more>"
    if left_out := len(elements) - len(kept):
        yield f"<{left_out} left out>"


def _masked_name(name: str, number: int) -> str:
    """Return the protocol's own names, and of others the position and the length."""
    return name if name in _FIELD_NAMES else f"<name {number}, {len(name)}>"


def _is_left_out(profile: object) -> bool:
    """Return whether a profile is a null, which counts nowhere, an empty object, or has nothing but empty changes."""
    audiences = profile.get("audiences") if isinstance(profile, dict) else None
    return not profile or (isinstance(audiences, list) and bool(audiences) and not any(audiences))


def _at(value: object, path: tuple[str, ...]) -> Iterable[object]:
    """Yield what is found at a path, in each element if there is a list on the way."""
    if isinstance(value, list):
        for element in value:
            yield from _at(element, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
