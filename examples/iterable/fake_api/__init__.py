"""A fake of Iterable's API: openapi.yaml, and here what the document cannot say."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

type Json = dict[str, Any]
type Answer = tuple[int, object]

SUCCESS: Answer = (200, {"code": "Success", "msg": "", "params": None})


class FakeApi:
    """Iterable's records of one project, which takes addresses and user ids.

    Three lists are there from the beginning, so that a request of the folder events can be tried alone. An address
    without an @ is invalid; names in `disallowed` are those of events that the project's owner has switched off.
    """

    document: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text())

    def __init__(self) -> None:
        self.users: dict[str, Json] = {}
        self.events: dict[str, Json] = {}
        self.purchases: dict[str, Json] = {}
        self.opens: list[Json] = []
        self.devices: dict[str, str] = {}
        self.forgotten: set[str] = set()
        self.lists: dict[int, str] = {5001: "Tea lovers", 5002: "Lapsed customers", 5003: "High spenders"}
        self.members: dict[int, set[str]] = {5001: set(), 5002: set(), 5003: set()}
        self.disallowed: set[str] = set()

    def violations(self, operation: str, _parameters: Mapping[str, str], body: Any) -> Iterator[str]:
        """Name the rules that openapi.yaml cannot express."""
        people: list[Json] = [*body.get("users", []), *body.get("subscribers", [])] if body else []
        if len({user_key(each) for each in people}) < len(people):
            yield f"{operation}: the same user twice in one call"

    def apply(self, operation: str, _parameters: Mapping[str, str], body: Json) -> Answer:
        """Carry out a valid call."""
        operations: dict[str, Callable[[Json], Answer]] = {
            "updateUser": self._update_user,
            "updateUsers": lambda body: self._bulk(body["users"], self._write),
            "updateEmail": self._update_email,
            "registerDevice": self._register_device,
            "disableDevice": self._disable_device,
            "forget": self._forget,
            "trackBulk": self._track,
            "trackPushOpen": self._track_open,
            "trackPurchase": self._track_purchase,
            "lists": lambda _: (200, {"lists": [_list(*each) for each in self.lists.items()]}),
            "createList": self._create_list,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }
        return operations[operation](body)

    def partial_failure(self, operation: str, parameters: Mapping[str, str], body: Json) -> Answer | None:
        """Carry out a bulk call as if its first user were forgotten, or its first event not allowed."""
        field = {"updateUsers": "users", "subscribe": "subscribers", "trackBulk": "events"}.get(operation, "")
        if not field:
            return None
        first = body[field][0]
        refused, name = (
            (self.disallowed, first["eventName"]) if field == "events" else (self.forgotten, user_key(first))
        )
        was_refused = name in refused
        refused.add(name)
        answer = self.apply(operation, parameters, body)
        if not was_refused:
            refused.discard(name)
        return answer

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Return each list's name and members, and how much else there is."""
        lists = {
            str(number): {"name": name, "members": len(self.members[number])} for number, name in self.lists.items()
        }
        everything = {"users": len(self.users), "events": len(self.events), "purchases": len(self.purchases)}
        return {**lists, "project": {**everything, "forgotten": len(self.forgotten)}}

    def _refusal(self, body: Json) -> Answer | None:
        if user_key(body) in self.forgotten:
            return 409, {"code": "ForgottenUserError", "msg": "the user is forgotten"}
        if "@" not in body.get("email", "@"):
            return 400, {"code": "InvalidEmailAddressError", "msg": "invalid email"}
        return None

    def _write(self, body: Json) -> None:
        fields = self.users.setdefault(user_key(body), {})
        fields |= body.get("dataFields", {})
        for name in [name for name, value in fields.items() if value is None]:
            del fields[name]

    def _update_user(self, body: Json) -> Answer:
        refusal = self._refusal(body)
        if not refusal:
            self._write(body)
        return refusal or SUCCESS

    def _update_email(self, body: Json) -> Answer:
        old, new = (user_key({"email": body[name]}) for name in ("currentEmail", "newEmail"))
        if old not in self.users:
            return 400, {"code": "UnknownEmailError", "msg": "unknown email"}
        if new in self.users:
            return 400, {"code": "EmailAlreadyExists", "msg": "email already exists"}
        self.users[new] = self.users.pop(old)
        return SUCCESS

    def _register_device(self, body: Json) -> Answer:
        self.devices[body["device"]["token"]] = body["device"]["applicationName"]
        return self._refusal(body) or SUCCESS

    def _disable_device(self, body: Json) -> Answer:
        self.devices.pop(body["token"], None)
        return SUCCESS

    def _forget(self, body: Json) -> Answer:
        user = user_key(body)
        was_known = self.users.pop(user, None) is not None or any(user in members for members in self.members.values())
        self.forgotten.add(user)
        for members in self.members.values():
            members.discard(user)
        code = "UnknownEmailError" if "email" in body else "UnknownUserIdError"
        return SUCCESS if was_known else (400, {"code": code, "msg": "unknown user"})

    def _track(self, body: Json) -> Answer:
        allowed = [each for each in body["events"] if each["eventName"] not in self.disallowed]

        def keep(event: Json) -> None:
            self.events[event.get("id", f"event {len(self.events)}")] = event

        _, answer = self._bulk(allowed, keep)
        disallowed = [each["eventName"] for each in body["events"] if each["eventName"] in self.disallowed]
        fail_count = answer["failCount"] + len(disallowed)
        return 200, {**answer, "failCount": fail_count, "disallowedEventNames": sorted(set(disallowed))}

    def _track_open(self, body: Json) -> Answer:
        refusal = self._refusal(body)
        if not refusal:
            self.opens.append(body)
        return refusal or SUCCESS

    def _track_purchase(self, body: Json) -> Answer:
        refusal = self._refusal(body["user"])
        if not refusal:
            self.purchases[body.get("id", f"purchase {len(self.purchases)}")] = body
        return refusal or SUCCESS

    def _create_list(self, body: Json) -> Answer:
        number = max(self.lists) + 1
        self.lists[number], self.members[number] = body["name"], set()
        return 200, {"listId": number}

    def _subscribe(self, body: Json) -> Answer:
        members = self.members.get(body["listId"])
        if members is None:
            return _no_such_list()

        def join(subscriber: Json) -> None:
            self._write(subscriber)
            members.add(user_key(subscriber))

        return self._bulk(body["subscribers"], join)

    def _unsubscribe(self, body: Json) -> Answer:
        members = self.members.get(body["listId"])
        if members is None:
            return _no_such_list()
        absent = [each for each in body["subscribers"] if user_key(each) not in members]
        present = [each for each in body["subscribers"] if user_key(each) in members]
        return self._bulk(present, lambda each: members.discard(user_key(each)), not_found=absent)

    def _bulk(
        self, bodies: list[Json], apply: Callable[[Json], object], not_found: list[Json] | None = None
    ) -> tuple[int, Json]:
        """Apply what is valid, and name the rest by its address or user id."""
        failed: dict[str, list[Json]] = {"notFound": not_found or [], "forgotten": [], "invalid": []}
        for body in bodies:
            refusal = self._refusal(body)
            if refusal:
                failed["forgotten" if refusal[0] == 409 else "invalid"].append(body)
            else:
                apply(body)
        named = {
            f"{kind}{plural}": [each[field] for each in people if field in each]
            for kind, people in failed.items()
            for field, plural in (("email", "Emails"), ("userId", "UserIds"))
        }
        count = sum(map(len, failed.values()))
        return 200, {
            "successCount": len(bodies) + len(failed["notFound"]) - count,
            "failCount": count,
            "failedUpdates": named,
        }


def user_key(user: Mapping[str, Any]) -> str:
    """Return what identifies a user here: the address in lower case, or the user id."""
    return str(user["email"]).lower() if "email" in user else str(user.get("userId", ""))


def _list(number: int, name: str) -> Json:
    return {"id": number, "name": name, "listType": "Standard", "createdAt": 1}


def _no_such_list() -> Answer:
    return 400, {"code": "BadParams", "msg": "error.lists.invalidListId"}
