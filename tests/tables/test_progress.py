"""What is remembered of a message survives as text, and text that says nothing means that nothing is settled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.tables.progress import Progress

positions = st.integers(0, 1_200)
fingerprints = st.text("0123456789abcdef", max_size=16)
progresses = st.builds(
    Progress,
    fingerprint=fingerprints,
    settled=st.frozensets(positions, max_size=40),
    limits=st.dictionaries(positions, st.integers(1, 500), max_size=40),
    attempts=st.integers(0, 20),
    unwritten=st.frozensets(positions, max_size=40),
    refused=st.dictionaries(st.text(max_size=9), st.frozensets(positions, max_size=40), max_size=4),
)


def reread(progress: Progress) -> Progress:
    texts = {"unwritten": progress.unwritten_text(), "refused": progress.refused_text()}
    return Progress.from_text(progress.settled_text(), progress.limits_text(), progress.attempts, **texts)


@given(progress=progresses)
def test_what_is_written_is_read(progress: Progress) -> None:
    assert reread(progress) == progress


@given(progress=progresses)
def test_the_text_has_characters_that_every_message_attribute_may_have(progress: Progress) -> None:
    text = progress.settled_text() + progress.limits_text()

    assert text.isascii()
    assert text.isprintable()


def test_the_largest_message_makes_a_short_text() -> None:
    everything = Progress(fingerprint="0" * 16, settled=frozenset(range(1_000)), limits=dict.fromkeys(range(1_000), 64))

    assert len(everything.settled_text()) == 16 + len(":") + 168
    assert everything.limits_text() == "0-999=64"


def test_limits_are_written_in_runs_of_neighbours_with_one_limit() -> None:
    progress = Progress(limits={3: 2, 1: 2, 2: 2, 4: 1, 6: 1, 7: 1})

    assert progress.limits_text() == "1-3=2,4-4=1,6-7=1"


def test_nothing_settled_and_no_limits_are_short_texts() -> None:
    assert (Progress().settled_text(), Progress().limits_text()) == (":AA==", "")
    assert reread(Progress()) == Progress()


@pytest.mark.parametrize(
    ("settled", "limits"),
    [
        ("", ""),
        ("f1:AAA", ""),
        ("f1:ü", ""),
        ("f1:AQ==", "1-2=x"),
        ("f1:AQ==", "1=2"),
        ("f1:AQ==", "nonsense"),
    ],
    ids=["empty", "truncated", "not-ascii", "no-limit", "no-last", "no-run"],
)
def test_what_cannot_be_read_is_nothing_settled_but_keeps_the_attempts(settled: str, limits: str) -> None:
    assert Progress.from_text(settled, limits, attempts=3) == Progress(attempts=3)


@given(settled=st.text(max_size=30), limits=st.text(max_size=30))
def test_no_text_is_an_error(settled: str, limits: str) -> None:
    assert Progress.from_text(settled, limits, attempts=3).attempts == 3


def test_limits_and_refused_positions_that_are_too_long_for_an_entry_are_left_out_and_the_rest_is_kept() -> None:
    long = Progress(
        fingerprint="f1",
        settled=frozenset({1}),
        limits={number: number % 2 + 1 for number in range(30_000)},
        attempts=3,
        unwritten=frozenset({1}),
        refused={f"reason {number}": frozenset({29_000 + number}) for number in range(100)},
    )

    read = Progress.from_text(
        long.settled_text(), long.limits_text(), 3, unwritten=long.unwritten_text(), refused=long.refused_text()
    )

    assert read == Progress(fingerprint="f1", settled=frozenset({1}), attempts=3, unwritten=frozenset({1}))


class TestOfPlan:
    PROGRESS = Progress(fingerprint="f1", settled=frozenset({1}), limits={2: 5}, attempts=3)

    def test_it_belongs_to_the_plan_with_its_fingerprint(self) -> None:
        assert self.PROGRESS.of_plan("f1") == self.PROGRESS

    def test_of_another_plan_only_the_attempts_count(self) -> None:
        assert self.PROGRESS.of_plan("f2") == Progress(fingerprint="f2", attempts=3)

    def test_what_belongs_to_no_plan_yet_gets_the_plans_fingerprint(self) -> None:
        assert Progress(attempts=2).of_plan("f1") == Progress(fingerprint="f1", attempts=2)


class TestAlso:
    """What a message brings with it is added to what is remembered of it."""

    REMEMBERED = Progress(fingerprint="f1", settled=frozenset({1}), limits={2: 5}, attempts=3)

    def test_both_of_one_plan_are_settled_together(self) -> None:
        brought = Progress(fingerprint="f1", settled=frozenset({7}), limits={9: 1}, attempts=8)

        assert self.REMEMBERED.also(brought) == Progress(
            fingerprint="f1", settled=frozenset({1, 7}), limits={2: 5}, attempts=3
        )

    def test_what_belongs_to_another_plan_says_nothing(self) -> None:
        brought = Progress(fingerprint="f2", settled=frozenset({7}))

        assert self.REMEMBERED.also(brought) == self.REMEMBERED

    def test_of_a_message_that_was_never_tried_only_what_it_brings_is_settled(self) -> None:
        brought = Progress(fingerprint="f1", settled=frozenset({7}))

        assert Progress(attempts=2).also(brought) == Progress(fingerprint="f1", settled=frozenset({7}), attempts=2)

    def test_a_message_that_brings_nothing_changes_nothing(self) -> None:
        assert self.REMEMBERED.also(Progress()) == self.REMEMBERED
