"""What the worker of a bench asks of AWS: counted, slow, failing, or fatal."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from tests.conftest import Clock
from tests.worker.event_source_mapping import Doom

DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "Any")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "Any")

type Says = Callable[[str, str], bool]
"""Takes the name of an operation and its request."""


class AwsCalls:
    """Watches the calls of AWS clients.

    Attributes:
        counts: how often each operation was called.
        clock: the time, which each call moves on.
        seconds: how long a call takes.
        fails: says which calls fail.
        fault: how they fail.
        doom: when the environment dies.
    """

    def __init__(self, *clients: Any) -> None:
        self.counts: Counter[str] = Counter()
        self.clock = Clock()
        self.seconds = 0.0
        self.fails: Says = lambda _name, _request: False
        self.fault = DENIED
        self.doom = Doom()
        for client in clients:
            client.meta.events.register("before-call", self._before)
            client.meta.events.register("after-call", self.doom.step)

    def _before(self, *, model: Any, params: Any, **_: object) -> None:
        self.doom.step()
        self.counts[model.name] += 1
        self.clock.now += self.seconds
        if self.fails(model.name, str(params["body"])):
            raise self.fault

    def taken(self) -> dict[str, int]:
        """Return the counts, and begin anew."""
        counts = dict(self.counts)
        self.counts.clear()
        return counts

    @contextmanager
    def failing(self, fails: Says) -> Iterator[None]:
        """Let some calls fail meanwhile."""
        usual, self.fails = self.fails, fails
        try:
            yield
        finally:
            self.fails = usual
