"""What one reading of a message counts: values that it does not recognise, and what would exceed its time and memory.

A `Reading` is the context of a pydantic validation. Without one, as when a response is read, nothing is counted.
"""

from collections import Counter
from dataclasses import dataclass, field

from pydantic_core import CoreSchema
from pydantic_core.core_schema import ValidationInfo, with_info_before_validator_function

MAX_FIELDS, MAX_ELEMENTS = 20_000, 100_000
"""Fields that cannot be read, and elements of lists: with more, a message is unreadable as a whole.

Each field costs up to 1.7 KB while the message is read, and a message of 6 MB may have two million of them. Elements
are counted where each costs a model or a call of Python. Texts in a list cost neither.
"""

_CONTAINERS = (list, dict)

TOO_MANY_FIELDS = f"more than {MAX_FIELDS} fields cannot be read"
TOO_MANY_ELEMENTS = f"with this list or map there are more than {MAX_ELEMENTS} elements"


class TooMuchError(Exception):
    """A message has more than can be read; reading it was given up.

    Attributes:
        problem: the field, empty for the whole message, and what is wrong with it.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}" if field else rule)
        self.problem = (field, rule)


@dataclass(slots=True)
class Reading:
    """What has been counted so far.

    Attributes:
        unrecognized: values that this version does not recognise, by kind.
        elements: of lists and maps whose elements are objects that may be empty.
        slow_elements: elements of other lists and maps that cost a call of Python each: identities that are null or
            incomplete, and what is no text where a text should be.
        odd_fields: fields and elements that cannot be read; an object that one of them is in does not count as well.
    """

    unrecognized: Counter[str] = field(default_factory=Counter)
    elements: int = 0
    slow_elements: int = 0
    odd_fields: int = 0


def count_unrecognized(context: object, kind: str) -> None:
    """Count a value that this version does not recognise."""
    if isinstance(context, Reading):
        context.unrecognized[kind] += 1


def count_odd_field(context: object) -> None:
    """Count a field, or an element of a list or map, that cannot be read.

    Raises:
        TooMuchError: there are too many.
    """
    if isinstance(context, Reading):
        context.odd_fields += 1
        if context.odd_fields > MAX_FIELDS:
            raise TooMuchError("", TOO_MANY_FIELDS)


def count_slow_element(info: ValidationInfo) -> None:
    """Count an element of a list or map that costs a call of Python.

    Raises:
        TooMuchError: there are too many.
    """
    if isinstance(info.context, Reading):
        info.context.slow_elements += 1
        if info.context.slow_elements > MAX_ELEMENTS:
            raise TooMuchError(info.field_name or "", TOO_MANY_ELEMENTS)


def counted(container: CoreSchema) -> CoreSchema:
    """A list or map whose elements are counted before they are read."""
    return with_info_before_validator_function(_count_elements, container)


def _count_elements(value: object, info: ValidationInfo) -> object:
    reading = info.context
    if isinstance(reading, Reading) and isinstance(value, _CONTAINERS):
        reading.elements += len(value)
        if reading.elements > MAX_ELEMENTS:
            raise TooMuchError(info.field_name or "", TOO_MANY_ELEMENTS)
    return value
