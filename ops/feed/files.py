"""Reads files of the partner's events: a message of the feed's queue, a list of events, or JSON lines."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from mparticle_firehose.errors import MalformedRequestError

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class EventFile:
    """The partner's events in a file.

    Attributes:
        name: of the file, to be shown.
        account_id: whose events they are; None if the file does not say.
        events: each with its position, from 1: in JSON lines the number of the line, otherwise the place in the list.
            Never shown.
    """

    name: str
    account_id: int | None
    events: Sequence[tuple[int, object]] = field(repr=False)


def read_file(path: str) -> EventFile:
    """Read a file, or standard input if the path is a hyphen.

    Raises:
        MalformedRequestError: naming the file and the rule that its content breaks.
    """
    name = "standard input" if path == STANDARD_INPUT else Path(path).name
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError:
        raise MalformedRequestError((name, "cannot be read")) from None
    try:
        return events_in(name, content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise MalformedRequestError((name, "must be UTF-8")) from None


def events_in(name: str, text: str) -> EventFile:
    """Return the events in the text of a file.

    Raises:
        MalformedRequestError: as for `read_file`.
    """
    account_id: int | None = None
    try:
        content = _json(text)
    except ValueError:
        events = _lines(name, text)
    else:
        if isinstance(content, dict) and "events" in content:
            account_id, events = _message(name, content)
        else:
            events = _listed(name, content)
    if not events:
        raise MalformedRequestError((name, "must have an event"))
    return EventFile(name, account_id, events)


def _message(name: str, content: Mapping[str, object]) -> tuple[int, list[tuple[int, object]]]:
    account_id = content.get("account_id")
    if not isinstance(account_id, int) or isinstance(account_id, bool) or account_id < 1:
        raise MalformedRequestError((f"{name}: account_id", "must be a whole number, 1 or more"))
    if not isinstance(content["events"], list):
        raise MalformedRequestError((f"{name}: events", "must be a list"))
    return account_id, [*enumerate(content["events"], start=1)]


def _listed(name: str, content: object) -> list[tuple[int, object]]:
    if not isinstance(content, list | dict):
        raise MalformedRequestError((name, "must be a message, a list of events or JSON lines"))
    return [*enumerate(content if isinstance(content, list) else [content], start=1)]


def _lines(name: str, text: str) -> list[tuple[int, object]]:
    events: list[tuple[int, object]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            events += [(number, _json(line))] if line.strip() else []
        except ValueError:
            problem = f"line {number} is not JSON" if events else "must be JSON, or JSON lines"
            raise MalformedRequestError((name, problem)) from None
    return events


def _json(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none, or one that is nested too deeply.
    """
    try:
        content: object = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return content


def _refuse(_: str) -> NoReturn:
    raise ValueError("no part of JSON")
