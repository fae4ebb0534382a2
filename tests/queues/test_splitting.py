import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.protocol import json_value
from mparticle_firehose.queues.splitting import (
    MAX_ELEMENTS,
    PartEncoder,
    Splitter,
    encode,
    present,
    subset,
    utf8_length,
)
from tests.growth import MAX_GROWTH, growth, seconds


def test_encoded_json_escapes_only_what_sqs_refuses() -> None:
    encoded = encode({"name": "Zoë 値 😀 \u0001 \ud800 \udfff \ufffe \uffff \ufffd \u007f"})

    assert encoded == '{"name":"Zoë 値 😀 \\u0001 \\ud800 \\udfff \\ufffe \\uffff \ufffd \u007f"}'


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters()) | st.lists(st.text(st.characters()))))
def test_encoded_json_has_only_what_sqs_takes_and_reads_the_same(value: Any) -> None:
    encoded = encode(value)

    assert not any(ord(char) < 0x20 or 0xD800 <= ord(char) < 0xE000 or char in "\ufffe\uffff" for char in encoded)
    assert utf8_length(encoded) == len(encoded.encode())
    assert json_value(encoded) == json.loads(json.dumps(value))


def test_present_numbers_elements_as_the_models_do() -> None:
    assert present({"events": [None, {"a": 1}, None, {"b": 2}]}, "events") == [{"a": 1}, {"b": 2}]
    assert present({"events": None}, "events") == []
    assert present({}, "events") == []


@given(elements=st.lists(st.text(max_size=30), max_size=40), budget=st.integers(250, 600), has_rest=st.booleans())
def test_copies_hold_every_element_once_in_order_and_none_is_too_large(
    elements: list[str], budget: int, *, has_rest: bool
) -> None:
    source = {"list": elements, "unknown": {"kept": True}} if has_rest else {"list": elements}
    slicer = Splitter(source, "list", budget)

    copies = [slicer.copy(run) for run in slicer.chunks(map(encode, elements))]

    assert all(len(copy.encode()) <= budget for copy in copies)
    assert [element for copy in copies for element in json.loads(copy)["list"]] == elements
    assert all({**json.loads(copy), "list": elements} == source for copy in copies)


def test_copies_are_as_few_as_can_be() -> None:
    slicer = Splitter({"list": []}, "list", len('{"list":["first","other","third"]}'))
    numbers = [f'"no. {number}"' for number in range(7)]

    assert list(slicer.chunks(numbers)) == [numbers[:3], numbers[3:6], numbers[6:]]


def test_a_copy_has_no_more_elements_than_the_worker_delivers_in_one_invocation() -> None:
    slicer = Splitter({}, "list", 1_000_000)

    assert [len(chunk) for chunk in slicer.chunks("1" * MAX_ELEMENTS)] == [MAX_ELEMENTS]
    assert [len(chunk) for chunk in slicer.chunks("1" * (2 * MAX_ELEMENTS + 1))] == [MAX_ELEMENTS, MAX_ELEMENTS, 1]


def test_an_element_that_fits_no_copy_has_one_of_its_own() -> None:
    slicer = Splitter({}, "list", 30)

    assert list(slicer.chunks(["1", "9" * 30, "2", "3"])) == [["1"], ["9" * 30], ["2", "3"]]


def test_an_object_that_is_large_without_its_list_is_not_copied_for_each_element() -> None:
    slicer = Splitter({"other": "x" * 100}, "list", 150)

    assert list(slicer.chunks(["1" * 10] * 20)) == [["1" * 10] * 20]


def test_a_subset_keeps_the_named_elements_in_their_order_and_everything_else() -> None:
    source = {"id": 1, "events": [None, "a", "b", "c"], "system_notifications": ["n"], "other": [1]}

    kept = subset(source, [("events", 2), ("events", 0)], ("events", "system_notifications"))

    assert kept == {"id": 1, "events": ["a", "c"], "system_notifications": [], "other": [1]}


def test_a_subset_invents_no_list() -> None:
    assert subset({"events": ["a"]}, [("events", 0)], ("events", "system_notifications")) == {"events": ["a"]}


ODD_CHARACTERS = ("\uffff", "\ud800", "a\uffff", "\ufffe\udfffa")


@pytest.mark.parametrize("characters", ODD_CHARACTERS, ids=["nonchar", "surrogate", "alternating", "both"])
def test_what_sqs_refuses_is_escaped_in_time_that_grows_with_the_text(characters: str) -> None:
    plain, odd = "値" * 250_000, characters * (250_000 // len(characters))

    assert growth(lambda: encode(odd), lambda: encode(odd * 4)) < MAX_GROWTH
    assert seconds(lambda: encode(odd)) < 30 * seconds(lambda: encode(plain))


ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
LISTS = {
    "event_processing_request": ("events", "system_notifications"),
    "audience_membership_change_request": ("user_profiles",),
    "dsr_processing_request": (),
}
PROFILES = st.fixed_dictionaries({}, optional={"a": ANYTHING, "audiences": ANYTHING, "z": ANYTHING}) | ANYTHING


@given(
    rest=st.dictionaries(st.text(st.characters(), max_size=3), ANYTHING, max_size=4),
    later=st.dictionaries(st.sampled_from(["events", "user_profiles", "audiences", "z"]), ANYTHING, max_size=3),
    kind=st.sampled_from([*LISTS]) | ANYTHING.filter(lambda value: not isinstance(value, list | dict)),
    lists=st.lists(st.lists(PROFILES, max_size=4), min_size=1, max_size=4),
)
def test_a_part_has_the_text_that_it_has_by_itself(rest: Any, later: Any, kind: Any, lists: list[Any]) -> None:
    encoder, names = PartEncoder(), LISTS.get(kind, ("events",))
    request = {**rest, "type": kind, **dict.fromkeys(names), **later}

    for elements in [*lists, *lists]:
        part = {**request, **dict.fromkeys(names, elements)}
        assert encoder.encode(part) == encode(part)


def test_parts_of_different_requests_do_not_mix() -> None:
    encoder = PartEncoder()
    profile: Any = {"mpid": "1", "audiences": [1]}
    parts = [
        {"type": "audience_membership_change_request", "id": number, "user_profiles": [{**profile, "mpid": mpid}]}
        for number, mpid in (("1", "1"), ("2", "2"), ("2", "3"), ("1", "1"))
    ]

    assert [encoder.encode(part) for part in parts] == [encode(part) for part in parts]


FILLER: Any = json_value(f"[{','.join(['1.50'] * 20_000)}]")


def odd_change(number: int) -> Any:
    return {"audiences": [{"audience_id": [number]}]}


PARTS: dict[str, list[Any]] = {
    "events": [{"type": "event_processing_request", "events": [n], "new": FILLER} for n in range(10)],
    "memberships": [
        {"type": "audience_membership_change_request", "new": FILLER, "user_profiles": [odd_change(n)]}
        for n in range(10)
    ],
    "changes-of-one-user": [
        {"type": "audience_membership_change_request", "user_profiles": [{"new": FILLER, **odd_change(n)}]}
        for n in range(10)
    ],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_ten_parts_of_a_large_request_take_much_less_time_together(parts: list[Any]) -> None:
    def together() -> None:
        encoder = PartEncoder()
        for part in parts:
            encoder.encode(part)

    def one_by_one() -> None:
        for part in parts:
            encode(part)

    assert any(seconds(together) < seconds(one_by_one) / 3 for _ in range(3))
