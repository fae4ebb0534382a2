"""mParticle's Events API: which batches are taken, dropped, refused and throttled, for each key."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.mparticle.batches import MAX_BATCH_BYTES, Batch, broken_rule, event_count, historical_rule, is_too_old
from local.mparticle.token_bucket import TokenBucket
from local.partner.contract import ContractError, SecurityScheme
from local.partner.listener import ReceivedRequest, Reply

MAX_REQUEST_BYTES = 256_000
"""256 KB. Whether a KB has 1000 or 1024 bytes is not documented; this is the smaller one."""

MAX_BATCHES = 100
MAX_EVENTS = 100
"""Of a bulk request. The documentation limits batches in one place and events in another; more events are recorded."""

PARTNER_FEED_BASE = "/s2s/v2"
POD_BASE = "/v2"

_SINGLE, _BULK, _HISTORICAL = "/events", "/bulkevents", "/bulkevents/historical"
_PATHS = {base + path: path for base in (PARTNER_FEED_BASE, POD_BASE) for path in (_SINGLE, _BULK, _HISTORICAL)}
_BASIC = SecurityScheme("Authorization", "Basic")


class Upload(NamedTuple):
    """A request that is not refused as a whole.

    Attributes:
        key: whose it is.
        path: below the base.
        is_partner_feed: whether it came to the host of partner feeds.
        batches: its batches; those of a bulk request may be invalid.
    """

    key: str
    path: str
    is_partner_feed: bool
    batches: list[Any]


@dataclass(frozen=True)
class Dropped:
    """A batch that mParticle has answered with 202 and has not taken.

    Attributes:
        key: who sent it.
        rule: why it was dropped; no values.
        batch: what was sent. Never shown.
    """

    key: str
    rule: str
    batch: object = field(repr=False)


@dataclass
class FakeEvents:
    """The Events API with what it has taken.

    Attributes:
        keys: the secrets by API key; change it to rotate one. Never shown.
        clock: seconds since the epoch: for rate limits and the age of events.
        batches_per_second: of each key.
        with_retry_after: whether a 429 says how long to wait.
        partner_identity: the name of the partner's own type of identity; no other is accepted. Empty accepts all.
        dropped: what was silently dropped, in order.
        repeats: how many batches were dropped because they had been taken before.
        throttled: how many requests were answered with 429.
    """

    keys: dict[str, str] = field(default_factory=dict, repr=False)
    clock: Callable[[], float] = time.time
    batches_per_second: float = 270
    with_retry_after: bool = True
    partner_identity: str = ""
    dropped: list[Dropped] = field(default_factory=list)
    repeats: int = 0
    throttled: int = 0
    _taken: defaultdict[str, list[Batch]] = field(default_factory=lambda: defaultdict(list), repr=False)
    _known: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)
    _buckets: dict[str, TokenBucket] = field(default_factory=dict, repr=False)
    _poisoned: set[str] = field(default_factory=set, repr=False)

    def taken(self, key: str) -> tuple[Batch, ...]:
        """Return the batches of a key that were taken, in order."""
        return tuple(self._taken[key])

    def poison(self, source_request_id: str) -> None:
        """Answer 400 to every request that holds the batch with this id, as to one that mParticle cannot read."""
        self._poisoned.add(source_request_id)

    def check(self, request: ReceivedRequest) -> Upload:
        """Return what is uploaded.

        Raises:
            ContractError: the request is refused as a whole.
        """
        path = _checked_path(request)
        key = self._checked_key(request.headers)
        body = _checked_body(request)
        is_partner_feed = request.path.startswith(PARTNER_FEED_BASE)
        if path != _SINGLE:
            return self._unpoisoned(Upload(key, path, is_partner_feed, _checked_bulk(body)))
        if rule := self._rule(body, is_partner_feed=is_partner_feed):
            raise ContractError(400, rule)
        return self._unpoisoned(Upload(key, path, is_partner_feed, [body]))

    def carry_out(self, upload: Upload, record: Callable[[str], None]) -> Reply:
        """Take the valid batches of a request, unless its key is over its rate limit.

        Args:
            upload: the request.
            record: takes the rules that it breaks although it is not refused.
        """
        bucket = self._buckets.setdefault(upload.key, TokenBucket(self.batches_per_second, self.clock))
        if wait := bucket.take(len(upload.batches)):
            self.throttled += 1
            after = {"Retry-After": str(math.ceil(wait))} if self.with_retry_after else {}
            return Reply(429, headers={"X-mp-rate-limit-exceeded": "feed", **after})
        for rule in self._noted(upload):
            record(rule)
        for batch in upload.batches:
            self._take(upload, batch, record)
        return Reply(202, headers={"X-mp-rate-limit-percentage-used": str(bucket.percentage_used)})

    def _checked_key(self, headers: Mapping[str, str]) -> str:
        key, _, secret = _BASIC.credentials(headers).partition(":")
        if self.keys.get(key) != secret:
            raise ContractError(403, "Authorization: is not valid")
        return key

    def _unpoisoned(self, upload: Upload) -> Upload:
        if any(
            isinstance(batch, dict) and batch.get("source_request_id") in self._poisoned for batch in upload.batches
        ):
            raise ContractError(400, "body: cannot be read")
        return upload

    def _rule(self, batch: object, *, is_partner_feed: bool) -> str:
        """Return the first rule that a batch breaks; empty if it is valid."""
        if rule := broken_rule(batch):
            return rule
        assert isinstance(batch, dict)  # noqa: S101 - anything else has broken a rule already
        if is_partner_feed and "consent_state" in batch:
            return "consent_state: is not supported for partner feeds"
        if self.partner_identity and set(batch.get("partner_identities", {})) - {self.partner_identity}:
            return "partner_identities: must hold the partner's registered type only"
        if len(_compact(batch)) > MAX_BATCH_BYTES:
            return f"body: a batch must have at most {MAX_BATCH_BYTES} bytes"
        return ""

    def _noted(self, upload: Upload) -> Iterator[str]:
        if upload.path != _SINGLE and sum(map(event_count, upload.batches)) > MAX_EVENTS:
            yield f"body: a bulk request should have at most {MAX_EVENTS} events"

    def _take(self, upload: Upload, batch: Any, record: Callable[[str], None]) -> None:
        now_ms = int(self.clock() * 1000)
        rule = self._rule(batch, is_partner_feed=upload.is_partner_feed)
        if not rule and upload.path == _HISTORICAL:
            rule = historical_rule(batch, now_ms)
        if rule:
            self.dropped.append(Dropped(upload.key, rule, batch))
        elif not self._is_repeated(upload.key, batch, record):
            self._taken[upload.key].append(batch)
            if upload.path != _HISTORICAL and is_too_old(batch, now_ms):
                record("timestamp_unixtime_ms: events older than 30 days belong to bulkevents/historical")

    def _is_repeated(self, key: str, batch: Batch, record: Callable[[str], None]) -> bool:
        """Return whether a batch with this id was taken from this key, in which case it is dropped."""
        request_id = batch.get("source_request_id")
        if request_id is None:
            return False
        content = _compact(batch)
        earlier = self._known.setdefault((key, request_id), content)
        if earlier is content:
            return False
        if earlier == content:
            self.repeats += 1
        else:
            rule = "source_request_id: belongs to a batch with other content"
            record(rule)
            self.dropped.append(Dropped(key, rule, batch))
        return True


def _checked_path(request: ReceivedRequest) -> str:
    path = _PATHS.get(request.path)
    if path is None:
        raise ContractError(404, "path: is not part of the API")
    if request.method != "POST":
        raise ContractError(405, "method: must be POST")
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise ContractError(400, "body: Content-Type must be application/json")
    return path


def _checked_body(request: ReceivedRequest) -> object:
    """Return the JSON of a body. Python's own reader would take NaN and other encodings than UTF-8 too."""
    if len(request.content) > MAX_REQUEST_BYTES:
        raise ContractError(413, f"body: must have at most {MAX_REQUEST_BYTES} bytes")
    try:
        body: object = json.loads(request.content.decode(), parse_constant=_refuse_constant)
    except ValueError:
        raise ContractError(400, "body: must be JSON") from None
    return body


def _refuse_constant(_: str) -> object:
    raise ValueError("no part of JSON")


def _checked_bulk(body: object) -> list[Any]:
    if not isinstance(body, list) or not body:
        raise ContractError(400, "body: must be a list of batches")
    if len(body) > MAX_BATCHES:
        raise ContractError(400, f"body: must have at most {MAX_BATCHES} batches")
    return body


def _compact(batch: Batch) -> bytes:
    text = json.dumps(batch, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode(errors="surrogatepass")
