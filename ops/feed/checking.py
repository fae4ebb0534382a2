"""Makes batches of the partner's events, and checks all that can be checked without mParticle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mparticle_firehose.errors import FeedError, described
from mparticle_firehose.feed import (
    Batch,
    CustomEvent,
    Environment,
    Event,
    Feed,
    Route,
    ScreenViewEvent,
    checked,
    encode,
    route_of,
)

NO_MAPPING = "(no mapping)"
"""Stands for every name that the feed does not have: such a name is a value of the file."""

type Problem = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What an event becomes.

    Attributes:
        batch: what is sent.
        made: type of mParticle's event, and its name if it has one that the feed declares.
        certain: see `FeedEvent`.
        route: by the event's age.
        size: bytes of the batch.
        dropped: fields of the batch whose values mParticle could not use.
        is_repeated: whether an earlier event of the file becomes the same batch.
    """

    batch: Batch
    made: str
    certain: bool
    route: Route
    size: int
    dropped: tuple[str, ...]
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """What becomes of an event of the partner. Without a batch and without problems it is left out.

    Attributes:
        position: in its file.
        name: the event's own name, if the feed has it.
        ready: what it becomes; None if it is left out or refused.
        problems: a field and the rule that it breaks, for each.
    """

    position: int
    name: str
    ready: Ready | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """Checks events as the feed of one customer.

    Attributes:
        feed: what becomes of the events.
        feed_name: `Integration.feed_name`.
        account_id: the customer's.
        now_ms: the current time, in milliseconds.
        environment: of the customer's data.
        partner_feed: whether the key pair is that of a partner's feed.
    """

    feed: Feed
    feed_name: str
    account_id: int
    now_ms: int
    environment: Environment = Environment.DEVELOPMENT
    partner_feed: bool = True

    def check(self, events: Iterable[tuple[int, object]]) -> list[Checked]:
        """Return what becomes of each event, in their order.

        Args:
            events: each with its position in the file.
        """
        bodies: dict[str, bytes] = {}
        return [self._checked(position, source, bodies) for position, source in events]

    def _checked(self, position: int, source: object, bodies: dict[str, bytes]) -> Checked:
        name = NO_MAPPING
        try:
            if not isinstance(source, Mapping):
                raise FeedError(("event", "must be a JSON object"))  # noqa: TRY301 - one place makes problems
            if (own := self.feed.name_of(source)) in self.feed.mappings:
                name = own
            return Checked(position, name, self._ready(source, bodies))
        except FeedError as error:
            return Checked(position, name, problems=tuple(error.problems))
        except Exception as error:  # noqa: BLE001 - an integration may raise anything, and its text may quote the event
            return Checked(position, name, problems=(("event", f"must not make Feed raise: {described(error)}"),))

    def _ready(self, source: Mapping[str, object], bodies: dict[str, bytes]) -> Ready | None:
        """Return what an event becomes.

        Args:
            source: the event.
            bodies: what earlier events became, by ``source_request_id``.
        """
        mapped = self.feed.event_of(source)
        if mapped is None:
            return None
        batch = mapped.batch(self.feed_name, self.account_id, self.environment)
        body = encode(batch).body
        route = route_of(batch, now_ms=self.now_ms)
        identity = self.feed.partner_identity
        checked(batch, now_ms=self.now_ms, route=route, partner_feed=self.partner_feed, partner_identity=identity)
        is_repeated = batch.source_request_id in bodies
        if bodies.setdefault(batch.source_request_id, body) != body:
            raise FeedError(
                (
                    "Batch.source_request_id",
                    "must not be that of an earlier event with other content, which would count",
                )
            )
        return Ready(
            batch=batch,
            made=" ".join(filter(None, (mapped.event.event_type, _name(mapped.event)))),
            certain=mapped.certain,
            route=route,
            size=len(body),
            dropped=batch.dropped,
            is_repeated=is_repeated,
        )


def _name(event: Event) -> str:
    """Return the name of an event, which `Feed.event_names` has; empty if there is none."""
    match event:
        case CustomEvent():
            return event.event_name
        case ScreenViewEvent():
            return event.screen_name
        case _:
            return ""
