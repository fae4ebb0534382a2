"""The client needs neither AWS nor the environment, and what answers mParticle does not load it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from local.isolation import ROOT
from tests.partner_api.doubles import Partner, Reply

PAGE = (ROOT / "docs" / "feed.md").read_text()
LOADED = "\nimport sys; print(sorted({name.split('.')[0] for name in sys.modules}))"


def run(script: str, folder: Path) -> list[str]:
    """Run a script in a process that knows our sources and nothing else; return the lines that it prints."""
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]}
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
