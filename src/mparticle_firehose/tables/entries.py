"""Reads and writes entries of a DynamoDB table in batches, and repeats what DynamoDB leaves undone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import batched, islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.repeating import Repeating, may_pass
from mparticle_firehose.services import OUT_OF_TIME

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    type Entry = Mapping[str, AttributeValueTypeDef]

MAX_TRIES = 5
_MAX_READS, _MAX_WRITES = 100, 25  # of one call
_REFUSED = "the ledger refuses an entry"
REPEATING = Repeating(first=0.1, cap=1.0)


class Entries:
    """The entries of one table, by their ``key``.

    What DynamoDB leaves undone, throttles, or does not answer is tried again after a random wait that grows, at most
    five times. Once a batch has failed, the ones after it are tried once. Nothing is begun after the deadline.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, repeating: Repeating = REPEATING) -> None:
        """Take the table's name, and the pauses before something is tried again."""
        self._dynamodb = dynamodb
        self._table = table
        self._repeating = repeating

    def read(self, keys: Iterable[str], deadline: Deadline) -> "dict[str, Entry]":
        """Return entries by key, strongly consistent; what does not exist is left out.

        Raises:
            DeliveryError: they could not be read.
        """
        found: dict[str, Entry] = {}

        def get(left: Sequence[Any]) -> Sequence[Any]:
            answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": left, "ConsistentRead": True}})
            found.update((item["key"]["S"], item) for item in answer["Responses"].get(self._table, []))
            unread: Any = answer["UnprocessedKeys"].get(self._table, {})
            return list(unread.get("Keys", ()))

        for some in batched(dict.fromkeys(keys), _MAX_READS, strict=False):
            _, failure = self._repeated(get, [{"key": {"S": key}} for key in some], deadline)
            if failure:
                raise DeliveryError(failure)
        return found

    def write(self, entries: "Iterable[Entry]", deadline: Deadline) -> dict[str, str]:
        """Write entries of different keys. Return the keys of those that are not stored, each with the reason.

        DynamoDB refuses a whole batch for one entry that breaks a rule of its own. Then each is written by itself.
        """

        def put(left: Sequence[Any]) -> Sequence[Any]:
            answer = self._dynamodb.batch_write_item(RequestItems={self._table: left})
            undone: Any = answer["UnprocessedItems"].get(self._table, ())
            return list(undone)

        missing: dict[str, str] = {}
        for some in batched(entries, _MAX_WRITES, strict=False):
            requests = [{"PutRequest": {"Item": entry}} for entry in some]
            left, failure = self._repeated(put, requests, deadline, tries=1 if missing else MAX_TRIES)
            if failure == _REFUSED and len(left) > 1:
                for request in left:
                    missing |= self.write([request["PutRequest"]["Item"]], deadline)
                continue
            missing |= {request["PutRequest"]["Item"]["key"]["S"]: failure for request in left}
        return missing

    def _repeated(
        self,
        act: Callable[[Sequence[Any]], Sequence[Any]],
        left: Sequence[Any],
        deadline: Deadline,
        tries: int = MAX_TRIES,
    ) -> tuple[Sequence[Any], str]:
        """Act until nothing is left. Return what is left, and why."""
        failure = OUT_OF_TIME
        if deadline.remaining() <= 0:
            return left, failure
        for _ in islice(self._repeating.tries(deadline), tries):
            try:
                left = act(left)
            except (BotoCoreError, ClientError) as error:
                failure = _REFUSED if _is_refused(error) else f"the ledger cannot be used: {type(error).__name__}"
                if not may_pass(error):
                    break
            else:
                failure = "the ledger is overloaded" if left else ""
            if not failure:
                break
        return left, failure


def _is_refused(error: BotoCoreError | ClientError) -> bool:
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "ValidationException"
