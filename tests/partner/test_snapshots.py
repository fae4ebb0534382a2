"""The calls for each request in events/, as snapshots: a change of a mapping shows as a difference in review.

``UPDATE_SNAPSHOTS=1 .venv/bin/pytest tests/partner`` writes them anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from local.partner.listener import parsed_body
from local.rooms import Room
from local.run.expected import calls_for

ROOM = Room.of()
SNAPSHOTS = Path(__file__).parent / "snapshots"
REQUESTS = sorted(ROOM.events.glob("*.json"))


def calls(request: Path) -> list[dict[str, Any]]:
    found = calls_for(ROOM.integration(), json.loads(request.read_text()))
    return [
        {
            "method": call.method,
            "path": call.path,
            "body": parsed_body(call.body.encoded(), call.body.content_type) if call.body else None,
        }
        for call in found
    ]


@pytest.mark.parametrize("request_file", REQUESTS, ids=lambda path: path.stem)
def test_the_partner_gets_the_calls_of_the_snapshot(request_file: Path) -> None:
    snapshot = SNAPSHOTS / request_file.name
    if "UPDATE_SNAPSHOTS" in os.environ:
        snapshot.write_text(json.dumps(calls(request_file), indent=2, ensure_ascii=False) + "\n")

    assert calls(request_file) == json.loads(snapshot.read_text())


def test_there_is_no_snapshot_without_a_request() -> None:
    assert {path.name for path in SNAPSHOTS.glob("*.json")} - {path.name for path in REQUESTS} <= {"registration.json"}
