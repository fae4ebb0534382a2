"""Why an HTTP request is turned away before anybody has read it as one of mParticle's messages."""

from collections.abc import Mapping
from types import MappingProxyType

from mparticle_firehose.errors import FirehoseError

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class TurnedAwayError(FirehoseError):
    """The request was not read as a message."""


class RefusedRequestError(TurnedAwayError):
    """It is none that mParticle would send: whoever sent it must change it.

    Attributes:
        status: the HTTP status that says so.
        code: the same in a word.
        headers: that belong to this status.
    """

    def __init__(self, status: int, code: str, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        self.status = status
        self.code = code
        self.headers = headers
        super().__init__(code)


class UnknownTokenError(RefusedRequestError):
    """Its token is none of ours. mParticle does not repeat after 403: if it was mParticle, data are lost."""

    def __init__(self) -> None:
        super().__init__(403, "unknown_token")


class TokensUnavailableError(TurnedAwayError):
    """Nobody can be let in, because the tokens cannot be read or there are none; the message says why."""
