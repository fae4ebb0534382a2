"""The fake partner is strict about its contract, fails exactly as scripted, and applies each call once."""

import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import cast

import pytest
import urllib3

from local.partner.server import FakePartner, Step

KEY = "canary-partner-key"
EVENT: dict[str, object] = {"id": "e-1", "type": "custom_event", "timestamp_ms": 1, "name": "Viewed"}
EVENTS_BODY: dict[str, object] = {"account_id": 7, "request_id": "r-1", "mpid": "42", "events": [EVENT]}
AUDIENCE_BODY: dict[str, object] = {"account_id": 7, "audience_id": 9, "name": "Regulars"}
ERASURE_BODY: dict[str, object] = {"subject_request_id": "s-1", "identities": {"email": "a@example.com"}}
MEMBERS = "/v1/audiences/aud-7-9/members"


def change(mpid: str, action: str = "add", **attributes: object) -> dict[str, object]:
    return {"action": action, "user": {"mpid": mpid, "identities": {}}, "attributes": attributes, "timestamp_ms": 1}


def members(*changes: dict[str, object]) -> dict[str, object]:
    return {"account_id": 7, "changes": list(changes)}


@pytest.fixture
def partner() -> Iterator[FakePartner]:
    with FakePartner() as running:
        yield running


class Caller:
    """Calls the partner as an integration would."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=5)
        self._calls = 0

    def close(self) -> None:
        self._pool.clear()

    def send(
        self,
        path: str,
        body: object,
        *,
        method: str = "POST",
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        self._calls += 1
        usual = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key or f"call-{self._calls}"}
        return self._pool.request(method, self._url + path, json=body, headers=usual if headers is None else headers)


@pytest.fixture
def caller(partner: FakePartner) -> Iterator[Caller]:
    calling = Caller(partner.url)
    yield calling
    calling.close()


def test_an_audience_is_created_filled_renamed_and_deleted(partner: FakePartner, caller: Caller) -> None:
    created = caller.send("/v1/audiences", AUDIENCE_BODY)
    assert (created.status, created.json()) == (201, {"id": "aud-7-9"})
    assert caller.send(MEMBERS, members(change("1", tier="gold"), change("2"))).status == 202
    assert partner.memberships == {"aud-7-9": {"1": {"tier": "gold"}, "2": {}}}

    assert caller.send("/v1/audiences/aud-7-9", {"name": "Friends"}, method="PATCH").status == 200
    assert partner.audiences == {"aud-7-9": {**AUDIENCE_BODY, "name": "Friends"}}

    assert caller.send("/v1/audiences/aud-7-9", None, method="DELETE").status == 204
    assert (partner.audiences, partner.memberships) == ({}, {})
    assert caller.send("/v1/audiences/aud-7-9", None, method="DELETE").status == 404
    assert partner.violations == ()


def test_updates_merge_attributes_null_deletes_one_and_only_an_add_makes_a_member(
    partner: FakePartner, caller: Caller
) -> None:
    caller.send(MEMBERS, members(change("1", tier="gold", city="Oslo")))
    caller.send(MEMBERS, members(change("1", "update", tier="silver", city=None), change("2", "update", tier="gold")))
    assert partner.memberships == {"aud-7-9": {"1": {"tier": "silver"}}}

    caller.send(MEMBERS, members(change("1", "remove")))
    assert partner.memberships == {"aud-7-9": {}}


def test_a_user_without_mpid_is_known_by_the_first_identity(partner: FakePartner, caller: Caller) -> None:
    user = {"identities": {"email": "a@example.com", "customer": "c-1"}}
    caller.send(MEMBERS, members({"action": "add", "user": user, "attributes": {}, "timestamp_ms": 1}))
    assert partner.memberships == {"aud-7-9": {"email:a@example.com": {}}}


def test_events_and_erasures_are_kept_as_sent(partner: FakePartner, caller: Caller) -> None:
    notice = {"type": "gdpr_consent_state", "purposes": []}
    body = {**EVENTS_BODY, "events": [notice, EVENT]}
    assert caller.send("/v1/events", body).status == 202
    assert caller.send("/v1/erasures", ERASURE_BODY).status == 202
    assert (partner.events, partner.erasures, partner.violations) == ([body], [ERASURE_BODY], ())


@pytest.mark.parametrize(
    ("path", "body", "rule"),
    [
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "events": []}, "events: must not be empty unless there are user attributes",
            id="no-events",
        ),
        pytest.param("/v1/events", {"request_id": "r", "events": [EVENT]}, "account_id: is required", id="no-account"),
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "apiKey": KEY}, "apiKey: is not part of the contract", id="unknown-member"
        ),
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "events": [{"id": "e", "type": "t"}]}, "events[0].timestamp_ms: is required",
            id="timeless-event",
        ),
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "user": {"identities": {"email": ["a"]}}},
            "user.identities: must be a flat object of identity type to value", id="nested-identities",
        ),
        pytest.param("/v1/audiences", {**AUDIENCE_BODY, "name": ""}, "name: must be a non-empty string", id="no-name"),
        pytest.param("/v1/audiences", [], "body: must be an object", id="no-object"),
        pytest.param(MEMBERS, members(), "changes: must be a non-empty list", id="no-changes"),
        pytest.param(
            MEMBERS, members(change("1"), change("1", "remove")), "changes: the same user twice in one call",
            id="same-user-twice",
        ),
        pytest.param(
            MEMBERS, members(*(change(str(number)) for number in range(501))), "changes: at most 500 in one call",
            id="501-changes",
        ),
        pytest.param(
            MEMBERS, members(change("1", "delete")), "changes[0].action: must be add, remove or update", id="bad-action"
        ),
        pytest.param(
            MEMBERS, members({"action": "add", "user": {"identities": {}}}),
            "changes[0].user: needs an mpid or an identity", id="nobody",
        ),
        pytest.param("/v1/erasures", {"identities": {}}, "identities: must name the person", id="erase-nobody"),
    ],
)  # fmt: skip
def test_a_broken_body_is_refused_with_its_rule_and_changes_nothing(
    partner: FakePartner, caller: Caller, path: str, body: object, rule: str
) -> None:
    answer = caller.send(path, body)
    assert (answer.status, answer.json()) == (422, {"error": rule})
    assert partner.violations == (f"POST {path}: {rule}",)
    assert (partner.events, partner.audiences, partner.memberships, partner.erasures) == ([], {}, {}, [])


def test_five_hundred_changes_are_accepted(partner: FakePartner, caller: Caller) -> None:
    assert caller.send(MEMBERS, members(*(change(str(number)) for number in range(500)))).status == 202
    assert len(partner.memberships["aud-7-9"]) == 500


@pytest.mark.parametrize(
    ("headers", "status", "rule"),
    [
        pytest.param({"Idempotency-Key": "k"}, 401, "Authorization: must be a bearer token", id="no-key"),
        pytest.param({"Authorization": "Bearer "}, 401, "Authorization: must be a bearer token", id="empty-key"),
        pytest.param(
            {"Authorization": f"Bearer {KEY}"}, 400, "Idempotency-Key: is required on every write", id="no-idempotency"
        ),
        pytest.param({"Content-Type": "text/plain"}, 400, "body: Content-Type must be application/json", id="no-json"),
    ],
)
def test_a_missing_header_is_refused(
    partner: FakePartner, caller: Caller, headers: dict[str, str], status: int, rule: str
) -> None:
    assert caller.send("/v1/events", EVENTS_BODY, headers=headers).status == status
    assert partner.violations == (f"POST /v1/events: {rule}",)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/v1/events", 405, id="method"),
        pytest.param("POST", "/v2/events", 404, id="path"),
        pytest.param("POST", "/v1/audiences/aud-7-9", 405, id="method-of-audience"),
    ],
)
def test_what_is_not_offered_is_refused(
    partner: FakePartner, caller: Caller, method: str, path: str, status: int
) -> None:
    assert caller.send(path, EVENTS_BODY, method=method).status == status
    assert len(partner.violations) == 1


def test_an_audience_id_of_another_form_exists_only_once_created(partner: FakePartner, caller: Caller) -> None:
    assert caller.send("/v1/audiences/somebody-elses/members", members(change("1"))).status == 404
    assert caller.send("/v1/audiences/aud-1-1/members", members(change("1"))).status == 202


def test_a_key_takes_effect_once_and_its_repeat_gets_the_same_answer(partner: FakePartner, caller: Caller) -> None:
    answers = [caller.send("/v1/audiences", AUDIENCE_BODY, key="same").json() for _ in range(2)]
    assert answers == [{"id": "aud-7-9"}, {"id": "aud-7-9"}]
    assert partner.repeats == 1

    other = caller.send("/v1/audiences", {**AUDIENCE_BODY, "name": "Other"}, key="same")
    assert (other.status, other.json()) == (422, {"error": "Idempotency-Key: belongs to a different call"})
    assert partner.audiences == {"aud-7-9": AUDIENCE_BODY}


def test_a_failed_attempt_does_not_use_up_its_key(partner: FakePartner, caller: Caller) -> None:
    partner.script("/v1/events", [503])
    statuses = [caller.send("/v1/events", EVENTS_BODY, key="same").status for _ in range(2)]
    assert (statuses, partner.repeats, len(partner.events)) == ([503, 202], 0, 1)


def test_a_script_is_followed_step_by_step_and_then_forgotten(partner: FakePartner, caller: Caller) -> None:
    steps: list[Step] = [500, {"status": 429, "retry_after": 2}, {"status": 400, "body": {"error": "no"}}, 200]
    partner.script("/v1/events", steps)
    answers = [caller.send("/v1/events", EVENTS_BODY) for _ in range(5)]
    assert [answer.status for answer in answers] == [500, 429, 400, 202, 202]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, "2", None, None, None]
    assert answers[2].json() == {"error": "no"}
    assert (len(partner.events), partner.violations) == (2, ())
    assert [request.status for request in partner.requests] == [500, 429, 400, 202, 202]


def test_the_longest_scripted_path_wins_and_others_are_left_alone(partner: FakePartner, caller: Caller) -> None:
    partner.script("/v1/", [500])
    partner.script("/v1/audiences", [503])
    statuses = [
        caller.send(path, body).status
        for path, body in [(MEMBERS, members(change("1"))), ("/v1/events", EVENTS_BODY), ("/v1/erasures", ERASURE_BODY)]
    ]
    assert statuses == [503, 500, 202]


def test_a_scripted_success_may_break_its_promise(partner: FakePartner, caller: Caller) -> None:
    partner.script("/v1/audiences", [{"status": 201, "body": {}}])
    answer = caller.send("/v1/audiences", AUDIENCE_BODY)
    assert (answer.status, answer.json(), list(partner.audiences)) == (201, {}, ["aud-7-9"])


def test_a_scripted_success_never_hides_a_broken_rule(partner: FakePartner, caller: Caller) -> None:
    partner.script("/v1/events", [200])
    assert caller.send("/v1/events", {}).status == 422


@pytest.mark.parametrize(
    ("step", "applied"), [pytest.param("reset", 0, id="reset"), pytest.param("apply_then_reset", 1, id="applied")]
)
def test_a_lost_connection_is_an_error_for_the_caller(
    partner: FakePartner, caller: Caller, step: Step, applied: int
) -> None:
    partner.script("/v1/events", [step])
    with pytest.raises(urllib3.exceptions.ProtocolError):
        caller.send("/v1/events", EVENTS_BODY, key="same")
    assert len(partner.events) == applied
    assert [request.status for request in partner.requests] == [None]

    assert caller.send("/v1/events", EVENTS_BODY, key="same").status == 202
    assert (len(partner.events), partner.repeats) == (1, applied)


def test_a_delay_holds_the_answer_back(partner: FakePartner, caller: Caller) -> None:
    partner.script("/v1/events", [{"delay": 0.2}])
    started = time.monotonic()
    assert caller.send("/v1/events", EVENTS_BODY).status == 202
    assert time.monotonic() - started >= 0.2


def test_closing_releases_what_hangs(caller: Caller) -> None:
    with FakePartner() as partner:
        partner.script("/", ["hang"])
        hanging = HTTPConnection("127.0.0.1", int(partner.url.rpartition(":")[2]), timeout=10)
        hanging.request("POST", "/v1/events", b"{}", {"Content-Type": "application/json"})
        while not partner.requests:
            time.sleep(0.01)
        started = time.monotonic()
    with pytest.raises(OSError, match=r"reset|closed connection"):
        hanging.getresponse()
    hanging.close()
    assert time.monotonic() - started < 2


def test_a_revoked_key_is_refused_and_others_are_not(partner: FakePartner, caller: Caller) -> None:
    partner.revoke(KEY)
    assert caller.send("/v1/events", EVENTS_BODY).status == 401
    other = {"Authorization": "Bearer other", "Idempotency-Key": "k"}
    assert caller.send("/v1/events", EVENTS_BODY, headers=other).status == 202
    assert partner.violations == ()


def test_neither_key_nor_person_shows_when_a_request_is_printed(partner: FakePartner, caller: Caller) -> None:
    caller.send("/v1/erasures", ERASURE_BODY)
    request = partner.requests[0]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert cast("dict[str, object]", request.body) == ERASURE_BODY
    assert repr(request) == "ReceivedRequest(method='POST', path='/v1/erasures', status=202)"


def test_concurrent_callers_lose_nothing(partner: FakePartner) -> None:
    def send_many(name: str) -> None:
        caller = Caller(partner.url)
        for number in range(25):
            caller.send("/v1/events", EVENTS_BODY, key=f"{name}-{number}")
        caller.close()

    threads = [threading.Thread(target=send_many, args=(str(index),)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(partner.requests), len(partner.events), partner.repeats) == (100, 100, 0)
