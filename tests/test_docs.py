import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from local.isolation import ROOT
from mparticle_firehose import integration
from mparticle_firehose.integration import NetworkFault
from mparticle_firehose.partner_api.retry_policy import DEFAULT
from mparticle_firehose.reporting import DURATION
from tests.deployment.template_checks_watching import TICKETS, notifying_alarms
from tests.deployment.template_reading import Node, load, of_type

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
LOGGED = re.compile(r'\.(?:note|warn|log)\(\s*"([^"]+)"')
OPERATING = (ROOT / "docs" / "operating.md").read_text()
ROW = re.compile(r"(?m)^\| ([a-z0-9_, ]+) \| (delivered|rejected|suspend|alone|split|retry) \|$")


def test_the_documented_policy_is_the_policy() -> None:
    documented = {
        int(name) if name.isdigit() else NetworkFault(name): verdict
        for names, verdict in ROW.findall(OPERATING)
        for name in names.split(", ")
    }

    assert documented == {key: verdict.value for key, verdict in DEFAULT.items()}


def test_every_metric_is_documented() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    names = {DURATION, *re.findall(r'(?:count|measure)\(\s*"(\w+)"', sources)}

    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in OPERATING] == []


def test_every_alarm_is_documented() -> None:
    template = load()
    alarms = alarm_names(of_type(template, "AWS::CloudWatch::Alarm") | notifying_alarms(template))

    assert len(alarms) > 10
    assert [name for name in alarms.values() if f"`{name}`" not in OPERATING] == []


def test_every_alarm_that_wakes_somebody_has_a_runbook_and_is_listed_as_such() -> None:
    alarms = alarm_names(notifying_alarms(load()))
    headings = re.findall(r"^## (.+)", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    titled = {name for heading in headings for name in re.split(r", | and ", heading)}
    listed = {
        kind: set(re.findall(r"`([a-z0-9-]+)`", row)) for kind, row in re.findall(r"\| `(\w+)TopicArn`(.*)", OPERATING)
    }

    assert titled == {name for logical, name in alarms.items() if logical not in TICKETS}
    assert listed == {"Alarm": titled, "Ticket": {alarms[logical] for logical in TICKETS}}


def alarm_names(alarms: Mapping[str, Node]) -> dict[str, str]:
    return {it: alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for it, alarm in alarms.items()}


def test_the_log_events_that_the_dashboards_ask_for_are_logged() -> None:
    pages = [ROOT / "template.yaml", ROOT / "docs" / "operating.md", ROOT / "docs" / "runbooks.md"]
    lists = [
        found for page in pages for found in re.findall(r"message (?:in \[([^\]]+)\]|= (\"[^\"]+\"))", page.read_text())
    ]
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))

    text = " ".join(part for found in lists for part in found)
    assert len(lists) > 4
    assert [name for name in re.findall(r"['\"]([^'\"]+)['\"]", text) if f'"{name}"' not in sources] == []


def test_every_log_event_is_documented() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    events = set(LOGGED.findall(sources))

    assert {"integration failed", "failures without a place", "unusable failure index"} <= events
    assert [event for event in sorted(events) if f"`{event}`" not in OPERATING] == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yield each link to a file or a heading that does not exist."""
    for link in LINK.findall(text.replace("\n", " ")):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [*broken_links(page, page.read_text())] == []


def test_a_broken_link_is_found() -> None:
    text = "[a](operating.md#order-of-events) [b](operating.md#no-such) [c](none.md) [d](https://x.example)"

    assert [*broken_links(ROOT / "docs" / "integrating.md", text)] == ["operating.md#no-such", "none.md"]


AWS_COMMAND = re.compile(r"\baws ([a-z0-9-]+)\s+([a-z0-9-]+)(?:\s+([^\n`]*))?")
GLOBAL_OPTIONS = {"query", "output", "region", "profile", "endpoint-url", "cli-binary-format"}
MODELS = {"deploy": "codedeploy"}
"""What botocore calls a service whose commands have another name."""


def unknown_to_the_aws_cli(text: str) -> Iterator[str]:
    """Yield each command of the AWS CLI in a text that does not exist, or has an option that it does not take.

    Those of ``aws s3`` are left out: they belong to no service.
    """
    session = botocore.session.get_session()
    for service, command, rest in AWS_COMMAND.findall(re.sub(r"\\\n\s*", " ", text)):
        if service == "s3":
            continue
        model = session.get_service_model(MODELS.get(service, service))
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        waiters = session.get_waiter_model(service).waiter_names if command == "wait" else ()
        if command == "wait" and rest.split()[0] in {xform_name(name, "-") for name in waiters}:
            continue
        if command not in operations:
            yield f"{service} {command}"
            continue
        shape = model.operation_model(operations[command]).input_shape
        taken = {xform_name(name, "-") for name in (shape.members if shape else ())} | GLOBAL_OPTIONS
        options = re.findall(r"(?:^| )--(?:no-)?([a-z0-9-]+)", rest)
        yield from (f"{service} {command} --{option}" for option in options if option not in taken)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_aws_commands_exist_and_take_their_options(page: Path) -> None:
    assert [*unknown_to_the_aws_cli(page.read_text())] == []


def test_an_aws_command_that_does_not_exist_is_found() -> None:
    text = """
aws sqs drain-queue --queue-url URL
aws kms enable-key --key-id KEY
aws kms enable-key --key KEY
aws dynamodb wait table-gone --table-name T
aws dynamodb restore-table-from-backup --target-table-name T \\
    --backup ARN
"""

    assert [*unknown_to_the_aws_cli(text)] == [
        "sqs drain-queue",
        "kms enable-key --key",
        "dynamodb wait",
        "dynamodb restore-table-from-backup --backup",
    ]


def test_the_names_of_the_old_seam_are_gone_and_have_successors() -> None:
    upgrading = (ROOT / "docs" / "upgrading.md").read_text()
    (table,) = re.findall(r"(?s)### Your integration\n\n(.*?)\n\n", upgrading)
    gone = ["Audiences", "MembershipChange", "MembershipTarget", "UndeliverableChange", "Effect"]

    assert [name for name in gone if f"`{name}" not in table] == []
    assert [name for name in gone if hasattr(integration, name)] == []
