"""Splits mParticle's own JSON into several messages. Unknown fields stay as they were."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mparticle_firehose.protocol import json_text

type Json = Mapping[str, Any]
"""A JSON object exactly as mParticle sent it. Only this package's splitting looks inside."""

MAX_ELEMENTS = 500
"""Profiles of one message: what the worker delivers in one invocation, also one by one."""

_CLOSING = "]}"
_NONCHARACTERS = ("\ufffe", "\uffff")
_REFUSED_BY_SQS = re.compile("[\ud800-\udfff\ufffe\uffff]")


def encode(value: object) -> str:
    """Return compact JSON that SQS takes and that has a UTF-8 form: it refuses some characters, which are escaped.

    Every number has the literal that mParticle wrote.
    """
    return escaped(json_text(value))


def escaped(text: str) -> str:
    """Return JSON with the characters escaped that SQS refuses. A text without any is returned as it is."""
    return text if _is_taken(text) else _REFUSED_BY_SQS.sub(_escape, text)


def _is_taken(text: str) -> bool:
    """Return whether SQS takes the text. JSON escapes control characters already."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return not any(char in text for char in _NONCHARACTERS)


def _escape(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"


def utf8_length(text: str) -> int:
    """Return the bytes that a text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def present(source: Json, key: str) -> list[Any]:
    """Return the elements of a list in the source as the models number them, that is without nulls.

    What should be a list and is none has no elements.
    """
    elements = source.get(key)
    return [element for element in elements if element is not None] if isinstance(elements, list) else []


def subset(source: Json, items: Collection[tuple[str, int]], lists: Collection[str]) -> Json:
    """Return the object with only these elements in its lists.

    Args:
        source: the object to copy.
        items: the elements to keep: a list's name and an index as present() numbers it.
        lists: the lists that lose all other elements.
    """
    return {**source, **{name: _kept(source, name, items) for name in lists if name in source}}


def _kept(source: Json, name: str, items: Collection[tuple[str, int]]) -> list[Any]:
    elements = present(source, name)
    return [elements[index] for of, index in sorted(items) if of == name]


class Splitter:
    """Makes copies of an object that differ in one list only.

    Each is within a number of bytes, unless a single element is larger, or the rest of the object is larger than half
    of it: many copies of a large object would be larger than the object.
    """

    def __init__(self, source: Json, key: str, budget: int) -> None:
        """Take the object to copy, the name of the list, and the bytes that a copy should have."""
        rest = encode({name: value for name, value in source.items() if name != key})
        self._opening = f'{rest[:-1]}{"," if len(rest) > len("{}") else ""}"{key}":['
        room = budget - utf8_length(self._opening) - len(_CLOSING)
        self._room = room if room > budget // 2 else math.inf

    def chunks(self, elements: Iterable[str]) -> Iterator[list[str]]:
        """Split encoded elements, in order, into the fewest chunks that fit a copy each; at least one chunk.

        A chunk has at most MAX_ELEMENTS. An element that does not fit is a chunk of its own.
        """
        chunk: list[str] = []
        free = self._room
        for element in elements:
            size = utf8_length(element)
            if chunk and (size > free or len(chunk) == MAX_ELEMENTS):
                yield chunk
                chunk, free = [], self._room
            chunk.append(element)
            free -= size + len(",")
        yield chunk

    def copy(self, chunk: Sequence[str]) -> str:
        """Return the object with this chunk of encoded elements as its list."""
        return self._opening + ",".join(chunk) + _CLOSING
