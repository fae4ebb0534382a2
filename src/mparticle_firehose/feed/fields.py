"""The types of the models' fields, with mParticle's limits.

The limits are those of mParticle's page "Default Service Limits". Longer names are cut by mParticle without a word, so
they are refused here. A character is one Unicode code point.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainValidator, Strict
from pydantic_core import PydanticCustomError

from mparticle_firehose.feed.model import BROKEN_RULE
from mparticle_firehose.integration import number
from mparticle_firehose.protocol import SOURCE_FEED

MAX_NAME = 256
MAX_VALUE = 4_096
MAX_ATTRIBUTES = 100
MAX_LIST = 1_000
MAX_LIST_VALUE = 512
MIN_TIMESTAMP_MS = 1_262_304_000_000
"""The year 2010. Seconds, sent as milliseconds, would be in January 1970."""

_MAX_INT = 2**63 - 1
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")

type Scalar = str | int | float | Decimal | bool
type Attributes = dict[str, Scalar]
type UserAttributes = dict[str, Scalar | tuple[Scalar, ...]]


def milliseconds(moment: datetime) -> int:
    """Return a moment as the Events API has it.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment must have a time zone")
    return round(moment.timestamp() * 1000)


def broken(rule: str) -> PydanticCustomError:
    """Return the error of a field, whose text must show no value and no name that a customer chose."""
    return PydanticCustomError(BROKEN_RULE, "{rule}", {"rule": rule})


def is_utf8(text: str) -> bool:
    """Return whether a text has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(text: str) -> str:
    if not is_utf8(text):
        raise broken("must be text without lone surrogates")
    return text


def limit(characters: int) -> Callable[[str], str]:
    """Return what refuses a longer text."""

    def checked(text: str) -> str:
        if len(text) > characters:
            raise broken(f"must have at most {characters} characters")
        return text

    return checked


def _not_blank(text: str) -> str:
    if not text.strip():
        raise broken("must not be blank")
    return text


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise broken("must be a UUID")
    return text


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise broken("must be a whole number")
    if not -_MAX_INT - 1 <= value <= _MAX_INT:
        raise broken("must fit 64 bits")
    return int(value)


def _count(value: object) -> int:
    if (whole := _int(value)) < 0:
        raise broken("must not be less than zero")
    return whole


def _timestamp(value: object) -> int:
    if (whole := _int(value)) < MIN_TIMESTAMP_MS:
        raise broken("must be milliseconds since 1970, from the year 2010 on")
    return whole


def _amount(value: object) -> int | float | Decimal:
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        raise broken("must be a number")
    if not is_sendable(value):
        raise broken("must be finite, and fit 64 bits")
    return value


def is_sendable(value: float | Decimal) -> bool:
    """Return whether JSON, as others read it, can carry a number."""
    if isinstance(value, int):
        return -_MAX_INT - 1 <= value <= _MAX_INT
    return number(Decimal(value)) is not None


def is_zero_id(text: str) -> bool:
    """Return whether an id of a device is blank or all zero, which means that its user limits tracking."""
    return not text.strip("0-: \t\r\n")


def _given_id(value: object) -> object:
    return None if isinstance(value, str) and is_zero_id(value) else value


def _advertising_id(value: object) -> object:
    return _given_id(value) if not isinstance(value, str) or _UUID.fullmatch(value) else None


def _identity(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _raw_identity(value: object) -> object:
    """Drop the hash of an address or a telephone number: as the identity itself it would make a new profile."""
    return None if isinstance(value, str) and _DIGEST.fullmatch(value.strip()) else _identity(value)


def _mpid(value: object) -> object:
    return None if value is None or (whole := _int(value)) == 0 else whole


def _public_ip(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    return value if address.is_global and not address.is_multicast and "%" not in value else None


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _known(member: StrEnum) -> StrEnum:
    if member.value == "unknown":
        raise broken("must not be unknown")
    return member


def name_problem(name: object) -> str | None:
    """Return the rule that an attribute's name breaks; None if it breaks none."""
    if not isinstance(name, str) or not is_utf8(name) or not 0 < len(name) <= MAX_NAME or not name.strip():
        return f"every name must be text of 1 to {MAX_NAME} characters"
    if name.strip().casefold() == SOURCE_FEED.casefold():
        return f"no name may be {SOURCE_FEED}, which mParticle writes itself"
    return None


def value_problem(value: object, limit: int = MAX_VALUE) -> str | None:
    """Return the rule that a value breaks; None if it breaks none."""
    match value:
        case bool():
            return None
        case str():
            is_right = len(value) <= limit and is_utf8(value)
            return None if is_right else f"every text must have at most {limit} characters, and no lone surrogates"
        case int() | float() | Decimal():
            return None if is_sendable(value) else "every number must be finite, and fit 64 bits"
        case _:
            return "every value must be text, a number or a boolean, and no list or object"


def _user_value_problem(value: object) -> str | None:
    if not isinstance(value, list | tuple):
        return value_problem(value)
    if len(value) > MAX_LIST:
        return f"every list must have at most {MAX_LIST} values"
    return next((problem for each in value if (problem := value_problem(each, MAX_LIST_VALUE))), None)


def _text_problem(value: object) -> str | None:
    return value_problem(value) if isinstance(value, str) else "every value must be text"


def _map_of(problem_of: Callable[[object], str | None]) -> Callable[[object], dict[str, object]]:
    """Return what checks a map of names to values; null, which says nothing, is left out."""

    def checked(given: object) -> dict[str, object]:
        if not isinstance(given, Mapping):
            raise broken("must be a map")
        entries = {name: _listed(value) for name, value in given.items() if value is not None}
        if len(entries) > MAX_ATTRIBUTES:
            raise broken(f"must have at most {MAX_ATTRIBUTES} entries")
        for name, value in entries.items():
            if problem := name_problem(name) or problem_of(value):
                raise broken(problem)
        return entries

    return checked


def _attribute_name(name: str) -> str:
    if problem := name_problem(name):
        raise broken(problem.replace("every name", "the name"))
    return name


Text = Annotated[str, AfterValidator(_text)]
NonBlank = Annotated[Text, AfterValidator(_not_blank)]
Name = Annotated[NonBlank, AfterValidator(limit(MAX_NAME))]
AttributeName = Annotated[str, AfterValidator(_attribute_name)]
Uuid = Annotated[str, AfterValidator(_uuid)]

Int = Annotated[int, PlainValidator(_int)]
Count = Annotated[int, PlainValidator(_count)]
Timestamp = Annotated[int, PlainValidator(_timestamp)]
Amount = Annotated[int | float | Decimal, PlainValidator(_amount)]

Identity = Annotated[Text | None, BeforeValidator(_identity)]
RawIdentity = Annotated[Text | None, BeforeValidator(_raw_identity)]
DeviceId = Annotated[Text | None, BeforeValidator(_given_id)]
AdvertisingId = Annotated[Text | None, BeforeValidator(_advertising_id)]
Mpid = Annotated[int | None, PlainValidator(_mpid)]
PublicIp = Annotated[Text | None, BeforeValidator(_public_ip)]

AttributeMap = Annotated[Attributes, PlainValidator(_map_of(value_problem))]
TextMap = Annotated[dict[str, str], PlainValidator(_map_of(_text_problem))]
UserAttributeMap = Annotated[UserAttributes, PlainValidator(_map_of(_user_value_problem))]

type ListOf[T] = Annotated[tuple[T, ...], BeforeValidator(_listed)]
type Word[E: StrEnum] = Annotated[E, Strict(False)]
type KnownWord[E: StrEnum] = Annotated[E, Strict(False), AfterValidator(_known)]


def _user_value(value: object) -> object:
    listed = _listed(value)
    if problem := _user_value_problem(listed):
        raise broken(problem.replace("every", "a"))
    return listed


UserAttributeValue = Annotated[Scalar | tuple[Scalar, ...], PlainValidator(_user_value)]
