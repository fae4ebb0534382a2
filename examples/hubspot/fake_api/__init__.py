"""The fake API of HubSpot: openapi.yaml, and here what the document cannot say.

An input that is not valid costs only itself if all of the call have trace ids, as at the real API: the answer is a 207.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import yaml

type Json = dict[str, Any]
type Answer = tuple[int, object]

KNOWN_PROPERTIES = {"email", "firstname", "lastname", "city", "zip", "country", "loyalty_tier", "favourite_teas"}
"""A property that a portal does not have refuses the whole call."""

CLIENT: Json = json.loads((Path(__file__).parent.parent / "deployment_secret.json").read_text())
"""The app whose id and secret are known here."""

TOKEN_SECONDS = 1800
_STATIC = {"MANUAL", "SNAPSHOT"}


class FakeApi:
    """The contacts, lists and events of a portal.

    A list whose id no call has returned counts as existing: so a message can be tried alone, without the subscription
    before it. Erased addresses are blocked.

    Attributes:
        contacts: the properties of each, by its id.
        lists: name and processing type, by the list's id.
        members: the contacts of each list.
        events: in the order of arrival.
        forgotten: addresses that were erased.
        undefined: names of events, without ``pe`` and the hub's id, that have no definition.
    """

    document: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text())

    def __init__(self) -> None:
        self.contacts: dict[str, Json] = {}
        self.lists: dict[str, Json] = {}
        self.members: dict[str, set[str]] = {}
        self.events: list[Json] = []
        self.forgotten: set[str] = set()
        self.undefined: set[str] = {"undefined_event"}
        self._uuids: set[tuple[str, str]] = set()
        self._ids = count(101)
        self._tokens = count(1)

    def violations(self, operation: str, _parameters: Mapping[str, str], body: Any) -> Iterator[str]:
        """Name the rules that openapi.yaml cannot express."""
        if operation not in ("upsert", "read"):
            return
        addresses = [each["id"].lower() for each in body["inputs"]]
        if len(set(addresses)) < len(addresses):
            yield "inputs: the same address twice in one call"
        traces = [each.get("objectWriteTraceId") for each in body["inputs"]]
        if operation == "upsert" and len(set(traces)) < len(traces):
            yield "inputs: the same trace id twice in one call"

    def apply(self, operation: str, parameters: Mapping[str, str], body: Any) -> Answer:
        """Carry out a valid call."""
        operations: dict[str, Callable[[Mapping[str, str], Any], Answer]] = {
            "token": self._token,
            "upsert": self._upsert,
            "read": self._read,
            "forget": self._forget,
            "makeList": self._make_list,
            "findList": self._find_list,
            "addMembers": self._add_members,
            "removeMembers": self._remove_members,
            "send": self._send,
        }
        return operations[operation](parameters, body)

    def partial_failure(self, operation: str, parameters: Mapping[str, str], body: Any) -> Answer | None:
        """Carry out a call that writes contacts as if the address of the first one were invalid."""
        if operation != "upsert":
            return None
        first, *others = body["inputs"]
        return self._upsert(parameters, {**body, "inputs": [{**first, "id": "invalid"}, *others]})

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Count contacts, events and the members of each list."""
        lists = {f"list {list_id}": {"members": len(members)} for list_id, members in sorted(self.members.items())}
        return {"portal": {"contacts": len(self.contacts), "events": len(self.events)}, **lists}

    def _token(self, _: Mapping[str, str], body: Json) -> Answer:
        if any(body[name] != value for name, value in CLIENT.items()):
            return 400, {"error": "invalid_client", "error_description": "x", "status": "BAD_CLIENT_SECRET"}
        if body["refresh_token"].startswith("dead"):
            return 400, {"error": "invalid_grant", "error_description": "x", "status": "BAD_REFRESH_TOKEN"}
        token = f"canary-access-token-{next(self._tokens)}"
        answer = {"access_token": token, "expires_in": TOKEN_SECONDS, "refresh_token": body["refresh_token"]}
        return 200, {**answer, "token_type": "bearer", "hub_id": 4242}

    def _upsert(self, _: Mapping[str, str], body: Json) -> Answer:
        unknown = {name for each in body["inputs"] for name in each["properties"]} - KNOWN_PROPERTIES
        if unknown:
            message = 'Property values were not valid: [{"isValid":false,"error":"PROPERTY_DOESNT_EXIST"}]'
            return 400, {"status": "error", "category": "VALIDATION_ERROR", "message": message}
        refused = [each for each in body["inputs"] if not self._is_usable(each["id"].lower())]
        results = [self._write(each) for each in body["inputs"] if each not in refused]
        answer = {"status": "COMPLETE", "results": results[::-1]}
        errors = [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": "Email address is invalid",
                "context": {"objectWriteTraceId": [each["objectWriteTraceId"]]},
            }
            for each in refused
        ]
        return (207, {**answer, "numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def _is_usable(self, address: str) -> bool:
        name, at, domain = address.rpartition("@")
        return bool(name and at and "." in domain) and address not in self.forgotten

    def _write(self, entry: Json) -> Json:
        address = entry["id"].lower()
        found = self._id_of(address)
        contact = found or str(next(self._ids))
        self.contacts[contact] = {**self.contacts.get(contact, {}), **entry["properties"], "email": address}
        properties = {"email": address}
        return {"id": contact, "properties": properties, "new": found is None}

    def _id_of(self, address: str) -> str | None:
        found = (contact for contact, fields in self.contacts.items() if fields["email"] == address.lower())
        return next(found, None)

    def _read(self, _: Mapping[str, str], body: Json) -> Answer:
        ids = {each["id"]: self._id_of(each["id"]) for each in body["inputs"]}
        results = [{"id": found, "properties": {"email": address}} for address, found in ids.items() if found]
        answer = {"status": "COMPLETE", "results": results}
        missing = [address for address, found in ids.items() if not found]
        if not missing:
            return 200, answer
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "x", "context": {"ids": missing}}
        return 207, {**answer, "numErrors": 1, "errors": [error]}

    def _forget(self, _: Mapping[str, str], body: Json) -> Answer:
        address = body["objectId"].lower()
        self.forgotten.add(address)
        if contact := self._id_of(address):
            del self.contacts[contact]
            for members in self.members.values():
                members.discard(contact)
        return 204, None

    def _make_list(self, _: Mapping[str, str], body: Json) -> Answer:
        if any(each["name"] == body["name"] for each in self.lists.values()):
            message = {"status": "error", "category": "VALIDATION_ERROR", "subCategory": "ILS.DUPLICATE_LIST_NAMES"}
            return 400, message
        list_id = str(next(self._ids))
        self.lists[list_id] = body
        self.members[list_id] = set()
        return 200, {"list": {"listId": list_id, **body}}

    def _find_list(self, parameters: Mapping[str, str], _: object) -> Answer:
        found = (list_id for list_id, each in self.lists.items() if each["name"] == parameters["name"])
        list_id = next(found, None)
        if list_id is None:
            return 404, {"status": "error", "category": "OBJECT_NOT_FOUND"}
        return 200, {"list": {"listId": list_id, **self.lists[list_id]}}

    def _add_members(self, parameters: Mapping[str, str], ids: list[str]) -> Answer:
        members = self._static(parameters["id"])
        if members is None:
            return 400, {"status": "error", "category": "VALIDATION_ERROR"}
        added = [each for each in ids if each in self.contacts and each not in members]
        members.update(added)
        missing = [each for each in ids if each not in self.contacts]
        return 200, {"recordsIdsAdded": added, "recordIdsRemoved": [], "recordIdsMissing": missing}

    def _remove_members(self, parameters: Mapping[str, str], ids: list[str]) -> Answer:
        members = self._static(parameters["id"])
        if members is None:
            return 400, {"status": "error", "category": "VALIDATION_ERROR"}
        removed = [each for each in ids if each in members]
        members.difference_update(removed)
        missing = [each for each in ids if each not in self.contacts]
        return 200, {"recordsIdsAdded": [], "recordIdsRemoved": removed, "recordIdsMissing": missing}

    def _static(self, list_id: str) -> set[str] | None:
        """Return the members of a list that may be changed from outside."""
        if self.lists.get(list_id, {}).get("processingType", "MANUAL") not in _STATIC:
            return None
        return self.members.setdefault(list_id, set())

    def _send(self, _: Mapping[str, str], body: Json) -> Answer:
        uuids = [(each["eventName"], each["uuid"]) for each in body["inputs"] if "uuid" in each]
        if any(each["eventName"].partition("_")[2] in self.undefined for each in body["inputs"]):
            return 400, {"status": "error", "category": "VALIDATION_ERROR", "message": "No event type with this name"}
        if repeated := [uuid for name, uuid in uuids if (name, uuid) in self._uuids]:
            message = f"An event with the uuid {repeated[0]} exists already"
            return 400, {"status": "error", "category": "VALIDATION_ERROR", "message": message}
        self._uuids |= set(uuids)
        self.events += body["inputs"]
        return 204, None
