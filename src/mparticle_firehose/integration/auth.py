"""How a call shows the partner's API whose it is."""

import base64
import re
from dataclasses import dataclass, field
from typing import Protocol

from mparticle_firehose.errors import ConfigurationError

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_RESERVED = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "correlation-id",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "user-agent",
    }
)


class Auth(Protocol):
    """A value that becomes one HTTP header."""

    def header(self) -> tuple[str, str]:
        """Return the header's name and value. The value is a secret."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer <token>`` (RFC 6750).

    Attributes:
        token: printable ASCII without spaces. Never shown.
    """

    token: str = field(repr=False)

    def header(self) -> tuple[str, str]:
        """Return the ``Authorization`` header."""
        return "Authorization", f"Bearer {self.token}"


@dataclass(frozen=True, slots=True)
class Basic:
    """``Authorization: Basic <base64>`` (RFC 7617), in UTF-8.

    Attributes:
        username: without a colon. Never shown: some APIs put a key here.
        password: may be empty. Never shown.
    """

    username: str = field(repr=False)
    password: str = field(default="", repr=False)

    def header(self) -> tuple[str, str]:
        """Return the ``Authorization`` header."""
        pair = f"{self.username}:{self.password}".encode()
        return "Authorization", f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the partner's own, such as ``Api-Key: <key>``.

    Attributes:
        name: of the header.
        value: printable ASCII. Never shown.
    """

    name: str
    value: str = field(repr=False)

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            ConfigurationError: it is not the name of a header, or of one that the framework sets.
        """
        if not _HEADER_NAME.fullmatch(self.name) or self.name.lower() in _RESERVED:
            raise ConfigurationError(f"auth header {self.name!r}: must be a header that the framework does not set")

    def header(self) -> tuple[str, str]:
        """Return the header."""
        return self.name, self.value
