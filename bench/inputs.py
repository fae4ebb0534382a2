"""What the benchmarks send: the messages of events/, and variants of them by size."""

import copy
import json
from typing import Any

from local.isolation import ROOT
from mparticle_firehose.protocol import Serializer
from mparticle_firehose.queues.membership_queue import membership_messages

type Json = dict[str, Any]

SHARDS, BATCH = 10, 10
"""Groups of an account's memberships, and messages of a batch, as the template has them."""

MESSAGES = tuple(sorted(path.stem for path in (ROOT / "events").glob("*.json")))


def message(name: str) -> Json:
    """Return a message of events/."""
    content: Json = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return content


def encoded(content: object) -> bytes:
    """Return JSON as it comes over the wire: compact."""
    return json.dumps(content, separators=(",", ":")).encode()


def events_of(size: int) -> Json:
    """Return an event request of about so many bytes: that of events/ with its events cut off or repeated."""
    request = message("event_processing_request")
    supply = request["events"] * (1 + size // len(encoded(request["events"])))
    request["events"] = []
    for event in supply:
        if len(encoded(request)) >= size:
            break
        request["events"].append(event)
    return request


def memberships_of(profiles: int, first: int = 0) -> Json:
    """Return a membership request that adds so many users, each with four identities, to one audience.

    Args:
        profiles: how many.
        first: number of the first user; other numbers are other users.
    """
    request = message("audience_membership_change_request")
    sample = request["user_profiles"][0]
    request["user_profiles"] = [_profile(sample, number) for number in range(first, first + profiles)]
    return request


def memberships_of_bytes(size: int) -> Json:
    """Return a membership request of about so many bytes, and no more."""
    empty, one = (len(encoded(memberships_of(profiles))) for profiles in (0, 1))
    return memberships_of((size - empty) // (one - empty + 1))


def membership_bodies(request: Json) -> list[tuple[str, str]]:
    """Return what a membership request leaves on its queue: groups and bodies."""
    parsed: Any = Serializer().parse(request)
    return [(str(found.group_id), found.body) for found in membership_messages(parsed, SHARDS)]


def _profile(sample: Json, number: int) -> Json:
    profile = copy.deepcopy(sample)
    profile["mpid"] = str(7_700_700_000_000_000_000 + number)
    for identity in profile["user_identities"] + profile["device_identities"] + profile["partner_identities"]:
        identity["value"] = f"{identity['value'][:-6]}{number:06}"
    profile["audiences"] = profile["audiences"][:1]
    return profile


def over_https(path: str, body: bytes, token: str) -> Json:
    """Return what an HTTP API hands to Lambda for a message that mParticle posts, in payload format 2.0."""
    host = "id.execute-api.us-east-1.amazonaws.com"
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "authorization": f"Token {token}",
            "content-length": str(len(body)),
            "content-type": "application/json",
            "host": host,
            "user-agent": "mParticle",
            "x-amzn-trace-id": "Root=1-5a3c1e70-000000000000000000000000",
            "x-forwarded-for": "203.0.113.77",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "domainName": host,
            "domainPrefix": "id",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.77",
                "userAgent": "mParticle",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"POST {path}",
            "stage": "$default",
            "time": "22/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1795341600000,
        },
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def sqs_event(bodies: list[tuple[str, str]]) -> Json:
    """Return what Lambda hands to the worker for messages of a FIFO queue, each with its group and body."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body,
                "attributes": {
                    "MessageGroupId": group,
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1760000000000",
                    "SequenceNumber": str(number),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for number, (group, body) in enumerate(bodies)
        ]
    }
