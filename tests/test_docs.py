import re

from local.isolation import ROOT
from mparticle_firehose.integration import NetworkFault
from mparticle_firehose.partner_api.retry_policy import DEFAULT
from tests.deployment.template_reading import load, of_type

OPERATING = (ROOT / "docs" / "operating.md").read_text()
ROW = re.compile(r"(?m)^\| ([a-z0-9_, ]+) \| (delivered|rejected|suspend|retry) \|$")


def test_the_documented_policy_is_the_policy() -> None:
    documented = {
        int(name) if name.isdigit() else NetworkFault(name): verdict
        for names, verdict in ROW.findall(OPERATING)
        for name in names.split(", ")
    }

    assert documented == {key: verdict.value for key, verdict in DEFAULT.items()}


def test_every_metric_is_documented() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    counted = set(re.findall(r'(?:count|measure)\(\s*"(\w+)"|add_metric\(name="(\w+)"', sources))
    names = {name for pair in counted for name in pair if name}

    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in OPERATING] == []


def test_every_alarm_is_documented() -> None:
    alarms = of_type(load(), "AWS::CloudWatch::Alarm").values()
    names = [alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for alarm in alarms]

    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in OPERATING] == []


def test_the_log_events_that_the_dashboard_asks_for_are_logged() -> None:
    (events,) = re.findall(r"message in \[([^\]]+)\]", (ROOT / "template.yaml").read_text())
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))

    assert [name for name in re.findall(r"'([^']+)'", events) if f'"{name}"' not in sources] == []
