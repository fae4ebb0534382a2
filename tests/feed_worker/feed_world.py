"""What is around the feed's worker in memory: SQS, DynamoDB, SSM, a clock, and a fake mParticle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message as Headers
from typing import Any, cast, override

from botocore.exceptions import ClientError

from local.mparticle.events_api import FakeEvents
from local.partner.contract import ContractError
from local.partner.listener import ReceivedRequest
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.feed import Feed
from mparticle_firehose.feed.events_api import Connections, EventsApi
from mparticle_firehose.feed_worker.key_pairs import KeyPair, KeyPairs
from mparticle_firehose.feed_worker.pace import Paces
from mparticle_firehose.feed_worker.sending import Sending
from mparticle_firehose.feed_worker.worker import FeedWorker
from mparticle_firehose.integration import Answer, Retry
from mparticle_firehose.partner_api.circuit_breaker import CircuitBreaker
from mparticle_firehose.partner_api.rate_limits import RateLimits
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.source_queues import OneQueue
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.tables.erased_people import ErasedPeople
from mparticle_firehose.tables.ledger import Ledger
from tests.sample.partner.feed import FEED
from tests.worker.history_world import Disturbances, KilledError, Stored, World

type Json = dict[str, Any]

URL = "https://mparticle.example/s2s/v2"
PREFIX = "/feed"
QUEUE, DLQ = "feed", "feed-dlq"
FEED_NAME = "Sample"
NOT_TAKEN, TAKEN = "lost before", "lost after"
KEY = b"a key of the deployment, for hashes"


@dataclass
class FeedWorld(World):
    """The world with mParticle and the customers' key pairs.

    Attributes:
        mparticle: what takes the events.
        parameters: what is stored of each customer.
        requests: the body of each request that mParticle got, with its key.
        faults: what mParticle's next answers are: a status, NOT_TAKEN or TAKEN.
        violations: rules that requests have broken.
        retry_after: how long a 429 among the faults asks to wait; empty if it does not say.
    """

    mparticle: FakeEvents = field(default_factory=FakeEvents)
    parameters: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    sleeps: bool = True
    seconds_a_request: float = 0.1
    retry_after: str = "5"

    def __post_init__(self) -> None:
        self.mparticle.clock = self.clock

    def customer(self, account_id: int, key: str, **fields: object) -> None:
        """Give a customer a key pair."""
        self.mparticle.keys[key] = f"{key}-secret"
        stored = {"key": key, "secret": f"{key}-secret", "environment": "development", **fields}
        self.parameters[f"{PREFIX}/{account_id}"] = json.dumps(stored)

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> Any:  # noqa: N803  as SSM calls them
        assert WithDecryption
        if Name not in self.parameters:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        return {"Parameter": {"Value": self.parameters[Name]}}

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds * self.sleeps

    def upload(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer | Retry:
        """Take a request, unless the next fault says otherwise."""
        self.step()
        self.clock.now += self.seconds_a_request
        self.requests.append((headers["Authorization"], body))
        fault = self.faults.pop(0) if self.faults else ""
        if fault == NOT_TAKEN:
            return Retry("reset")
        if fault.isdecimal():
            return Answer(status=int(fault), headers={"retry-after": self.retry_after} if fault == "429" else {})
        answer = self._answer_to(path, headers, body)
        self.step()
        return Retry("read_timeout") if fault == TAKEN else answer

    def _answer_to(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        told = Headers()
        for name, value in headers.items():
            told[name] = value
        request = ReceivedRequest("POST", f"/s2s/v2{path}", cast("Any", told), None, f"/s2s/v2{path}", body)
        try:
            reply = self.mparticle.carry_out(self.mparticle.check(request), self.violations.append)
        except ContractError as error:
            if error.status != 403:
                self.violations.append(error.rule)
            return Answer(status=error.status)
        return Answer(status=reply.status, headers={name.lower(): value for name, value in reply.headers.items()})

    def arrived(self, key: str) -> list[str]:
        """Return the ids of the events that mParticle has taken with a key, in order."""
        batches = self.mparticle.taken(key)
        return [event["data"]["custom_attributes"]["id"] for batch in batches for event in batch["events"]]


class FakeConnections(Connections):
    """Connections without a network."""

    def __init__(self, world: FeedWorld) -> None:
        self._world = world

    @override
    def ask(self, path: str, headers: Mapping[str, str], body: bytes, deadline: Deadline) -> Answer | Retry:
        return self._world.upload(path, headers, body)


class FeedDeployment:
    """The real worker in a world.

    Attributes:
        world: the doubles.
        worker: what is tried.
    """

    def __init__(self, world: FeedWorld, *, feed: Feed = FEED, max_attempts: int = 100, is_paced: bool = True) -> None:
        self.world = world
        self.feed, self.max_attempts, self.is_paced = feed, max_attempts, is_paced
        self.worker = self.environment()

    def environment(self) -> FeedWorker:
        """Return a worker that knows nothing of the world yet."""
        world, telemetry = self.world, self.world.telemetry
        aws = cast("Any", world)
        sender = QueueSender(aws, cast("Any", None))  # no message is large
        pairs = KeyPairs(
            client=aws, source=PREFIX, refresh_seconds=300, default_url=URL, telemetry=telemetry, clock=world.clock
        )
        backoff = Backoff(2, 900, lambda maximum: maximum / 2)
        self.paces = Paces(120 if self.is_paced else 1e9, world.clock)
        sending = Sending(
            api=self.api,
            key_pairs=pairs,
            paces=self.paces,
            pauses=RateLimits(world.clock),
            breaker=CircuitBreaker(telemetry=telemetry, clock=world.clock),
            backoff=backoff,
            telemetry=telemetry,
            sleep=world.sleep,
            jitter=lambda maximum: maximum / 2,
        )
        queue = OneQueue(QUEUE)
        return FeedWorker(
            feed=self.feed,
            feed_name=FEED_NAME,
            key_pairs=pairs,
            erased_people=self.erased_people,
            sending=sending,
            dead_letters=DeadLetters(sender, membership_url=DLQ, event_url=DLQ, erasure_url=DLQ, clock=world.clock),
            ledger=Ledger(aws, "ledger", world.clock),
            visibility=VisibilityTimeouts(aws, telemetry, queue),
            delays=Delays(sender, telemetry, queue, world.clock),
            backoff=backoff,
            max_attempts=self.max_attempts,
            telemetry=telemetry,
            clock=world.clock,
        )

    @property
    def erased_people(self) -> ErasedPeople:
        """Whom nothing must be sent about."""
        return ErasedPeople(cast("Any", self.world), "ledger", lambda: KEY, self.world.clock)

    def api(self, pair: KeyPair) -> EventsApi:
        """Return the client with a key pair."""
        return EventsApi(
            FakeConnections(self.world),
            pair.credentials,
            clock=self.world.clock,
            pause=lambda batches, deadline: self.paces.pause(pair.id, batches, deadline, self.world.sleep),
        )

    def put(self, *events: Json, account_id: object = 1, **fields: object) -> None:
        """Put a message on the queue."""
        body = json.dumps({"account_id": account_id, "events": list(events), **fields})
        self.put_body(body)

    def put_body(self, body: str) -> None:
        """Put anything on the queue."""
        self.world.send(QUEUE, body, {}, None, {})

    def run(self, disturbances: Disturbances | None = None, *, count: int = 100) -> list[str]:
        """Have one batch delivered as Lambda does, and return the ids of the messages that come again."""
        stored = self.world.receive(QUEUE, count)
        deadline = self.world.begin(disturbances or Disturbances())
        try:
            again = self.worker.deliver([message.record for message in stored], deadline)
        except KilledError:
            self.worker = self.environment()
            return [message.id for message in stored]
        done = {message.id for message in stored} - set(again)
        self.world.queues[QUEUE] = [message for message in self.world.queues[QUEUE] if message.id not in done]
        return again

    def run_until_empty(self, rounds: int = 10_000) -> None:
        """Deliver until nothing is left, and let time pass in between."""
        for _ in range(rounds):
            if not self.world.queues[QUEUE]:
                return
            self.run()
            self.world.clock.now += 1
        raise AssertionError("messages are left")

    @property
    def waiting(self) -> list[Stored]:
        """What is on the queue."""
        return self.world.queues[QUEUE]

    @property
    def letters(self) -> list[tuple[str, list[Any]]]:
        """The reason and the events of each dead letter."""
        return [(each.attributes["reason"], json.loads(each.body)["events"]) for each in self.world.queues[DLQ]]


def sent_batches(world: FeedWorld) -> list[list[Json]]:
    """Return the batches of each request."""
    bodies = [json.loads(body) for _, body in world.requests]
    return [body if isinstance(body, list) else [body] for body in bodies]


def event(number: int, name: str = "open", *, at: float, **fields: object) -> Json:
    """Return an event of the partner."""
    return {"id": f"e{number}", "type": name, "user": f"canary-u{number}", "at": int(at * 1000), **fields}
