"""What a request is, in a few words."""

from collections import Counter
from collections.abc import Mapping

type Json = Mapping[str, object]

_MAX_KINDS = 3
_SUBSCRIPTIONS = {
    "add": "Audience connected",
    "update": "Audience changed",
    "remove": "Audience disconnected",
    "delete": "Audience disconnected",
}


def title(request: Json) -> str:
    """Return a short name of one of mParticle's requests, without any value of it."""
    kind = str(request.get("type") or "")
    match kind:
        case "module_registration_request":
            return "Registration"
        case "event_processing_request":
            return _events(request)
        case "audience_subscription_request":
            return _SUBSCRIPTIONS.get(str(request.get("action")).lower(), "Audience subscription")
        case "audience_membership_change_request":
            return _memberships(request)
        case "dsr_processing_request":
            return "Erasure"
        case _:
            return "Request of an unknown type" if kind else "Request without a type"


def _events(request: Json) -> str:
    every = [each for name in ("events", "system_notifications") for each in _objects(request.get(name))]
    if not every:
        has_state = any(request.get(name) for name in ("user_attributes", "user_attribute_lists", "consent_state"))
        return "User without events" if has_state else "Keep-alive of events"
    kinds = Counter(_word(each.get("type")) for each in every)
    if len(every) == 1:
        return f"Event: {next(iter(kinds))}"
    named = [f"{number}× {kind}" if number > 1 else kind for kind, number in kinds.most_common(_MAX_KINDS)]
    more = [_counted(len(kinds) - _MAX_KINDS, "more type")] if len(kinds) > _MAX_KINDS else []
    return f"{len(every)} events: {', '.join([*named, *more])}"


def _memberships(request: Json) -> str:
    profiles = _objects(request.get("user_profiles"))
    changes = sum(len(_objects(profile.get("audiences"))) for profile in profiles)
    if not profiles:
        return "Keep-alive of audiences"
    return f"{_counted(changes, 'membership change')} of {_counted(len(profiles), 'user')}"


def _objects(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _word(kind: object) -> str:
    return kind.replace("_", " ")[:40] if isinstance(kind, str) and kind else "unknown"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
