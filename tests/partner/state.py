"""What the partner knows after the calls it accepted: audiences, members, events and erasures."""

import copy
from collections.abc import Callable

from tests.partner.contract import AUDIENCE_ID_FORMAT, Json, user_key

type Answer = tuple[int, Json | None]
"""A status and a JSON body, or none."""

NO_SUCH_AUDIENCE: Answer = (404, {"error": "no such audience"})


class Books:
    """The partner's records. Not thread-safe: the server calls it under its lock.

    An audience id of the usual form (``aud-ACCOUNT-AUDIENCE``) counts as existing until it is deleted, even when
    nothing created it here: one message can then be tried alone, without the subscription that came before it. Erasures
    are recorded and change no membership, since a partner erases in its own time.
    """

    def __init__(self) -> None:
        self.audiences: dict[str, Json] = {}
        self.memberships: dict[str, dict[str, Json]] = {}
        self.events: list[Json] = []
        self.erasures: list[Json] = []
        self._deleted: set[str] = set()

    def apply(self, call: str, audience: str, body: Json) -> Answer:
        """Carry out one valid call; ``call`` is the name of its route."""
        if audience and not self._exists(audience):
            return NO_SUCH_AUDIENCE
        calls: dict[str, Callable[[str, Json], Answer]] = {
            "events": self._take_events,
            "create_audience": self._create_audience,
            "change_audience": self._change_audience,
            "delete_audience": self._delete_audience,
            "change_members": self._change_members,
            "erase": self._erase,
        }
        return calls[call](audience, copy.deepcopy(body))

    def _exists(self, audience: str) -> bool:
        known = audience in self.audiences or AUDIENCE_ID_FORMAT.fullmatch(audience) is not None
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
        changes = body["changes"]
        assert isinstance(changes, list)
        for change in changes:
            _change_member(members, change)
        return 202, {"accepted": len(changes)}

    def _erase(self, _: str, body: Json) -> Answer:
        self.erasures.append(body)
        return 202, {"accepted": True}


def _change_member(members: dict[str, Json], change: Json) -> None:
    """Apply one change; an attribute that is ``null`` is deleted, and an update makes nobody a member."""
    key, attributes = user_key(change["user"]), change.get("attributes") or {}
    assert isinstance(attributes, dict)
    if change["action"] == "remove":
        members.pop(key, None)
    elif change["action"] == "add" or key in members:
        merged = members.get(key, {}) | attributes
        members[key] = {name: value for name, value in merged.items() if value is not None}
