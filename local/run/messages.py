"""The messages to send, as files, in an order in which mParticle could have sent them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local.isolation import LocalCloudError
from partner.audiences import PARTNER_AUDIENCE_ID

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
        name: of its file, for people.
        payload: its bytes, sent exactly as they are.
        content: the JSON object in them.
    """

    name: str
    payload: bytes
    content: dict[str, object]

    @classmethod
    def read(cls, name: str, payload: bytes) -> Self:
        """Read one message.

        Raises:
            LocalCloudError: it is no JSON object, so that there is nothing Lambda could pass on.
        """
        try:
            content = json.loads(payload)
        except ValueError as error:
            raise LocalCloudError(f"{name} is not JSON: {error}") from None
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

    def partner_call(self) -> tuple[str, str] | None:
        """Return method and start of the path of the call the partner must get, or None if it need not get any."""
        match self.kind:
            case "event_processing_request" if self.content.get("events"):
                return "POST", "/v1/events"
            case "audience_membership_change_request" if self._changes_memberships():
                return "POST", "/v1/audiences/"
            case "audience_subscription_request":
                return self._subscription_call()
            case "dsr_processing_request":
                return "POST", "/v1/erasures"
        return None

    def _subscription_call(self) -> tuple[str, str] | None:
        """Without the partner's id, which only the answer to the first request holds, there is nothing to change."""
        settings = self.content.get("audience_subscription_settings")
        is_known = isinstance(settings, dict) and bool(settings.get(PARTNER_AUDIENCE_ID))
        match self.content.get("action"):
            case "update" if is_known:
                return "PATCH", "/v1/audiences/"
            case "remove":
                return ("DELETE", "/v1/audiences/") if is_known else None
            case "add" | "update":
                return "POST", "/v1/audiences"
        return None

    def _changes_memberships(self) -> bool:
        profiles = self.content.get("user_profiles")
        return isinstance(profiles, list) and any(
            isinstance(profile, dict) and profile.get("audiences") for profile in profiles
        )


def messages_in(folder: Path) -> list[Message]:
    """Read every JSON file of a folder, sorted into the order of a customer's life with the integration."""
    messages = [Message.read(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return sorted(messages, key=_position)


def message_from(source: str) -> Message:
    """Read one message from a file, or from standard input when the source is ``-``.

    Raises:
        LocalCloudError: it cannot be read.
    """
    if source == "-":
        return Message.read("standard input", sys.stdin.buffer.read())
    try:
        return Message.read(Path(source).stem, Path(source).read_bytes())
    except OSError as error:
        raise LocalCloudError(f"{source} cannot be read: {error.strerror}") from None


def _position(message: Message) -> int:
    """Place a message by its type and action; what is not listed comes before the end of the subscription."""
    key = (message.kind, message.content.get("action"))
    exact = (index for index, place in enumerate(_ORDER) if place in {key, (message.kind, None)})
    return next(exact, len(_ORDER) - 2)
