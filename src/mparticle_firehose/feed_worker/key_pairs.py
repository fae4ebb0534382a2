"""Customers' key pairs: read when one is first needed, kept for a while, and read again when mParticle refuses one."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mparticle_firehose.config import SECRET_PREFIX
from mparticle_firehose.deadline import Clock
from mparticle_firehose.errors import ConfigurationError, FirehoseError, MalformedRequestError
from mparticle_firehose.feed.enums import Environment
from mparticle_firehose.feed.events_api import PARTNER_FEED_URL, FeedCredentials, usable_base_url
from mparticle_firehose.secret_source import (
    SecretGoneError,
    SecretSourceError,
    SecretSourceUnreachableError,
    parameter_text,
    secret_text,
)
from mparticle_firehose.services import Telemetry

MAX_OUTAGE_SECONDS = 3_600.0
"""How long a key pair stays in use after it should have been read again, if its source cannot be read."""

MISSING_SECONDS = 30.0
"""How long it is remembered that a customer has no key pair, or none that can be used."""

MIN_REREAD_SECONDS = 60.0
"""Between two reads for refused key pairs of one account."""

PAUSE_SECONDS = 5.0
"""Until a source that could not be read is read again: for the same account, and if it does not answer, for any."""

MAX_ACCOUNTS = 10_000
"""Accounts whose key pairs are kept. Beyond that the account that was not asked for longest is forgotten."""

_LONG_AGO = float("-inf")
_MAX_ACCOUNT_ID = 2**63 - 1
_BYTE_ORDER_MARK = "\ufeff"
_UNBOUND = ""
_PARTNER_FEED_PATH = urlsplit(PARTNER_FEED_URL).path

_RULES = {
    "missing": "is required",
    "extra_forbidden": "is no field of a key pair",
    "string_type": "must be text",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "enum": "must be production or development",
    "json_invalid": "must be a JSON object",
}


class KeyPairError(FirehoseError):
    """A customer's key pairs cannot be used or read: the customer's messages wait.

    The message names the field and the rule, or the error of the source, and no values.
    """


@dataclass(frozen=True, slots=True)
class KeyPair:
    """With what, and where, a customer's events are sent.

    Attributes:
        credentials: the key and the secret.
        environment: of the customer's data.
        base_url: of the Events API, without a slash at its end.
        is_partner_feed: whether it is a key pair of a partner's feed, to which stricter rules apply: see
            `mparticle_firehose.feed.rules.checked`.
    """

    credentials: FeedCredentials
    environment: Environment
    base_url: str
    is_partner_feed: bool

    @property
    def id(self) -> str:
        """A digest that identifies the key pair and the base URL. For memory only, and never logged."""
        parts = [self.base_url, self.credentials.key, self.credentials.secret]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class _StoredPair(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    key: str = Field(repr=False)
    secret: str = Field(repr=False)


class _Stored(BaseModel):
    """The JSON of an account. A key pair for all platforms may be missing if platforms have their own."""

    model_config = _StoredPair.model_config

    key: str | None = Field(None, repr=False)
    secret: str | None = Field(None, repr=False)
    environment: Environment
    base_url: str | None = None
    platforms: dict[str, _StoredPair] = Field(default_factory=dict, repr=False)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the fields together."""
        if (self.key is None) != (self.secret is None):
            yield f"{'key' if self.key is None else 'secret'}: is required"
        elif self.key is None and not self.platforms:
            yield "key: is required without platforms"
        if any(not name.strip() for name in self.platforms):
            yield "platforms: every name must not be blank"


_FIELDS = frozenset(_Stored.model_fields)


@dataclass(slots=True)
class _Known:
    """What is known of an account.

    Attributes:
        pairs: by platform, the one without a platform as ``""``. None are known, or there are none, if it is empty.
        problem: why none can be used; empty if some can, or if there are none.
        due_at: when the source is to be read.
        usable_until: how long the pairs are used if the source cannot be read.
        reread_at: when the source was last read for a refused pair.
    """

    pairs: Mapping[str, KeyPair] = field(default_factory=dict, repr=False)
    problem: str = ""
    due_at: float = _LONG_AGO
    usable_until: float = _LONG_AGO
    reread_at: float = _LONG_AGO

    def chosen(self, platform: str) -> KeyPair | None:
        """Return the platform's pair, else the one of all platforms, else the only one."""
        found = self.pairs.get(platform) or self.pairs.get(_UNBOUND)
        if found is None and len(self.pairs) == 1:
            (found,) = self.pairs.values()
        return found

    def has_other(self, platform: str, refused: KeyPair) -> bool:
        """Return whether there is a pair which is not the refused one."""
        found = self.chosen(platform)
        return found is not None and found.id != refused.id


@dataclass(slots=True, kw_only=True)
class KeyPairs:
    """The key pairs of all customers.

    Several threads may use it. One at a time reads the source; it takes as long as the client's timeouts allow.

    Attributes:
        client: of SSM or Secrets Manager, as boto3 has it.
        source: `FeedSettings.credentials`.
        refresh_seconds: how old a key pair may be.
        default_url: base URL for key pairs that name none.
        telemetry: reports that a key pair stays in use because it cannot be read again.
        clock: seconds that never go backwards.
    """

    client: Any = field(repr=False)
    source: str = field(repr=False)
    refresh_seconds: float
    default_url: str
    telemetry: Telemetry = field(repr=False)
    clock: Clock = field(default=time.monotonic, repr=False)
    _accounts: dict[int, _Known] = field(default_factory=dict, init=False, repr=False)
    _silent_until: float = field(default=_LONG_AGO, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the URL.

        Raises:
            ConfigurationError: it cannot be used.
        """
        self.default_url = usable_base_url(self.default_url)

    def pair(self, account_id: int, platform: str) -> KeyPair | None:
        """Return the key pair of an account for a platform; None if the account has none.

        It is the platform's own, else the one of all platforms, else the only one that there is.

        Args:
            account_id: of the customer.
            platform: such as ``ios``, or empty.

        Raises:
            MalformedRequestError: the account id is no whole number above zero.
            KeyPairError: what is stored cannot be used, or cannot be read and was not known an hour ago.
        """
        name = self._name(account_id)
        with self._lock:
            known = self._of(account_id)
            if self.clock() >= known.due_at:
                self._read(account_id, name, known)
            if known.problem:
                raise KeyPairError(known.problem)
            return known.chosen(platform)

    def reread(self, account_id: int, platform: str, refused: KeyPair) -> bool:
        """Read an account's key pairs again, because mParticle has refused one: it may have been replaced.

        They are read at most every MIN_REREAD_SECONDS, and not if others are known by now.

        Args:
            account_id: of the customer.
            platform: as for `pair`.
            refused: what `pair` has returned.

        Returns:
            Whether there is another key pair now, with which it can be tried at once.

        Raises:
            MalformedRequestError: the account id is no whole number above zero.
        """
        name = self._name(account_id)
        with self._lock:
            known = self._of(account_id)
            now = self.clock()
            if not known.has_other(platform, refused) and now >= known.reread_at + MIN_REREAD_SECONDS:
                known.reread_at = now
                self._read(account_id, name, known)
            return known.has_other(platform, refused)

    def forget(self) -> None:
        """Forget all key pairs: they may be too old."""
        with self._lock:
            self._accounts.clear()

    def _name(self, account_id: int) -> str:
        """Return what the account's parameter or secret is called. The id comes from a message that others write."""
        if not isinstance(account_id, int) or isinstance(account_id, bool) or not 0 < account_id <= _MAX_ACCOUNT_ID:
            raise MalformedRequestError(("account_id", "must be a whole number above zero"))
        return f"{self.source.removeprefix(SECRET_PREFIX)}/{account_id}"

    def _of(self, account_id: int) -> _Known:
        known = self._accounts.pop(account_id, None) or _Known()
        self._accounts[account_id] = known  # at the end, so that the first is the one not asked for longest
        if len(self._accounts) > MAX_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]
        return known

    def _read(self, account_id: int, name: str, known: _Known) -> None:
        now = self.clock()
        if now < self._silent_until:
            self._keep_last(known, "the source did not answer a moment ago")
            return
        try:
            pairs = _pairs_in(self._text(name), self.default_url)
        except SecretGoneError:
            self._replace(known, {}, MISSING_SECONDS)
        except SecretSourceError as error:
            if isinstance(error, SecretSourceUnreachableError):
                self._silent_until = self.clock() + PAUSE_SECONDS
            if self._keep_last(known, str(error)):
                self.telemetry.warn("key pair not refreshed", {"account_id": account_id, "reason": str(error)})
        except KeyPairError as error:
            self._replace(known, {}, MISSING_SECONDS, str(error))
        else:
            self._replace(known, pairs, self.refresh_seconds)

    def _replace(self, known: _Known, pairs: Mapping[str, KeyPair], seconds: float, problem: str = "") -> None:
        known.pairs, known.problem = pairs, problem
        known.due_at = self.clock() + seconds
        known.usable_until = known.due_at + MAX_OUTAGE_SECONDS

    def _keep_last(self, known: _Known, problem: str) -> bool:
        """Go on with the last pairs. Return whether there are any that may be used still."""
        now = self.clock()
        is_usable = bool(known.pairs) and now < known.usable_until
        known.due_at = min(now + PAUSE_SECONDS, known.usable_until) if is_usable else now + PAUSE_SECONDS
        if not is_usable:
            known.pairs, known.problem = {}, problem
        return is_usable

    def _text(self, name: str) -> str:
        is_secret = self.source.startswith(SECRET_PREFIX)
        return (secret_text if is_secret else parameter_text)(self.client, name)


def _pairs_in(text: str, default_url: str) -> dict[str, KeyPair]:
    """Return the pairs in an account's JSON by platform.

    Raises:
        KeyPairError: it breaks a rule.
    """
    try:
        stored = _Stored.model_validate_json(text.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as error:
        raise KeyPairError("; ".join(_problems(error))) from None
    if problems := "; ".join(stored.problems()):
        raise KeyPairError(problems)
    try:
        return dict(_pairs(stored, default_url))
    except ConfigurationError as error:
        raise KeyPairError(str(error)) from None


def _pairs(stored: _Stored, default_url: str) -> Iterator[tuple[str, KeyPair]]:
    base_url = default_url if stored.base_url is None else usable_base_url(stored.base_url)
    is_partner_feed = urlsplit(base_url).path == _PARTNER_FEED_PATH
    if stored.key is not None and stored.secret is not None:
        credentials = FeedCredentials(stored.key, stored.secret)
        yield _UNBOUND, KeyPair(credentials, stored.environment, base_url, is_partner_feed)
    for platform, pair in stored.platforms.items():
        credentials = _of_platform(pair)
        yield platform, KeyPair(credentials, stored.environment, base_url, is_partner_feed)


def _of_platform(pair: _StoredPair) -> FeedCredentials:
    try:
        return FeedCredentials(pair.key, pair.secret)
    except ConfigurationError as error:
        raise ConfigurationError(f"platforms.*: {error}") from None


def _problems(error: ValidationError) -> Iterator[str]:
    """Yield path and rule of each problem. A name that is no field's may be a secret in the wrong place."""
    for details in error.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join(str(step) if step in _FIELDS else "*" for step in details["loc"])
        rule = _RULES.get(details["type"], "is not valid")
        yield f"{path}: {rule}" if path else rule
