"""A fake of Customer.io's APIs: openapi.yaml, and here what the document cannot say."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema_rs import Draft202012Validator

from local.partner.rules import first_rule

type Json = dict[str, Any]
type Answer = tuple[int, object]

_DOCUMENT: Json = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text())
_ENTITY = Draft202012Validator({**_DOCUMENT["components"]["schemas"]["Entity"], "components": _DOCUMENT["components"]})


class FakeApi:
    """The records of one workspace. People are known by an id, or by an address if they have no id.

    Three segments are there from the beginning, so that a request of the folder events can be tried alone. One of them
    is not manual: nobody can be added to it.
    """

    document: Mapping[str, Any] = _DOCUMENT

    def __init__(self) -> None:
        self.people: dict[str, Json] = {}
        self.events: dict[str, Json] = {}
        self.devices: dict[str, str] = {}
        self.opened: set[str] = set()
        self.suppressed: set[str] = set()
        self.segments: dict[int, Json] = {
            7: {"id": 7, "name": "Tea lovers", "type": "manual"},
            8: {"id": 8, "name": "Lapsed customers", "type": "manual"},
            9: {"id": 9, "name": "New customers", "type": "dynamic"},
        }
        self.members: dict[int, set[str]] = {number: set() for number in self.segments}

    def violations(self, operation: str, _parameters: Mapping[str, str], body: Json) -> Iterator[str]:
        """Name the rules that openapi.yaml cannot express."""
        if operation == "batch" and len(_encoded(body)) >= 500_000:
            yield "body: must be smaller than 500,000 bytes"

    def apply(self, operation: str, parameters: Mapping[str, str], body: Json) -> Answer:
        """Carry out a valid call."""
        operations: dict[str, Callable[[Mapping[str, str], Json], Answer]] = {
            "batch": self._batch,
            "addCustomers": self._add,
            "removeCustomers": self._remove,
            "listSegments": lambda *_: (200, {"segments": list(self.segments.values())}),
            "createSegment": self._create_segment,
        }
        return operations[operation](parameters, body)

    def partial_failure(self, operation: str, parameters: Mapping[str, str], body: Json) -> Answer | None:
        """Carry out a batch as if its first entity were invalid."""
        return self._batch(parameters, {**body, "batch": [{}, *body["batch"][1:]]}) if operation == "batch" else None

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Return each segment's name and members, and how much else there is."""
        segments = {
            str(number): {"name": segment["name"], "members": len(self.members[number])}
            for number, segment in self.segments.items()
        }
        everything = {"people": len(self.people), "events": len(self.events), "devices": len(self.devices)}
        return {**segments, "workspace": {**everything, "suppressed": len(self.suppressed)}}

    def _batch(self, _parameters: Mapping[str, str], body: Json) -> Answer:
        """Take each entity that is valid, and name the others by their index."""
        errors = []
        for index, entity in enumerate(body["batch"]):
            rule = "size: at most 32 kB" if len(_encoded(entity)) > 32_768 else first_rule(_ENTITY.iter_errors(entity))
            if rule:
                field, _, message = rule.partition(": ")
                errors.append({"batch_index": index, "reason": "invalid", "field": field, "message": message})
            else:
                self._take(entity)
        return (207, {"errors": errors}) if errors else (200, {})

    def _take(self, entity: Json) -> None:
        if entity["type"] == "delivery":
            self.opened.add(entity["identifiers"]["id"])
            return
        [who] = entity["identifiers"].values()
        if entity["action"] == "suppress":
            self.suppressed.add(who)
            self.people.pop(who, None)
        elif who not in self.suppressed:  # the API takes and forgets what is about a suppressed person
            self._about(who, entity)

    def _about(self, who: str, entity: Json) -> None:
        person = self.people.setdefault(who, dict(entity["identifiers"]))
        match entity["action"]:
            case "identify":
                self._update(person, entity)
            case "add_device":
                self.devices[entity["device"]["id"]] = who
            case "delete_device":
                self.devices.pop(entity["device"]["id"], None)
            case _:
                self.events.setdefault(entity.get("id", f"event {len(self.events)}"), entity)

    def _update(self, person: Json, entity: Json) -> None:
        """Update a person, unless a later update was taken before."""
        if entity.get("timestamp", 0) >= person.get("_updated", 0):
            person |= entity["attributes"]
            person["_updated"] = entity.get("timestamp", 0)

    def _add(self, parameters: Mapping[str, str], body: Json) -> Answer:
        """Add people. Whom the workspace does not know is ignored without an error."""
        segment = self.segments.get(int(parameters["segment_id"]))
        if segment is None or segment["type"] != "manual":
            return 404, {"meta": {"errors": ["segment not found"]}}
        self.members[segment["id"]] |= set(self._known(parameters["id_type"], body["ids"]))
        return 200, {}

    def _remove(self, parameters: Mapping[str, str], body: Json) -> Answer:
        segment = self.segments.get(int(parameters["segment_id"]))
        if segment is None or segment["type"] != "manual":
            return 404, {"meta": {"errors": ["segment not found"]}}
        self.members[segment["id"]] -= set(self._known(parameters["id_type"], body["ids"]))
        return 200, {}

    def _known(self, id_type: str, values: list[str]) -> Iterator[str]:
        for who, person in self.people.items():
            if person.get(id_type) in values:
                yield who

    def _create_segment(self, _parameters: Mapping[str, str], body: Json) -> Answer:
        number = max(self.segments) + 1
        self.segments[number] = {**body["segment"], "id": number, "type": "manual"}
        self.members[number] = set()
        return 200, {"segment": self.segments[number]}


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
