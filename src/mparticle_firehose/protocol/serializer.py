"""Reads messages from JSON and writes them as JSON."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import cast
from uuid import uuid4

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
from mparticle_firehose.protocol.wire.json_reader import json_object
from mparticle_firehose.protocol.wire.json_writer import write
from mparticle_firehose.protocol.wire.problems import problems

_MAX_EXPONENT = 308
"""Of a double. Most JSON readers cannot read a larger number."""


class Serializer:
    """Reads and writes messages. A model's validator is built when the first message of its type is read."""

    def __init__(self) -> None:
        # JSON text has all digits of a decimal: it is written as marked text, whose quotes are removed afterwards.
        self._decimal = f"decimal-{uuid4().hex}:"
        self._quoted_decimal = re.compile(f'"{self._decimal}([^"]*)"')

    @staticmethod
    def prepare() -> None:
        """Build every validator now."""
        for model in (*REQUEST_MODELS.values(), *RESPONSE_MODELS.values()):
            model.model_rebuild()

    def parse(self, data: object) -> AnyRequest:
        """Reads one of the five requests.

        Args:
            data: JSON as bytes or text, or the dict that Lambda makes of it.

        Raises:
            MalformedRequestError: the data is not a JSON object, or a field cannot be read. It names fields and rules,
                never values.
            UnsupportedMessageError: the ``type`` is missing, unknown or a response's.
        """
        source = json_object(data)
        wire_type = source.get("type")
        if not (isinstance(wire_type, str) and wire_type in REQUEST_MODELS):
            raise UnsupportedMessageError(("type", _why_unsupported(wire_type)))
        return _request(source, REQUEST_MODELS[MessageType(wire_type)])

    def parse_registration(self, data: bytes) -> ModuleRegistrationRequest | None:
        """Reads a registration request; None for any other type, of which nothing but the type is read.

        Args:
            data: JSON.

        Raises:
            MalformedRequestError: as of `parse`.
        """
        source = json_object(data)
        if source.get("type") != MessageType.MODULE_REGISTRATION_REQUEST:
            return None
        return _request(source, ModuleRegistrationRequest)

    def parse_response(self, data: object) -> AnyResponse:
        """Reads one of the five responses, which must have an id and a time.

        Args:
            data: JSON as bytes or text, or a dict.

        Raises:
            MalformedRequestError: the data is not a JSON object, or a field is missing or cannot be read.
            UnsupportedMessageError: the ``type`` is missing, unknown or a request's.
        """
        source = json_object(data)
        wire_type = source.get("type")
        if not (isinstance(wire_type, str) and wire_type in RESPONSE_MODELS):
            raise UnsupportedMessageError(("type", "is no response"))
        if missing := [(field, "is required") for field in ("id", "timestamp_ms") if source.get(field) is None]:
            raise MalformedRequestError(*missing)
        try:
            return RESPONSE_MODELS[MessageType(wire_type)].model_validate(source)
        except (ValidationError, RecursionError) as error:
            raise MalformedRequestError(*problems(error)) from None

    def dump(self, message: Request | Response) -> dict[str, object]:
        """Writes a message as the JSON primitives that Lambda serialises; decimals become integers and floats."""
        return cast("dict[str, object]", write(message, _number))

    def dumps(self, message: Request | Response) -> bytes:
        """Writes a message as UTF-8 JSON text; decimals keep all their digits."""
        text = json.dumps(write(message, self._marked), ensure_ascii=False, separators=(",", ":"))
        if self._decimal in text:
            text = self._quoted_decimal.sub(r"\1", text)
        # A lone surrogate cannot be encoded as UTF-8. Its escape in Python is the same as in JSON.
        return text.encode("utf-8", errors="backslashreplace")

    def _marked(self, value: Decimal) -> str:
        return f"{self._decimal}{value}"


def _request[R: Request](source: Mapping[str, object], model: type[R]) -> R:
    try:
        return model.from_source(source)
    except (ValidationError, RecursionError) as error:
        raise MalformedRequestError(*problems(error)) from None


def _number(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and value.adjusted() <= _MAX_EXPONENT:
        return int(value)
    return number if isfinite(number := float(value)) else str(value)


def _why_unsupported(wire_type: object) -> str:
    if wire_type is None:
        return "is required"
    if isinstance(wire_type, str) and wire_type in RESPONSE_MODELS:
        return "must be a request's, not a response's"
    return "must be one of " + ", ".join(REQUEST_MODELS)
