from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.integration import Bearer, Effect, MembershipChange, MembershipTarget
from mparticle_firehose.queues.record import Record
from mparticle_firehose.worker.batching import PendingChange, merged_calls

A = MembershipTarget(1, "/segments/a/changes", Bearer("key"))
B = MembershipTarget(1, "/segments/b/changes", Bearer("key"))


def pending(user: str, target: MembershipTarget = A, number: int = 0) -> PendingChange:
    change = MembershipChange(0, number, target, Effect.JOIN, {"number": number})
    return PendingChange(Record(message_id=str(number), body=""), user, change)


def number_of(pending: PendingChange) -> int:
    return pending.change.audience


def users(changes: list[PendingChange], most: int = 500) -> list[list[str]]:
    return [[each.user for each in call] for _, call in merged_calls(changes, most)]


def test_changes_of_different_users_in_one_audience_share_a_call() -> None:
    assert users([pending("u1"), pending("u2"), pending("u3")]) == [["u1", "u2", "u3"]]


def test_a_second_change_of_a_user_comes_in_a_later_call() -> None:
    assert users([pending("u1"), pending("u1"), pending("u2"), pending("u1")]) == [["u1", "u2"], ["u1"], ["u1"]]


def test_a_call_holds_no_more_than_it_may() -> None:
    assert users([pending(f"u{n}") for n in range(5)], most=2) == [["u0", "u1"], ["u2", "u3"], ["u4"]]


def test_each_audience_and_each_customer_has_calls_of_its_own() -> None:
    other_key = MembershipTarget(1, A.path, Bearer("other key"))

    calls = list(merged_calls([pending("u1"), pending("u1", B), pending("u2"), pending("u1", other_key)], 500))

    assert [(target, [each.user for each in call]) for target, call in calls] == [
        (A, ["u1", "u2"]),
        (other_key, ["u1"]),
        (B, ["u1"]),
    ]


def test_a_users_order_holds_when_the_customers_key_changes() -> None:
    new_key = MembershipTarget(1, A.path, Bearer("new key"))
    changes = [pending("other", new_key, 0), pending("u", A, 1), pending("u", new_key, 2)]

    sent = [number_of(each) for _, call in merged_calls(changes, 500) for each in call if each.user == "u"]

    assert sent == [1, 2]


@given(st.lists(st.tuples(st.sampled_from("uvwxyz"), st.sampled_from([A, B])), max_size=60), st.integers(1, 5))
def test_nothing_is_lost_no_order_is_broken_and_no_call_is_wasted(
    changes: list[tuple[str, MembershipTarget]], most: int
) -> None:
    shares = [pending(user, target, number) for number, (user, target) in enumerate(changes)]

    calls = list(merged_calls(shares, most))

    sent = [item for _, call in calls for item in call]
    assert sorted(map(number_of, sent)) == list(range(len(shares)))
    for user, target in set(changes):
        order = [number_of(item) for item in sent if (item.user, item.change.target) == (user, target)]
        assert order == sorted(order)
    assert all(len({item.user for item in call}) == len(call) <= most for _, call in calls)
    for target in {A, B}:
        counts = Counter(user for user, changed in changes if changed == target)
        lower_bound = max([*counts.values(), -(-counts.total() // most)], default=0)
        number = sum(called == target for called, _ in calls)
        assert lower_bound <= number
        assert len(counts) > 1 or number == lower_bound
