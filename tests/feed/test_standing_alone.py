"""The client needs neither AWS nor the environment, and what answers mParticle does not load it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from local.isolation import ROOT
from tests.conftest import load_event
from tests.endpoint.http_events import function_url_event
from tests.partner_api.doubles import Partner, Reply

PAGE = (ROOT / "docs" / "feed.md").read_text()
LOADED = "\nimport sys; print(sorted({name.split('.')[0] for name in sys.modules}))"


def run(script: str, folder: Path, sources: str = str(ROOT / "src")) -> list[str]:
    """Run a script in a process that knows our sources and nothing else; return the lines that it prints."""
    environment = {"PYTHONPATH": sources, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.splitlines()


def test_the_documented_script_sends_an_event_without_aws(tmp_path: Path) -> None:
    (script,) = re.findall(r"(?ms)^```python\n(from pathlib.*?)^```$", PAGE)
    (tmp_path / "feed-credentials").write_text("canary-key\ncanary-secret\n")
    assert script.count("Pod.EU1") == 1
    with Partner(lambda _: Reply(202, b"")) as mparticle:
        *printed, loaded = run(script.replace("Pod.EU1", repr(f"{mparticle.url}/v2")) + LOADED, tmp_path)
    (received,) = mparticle.received

    assert printed == ["Delivered(failures={}, unplaced=0)"]
    assert (received.target, json.loads(received.body)["environment"]) == ("/v2/events", "development")
    assert not {"boto3", "botocore", "aws_lambda_powertools"} & {*re.findall(r"\w+", loaded)}
    assert {"urllib3", "pydantic"} <= {*re.findall(r"\w+", loaded)}


def test_the_models_need_no_http(tmp_path: Path) -> None:
    (loaded,) = run("import mparticle_firehose.feed" + LOADED, tmp_path)

    assert not {"boto3", "urllib3"} & {*re.findall(r"\w+", loaded)}


def test_what_answers_mparticle_does_not_load_the_feed(tmp_path: Path) -> None:
    modules = (
        "import mparticle_firehose.firehose, mparticle_firehose.worker.worker, mparticle_firehose.partner_api.client"
    )
    listed = f"{modules}; import sys; print([name for name in sys.modules if name.startswith('mparticle_firehose.')])"
    (loaded,) = run(listed, tmp_path)

    assert "'mparticle_firehose.firehose'" in loaded
    assert "mparticle_firehose.feed" not in loaded


def test_what_answers_mparticle_over_https_does_not_load_the_webhook(tmp_path: Path) -> None:
    """The control is a webhook, which loads it."""
    names = (
        "MEMBERSHIP_QUEUE",
        "BULK_QUEUE",
        "EVENT_QUEUE",
        "ERASURE_QUEUE",
        "MEMBERSHIP_DLQ",
        "EVENT_DLQ",
        "ERASURE_DLQ",
        "FEED_QUEUE",
    )
    environ = {
        **{f"{name}_URL": "https://sqs.example/queue" for name in names},
        **dict.fromkeys(("SUSPENSION_TABLE", "LEDGER_TABLE", "LARGE_BODY_BUCKET"), "any"),
        "PARTNER_API_URL": "https://partner.example",
        "HTTP_TOKEN_SOURCE": "off",
        "FEED_WEBHOOK_SECRET_SOURCE": "/feed/webhook",
    }
    keep_alive = json.dumps(load_event("event_processing_keep_alive")).encode()
    requests = [function_url_event("GET", "/health"), function_url_event("POST", "/events", keep_alive)]
    events = [*requests, function_url_event("POST", "/feed", b"{}")]
    script = f"""
import sys
from mparticle_firehose.firehose import Firehose
from tests.conftest import Context
from tests.sample.partner.integration import INTEGRATION

firehose = Firehose(INTEGRATION, {environ!r})
for event in {events!r}:
    status = firehose.handler(event, Context())["statusCode"]
    print("loaded", status, "mparticle_firehose.endpoint.feed_webhook" in sys.modules)
"""
    printed = run(script, tmp_path, f"{ROOT / 'src'}:{ROOT}")

    assert [line for line in printed if line.startswith("loaded")] == [
        "loaded 200 False",
        "loaded 200 False",
        "loaded 401 True",
    ]
