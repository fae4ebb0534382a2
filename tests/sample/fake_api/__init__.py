"""The fake API of the invented partner: what openapi.yaml cannot say."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_SEGMENT_ID = re.compile(r"seg-\d+-\d+")

type Json = dict[str, Any]


class FakeApi:
    """The partner's records. A segment id of the usual form counts as existing until it is deleted."""

    document: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text())

    def __init__(self) -> None:
        self.segments: dict[str, Json] = {}
        self.memberships: dict[str, dict[str, Json]] = {}
        self.events: list[Json] = []
        self.erasures: list[Json] = []
        self._deleted: set[str] = set()

    def violations(self, operation: str, parameters: Mapping[str, str], body: Any) -> Iterator[str]:
        """Name rules that a schema cannot express."""
        if operation != "changeMembers":
            return
        users = [user_key(change["user"]) for change in body["changes"]]
        if len(set(users)) < len(users):
            yield "changes: the same user twice in one call"

    def apply(self, operation: str, parameters: Mapping[str, str], body: Any) -> tuple[int, object]:
        """Take a valid call and return status and body of the answer."""
        segment = parameters.get("id", "")
        if segment and (segment in self._deleted or not (segment in self.segments or _SEGMENT_ID.fullmatch(segment))):
            return 404, {"error": "no such segment"}
        answer: tuple[int, object] = getattr(self, f"_{operation}")(segment, body)
        return answer

    def partial_failure(self, operation: str, parameters: Mapping[str, str], body: Any) -> tuple[int, object] | None:
        """Take a call save for its first event or change."""
        field = {"track": "events", "changeMembers": "changes"}.get(operation, "")
        if not field or not body[field]:
            return None
        status, answer = self.apply(operation, parameters, {**body, field: body[field][1:]})
        return (status, {"taken": True, "not_taken": [[0, 422]]}) if status == 202 else (status, answer)

    def _track(self, _: str, body: Json) -> tuple[int, object]:
        self.events.append(body)
        return 202, {"taken": True}

    def _createSegment(self, _: str, body: Json) -> tuple[int, object]:  # noqa: N802  its operationId
        segment = f"seg-{body['account']}-{body['audience']}"
        self.segments[segment] = body
        self.memberships.setdefault(segment, {})
        self._deleted.discard(segment)
        return 201, {"segment": segment}

    def _renameSegment(self, segment: str, body: Json) -> tuple[int, object]:  # noqa: N802  as above
        self.segments.setdefault(segment, {}).update(body)
        return 200, {"segment": segment}

    def _deleteSegment(self, segment: str, _: Json) -> tuple[int, object]:  # noqa: N802  as above
        self.segments.pop(segment, None)
        self.memberships.pop(segment, None)
        self._deleted.add(segment)
        return 204, None

    def _changeMembers(self, segment: str, body: Json) -> tuple[int, object]:  # noqa: N802  as above
        for change in body["changes"]:
            _change(self.memberships.setdefault(segment, {}), change)
        return 202, {"taken": True}

    def _forget(self, _: str, body: Json) -> tuple[int, object]:
        self.erasures.append(body)
        return 202, {"taken": True}

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Count the members of each segment."""
        return {segment: {"members": len(members)} for segment, members in self.memberships.items()}


def user_key(user: Mapping[str, Any]) -> str:
    """Return the mpid, else the first identity as ``type:value``."""
    return str(user.get("mpid") or next((f"{kind}:{value}" for kind, value in user["identities"].items()), ""))


def _change(members: dict[str, Json], change: Json) -> None:
    key = user_key(change["user"])
    if change["action"] == "remove":
        members.pop(key, None)
    elif change["action"] == "add" or key in members:
        merged = members.get(key, {}) | (change.get("attributes") or {})
        members[key] = {name: value for name, value in merged.items() if value is not None}
