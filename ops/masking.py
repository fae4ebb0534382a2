"""Shows how a request is built without showing what is in it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from mparticle_firehose.protocol import enums, field_names

_LONGEST_LIST = 10
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

type _Check = Callable[[object], bool]


def _vocabulary() -> frozenset[str]:
    """Every word that the protocol itself knows, such as custom_event or delete: a customer can choose, not invent."""
    members = [member for member in vars(enums).values() if isinstance(member, type) and issubclass(member, StrEnum)]
    return frozenset(str(word) for enum in members for word in enum)


_VOCABULARY = _vocabulary()
_FIELD_NAMES = field_names()
"""Names that are the protocol's. Other names are a customer's: of attributes, settings, consent purposes."""


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value in _VOCABULARY


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


# What may be shown, by its path; an element of a list has the path of the list. A value must also look as expected.
_HARMLESS: Mapping[tuple[str, ...], _Check] = {
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

# What is counted for an overview: how many of each, by the word at the path.
_COUNTED: tuple[tuple[str, ...], ...] = (("events", "type"), ("user_profiles", "audiences", "action"))


def masked(body: str) -> str:
    """Return indented JSON in which every value that may be personal or secret is replaced by its kind and length.

    Names that are not mParticle's own, such as those of user attributes and settings, are replaced too. Of a long list
    the first elements are shown.
    """
    try:
        return json.dumps(_masked(json.loads(body), ()), indent=2)
    except (ValueError, RecursionError):
        return f"<not JSON, {len(body)}>"


def contents(body: str) -> Counter[str]:
    """Count what is in a request: its user profiles, events by type, audience changes by action."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return Counter()
    counts = Counter({"user_profiles": sum(1 for _ in _at(request, ("user_profiles",)))})
    for path in _COUNTED:
        counts.update(str(word) if _is_word(word) else "unknown" for word in _at(request, path))
    return +counts


def kind(value: object) -> str:
    """Return what a value is, and how long, without saying which."""
    match value:
        case str():
            return f"<text, {len(value)}>"
        case bool():
            return "<true or false>"
        case int() | float():
            return "<number>"
        case list():
            return f"<list, {len(value)}>"
        case _:
            return "<nothing>"


def _masked(value: object, path: tuple[str, ...]) -> object:
    if isinstance(value, dict):
        return {
            _name(name, number): _masked(inner, (*path, name))
            for number, (name, inner) in enumerate(value.items(), start=1)
        }
    if isinstance(value, list) and any(isinstance(element, dict | list) for element in value):
        shown = [_masked(element, path) for element in value[:_LONGEST_LIST]]
        return [*shown, f"<{len(value) - _LONGEST_LIST} more>"] if len(value) > _LONGEST_LIST else shown
    is_harmless = _HARMLESS.get(path)
    return value if is_harmless and is_harmless(value) else kind(value)


def _name(name: str, number: int) -> str:
    """Return a field's name if it is mParticle's; else what keeps the entries of an object apart."""
    return name if name in _FIELD_NAMES else f"<name {number}, {len(name)}>"


def _at(value: object, path: tuple[str, ...]) -> Iterable[object]:
    """Yield what is found at a path, of each element if there is a list on the way."""
    if isinstance(value, list):
        for element in value:
            yield from _at(element, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
