"""What the tests of `feed check` and `feed send` share: the partner's events, files of them, and a fake mParticle."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from local.mparticle.events_api import FakeEvents
from local.mparticle.server import FakeMParticle
from local.rooms import Room
from mparticle_firehose.feed.events_api import FeedCredentials
from ops.feed.commands import Target, check, send_file
from ops.feed.files import EventFile, events_in
from tests.conftest import Clock

FOLDER = "tests/ops/feed_room"
INTEGRATION = Room.of(FOLDER).integration()
KEY, SECRET = "canary-key", "canary-secret"
NOW = float(int(time.time()))
NOW_MS = int(NOW) * 1000
DAY_MS = 24 * 3_600_000

type Json = dict[str, Any]


def opened(number: int = 1, **changes: Any) -> Json:
    usual = {"type": "open", "id": f"canary-{number}", "user": "canary-user", "at": NOW_MS}
    return {**usual, **changes}


def file_of(*events: object, **changes: Any) -> EventFile:
    return events_in("events.json", json.dumps({"account_id": 42, "events": events, **changes}))


@dataclass
class Printed:
    """A console that keeps what it prints."""

    text: io.StringIO = field(default_factory=io.StringIO)

    @property
    def out(self) -> Console:
        return Console(file=self.text, width=200, highlight=False)

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.getvalue().splitlines() if line.strip()]


def rows(lines: list[str]) -> list[list[str]]:
    """Return the cells of all rows of tables, without their titles."""
    cells = [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in lines]
    return [row for row in cells if len(row) > 1 and row[0] not in {"Event", "Field"}]


def checked(*events: object) -> tuple[int, list[str]]:
    """Check the events of a file, and return the exit status and the lines that are printed."""
    printed = Printed()
    status = check(INTEGRATION, [file_of(*events)], printed.out, clock=lambda: NOW)
    return status, printed.lines


@dataclass
class Sending:
    """A fake mParticle that knows one key pair, and a clock that sleeps move, unless a test says otherwise."""

    mparticle: FakeMParticle
    clock: Clock
    sleeps: list[float] = field(default_factory=list)
    sleeps_move_clock: bool = True

    def send(self, *events: object, **changes: Any) -> tuple[int, list[str]]:
        """Send the events of a file, and return the exit status and the lines that are printed."""
        printed = Printed()
        usual: Json = {
            "credentials": FeedCredentials(KEY, SECRET),
            "account_id": 42,
            "base_url": self.mparticle.partner_feed_url,
        }
        target = Target(**{**usual, **changes})
        status = send_file(INTEGRATION, file_of(*events), target, printed.out, clock=self.clock, sleep=self.sleep)
        return status, printed.lines

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.clock.now += seconds if self.sleeps_move_clock else 0

    @property
    def taken(self) -> list[str]:
        """The names of the events that mParticle has taken, or their types."""
        datas = [
            (event["event_type"], event["data"]) for batch in self.mparticle.taken(KEY) for event in batch["events"]
        ]
        return [data.get("event_name", event_type) for event_type, data in datas]

    @property
    def routes(self) -> list[str]:
        return [request.route.removeprefix("/s2s/v2").removeprefix("/v2") for request in self.mparticle.requests]


@contextmanager
def running_feed() -> Iterator[Sending]:
    clock = Clock(NOW)
    with FakeMParticle(FakeEvents({KEY: SECRET}, clock=clock)) as mparticle:
        yield Sending(mparticle, clock)
