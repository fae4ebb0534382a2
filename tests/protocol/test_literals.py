"""Numbers keep the literal that mParticle wrote, wherever its JSON is written again."""

import json
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import Serializer, json_document, json_text, json_value
from mparticle_firehose.protocol.wire.json_text import MAX_INTEGER_DIGITS

serializer = Serializer()

LITERALS = {
    "too-large": "1e999",
    "too-large-and-negative": "-1e999",
    "more-digits-than-a-float": "12345678901234567890.12",
    "exponent": "1e5",
    "exponent-in-capitals": "1E5",
    "exponent-with-sign": "1.0E-7",
    "trailing-zero": "1.10",
    "negative-zero": "-0",
    "negative-zero-with-fraction": "-0.0",
    "zero-with-exponent": "0e0",
    "plain": "12.5",
    "integer": "-12",
    "longest-integer-for-python": "9" * MAX_INTEGER_DIGITS,
    "longest-negative-integer-for-python": "-" + "9" * MAX_INTEGER_DIGITS,
    "negative-integer-too-long-for-python": "-" + "9" * (MAX_INTEGER_DIGITS + 1),
    "integer-of-5000-digits": "9" * 5_000,
    "negative-integer-of-5000-digits": "-" + "1" * 5_000,
    "fraction-of-5000-digits": "0." + "3" * 5_000,
}
WRITERS: dict[str, Callable[[Any], str]] = {
    "queued": lambda request: json_text(request.source),
    "written": lambda request: serializer.dumps(request).decode(),
}


def message(literal: str) -> str:
    return f'{{"type":"event_processing_request","timestamp_ms":0,"new":{{"a":[{literal},{{"b":{literal}}}]}}}}'


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
def test_a_number_is_written_with_the_literal_that_it_was_read_from(literal: str, write: Callable[[Any], str]) -> None:
    assert write(serializer.parse(message(literal).encode())) == message(literal)


@pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
def test_what_lambda_serialises_is_json_whatever_the_number(literal: str) -> None:
    written = serializer.dump(serializer.parse(message(literal)))

    assert json.dumps(written, allow_nan=False)


@pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
def test_a_text_field_has_the_literal(literal: str) -> None:
    request: Any = serializer.parse(f'{{"type":"event_processing_request","mpid":{literal}}}')

    assert request.mpid == literal


@pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
def test_an_object_that_becomes_text_keeps_the_literal(literal: str) -> None:
    request: Any = serializer.parse(
        f'{{"type":"event_processing_request","user_attributes":{{"plan":{{"price": [{literal}]}}}}}}'
    )

    assert request.user_attributes == {"plan": f'{{"price":[{literal}]}}'}


FLOATS: dict[str, tuple[object, str]] = {
    "shortest": (1e5, "100000.0"),
    "large": (1e22, "1e+22"),
    "negative-zero": (-0.0, "-0.0"),
    "infinite": (inf, "1e999"),
    "infinite-and-negative": (-inf, "-1e999"),
    "not-a-number": (nan, '"NaN"'),
    "integer-of-5001-digits": (10**5_000, "1" + "0" * 5_000),
}


@pytest.mark.parametrize(("number", "literal"), FLOATS.values(), ids=FLOATS)
def test_a_number_of_the_dict_that_lambda_passes_gets_a_literal(number: object, literal: str) -> None:
    assert json_text({"new": [number]}) == f'{{"new":[{literal}]}}'


@pytest.mark.parametrize("number", [inf, -inf], ids=["infinite", "infinite-and-negative"])
def test_an_infinite_number_reads_the_same_from_a_dict_and_from_the_queue(number: float) -> None:
    event = {
        "type": "product_action",
        "total_amount": number,
        "transaction_id": number,
        "location": {"latitude": number},
    }
    request = serializer.parse({"type": "event_processing_request", "events": [event]})

    assert serializer.parse(json_text(request.source)) == request


numbers = st.one_of(
    st.sampled_from([*LITERALS.values()]),
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
documents = st.recursive(
    numbers | st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: json.dumps(text, ensure_ascii=False)),
    lambda inner: (
        st.lists(inner).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(inner).map(lambda parts: "{" + ",".join(f'"k{n}":{part}' for n, part in enumerate(parts)) + "}")
    ),
)


@given(documents)
def test_a_document_is_written_as_it_was_read(document: str) -> None:
    assert json_text(json_value(document)) == document


@given(documents, st.text(" \t\r\n"), st.text(" \t\r\n"))
def test_a_whole_document_is_read_with_the_white_space_around_it(document: str, before: str, after: str) -> None:
    assert json_text(json_document(before + document + after)) == document


@pytest.mark.parametrize("rest", ["x", "{}", "\0", "\u00a0", " ,", "\n1"])
def test_a_whole_document_is_not_followed_by_anything_else(rest: str) -> None:
    assert json_value(f"[1]{rest}") == [1]
    with pytest.raises(MalformedRequestError, match=r"^must be one JSON value and nothing after it$"):
        json_document(f"[1]{rest}")


def test_a_document_that_is_nested_as_deeply_as_can_be_read_is_written() -> None:
    document = "[" * 5_000 + "1.50" + "]" * 5_000

    assert json_text(json_value(document)) == document


def test_a_text_that_looks_like_a_marked_literal_stays_a_text() -> None:
    assert json_text(["literal-0:1", json_value("1.50")]) == '["literal-0:1",1.50]'
