"""Items become the fewest calls that keep each user's order and the limits of their endpoints."""

from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.delivery.merging import Call, merged
from mparticle_firehose.delivery.plan import Plan
from tests.delivery.laboratory import planned


def calls(*plans: Plan) -> list[Call]:
    return merged(pending for plan in plans for pending in plan.waiting)


def told(*plans: Plan) -> list[tuple[str, str]]:
    """Return each call as its endpoint and the uids in it."""
    return [(call.endpoint.name, " ".join(str(body["uid"]) for body in call.bodies())) for call in calls(*plans)]


def test_a_call_takes_items_up_to_its_limit() -> None:
    assert told(planned("bulk:1", "bulk:2", "bulk:3", "bulk:4", "bulk:5")) == [("bulk", "1 2 3 4"), ("bulk", "5")]


def test_a_user_s_items_of_one_lane_keep_their_order_across_endpoints() -> None:
    assert told(planned("bulk:1", "one:2", "bulk:3")) == [("bulk", "1"), ("one", "2"), ("bulk", "3")]


def test_a_user_s_items_of_other_lanes_are_free() -> None:
    assert told(planned("bulk:1", "many:2", "bulk:3")) == [("bulk", "1 3"), ("many", "2")]


def test_another_user_s_items_fill_the_earlier_call() -> None:
    plan = planned("bulk:1::a", "one:2::a", "bulk:3::a", "bulk:4::b")

    assert told(plan) == [("bulk", "1 4"), ("one", "2"), ("bulk", "3")]


def test_a_leave_and_a_join_at_two_endpoints_are_not_swapped() -> None:
    plan = planned("bulk:leave-a::a", "one:join-b::b", "one:join-a::a", "bulk:leave-b::b")

    assert told(plan) == [("one", "join-b"), ("bulk", "leave-a leave-b"), ("one", "join-a")]


def test_a_call_waits_for_others_so_that_it_can_take_later_items() -> None:
    """Each user's state is a call of its own, and comes before the user's events, which share one."""
    plan = planned("one:state-a::a", "bulk:event-a::a", "one:state-b::b", "bulk:event-b::b")

    assert told(plan) == [("one", "state-a"), ("one", "state-b"), ("bulk", "event-a event-b")]


def test_two_users_never_make_two_calls_wait_for_each_other() -> None:
    plan = planned("bulk:1::a", "one:2::b", "bulk:3::b", "one:4::a", "one:5::b", "bulk:6::a")

    found = calls(plan)

    assert all(before < number for number, call in enumerate(found) for before in call.after)


def test_beyond_the_calls_that_are_tracked_the_order_is_that_in_which_they_were_made() -> None:
    words = [word for user in range(1_100) for word in (f"one:s{user}::{user}", f"bulk:e{user}::{user}")]

    found = calls(planned(*words))

    place = {id(pending): number for number, call in enumerate(found) for pending in call.items}
    plan_items = sorted((pending for call in found for pending in call.items), key=lambda each: each.position)
    pairs = zip(plan_items[::2], plan_items[1::2], strict=True)
    assert all(place[id(state)] < place[id(event)] for state, event in pairs)
    assert len(found) < 1_100 + 500


def test_a_key_is_in_a_call_once() -> None:
    assert told(planned("bulk:1:k:a", "bulk:2:k:b", "bulk:3:l:c")) == [("bulk", "1 3"), ("bulk", "2")]


def test_equal_bodies_of_one_key_share_a_place() -> None:
    (call,) = calls(planned("bulk:1:k:a", "bulk:1:k:b"))

    assert [len(pending.riders) for pending in call.items] == [1]


def test_an_equal_body_behind_a_newer_one_has_a_place_of_its_own() -> None:
    assert told(planned("bulk:1:k", "bulk:2:k", "bulk:1:k")) == [("bulk", "1"), ("bulk", "2"), ("bulk", "1")]


def test_items_of_several_requests_share_a_call_if_the_endpoint_allows_it() -> None:
    first, second = planned("shared:1 many:2"), planned("shared:3 many:4", number=2)

    assert told(first, second) == [("shared", "1 3"), ("many", "2"), ("many", "4")]


def test_items_of_different_customers_never_share_a_call() -> None:
    first, second = planned("shared:1"), planned("shared:2", number=2, token="canary-other")

    assert told(first, second) == [("shared", "1"), ("shared", "2")]


def test_the_bytes_of_a_call_count_its_wrapper_and_commas() -> None:
    """``{"items":[]}`` and entries ``{"uid":"..."}`` of 24 bytes: four make 12 + 4 * 24 + 3 = 111, five 136."""
    plan = planned(*(f"tight:{'x' * 14}" for _ in range(9)))

    assert [(len(call.items), call.size) for call in calls(plan)] == [(4, 111), (4, 111), (1, 36)]


def test_what_was_refused_with_others_stays_apart_from_what_was_not() -> None:
    plan = planned("many:1::a", "many:2::b", "many:3::c")
    plan.pending[1].limit = 1

    assert told(plan) == [("many", "1 3"), ("many", "2")]


def test_a_call_waits_for_those_with_earlier_items_of_its_users_and_keys() -> None:
    plan = planned("bulk:1::a", "one:2::a", "many:3::a", "bulk:4:k:b", "bulk:5:k:c")

    # By the way, 4 fills the first call and 5 must come after it, because of the key.
    assert [(call.endpoint.name, sorted(call.after)) for call in calls(plan)] == [
        ("bulk", []),
        ("one", [0]),
        ("many", []),
        ("bulk", [0]),
    ]


def test_a_call_waits_for_earlier_items_of_those_who_share_a_place_in_it_too() -> None:
    plan = planned("one:1::b", "bulk:2:k:a", "bulk:2:k:b")

    assert [(call.endpoint.name, sorted(call.after)) for call in calls(plan)] == [("one", []), ("bulk", [0])]


words = st.builds(
    "{}:{}:{}:{}".format,
    st.sampled_from(["one", "bulk", "many", "shared", "tight"]),
    st.sampled_from("123456789"),
    st.sampled_from(["", "", "k", "l"]),
    st.sampled_from("abc"),
)


@given(st.lists(st.lists(words, max_size=4).map(" ".join), max_size=8), st.lists(words, max_size=4).map(" ".join))
def test_whatever_is_merged_keeps_limits_order_and_keys(first: list[str], second: str) -> None:
    plans = planned(*first), planned(second, number=2)

    found = calls(*plans)

    placed = [pending for call in found for item in call.items for pending in (item, *item.riders)]
    assert sorted(map(id, placed)) == sorted(id(pending) for plan in plans for pending in plan.waiting)
    for number, call in enumerate(found):
        keys = [pending.item.key for pending in call.items if pending.item.key]
        assert len(keys) == len(set(keys))
        assert 0 < len(call.items) <= call.endpoint.max_items
        assert call.size <= call.endpoint.max_bytes
        assert all(before < number for before in call.after)
        assert call.endpoint.across_requests or len({pending.envelope.source for pending in call.items}) == 1
    place = {
        id(item): number for number, call in enumerate(found) for head in call.items for item in (head, *head.riders)
    }
    last: dict[tuple[str, str], int] = {}
    for plan in plans:
        for pending in plan.waiting:
            assert place[id(pending)] >= last.get(pending.user_in_lane, 0)
            last[pending.user_in_lane] = place[id(pending)]
