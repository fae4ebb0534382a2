"""``POST /feed``: takes the partner's own events from a platform that can only send webhooks.

The body goes to the feed's queue as it came. It is read first, so that what can never be delivered is refused while its
sender is still there. Until the signature is verified nothing of the body is looked at but its size.
"""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.endpoint.errors import (
    FeedSecretUnavailableError,
    NoTokensError,
    RefusedRequestError,
    SignatureRefusedError,
)
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse
from mparticle_firehose.endpoint.responses import json_response
from mparticle_firehose.endpoint.secret_cache import Check, SecretCache
from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.queues.feed_messages import FeedMessage, feed_message
from mparticle_firehose.queues.sender import QueueMessage, QueueSender
from mparticle_firehose.queues.splitting import escaped, utf8_length
from mparticle_firehose.services import Telemetry

MAX_FEED_BYTES = 1_000_000
"""Of a body. SQS takes 1,048,576 bytes with the attributes."""

MAX_CLOCK_SKEW_SECONDS = 300
"""How far the time of a signature may be from now, in both directions. A request that is replayed later is refused."""

MAX_SECRETS = 5
"""Secrets that are valid at a time, and signatures of one request."""

MIN_SECRET_LENGTH = 32
"""Characters. A shorter text could be guessed from one signed request."""

_SIGNATURE_HEADER = "x-feed-signature"
_SIGNATURE = re.compile(rf"[ \t]*t=([0-9]{{1,12}})((?:,[ \t]?v1=[0-9A-Fa-f]{{64}}){{1,{MAX_SECRETS}}})[ \t]*")
_BYTE_ORDER_MARK = "\ufeff"
_BLANKS = " \t\r\n"


class _Signature(NamedTuple):
    """What the signature header says.

    Attributes:
        time: seconds since the epoch, as they were written.
        digests: one for each secret that the sender signs with.
    """

    time: str
    digests: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedWebhook:
    """Puts the events of signed requests on the feed's queue.

    Attributes:
        secrets: with which requests are signed.
        sender: puts messages on queues.
        queue_url: of the feed's queue.
        telemetry: counts the events.
        now: seconds since the epoch.
    """

    secrets: SecretCache
    sender: QueueSender
    queue_url: str
    telemetry: Telemetry
    now: Clock = field(default=time.time, repr=False)

    def accept(self, request: HttpRequest, deadline: Deadline) -> HttpResponse:
        """Answer 202 when SQS has taken the events.

        Args:
            request: a POST.
            deadline: for repetitions of the call to SQS.

        Raises:
            RefusedRequestError: 413, the body is too large; 401, the signature is missing, wrong or too old.
            FeedSecretUnavailableError: no signature can be verified.
            MalformedRequestError: the body is no message of the feed's queue.
            DeliveryError: SQS has not taken it.
        """
        _require_size(len(request.body))
        self._verify(request)
        text = _text(request.body)
        message = feed_message(text)
        self.sender.send(self.queue_url, [_queue_message(text, message)], deadline)
        self.telemetry.count("FeedEventsQueued", len(message.events))
        return json_response(202, json.dumps({"accepted": len(message.events)}))

    def _verify(self, request: HttpRequest) -> None:
        """Verify the signature. The body is hashed once for each known secret, and only if the time is acceptable."""
        signature = _signature(request.headers.get(_SIGNATURE_HEADER, ""))
        if abs(self.now() - int(signature.time)) > MAX_CLOCK_SKEW_SECONDS:
            raise SignatureRefusedError
        match self.secrets.check(partial(_fits, signature, request.body)):
            case Check.UNAVAILABLE:
                raise FeedSecretUnavailableError(self.secrets.problem)
            case Check.FAILED | Check.UNDECIDED:
                raise SignatureRefusedError


def feed_secrets(
    read: Callable[[], str], refresh_seconds: float, telemetry: Telemetry, clock: Clock = time.monotonic
) -> SecretCache:
    """Return the secrets in the text of a source.

    Args:
        read: reads the text; raises as `SecretCache.fetch` does.
        refresh_seconds: how old they may be.
        telemetry: reports that they could not be read again.
        clock: seconds that never go backwards.
    """
    return SecretCache(
        lambda: secrets_in(read()),
        refresh_seconds,
        report=lambda problem: telemetry.warn("feed secret not refreshed", {"reason": problem}),
        clock=clock,
    )


def secrets_in(text: str) -> tuple[bytes, ...]:
    """Return the secrets in the text of a source: one secret, or a JSON list of up to `MAX_SECRETS`.

    Raises:
        NoTokensError: it has another form; nothing of it is said.
    """
    secrets = _listed(text.removeprefix(_BYTE_ORDER_MARK).strip(_BLANKS))
    if not 0 < len(secrets) <= MAX_SECRETS:
        raise NoTokensError(f"the source must hold 1 to {MAX_SECRETS} secrets")
    if any(len(secret) < MIN_SECRET_LENGTH for secret in secrets):
        raise NoTokensError(f"a secret in the source is shorter than {MIN_SECRET_LENGTH} characters")
    if any(secret.split() != [secret] for secret in secrets):
        raise NoTokensError("a secret in the source holds a blank")
    try:
        return tuple(secret.encode() for secret in secrets)
    except UnicodeEncodeError:
        raise NoTokensError("a secret in the source has no UTF-8 form") from None


def _listed(text: str) -> list[str]:
    if text.startswith("{"):
        raise NoTokensError("the source must hold one secret or a JSON list of secrets, and no JSON object")
    if not text.startswith("["):
        return [text] if text else []
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        raise NoTokensError("the source starts like a JSON list and is none") from None
    if not all(isinstance(secret, str) for secret in listed):
        raise NoTokensError("an element of the source's JSON list is no text")
    return list(listed)


def _require_size(size: int) -> None:
    if size > MAX_FEED_BYTES:
        raise RefusedRequestError(413, "too_large")


def _signature(header: str) -> _Signature:
    match = _SIGNATURE.fullmatch(header)
    if not match:
        raise SignatureRefusedError
    _, *digests = match[2].split("v1=")
    return _Signature(match[1], [bytes.fromhex(digest.rstrip(", \t")) for digest in digests])


def _fits(signature: _Signature, body: bytes, secret: bytes) -> bool:
    """Return whether one of the signatures was made with this secret."""
    expected = hmac.new(secret, signature.time.encode() + b".", hashlib.sha256)
    expected.update(body)  # without a copy of it
    digest = expected.digest()
    matches = [hmac.compare_digest(digest, presented) for presented in signature.digests]
    return any(matches)


def _text(body: bytes) -> str:
    """Return the body as it was sent. Only the noncharacters that SQS refuses are escaped, if it has any."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedRequestError(("", "must be UTF-8 text")) from None
    return escaped(text)


def _queue_message(text: str, message: FeedMessage) -> QueueMessage:
    account_id = str(message.account_id)
    _require_size(utf8_length(text))  # it may have grown
    return QueueMessage(body=text, attributes={"message_type": "feed", "account_id": account_id}, tenant=account_id)
