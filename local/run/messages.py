"""The requests to send, as files, in an order in which mParticle could have sent them."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from local.isolation import LocalCloudError
from mparticle_firehose.protocol import REQUEST_MODELS

_ORDER = (
    ("module_registration_request", None),
    ("audience_subscription_request", "add"),
    ("audience_membership_change_request", None),
    ("event_processing_request", None),
    ("audience_subscription_request", "update"),
    ("dsr_processing_request", None),
    ("audience_subscription_request", "remove"),
)


@dataclass(frozen=True)
class Message:
    """One request of mParticle's.

    Attributes:
        name: of its file.
        payload: its bytes, sent as they are.
        content: the JSON object in them.
    """

    name: str
    payload: bytes
    content: dict[str, object]

    @classmethod
    def read(cls, name: str, payload: bytes) -> Self:
        """Read one message.

        Raises:
            LocalCloudError: it is not a JSON object, which is all that Lambda passes on. No content is quoted.
        """
        try:
            content = json.loads(payload.decode())
        except UnicodeDecodeError:
            raise LocalCloudError(f"{name} is not JSON: it is not in UTF-8") from None
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise LocalCloudError(f"{name} is not JSON: {place}: {error.msg}") from None  # the message quotes nothing
        except RecursionError:
            raise LocalCloudError(f"{name} is not a message: it is nested too deeply") from None
        if not isinstance(content, dict):
            raise LocalCloudError(f"{name} is not a JSON object")
        return cls(name, payload, content)

    @property
    def kind(self) -> str:
        """The message's type on the wire; empty when it has none."""
        return str(self.content.get("type") or "")

    @property
    def removes_audience(self) -> bool:
        """Whether it ends a subscription."""
        return (self.kind, self.content.get("action")) == _ORDER[-1]


def messages_in(folder: Path) -> list[Message]:
    """Read every JSON file of a folder, from the registration to the end of a subscription.

    Raises:
        LocalCloudError: one cannot be read.
    """
    messages = [_from_file(path) for path in sorted(folder.glob("*.json"))]
    return sorted(messages, key=_position)


def message_from(source: str) -> Message:
    """Read one message from a file, or from standard input when the source is ``-``.

    Raises:
        LocalCloudError: it cannot be read, or its type is none of mParticle's.
    """
    if source == "-":
        return _of_mparticle("standard input", Message.read("standard input", sys.stdin.buffer.read()))
    return _of_mparticle(source, _from_file(Path(source)))


def _from_file(path: Path) -> Message:
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise LocalCloudError(f"{path} cannot be read: {error.strerror}") from None
    return replace(Message.read(str(path), payload), name=path.stem)


def _of_mparticle(source: str, message: Message) -> Message:
    if message.kind not in REQUEST_MODELS:
        raise LocalCloudError(f"{source}: type must be one of {', '.join(REQUEST_MODELS)}")
    return message


def _position(message: Message) -> int:
    """Return the position of a message by its type and action. Other types come before the end of the subscription."""
    key = (message.kind, message.content.get("action"))
    exact = (index for index, place in enumerate(_ORDER) if place in {key, (message.kind, None)})
    return next(exact, len(_ORDER) - 2)
