"""The partner's table of mappings: names are few and known, and what must not be sent is left out."""

import pytest

from mparticle_firehose.errors import FeedError, IntegrationError
from mparticle_firehose.feed import Event, Feed, FeedEvent, PartnerEvent, ScreenViewEvent, UserIdentities
from mparticle_firehose.feed.mapping import MAX_EVENT_NAMES
from tests.feed.samples import NOW_MS, event


def mapped(what: Event) -> FeedEvent:
    return FeedEvent(event_id="e", user="u", event=what, user_identities=UserIdentities(other="u"))


def feed_of(made: FeedEvent | None) -> Feed:
    return Feed(name_of=lambda _: "x", mappings={"x": lambda _: made}, event_names=("Opened",))


@pytest.mark.parametrize(
    "made",
    [
        event(event_name="Opened canary-campaign-7"),
        ScreenViewEvent(timestamp_unixtime_ms=NOW_MS, screen_name="canary-campaign-7"),
    ],
    ids=["event", "screen"],
)
def test_a_name_that_holds_an_id_is_refused(made: Event) -> None:
    with pytest.raises(FeedError) as caught:
        feed_of(mapped(made)).event_of({})

    assert str(caught.value) == "event_name: must be one of Feed.event_names"


def test_a_listed_name_is_taken() -> None:
    made = mapped(event(event_name="Opened"))

    assert feed_of(made).event_of({}) is made


def test_more_names_than_a_workspace_takes_are_refused() -> None:
    names = [f"n{number}" for number in range(MAX_EVENT_NAMES + 1)]
    Feed(name_of=str, mappings={}, event_names=[*names[:-1], names[0]])

    with pytest.raises(IntegrationError, match="a workspace takes 1000 at most"):
        Feed(name_of=str, mappings={}, event_names=names)


@pytest.mark.parametrize(("allowed", "is_sent"), [(True, True), (False, False)], ids=["allowed", "not-allowed"])
def test_a_mapping_may_leave_out_people_for_whom_the_customer_wants_no_new_profile(
    *, allowed: bool, is_sent: bool
) -> None:
    def with_permission(source: PartnerEvent) -> FeedEvent | None:
        made = mapped(event(event_name="Opened"))
        return made if source["is_known_to_mparticle"] or source["may_create_profiles"] else None

    feed = Feed(name_of=lambda _: "x", mappings={"x": with_permission}, event_names=("Opened",))

    assert bool(feed.event_of({"is_known_to_mparticle": False, "may_create_profiles": allowed})) is is_sent
