"""SQS and S3 in memory, whose caller can be killed before or after any call."""

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError


class Killed(BaseException):
    """The process ends, without any further call."""


@dataclass
class CloudInMemory:
    """One dead-letter queue, one queue that letters are sent back to, and one bucket.

    Attributes:
        kill_at: the number of the call that ends the process, counted from 0.
        after: whether that call still takes effect.
        calls: how many calls were made.
    """

    kill_at: int | None = None
    after: bool = False
    calls: int = 0
    killed: bool = False
    letters: dict[str, Any] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    sent: list[Any] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)

    def restart(self, kill_at: int | None = None, *, after: bool = False) -> None:
        """Start another process, after all visibility timeouts have ended."""
        self.kill_at, self.after, self.calls, self.killed = kill_at, after, 0, False
        self.hidden.clear()

    def put(self, message_id: str, sent_at: int, **attributes: object) -> None:
        """Put a letter on the dead-letter queue."""
        self.letters[message_id] = {
            "MessageId": message_id,
            "Body": f'{{"letter":"{message_id}"}}',
            "Attributes": {"SentTimestamp": str(sent_at)},
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": str(value)} for name, value in attributes.items()
            },
        }

    def __getattr__(self, name: str) -> Any:
        act = object.__getattribute__(self, f"do_{name}")

        def call(**arguments: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if self.killed or (number == self.kill_at and not self.after):
                self.killed = True
                raise Killed
            result = act(**arguments)
            if number == self.kill_at:
                self.killed = True
                raise Killed
            return result

        return call

    # --- SQS ---------------------------------------------------------------------------------------------------------

    def do_receive_message(self, **_: Any) -> Any:
        found = [name for name in self.letters if name not in self.hidden][:10]
        self.hidden |= set(found)
        return {"Messages": [{**self.letters[name], "ReceiptHandle": name} for name in found]}

    def do_delete_message_batch(self, *, Entries: list[Any], **_: Any) -> Any:  # noqa: N803  boto3's names
        for entry in Entries:
            self.letters.pop(entry["ReceiptHandle"], None)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def do_change_message_visibility_batch(self, *, Entries: list[Any], **_: Any) -> Any:  # noqa: N803
        self.hidden -= {entry["ReceiptHandle"] for entry in Entries}
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def do_send_message_batch(self, *, Entries: list[Any], **_: Any) -> Any:  # noqa: N803
        self.sent += Entries
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    # --- S3 ----------------------------------------------------------------------------------------------------------

    def do_put_object(self, *, Key: str, Body: bytes, IfMatch: str | None = None, **_: Any) -> None:  # noqa: N803
        if IfMatch is not None and IfMatch != self._version(Key):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.objects[Key] = Body

    def do_get_object(self, *, Key: str, **_: Any) -> Any:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": self._version(Key)}

    def do_delete_object(self, *, Key: str, **_: Any) -> None:  # noqa: N803
        self.objects.pop(Key, None)

    def do_list_objects_v2(self, *, Prefix: str, **_: Any) -> Any:  # noqa: N803
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        return {"Contents": [{"Key": key, "Size": len(self.objects[key])} for key in keys], "IsTruncated": False}

    def _version(self, key: str) -> str:
        return str(hash(self.objects.get(key)))

    # --- what a test looks at ----------------------------------------------------------------------------------------

    @property
    def deliveries(self) -> Counter[str]:
        """How often each letter was sent back, by its body."""
        return Counter(entry["MessageBody"] for entry in self.sent)
