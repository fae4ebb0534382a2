"""Sailthru: signed forms, and a number in the body that says what an answer means."""

import hashlib
import json
from collections.abc import Sequence

from mparticle_firehose.integration import (
    Answer,
    Endpoint,
    Form,
    InBody,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Suspend,
    Target,
)
from tests.rooms.judging import room

ROOM = room({"sailthru": "https://api.sailthru.com"})
DEFAULT_WAIT = 60.0


def access(key: str, secret: str) -> Target:
    return Target(site="sailthru", auth=InBody(key, secret))


def signed(key: str, secret: str, text: str) -> dict[str, str]:
    """Return the form's fields with their signature: MD5 is the vendor's rule."""
    fields = {"api_key": key, "format": "json", "json": text}
    together = secret + "".join(sorted(fields.values()))
    return {**fields, "sig": hashlib.md5(together.encode(), usedforsecurity=False).hexdigest()}


def _form(name: str) -> Endpoint:
    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        auth, text = target.in_body, json.dumps(bodies[0], separators=(",", ":"))
        return PartnerCall(path=f"/{name}", body=Form(signed(auth.key, auth.secret, text)))

    return Endpoint(name=name, call=call, judge=by_number, lane="user")


def by_number(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    number = answer.whole("error")
    if answer.status == 401 or number in (4, 5):
        return Suspend("key")
    if answer.status == 429 or number == 43:
        return Retry("rate_limit", answer.wait("X-Rate-Limit-Reset") or DEFAULT_WAIT)
    if number == 9:
        return Retry("internal")
    return Rejected("refused") if answer.status == 403 or number is not None else None


USER, PURCHASE, EVENT = _form("user"), _form("purchase"), _form("event")
ENDPOINTS = (USER, PURCHASE, EVENT)
