"""What is around the worker in random histories, in memory: SQS, DynamoDB, a clock, and a partner.

Time passes only when the history says so, nothing runs side by side, and whatever fails is drawn beforehand.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from botocore.exceptions import ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Outcome,
    PartnerCall,
    Retry,
)
from mparticle_firehose.partner_api.encoding import Label, encode
from mparticle_firehose.queues.record import Record
from tests.conftest import Clock, TelemetryDouble
from tests.worker.history_integration import LIMITS, Mappings

SECONDS = 60.0
HIDDEN_SECONDS = 360.0
DEDUPLICATED_SECONDS = 300.0
RECALLED = ("attempts#", "contested#", "tracked#")


class KilledError(BaseException):
    """The environment is gone."""


@dataclass
class Stored:
    """A message in a queue."""

    id: str
    body: str
    attributes: Mapping[str, str]
    group: str | None
    sequence: int
    sent_at: float
    visible_at: float
    queue: str = ""
    receives: int = 0

    @property
    def record(self) -> Record:
        attributes = {"ApproximateReceiveCount": str(self.receives), "SentTimestamp": str(int(self.sent_at * 1000))}
        if self.group:
            attributes |= {"MessageGroupId": self.group, "SequenceNumber": str(self.sequence)}
        told = {name: {"stringValue": value, "dataType": "String"} for name, value in self.attributes.items()}
        return Record.from_event(
            {
                "messageId": self.id,
                "receiptHandle": self.id,
                "eventSourceARN": f"arn:aws:sqs:us-east-1:1:{self.queue}",
                "body": self.body,
                "attributes": attributes,
                "messageAttributes": told,
            }
        )


@dataclass
class Disturbances:
    """What goes wrong in one invocation.

    Attributes:
        calls: how many partner calls there is time for.
        dies_at: the step, a request to AWS or to the partner or its answer, at which the environment dies.
        failing: what of AWS fails: ``recall``, ``write``, ``letters``, ``remember`` (progress alone) or ``erased``.
    """

    calls: int = 1 << 30
    dies_at: int = 1 << 30
    failing: str = ""


@dataclass
class World:
    """Queues, tables, a clock and a partner. It is the SQS client and the DynamoDB client as well.

    Attributes:
        faults: what the partner's next calls meet with.
        dead: keys that the partner refuses.
        accepted: uids in the order in which the partner has taken them, each with the number of its call.
        asked: the uids of each call.
        taken: the same uids.
        refused: uids that the partner has refused by name.
        members: what each user of each list did last, in the partner's opinion.
        states: the state of each user that it has taken last.
        is_healthy: whether the partner has stopped to postpone items.
        is_disturbed: whether something has happened after which items may be asked again.
    """

    faults: list[str] = field(default_factory=list)
    dead: frozenset[str] = frozenset()
    mapping: Mappings = field(default_factory=Mappings)
    clock: Clock = field(default_factory=lambda: Clock(1_760_000_000.0))
    now: Disturbances = field(default_factory=Disturbances)
    queues: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    table: dict[str, dict[str, Any]] = field(default_factory=dict)
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)
    accepted: list[tuple[int, str]] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    members: dict[tuple[str, str], str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    replies: dict[str, Answer] = field(default_factory=dict)
    is_disturbed: bool = False
    is_healthy: bool = False
    _steps: int = 0
    _ids: int = 0
    _seen: dict[str, float] = field(default_factory=dict)
    _deadline: Deadline = field(default_factory=lambda: Deadline.after(0))

    def step(self) -> None:
        self._steps += 1
        if self._steps > self.now.dies_at:
            self.is_disturbed = True
            raise KilledError

    def begin(self, disturbances: Disturbances) -> Deadline:
        self.now, self._steps = disturbances, 0
        self._deadline = Deadline.after(SECONDS, self.clock)
        return self._deadline

    # --- SQS

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803  as SQS calls them
        self.step()
        if self.now.failing == "letters" and "dlq" in QueueUrl:
            self.is_disturbed = True
            raise ClientError({}, "SendMessageBatch")
        for entry in Entries:
            attributes = {name: each["StringValue"] for name, each in entry.get("MessageAttributes", {}).items()}
            assert len(attributes) <= 10
            self.send(QueueUrl, entry["MessageBody"], attributes, entry.get("MessageGroupId"), entry)
        self.step()
        return {}

    def send(self, queue: str, body: str, attributes: Mapping[str, str], group: str | None, entry: Any) -> None:
        self._ids += 1
        if token := entry.get("MessageDeduplicationId"):
            if self._seen.get(f"{queue} {token}", 0.0) > self.clock() - DEDUPLICATED_SECONDS:
                return
            self._seen[f"{queue} {token}"] = self.clock()
        now = self.clock()
        group = group if queue.endswith(".fifo") else None  # a tenant, which implies no order
        visible_at = now + entry.get("DelaySeconds", 0)
        stored = Stored(f"m{self._ids}", body, attributes, group, self._ids, now, visible_at, queue)
        self.queues[queue].append(stored)

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        self.step()
        stored = {message.id: message for message in self.queues[QueueUrl]}
        for entry in Entries:
            assert 0 <= entry["VisibilityTimeout"] <= 43_200
            stored[entry["ReceiptHandle"]].visible_at = self.clock() + entry["VisibilityTimeout"]
        return {}

    def receive(self, queue: str, count: int) -> list[Stored]:
        found: list[Stored] = []
        blocked: set[str | None] = set()
        for message in self.queues[queue]:
            if message.group in blocked or len(found) == count:
                continue
            if message.visible_at > self.clock():
                blocked |= {message.group} - {None}
                continue
            found.append(message)
        for message in found:
            message.receives += 1
            message.visible_at = self.clock() + HIDDEN_SECONDS
        return found

    # --- DynamoDB

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        self.step()
        ((name, request),) = RequestItems.items()
        keys = [value["S"] for each in request["Keys"] for value in each.values()]  # no suspension is kept
        assert len(set(keys)) == len(keys) <= 100
        if self.now.failing == "recall" and any(
            key.startswith(("attempts#", "contested#", "tracked#")) for key in keys
        ):
            raise ClientError({}, "BatchGetItem")
        if self.now.failing == "erased" and any(key.startswith("erased#") for key in keys):
            raise ClientError({}, "BatchGetItem")
        return {"Responses": {name: [self.table[key] for key in keys if key in self.table]}, "UnprocessedKeys": {}}

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        self.step()
        if self.now.failing == "write":
            self.is_disturbed = True
            raise ClientError({}, "BatchWriteItem")
        (requests,) = RequestItems.values()
        keys = {each["PutRequest"]["Item"]["key"]["S"] for each in requests}
        if self.now.failing == "remember" and any(key.startswith("attempts#") for key in keys):
            raise ClientError({}, "BatchWriteItem")
        assert len(keys) == len(requests) <= 25
        for each in requests:
            item = each["PutRequest"]["Item"]
            self.table[item["key"]["S"]] = item
        self.step()
        return {"UnprocessedItems": {}}

    def get_item(self, **_: Any) -> Any:
        return {}

    def put_item(self, **_: Any) -> None:
        self.step()

    def delete_item(self, **_: Any) -> None:
        self.step()

    # --- the partner

    def ask(self, call: PartnerCall, deadline: Deadline, *, identity: str, correlation_id: str) -> Answer | Outcome:
        self.step()
        if not self.now.calls or deadline.remaining() <= 0:
            self.clock.now = max(self.clock.now, self._deadline.at)
            return Retry("out_of_time", 0)
        self.now.calls -= 1
        self.clock.now += 0.1
        request = encode(call, str, Label(identity, correlation_id))
        items = json.loads(request.body or b"")["items"]
        self._check(call.path[1:], items, len(request.body or b""))
        answer = self._answer(
            call, items, request.headers["Idempotency-Key"], self.faults.pop(0) if self.faults else ""
        )
        self.step()
        return answer

    def _check(self, name: str, items: list[Any], size: int) -> None:
        limits = LIMITS[name]
        assert 0 < len(items) <= limits.max_items
        assert size <= limits.max_bytes
        assert all(count == 1 for count in Counter(item["user"] for item in items if "user" in item).values())
        uids = [item["uid"] for item in items]
        self.asked.append(uids)
        if not self.is_disturbed:
            assert not self.refused & set(uids), "an item that is refused is asked again"
            twice = {uid for uid in self.taken & set(uids) if not uid.startswith("shared")}
            assert not twice, "an item that is delivered is asked again"

    def _answer(self, call: PartnerCall, items: list[Any], key: str, fault: str) -> Answer | Outcome:
        token = str(cast("Bearer", call.auth).token)
        if token in self.dead:
            return Answer(status=401)
        if fault.isdecimal():
            if fault == "404":
                self.refused |= {item["uid"] for item in items}
            return Answer(status=int(fault), headers={"retry-after": "5"} if fault == "429" else {})
        if fault == "lost before":
            return Retry("read_timeout")
        answer = self.replies.get(f"{token} {key}")
        if answer is None:
            answer = self._process(call, items)
            if answer.status == 200:
                self.replies[f"{token} {key}"] = answer
        if fault == "lost after":
            self.is_disturbed = True
            return Retry("read_timeout")
        return answer

    def _process(self, call: PartnerCall, items: list[Any]) -> Answer:
        name = call.path[1:]
        said = self._said(name, items)
        if said is None:
            return self._refuse_whole(name, items)
        taken = [item for index, item in enumerate(items) if index not in said]
        if name != "look":
            self._take(taken)
        return Answer(status=207 if said else 200, body={"said": said})

    def _said(self, name: str, items: list[Any]) -> dict[int, str] | None:
        """Return what is wrong with which item; None if the whole call is refused without saying why."""
        kinds = [item["kind"] for item in items if name != "look" or item["kind"] != "pair"]
        wrong = {index: word for index, item in enumerate(items) if (word := self._wrong(item, index, kinds))}
        if name == "strict" and "bad" in wrong.values():
            wrong = {index: "bad" if wrong.get(index) == "bad" else "zero" for index in range(len(items))}
        if wrong and name not in {"bulk", "strict", "look"}:
            return None
        self.refused |= {items[index]["uid"] for index, word in wrong.items() if word == "bad"}
        return wrong

    def _wrong(self, item: Any, index: int, kinds: list[str]) -> str:
        kind, uid = item["kind"], item["uid"]
        if kind == "pair":
            return "alone" if kinds.count("pair") > 1 else ""
        if kind.startswith("flaky"):
            self.times[uid] += 1
            if self.is_healthy:
                return ""
            return ("wait" if index % 2 else "flaky") if self.times[uid] <= int(kind[5:]) else ""
        return "bad" if kind in {"bad", "big"} else ""

    def _refuse_whole(self, name: str, items: list[Any]) -> Answer:
        kinds = Counter(item["kind"] for item in items)
        if not {"big", "bad"} & set(kinds) and kinds["pair"] < 2:
            return Answer(status=503)
        if len(items) == 1:
            self.refused.add(items[0]["uid"])
        return Answer(status=413 if kinds["big"] else 409 if name == "put" else 400)

    def _take(self, items: list[Any]) -> None:
        for item in items:
            self.accepted.append((len(self.asked), item["uid"]))
            self.taken.add(item["uid"])
            if "state_of" in item:
                self.states[item["state_of"]] = item["uid"]
            if "user" in item and item["action"] != "attribute_update":
                self.members[item["list"], item["user"]] = item["action"]
