"""Documents that are made to be slow are read, and written again, in a time that grows with their length alone."""

import json
import re
from collections.abc import Callable

import pytest

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import Serializer, json_text
from tests.growth import MAX_GROWTH, growth

serializer = Serializer()

WITH_AN_END = '"{}x"'
HALF_OF_A_FLOAT = "1.00000000000000011102230246251565404236316680908203125"
EVENTS = '{{"type":"event_processing_request","events":[{}]}}'
ERASURE = '{{"type":"dsr_processing_request","submitted_time":{}}}'


def batch(field: str, value: str) -> str:
    return f'{{"type":"event_processing_request","{field}":{value}}}'


def event(field: str, value: str) -> str:
    return EVENTS.format(f'{{"type":"product_action","{field}":{value}}}')


def many(element: str, size: int) -> str:
    """So many bytes of a list, in which {} is a number."""
    return ",".join(element.replace("{}", str(number)) for number in range(size // (len(element) + 4)))


DOCUMENTS: dict[str, Callable[[int], str]] = {
    "deep-lists": lambda size: batch("x", "[" * (size // 40) + "]" * (size // 40)),
    "deep-objects": lambda size: batch("x", '{"a":' * (size // 40) + "1.50" + "}" * (size // 40)),
    "too-deep": lambda size: batch("x", "[" * size),
    "many-keys": lambda size: batch("user_attributes", "{" + many('"key{}":"v"', size) + "}"),
    "one-key-many-times": lambda size: batch("user_attributes", "{" + many('"key":"v"', size) + "}"),
    "many-types-of-a-message": lambda size: "{" + many('"type":"dsr_processing_request"', size) + "}",
    "many-types-of-events": lambda size: EVENTS.format(many('{"type":"error","type":"u{}"}', size)),
    "many-types-in-a-map": lambda size: batch("user_attributes", "{" + many('"type":1.50', size) + "}"),
    "unknown-events": lambda size: EVENTS.format(many('{"type":"unknown{}"}', size)),
    "events-that-are-none": lambda size: EVENTS.format(many("7", size)),
    "unknown-notifications": lambda size: batch("system_notifications", f"[{many('{"type":"u{}"}', size)}]"),
    "incomplete-identities": lambda size: batch("user_identities", f"[{many('{"type":" "}', size)}]"),
    "ids-that-are-none": lambda size: EVENTS.format(many('{"type":"error","id":"!!!!!!!!!!!!!!!!!!!!!!=="}', size)),
    "long-id": lambda size: batch("id", f'"{"A" * size}"'),
    "long-integer": lambda size: batch("mpid", "9" * size),
    "many-integers-of-4300-digits": lambda size: batch("x", f"[{many('9' * 4300, size)}]"),
    "long-integer-as-text": lambda size: batch("timestamp_ms", f'"{"9" * size}"'),
    "long-integer-in-other-digits": lambda size: batch("timestamp_ms", f'"{"९" * size}"'),
    "long-integer-with-an-end": lambda size: batch("timestamp_ms", WITH_AN_END.format("9" * size)),
    "long-fraction": lambda size: batch("mpid", "0." + "3" * size),
    "long-fraction-of-a-long-number": lambda size: batch("mpid", "1" * 300 + "." + "3" * size),
    "long-fraction-between-two-floats": lambda size: batch("mpid", HALF_OF_A_FLOAT + "0" * size + "1"),
    "long-zeros-and-an-exponent": lambda size: batch("mpid", "0." + "0" * size + f"1e{size}"),
    "long-exponent": lambda size: batch("mpid", "1e" + "9" * size),
    "long-price": lambda size: event("total_amount", "0." + "9" * size),
    "long-whole-price": lambda size: event("total_amount", "9" * size),
    "long-price-as-text": lambda size: event("total_amount", f'"{"9" * size}"'),
    "long-price-with-an-end": lambda size: event("total_amount", WITH_AN_END.format("9" * size)),
    "long-latitude": lambda size: event("location", f'{{"latitude":"{"9" * size}x"}}'),
    "long-hexadecimal-latitude": lambda size: event("location", f'{{"latitude":"0x{"f" * size}x"}}'),
    "brackets-in-a-time": lambda size: ERASURE.format(f'"{"[" * size}"'),
    "closed-brackets-in-a-time": lambda size: ERASURE.format(f'"{"[" * size}]"'),
    "long-time": lambda size: ERASURE.format(f'"2026-01-01T00:00:00.{"1" * size}Z"'),
    "long-number-as-a-time": lambda size: ERASURE.format("1" * size),
    "long-number-in-text-as-a-time": lambda size: ERASURE.format(f'"{"1" * size}"'),
    "ends-of-days": lambda size: ERASURE.format(f'"{"T24:00" * (size // 6)}"'),
    "spaces-around-a-number": lambda size: batch("timestamp_ms", f'"{" " * size}x"'),
    "spaces-before": lambda size: " " * size + "x",
    "long-word": lambda size: '{"type":"dsr_processing_request","regulation":"%s"}' % ("A" * size),
    "object-as-text": lambda size: batch("user_attributes", f'{{"a":[{many("1.50", size)}]}}'),
    "lone-surrogates": lambda size: batch("mpid", f'"{"\\ud800" * (size // 6)}"'),
    "settings": lambda size: batch("account", f'{{"account_settings":{{"a":"{"1" * size}x"}}}}'),
}


def read_and_write(document: str) -> None:
    try:
        request = serializer.parse(document)
    except MalformedRequestError:
        return
    json_text(request.source)
    serializer.dumps(request)
    json.dumps(serializer.dump(request), allow_nan=False)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_takes_time_in_proportion_to_its_length(document: Callable[[int], str]) -> None:
    # Nested documents have over 2,000 levels in both sizes: below that, a level takes a third of the time.
    once, fourfold = document(90_000), document(360_000)

    assert growth(lambda: read_and_write(once), lambda: read_and_write(fourfold)) < MAX_GROWTH


def test_work_that_is_worse_than_linear_is_found() -> None:
    cubic = re.compile(r"\[[^\]]*\[[^\]]*\]$")

    assert growth(lambda: cubic.sub("", "[" * 75), lambda: cubic.sub("", "[" * 300)) > MAX_GROWTH


def test_a_number_of_a_million_digits_is_read_and_written() -> None:
    document = batch("mpid", "7" * 1_000_000)

    assert json_text(serializer.parse(document).source) == document
