"""mParticle's Events API: batches in, outcomes out.

It needs neither AWS nor environment variables: a script can use it as well as a Lambda function.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from mparticle_firehose.config import PLAINTEXT_HOSTS
from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.errors import ConfigurationError, FeedError
from mparticle_firehose.feed.answers import RateLimit, outcome_of, rate_limit_of
from mparticle_firehose.feed.batch import Batch
from mparticle_firehose.feed.encoding import EncodedBatch, array, encode
from mparticle_firehose.feed.rules import Route, checked
from mparticle_firehose.feed.uploads import BatchOutcome, settle
from mparticle_firehose.integration import Answer, Outcome, Rejected, Retry
from mparticle_firehose.integration.auth import basic_credentials
from mparticle_firehose.partner_api.call_threads import CallThreads
from mparticle_firehose.partner_api.encoding import EncodedRequest
from mparticle_firehose.partner_api.sites import Site
from mparticle_firehose.partner_api.transport import (
    UNSENT,
    FaultError,
    OutOfTimeError,
    Transfer,
    Transport,
)

PARTNER_FEED_URL = "https://inbound.mparticle.com/s2s/v2"
"""Base URL for the keys of a partner's feed, in every pod."""

CALL_SECONDS = 10.0
"""Longest time of one request."""

type Pause = Callable[[int, Deadline], None]
"""Waits before a further request of an upload, see `EventsApi`."""

_SITE = "events_api"
_SINGLE = "/events"


class Pod(StrEnum):
    """Base URLs for the keys of custom feeds and platforms: mParticle says in which pod a customer is."""

    US1 = "https://s2s.us1.mparticle.com/v2"
    US2 = "https://s2s.us2.mparticle.com/v2"
    EU1 = "https://s2s.eu1.mparticle.com/v2"
    AU1 = "https://s2s.au1.mparticle.com/v2"


@dataclass(frozen=True, slots=True)
class FeedCredentials:
    """The key and the secret of a customer's feed.

    Attributes:
        key: without a colon. Never shown.
        secret: never shown.
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Check that HTTP can carry them.

        Raises:
            ConfigurationError: it cannot.
        """
        for name, text in (("key", self.key), ("secret", self.secret)):
            if not text or not text.isprintable() or text != text.strip():
                raise ConfigurationError(f"feed {name}: must be printable text without spaces at its ends")
        if ":" in self.key:
            raise ConfigurationError("feed key: must have no colon, which ends the key in Basic authentication")


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload came to.

    Attributes:
        outcomes: of each batch, in the order of the batches. Delivered means that mParticle has taken the request: it
            may still have dropped a batch of a bulk request, which nothing tells. The reason of a Rejected whose batch
            was not sent names field and rule. A Retry says how long mParticle asks to wait; else the wait is the
            caller's choice, best exponential with full jitter.
        rate_limit: what mParticle said of its limits: the newest use, and the limit that was exceeded.
        statuses: of each request that was made, in order; None if there was no usable answer.
    """

    outcomes: tuple[BatchOutcome, ...]
    rate_limit: RateLimit
    statuses: tuple[int | None, ...]

    @property
    def outcome(self) -> BatchOutcome:
        """The outcome of the only batch."""
        (only,) = self.outcomes
        return only


class Connections:
    """The connections to one base URL, which the clients of several feeds may share. Several threads may use it."""

    def __init__(self, base_url: str, clock: Clock = time.time) -> None:
        """Take the URL as `EventsApi` does, and seconds since the epoch. It is connected with the first request.

        Raises:
            ConfigurationError: the URL cannot be used.
        """
        self._transport = Transport({_SITE: Site(usable_base_url(base_url))}, clock)
        self._threads = CallThreads("events-api")

    def prepare(self) -> None:
        """Build everything before the first request, without connecting."""
        self._transport.prepare()

    def hang_up(self) -> None:
        """Shut every connection down; the next request connects anew."""
        self._transport.hang_up()

    def ask(self, path: str, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> Answer | Retry:
        """Make one request and return its answer, at the latest when the deadline has passed.

        A thread makes it, because socket timeouts do not cover all that can take long.
        """
        transfer = Transfer(deadline)
        request = EncodedRequest("POST", path, headers, body)
        try:
            return self._threads.run(lambda: self._transport.send(_SITE, request, transfer), transfer)
        except OutOfTimeError:
            return UNSENT
        except FaultError as error:
            return Retry(error.fault.value)
        except TimeoutError:
            return transfer.give_up()


class EventsApi:
    """Sends batches with the credentials of one feed. Several threads may use it.

    Whatever mParticle or the network do is an outcome; nothing is raised for it. No request is repeated.
    """

    def __init__(
        self,
        base_url: str | Connections,
        credentials: FeedCredentials,
        *,
        partner_feed: bool = True,
        partner_identity: str | None = None,
        clock: Clock = time.time,
        pause: Pause = lambda _batches, _deadline: None,
    ) -> None:
        """Take what tells this feed from others. It is connected with its first request.

        Args:
            base_url: PARTNER_FEED_URL, a `Pod`, or another up to and with ``/v2``. https only, except on this machine.
                Or connections to it.
            credentials: of the feed.
            partner_feed: whether they are those of a partner's feed, see `checked`.
            partner_identity: the type of the partner's identity, as it is registered.
            clock: seconds since the epoch.
            pause: called before each further request of an upload, such as those of a request that is halved, with its
                number of batches and the deadline. It may wait.

        Raises:
            ConfigurationError: the URL cannot be used.
        """
        self._pause = pause
        self._partner_feed = partner_feed
        self._partner_identity = partner_identity
        self._clock = clock
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Basic {basic_credentials(credentials.key, credentials.secret)}",
            "Content-Type": "application/json",
            "User-Agent": "mparticle-firehose",
        }
        self._connections = base_url if isinstance(base_url, Connections) else Connections(base_url, clock)

    def upload_events(self, batch: Batch, deadline: Deadline | None = None) -> Upload:
        """Send one batch. This is the only way on which mParticle tells that it refuses a batch.

        Args:
            batch: with no event older than 30 days.
            deadline: no byte is written after it.
        """
        return self._upload([batch], Route.NORMAL, deadline, is_single=True)

    def bulk_upload_events(self, batches: Sequence[Batch], deadline: Deadline | None = None) -> Upload:
        """Send batches in requests that keep to mParticle's limits.

        Args:
            batches: with no event older than 30 days. None makes no request.
            deadline: no byte is written after it; what is not sent then is a Retry.
        """
        return self._upload(batches, Route.NORMAL, deadline)

    def bulk_upload_historical_events(self, batches: Sequence[Batch], deadline: Deadline | None = None) -> Upload:
        """Send batches of which each event is 72 hours old or older. Customers' outputs do not get them.

        Args:
            batches: each with an event. None makes no request.
            deadline: as for other bulk uploads.
        """
        return self._upload(batches, Route.HISTORICAL, deadline)

    def _upload(
        self, batches: Sequence[Batch], route: Route, deadline: Deadline | None, *, is_single: bool = False
    ) -> Upload:
        encoded = [self._encoded(batch, route) for batch in batches]
        sendable = [each for each in encoded if isinstance(each, EncodedBatch)]
        path = _SINGLE if is_single else route
        requests = _Requests(self._connections, self._headers, path, deadline, self._pause)
        settled = iter(settle(sendable, requests.send))
        outcomes = tuple(each if isinstance(each, Rejected) else next(settled) for each in encoded)
        return Upload(outcomes, requests.rate_limit, tuple(requests.statuses))

    def _encoded(self, batch: Batch, route: Route) -> EncodedBatch | Rejected:
        try:
            encoded = encode(batch)  # which also checks that the fields have the types that the next rules rely on
            ready = checked(
                batch,
                now_ms=int(self._clock() * 1000),
                route=route,
                partner_feed=self._partner_feed,
                partner_identity=self._partner_identity,
            )
            return encoded if ready is batch else encode(ready)
        except FeedError as error:
            return Rejected(str(error))


class _Requests:
    """The requests of one upload, and what mParticle has said in them of its limits."""

    def __init__(
        self,
        connections: Connections,
        headers: Mapping[str, str],
        path: str,
        deadline: Deadline | None,
        pause: Pause,
    ) -> None:
        self._pause = pause
        self._connections = connections
        self._headers = headers
        self._path = path
        self._deadline = deadline
        self.rate_limit = RateLimit()
        self.statuses: list[int | None] = []

    def send(self, batches: Sequence[EncodedBatch]) -> Outcome:
        body = batches[0].body if self._path == _SINGLE else array(batches)
        if self.statuses:
            self._pause(len(batches), self._deadline or Deadline.after(CALL_SECONDS))
        deadline = self._deadline.within(CALL_SECONDS) if self._deadline else Deadline.after(CALL_SECONDS)
        answer = self._connections.ask(self._path, self._headers, body, deadline)
        if answer is not UNSENT:
            self.statuses.append(answer.status if isinstance(answer, Answer) else None)
        if not isinstance(answer, Answer):
            return answer
        told = rate_limit_of(answer)
        used = self.rate_limit.percentage_used if told.percentage_used is None else told.percentage_used
        self.rate_limit = RateLimit(used, told.exceeded or self.rate_limit.exceeded)
        return outcome_of(answer)


def usable_base_url(url: str) -> str:
    """Return a base URL without a slash at its end.

    Raises:
        ConfigurationError: it cannot be used; the message names the rule, and not the URL.
    """
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    if not is_complete or url != url.strip():
        raise ConfigurationError("base_url: must be an absolute URL")
    if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in PLAINTEXT_HOSTS):
        raise ConfigurationError("base_url: must start with https:// (http:// only for this machine itself)")
    if parts.query or parts.fragment or "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigurationError("base_url: must have no query, fragment or credentials")
    path = parts.path.rstrip("/")
    if path.endswith((_SINGLE, *Route)):
        raise ConfigurationError(f"base_url: must end before {_SINGLE} or {Route.NORMAL}")
    return f"{parts.scheme}://{parts.netloc}{path}"
