"""The fake API of Acme Engage is as strict as the real one, and keeps what it takes."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import urllib3

from local.partner.server import PartnerServer
from tests.partner.fake_api import FakeApi

KEY = "canary-partner-key"
EVENT: dict[str, object] = {"id": "e-1", "type": "custom_event", "timestamp_ms": 1, "name": "Viewed"}
EVENTS_BODY: dict[str, object] = {
    "account_id": 7,
    "request_id": "r-1",
    "timestamp_ms": 2,
    "mpid": "42",
    "events": [EVENT],
}
AUDIENCE_BODY: dict[str, object] = {"account_id": 7, "audience_id": 9, "name": "Regulars"}
ERASURE_BODY: dict[str, object] = {"subject_request_id": "s-1", "identities": {"email": "a@example.com"}}
MEMBERS = "/v1/audiences/aud-7-9/members"


def change(mpid: str, action: str = "add", **attributes: object) -> dict[str, object]:
    return {"action": action, "user": {"mpid": mpid, "identities": {}}, "attributes": attributes, "timestamp_ms": 1}


def members(*changes: dict[str, object]) -> dict[str, object]:
    return {"account_id": 7, "changes": list(changes)}


@pytest.fixture
def partner() -> Iterator[PartnerServer]:
    with PartnerServer(FakeApi()) as running:
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
def caller(partner: PartnerServer) -> Iterator[Caller]:
    calling = Caller(partner.url)
    yield calling
    calling.close()


def test_an_audience_is_created_filled_renamed_and_deleted(partner: PartnerServer, caller: Caller) -> None:
    created = caller.send("/v1/audiences", AUDIENCE_BODY)
    assert (created.status, created.json()) == (201, {"id": "aud-7-9"})
    assert caller.send(MEMBERS, members(change("1", tier="gold"), change("2"))).status == 202
    assert partner.state("memberships") == {"aud-7-9": {"1": {"tier": "gold"}, "2": {}}}

    assert caller.send("/v1/audiences/aud-7-9", {"name": "Friends"}, method="PATCH").status == 200
    assert partner.state("audiences") == {"aud-7-9": {**AUDIENCE_BODY, "name": "Friends"}}

    assert caller.send("/v1/audiences/aud-7-9", None, method="DELETE").status == 204
    assert (partner.state("audiences"), partner.state("memberships")) == ({}, {})
    assert caller.send("/v1/audiences/aud-7-9", None, method="DELETE").status == 404
    assert partner.violations == ()


def test_updates_merge_attributes_null_deletes_one_and_only_an_add_makes_a_member(
    partner: PartnerServer, caller: Caller
) -> None:
    caller.send(MEMBERS, members(change("1", tier="gold", city="Oslo")))
    caller.send(MEMBERS, members(change("1", "update", tier="silver", city=None), change("2", "update", tier="gold")))
    assert partner.state("memberships") == {"aud-7-9": {"1": {"tier": "silver"}}}

    caller.send(MEMBERS, members(change("1", "remove")))
    assert partner.state("memberships") == {"aud-7-9": {}}


def test_a_user_without_mpid_is_known_by_the_first_identity(partner: PartnerServer, caller: Caller) -> None:
    user = {"identities": {"email": "a@example.com", "customer": "c-1"}}
    caller.send(MEMBERS, members({"action": "add", "user": user, "attributes": {}, "timestamp_ms": 1}))
    assert partner.state("memberships") == {"aud-7-9": {"email:a@example.com": {}}}


def test_events_and_erasures_are_kept_as_sent(partner: PartnerServer, caller: Caller) -> None:
    notice = {"type": "gdpr_consent_state", "purposes": []}
    body = {**EVENTS_BODY, "events": [notice, EVENT]}
    assert caller.send("/v1/events", body).status == 202
    assert caller.send("/v1/erasures", ERASURE_BODY).status == 202
    assert (partner.state("events"), partner.state("erasures"), partner.violations) == ([body], [ERASURE_BODY], ())


@pytest.mark.parametrize(
    ("path", "body", "rule"),
    [
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "events": []}, "events: must not be empty unless there are user attributes",
            id="no-events",
        ),
        pytest.param(
            "/v1/events", {"request_id": "r", "timestamp_ms": 2, "events": [EVENT]}, "account_id: is required",
            id="no-account",
        ),
        pytest.param(
            "/v1/events", {"account_id": 7, "request_id": "r", "events": [EVENT]}, "timestamp_ms: is required",
            id="no-time",
        ),
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "apiKey": KEY}, "apiKey: is not part of the API", id="unknown-member"
        ),
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "events": [{"id": "e", "type": "t"}]}, "events[0].timestamp_ms: is required",
            id="timeless-event",
        ),
        pytest.param(
            "/v1/events", {**EVENTS_BODY, "user": {"identities": {"email": ["a"]}}},
            "user.identities.email: must be string", id="nested-identities",
        ),
        pytest.param("/v1/audiences", {**AUDIENCE_BODY, "name": ""}, "name: must not be empty", id="no-name"),
        pytest.param("/v1/audiences", [], "body: must be object", id="no-object"),
        pytest.param(MEMBERS, members(), "changes: must not be empty", id="no-changes"),
        pytest.param(
            MEMBERS, members(change("1"), change("1", "remove")), "changes: the same user twice in one call",
            id="same-user-twice",
        ),
        pytest.param(
            MEMBERS, members(*(change(str(number)) for number in range(501))), "changes: must have at most 500 items",
            id="501-changes",
        ),
        pytest.param(
            MEMBERS, members(change("1", "delete")), "changes[0].action: must be one of add, remove, update",
            id="bad-action",
        ),
        pytest.param(
            MEMBERS, members({"action": "add", "user": {"identities": {}}}),
            "changes[0].user: needs an mpid or an identity", id="nobody",
        ),
        pytest.param("/v1/erasures", {"identities": {}}, "identities: must not be empty", id="erase-nobody"),
    ],
)  # fmt: skip
def test_a_broken_body_is_refused_with_its_rule_and_changes_nothing(
    partner: PartnerServer, caller: Caller, path: str, body: object, rule: str
) -> None:
    answer = caller.send(path, body)
    assert (answer.status, answer.json()) == (422, {"error": rule})
    assert partner.violations == (f"POST {partner.contract.route(path)}: {rule}",)
    assert (
        partner.state("events"),
        partner.state("audiences"),
        partner.state("memberships"),
        partner.state("erasures"),
    ) == ([], {}, {}, [])


def test_five_hundred_changes_are_accepted(partner: PartnerServer, caller: Caller) -> None:
    assert caller.send(MEMBERS, members(*(change(str(number)) for number in range(500)))).status == 202
    assert len(partner.state("memberships")["aud-7-9"]) == 500


def test_an_audience_id_of_another_form_exists_only_once_created(partner: PartnerServer, caller: Caller) -> None:
    assert caller.send("/v1/audiences/somebody-elses/members", members(change("1"))).status == 404
    assert caller.send("/v1/audiences/aud-1-1/members", members(change("1"))).status == 202


def test_the_document_is_valid_openapi() -> None:
    document: Any = schemathesis.openapi.from_dict(dict(FakeApi.document))

    document.validate()


def test_without_an_idempotency_key_a_call_is_refused(partner: PartnerServer, caller: Caller) -> None:
    assert caller.send("/v1/events", EVENTS_BODY, headers={"Authorization": f"Bearer {KEY}"}).status == 400
    assert partner.violations == ("POST /v1/events: Idempotency-Key: is required",)


@pytest.mark.parametrize(("path", "body"), [("/v1/events", EVENTS_BODY), (MEMBERS, members(change("1"), change("2")))])
def test_one_item_of_a_call_is_refused_if_a_script_says_so(
    partner: PartnerServer, caller: Caller, path: str, body: dict[str, object]
) -> None:
    partner.script(path, [{"partial": True}])
    refused, usual = caller.send(path, body), caller.send(path, body)

    assert (refused.status, refused.json()["failures"]) == (202, [{"index": 0, "status": 422}])
    assert (usual.status, "failures" in usual.json()) == (202, False)
    assert [len(call["events"]) for call in partner.state("events")] == ([0, 1] if path == "/v1/events" else [])
