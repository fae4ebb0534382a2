"""Why an HTTP request is refused before it has been read as a message."""

from collections.abc import Mapping

from mparticle_firehose.endpoint.http_event import NO_HEADERS
from mparticle_firehose.errors import FirehoseError


class UnreadRequestError(FirehoseError):
    """The request was not read as a message."""


class RefusedRequestError(UnreadRequestError):
    """mParticle would not send such a request: its sender must change it.

    Attributes:
        status: the HTTP status of the response.
        code: the reason in a word.
        headers: further headers of the response.
    """

    def __init__(self, status: int, code: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self.status = status
        self.code = code
        self.headers = headers
        super().__init__(code)


class UnknownTokenError(RefusedRequestError):
    """The token is wrong. mParticle does not repeat after 403: if mParticle sent it, data are lost."""

    def __init__(self) -> None:
        super().__init__(403, "unknown_token")


class TokenNotKnownYetError(RefusedRequestError):
    """The token is unknown but may be a new one, and the tokens were read too recently to read them again.

    Most likely a stranger sent it, so that it does not count as a failure. mParticle repeats after 429.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(429, "token_not_known_yet", {"Retry-After": str(seconds)})


class SignatureRefusedError(RefusedRequestError):
    """The signature of a webhook is missing, wrong or too old. The answer does not say which."""

    def __init__(self) -> None:
        super().__init__(401, "signature_refused", {"WWW-Authenticate": "Signature"})


class FeedSecretUnavailableError(UnreadRequestError):
    """No webhook can be verified, because the secret cannot be read or there is none; the message says why."""


class TokensUnavailableError(UnreadRequestError):
    """No request can be authorized, because the tokens cannot be read or there are none; the message says why.

    A source of the feed's secrets raises it too: see `secret_cache`.
    """


class NoTokensError(TokensUnavailableError):
    """The source was read and holds nothing usable: what was read before is no longer valid."""
