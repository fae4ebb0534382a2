"""What the fake inspector answers with. Names and texts hold markup, which the page must show as text."""

from collections import Counter
from typing import Any

type Json = dict[str, Any]

HOSTILE = '<img src="x" onerror="document.title=\'run\'">'
LARGE_ID = 9007199254740993
"""More than JavaScript's numbers hold exactly."""

OVERVIEW: Json = {
    "partner": "Sample Messaging",
    "module": {"name": "Sample Messaging", "version": "1.0"},
    "endpoint": "http://127.0.0.1:4566",
    "https": "http://127.0.0.1:4566/_aws/lambda-url/sample",
    "alias": "arn:aws:lambda:us-east-1:000000000000:function:handler:live",
    "partner_url": "http://127.0.0.1:4567",
    "deployed_at": "2026-11-26T10:00:00.000Z",
    "is_stale": False,
}

PURCHASE: Json = {
    "type": "event_processing_request",
    "id": "5a3c1e70-0000-4000-8000-000000000001",
    "timestamp_ms": 1760000000000,
    "account": {"account_id": 4242, "account_settings": {"apiKey": "key"}},
    "events": [{"type": "product_action", "id": LARGE_ID, "action": "purchase", "total": 1.0, HOSTILE: "kept"}],
    "source": None,
}
MEMBERSHIP: Json = {"type": "audience_membership_change_request", "id": "5a3c1e70-0000-4000-8000-000000000002"}
UNKNOWN: Json = {"type": "later_request", "note": HOSTILE}

SAMPLES: list[Json] = [
    {"name": name, "group": group, "title": title, "type": content["type"], "offered": offered, "content": content}
    for name, group, title, content, offered in [
        ("purchase", "Events", "Purchase", PURCHASE, True),
        ("screen", "Events", "Screen view", {**PURCHASE, "events": []}, False),
        ("membership", "Audiences", "Membership change", MEMBERSHIP, True),
        ("later", "Files in events/", HOSTILE, UNKNOWN, True),
    ]
]

SCHEMAS: dict[str, Json] = {
    "event_processing_request": {
        "type": "object",
        "required": ["account"],
        "properties": {
            "type": {"const": "event_processing_request"},
            "timestamp_ms": {"type": "integer"},
            "account": {"$ref": "#/$defs/Account"},
            "events": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/Action"}, {"$ref": "#/$defs/Screen"}]}},
            "source": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "mpid": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "$defs": {
            "Account": {"type": "object", "properties": {"account_id": {"type": "integer"}}},
            "Action": {
                "type": "object",
                "properties": {
                    "type": {"const": "product_action"},
                    "action": {"enum": ["purchase", "refund"]},
                    "is_test": {"type": "boolean", "default": False},
                },
            },
            "Screen": {"type": "object", "properties": {"type": {"const": "screen_view"}, "name": {"type": "string"}}},
        },
    },
}

FAULTS: Json = {
    "kinds": [
        {
            "name": "status_500",
            "title": "500 Internal Server Error",
            "explanation": "The work is tried again later.",
            "seconds": None,
        },
        {
            "name": "status_429",
            "title": "429 Too Many Requests",
            "explanation": "It waits as long as is asked.",
            "seconds": "wait_seconds",
        },
        {
            "name": "slow",
            "title": "Slow answers",
            "explanation": "The handler queues what is late.",
            "seconds": "delay_seconds",
        },
    ],
    "routes": ["/track", "/lists/{id}"],
}


def setting(id_: str, name: str, **declared: object) -> Json:
    """Return a setting of the registration, an optional text unless it is declared to be something else."""
    return {
        "part": "Events",
        "scope": "account",
        "id": id_,
        "name": name,
        "type": "text",
        "is_secret": False,
        "is_visible": True,
        "default": None,
        "help": "",
        "required": False,
        "min": None,
        "max": None,
        **declared,
    }


REGISTRATION: Json = {
    "module": {
        "name": "Sample Messaging",
        "description": f'<a href="https://x.example">Sends</a> messages {HOSTILE}',
        "version": "1.0",
    },
    "settings": [
        setting("apiKey", "API key", is_secret=True, required=True, help="From your settings page."),
        setting("limit", "Limit", type="integer", default=9_007_199_254_740_993),
        setting("rate", "Rate", type="float", default=1.0, min=0.0, max=1.0),
        setting("revenue", "Revenue", type="boolean", default=True),
        setting("region", "Region", part="Audiences", scope="subscription", default="eu", is_visible=False),
    ],
    "permissions": ["It gets the email address.", "It gets the MPID."],
    "event_types": [{"name": "screen_view", "sentence": "A screen was shown."}],
    "json": {"type": "module_registration_response", "name": "Sample Messaging"},
    "changes": [
        {"level": "breaking", "sentence": "The setting zone is gone."},
        {"level": "compatible", "sentence": f"event_processing_registration.account_settings[{'zone' * 20}]: added"},
    ],
    "has_accepted": True,
}


def problems(content: Any) -> list[Json]:
    """Return the problems of a request: a time that is no number, an event without a type."""
    found: list[Json] = []
    if not isinstance(content, dict):
        return [{"place": [], "message": "must be a JSON object"}]
    if not isinstance(content.get("timestamp_ms", 0), int):
        found.append({"place": ["timestamp_ms"], "message": "must be a whole number"})
    for index, event in enumerate(content.get("events", [])):
        if event.get("action") == "refund":
            found.append({"place": ["events", index, "action"], "message": "cannot be delivered"})
    return found


def trace(id_: str, content: Json, **fields: object) -> Json:
    """Return the trace of a request that was answered and delivered."""
    answered: Json = {
        "id": id_,
        "request_id": content.get("id"),
        "type": content["type"],
        "title": "Purchase",
        "route": "alias",
        "at": f"2026-11-27T10:00:00.{int(id_[1:]):03}Z",
        "request": content,
        "answer": {"type": "event_processing_response"},
        "failed": False,
        "status": None,
        "milliseconds": 23.0,
        "answer_offset_ms": 25.0,
        "limit_ms": 200,
        "is_cold": False,
        "is_slow": False,
        "state": "done",
        "steps": [call()],
        "steps_left_out": 0,
    }
    return {**answered, **fields}


def call(offset: float = 8.0, **fields: object) -> Json:
    """Return the step of a call to the partner."""
    made: Json = {
        "kind": "call",
        "at": "2026-11-27T10:00:00.008Z",
        "offset_ms": offset,
        "method": "POST",
        "site": "127.0.0.1",
        "path": "/track",
        "headers": {"Authorization": "***"},
        "body": {"note": HOSTILE},
        "status": 202,
        "lost": None,
        "answer": {},
        "milliseconds": 9.5,
        "attempt": 1,
        "fault": None,
    }
    return {**made, **fields}


def retried_steps() -> list[Json]:
    """Return the steps of a message that waits, is tried twice and becomes a dead letter."""
    at = "2026-11-27T10:00:01.000Z"
    return [
        call(status=500, fault="status_500"),
        {
            "kind": "queued",
            "at": at,
            "offset_ms": 30,
            "queue": "event",
            "group": None,
            "attributes": {"request_id": "x"},
            "body": {},
            "bytes": 2048,
        },
        {
            "kind": "delivery",
            "at": at,
            "offset_ms": 60,
            "function": "worker",
            "queue": "event",
            "messages": 1,
            "receive_count": 2,
            "outcome": "again",
            "milliseconds": 40,
        },
        call(70, status=None, lost="reset", attempt=2),
        {
            "kind": "log",
            "at": at,
            "offset_ms": 90,
            "function": "worker",
            "level": "WARNING",
            "message": "given up",
            "fields": {"reason": "attempts"},
        },
        {
            "kind": "dead_letter",
            "at": at,
            "offset_ms": 100,
            "queue": "event-dead-letter",
            "reason": "too many attempts",
        },
    ]


def letter(message_id: str) -> Json:
    """Return a dead letter."""
    return {
        "queue": "event-dead-letter",
        "message_id": message_id,
        "reason": "rejected: 400",
        "account": "4242",
        "type": "event_processing_request",
        "at": "2026-11-27T10:00:00.000Z",
        "attempts": 1,
    }


def groups(letters: list[Json]) -> list[Json]:
    """Return letters as groups."""
    names = ("queue", "reason", "account", "type")
    counted = Counter(tuple(letter[name] for name in names) for letter in letters)
    at = "2026-11-27T10:00:00.000Z"
    return [
        {**dict(zip(names, key, strict=True)), "count": number, "oldest": at, "newest": at}
        for key, number in counted.items()
    ]
