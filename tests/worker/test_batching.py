from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.integration.calls import Effect, MembershipChange, MembershipTarget
from mparticle_firehose.worker.batching import Share, merged_calls

A = MembershipTarget(1, "/v1/audiences/a/members", "key")
B = MembershipTarget(1, "/v1/audiences/b/members", "key")


def share(user: str, target: MembershipTarget = A, number: int = 0) -> Share:
    return Share(number, user, MembershipChange(0, number, target, Effect.JOIN, {"number": number}))


def users(shares: list[Share], most: int = 500) -> list[list[str]]:
    return [[share.user for share in call] for _, call in merged_calls(shares, most)]


def test_changes_of_different_users_in_one_audience_share_a_call() -> None:
    assert users([share("u1"), share("u2"), share("u3")]) == [["u1", "u2", "u3"]]


def test_a_second_change_of_a_user_comes_in_a_later_call() -> None:
    assert users([share("u1"), share("u1"), share("u2"), share("u1")]) == [["u1", "u2"], ["u1"], ["u1"]]


def test_a_call_holds_no_more_than_it_may() -> None:
    assert users([share(f"u{n}") for n in range(5)], most=2) == [["u0", "u1"], ["u2", "u3"], ["u4"]]


def test_each_audience_and_each_customer_has_calls_of_its_own() -> None:
    other_key = MembershipTarget(1, A.path, "other key")

    calls = list(merged_calls([share("u1"), share("u1", B), share("u2"), share("u1", other_key)], 500))

    assert [(target, [share.user for share in shares]) for target, shares in calls] == [
        (A, ["u1", "u2"]),
        (other_key, ["u1"]),
        (B, ["u1"]),
    ]


def test_a_users_order_holds_when_the_customers_key_changes() -> None:
    new_key = MembershipTarget(1, A.path, "new key")
    changes = [share("other", new_key, 0), share("u", A, 1), share("u", new_key, 2)]

    sent = [share.record for _, call in merged_calls(changes, 500) for share in call if share.user == "u"]

    assert sent == [1, 2]


@given(st.lists(st.tuples(st.sampled_from("uvwxyz"), st.sampled_from([A, B])), max_size=60), st.integers(1, 5))
def test_nothing_is_lost_no_order_is_broken_and_no_call_is_wasted(
    changes: list[tuple[str, MembershipTarget]], most: int
) -> None:
    shares = [share(user, target, number) for number, (user, target) in enumerate(changes)]

    calls = list(merged_calls(shares, most))

    sent = [item for _, call in calls for item in call]
    assert sorted(item.record for item in sent) == list(range(len(shares)))
    for user, target in set(changes):
        order = [item.record for item in sent if (item.user, item.change.target) == (user, target)]
        assert order == sorted(order)
    assert all(len({item.user for item in call}) == len(call) <= most for _, call in calls)
    for target in {A, B}:
        counts = Counter(user for user, changed in changes if changed == target)
        lower_bound = max([*counts.values(), -(-counts.total() // most)], default=0)
        number = sum(called == target for called, _ in calls)
        assert lower_bound <= number
        assert len(counts) > 1 or number == lower_bound
