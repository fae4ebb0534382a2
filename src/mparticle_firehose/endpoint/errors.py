"""Why an HTTP request is turned away before anybody has read it as one of mParticle's messages."""

from collections.abc import Mapping

from mparticle_firehose.endpoint.http_event import NO_HEADERS
from mparticle_firehose.errors import FirehoseError


class TurnedAwayError(FirehoseError):
    """The request was not read as a message."""


class RefusedRequestError(TurnedAwayError):
    """It is none that mParticle would send: whoever sent it must change it.

    Attributes:
        status: the HTTP status that says so.
        code: the same in a word.
        headers: that belong to this status.
    """

    def __init__(self, status: int, code: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self.status = status
        self.code = code
        self.headers = headers
        super().__init__(code)


class UnknownTokenError(RefusedRequestError):
    """Its token is none of ours. mParticle does not repeat after 403: if it was mParticle, data are lost."""

    def __init__(self) -> None:
        super().__init__(403, "unknown_token")


class TokenNotKnownYetError(RefusedRequestError):
    """Its token is none that we know, but may be a new one, and its source is left alone for a moment.

    A stranger's, most likely, and so no failure of ours; if it was mParticle, it repeats after 429.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(429, "token_not_known_yet", {"Retry-After": str(seconds)})


class TokensUnavailableError(TurnedAwayError):
    """Nobody can be let in, because the tokens cannot be read or there are none; the message says why."""


class NoTokensError(TokensUnavailableError):
    """Their source can be asked, and has none that can be used: what it said before holds no longer."""
