"""What a change of the registration means for customers who are live with the one before.

mParticle keeps a registration, and customers' connections were made for it. What is not known to leave them as they
are counts as breaking.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum


class Absent(Enum):
    """Stands for a value that is not there, which ``null`` would be."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT

VOLATILE = frozenset({"id", "timestamp_ms"})
"""Top-level fields that are new each time the registration is asked for."""

_SETTINGS = r".*\.(account_settings|event_connection_settings|audience_subscription_settings)\[.+\]"
_IDENTITIES = r"permissions\.(user|device|partner)_identities"
_UNLIMITED_AGE = -1


@dataclass(frozen=True)
class Difference:
    """One value that is not the same in two registrations.

    Attributes:
        path: of the value, with entries of lists by their name: ``a.account_settings[key].type``.
        before: the value in the committed registration.
        after: the value that the code declares.
    """

    path: str
    before: object
    after: object

    @property
    def kind(self) -> str:
        """What happened, in a word or with both values."""
        if self.before is ABSENT:
            return "added"
        if self.after is ABSENT:
            return "removed"
        return f"{_shown(self.before)} became {_shown(self.after)}"


@dataclass(frozen=True)
class Rule:
    """Which differences of some values leave live customers as they are.

    Attributes:
        path: pattern of the values it is about.
        is_harmless: judges one difference.
        otherwise: what the others do to live customers.
    """

    path: str
    is_harmless: Callable[[Difference], bool]
    otherwise: str


def _always(_: Difference) -> bool:
    return True


def _never(_: Difference) -> bool:
    return False


def _added(difference: Difference) -> bool:
    return difference.before is ABSENT


def _becomes(*allowed: object) -> Callable[[Difference], bool]:
    return lambda difference: difference.after in allowed


def _optional_or_known(difference: Difference) -> bool:
    """A new setting that nobody must enter changes nothing for those who have not seen it."""
    setting = difference.after
    return difference.before is ABSENT and isinstance(setting, Mapping) and not setting.get("required")


def _bound_moves(outwards: Callable[[float, float], bool]) -> Callable[[Difference], bool]:
    def judge(difference: Difference) -> bool:
        before, after = difference.before, difference.after
        if isinstance(before, int | float) and isinstance(after, int | float):
            return outwards(after, before)
        return after is ABSENT

    return judge


def _accepts_older(difference: Difference) -> bool:
    before, after = difference.before, difference.after
    if not isinstance(before, int) or not isinstance(after, int):
        return False
    return after == _UNLIMITED_AGE or before != _UNLIMITED_AGE < before < after


RULES = (
    Rule(r"description|version|sdk_version|firehose_version", _always, ""),
    Rule(r"name", _never, "customers know the integration by its name"),
    Rule(_IDENTITIES + r"\.required", _becomes(()), "users without a required identity are no longer sent"),
    Rule(r"permissions\.partner_identities\[.+\]", _added, "a partner identity is final once registered"),
    Rule(_IDENTITIES + r"\[.+\]", _added, "this identity is no longer sent"),
    Rule(_IDENTITIES + r"\[.+\]\.encoding", _never, "what was stored in the other encoding matches nobody any more"),
    Rule(r"permissions\.allow_\w+", _becomes(True), "what this permission lets through is no longer sent"),
    Rule(_SETTINGS, _optional_or_known, "live connections have no value for a required setting, or lose one in use"),
    Rule(_SETTINGS + r"\.(name|description|default_value|checked)", _always, ""),
    Rule(_SETTINGS + r"\.required", _becomes(False), "live connections may have no value for it"),
    Rule(_SETTINGS + r"\.visible", _becomes(True), "customers can no longer see or change what they entered"),
    Rule(_SETTINGS + r"\.confidential", _becomes(True), "what customers entered as a secret becomes readable"),
    Rule(_SETTINGS + r"\.min_value", _bound_moves(operator.le), "values that live connections hold may be refused"),
    Rule(_SETTINGS + r"\.max_value", _bound_moves(operator.ge), "values that live connections hold may be refused"),
    Rule(_SETTINGS + r"\.type", _never, "values that live connections hold may not be of the new type"),
    Rule(r"\w+\.supported_\w+\[.+\]", _added, "what live connections forward today is no longer sent"),
    Rule(r".*\.max_data_age_hours", _accepts_older, "older events, which are forwarded today, are no longer sent"),
    Rule(r".*\.push_messaging_provider_id", _added, "push registrations belong to the provider id they were made for"),
    Rule(r".*\.authentication(\..+)?", _never, "customers would have to authorize the integration again"),
    Rule(r"\w+_processing_registration", _added, "connections of this kind lose their integration"),
)
"""The first rule whose pattern fits a path decides; a path that none fits is breaking."""

_UNKNOWN = Rule(r".*", _never, "it is not known to be harmless")


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[Difference]:
    """Return what differs between two registrations; the order in lists does not matter."""
    return list(_compare("", _keyed(before), _keyed(after)))


def consequence(difference: Difference) -> str | None:
    """Return what a difference does to live customers, or None when it leaves them as they are."""
    fitting = (rule for rule in RULES if re.fullmatch(rule.path, difference.path))
    rule = next(fitting, _UNKNOWN)
    return None if rule.is_harmless(difference) else rule.otherwise


def _compare(path: str, before: object, after: object) -> Iterator[Difference]:
    before, after = _list_or_empty(before, after), _list_or_empty(after, before)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            place = name if not path or name.startswith("[") else f".{name}"
            yield from _compare(f"{path}{place}", before.get(name, ABSENT), after.get(name, ABSENT))
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def _list_or_empty(value: object, other: object) -> object:
    """Take a list that is not there for an empty one, as mParticle does."""
    is_list = isinstance(other, Mapping) and bool(other) and all(name.startswith("[") for name in other)
    return {} if value is ABSENT and is_list else value


def _keyed(registration: Mapping[str, object]) -> dict[str, object]:
    """Return the registration with every list as a map from ``[name]`` to entry, and without what is always new.

    A flag that is off is not on the wire, and no identities or lists are the same as empty ones.
    """
    tree = {name: _entries(value) for name, value in registration.items() if name not in VOLATILE}
    permissions = tree.setdefault("permissions", {})
    if isinstance(permissions, dict):
        for place in ("user_identities", "device_identities", "partner_identities"):
            permissions[place] = _identities(permissions.get(place, {}))
    return tree


def _entries(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _entries(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return dict(_named(entry) for entry in value)
    return value


def _named(entry: object) -> tuple[str, object]:
    if not isinstance(entry, Mapping):
        return f"[{entry}]", True
    name = entry.get("id") or entry.get("type") or entry.get("name")
    return f"[{name}]", {key: _entries(value) for key, value in entry.items()}


def _identities(group: object) -> dict[str, object]:
    """Take ``required`` out of the identities: mParticle asks for one of those that have it, so they count together."""
    entries = {name: dict(entry) for name, entry in group.items()} if isinstance(group, dict) else {}
    needed = tuple(sorted(name for name, entry in entries.items() if entry.pop("required", False)))
    return {**entries, "required": needed}


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
