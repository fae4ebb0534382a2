"""The one way in and out: messages from JSON, and JSON from messages."""

import json
import re
from decimal import Decimal
from math import isfinite
from typing import cast
from uuid import uuid4

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mparticle_firehose.errors import MalformedRequestError, UnsupportedMessageError
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.protocol.messages import (
    REQUEST_MODELS,
    RESPONSE_MODELS,
    AnyRequest,
    AnyResponse,
    Request,
    Response,
)
from mparticle_firehose.protocol.wire.json_reader import json_object
from mparticle_firehose.protocol.wire.json_writer import write
from mparticle_firehose.protocol.wire.unions import LABEL, NOISE, RULE

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
_LARGEST_EXPONENT = 308
"""Of a double: what is larger no JSON reader but ours would understand as a number."""
_MOST_PROBLEMS = 20
"""That an error names one by one: it ends in a log line."""


class Serializer:
    """Reads and writes messages. A message's validator is built when the first of its kind is read."""

    def __init__(self) -> None:
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
            data: JSON as bytes or text, or the object that Lambda made of it.

        Raises:
            MalformedRequestError: the data is no JSON object, or a known field cannot be read. It names fields and
                rules, never values.
            UnsupportedMessageError: the ``type`` is missing, unknown or a response's.
        """
        source = json_object(data)
        wire_type = source.get("type")
        if not (isinstance(wire_type, str) and wire_type in REQUEST_MODELS):
            raise UnsupportedMessageError(("type", _why_unsupported(wire_type)))
        try:
            return REQUEST_MODELS[MessageType(wire_type)].from_source(source)
        except ValidationError as error:
            raise MalformedRequestError(*_problems(error)) from None
        except RecursionError:
            raise MalformedRequestError(("", "is nested too deeply")) from None

    def parse_response(self, data: object) -> AnyResponse:
        """Reads one of the five responses, which must have an id and a time.

        Args:
            data: JSON as bytes or text, or an object.

        Raises:
            MalformedRequestError: the data is no JSON object, or a known field is missing or cannot be read.
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
        except ValidationError as error:
            raise MalformedRequestError(*_problems(error)) from None
        except RecursionError:
            raise MalformedRequestError(("", "is nested too deeply")) from None

    def dump(self, message: Request | Response) -> dict[str, object]:
        """Writes a message as JSON primitives, for Lambda to serialise: decimals become integers and floats."""
        return cast("dict[str, object]", write(message, _number))

    def dumps(self, message: Request | Response) -> bytes:
        """Writes a message as UTF-8 JSON text, with decimals as they are."""
        text = json.dumps(write(message, self._marked), ensure_ascii=False, separators=(",", ":"))
        if self._decimal in text:
            text = self._quoted_decimal.sub(r"\1", text)
        # A lone surrogate is no UTF-8; its Python escape happens to be its JSON escape.
        return text.encode("utf-8", errors="backslashreplace")

    def _marked(self, value: Decimal) -> str:
        return f"{self._decimal}{value}"


def _number(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and value.adjusted() <= _LARGEST_EXPONENT:
        return int(value)
    return number if isfinite(number := float(value)) else str(value)


def _why_unsupported(wire_type: object) -> str:
    if wire_type is None:
        return "is required"
    if isinstance(wire_type, str) and wire_type in RESPONSE_MODELS:
        return "must be a request's, not a response's"
    return "must be one of " + ", ".join(REQUEST_MODELS)


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    problems = [(_path(problem), _rule(problem)) for problem in errors if problem["type"] != NOISE]
    if more := problems[_MOST_PROBLEMS:]:
        return [*problems[:_MOST_PROBLEMS], ("", f"and {len(more)} more")]
    return problems


def _rule(problem: ErrorDetails) -> str:
    return problem["msg"] if problem["type"] == RULE else _RULES.get(problem["type"], "cannot be read")


def _path(problem: ErrorDetails) -> str:
    return ".".join(str(step) for step in problem["loc"] if not str(step).startswith(LABEL))
