"""Splits mParticle's own JSON into several messages. Unknown fields stay as they were."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mparticle_firehose.protocol import json_text
from mparticle_firehose.protocol.enums import MessageType

type Json = Mapping[str, Any]
"""A JSON object exactly as mParticle sent it. Only this package's splitting looks inside."""

MAX_ELEMENTS = 500
"""Profiles of one message: what the worker delivers in one invocation, also one by one."""

_CLOSING = "]}"
_NONCHARACTERS = ("\ufffe", "\uffff")
_AUDIENCES = "audiences"
_LISTS: Mapping[object, Collection[str]] = {
    MessageType.AUDIENCE_MEMBERSHIP_CHANGE_REQUEST: ("user_profiles",),
    MessageType.EVENT_PROCESSING_REQUEST: ("events", "system_notifications"),
}
"""The lists in which parts of a request differ."""


def encode(value: object) -> str:
    """Return compact JSON that SQS takes and that has a UTF-8 form: it refuses some characters, which are escaped.

    Every number has the literal that mParticle wrote.
    """
    return escaped(json_text(value))


def escaped(text: str) -> str:
    """Return JSON with the characters escaped that SQS refuses. JSON itself has no control characters in texts."""
    if text.isascii():
        return text
    for char in _NONCHARACTERS:
        text = text.replace(char, f"\\u{ord(char):04x}")
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate: its escape in Python is the same as in JSON.
        return text.encode(errors="backslashreplace").decode()
    return text


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

    Attributes:
        rest_bytes: what each copy has beside its elements.
    """

    def __init__(self, source: Json, key: str, budget: int) -> None:
        """Take the object to copy, the name of the list, and the bytes that a copy should have."""
        rest = encode({name: value for name, value in source.items() if name != key})
        self._opening = f'{rest[:-1]}{"," if len(rest) > len("{}") else ""}"{key}":['
        self.rest_bytes = utf8_length(self._opening) + len(_CLOSING)
        room = budget - self.rest_bytes
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


class PartEncoder:
    """Encodes parts of one request, one after another, as `encode` does.

    Parts of a request differ in the elements of its lists, and profiles in their audiences. What stays the same is
    encoded once, so that ten parts of a large request do not take ten times as long. It keeps the text of what the
    parts share of the latest request, and nothing of requests before.
    """

    def __init__(self) -> None:
        self._request = _Frame({}, ())
        self._profiles: dict[int, _Frame] = {}

    def encode(self, part: Json) -> str:
        """Return the text of a part, the same as that of `encode`."""
        frame = self._frame(part)
        return frame.around({name: self._list(name, part[name]) for name in frame.names})

    def shared_bytes(self, part: Json) -> int:
        """Return the bytes of what a part shares with all other parts of its request."""
        return self._frame(part).size

    def _frame(self, part: Json) -> "_Frame":
        if not self._request.fits(part):
            self._profiles.clear()
            self._request = _Frame(part, _LISTS.get(part.get("type"), ()))
        return self._request

    def _list(self, name: str, elements: object) -> str:
        if name != "user_profiles" or not isinstance(elements, list):
            return encode(elements)
        return f"[{','.join(self._profile(number, profile) for number, profile in enumerate(elements))}]"

    def _profile(self, number: int, profile: object) -> str:
        if profile == {}:  # in the place of each profile that is not in the part
            return "{}"
        if not (isinstance(profile, dict) and _AUDIENCES in profile):
            return encode(profile)
        frame = self._profiles.get(number)
        if frame is None or not frame.fits(profile):
            frame = self._profiles[number] = _Frame(profile, (_AUDIENCES,))
        return frame.around({_AUDIENCES: encode(profile[_AUDIENCES])})


class _Frame:
    """An object's text around the fields in which its copies differ.

    Attributes:
        names: of these fields, in their order.
        size: bytes of the text without them.
    """

    def __init__(self, source: Json, names: Collection[str]) -> None:
        self._source = source
        self.names = [name for name in source if name in names]
        self._pieces = [*self._runs()]
        self.size = sum(map(utf8_length, self._pieces))

    def _runs(self) -> Iterator[str]:
        """Yield the fields before, between and after the named ones as text, without the braces around them."""
        run: dict[str, Any] = {}
        for name, value in self._source.items():
            if name in self.names:
                yield encode(run)[1:-1]
                run = {}
            else:
                run[name] = value
        yield encode(run)[1:-1]

    def fits(self, other: Json) -> bool:
        """Return whether another object has the same fields around the named ones: the same objects, in this order."""
        return [*other] == [*self._source] and all(
            value is self._source[name] for name, value in other.items() if name not in self.names
        )

    def around(self, texts: Mapping[str, str]) -> str:
        """Return the text of the object with these texts as its named fields."""
        named = (f'"{name}":{texts[name]}' for name in self.names)
        fields = [self._pieces[0]]
        for field, run in zip(named, self._pieces[1:], strict=True):
            fields += [field, run]
        return f"{{{','.join(filter(None, fields))}}}"
