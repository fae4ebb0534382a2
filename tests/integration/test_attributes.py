"""What a mapping gets of a user's attributes."""

from typing import Any

from mparticle_firehose.integration import attribute_changes, user_attributes
from mparticle_firehose.protocol import Audience, EventProcessingRequest


def changed(*changes: dict[str, Any]) -> dict[str, object]:
    return dict(attribute_changes(Audience.model_validate({"user_attributes": list(changes)})))


def test_attributes_and_lists_are_one_object_in_which_a_tag_is_true() -> None:
    request = EventProcessingRequest.model_validate(
        {
            "type": "event_processing_request",
            "user_attributes": {"tier": "gold", "newsletter": None, "note": ""},
            "user_attribute_lists": {"teas": ["sencha", "oolong"]},
        }
    )

    assert user_attributes(request) == {"tier": "gold", "newsletter": True, "note": "", "teas": ["sencha", "oolong"]}


def test_a_user_without_attributes_has_none() -> None:
    assert user_attributes(EventProcessingRequest.model_validate({"type": "event_processing_request"})) == {}


def test_a_change_is_a_value_a_list_a_tag_or_nothing_any_more() -> None:
    assert changed(
        {"key": "visits", "value": "19", "action": "upsert"},
        {"key": "teas", "list_value": ["sencha"], "value": "ignored", "action": "upsert"},
        {"key": "newsletter", "action": "upsert"},
        {"key": "birthday", "value": "ignored", "action": "delete"},
    ) == {"visits": "19", "teas": ["sencha"], "newsletter": True, "birthday": None}


def test_an_entry_that_names_no_attribute_or_an_unknown_action_is_left_out() -> None:
    assert changed({}, {"value": "x", "action": "upsert"}, {"key": "visits", "action": "multiply"}) == {}
