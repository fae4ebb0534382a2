"""Acme takes the changes of several messages in one call."""

from bench import calls
from local.rooms import Room


def test_a_thousand_membership_messages_are_at_most_a_hundred_calls_in_batches_of_ten() -> None:
    room = Room.of()
    integration = room.integration()
    request = calls.one_change(room, integration)
    assert request

    assert calls.calls(integration, request, 1_000, 10) <= 100
    assert calls.calls(integration, request, 10, 1) == 10  # nothing to share a call with
