"""Exchanges, driven answer by answer and without HTTP: which call comes next, and what the exchange comes to."""

import pytest

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Bearer,
    Delivered,
    Json,
    JsonObject,
    PartnerCall,
    Rejected,
    Retry,
)
from tests.rooms import braze, customerio, google_ads, hubspot, iterable, klaviyo, onesignal, split_io
from tests.rooms.judging import answered, chain_of, ended, judged, kinds

A, B, C = ({"email": f"{name}@x.io"} for name in "abc")
UPSERTED = answered(
    207,
    {
        "status": "COMPLETE",
        "results": [{"id": "12", "properties": {"email": "B@x.io"}}, {"id": "11", "properties": A}],
        "numErrors": 1,
        "errors": [{"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": ["2"]}}],
    },
)
LIST = hubspot.access("canary-refresh-token", list="7")
READ = answered(200, {"results": [{"id": "11", "properties": A}]})


def body_of(call: PartnerCall) -> object:
    return call.body.value if isinstance(call.body, Json) else None


def test_h1_a_join_goes_on_with_the_contacts_that_were_written() -> None:
    chain = chain_of(hubspot.JOIN, LIST, A, B, C)
    next(chain)

    added = chain.send(UPSERTED)

    assert (added.method, added.path, body_of(added)) == ("PUT", "/crm/v3/lists/7/memberships/add", ["11", "12"])
    assert added.known == {2: Rejected("invalid_contact")}


def test_h7_a_contact_that_is_missing_goes_through_the_chain_again() -> None:
    chain = chain_of(hubspot.JOIN, LIST, A, B, C)
    next(chain)
    chain.send(UPSERTED)

    outcome = ended(chain, answered(200, {"recordsIdsAdded": ["11"], "recordIdsMissing": ["12"]}))

    assert kinds(outcome, 3) == ["ok", "alone", "reject"]


def test_a_join_of_which_nothing_was_written_makes_no_second_call() -> None:
    chain = chain_of(hubspot.JOIN, LIST, A)
    next(chain)

    assert ended(chain, answered(200, {"results": [], "errors": []})) == Rejected("nothing_written")


def test_a_contact_without_an_id_goes_alone_and_the_others_are_added() -> None:
    chain = chain_of(hubspot.JOIN, LIST, A, B)
    next(chain)

    added = chain.send(answered(200, {"status": "COMPLETE", "results": [{"id": "11", "properties": A}]}))

    assert (body_of(added), added.known) == (["11"], {1: Alone("no_id")})


def test_h7_a_leave_ignores_who_is_missing_and_who_is_unknown() -> None:
    chain = chain_of(hubspot.LEAVE, LIST, A, B)
    next(chain)

    removed = chain.send(READ)
    outcome = ended(chain, answered(200, {"recordIdsRemoved": [], "recordIdsMissing": ["11"]}))

    assert (removed.path, body_of(removed)) == ("/crm/v3/lists/7/memberships/remove", ["11"])
    assert removed.known == {1: Delivered()}
    assert outcome == Delivered()


def test_a_leave_of_nobody_known_is_done_after_the_look_up() -> None:
    chain = chain_of(hubspot.LEAVE, LIST, A)
    next(chain)

    assert ended(chain, answered(200, {"results": []})) == Delivered()


@pytest.mark.parametrize(
    ("made", "profile"),
    [
        (answered(409, {"errors": [{"meta": {"duplicate_profile_id": "P9"}}]}), "P9"),
        (answered(201, {"data": {"type": "profile", "id": "P1"}}), "P1"),
    ],
    ids=["K2 it exists", "it is new"],
)
def test_k2_a_join_goes_on_with_the_profile_that_the_answer_names(made: Answer, profile: str) -> None:
    chain = chain_of(klaviyo.JOIN, klaviyo.access("canary-key", list="L"), A)
    first = next(chain)

    added = chain.send(made)

    assert first.accept == frozenset({409})
    assert (added.method, added.path) == ("POST", "/lists/L/relationships/profiles")
    assert body_of(added) == {"data": [{"type": "profile", "id": profile}]}
    assert ended(chain, answered(204)) == Delivered()


def test_k2_a_conflict_without_an_id_is_tried_again() -> None:
    chain = chain_of(klaviyo.JOIN, klaviyo.access("canary-key", list="L"), A)
    next(chain)

    assert ended(chain, answered(409, {"errors": []})) == Retry("no_id")


def test_a_leave_by_address_asks_for_the_ids_first() -> None:
    chain = chain_of(klaviyo.LEAVE_BY_ADDRESS, klaviyo.access("canary-key", list="L"), A, B)
    asked = next(chain)

    removed = chain.send(answered(200, {"data": [{"id": "P1"}, {"id": "P2"}]}))

    assert asked.query == {"filter": 'any(email,["a@x.io","b@x.io"])'}
    assert (removed.method, body_of(removed)) == (
        "DELETE",
        {"data": [{"type": "profile", "id": "P1"}, {"type": "profile", "id": "P2"}]},
    )


JOB = "customers/1/offlineUserDataJobs/7"
JOBS = google_ads.access("canary-refresh-token", site="ads", customer="1", list="customers/1/userLists/2")
MEMBERS = [{"verb": "create", "email": "a"}, {"verb": "create", "email": "b"}]


def test_g1_a_job_is_made_filled_and_run_and_only_then_delivered() -> None:
    chain = chain_of(google_ads.UPLOAD, JOBS, *MEMBERS)

    paths = [
        next(chain).path,
        chain.send(answered(200, {"resourceName": JOB})).path,
        chain.send(answered(200, {})).path,
    ]

    assert paths == ["/customers/1/offlineUserDataJobs:create", f"/{JOB}:addOperations", f"/{JOB}:run"]
    assert ended(chain, answered(200, {})) == Delivered()


def test_g2_a_concurrent_change_at_any_step_begins_the_chain_anew() -> None:
    concurrent = {"error": {"details": [{"errors": [{"errorCode": {"databaseError": "CONCURRENT_MODIFICATION"}}]}]}}
    steps = [answered(200, {"resourceName": JOB}), answered(200, {})]
    chain = chain_of(google_ads.UPLOAD, JOBS, *MEMBERS)
    calls = [next(chain), *(chain.send(step) for step in steps)]

    outcome = judged(google_ads.ROOM, google_ads.UPLOAD, MEMBERS, answered(400, concurrent))

    assert [call.accept for call in calls] == [frozenset()] * 3
    assert outcome == Retry("concurrent_modification")


def test_g3_the_job_runs_without_the_operation_that_failed() -> None:
    element = {"fieldName": "operations", "index": 1}
    failure = {"code": 3, "details": [{"errors": [{"location": {"fieldPathElements": [element]}}]}]}
    chain = chain_of(google_ads.UPLOAD, JOBS, *MEMBERS)
    next(chain)
    chain.send(answered(200, {"resourceName": JOB}))

    run = chain.send(answered(200, {"partialFailureError": failure}))
    outcome = ended(chain, answered(200, {}))

    assert (run.path, run.known) == (f"/{JOB}:run", {1: Rejected("invalid_member")})
    assert kinds(outcome, 2) == ["ok", "reject"]


USER = onesignal.access("canary-key", "app", "canary/user")


def test_o1_a_user_that_is_not_there_is_made() -> None:
    chain = chain_of(onesignal.UPDATE, USER, {"tag": "vip", "value": "1"})
    patched = next(chain)

    made = chain.send(answered(404))

    assert (patched.method, patched.path) == ("PATCH", "/apps/app/users/by/external_id/canary%2Fuser")
    assert patched.accept == frozenset({404})
    assert (made.method, made.path, made.accept) == ("POST", "/apps/app/users", frozenset({409}))
    assert body_of(made) == {"identity": {"external_id": "canary/user"}, "properties": {"tags": {"vip": "1"}}}


@pytest.mark.parametrize("status", [201, 409])
def test_o1_a_user_that_is_made_or_there_by_now_is_delivered(status: int) -> None:
    chain = chain_of(onesignal.UPDATE, USER, {"tag": "vip", "value": "1"})
    next(chain)
    chain.send(answered(404))

    assert ended(chain, answered(status)) == Delivered()


def test_o1_a_user_that_is_there_needs_one_call() -> None:
    chain = chain_of(onesignal.UPDATE, USER, {"tag": "vip", "value": "1"})
    next(chain)

    assert ended(chain, answered(202)) == Delivered()


SEGMENT = split_io.access("canary-key", workspace="w", traffic_type="t", environment="e", segment="vip users")


@pytest.mark.parametrize("status", [200, 409])
def test_x1_a_segment_that_exists_is_activated_like_a_new_one(status: int) -> None:
    chain = split_io.connect(SEGMENT)
    made = next(chain)

    activated = chain.send(answered(status))

    assert (made.path, made.accept) == ("/segments/ws/w/trafficTypes/t", frozenset({409}))
    assert activated.path == "/segments/e/vip%20users"
    assert ended(chain, answered(200)) == {"madeAt": "2000000000"}


def test_a_cohort_is_made_before_its_members_are_changed() -> None:
    target = braze.partner_access("canary-secret", "eu-01", "c1")
    bodies: list[JsonObject] = [{"user": "u1", "leaves": False}, {"user": "u2", "leaves": True}]
    chain = chain_of(braze.COHORT, target, *bodies)
    made = next(chain)

    changed = chain.send(answered(200, {"message": "success"}))

    assert (made.path, changed.path) == ("/partners/mparticle/cohorts", "/partners/mparticle/cohorts/users")
    assert made.body is not None
    assert made.body.encoded() == (
        b'{"partner_api_key":"<braze_partner_key_eu>","client_secret":"canary-secret","cohort_id":"c1","name":"c1"}'
    )
    assert ended(chain, answered(200, {"message": "success"})) == Delivered()


def test_an_audience_is_the_list_of_its_name_or_a_new_one() -> None:
    target = iterable.access("canary-key", "eu")
    known, new = iterable.connect(target, "VIP"), iterable.connect(target, "VIP")
    looked_up = next(known)
    next(new)

    made = new.send(answered(200, {"lists": [{"id": 1, "name": "other"}]}))

    assert (looked_up.method, looked_up.path, looked_up.site) == ("GET", "/api/lists", "eu")
    assert ended(known, answered(200, {"lists": [None, {"id": 7, "name": "VIP"}]})) == {"listId": "7"}
    assert (made.method, made.path, body_of(made)) == ("POST", "/api/lists", {"name": "VIP"})
    assert ended(new, answered(200, {"listId": 8})) == {"listId": "8"}


def test_a_segment_is_found_on_the_other_host_with_the_other_key() -> None:
    chain = customerio.connect(customerio.access("s", "canary-key"), "canary-app-key", "VIP")
    looked_up = next(chain)

    made = chain.send(answered(200, {"segments": []}))

    assert {(call.site, call.auth) for call in (looked_up, made)} == {("eu-app", Bearer("canary-app-key"))}
    assert ended(chain, answered(200, {"segment": {"id": 3, "type": "manual"}})) == {"segment": "3"}
