"""Iterable: many endpoints in order, failures named by value, and lists with two verbs."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Exchange,
    Failure,
    Header,
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
from tests.rooms.judging import room

ROOM = room({"us": "https://api.iterable.com", "eu": "https://api.eu.iterable.com"})
MAX_BYTES = 4_000_000
DEAD_KEY = ("BadApiKey", "BadAuthorizationHeader", "Unauthorized", "Forbidden")
JWT_KEY = ("InvalidJwtPayload", "JwtUserIdentifiersMismatched")
FINAL = ("BadParams", "BadJsonBody", "InvalidEmailAddressError", "InvalidUserIdError", "RequestFieldsTypesMismatched")
CONFLICTS = ("UniqueFieldsLimitExceeded", "ExternalKeyConflict", "EmailAlreadyExists", "UserIdAlreadyExists")
CODES: Mapping[str, Outcome] = {
    **dict.fromkeys((*DEAD_KEY, *JWT_KEY), Suspend("key_refused")),
    **dict.fromkeys(("RateLimitExceeded", "DatabaseError"), Retry("later")),
    **dict.fromkeys((*FINAL, *CONFLICTS, "ForbiddenParamsError", "ForgottenUserError"), Rejected("refused")),
    "BatchTooLarge": Split(),
}
UNKNOWN_USER = frozenset({"UnknownEmailError", "UnknownUserIdError"})
REASONS = ("invalid", "notFound", "forgotten", "conflict", "invalidData")


def access(key: str, site: str = "us", **parameters: str) -> Target:
    return Target(site=site, auth=Header("Api-Key", key), parameters=parameters)


def by_code(_bodies: Sequence[JsonObject], answer: Answer, *, done: Collection[str] = ()) -> Outcome | None:
    code = answer.text("code")
    if code in done:
        return Delivered()
    if answer.succeeded and code not in {"", "Success", *CODES}:
        return Rejected("not_success")
    return CODES.get(code)


def by_value(bodies: Sequence[JsonObject], answer: Answer, *, ignored: Collection[str] = ()) -> Outcome | None:
    whole = by_code(bodies, answer)
    if answer.status == 400 and isinstance(whole, Rejected):
        list_is_invalid = "list" in answer.text("msg").lower() and "invalid" in answer.text("msg").lower()
        return whole if list_is_invalid else Alone()
    if whole or not answer.at("failCount"):
        return whole
    named, sent = Counter(_named(answer, ignored)), Counter(map(_user, bodies))
    failures: dict[int, Failure] = {}
    for index, body in enumerate(bodies):
        user = _user(body)
        if body.get("eventName") in answer.texts("disallowedEventNames") or 0 < sent[user] <= named[user]:
            failures[index] = Rejected("failed_update")
        elif named[user]:
            failures[index] = Alone("ambiguous")
    return Delivered(failures)


def _named(answer: Answer, ignored: Collection[str]) -> Iterator[tuple[str, str]]:
    for reason in (reason for reason in REASONS if reason not in ignored):
        yield from (("email", value.lower()) for value in answer.texts("failedUpdates", f"{reason}Emails"))
        yield from (("userId", value) for value in answer.texts("failedUpdates", f"{reason}UserIds"))


def _user(body: JsonObject) -> tuple[str, str]:
    return ("email", str(body["email"]).lower()) if "email" in body else ("userId", str(body.get("userId")))


def _single(path: str, name: str, *, done: Collection[str] = ()) -> Endpoint:
    def call(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        return PartnerCall(path=path, body=Json(bodies[0]))

    return Endpoint(name=name, call=call, judge=partial(by_code, done=done), lane="user")


def _list(name: str, *, more: JsonObject, ignored: Collection[str]) -> Endpoint:
    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        body = {"listId": int(target["list"]), "subscribers": [*bodies], **more}
        return PartnerCall(path=f"/api/lists/{name}", body=Json(body))

    judge = partial(by_value, ignored=ignored)
    return Endpoint(
        name=name, call=call, judge=judge, max_items=1000, max_bytes=MAX_BYTES, across_requests=True, lane="list"
    )


def track(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/api/events/trackBulk", body=Json({"events": [*bodies]}))


RENAME = _single("/api/users/updateEmail", "rename", done=UNKNOWN_USER)
UPDATE = _single("/api/users/update", "update")
PURCHASE = _single("/api/commerce/trackPurchase", "purchase")
FORGET = _single("/api/users/forget", "forget", done=UNKNOWN_USER)
TRACK = Endpoint(name="track", call=track, judge=by_value, max_items=1000, max_bytes=MAX_BYTES, lane="user")
JOIN = _list("subscribe", more={}, ignored=())
LEAVE = _list("unsubscribe", more={"channelUnsubscribe": False}, ignored=("notFound",))
ENDPOINTS = (RENAME, UPDATE, PURCHASE, FORGET, TRACK, JOIN, LEAVE)


def connect(target: Target, name: str) -> Exchange[Mapping[str, str]]:
    """Find the audience's list by its name, or else make it: the subscription."""
    found = yield PartnerCall(method="GET", site=target.site, path="/api/lists", auth=target.auth)
    ids = [known.at("id") for known in found.each("lists") if known.text("name") == name]
    if not ids:
        made = yield PartnerCall(site=target.site, path="/api/lists", auth=target.auth, body=Json({"name": name}))
        ids = [made.at("listId")]
    return {"listId": str(ids[0])}
