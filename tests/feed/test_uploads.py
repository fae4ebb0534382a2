"""Bulk uploads: refused requests are halved until the guilty batches are alone, whatever the answers."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.feed import EncodedBatch
from mparticle_firehose.feed.uploads import settle
from mparticle_firehose.integration import Alone, Delivered, Outcome, Rejected, Retry, Split, Suspend

FAULTS: list[Outcome] = [Retry("http_503"), Retry("http_429", 7), Suspend("http_403"), Retry("reset")]
COUNTS = st.integers(0, 230)


def numbered(count: int) -> list[EncodedBatch]:
    return [EncodedBatch(f"{place:06}".encode(), 1) for place in range(count)]


class Server:
    """Refuses each request in which a bad batch is, and answers the numbered ones by a script."""

    def __init__(
        self, bad: set[int], script: dict[int, Outcome] | None = None, refusal: Callable[[str], Outcome] = Alone
    ) -> None:
        self._bad = bad
        self._script = script or {}
        self._refusal = refusal
        self.requests: list[list[int]] = []
        self.taken: Counter[int] = Counter()

    def __call__(self, batches: Sequence[EncodedBatch]) -> Outcome:
        members = [int(each.body) for each in batches]
        self.requests.append(members)
        if scripted := self._script.get(len(self.requests)):
            return scripted
        if self._bad & {*members}:
            return self._refusal("refused")
        self.taken.update(members)
        return Delivered()


@given(COUNTS, st.sets(st.integers(0, 229)), st.sampled_from([Alone, Split]))
def test_exactly_the_bad_ones_are_rejected(count: int, bad: set[int], refusal: Callable[[str], Outcome]) -> None:
    server = Server(bad, refusal=refusal)

    outcomes = settle(numbered(count), server)

    assert outcomes == [Rejected("refused") if place in bad else Delivered() for place in range(count)]
    assert server.taken == Counter({*range(count)} - bad)


@given(COUNTS, st.sets(st.integers(0, 229), max_size=5), st.dictionaries(st.integers(1, 40), st.sampled_from(FAULTS)))
def test_every_batch_has_an_outcome_that_is_true(count: int, bad: set[int], script: dict[int, Outcome]) -> None:
    server = Server(bad, script)

    outcomes = settle(numbered(count), server)

    assert len(outcomes) == count
    assert {place for place, outcome in enumerate(outcomes) if outcome == Delivered()} == server.taken.keys()
    assert {place for place, outcome in enumerate(outcomes) if outcome == Rejected("refused")} <= bad
    assert max(server.taken.values(), default=1) == 1
    fault = script.get(len(server.requests))
    assert {outcome for outcome in outcomes if isinstance(outcome, Retry | Suspend)} <= {fault}
    assert fault is not None or not any(isinstance(outcome, Retry | Suspend) for outcome in outcomes)


@given(st.integers(0, 99))
def test_one_bad_batch_in_a_hundred_takes_about_fifteen_requests(bad: int) -> None:
    server = Server({bad})

    settle(numbered(100), server)

    assert 13 <= len(server.requests) <= 15


def test_all_bad_batches_take_less_than_two_requests_each() -> None:
    server = Server({*range(100)})

    settle(numbered(100), server)

    assert len(server.requests) == 199


def test_the_left_half_goes_first() -> None:
    server = Server({2})

    settle(numbered(4), server)

    assert server.requests == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [3]]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.reason)
def test_after_a_fault_nothing_more_is_sent(fault: Outcome) -> None:
    server = Server(set(), {2: fault})

    outcomes = settle(numbered(250), server)

    assert [len(members) for members in server.requests] == [100, 100]
    assert outcomes == [Delivered()] * 100 + [fault] * 150
