"""How many calls the worker makes: of the messages of a batch that may share a call, the fewest that hold them."""

from functools import partial

import pytest

from bench import calls
from local.isolation import LocalCloudError
from local.partner.answering import answer_to
from local.rooms import Room
from mparticle_firehose.integration import Answer

BRAZE = Room.of("examples/braze")


def test_a_thousand_queued_events_are_at_most_twenty_calls_to_braze_in_batches_of_a_hundred() -> None:
    integration = BRAZE.integration()
    request = calls.one_event(BRAZE, integration)
    assert request

    made = calls.calls(integration, request, 1_000, 100, partial(answer_to, BRAZE.fake_api()))

    assert made <= 20
    assert calls.calls(integration, request, 100, 1) == 100  # nothing to share a call with


@pytest.mark.parametrize("example", calls.EXAMPLES)
def test_the_partner_of_the_benchmark_leads_to_as_many_calls_as_the_fake_api(example: str) -> None:
    room = Room.of(f"examples/{example}")
    integration = room.integration()
    requests = [
        calls.one_event(room, integration),
        calls.one_event(room, integration, with_state=True),
        calls.one_change(room, integration),
    ]

    for request in requests:
        assert request
        api = room.fake_api()
        asked = calls.calls(integration, request, 20, 10, partial(answer_to, api))
        assert calls.calls(integration, request, 20, 10) == asked


def test_what_is_not_delivered_is_no_measurement() -> None:
    integration = BRAZE.integration()
    request = calls.one_change(BRAZE, integration)
    assert request

    with pytest.raises(LocalCloudError, match="did not deliver everything to Braze"):
        calls.calls(integration, request, 1, 1, lambda _: Answer(status=422))


def test_the_targets_are_compared_in_the_largest_batches_and_an_integration_without_memberships_has_none() -> None:
    row = {calls.of(1): 1_000.0, calls.of(10): 100.0, calls.of(100): 21.0}

    [events] = calls.targets({calls.EVENTS: {"Braze": row}})

    assert (events.text, events.measured, events.met) == (
        "Events queued for Braze, batches of 100: ≤ 20 partner calls per 1,000", "21 (alone 1,000)", False,
    )  # fmt: skip
