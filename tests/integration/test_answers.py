"""Readers of answers: they read what is there and never raise, whatever a partner sends."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mparticle_firehose.integration import Answer, Rejected, Retry, by_table, failure_of, index_in

NOW = 2_000_000_000.0
BODY_ERRORS = [{"index": 0}, "text", {"index": 1, "at": {"fields": ["f"]}}]
BODY = {
    "code": "x",
    "count": 2,
    "flag": True,
    "names": ["a", 1, None, "b"],
    "errors": BODY_ERRORS,
}
ANSWER = Answer(status=200, headers={"retry-after": "soon", "x-reset": "5", "x-later": "9"}, body=BODY, received_at=NOW)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
KEYS = st.sampled_from(("a", "b", "0"))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(KEYS | st.integers(-4, 4), max_size=4)


@given(body=JSON, path=PATHS)
def test_no_path_into_any_body_raises(body: object, path: list[str | int]) -> None:
    answer = Answer(status=200, body=body)

    answer.at(*path)
    assert isinstance(answer.text(*path), str)
    assert all(isinstance(entry, dict) for entry in answer.objects(*path))
    assert all(isinstance(entry, str) for entry in answer.texts(*path))
    assert all(isinstance(entry, Answer) for entry in answer.each(*path))
    assert type(answer.whole(*path)) in {int, type(None)}


@given(body=JSON)
def test_an_empty_path_is_the_body_itself(body: object) -> None:
    assert Answer(status=200, body=body).at() is body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("code",), "x"),
        (("errors", 2, "at", "fields", 0), "f"),
        (("errors", -1, "index"), 1),
        (("errors", 3), None),
        (("errors", "0"), None),
        (("code", "length"), None),
        (("code", 0), None),
        (("absent", "index"), None),
    ],
)
def test_a_path_leads_to_a_value_or_to_nothing(path: tuple[str | int, ...], value: object) -> None:
    assert ANSWER.at(*path) == value


def test_values_of_another_type_are_left_out() -> None:
    assert (ANSWER.text("code"), ANSWER.text("count")) == ("x", "")
    assert (ANSWER.whole("count"), ANSWER.whole("flag"), ANSWER.whole("code")) == (2, None, None)
    assert (ANSWER.texts("names"), ANSWER.texts("code")) == (["a", "b"], [])
    assert (ANSWER.objects("errors"), ANSWER.objects("count")) == ([BODY_ERRORS[0], BODY_ERRORS[2]], [])


def test_each_element_is_read_like_an_answer_of_its_own() -> None:
    assert [each.whole("index") for each in ANSWER.each("errors")] == [0, None, 1]
    assert [each.texts("at", "fields") for each in ANSWER.each("errors")] == [[], [], ["f"]]
    assert {(each.status, each.received_at) for each in ANSWER.each("errors")} == {(200, NOW)}


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,4} [A-Z][a-z]{2} -?[0-9]{1,12} [0-9:]{2,12} [A-Z0-9+-]{1,6}"))
@example("Mon, 99 Foo 99999999999999999999 25:61:61 +9999")
@example("Sat, 01 Jan 0000 00:00:00 GMT")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("9" * 5000)
@example("1_0")
@example(" ")
def test_no_header_raises_and_no_wait_is_negative(text: str) -> None:
    wait = Answer(status=429, headers={"retry-after": text}, received_at=NOW).wait("Retry-After")

    assert wait is None or wait >= 0


@given(JSON | st.integers(min_value=10**300, max_value=10**320))
def test_no_value_of_a_body_raises_as_a_wait(value: object) -> None:
    wait = ANSWER.seconds(value)

    assert wait is None or wait >= 0


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001  made aware below
def test_an_http_date_is_the_time_until_then(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    left = (moment - datetime.fromtimestamp(NOW, UTC)) / timedelta(seconds=1)

    assert ANSWER.seconds(format_datetime(moment, usegmt=True)) == max(0.0, left)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (7, 7.0),
        (0.5, 0.5),
        (-1, 0.0),
        (999_999_999, 999_999_999.0),
        (NOW + 30, 30.0),
        ((NOW + 30) * 1000, 30.0),
        (NOW - 30, 0.0),
        (True, None),
        (float("nan"), None),
        ("inf", None),
        ([7], None),
        (10**400, None),
    ],
)
def test_a_wait_is_a_number_of_seconds_or_a_moment(value: object, seconds: float | None) -> None:
    assert ANSWER.seconds(value) == seconds


def test_the_first_readable_header_counts_whatever_its_case() -> None:
    assert ANSWER.wait("Retry-After", "X-Reset", "X-Later") == 5.0
    assert ANSWER.wait("Retry-After", "X-Absent") is None


@given(st.integers(0, 5) | JSON, st.integers(0, 5))
def test_an_index_is_a_whole_number_inside_the_call(value: object, count: int) -> None:
    expected = value if type(value) is int and 0 <= value < count else None

    assert index_in(value, count) == expected


@pytest.mark.parametrize(("status", "succeeded"), [(199, False), (200, True), (299, True), (300, False)])
def test_a_status_of_2xx_is_a_success(status: int, *, succeeded: bool) -> None:
    assert Answer(status=status).succeeded is succeeded


def test_what_an_answer_holds_is_not_shown() -> None:
    answer = Answer(status=200, headers={"set-cookie": "canary-cookie"}, body={"email": "canary-email"})

    assert "canary" not in repr(answer)


def test_judging_by_the_table_says_nothing() -> None:
    assert by_table([], ANSWER) is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Rejected("http_400")),
        (404, Rejected("http_404")),
        (408, Retry("http_408")),
        (425, Retry("http_425")),
        (429, Retry("http_429")),
        (500, Retry("http_500")),
        (599, Retry("http_599")),
    ],
)
def test_an_items_own_status_says_whether_it_may_come_later(status: int, outcome: Retry | Rejected) -> None:
    assert failure_of(status) == outcome


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("seg-7", "seg-7"),
        (4711, "4711"),
        (0, "0"),
        (-3, "-3"),
        (10**40, "1" + "0" * 40),
        (4711.0, "4711"),
        (2.0**53 - 1, "9007199254740991"),
        (9007199254740993.0, ""),  # read as ...992
        (1e300, ""),
        (7.5, ""),
        (float("nan"), ""),
        (float("inf"), ""),
        (True, ""),
        (None, ""),
        ([7], ""),
        ({"id": 7}, ""),
        ("", ""),
        (" ", ""),
    ],
    ids=str,
)
def test_an_id_is_text_or_a_whole_number(value: object, text: str) -> None:
    assert Answer(status=201, body={"id": value}).identifier("id") == text
