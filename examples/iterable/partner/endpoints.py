"""Iterable's endpoints: their paths, their limits, and how their answers are read.

All are in one lane, so that what happens to a user arrives in its order. Iterable has bulk endpoints and single ones
and processes them apart: for one purpose only one of the two is used here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Split,
    Suspend,
    Target,
)

from .account import who

type Sent = tuple[Endpoint, JsonObject] | None

_KEY_CODES = {"BadApiKey", "BadAuthorizationHeader", "Unauthorized", "Forbidden"}
_JWT_CODES = {"InvalidJwtPayload", "JwtUserIdentifiersMismatched"}
_NOBODY = {"UnknownEmailError", "UnknownUserIdError"}
_FINAL, _NOT_FOUND = {400, 404, 409, 422}, {404}
_FAILURES = ("invalid", "notFound", "forgotten", "conflict", "invalidData")


def by_code(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """Judge by Iterable's own code, which a 200 may have too; without one the status decides."""
    code = answer.text("code")
    if code in _KEY_CODES | _JWT_CODES:
        return Suspend("key_refused")
    if code in {"RateLimitExceeded", "DatabaseError"}:
        return Retry("not_now", answer.wait("Retry-After"))
    if code == "BatchTooLarge":
        return Split()
    is_refused = code != "Success" if answer.succeeded else answer.status in _FINAL
    return (Alone() if len(bodies) > 1 else Rejected("refused")) if code and is_refused else None


def nobody_is_done(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """Judge a change of address or an erasure: it is done if Iterable does not know the user."""
    is_unknown = answer.text("code") in _NOBODY or "User does not exist" in answer.text("msg")
    return Delivered() if is_unknown or answer.status in _NOT_FOUND else by_code(bodies, answer)


def by_value(bodies: Sequence[JsonObject], answer: Answer, kinds: Sequence[str] = _FAILURES) -> Outcome | None:
    """Judge a bulk call, whose answer names failures by address, user id or event name, and never by index.

    Items go alone if somebody has more of them than failures, or if failures are counted and none of them is named:
    nobody knows which failed then. A repeat does no harm, because events have ids.
    """
    outcome = by_code(bodies, answer)
    if outcome or not answer.succeeded or answer.at("failCount") == 0:
        return Rejected("no_such_list") if "invalidListId" in answer.text("msg") else outcome
    failed, sent = Counter(_named(answer, kinds)), Counter(map(who, bodies))
    failures: dict[int, Rejected | Alone] = {}
    for place, body in enumerate(bodies):
        user = who(body)
        if body.get("eventName") in answer.texts("disallowedEventNames") or sent[user] <= failed[user]:
            failures[place] = Rejected("named_as_failed")
        elif failed[user]:
            failures[place] = Alone("ambiguous")
    is_unclear = answer.at("failCount") and not failures and kinds == _FAILURES
    return Alone("failures_not_named") if is_unclear else Delivered(failures)


def _named(answer: Answer, kinds: Sequence[str]) -> Iterator[str]:
    for kind in kinds:
        yield from (who({"email": each}) for each in answer.texts("failedUpdates", f"{kind}Emails"))
        yield from (who({"userId": each}) for each in answer.texts("failedUpdates", f"{kind}UserIds"))


def _endpoint(path: str, judge: Callable[..., Outcome | None] = by_code, bulk: str = "") -> Endpoint:
    """Return an endpoint; a bulk one has its items in the field that is named."""

    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        more = {"listId": int(target["list"])} if path.startswith("lists/") else {}
        # With true, who leaves a list leaves the channel. The documents disagree about the default.
        more |= {"channelUnsubscribe": False} if path == "lists/unsubscribe" else {}
        return PartnerCall(path=f"/api/{path}", body=Json({**more, bulk: list(bodies)} if bulk else bodies[0]))

    if not bulk:
        return Endpoint(name=path, call=call, judge=judge, lane="user")
    return Endpoint(
        name=path, call=call, judge=judge, lane="user", max_items=1000, max_bytes=4_000_000, across_requests=True
    )


_unless_absent = partial(by_value, kinds=[kind for kind in _FAILURES if kind != "notFound"])
CHANGE_EMAIL = _endpoint("users/updateEmail", nobody_is_done)
UPDATE_USER = _endpoint("users/update")
UPDATE_USERS = _endpoint("users/bulkUpdate", by_value, "users")
PURCHASE = _endpoint("commerce/trackPurchase")
TRACK = _endpoint("events/trackBulk", by_value, "events")
PUSH_OPEN = _endpoint("events/trackPushOpen")
REGISTER_DEVICE = _endpoint("users/registerDeviceToken")
DISABLE_DEVICE = _endpoint("users/disableDevice")
SUBSCRIBE = _endpoint("lists/subscribe", by_value, "subscribers")
UNSUBSCRIBE = _endpoint("lists/unsubscribe", _unless_absent, "subscribers")
FORGET = _endpoint("users/forget", nobody_is_done)
