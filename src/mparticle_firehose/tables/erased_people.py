"""People whose data was erased, for a while: a feed must not bring them back to mParticle.

The ledger has a keyed hash of each of their identities, and no identity. The key is a random secret of the deployment,
so that nobody who reads the table alone can try addresses out.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.repeating import Repeating
from mparticle_firehose.secret_source import SecretSourceError, parameter_text, secret_text
from mparticle_firehose.tables.entries import REPEATING, Entries
from mparticle_firehose.tables.ledger import COMES_BACK_SECONDS

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient

    from mparticle_firehose.tables.entries import Entry

ERASED_SECONDS = COMES_BACK_SECONDS + 12 * 86_400
"""How long it is remembered that a person was erased: longer than their events can come back, also from the archive."""

MIN_KEY_LENGTH = 32
"""Characters of the secret."""

PAUSE_SECONDS = 5.0
"""Between two reads of a secret that cannot be read."""

type Identity = tuple[str, str]
"""The name of a field of the Events API, such as ``customer_id`` or ``ios_advertising_id``, and the value."""

_CASELESS = frozenset(
    {
        "email",
        "android_uuid",
        "android_advertising_id",
        "ios_advertising_id",
        "ios_idfv",
        "roku_advertising_id",
        "roku_publisher_id",
        "fire_advertising_id",
        "microsoft_advertising_id",
        "microsoft_publisher_id",
    }
)
_PHONE_NUMBERS = frozenset({"mobile_number", "phone_number_2", "phone_number_3"})
_LONG_AGO = float("-inf")


@dataclass(slots=True)
class ErasureKey:
    """Reads the key of the hashes when it is first needed, and keeps it.

    It must never change: with another key nobody who was erased before is recognised. So it is not read again.

    Attributes:
        client: of Secrets Manager or SSM, as boto3 has it.
        source: FEED_ERASURE_KEY_SOURCE.
        clock: seconds that never go backwards.
    """

    client: Any = field(repr=False)
    source: str = field(repr=False)
    clock: Clock = field(default=time.monotonic, repr=False)
    _key: bytes = field(default=b"", init=False, repr=False)
    _problem: str = field(default="", init=False)
    _asked_at: float = field(default=_LONG_AGO, init=False)

    def __call__(self) -> bytes:
        """Return the key.

        It takes as long as the client's timeouts allow if the source must be read.

        Raises:
            DeliveryError: it cannot be read, or is too short. For PAUSE_SECONDS it is not read again then.
        """
        if not self._key and self.clock() >= self._asked_at + PAUSE_SECONDS:
            self._asked_at = self.clock()
            self._read()
        if not self._key:
            raise DeliveryError(f"FEED_ERASURE_KEY_SOURCE: {self._problem}")
        return self._key

    def _read(self) -> None:
        read = parameter_text if self.source.startswith("/") else secret_text
        try:
            text = read(self.client, self.source).strip()
        except SecretSourceError as error:
            self._problem = str(error)
            return
        if len(text) < MIN_KEY_LENGTH:
            self._problem = f"the secret must have at least {MIN_KEY_LENGTH} characters"
            return
        self._key = text.encode("utf-8", "surrogatepass")


class ErasedPeople:
    """The identities of erased people, by account, in entries of the ledger's table.

    Addresses and ids of devices are compared without upper and lower case, telephone numbers by their digits, all other
    identities as they are; spaces around them do not count.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        key: Callable[[], bytes],
        clock: Clock = time.time,
        repeating: Repeating = REPEATING,
    ) -> None:
        """Take the ledger.

        Args:
            dynamodb: the client.
            table: the ledger's name.
            key: returns the key of the hashes, such as an `ErasureKey`, or raises DeliveryError.
            clock: seconds since the epoch.
            repeating: the pauses before a call is repeated.
        """
        self._entries = Entries(dynamodb, table, repeating)
        self._key = key
        self._clock = clock

    def note(self, account_id: int, identities: Iterable[Identity], deadline: Deadline) -> None:
        """Remember the identities of one erased person for ERASED_SECONDS.

        Args:
            account_id: of the customer whose user it was.
            identities: of the person. None stores nothing.
            deadline: after which no call is begun.

        Raises:
            DeliveryError: they are not all stored, or there is no key.
        """
        expiry = str(int(self._clock()) + ERASED_SECONDS)
        entries: list[Entry] = [
            {"key": {"S": key}, "expires_at": {"N": expiry}} for key in self._keys(account_id, identities)
        ]
        missing = self._entries.write(entries, deadline)
        for failure in missing.values():
            raise DeliveryError(failure)

    def among[T: Hashable](self, people: Mapping[T, tuple[int, Iterable[Identity]]], deadline: Deadline) -> set[T]:
        """Return which of these people have an identity of an erased person of the same account.

        Args:
            people: the account's id and the identities of each.
            deadline: after which no call is begun. A hundred identities take one call.

        Raises:
            DeliveryError: the table cannot be read, or there is no key.
        """
        keys = {name: self._keys(account_id, identities) for name, (account_id, identities) in people.items()}
        found = self._entries.read((key for each in keys.values() for key in each), deadline)
        now = self._clock()
        erased = {key for key, entry in found.items() if float(entry["expires_at"]["N"]) > now}
        return {name for name, each in keys.items() if not erased.isdisjoint(each)}

    def _keys(self, account_id: int, identities: Iterable[Identity]) -> list[str]:
        """Return the keys of the entries of different identities."""
        texts = {json.dumps([account_id, name, _normalised(name, value)]): None for name, value in identities}
        if not texts:
            return []
        key = self._key()
        return [f"erased#{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}" for text in texts]


def _normalised(name: str, value: str) -> str:
    """Return a value as it is compared."""
    value = value.strip()
    if name in _CASELESS:
        return value.lower()
    if name in _PHONE_NUMBERS:
        return "".join(filter(str.isdecimal, value)) or value
    return value
