"""Says in words which rule of a JSON Schema a value breaks: ``changes[3].action: must be one of add, remove``.

Names and limits come from the schema; a value is never quoted.
"""

from collections.abc import Iterable, Iterator, Sequence

from jsonschema_rs import ValidationError, ValidationErrorKind

type Path = Sequence[str | int]

_LIMITS = {
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} members",
    "maxProperties": "must have at most {} members",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be greater than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "pattern": "must match {}",
    "format": "must have the format {}",
    "const": "must be {}",
}
_NOT_EMPTY = {"minLength", "minItems", "minProperties"}


def first_rule(errors: Iterable[ValidationError], root: str = "") -> str:
    """Return the first rule that is broken, with the path of the field; empty if none is.

    Args:
        errors: of a validator.
        root: the name of the value that was validated; empty for a body.
    """
    found = ((f"{root}{_shown(path)}", rule) for error in errors for path, rule in _rules(error))
    return next((f"{path.removeprefix('.') or 'body'}: {rule}" for path, rule in found), "")


def _rules(error: ValidationError) -> Iterator[tuple[Path, str]]:
    path = error.instance_path
    match error.kind:
        case ValidationErrorKind.Required(name):
            yield [*path, name], "is required"
        case ValidationErrorKind.AdditionalProperties(names) | ValidationErrorKind.UnevaluatedProperties(names):
            yield from (([*path, name], "is not part of the API") for name in names)
        case ValidationErrorKind.Type(types):
            yield path, f"must be {' or '.join(types)}"
        case ValidationErrorKind.Enum(options):
            yield path, f"must be one of {', '.join(map(str, options))}"
        case ValidationErrorKind.AnyOf(context) | ValidationErrorKind.OneOfNotValid(context):
            yield path, f"must fit one of: {' | '.join(map(first_rule, context))}"
        case kind if kind.name in _NOT_EMPTY and kind.value == 1:
            yield path, "must not be empty"
        case kind if kind.name in _LIMITS:
            yield path, _LIMITS[kind.name].format(kind.value)
        case kind:
            yield path, f"must fit the schema's {kind.name}"


def _shown(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
