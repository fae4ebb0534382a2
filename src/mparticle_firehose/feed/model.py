"""The base class of what is sent to mParticle: it cannot be made with a value that breaks a rule."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from mparticle_firehose.errors import FeedError

BROKEN_RULE = "broken_rule"
"""The type of the errors whose text is a rule of ours."""

type Problems = Iterator[tuple[str, str]]

_MAPS = frozenset({"ccpa", "custom_attributes", "custom_flags", "gdpr", "partner_identities", "user_attributes"})
"""Fields whose keys a customer chooses."""

_RULES = {
    "missing": "is required",
    "model_type": "must be of type {class_name}",
    "is_instance_of": "must be of type {class}",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "too_long": "must have at most {max_length} entries",
    "tuple_type": "must be a list",
    "dict_type": "must be a map",
    "invalid_key": "must have text as names",
}

_NAMES_ELSEWHERE = {
    "customerid": "is called customer_id",
    "api_key": "must not be sent: the request has the key in a header",
    "batch_id": "must not be sent: mParticle sets it",
    "batch_context": "is called context",
    "schema_version": "must not be sent: mParticle sets it",
    "timestamp_unixtime_ms": "must not be sent: mParticle sets it",
}
"""Fields of other SDKs and of examples, which may be named because no customer chose them."""


class FeedModel(BaseModel):
    """An immutable value of the Events API. All fields are checked when it is made; fields that it lacks are refused.

    None means that a field is left out. The repr names the fields and leaves out their values, which are personal data.

    Raises:
        FeedError: a rule is broken.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        defer_build=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    _dropped: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _with_rules(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            made = validate(given)
        except ValidationError as error:
            raise FeedError(*_problems(cls.__name__, error)) from None
        if isinstance(given, dict):
            empty = (name for name, value in made if value is None)
            made._dropped = tuple(name for name in empty if given.get(name) is not None)  # noqa: SLF001 - its own class
        if problems := [(f"{cls.__name__}.{path}", rule) for path, rule in made._broken_rules()]:  # noqa: SLF001
            raise FeedError(*problems)
        return made

    def _broken_rules(self) -> Problems:
        """Yield what is wrong with the fields together."""
        yield from ()

    @property
    def dropped(self) -> tuple[str, ...]:
        """The fields, here and in the models in them, whose value mParticle could not use and which are left out.

        These are blank identities, advertising ids that are all zero or no UUIDs, hashes where an address or a
        telephone number belongs, and IP addresses that are not public.
        """
        parts = [(name, part) for name, part in self if isinstance(part, FeedModel)]
        return (*self._dropped, *(f"{name}.{inner}" for name, part in parts for inner in part.dropped))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(sorted(self.model_fields_set))})"

    __str__ = __repr__


def _problems(model: str, error: ValidationError) -> Problems:
    for details in error.errors(include_url=False, include_input=False):
        yield ".".join([model, *_path(details)]), _rule(details)


def _path(details: ErrorDetails) -> Iterator[str]:
    steps = [step for step in details["loc"] if step != "[key]"]
    *before, last = steps or [""]
    is_chosen = False
    for step in before:
        yield "*" if is_chosen else str(step)
        is_chosen = step in _MAPS
    is_unknown = details["type"] == "extra_forbidden" and last not in _NAMES_ELSEWHERE
    if last != "":
        yield "*" if is_chosen or is_unknown else str(last)


def _rule(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == BROKEN_RULE:
        return details["msg"]
    if kind == "extra_forbidden":
        return _NAMES_ELSEWHERE.get(str(details["loc"][-1]), "is no field of the Events API")
    return _RULES.get(kind, "is not valid").format(**details.get("ctx", {}))
