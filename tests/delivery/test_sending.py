"""Each item is settled by its own outcome, and a fault has the smallest radius it can."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, override

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.asking import MAX_CALLS_AN_EXCHANGE
from mparticle_firehose.delivery.merging import Call, merged
from mparticle_firehose.delivery.plan import Plan, Planner
from mparticle_firehose.delivery.side_by_side import SideBySide
from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Bearer,
    Delivered,
    Exchange,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Split,
    Suspend,
    Target,
)
from mparticle_firehose.protocol import AudienceMembershipChangeRequest
from tests.conftest import Clock, PartnerDouble, Reply, load_event, parsed
from tests.delivery.laboratory import ENDPOINTS, Laboratory, body_of, outcomes, planned, uids
from tests.growth import MAX_GROWTH, growth
from tests.stepwise.integration import INTEGRATION as STEPWISE
from tests.stepwise.integration import MEMBERS


@pytest.fixture
def laboratory(partner: PartnerDouble, deadline: Deadline) -> Laboratory:
    return Laboratory(partner, deadline)


def in_part(failures: Mapping[Any, int | Outcome]) -> Answer:
    return Answer(status=207, body={"failures": failures})


def refusing(*odd: str, status: int = 400) -> Callable[[PartnerCall], Reply]:
    """Refuse every call that holds one of these items, without saying for which."""
    return lambda call: status if set(odd) & set(uids(call)) else 200


def users(name: str, count: int) -> list[str]:
    """Return one item for each of so many users."""
    return [f"{name}:{number}::{number}" for number in range(count)]


# --- outcomes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (200, "delivered"),
        (404, "rejected http_404"),
        (401, "suspend http_401"),
        (503, "retry http_503"),
        (400, "rejected http_400"),
        (413, "rejected http_413"),
        (Retry("read_timeout"), "retry read_timeout"),
        (Rejected("header_not_ascii"), "rejected header_not_ascii"),
    ],
)
def test_an_item_alone_gets_the_outcome_of_its_call(
    reply: Reply, outcome: str, laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [reply]
    plan = planned("one:a")

    laboratory.deliver(plan)

    assert outcomes(plan) == {"a": outcome}
    assert len(partner.calls) == 1


def test_items_that_a_success_names_have_outcomes_of_their_own(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [in_part({0: 422, 2: 503})]
    plan = planned(*users("many", 4))

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "rejected http_422", "1": "delivered", "2": "retry http_503", "3": "delivered"}


def test_a_403_inside_a_success_refuses_one_item_and_suspends_nobody(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [in_part({7: Suspend("http_403")})]
    plan = planned(*users("many", 40))

    laboratory.deliver(plan)

    found = outcomes(plan)
    assert found.pop("7") == "rejected http_403"
    assert set(found.values()) == {"delivered"}
    assert laboratory.suspended == []


@pytest.mark.parametrize("failures", [{7: 422}, {True: 422}, {-1: 422}, {"0": 422}, {None: 422}, {1.0: 422}])
def test_an_index_that_is_none_is_logged_and_ignored(
    failures: Any, laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [in_part(failures)]
    plan = planned(*users("many", 2))

    laboratory.deliver(plan)

    assert set(outcomes(plan).values()) == {"delivered"}
    assert laboratory.telemetry.warnings == [{"event": "unusable failure index", "endpoint": "many", "indexes": 1}]


def test_failures_without_a_place_are_logged(laboratory: Laboratory, partner: PartnerDouble) -> None:
    endpoint = replace(ENDPOINTS["many"], judge=lambda _bodies, _answer: Delivered(unplaced=2))
    plan = planned("many:a")
    plan.pending[0].item = replace(plan.pending[0].item, endpoint=endpoint)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"a": "delivered"}
    assert laboratory.telemetry.warnings == [{"event": "failures without a place", "endpoint": "many", "failures": 2}]


def test_good_items_of_a_refused_call_go_again_at_once(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [in_part({0: Retry("not_taken", 0), 1: Rejected("bad"), 2: Retry("not_taken", 0)})]
    plan = planned(*users("many", 3))

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "delivered", "1": "rejected bad", "2": "delivered"}
    assert [uids(call) for call in partner.calls] == [["0", "1", "2"], ["0", "2"]]


def test_a_retry_at_once_beside_nothing_settled_waits(laboratory: Laboratory, partner: PartnerDouble) -> None:
    """Else two items that are always postponed would be asked without end."""
    partner.judge = lambda _: in_part({0: Retry("not_taken", 0), 1: Retry("not_taken", 0)})
    plan = planned(*users("many", 2))

    laboratory.deliver(plan)

    assert set(outcomes(plan).values()) == {"retry not_taken"}
    assert len(partner.calls) == 1


def test_an_item_of_which_two_may_be_meant_goes_alone(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [in_part({0: Alone("ambiguous"), 1: Alone("ambiguous")}), 200, 400]
    plan = planned(*users("many", 3))

    laboratory.deliver(plan)

    assert [uids(call) for call in partner.calls] == [["0", "1", "2"], ["0"], ["1"]]
    assert outcomes(plan) == {"0": "delivered", "1": "rejected http_400", "2": "delivered"}


def test_what_goes_again_at_once_and_what_goes_alone_keep_their_order(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    """All of them are of one user."""
    zero = Retry("not_taken", 0)
    partner.replies = [in_part({0: Alone(), 1: zero, 2: zero, 3: Alone(), 4: zero, 5: Rejected("bad")})]
    plan = planned(*(f"many:{number}" for number in range(6)))

    laboratory.deliver(plan)

    assert [uids(call) for call in partner.calls[1:]] == [["0"], ["1", "2"], ["3"], ["4"]]


@pytest.mark.parametrize("nonsense", [Delivered({0: "nonsense"}), Delivered({0: Split}), "nonsense", {}])  # type: ignore[dict-item]
def test_what_is_no_outcome_is_an_error_of_the_integration(laboratory: Laboratory, nonsense: Any) -> None:
    plan = planned("one:1")
    endpoint = replace(ENDPOINTS["one"], judge=lambda *_: nonsense)
    plan.pending[0].item = replace(plan.pending[0].item, endpoint=endpoint)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"1": "retry integration_failed"}


# --- calls that are refused whole ------------------------------------------------------------------------------------


def test_one_refused_item_costs_none_of_the_others(laboratory: Laboratory, partner: PartnerDouble) -> None:
    """200 events in one call, one of them refused: 199 arrive."""
    partner.judge = refusing("77")
    plan = planned(*users("many", 200))

    laboratory.deliver(plan)

    found = outcomes(plan)
    assert found.pop("77") == "rejected http_400"
    assert set(found.values()) == {"delivered"}
    assert len(partner.calls) == 17


@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_call_is_halved_left_half_first(status: int, laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.judge = refusing("2", status=status)
    plan = planned(*users("many", 4))

    laboratory.deliver(plan)

    assert [uids(call) for call in partner.calls] == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"], ["2"], ["3"]]


def test_what_all_items_share_is_refused_once(laboratory: Laboratory, partner: PartnerDouble) -> None:
    """The audience is gone: no halving finds another answer."""
    partner.judge = lambda _: 404
    plan = planned(*users("many", 200))

    laboratory.deliver(plan)

    assert set(outcomes(plan).values()) == {"rejected http_404"}
    assert len(partner.calls) == 1


def test_the_search_for_refused_items_is_bounded_and_remembers_the_size(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.judge = lambda _: 400
    plan = planned(*users("many", 500))

    laboratory.deliver(plan)

    assert len(partner.calls) == 64
    left = [pending for pending in plan.pending if not pending.is_settled]
    assert {str(outcome) for outcome in outcomes(plan).values()} == {"rejected http_400", "retry refused_with_others"}
    assert max(pending.limit for pending in left) == 250
    assert all(pending.was_tried for pending in left)


def test_a_call_that_would_be_too_large_is_cut_without_a_call(laboratory: Laboratory, partner: PartnerDouble) -> None:
    small = replace(ENDPOINTS["tight"], call=lambda _target, bodies: PartnerCall(path="/wide", body=_wide(bodies)))
    plan = planned(*users("tight", 4))
    for pending in plan.pending:
        pending.item = replace(pending.item, endpoint=small)

    laboratory.deliver(plan)

    assert set(outcomes(plan).values()) == {"delivered"}
    assert all(len(body_of(call)["items"]) == 1 for call in partner.calls)


def _wide(bodies: Any) -> Any:
    from mparticle_firehose.integration import Json  # noqa: PLC0415  only here

    return Json({"items": [{**body, "more": "x" * 60} for body in bodies]})


# --- order -----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_user_passes_an_item_that_waits(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [503]
    plan = planned("one:1", "bulk:2", "many:3")

    laboratory.deliver(plan)

    assert outcomes(plan) == {"1": "retry http_503", "2": "retry behind_another", "3": "delivered"}
    assert [pending.was_tried for pending in plan.pending] == [True, False, True]


def test_a_refused_item_holds_nothing_back(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [400]
    plan = planned("one:1", "bulk:2")

    laboratory.deliver(plan)

    assert outcomes(plan) == {"1": "rejected http_400", "2": "delivered"}


def test_on_a_fifo_queue_an_item_holds_back_later_messages_of_its_user(
    partner: PartnerDouble, deadline: Deadline
) -> None:
    partner.replies = [503]
    first, second = planned("one:1"), planned("bulk:2", "bulk:3::another", number=2)

    Laboratory(partner, deadline, in_order=True).deliver(first, second)

    assert outcomes(first) == {"1": "retry http_503"}
    assert outcomes(second) == {"2": "retry behind_another", "3": "delivered"}


def test_on_a_standard_queue_messages_are_independent(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [503]
    first, second = planned("one:1"), planned("bulk:2", number=2)

    laboratory.deliver(first, second)

    assert (outcomes(first), outcomes(second)) == ({"1": "retry http_503"}, {"2": "delivered"})


def test_an_item_that_shares_a_place_waits_for_its_own_user(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.judge = lambda call: 503 if call.path == "/one" else 200
    plan = planned("one:1::b", "bulk:2:k:a", "bulk:2:k:b")

    laboratory.deliver(plan)

    assert [str(pending.outcome) for pending in plan.pending] == [
        str(Retry("http_503")),
        str(Delivered()),
        str(Retry("behind_another")),
    ]


def test_what_is_sent_again_at_once_does_not_pass_what_waits(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [in_part({0: Retry("later"), 1: Rejected("bad"), 2: Retry("not_taken", 0)})]
    plan = planned("bulk:1::a", "bulk:2::b", "bulk:3::a")

    laboratory.deliver(plan)

    assert outcomes(plan) == {"1": "retry later", "2": "rejected bad", "3": "retry behind_another"}


# --- credentials and sites -------------------------------------------------------------------------------------------


def test_a_dead_credential_stops_its_own_calls_and_no_others(laboratory: Laboratory, partner: PartnerDouble) -> None:
    dead = Bearer("canary-dead")
    partner.judge = lambda call: 401 if call.auth == dead else 200
    first, second = planned("one:1", "many:2", token="canary-dead"), planned("one:3", number=2)

    laboratory.deliver(first, second)

    assert outcomes(first) == {"1": "suspend http_401", "2": "suspend suspended"}
    assert outcomes(second) == {"3": "delivered"}
    assert laboratory.suspended == ["m1"]
    assert [call.auth for call in partner.calls].count(dead) == 1


def test_a_dead_credential_suspends_the_accounts_of_those_who_share_a_place_too(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [401]
    first, second = planned("shared:1:k:a"), planned("shared:1:k:a", number=2)

    laboratory.deliver(first, second)

    assert laboratory.suspended == ["m1", "m2"]


def test_after_a_429_the_credential_is_left_alone_and_others_go_on(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [Answer(status=429, headers={"retry-after": "30"})]
    first, second = planned("one:1", "many:2"), planned("one:3", number=2, token="canary-other")

    laboratory.deliver(first, second)

    assert outcomes(first) == {"1": "retry http_429", "2": "retry rate_limited"}
    assert outcomes(second) == {"3": "delivered"}
    assert [pending.outcome for pending in first.pending] == [Retry("http_429", 30.0), Retry("rate_limited", 30.0)]
    assert list(laboratory.rate_limits.pauses.values()) == [30.0]


def test_a_wait_that_the_judge_has_read_is_the_credential_s_too(laboratory: Laboratory, partner: PartnerDouble) -> None:
    endpoint = replace(ENDPOINTS["one"], judge=lambda _bodies, _answer: Retry("http_429", 10))
    partner.replies = [429]
    plan = planned("one:1")
    plan.pending[0].item = replace(plan.pending[0].item, endpoint=endpoint)

    laboratory.deliver(plan)

    assert list(laboratory.rate_limits.pauses.values()) == [10]


def test_a_site_that_is_down_is_not_called(laboratory: Laboratory, partner: PartnerDouble) -> None:
    laboratory.breaker.down.add("")
    plan = planned("one:1")

    laboratory.deliver(plan)

    (pending,) = plan.pending
    assert (pending.outcome, pending.was_tried, partner.calls) == (Retry("circuit_open", 7.0), False, [])


@pytest.mark.parametrize(
    ("reply", "noted"),
    [
        (200, [("", False)]),
        (400, [("", False)]),
        (429, [("", False)]),
        (500, [("", True)]),
        (Retry("read_timeout"), [("", True)]),
        (Retry("out_of_time", 0), [("", True)]),
        (Retry("deployment_secret_unavailable"), []),
        (Suspend("oauth_invalid_grant"), []),
    ],
)
def test_the_breaker_learns_what_says_something_about_the_site(
    reply: Reply, noted: list[tuple[str, bool]], laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [reply]

    laboratory.deliver(planned("one:1"))

    assert laboratory.breaker.noted == noted


# --- time ------------------------------------------------------------------------------------------------------------


def test_without_time_nothing_is_begun_and_nothing_counts(partner: PartnerDouble) -> None:
    clock = Clock()
    plan = planned("one:1", "bulk:2")

    Laboratory(partner, Deadline.after(0.5, clock), min_call_seconds=1.0).deliver(plan)

    assert outcomes(plan) == {"1": "retry out_of_time", "2": "retry behind_another"}
    assert [pending.was_tried for pending in plan.pending] == [False, False]
    assert partner.calls == []


def test_without_time_to_connect_a_call_that_was_not_begun_says_nothing_about_the_site(partner: PartnerDouble) -> None:
    partner.replies = [Retry("out_of_time", 0)]
    laboratory = Laboratory(partner, Deadline.after(0.01, Clock()))

    laboratory.deliver(planned("one:1"))

    assert laboratory.breaker.noted == []


def test_a_call_that_was_not_begun_is_no_attempt(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [Retry("out_of_time", 0)]
    plan = planned("one:1")

    laboratory.deliver(plan)

    assert plan.pending[0].was_tried is False


# --- exchanges -------------------------------------------------------------------------------------------------------


def test_an_exchange_counts_when_it_ends(laboratory: Laboratory, partner: PartnerDouble) -> None:
    plan = planned(*users("steps", 2))

    laboratory.deliver(plan)

    assert [call.path for call in partner.calls] == ["/lookup", "/add"]
    assert set(outcomes(plan).values()) == {"delivered"}


def test_what_an_exchange_knows_stays_known_when_a_later_call_fails(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [Answer(status=200, body={"unknown": [1]}), 503]
    plan = planned(*users("steps", 3))

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "retry http_503", "1": "rejected unknown", "2": "retry http_503"}


def test_an_exchange_reads_a_status_that_its_call_accepts(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [404]
    plan = planned("steps:1")

    laboratory.deliver(plan)

    assert outcomes(plan) == {"1": "delivered"}
    assert len(partner.calls) == 1


def test_an_exchange_that_is_refused_whole_is_halved(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.judge = lambda call: 400 if "1" in uids(call) and call.path == "/add" else Answer(status=200, body={})
    plan = planned(*users("steps", 2))

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "delivered", "1": "rejected http_400"}


def test_the_judge_reads_an_answer_that_ends_an_exchange(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [in_part({}), in_part({0: Rejected("said the judge")})]
    plan = planned("steps:1")
    partner.replies = [Answer(status=200, body={}), Answer(status=503)]
    endpoint = replace(ENDPOINTS["steps"], judge=lambda _bodies, answer: Retry("maintenance", float(answer.status)))
    plan.pending[0].item = replace(plan.pending[0].item, endpoint=endpoint)

    laboratory.deliver(plan)

    assert plan.pending[0].outcome == Retry("maintenance", 503.0)


def test_an_exchange_that_runs_out_of_time_is_an_attempt_once_it_has_begun(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    partner.replies = [Answer(status=200, body={}), Retry("out_of_time", 0)]
    plan = planned("steps:1")

    laboratory.deliver(plan)

    (pending,) = plan.pending
    assert (pending.outcome, pending.was_tried) == (Retry("exchange_out_of_time", 0), True)


def with_exchange(plan: Plan, exchange: Callable[..., Any], **limits: Any) -> Plan:
    """Let the plan's items travel with another exchange."""
    endpoint = replace(ENDPOINTS["steps"], call=exchange, **limits)
    for pending in plan.pending:
        pending.item = replace(pending.item, endpoint=endpoint)
    return plan


def step(bodies: Sequence[JsonObject], **what: Any) -> PartnerCall:
    return PartnerCall(path="/step", body=Json({"items": list(bodies)}), **what)


def test_what_an_exchange_knows_stays_known_when_it_raises(laboratory: Laboratory, partner: PartnerDouble) -> None:
    def exchange(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
        yield step(bodies)
        yield step(bodies, known={0: Delivered(), 1: Rejected("unknown")})
        broken()
        return Delivered()

    plan = with_exchange(planned(*users("steps", 3)), exchange)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "delivered", "1": "rejected unknown", "2": "retry integration_failed"}
    assert len(partner.calls) == 2


def test_what_an_exchange_knows_stays_known_when_it_refuses_to_be_closed(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    def exchange(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
        try:
            yield step(bodies, known={0: Rejected("unknown")})
        except GeneratorExit:
            yield step(bodies)
        return Delivered()

    partner.replies = [503]
    plan = with_exchange(planned(*users("steps", 2)), exchange)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "rejected unknown", "1": "retry http_503"}


def test_an_item_that_breaks_an_exchange_costs_none_of_the_others(laboratory: Laboratory) -> None:
    def exchange(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
        yield broken() if any(body["uid"] == "1" for body in bodies) else step(bodies)
        return Delivered()

    plan = with_exchange(planned(*users("steps", 3)), exchange)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "delivered", "1": "retry integration_failed", "2": "delivered"}


def test_an_exchange_without_end_is_ended(laboratory: Laboratory, partner: PartnerDouble) -> None:
    def exchange(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
        while True:
            yield step(bodies)

    plan = with_exchange(planned(*users("steps", 2)), exchange)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "retry integration_failed", "1": "retry integration_failed"}
    assert (len(partner.calls), plan.pending[0].was_tried) == (MAX_CALLS_AN_EXCHANGE, True)


def test_a_later_call_of_an_exchange_is_not_too_large_either(laboratory: Laboratory, partner: PartnerDouble) -> None:
    def exchange(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
        yield PartnerCall(method="GET", path="/lookup")
        yield step(bodies)
        return Delivered()

    plan = with_exchange(planned(*users("steps", 4)), exchange, max_bytes=40)

    laboratory.deliver(plan)

    assert [len(uids(call)) for call in partner.calls if call.body] == [2, 2]
    assert set(outcomes(plan).values()) == {"delivered"}


# --- where only one call may be made ---------------------------------------------------------------------------------


def test_one_call_is_one_call(partner: PartnerDouble, deadline: Deadline) -> None:
    partner.replies = [400]
    plan = planned(*users("many", 3))

    Laboratory(partner, deadline, makes_one_call=True).deliver(plan)

    assert set(outcomes(plan).values()) == {"retry refused_with_others"}
    assert len(partner.calls) == 1


def test_an_exchange_is_not_begun_where_one_call_may_be_made(partner: PartnerDouble, deadline: Deadline) -> None:
    plan = planned("steps:1")

    Laboratory(partner, deadline, makes_one_call=True).deliver(plan)

    assert outcomes(plan) == {"1": "retry needs_several_calls"}
    assert plan.pending[0].was_tried is False
    assert partner.calls == []


# --- integrations that break -----------------------------------------------------------------------------------------


def broken(*_: object) -> Any:
    raise ValueError("canary-value of a customer")


@pytest.mark.parametrize("part", ["call", "judge"])
def test_an_integration_that_raises_has_its_items_retried(
    part: str, laboratory: Laboratory, partner: PartnerDouble
) -> None:
    plan = planned("one:1")
    endpoint = replace(ENDPOINTS["one"], **{part: broken})  # type: ignore[arg-type]  # one of two functions
    plan.pending[0].item = replace(plan.pending[0].item, endpoint=endpoint)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"1": "retry integration_failed"}
    assert [warning["event"] for warning in laboratory.telemetry.warnings] == ["integration failed"]


def test_an_item_that_breaks_the_call_costs_none_of_the_others(laboratory: Laboratory, partner: PartnerDouble) -> None:
    whole = ENDPOINTS["many"].call
    picky = replace(
        ENDPOINTS["many"],
        call=lambda target, bodies: broken() if any(body["uid"] == "1" for body in bodies) else whole(target, bodies),
    )
    plan = planned(*users("many", 3))
    for pending in plan.pending:
        pending.item = replace(pending.item, endpoint=picky)

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "delivered", "1": "retry integration_failed", "2": "delivered"}


def unusable(*_: object) -> Any:
    raise SettingError("listId", "must be an id", "setting")


def unusable_later(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    yield step(bodies)
    raise SettingError("listId", "must be an id", "setting")


@pytest.mark.parametrize(("call", "calls"), [(unusable, 0), (unusable_later, 1)], ids=["call", "exchange"])
def test_items_whose_call_needs_a_setting_that_is_none_are_refused(
    call: Callable[..., Any], calls: int, laboratory: Laboratory, partner: PartnerDouble
) -> None:
    plan = with_exchange(planned(*users("many", 2)), call)

    laboratory.deliver(plan)

    assert outcomes(plan) == dict.fromkeys("01", "rejected setting 'listId' must be an id")
    assert len(partner.calls) == calls
    assert laboratory.telemetry.warnings == []


def test_a_body_without_json_costs_none_of_the_others(laboratory: Laboratory, partner: PartnerDouble) -> None:
    """The client says so of the whole call; the engine finds the item."""
    partner.judge = lambda call: Rejected("body_not_json") if "1" in uids(call) else 200
    plan = planned(*users("many", 3))

    laboratory.deliver(plan)

    assert outcomes(plan) == {"0": "delivered", "1": "rejected body_not_json", "2": "delivered"}


# --- side by side ----------------------------------------------------------------------------------------------------


def test_independent_calls_go_side_by_side(laboratory: Laboratory, partner: PartnerDouble) -> None:
    meeting = Barrier(3, timeout=10)
    partner.judge = lambda _: 200 if meeting.wait() >= 0 else 500
    plan = planned("one:1::a", "one:2::b", "one:3::c")

    with ThreadPoolExecutor(4) as executor:
        laboratory.deliver(plan, executor=executor)

    assert set(outcomes(plan).values()) == {"delivered"}


def test_calls_of_one_user_go_one_after_another(laboratory: Laboratory, partner: PartnerDouble) -> None:
    partner.replies = [503]
    plan = planned("one:1::a", "one:2::a", "one:3::a")

    with ThreadPoolExecutor(4) as executor:
        laboratory.deliver(plan, executor=executor)

    assert list(outcomes(plan).values()) == ["retry http_503", "retry behind_another", "retry behind_another"]
    assert len(partner.calls) == 1


class Killed(BaseException):
    pass


def test_an_environment_that_dies_takes_no_further_calls(laboratory: Laboratory, partner: PartnerDouble) -> None:
    def die(_: PartnerCall) -> Reply:
        raise Killed

    partner.judge = die
    plan = planned("one:1::a", "one:2::a")

    with ThreadPoolExecutor(4) as executor, pytest.raises(Killed):
        laboratory.deliver(plan, executor=executor)

    assert len(partner.calls) == 1


class AtOnce(Executor):
    """Runs everything when it is submitted."""

    @override
    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_the_time_to_order_calls_grows_with_their_number() -> None:
    def send(calls: Sequence[Call]) -> None:
        SideBySide(calls, lambda _: None, AtOnce()).run()

    some, fourfold = (merged(planned(*["one:1"] * count).waiting) for count in (500, 2_000))

    assert growth(lambda: send(some), lambda: send(fourfold)) < MAX_GROWTH


# --- keys ------------------------------------------------------------------------------------------------------------


def identities(partner: PartnerDouble, deadline: Deadline, *plans: Plan) -> list[str]:
    partner.identities.clear()
    Laboratory(partner, deadline).deliver(*plans)
    return partner.identities


def test_a_call_of_one_request_has_the_same_key_whenever_it_comes(partner: PartnerDouble, deadline: Deadline) -> None:
    first = identities(partner, deadline, planned("many:1"))[0]
    again = planned("many:1")
    again.envelope.attempt = "m1#2"

    assert identities(partner, deadline, again) == [first]
    assert identities(partner, deadline, planned("many:1", number=2)) != [first]


def test_a_call_that_merges_requests_has_a_key_for_each_attempt(partner: PartnerDouble, deadline: Deadline) -> None:
    first = identities(partner, deadline, planned("shared:1"))[0]
    again = planned("shared:1")
    again.envelope.attempt = "m1#2"

    assert identities(partner, deadline, again) != [first]


def test_a_user_who_joins_leaves_and_joins_again_causes_three_calls(
    laboratory: Laboratory, partner: PartnerDouble
) -> None:
    """The first and the third are equal, and with one key the partner would take the third for a repetition."""
    alone = {name: replace(endpoint, across_requests=False) for name, endpoint in MEMBERS.items()}
    message = load_event("audience_membership_change_request")
    profile = message["user_profiles"][0]
    audience = {**profile["audiences"][0], "user_attributes": []}
    message["user_profiles"] = [
        {**profile, "audiences": [{**audience, "action": action}]} for action in ("add", "delete", "add")
    ]
    plan = Planner(STEPWISE).plan(parsed(AudienceMembershipChangeRequest, message), source="m1")
    for pending in plan.pending:
        plain = replace(alone["remove"], name=str(pending.item.body["action"]))
        pending.item = replace(pending.item, endpoint=plain)

    laboratory.deliver(plan)

    assert partner.bodies[0] == partner.bodies[2]
    assert len(set(partner.identities)) == 3


def test_nothing_personal_shows(laboratory: Laboratory, partner: PartnerDouble) -> None:
    plan = planned("many:canary-uid:canary-key:canary-user", token="canary-token")

    laboratory.deliver(plan)

    assert "canary" not in repr([plan.pending[0].item, partner.calls])
