"""The fake API of Acme Engage: openapi.yaml, and here what the document cannot say."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

type Json = dict[str, Any]
type Answer = tuple[int, object]

NO_SUCH_AUDIENCE: Answer = (404, {"error": "no such audience"})


class FakeApi:
    """The partner's records.

    An audience id of the usual form (``aud-ACCOUNT-AUDIENCE``) counts as existing until it is deleted, also if no call
    created it here: so a message can be tried alone, without the subscription before it. Erasures are recorded and
    change no membership.
    """

    document: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text())

    def __init__(self) -> None:
        self.audiences: dict[str, Json] = {}
        self.memberships: dict[str, dict[str, Json]] = {}
        self.events: list[Json] = []
        self.erasures: list[Json] = []
        self._deleted: set[str] = set()

    def violations(self, operation: str, _parameters: Mapping[str, str], body: Json) -> Iterator[str]:
        """Name the rules that openapi.yaml cannot express."""
        if operation == "takeEvents" and not body["events"] and not body.get("user", {}).get("attributes"):
            yield "events: must not be empty unless there are user attributes"
        if operation == "changeMembers":
            users = [user_key(change["user"]) for change in body["changes"]]
            yield from (f"changes[{n}].user: needs an mpid or an identity" for n, user in enumerate(users) if not user)
            if len(set(users)) < len(users):
                yield "changes: the same user twice in one call"

    def apply(self, operation: str, parameters: Mapping[str, str], body: Json) -> Answer:
        """Carry out a valid call."""
        audience = parameters.get("id", "")
        if audience and not self._exists(audience):
            return NO_SUCH_AUDIENCE
        operations: dict[str, Callable[[str, Json], Answer]] = {
            "takeEvents": self._take_events,
            "createAudience": self._create_audience,
            "changeAudience": self._change_audience,
            "deleteAudience": self._delete_audience,
            "changeMembers": self._change_members,
            "erase": self._erase,
        }
        return operations[operation](audience, body)

    def partial_failure(self, operation: str, parameters: Mapping[str, str], body: Json) -> Answer | None:
        """Carry out a call save for its first event or change, which the answer names by its index."""
        field = {"takeEvents": "events", "changeMembers": "changes"}.get(operation, "")
        if not body.get(field):
            return None
        status, answer = self.apply(operation, parameters, {**body, field: body[field][1:]})
        failures = {"failures": [{"index": 0, "status": 422}]}
        return status, {**answer, **failures} if isinstance(answer, dict) and status < 400 else answer

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Return each audience's name and number of members."""
        return {
            audience: {**_named(self.audiences.get(audience)), "members": len(members)}
            for audience, members in self.memberships.items()
        }

    def _exists(self, audience: str) -> bool:
        account, _, number = audience.removeprefix("aud-").partition("-")
        known = audience in self.audiences or (audience.startswith("aud-") and (account + number).isdecimal())
        return known and audience not in self._deleted

    def _take_events(self, _: str, body: Json) -> Answer:
        self.events.append(body)
        return 202, {"accepted": True}

    def _create_audience(self, _: str, body: Json) -> Answer:
        audience = f"aud-{body['account_id']}-{body['audience_id']}"
        self.audiences[audience] = body
        self.memberships.setdefault(audience, {})
        self._deleted.discard(audience)
        return 201, {"id": audience}

    def _change_audience(self, audience: str, body: Json) -> Answer:
        self.audiences.setdefault(audience, {}).update(body)
        return 200, {"id": audience}

    def _delete_audience(self, audience: str, _: Json) -> Answer:
        self.audiences.pop(audience, None)
        self.memberships.pop(audience, None)
        self._deleted.add(audience)
        return 204, None

    def _change_members(self, audience: str, body: Json) -> Answer:
        members = self.memberships.setdefault(audience, {})
        for change in body["changes"]:
            _change_member(members, change)
        return 202, {"accepted": len(body["changes"])}

    def _erase(self, _: str, body: Json) -> Answer:
        self.erasures.append(body)
        return 202, {"accepted": True}


def _named(audience: Json | None) -> Json:
    return {"name": audience["name"]} if audience and "name" in audience else {}


def user_key(user: Mapping[str, Any]) -> str:
    """Return what identifies a user here: the mpid, else the first identity as ``type:value``, else nothing."""
    return str(user.get("mpid") or next((f"{kind}:{value}" for kind, value in user["identities"].items()), ""))


def _change_member(members: dict[str, Json], change: Json) -> None:
    """Apply one change; an attribute that is null is deleted, and an update makes nobody a member."""
    key = user_key(change["user"])
    if change["action"] == "remove":
        members.pop(key, None)
    elif change["action"] == "add" or key in members:
        merged = members.get(key, {}) | (change.get("attributes") or {})
        members[key] = {name: value for name, value in merged.items() if value is not None}
