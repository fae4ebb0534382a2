"""What the benchmarks send: the requests of events/, by their type, and variants of them by size.

Audience subscriptions are left out: an integration needs values of its partner's answer to one, and those of
`bench.loopback` have none.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from app import firehose
from local.isolation import ROOT
from mparticle_firehose.integration import Integration

type Json = dict[str, Any]

SHARDS, BATCH = 10, 10
"""Groups of an account's memberships, and messages of a worker's batch, as the template has them."""

_HEAD = {"id": "5a3c1e70-0000-4000-8000-000000000001", "timestamp_ms": 1760000000000, "firehose_version": "3.2.0"}
REGISTRATION: Json = {"type": "module_registration_request", **_HEAD}
KEEP_ALIVE: Json = {
    "type": "event_processing_request",
    **_HEAD,
    "account": {"account_id": 4242, "account_settings": {}},
    "events": [],
}


def requests(integration: Integration = firehose.integration) -> dict[str, Json]:
    """Return the requests that an integration takes: those that are always the same, and one of events/ by type."""
    offered = {
        "keep-alive": integration.events and KEEP_ALIVE,
        "events": integration.events and _sample("event_processing_request", "events"),
        "memberships": integration.memberships and _sample("audience_membership_change_request", "user_profiles"),
        "erasure": integration.erasures and _sample("dsr_processing_request", "subject_request_id"),
    }
    return {"registration": REGISTRATION, **{name: request for name, request in offered.items() if request}}


def _sample(kind: str, content: str) -> Json | None:
    """Return a copy of the first request of a type in which this field is not empty, or None."""
    found = (request for request in _stored() if request.get("type") == kind and request.get(content))
    return copy.deepcopy(next(found, None))


@cache
def _stored() -> Sequence[Json]:
    return [json.loads(path.read_text()) for path in sorted((ROOT / "events").glob("*.json"))]


def encoded(content: object) -> bytes:
    """Return JSON as it comes over the wire: compact."""
    return json.dumps(content, separators=(",", ":")).encode()


def events_of(size: int) -> Json:
    """Return an event request of about so many bytes: the events of events/, cut off or repeated."""
    request = requests()["events"]
    supply = request["events"] * (1 + size // len(encoded(request["events"])))
    request["events"] = []
    for event in supply:
        if len(encoded(request)) >= size:
            break
        request["events"].append(event)
    return request


def memberships_of(profiles: int, first: int = 0) -> Json:
    """Return a membership request that changes the membership of so many users in one audience.

    Args:
        profiles: how many.
        first: number of the first user; other numbers are other users.
    """
    request = requests()["memberships"]
    sample = request["user_profiles"][0]
    sample["audiences"] = sample["audiences"][:1]
    request["user_profiles"] = [_user(sample, number) for number in range(first, first + profiles)]
    return request


def with_other_users(request: Json, number: int) -> Json:
    """Return a copy of a membership request with users of their own for each number; of other requests, the same."""
    profiles = request.get("user_profiles", [])
    others = [_user(profile, number * len(profiles) + index) for index, profile in enumerate(profiles)]
    return {**request, "user_profiles": others} if others else request


def _user(sample: Json, number: int) -> Json:
    profile = copy.deepcopy(sample)
    profile["mpid"] = str(7_700_700_000_000_000_000 + number)
    for kind in ("user_identities", "device_identities", "partner_identities"):
        for identity in profile.get(kind, ()):
            identity["value"] = f"{identity['value'][:-6]}{number:06}"
    return profile


def largest(size: int) -> Json | None:
    """Return a request of about so many bytes: memberships, and no more bytes, or else events, if either is taken."""
    if "memberships" not in requests():
        return events_of(size) if "events" in requests() else None
    empty, one = (len(encoded(memberships_of(profiles))) for profiles in (0, 1))
    return memberships_of((size - empty) // (one - empty + 1))


def over_https(path: str, body: bytes, token: str) -> Json:
    """Return what an HTTP API hands to Lambda for a request that mParticle posts, in payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "authorization": f"Token {token}",
            "content-length": str(len(body)),
            "content-type": "application/json",
            "host": "id.execute-api.us-east-1.amazonaws.com",
            "user-agent": "mParticle",
            "x-forwarded-for": "203.0.113.77",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.77"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
        },
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def sqs_event(entries: Sequence[Mapping[str, Any]]) -> Json:
    """Return what Lambda hands to the worker for messages, which are given as entries of SendMessageBatch."""
    return {"Records": [_record(number, entry) for number, entry in enumerate(entries)]}


def _record(number: int, entry: Mapping[str, Any]) -> Json:
    is_fifo = "MessageDeduplicationId" in entry
    return {
        "messageId": f"message-{number}",
        "receiptHandle": f"receipt-{number}",
        "body": entry["MessageBody"],
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(_HEAD["timestamp_ms"]),
            **({"SequenceNumber": str(number)} if is_fifo else {}),
            **{name: entry[name] for name in ("MessageGroupId",) if name in entry},
        },
        "messageAttributes": {
            name: {"stringValue": each["StringValue"], "dataType": each["DataType"]}
            for name, each in entry.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
    }
