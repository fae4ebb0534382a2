"""Converts the errors of reading a model to pairs of a field's path and the rule that it breaks, without values."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mparticle_firehose.protocol.wire.unions import BRANCH, BROKEN_RULE, NOT_APPLICABLE

MAX_PROBLEMS = 20
"""How many problems are listed. The rest are counted, because the list ends in a log line."""

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


def problems(error: ValidationError | RecursionError) -> list[tuple[str, str]]:
    """Return the path and the rule of each problem, at most `MAX_PROBLEMS` and the number of the others."""
    if isinstance(error, RecursionError):
        return [("", "is nested too deeply")]
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    found = [(_path(details), _rule(details)) for details in errors if details["type"] != NOT_APPLICABLE]
    if more := found[MAX_PROBLEMS:]:
        return [*found[:MAX_PROBLEMS], ("", f"and {len(more)} more")]
    return found


def _rule(details: ErrorDetails) -> str:
    return details["msg"] if details["type"] == BROKEN_RULE else _RULES.get(details["type"], "cannot be read")


def _path(details: ErrorDetails) -> str:
    return ".".join(str(step) for step in details["loc"] if not str(step).startswith(BRANCH))
