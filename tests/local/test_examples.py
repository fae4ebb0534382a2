"""Every example runs through the local cloud, and arrives under faults as it does without."""

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

import boto3
import pytest

from local.cloud.cloud import LocalCloud
from local.cloud.ministack import MiniStack
from local.isolation import ROOT
from local.partner.faults import Step
from local.partner.server import PartnerServer
from local.rooms import Room
from local.run.expected import is_offered
from local.run.messages import Message, messages_in
from local.run.sending import send_all
from mparticle_firehose.errors import DeliveryError
from tests.worker.event_source_mapping import Deployment, Doom, aws_of

pytestmark = pytest.mark.cloud

EXAMPLES = sorted(folder.parent.name for folder in (ROOT / "examples").glob("*/partner"))
FAULTS: tuple[Step, ...] = (503, 500, {"status": 429, "retry_after": 0}, "reset", 200, 200, 200)
LOST_ANSWERS: tuple[Step, ...] = (*FAULTS, "apply_then_reset", "hang")
RUNS = 4

type Summary = Mapping[str, Mapping[str, object]]

_names = count(1)


def room_of(example: str) -> Room:
    return Room.of(f"examples/{example}")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_end_to_end(example: str) -> None:
    """The real template in the emulator, as `make run PARTNER=examples/...` does it."""
    room = room_of(example)
    with PartnerServer(room.fake_api()) as partner, LocalCloud(partner.url, room=room) as cloud:
        run = send_all(cloud, partner, messages_in(room.events), room.integration())

    assert run.problems == ()


class Example:
    """An example's integration in process, on the emulator's queues and tables, before its fake API."""

    def __init__(self, room: Room, emulator: MiniStack, doom: Doom) -> None:
        self.room = room
        self.partner = PartnerServer(room.fake_api())
        settings = {"MAX_ATTEMPTS": "100"}
        if room.deployment_secret:
            secret = boto3.client("secretsmanager").create_secret(
                Name=f"example-{next(_names)}", SecretString=json.dumps(dict(room.deployment_secret))
            )
            settings["DEPLOYMENT_SECRET_SOURCE"] = secret["ARN"]
        self.deployment = Deployment(emulator, self.partner.url, doom, room.integration(), **settings)

    def __enter__(self) -> "Example":
        self.partner.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.partner.close()

    def ask(self, message: Message) -> None:
        """Send a message as often as mParticle would: until it is acknowledged."""
        acknowledged = False
        while not acknowledged:
            with suppress(DeliveryError):
                self.deployment.ask(message.content, seconds=0.5)
                acknowledged = True

    def work(self, dies_after: int | None = None) -> None:
        self.deployment.poll(self.deployment.membership, dies_after=dies_after)
        self.deployment.poll(self.deployment.event, dies_after=dies_after)
        if dies_after is not None:
            self.deployment.start()

    def summary(self) -> Summary:
        """Let the partner behave and everything arrive, and return what the partner knows then."""
        self.partner.script("", [])
        self.deployment.drain()
        assert self.partner.violations == ()
        assert [letter.attributes["reason"] for letter in self.deployment.letters()] == []
        return self.partner.summary()


@pytest.fixture
def doom() -> Doom:
    return Doom()


@pytest.fixture
def aws(emulator: MiniStack, doom: Doom) -> Iterator[None]:
    with aws_of(emulator, doom):
        yield


def messages(room: Room) -> list[Message]:
    """Return what the integration takes, without what takes something away: it must come last, whatever waits."""
    integration = room.integration()
    found = [each for each in messages_in(room.events) if is_offered(integration, each.kind)]
    return [each for each in found if not each.removes_audience and each.kind != "dsr_processing_request"]


def without_faults(room: Room, emulator: MiniStack, doom: Doom) -> Summary:
    with Example(room, emulator, doom) as example:
        for message in messages(room):
            example.ask(message)
            example.work()
        return example.summary()


@pytest.mark.parametrize("example", EXAMPLES)
def test_whatever_the_partner_refuses_for_a_while_arrives_once(
    example: str, emulator: MiniStack, doom: Doom, aws: None
) -> None:
    room = room_of(example)
    expected = without_faults(room, emulator, doom)

    for seed in range(RUNS):
        dice = random.Random(seed)  # noqa: S311  repeatable, nothing secret
        with Example(room, emulator, doom) as faulty:
            for message in messages(room):
                faulty.partner.script("", dice.choices(FAULTS, k=dice.randint(1, 6)))
                faulty.ask(message)
                faulty.work()
            assert faulty.summary() == expected


@pytest.mark.parametrize("example", EXAMPLES)
def test_lost_answers_and_crashes_lose_nothing(example: str, emulator: MiniStack, doom: Doom, aws: None) -> None:
    """What is repeated then may count twice at a partner that does not recognise it, but sets stay sets."""
    room = room_of(example)
    expected = without_faults(room, emulator, doom)

    for seed in range(RUNS):
        dice = random.Random(seed)  # noqa: S311  repeatable, nothing secret
        with Example(room, emulator, doom) as faulty:
            for message in messages(room):
                faulty.partner.script("", dice.choices(LOST_ANSWERS, k=dice.randint(1, 6)))
                faulty.ask(message)
                faulty.work(dies_after=dice.choice([None, 3, 9, 17]))
            found = faulty.summary()
        assert found.keys() == expected.keys()
        for name, facts in expected.items():
            repeated = {fact for fact, value in facts.items() if fact != "members" and isinstance(value, int)}
            counts: Mapping[str, Any] = found[name]
            assert {fact: counts[fact] for fact in facts.keys() - repeated} == {
                fact: facts[fact] for fact in facts.keys() - repeated
            }
            assert [fact for fact in repeated if counts[fact] < facts[fact]] == []


def test_there_are_examples() -> None:
    assert EXAMPLES == ["braze", "customerio", "hubspot", "iterable"]
