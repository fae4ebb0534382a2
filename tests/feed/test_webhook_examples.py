"""The scripts of docs/feed.md that send a webhook: what they send is accepted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.isolation import ROOT
from tests.endpoint.feed_webhooks import SECRET, WRONG_SECRET, Bench
from tests.partner_api.doubles import Partner, Received, Reply

PAGE = (ROOT / "docs" / "feed.md").read_text()
INTERPRETERS = {"python": [sys.executable, "-W", "error", "-c"], "sh": ["sh", "-euc"]}
MARKS = {"python": "import hashlib", "sh": "printf"}


def script(language: str) -> str:
    """Return the page's script that begins with the language's mark."""
    (found,) = re.findall(rf"(?ms)^```{language}\n({MARKS[language]}.*?)^```$", PAGE)
    return str(found)


def answer_to(received: Received, bench: Bench) -> Reply:
    headers = {name.lower(): value for name, value in received.headers.items()}
    bench.wall_clock.now = float(headers["x-feed-signature"].split(",")[0].removeprefix("t="))
    answer = bench.send(received.body, headers["x-feed-signature"])
    return Reply(answer.status, answer.body.encode())


def run(language: str, secret: str, folder: Path) -> tuple[Bench, str]:
    """Run a script against an endpoint that knows the secret; return the endpoint and what was printed."""
    (folder / "feed-webhook-secret").write_text(f"{secret}\n")
    bench = Bench()
    with Partner(lambda received: answer_to(received, bench)) as endpoint:
        adapted = script(language).replace("https://HOST", endpoint.url)
        command = [*INTERPRETERS[language], adapted]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    assert [received.target for received in endpoint.received] == ["/feed"]
    return bench, done.stdout.strip()


@pytest.mark.parametrize("language", INTERPRETERS)
def test_what_a_documented_script_sends_is_accepted(language: str, tmp_path: Path) -> None:
    bench, printed = run(language, SECRET, tmp_path)

    assert printed == '{"accepted": 1}'
    assert len(bench.sqs.sent) == 1


@pytest.mark.parametrize("language", INTERPRETERS)
def test_with_another_secret_it_is_refused(language: str, tmp_path: Path) -> None:
    bench, printed = run(language, WRONG_SECRET, tmp_path)

    assert printed in {"", '{"error": {"code": "signature_refused"}}'}
    assert bench.sqs.sent == []
