"""What the reference partner's API accepts: its routes, the shape of each body, and the rules a shape cannot say.

A caller that breaks the contract must fail here as it would fail at a real partner, so everything is checked that a
careful API would check, and unknown members are refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

type Json = dict[str, object]

MOST_CHANGES_IN_A_CALL = 500

# Protocol notices stand among the events; they happened to the user, not in the app, and so have neither id nor time.
NOTIFICATION_TYPES = frozenset({"gdpr_consent_state", "ccpa_consent_state"})

AUDIENCE_ID_FORMAT = re.compile(r"aud-\d+-\d+")


@dataclass(frozen=True)
class Kind:
    """One sort of JSON value.

    Attributes:
        says: what a value must be, for the error text.
        accepts: whether a value is one.
    """

    says: str
    accepts: Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_flat(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(entry) for entry in value.values())


TEXT = Kind("a non-empty string", _is_text)
TEXT_OR_NULL = Kind("a non-empty string or null", lambda value: value is None or _is_text(value))
INTEGER = Kind("an integer", _is_integer)
IDENTIFIER = Kind("an integer or a non-empty string", lambda value: _is_integer(value) or _is_text(value))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
LIST = Kind("a list", lambda value: isinstance(value, list))
ENTRIES = Kind("a non-empty list", lambda value: isinstance(value, list) and bool(value))
IDENTITIES = Kind("a flat object of identity type to value", _is_flat)


@dataclass(frozen=True)
class Shape:
    """An object's members; what is in neither table is refused unless the object is open."""

    required: Mapping[str, "Kind | Shape"] = field(default_factory=dict)
    optional: Mapping[str, "Kind | Shape"] = field(default_factory=dict)
    is_open: bool = False

    def problems(self, value: object, path: str) -> Iterator[str]:
        """Name each member that is missing, unknown or of a wrong type; never its value."""
        if not isinstance(value, dict):
            yield f"{path or 'body'}: must be an object"
            return
        yield from (f"{path}{name}: is required" for name in self.required if name not in value)
        for name, entry in value.items():
            yield from self._member_problems(name, entry, f"{path}{name}")

    def _member_problems(self, name: str, entry: object, path: str) -> Iterator[str]:
        rule = self.required.get(name) or self.optional.get(name)
        if isinstance(rule, Shape):
            yield from rule.problems(entry, f"{path}.")
        elif isinstance(rule, Kind) and not rule.accepts(entry):
            yield f"{path}: must be {rule.says}"
        elif rule is None and not self.is_open:
            yield f"{path}: is not part of the contract"


USER = Shape(required={"identities": IDENTITIES}, optional={"mpid": TEXT_OR_NULL})
CHANGE = Shape(
    required={"action": TEXT, "user": USER},
    optional={"attributes": OBJECT, "timestamp_ms": INTEGER},
)
EVENT = Shape(required={"type": TEXT}, optional={"attributes": OBJECT}, is_open=True)
TIMED_EVENT = Shape(required={"type": TEXT, "timestamp_ms": INTEGER}, optional={"id": TEXT}, is_open=True)


EVENTS_BODY = Shape(
    required={"account_id": IDENTIFIER, "request_id": TEXT_OR_NULL, "events": LIST},
    optional={
        "mpid": TEXT_OR_NULL,
        "user": Shape(optional={"identities": IDENTITIES, "attributes": OBJECT}),
        "device": OBJECT,
    },
)
MEMBERS_BODY = Shape(required={"account_id": IDENTIFIER, "changes": ENTRIES})
NEW_AUDIENCE_BODY = Shape(required={"account_id": IDENTIFIER, "audience_id": IDENTIFIER, "name": TEXT})
AUDIENCE_CHANGES_BODY = Shape(optional={"name": TEXT, "settings": OBJECT})
ERASURE_BODY = Shape(
    required={"identities": IDENTITIES},
    optional={"subject_request_id": TEXT_OR_NULL, "regulation": TEXT_OR_NULL, "submitted_time": TEXT_OR_NULL},
)


def _no_body(body: object) -> Iterator[str]:
    if body not in (None, {}):
        yield "body: a deletion has none"


def _event_rules(body: object) -> Iterator[str]:
    yield from EVENTS_BODY.problems(body, "")
    if isinstance(body, dict) and body.get("events") == [] and not _user_attributes(body):
        yield "events: must not be empty unless there are user attributes"
    for index, event in enumerate(_entries(body, "events")):
        kind = event.get("type") if isinstance(event, dict) else None
        shape = EVENT if kind in NOTIFICATION_TYPES else TIMED_EVENT
        yield from shape.problems(event, f"events[{index}].")


def _member_rules(body: object) -> Iterator[str]:
    yield from MEMBERS_BODY.problems(body, "")
    changes = _entries(body, "changes")
    if len(changes) > MOST_CHANGES_IN_A_CALL:
        yield f"changes: at most {MOST_CHANGES_IN_A_CALL} in one call"
    for index, change in enumerate(changes):
        yield from _change_rules(change, f"changes[{index}].")
    users = Counter(user_key(change.get("user")) for change in changes if isinstance(change, dict))
    if any(count > 1 for key, count in users.items() if key):
        yield "changes: the same user twice in one call"


def _change_rules(change: object, path: str) -> Iterator[str]:
    yield from CHANGE.problems(change, path)
    if not isinstance(change, dict):
        return
    if change.get("action") not in {"add", "remove", "update"}:
        yield f"{path}action: must be add, remove or update"
    if not user_key(change.get("user")):
        yield f"{path}user: needs an mpid or an identity"


def _erasure_rules(body: object) -> Iterator[str]:
    yield from ERASURE_BODY.problems(body, "")
    if isinstance(body, dict) and body.get("identities") == {}:
        yield "identities: must name the person"


def _user_attributes(body: Json) -> object:
    user = body.get("user")
    return user.get("attributes") if isinstance(user, dict) else None


def _entries(body: object, name: str) -> list[object]:
    entries = body.get(name) if isinstance(body, dict) else None
    return entries if isinstance(entries, list) else []


def user_key(user: object) -> str:
    """What identifies a user here: the mpid, else the first identity as ``type:value``; empty when there is neither."""
    if not isinstance(user, dict):
        return ""
    identities = user.get("identities")
    first = next(iter(identities.items()), None) if isinstance(identities, dict) else None
    return str(user.get("mpid") or (f"{first[0]}:{first[1]}" if first else ""))


@dataclass(frozen=True)
class Route:
    """One call of the API."""

    name: str
    method: str
    path: re.Pattern[str]
    rules: Callable[[object], Iterator[str]]


ROUTES = (
    Route("events", "POST", re.compile(r"/v1/events"), _event_rules),
    Route("create_audience", "POST", re.compile(r"/v1/audiences"), lambda body: NEW_AUDIENCE_BODY.problems(body, "")),
    Route(
        "change_audience",
        "PATCH",
        re.compile(r"/v1/audiences/(?P<id>[^/]+)"),
        lambda body: AUDIENCE_CHANGES_BODY.problems(body, ""),
    ),
    Route("delete_audience", "DELETE", re.compile(r"/v1/audiences/(?P<id>[^/]+)"), _no_body),
    Route("change_members", "POST", re.compile(r"/v1/audiences/(?P<id>[^/]+)/members"), _member_rules),
    Route("erase", "POST", re.compile(r"/v1/erasures"), _erasure_rules),
)


def routes_for(path: str) -> dict[str, tuple[Route, str]]:
    """The calls a path offers: method to route and the audience id in the path (empty when it has none)."""
    matches = ((route, route.path.fullmatch(path)) for route in ROUTES)
    return {route.method: (route, match.groupdict().get("id", "")) for route, match in matches if match}
