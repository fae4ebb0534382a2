"""What refusals cost is counted with the real ledger. It grows with what is refused, not with all that is delivered."""

import pytest

from bench import refusals
from bench.benchmark import Figures


@pytest.fixture(scope="module")
def figures() -> Figures:
    measured = refusals.measure(quick=True)
    if refusals.COUNTED not in measured:
        pytest.skip("the integration has no memberships")
    return measured


def test_only_what_has_a_letter_of_its_own_is_written_down(figures: Figures) -> None:
    counted = figures[refusals.COUNTED]

    assert {case: row["reads"] for case, row in counted.items()} == {
        refusals.UNTRACKED: 1,
        refusals.OF_OTHERS: 2,
        refusals.OF_ITS_OWN: 5,
        refusals.REFUSED: 2,
        refusals.WHOLE: 4,
    }
    assert {case for case, row in counted.items() if row["writes"]} == {
        refusals.OF_ITS_OWN,
        refusals.REFUSED,
        refusals.WHOLE,
    }


def test_the_charge_is_that_of_the_mix_of_changes() -> None:
    nothing = {"reads": 0.0, "writes": 0.0}
    counted = dict.fromkeys(refusals.CASES, nothing) | {refusals.REFUSED: {"reads": 8.0, "writes": 1.6}}

    charged = refusals.usd_a_month(counted, 0.01)

    assert charged["reads a change"] == pytest.approx(0.08)
    assert charged["writes a change"] == pytest.approx(0.016)
    assert charged["US$"] == pytest.approx(0.01 * 1_000 * 30 * 86_400 * (8 * 0.125 + 1.6 * 0.625) / 1e6)


def test_the_charge_grows_with_the_share_that_is_refused(figures: Figures) -> None:
    charges = [refusals.usd_a_month(figures[refusals.COUNTED], share)["US$"] for share in (0.0, 0.001, 0.01)]

    assert charges == sorted(set(charges))


def test_of_a_thousand_changes_a_second_one_percent_may_be_refused(figures: Figures) -> None:
    assert [target.met for target in refusals.targets(figures)] == [True]


def test_an_integration_without_memberships_has_no_target() -> None:
    assert refusals.targets({}) == []
