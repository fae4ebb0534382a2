"""The fake API of Braze: openapi.yaml, and here what the document cannot say.

An object that is not valid costs only itself, as at the real API: the answer lists it by array and index.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

type Json = dict[str, Any]
type Answer = tuple[int, object]

MAX_OBJECTS = 75
KINDS = ("attributes", "events", "purchases")
IDENTIFIERS = ("external_id", "user_alias", "email", "phone")
_FLAGS = {"_update_existing_only"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LISTS = {
    "external_ids": "external_id",
    "email_addresses": "email",
    "phone_numbers": "phone",
    "user_aliases": "user_alias",
}


class FakeApi:
    """The users of a workspace by their identifier, and what has happened to them.

    Attributes:
        users: the attributes of each.
        events: in the order of arrival.
        purchases: in the order of arrival.
    """

    document: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text())

    def __init__(self) -> None:
        self.users: dict[str, Json] = {}
        self.events: list[Json] = []
        self.purchases: list[Json] = []

    def violations(self, operation: str, _parameters: Mapping[str, str], body: Json) -> Iterator[str]:
        """Name the rules that openapi.yaml cannot express."""
        if operation != "track":
            return
        if sum(len(body.get(kind, ())) for kind in KINDS) > MAX_OBJECTS:
            yield "body: must have at most 75 objects"
        users = [user_key(each) for each in body.get("attributes", ())]
        if len(set(users)) < len(users):
            yield "attributes: the same user twice in one call"
        names = {name for each in body.get("attributes", ()) for name in each}
        if any(name.startswith(("$", "_")) for name in names - _FLAGS):
            yield "attributes: must not have a name of Braze's own"

    def apply(self, operation: str, _parameters: Mapping[str, str], body: Json) -> Answer:
        """Carry out a valid call."""
        return self._track(body) if operation == "track" else self._delete(body)

    def partial_failure(self, operation: str, _parameters: Mapping[str, str], body: Json) -> Answer | None:
        """Carry out a call as if its first object named nobody."""
        kind = next((kind for kind in KINDS if body.get(kind)), "") if operation == "track" else ""
        return self._track({**body, kind: [{}, *body[kind][1:]]}) if kind else None

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Count users, events and purchases, and the members of audiences that are named by their id."""
        audiences = sorted({name for user in self.users.values() for name in user if name.startswith("audience_")})
        members = {name: {"members": sum(user.get(name) is True for user in self.users.values())} for name in audiences}
        counts = {"users": len(self.users), "events": len(self.events), "purchases": len(self.purchases)}
        return {"workspace": counts, **members}

    def _track(self, body: Json) -> Answer:
        errors = [
            {"type": error, "input_array": kind, "index": index}
            for kind in KINDS
            for index, each in enumerate(body.get(kind, ()))
            for error in _errors(kind, each)
        ]
        refused = {(each["input_array"], each["index"]) for each in errors}
        taken = {
            kind: [each for index, each in enumerate(body.get(kind, ())) if (kind, index) not in refused]
            for kind in KINDS
        }
        if not any(taken.values()):
            message = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
            return 400, {"message": message, "errors": errors}
        for each in taken["attributes"]:
            self._update(each)
        self.events += taken["events"]
        self.purchases += taken["purchases"]
        processed = {f"{kind}_processed": len(objects) for kind, objects in taken.items() if objects}
        return 201, {"message": "success", **processed, **({"errors": errors} if errors else {})}

    def _update(self, fields: Json) -> None:
        user = self.users.setdefault(user_key(fields), {})
        new = {name: value for name, value in fields.items() if name not in _FLAGS}
        user.update(new)
        for name in [name for name, value in new.items() if value is None]:
            del user[name]

    def _delete(self, body: Json) -> Answer:
        ((kind, identifiers),) = body.items()
        keys = {user_key({_LISTS[kind]: each}) for each in identifiers}
        found = keys & self.users.keys()
        for key in found:
            del self.users[key]
        return 200, {"message": "success", "deleted": len(found)}


def user_key(fields: Json) -> str:
    """Return whom an object is about: its first identifier, since an address may be an attribute too."""
    return next((json.dumps([name, fields[name]], sort_keys=True) for name in IDENTIFIERS if name in fields), "")


def _errors(kind: str, fields: Json) -> Iterator[str]:
    if not user_key(fields):
        yield "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
    if kind == "attributes":
        return
    if not _TIME.fullmatch(str(fields.get("time"))):
        yield "'time' is required in ISO 8601"
    if kind == "events" and not fields.get("name"):
        yield "'name' is required"
    if kind == "purchases":
        yield from _purchase_errors(fields)


def _purchase_errors(fields: Json) -> Iterator[str]:
    if not fields.get("product_id"):
        yield "'product_id' is required"
    if not _CURRENCY.fullmatch(str(fields.get("currency"))):
        yield "'currency' is not valid"
    if not isinstance(fields.get("price"), int | float):
        yield "'price' is not valid"
    quantity = fields.get("quantity", 1)
    if not isinstance(quantity, int) or not 1 <= quantity <= 100:
        yield "'quantity' is not valid"
