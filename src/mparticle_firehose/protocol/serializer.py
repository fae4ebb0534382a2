"""Reads messages from JSON and writes them as JSON."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from math import isfinite
from typing import cast

from pydantic import ValidationError

from mparticle_firehose.errors import MalformedRequestError, UnsupportedMessageError
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.protocol.messages import (
    REQUEST_MODELS,
    RESPONSE_MODELS,
    AnyRequest,
    AnyResponse,
    ModuleRegistrationRequest,
    Request,
    Response,
)
from mparticle_firehose.protocol.partial_reading import (
    as_whole,
    read_readable,
    without_broken_names,
)
from mparticle_firehose.protocol.wire.json_reader import json_object, wire_type
from mparticle_firehose.protocol.wire.json_text import LiteralFloat, json_text, with_numbers
from mparticle_firehose.protocol.wire.json_writer import finite, write
from mparticle_firehose.protocol.wire.problems import problems
from mparticle_firehose.protocol.wire.reading import TooMuchError

_MAX_EXPONENT = 308
"""Of a double. Most JSON readers cannot read a larger number."""


class Serializer:
    """Reads and writes messages. A model's validator is built when the first message of its type is read."""

    def __init__(self, setting_ids: Callable[[], Collection[str]] = frozenset) -> None:
        """Take what returns the ids of the settings that errors may name: those that the registration declares."""
        self._setting_ids = setting_ids

    @staticmethod
    def prepare() -> None:
        """Build every validator now."""
        for model in (*REQUEST_MODELS.values(), *RESPONSE_MODELS.values()):
            model.model_rebuild()

    def parse(self, data: object) -> AnyRequest:
        """Reads one of the five requests. Elements that cannot be read are in its ``unreadable`` and nowhere else.

        Args:
            data: JSON as bytes or text, or the dict that Lambda makes of it.

        Raises:
            MalformedRequestError: the data is not a JSON object, or a field cannot be read without which nothing of the
                request can be kept, see `partial_reading`. It names fields and rules, never values.
            UnsupportedMessageError: the ``type`` is missing, unknown or a response's.
        """
        source = json_object(data)
        kind = wire_type(source)
        if not (isinstance(kind, str) and kind in REQUEST_MODELS):
            raise UnsupportedMessageError(("type", _why_unsupported(kind)))
        model = REQUEST_MODELS[MessageType(kind)]
        try:
            return self._read(model, source, source)
        except RecursionError as error:
            raise MalformedRequestError(*problems(error)) from None

    def _read(self, model: type[AnyRequest], read: Mapping[str, object], source: Mapping[str, object]) -> AnyRequest:
        """Read a request, without fields whose names cannot be read, and without elements that cannot be read."""
        try:
            return model.from_source(read, kept=source)
        except TooMuchError as much:
            return as_whole(model, source, much.problem, self._setting_ids())
        except ValidationError as error:
            named = without_broken_names(read, error)
            return self._read(model, named, source) if named else read_readable(model, read, error, self._setting_ids())

    def parse_registration(self, data: bytes) -> ModuleRegistrationRequest | None:
        """Reads a registration request; None for any other type, of which nothing but the type is read.

        Args:
            data: JSON.

        Raises:
            MalformedRequestError: as of `parse`.
        """
        source = json_object(data)
        if wire_type(source) != MessageType.MODULE_REGISTRATION_REQUEST:
            return None
        try:
            return ModuleRegistrationRequest.from_source(source)
        except (ValidationError, RecursionError) as error:
            raise MalformedRequestError(*problems(error)) from None

    def parse_response(self, data: object) -> AnyResponse:
        """Reads one of the five responses, which must have an id and a time.

        Args:
            data: JSON as bytes or text, or a dict.

        Raises:
            MalformedRequestError: the data is not a JSON object, or a field is missing or cannot be read.
            UnsupportedMessageError: the ``type`` is missing, unknown or a request's.
        """
        source = json_object(data)
        kind = wire_type(source)
        if not (isinstance(kind, str) and kind in RESPONSE_MODELS):
            raise UnsupportedMessageError(("type", "is no response"))
        if missing := [(field, "is required") for field in ("id", "timestamp_ms") if source.get(field) is None]:
            raise MalformedRequestError(*missing)
        try:
            return RESPONSE_MODELS[MessageType(kind)].model_validate(source)
        except (ValidationError, RecursionError) as error:
            raise MalformedRequestError(*problems(error)) from None

    def dump(self, message: Request | Response) -> dict[str, object]:
        """Writes a message as the JSON primitives that Lambda serialises.

        Decimals become integers and floats. A number that is too large for them becomes text.
        """
        return cast("dict[str, object]", with_numbers(write(message, _number), _primitive))

    def dumps(self, message: Request | Response) -> bytes:
        """Writes a message as UTF-8 JSON text; numbers keep all their digits."""
        text = json_text(write(message, _literal))
        # A lone surrogate cannot be encoded as UTF-8. Its escape in Python is the same as in JSON.
        return text.encode("utf-8", errors="backslashreplace")


def _literal(value: Decimal) -> float:
    return LiteralFloat(str(value))


def _primitive(number: float) -> object:
    return int(number) if isinstance(number, int) else finite(number)


def _number(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and value.adjusted() <= _MAX_EXPONENT:
        return int(value)
    return number if isfinite(number := float(value)) else str(value)


def _why_unsupported(kind: object) -> str:
    if kind is None:
        return "is required"
    if isinstance(kind, str) and kind in RESPONSE_MODELS:
        return "must be a request's, not a response's"
    return "must be one of " + ", ".join(REQUEST_MODELS)
