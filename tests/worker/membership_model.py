"""What mParticle has asked for, what the partner knows in the end, and how the two must agree whatever fails."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from tests.conftest import Json, load_event
from tests.worker.event_source_mapping import Deployment, Letter, SelectivePartner

ACTIONS = {"add": "add", "delete": "remove", "attribute_update": "update"}

type Key = tuple[str, str]
"""The partner's audience and its name for the user."""

type Asked = tuple[str, Mapping[int, str]]
"""A user, and what is to happen to that user in which audience."""


OWN = "change-"
"""What the name of the attribute begins with that each change has for itself."""


@dataclass(frozen=True)
class Change:
    """One change that mParticle asked for; the number, which grows, travels with it as user attributes."""

    number: int
    key: Key
    action: str


@dataclass
class World:
    """A deployment, the partner, mParticle that has asked for things, and somebody who reads dead letters.

    Attributes:
        accepted: the requests that were acknowledged.
        changes: the membership changes in them, in the order of the requests.
        events: the numbers of the event requests and erasures among them.
        letters: the dead letters that were found and have not been sent back.
        put_aside: numbers of all changes that have ever been found in a dead letter.
        redriven: numbers of those that were sent back.
        keys: how often each account has changed its key.
    """

    deployment: Deployment
    partner: SelectivePartner
    accepted: list[Json] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    put_aside: set[int] = field(default_factory=set)
    redriven: set[int] = field(default_factory=set)
    keys: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    # --- mParticle ---------------------------------------------------------------------------------------------------

    def change_memberships(self, account: int, *asked: Asked) -> None:
        """Ask for changes; each user is a profile of its own."""
        profiles = [self._profile(account, user, actions) for user, actions in asked]
        request = self._request("audience_membership_change_request", account, user_profiles=profiles)
        if self.deployment.ask(request)["suspend_subscription"]:
            return
        self.accepted.append(request)
        self.changes += changes_in(request)

    def send_events(self, account: int) -> None:
        request = self._request("event_processing_request", account, events=[{"type": "session_end"}])
        request["events"] = [{"type": "session_end", "timestamp_ms": request["timestamp_ms"]}] * 2
        self._send(request, seconds=0.15)

    def erase(self, account: int) -> None:
        request = self._request("dsr_processing_request", account)
        self._send({**request, "subject_request_id": str(UUID(int=request["timestamp_ms"]))})

    def repeat(self, which: int) -> None:
        """Repeat a request, as mParticle does when it has not seen the answer."""
        if self.accepted:
            self.deployment.ask(self.accepted[which % len(self.accepted)], seconds=0.15)

    def _send(self, request: Json, seconds: float = 5.0) -> None:
        self.deployment.ask(request, seconds)
        self.accepted.append(request)
        self.events.append(request["timestamp_ms"])

    def _request(self, name: str, account: int, **fields: object) -> Json:
        number = next(self.numbers)
        key = f"canary-secret-{account}-{self.keys[account]}"
        whose = {"account_id": account, "account_settings": {"token": key}}
        return load_event(name, id=str(UUID(int=number)), timestamp_ms=number, account=whose, **fields)

    def _profile(self, account: int, user: str, actions: Mapping[int, str]) -> Json:
        kind, _, value = user.rpartition(":")
        who = {"user_identities": [{"type": kind, "encoding": "raw", "value": value}]} if kind else {"mpid": user}
        audiences = [
            {
                "audience_id": audience,
                "audience_name": f"Audience {audience}",
                "audience_subscription_settings": {"segmentId": f"seg-{account}-{audience}"},
                "action": action,
                "user_attributes": [
                    {"key": "number", "value": str(number), "action": "upsert"},
                    {"key": f"{OWN}{number}", "value": "1", "action": "upsert"},
                ],
            }
            for (audience, action), number in zip(actions.items(), self.numbers, strict=False)
        ]
        return {**who, "audiences": audiences}

    # --- whoever reads dead letters ----------------------------------------------------------------------------------

    def collect_letters(self) -> None:
        found = self.deployment.letters()
        self.letters += found
        self.put_aside |= {change.number for letter in found for change in changes_in(letter.content)}

    def redrive(self, which: int) -> None:
        if self.letters:
            letter = self.letters.pop(which % len(self.letters))
            self.redriven |= {change.number for change in changes_in(letter.content)}
            self.deployment.redrive(letter)

    def redrive_all(self) -> None:
        """Send every letter back, the newest first."""
        while self.letters:
            self.redrive(len(self.letters) - 1)

    # --- Lambda ------------------------------------------------------------------------------------------------------

    def work(self, **how: Any) -> None:
        """Let the worker take a turn at each queue."""
        for queue in self.deployment.queues:
            self.deployment.poll(queue, **how)
        self.collect_letters()

    # --- the end -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the partner behave and everything that is queued be delivered."""
        self.partner.behave()
        self.deployment.drain()
        self.collect_letters()

    def check(self) -> None:
        assert self.partner.violations == ()
        self._check_letters()
        self._check_memberships()
        self._check_nothing_is_lost()
        self._check_order_of_arrival()

    def _check_letters(self) -> None:
        for letter in self.letters:
            assert {"reason", "attempts", "first_at", "last_at"} <= set(letter.attributes)
            assert "message_type" in letter.attributes or {"group_id", "place"} <= set(letter.attributes)
            assert len(letter.attributes) <= 10
            assert "canary" not in str(letter.attributes)

    def _check_memberships(self) -> None:
        """Compare the members; the newest change that decides a membership may be missing if a letter holds it."""
        kept, waiting = self.partner.state("memberships"), self._waiting()
        for key, changes in self._histories().items():
            member = kept.get(key[0], {}).get(key[1])
            decisive = [change for change in changes if change.action != "update"]
            should_be_member = bool(decisive) and decisive[-1].action == "add"
            excused = bool(decisive) and decisive[-1].number in waiting
            assert (member is not None) == should_be_member or excused, (key, changes)
            if not self.put_aside & {change.number for change in changes}:
                assert (member or {}).get("number") == expected_number(changes), (key, changes)

    def _check_nothing_is_lost(self) -> None:
        arrived, waiting = self.delivered, self._waiting()
        newest: dict[Key, int] = {}
        for change in self.changes:
            if change.number in arrived:
                newest[change.key] = change.number
        for change in self.changes:
            superseded = change.number in self.redriven and newest.get(change.key, 0) > change.number
            assert change.number in arrived | waiting or superseded, change
        told = {body["request"] for body in self.partner.state("events")}
        told |= {body["request"] for body in self.partner.state("erasures")}
        told |= {letter.content.get("id", "") for letter in self.letters}
        assert {str(UUID(int=number)) for number in self.events} <= told

    def _check_order_of_arrival(self) -> None:
        """Changes that never left the queue are first tried in their order."""
        attempts = self._attempts()
        for changes in self._histories().values():
            tried = [attempts[c.number] for c in changes if c.number in attempts and c.number not in self.put_aside]
            assert tried == sorted(tried), changes

    def _histories(self) -> dict[Key, list[Change]]:
        histories: dict[Key, list[Change]] = defaultdict(list)
        for change in self.changes:
            histories[change.key].append(change)
        return histories

    @property
    def delivered(self) -> set[int]:
        """The numbers of the changes that the partner was told, and did not refuse."""
        return {number for number, status in self._told() if status in {None, 200, 202, 207}}

    def _waiting(self) -> set[int]:
        return {change.number for letter in self.letters for change in changes_in(letter.content)}

    def _attempts(self) -> dict[int, int]:
        """Return each change's place among all that the partner was told, at its first attempt."""
        return {number: place for place, (number, _) in reversed(list(enumerate(self._told())))}

    def _told(self) -> list[tuple[int, int | None]]:
        """Return the number of each change that the partner was told, with what it answered."""
        requests = [request for request in self.partner.requests if request.path.startswith("/segments/")]
        bodies: list[tuple[Any, int | None]] = [(request.body, request.status) for request in requests]
        return [(number_in(told["attributes"]), status) for body, status in bodies for told in body["changes"]]


def number_in(attributes: Json) -> int:
    """Return the number of a change by the attribute that no other change has, so that none ever takes its place."""
    return next(int(name.removeprefix(OWN)) for name in attributes if name.startswith(OWN))


def changes_in(request: Json) -> list[Change]:
    return [
        Change(
            int(audience["user_attributes"][0]["value"]),
            (partner_id(audience), user_in(profile)),
            ACTIONS[audience["action"]],
        )
        for profile in request.get("user_profiles", [])
        for audience in profile.get("audiences", [])
        if audience
    ]


def partner_id(audience: Json) -> str:
    return str(audience["audience_subscription_settings"]["segmentId"])


def user_in(profile: Json) -> str:
    identities = [f"{identity['type']}:{identity['value']}" for identity in profile.get("user_identities", [])]
    return str(profile.get("mpid") or identities[0])


def expected_number(changes: Sequence[Change]) -> str | None:
    """Return the number that a member bears after these changes; None for somebody who is none.

    Of the attributes only this one is certain: an update that found no member when it first came may find one when its
    message comes again, and leave its other attribute behind.
    """
    number: str | None = None
    for change in changes:
        if change.action == "remove":
            number = None
        elif change.action == "add" or number is not None:
            number = str(change.number)
    return number
