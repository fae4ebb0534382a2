"""The fake API refuses and reports as HubSpot does."""

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.partner.server import PartnerServer
from local.rooms import Room
from mparticle_firehose.integration import Answer, Bearer, Body, Form, Json, JsonObject, PartnerCall

ROOM = Room.of("examples/hubspot")
CONTACTS = "/crm/objects/2026-03/contacts"
LISTS = "/crm/lists/2026-03"
TOKEN = {
    "grant_type": "refresh_token",
    "refresh_token": "canary-r",
    "client_id": "canary-hubspot-client-id",
    "client_secret": "canary-hubspot-client-secret",
}


def ask(api: Any, path: str, body: Body | None = None, method: str = "POST") -> Answer:
    call = PartnerCall(method=method, path=path, body=body, auth=Bearer("canary-token"))
    return answer_to(api, call, host="api.hubapi.com")


def contact(address: str, trace: str, **properties: str) -> dict[str, Any]:
    fields = {"email": address, **properties}
    return {"id": address, "idProperty": "email", "properties": fields, "objectWriteTraceId": trace}


def upsert(api: Any, *inputs: dict[str, Any]) -> Answer:
    return ask(api, f"{CONTACTS}/batch/upsert", Json({"inputs": list(inputs)}))


def test_inputs_that_are_not_valid_are_named_by_their_trace_id_and_the_others_are_written() -> None:
    api: Any = ROOM.fake_api()

    answer = upsert(api, contact("canary-a@x.io", "0"), contact("canary-nobody", "1"), contact("canary-b@x.io", "2"))

    assert (answer.status, answer.at("numErrors")) == (207, 1)
    assert answer.at("errors", 0, "context") == {"objectWriteTraceId": ["1"]}
    assert answer.at("results") == [
        {"id": "102", "properties": {"email": "canary-b@x.io"}, "new": True},
        {"id": "101", "properties": {"email": "canary-a@x.io"}, "new": True},
    ]


def test_a_property_that_does_not_exist_refuses_the_whole_call() -> None:
    api: Any = ROOM.fake_api()

    answer = upsert(api, contact("canary-a@x.io", "0"), contact("canary-b@x.io", "1", shoe_size="42"))

    assert (answer.status, answer.text("category"), api.contacts) == (400, "VALIDATION_ERROR", {})
    assert answer.text("message").startswith("Property values were not valid: [")


def test_a_contact_is_updated_by_its_address_in_any_case() -> None:
    api: Any = ROOM.fake_api()
    upsert(api, contact("canary-a@x.io", "0", city="canary-Oslo"))

    answer = upsert(api, contact("CANARY-a@x.io", "0", country="NO"))

    assert answer.at("results", 0, "new") is False
    assert api.contacts == {"101": {"email": "canary-a@x.io", "city": "canary-Oslo", "country": "NO"}}


@pytest.mark.parametrize(
    ("inputs", "rule"),
    [
        ([contact("a@x.io", "0"), contact("A@x.io", "1")], "inputs: the same address twice in one call"),
        ([contact("a@x.io", "0"), contact("b@x.io", "0")], "inputs: the same trace id twice in one call"),
        ([contact(f"{n}@x.io", str(n)) for n in range(101)], "inputs: must have at most 100 items"),
        ([{"id": "a@x.io", "idProperty": "email", "properties": {}}], "inputs[0].objectWriteTraceId: is required"),
    ],
    ids=["address", "trace", "101", "no-trace"],
)
def test_what_the_integration_must_never_send_breaks_the_contract(inputs: list[Any], rule: str) -> None:
    with pytest.raises(ContractError) as caught:
        upsert(ROOM.fake_api(), *inputs)

    assert str(caught.value) == rule


def test_members_that_are_no_contacts_are_missing() -> None:
    api: Any = ROOM.fake_api()
    upsert(api, contact("canary-a@x.io", "0"))

    added = ask(api, f"{LISTS}/7/memberships/add", Json(["101", "999"]), "PUT")
    removed = ask(api, f"{LISTS}/7/memberships/remove", Json(["101", "999"]), "PUT")

    assert added.body == {"recordsIdsAdded": ["101"], "recordIdsRemoved": [], "recordIdsMissing": ["999"]}
    assert removed.body == {"recordsIdsAdded": [], "recordIdsRemoved": ["101"], "recordIdsMissing": ["999"]}
    assert api.summary() == {"portal": {"contacts": 1, "events": 0}, "list 7": {"members": 0}}


def test_reading_names_those_that_it_found() -> None:
    api: Any = ROOM.fake_api()
    upsert(api, contact("canary-a@x.io", "0"))
    inputs = [{"id": "canary-b@x.io"}, {"id": "canary-a@x.io"}]
    fields: JsonObject = {"idProperty": "email", "properties": ["email"], "propertiesWithHistory": [], "inputs": inputs}

    answer = ask(api, f"{CONTACTS}/batch/read", Json(fields))

    assert (answer.status, answer.at("results")) == (207, [{"id": "101", "properties": {"email": "canary-a@x.io"}}])


def test_a_list_of_a_taken_name_is_refused_and_can_be_found() -> None:
    api: Any = ROOM.fake_api()
    new = Json({"name": "Tea", "objectTypeId": "0-1", "processingType": "MANUAL"})

    made, again = ask(api, LISTS, new), ask(api, LISTS, new)

    assert (made.text("list", "listId"), again.status) == ("101", 400)
    assert again.text("subCategory") == "ILS.DUPLICATE_LIST_NAMES"
    assert ask(api, f"{LISTS}/object-type-id/0-1/name/Tea", method="GET").text("list", "listId") == "101"
    assert ask(api, f"{LISTS}/object-type-id/0-1/name/Coffee", method="GET").status == 404


def test_a_repeated_uuid_and_an_event_without_a_definition_refuse_the_whole_call() -> None:
    api: Any = ROOM.fake_api()
    event = {"eventName": "pe1_x", "email": "canary-a@x.io", "occurredAt": "2025-10-09T08:53:20.000Z", "uuid": "u-1"}

    statuses = [
        ask(api, "/events/2026-03/send/batch", Json({"inputs": inputs})).status
        for inputs in ([event], [{**event, "uuid": "u-2"}, event], [{**event, "eventName": "pe1_undefined_event"}])
    ]

    assert (statuses, len(api.events)) == ([204, 400, 400], 1)


def test_a_forgotten_person_leaves_lists_and_contacts_and_does_not_come_back() -> None:
    api: Any = ROOM.fake_api()
    upsert(api, contact("canary-a@x.io", "0"))
    ask(api, f"{LISTS}/7/memberships/add", Json(["101"]), "PUT")

    answer = ask(api, f"{CONTACTS}/gdpr-delete", Json({"objectId": "canary-a@x.io", "idProperty": "email"}))

    assert (answer.status, api.contacts, api.members) == (204, {}, {"7": set()})
    assert upsert(api, contact("canary-a@x.io", "0")).status == 207


@pytest.mark.parametrize(
    ("wrong", "status", "error"),
    [
        ({}, 200, ""),
        ({"refresh_token": "dead-canary-r"}, 400, "invalid_grant"),
        ({"client_secret": "canary-other"}, 400, "invalid_client"),
    ],
    ids=["good", "dead", "another-client"],
)
def test_a_refresh_token_buys_an_access_token_for_the_app(wrong: dict[str, str], status: int, error: str) -> None:
    answer = ask(ROOM.fake_api(), "/oauth/2026-03/token", Form({**TOKEN, **wrong}))

    assert (answer.status, answer.text("error")) == (status, error)


@pytest.fixture
def server() -> Iterator[PartnerServer]:
    with PartnerServer(ROOM.fake_api()) as running:
        yield running


def test_token_and_members_are_sent_over_http_to_hubspots_host(server: PartnerServer) -> None:
    pool = urllib3.PoolManager(retries=False, timeout=5)
    host = {"Host": "api.hubapi.com"}

    token = pool.request(
        "POST", f"{server.url}/oauth/2026-03/token", fields=TOKEN, encode_multipart=False, headers=host
    )
    bearer = {**host, "Authorization": f"Bearer {token.json()['access_token']}"}
    added = pool.request("PUT", f"{server.url}{LISTS}/7/memberships/add", json=["999"], headers=bearer)
    pool.clear()

    assert (token.status, added.status, added.json()["recordIdsMissing"]) == (200, 200, ["999"])
    assert server.violations == ()
