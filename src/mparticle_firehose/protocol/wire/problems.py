"""Converts the errors of reading a model to pairs of a field's path and the rule that it breaks.

Neither has a value, or a name that a customer chose: of a path only the protocol's own field names, the indexes of
lists, and the ids of settings that the registration declares are shown. A star stands for every other name.
"""

from collections.abc import Collection, Iterable
from functools import cache
from itertools import pairwise

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mparticle_firehose.protocol.wire.model import field_names, map_names
from mparticle_firehose.protocol.wire.unions import BRANCH, BROKEN_RULE

MAX_PROBLEMS = 20
"""How many problems are listed. The rest are counted, because the list ends in a log line."""

TOO_DEEP = "is nested too deeply"

type Location = tuple[int | str, ...]
"""Where a problem is: field names, indexes and keys of maps. Its keys are personal data."""

_SETTINGS = frozenset({"account_settings", "audience_subscription_settings", "previous_audience_subscription_settings"})
"""Maps whose keys are the ids of settings."""

_OF_KEY = "[key]"
"""What pydantic adds to the location of a key of a map that is wrong itself."""

_MASK = "*"

_RULES = {
    "missing": "is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "uuid_type": "must be a GUID",
    "uuid_parsing": "must be a GUID",
    "invalid_key": "must be text",
    "string_type": "must be text",
}


def problems(error: ValidationError | RecursionError, setting_ids: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return the path and the rule of each problem, at most `MAX_PROBLEMS` and the number of the others.

    Args:
        error: of reading a model.
        setting_ids: the settings that may be named.
    """
    if isinstance(error, RecursionError):
        return [("", TOO_DEEP)]
    return listed((path(location, setting_ids), rule) for location, rule in located(error))


def located(error: ValidationError) -> list[tuple[Location, str]]:
    """Return where each problem is, and the rule that is broken. The places are to be shown as a `path` only."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return [(location_of(details), _rule(details)) for details in errors]


def listed(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return different problems once each, at most `MAX_PROBLEMS` and the number of the others."""
    distinct = list(dict.fromkeys(found))
    if more := distinct[MAX_PROBLEMS:]:
        return [*distinct[:MAX_PROBLEMS], ("", f"and {len(more)} more")]
    return distinct


def path(location: Location, setting_ids: Collection[str] = (), *, with_indexes: bool = True) -> str:
    """Return a location as it may be shown, with or without the indexes of lists."""
    steps = pairwise(("", *location))
    return ".".join(_shown(step, of, setting_ids, with_indexes) for of, step in steps if step != _OF_KEY)


def _shown(step: int | str, of: int | str, setting_ids: Collection[str], with_indexes: bool) -> str:
    if isinstance(step, int):
        return str(step) if with_indexes else _MASK
    fields, maps = _names()
    if of in maps:
        return step if of in _SETTINGS and step in setting_ids else _MASK
    return step if step in fields else _MASK


@cache
def _names() -> tuple[frozenset[str], frozenset[str]]:
    return field_names(), map_names()


def _rule(details: ErrorDetails) -> str:
    return details["msg"] if details["type"] == BROKEN_RULE else _RULES.get(details["type"], "cannot be read")


def location_of(details: ErrorDetails) -> Location:
    """Return where a problem is."""
    return tuple(step for step in details["loc"] if not str(step).startswith(BRANCH))
