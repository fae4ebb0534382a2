import json

import pytest

from ops.masking import contents, masked
from tests.conftest import load_event
from tests.ops.environment import CANARIES

REQUESTS = [
    "audience_membership_change_request",
    "dsr_processing_request",
    "event_processing_request",
    "event_processing_request_web",
]


@pytest.mark.parametrize("name", REQUESTS)
def test_no_value_of_a_customer_or_a_user_is_shown(name: str) -> None:
    shown = masked(json.dumps(load_event(name)))

    assert [canary for canary in CANARIES if canary in shown] == []


def test_the_search_for_canaries_would_find_them() -> None:
    whole = "\n".join(json.dumps(load_event(name)) for name in REQUESTS)

    assert [canary for canary in CANARIES if canary not in whole] == []


def test_structure_and_listed_fields_are_shown_and_every_other_value_as_type_and_length() -> None:
    request = {
        "type": "audience_membership_change_request",
        "id": "5a3c1e70-0000-4000-8000-000000000008",
        "timestamp_ms": 1760000000000,
        "account": {"account_id": 4242, "account_settings": {"canary-setting": "canary-secret"}},
        "user_profiles": [
            {
                "mpid": "canary-mpid",
                "user_identities": [{"type": "email", "encoding": "raw", "value": "canary@example.com"}],
                "audiences": [
                    {
                        "audience_id": 1001,
                        "audience_name": "canary-audience",
                        "action": "delete",
                        "user_attributes": [{"key": "canary-key", "list_value": ["canary-1", "canary-2"]}],
                    }
                ],
            }
        ],
    }

    assert json.loads(masked(json.dumps(request))) == {
        "type": "audience_membership_change_request",
        "id": "5a3c1e70-0000-4000-8000-000000000008",
        "timestamp_ms": 1760000000000,
        "account": {"account_id": 4242, "account_settings": {"<name 1, 14>": "<string, 13>"}},
        "user_profiles": [
            {
                "mpid": "<string, 11>",
                "user_identities": [{"type": "<string, 5>", "encoding": "<string, 3>", "value": "<string, 18>"}],
                "audiences": [
                    {
                        "audience_id": 1001,
                        "audience_name": "<string, 15>",
                        "action": "delete",
                        "user_attributes": [{"key": "<string, 10>", "list_value": "<list, 2>"}],
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"type": "canary_type"}, {"type": "<string, 11>"}),
        ({"id": "canary-id"}, {"id": "<string, 9>"}),
        ({"timestamp_ms": "canary"}, {"timestamp_ms": "<string, 6>"}),
        ({"timestamp_ms": True}, {"timestamp_ms": "<boolean>"}),
        ({"account": "canary"}, {"account": "<string, 6>"}),
        ({"account": {"account_id": "canary"}}, {"account": {"account_id": "<string, 6>"}}),
        ({"events": ["canary"]}, {"events": "<list, 1>"}),
        ({"events": [{"action": "canary"}, None]}, {"events": [{"action": "<string, 6>"}, "<null>"]}),
        ({"user_attributes": {"type": "purchase"}}, {"user_attributes": {"type": "<string, 8>"}}),
        ({"canary-name": {"id": 12.5}}, {"<name 1, 11>": {"id": "<number>"}}),
        ("canary", "<string, 6>"),
    ],
    ids=str,
)
def test_a_listed_field_with_an_unexpected_value_is_masked(request_: object, expected: object) -> None:
    assert json.loads(masked(json.dumps(request_))) == expected


def test_entries_with_names_of_equal_length_stay_apart() -> None:
    assert json.loads(masked('{"canary-a": 1, "canary-b": 2}')) == {
        "<name 1, 8>": "<number>",
        "<name 2, 8>": "<number>",
    }


def test_a_long_list_is_shortened() -> None:
    shown = json.loads(masked(json.dumps({"events": [{"type": "screen_view"}] * 12})))

    assert shown["events"] == [{"type": "screen_view"}] * 10 + ["<2 more>"]


def change(action: str = "add") -> dict[str, object]:
    return {"audience_id": 1001, "action": action}


CUT: dict[str, list[object]] = {"user_profiles": [{}] * 12 + [{"mpid": "canary", "audiences": [{}, change(), {}]}] * 11}
"""A membership request that was cut to some of its changes: the others left their places empty."""


def test_what_was_left_out_of_a_letter_is_shown_as_a_number() -> None:
    assert json.loads(masked(json.dumps(CUT))) == {
        "user_profiles": [
            *[{"mpid": "<string, 6>", "audiences": [change(), "<2 left out>"]}] * 10,
            "<1 more>",
            "<12 left out>",
        ]
    }


def test_only_where_a_letter_may_have_gaps_an_empty_object_is_one() -> None:
    assert json.loads(masked('{"events": [{}], "user_profiles": [{}]}')) == {
        "events": [{}],
        "user_profiles": ["<1 left out>"],
    }


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        (CUT["user_profiles"], {"user_profiles": 11, "add": 11}),
        ([{}, {}, None], {}),
        ([{"mpid": "canary", "audiences": [{}, {}]}], {}),
        ([{"mpid": "canary", "audiences": []}, {"mpid": "canary"}], {"user_profiles": 2}),
        ([{"audiences": [change("delete"), {"action": "canary"}]}], {"user_profiles": 1, "delete": 1, "unknown": 1}),
    ],
    ids=["cut", "nothing", "changes-left-out", "without-changes", "whole"],
)
def test_what_was_left_out_of_a_letter_is_not_counted(profiles: object, expected: object) -> None:
    assert contents(json.dumps({"user_profiles": profiles})) == expected


@pytest.mark.parametrize("body", ["canary", "", "[" * 100_000], ids=["text", "nothing", "too-deep"])
def test_of_a_body_that_is_not_json_the_length_is_shown(body: str) -> None:
    assert masked(body) == f"<not JSON, {len(body)}>"
    assert contents(body) == {}


def test_the_contents_are_counted_by_type_and_action() -> None:
    assert contents(json.dumps(load_event("audience_membership_change_request"))) == {
        "user_profiles": 5, "add": 3, "delete": 3, "attribute_update": 1,
    }  # fmt: skip
    assert contents(json.dumps(load_event("event_processing_request_web"))) == {
        "screen_view": 1, "product_action": 1, "privacy_setting_change": 1, "attribution": 1,
    }  # fmt: skip
    assert contents('{"events": [{"type": "canary"}, {"type": "canary-2"}]}') == {"unknown": 2}
