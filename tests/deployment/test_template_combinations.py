"""What the template makes of parameters together, as CloudFormation resolves them.

The linters of `make lint` see each branch of a condition. They see neither rules nor what AWS refuses side by side.
"""

import copy
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pytest

from tests.deployment.template_reading import Node, load, references
from tests.deployment.template_resolving import broken_rules, outputs, resolved

TEMPLATE = load()

ARN = "arn:aws:{}:us-east-1:111122223333:{}"
KEY = ARN.format("kms", "key/00000000-0000-4000-8000-000000000000")
CERTIFICATE = ARN.format("acm", "certificate/00000000-0000-4000-8000-000000000000")

CHOICES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "endpoint": {
        "none": {},
        "http-api": {"HttpEndpoint": "http-api"},
        "domain": {"HttpEndpoint": "http-api", "DomainName": "firehose.example.com", "CertificateArn": CERTIFICATE},
        "function-url": {"HttpEndpoint": "function-url", "HandlerReservedConcurrency": "400"},
    },
    "tokens": {"secret": {}, "parameter": {"HttpTokenSource": "/a/tokens"}, "off": {"HttpTokenSource": "off"}},
    "feed": {
        "off": {},
        "on": {"Feed": "on"},
        "webhook": {"Feed": "on", "FeedWebhookSecret": "secret"},
        "webhook-parameter": {"Feed": "on", "FeedWebhookSecret": "/a/webhook"},
        "webhook-without-feed": {"FeedWebhookSecret": "secret"},
        "key-pairs-in-secrets": {"Feed": "on", "FeedCredentials": "secretsmanager:a/feed"},
    },
    "starts": {
        "snapshots": {},
        "provisioned": {"SnapStart": "None", "ProvisionedConcurrency": "100"},
        "neither": {"SnapStart": "None"},
    },
    "events": {
        "default": {},
        "pollers": {"EventMinimumPollers": "2"},
        "window": {"EventMode": "queue", "EventBatchWindowSeconds": "5"},
        "pollers-and-window": {"EventMinimumPollers": "2", "EventBatchWindowSeconds": "5"},
        "in-order": {"EventOrder": "user"},
    },
    "network": {"none": {}, "subnets": {"SubnetIds": "subnet-01234567,subnet-01234568", "SecurityGroupIds": "sg-01"}},
    "boundary": {"none": {}, "some": {"PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary"}},
    "keys": {
        "none": {},
        "one": {"KmsKeyArn": KEY},
        "changed": {"KmsKeyArn": KEY, "PreviousKmsKeyArns": KEY},
        "given-up": {"PreviousKmsKeyArns": f"{KEY},{KEY}"},
    },
    "releases": {"at-once": {}, "gradual": {"GradualDeployment": "true"}},
    "secret": {"none": {}, "own": {"DeploymentSecretSource": "secret"}, "other": {"DeploymentSecretSource": "/a/b"}},
    "letters": {"archived": {}, "not": {"DeadLetterArchiveDays": "0"}},
    "alarms": {
        "silent": {},
        "one-topic": {"AlarmTopicArn": ARN.format("sns", "pages")},
        "two-topics": {"AlarmTopicArn": ARN.format("sns", "pages"), "TicketTopicArn": ARN.format("sns", "tickets")},
        "few": {"SpillRateAlarmPercent": "0", "QuietAlarmMinutes": "0"},
    },
    "reserved": {"none": {}, "worker": {"WorkerReservedConcurrency": "500"}},
    "region": {name: {"AWS::Region": name} for name in ("us-east-1", "eu-central-1", "ap-southeast-2")}
    | {"elsewhere": {"AWS::Region": "eu-west-1", "OutsidePodRegions": "allow"}},
}
"""What can be chosen, each with its possibilities: the first one is the default."""

REFUSED: list[tuple[dict[str, str], str]] = [
    ({"SnapStart": "PublishedVersions", "ProvisionedConcurrency": "100"}, "ASnapshotOrProvisionedConcurrency"),
    ({"HttpEndpoint": "function-url"}, "AFunctionUrlIsThrottled"),
    ({"FirstMParticleAccount": "none"}, "SomebodyMayInvoke"),
    ({"DomainName": "a.example.com", "CertificateArn": CERTIFICATE}, "ADomainNameIsOfAnHttpApi"),
    ({"HttpEndpoint": "http-api", "DomainName": "a.example.com"}, "ADomainNameIsOfAnHttpApi"),
    ({"HttpEndpoint": "http-api", "CertificateArn": CERTIFICATE}, "ACertificateIsOfADomainName"),
    ({"SubnetIds": "subnet-01234567"}, "SubnetsNeedSecurityGroups"),
    ({"SecurityGroupIds": "sg-01234567"}, "SecurityGroupsNeedSubnets"),
    ({"EventMinimumPollers": "1"}, "PollersAreAtLeastTwo"),
    ({"AWS::Region": "eu-west-1"}, "InARegionOfAPod"),
]
"""Parameters that AWS refuses together, or that nobody wants, each with the rule that says so."""

type Choice = tuple[str, str]

EXCLUSIVE = (("ScalingConfig", "ProvisionedPollerConfig"), ("KmsMasterKeyId", "SqsManagedSseEnabled"))
"""Properties of which a resource may have one."""


def together() -> Iterator[Mapping[str, str]]:
    """Yield parameters in which each two possibilities of different choices occur together, in few combinations."""
    every = {name: [(name, possibility) for possibility in it] for name, it in CHOICES.items()}
    left = {
        frozenset(pair)
        for one, other in combinations(every.values(), 2)
        for pair in ((first, second) for first in one for second in other)
    }
    while left:
        chosen: list[Choice] = list(min(left, key=sorted))
        for name, possibilities in every.items():
            if name not in dict(chosen):
                chosen.append(max(possibilities, key=lambda it: sum(frozenset((it, one)) in left for one in chosen)))
        left -= {frozenset(pair) for pair in combinations(chosen, 2)}
        yield {key: value for name, possibility in chosen for key, value in CHOICES[name][possibility].items()}


COMBINATIONS = list(together())


def missing(template: Node, parameters: Mapping[str, str]) -> list[str]:
    """Return what resources and outputs refer to, although it does not exist with these parameters."""
    resources = resolved(template, **parameters)
    resources.pop("Globals")
    named = references(resources) | references(outputs(template, **parameters))
    named |= {name for it in resources.values() for name in _listed(it.get("DependsOn", []))}
    return sorted(named & set(template["Resources"]) - set(resources))


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def side_by_side(resources: Mapping[str, Any]) -> list[str]:
    """Return what AWS refuses of these resources, although each part of it may be there alone."""
    properties = {name: it.get("Properties", {}) for name, it in resources.items()}
    found = [
        f"{name}: {one} and {other}"
        for name, it in properties.items()
        for one, other in EXCLUSIVE
        if it.get(one) and it.get(other)
    ]
    events = properties["EventDelivery"]
    if not events.get("ScalingConfig") and not events.get("ProvisionedPollerConfig"):
        found.append("nothing limits the events")
    return found


def test_each_two_possibilities_are_tried_together_in_few_combinations() -> None:
    assert len(COMBINATIONS) < 60
    assert any(
        {"HttpEndpoint": "function-url", "Feed": "on", "KmsKeyArn": KEY}.items() <= it.items() for it in COMBINATIONS
    )
    assert all(
        any({**first, **second}.items() <= it.items() for it in COMBINATIONS)
        for one, other in combinations(CHOICES.values(), 2)
        for first in one.values()
        for second in other.values()
    )


def test_every_combination_is_accepted_refers_to_what_exists_and_has_nothing_that_aws_refuses() -> None:
    assert [it for it in COMBINATIONS if broken_rules(TEMPLATE, **it)] == []
    assert [it for it in COMBINATIONS if missing(TEMPLATE, it)] == []
    assert [it for it in COMBINATIONS if side_by_side(resolved(TEMPLATE, **it))] == []


@pytest.mark.parametrize(("parameters", "rule"), REFUSED)
def test_what_aws_would_refuse_or_nobody_wants_is_refused_before_anything_changes(
    parameters: dict[str, str], rule: str
) -> None:
    assert broken_rules(TEMPLATE, **parameters) == [rule]


def test_each_rule_is_tried() -> None:
    assert {rule for _, rule in REFUSED} == set(TEMPLATE["Rules"])


def test_a_reference_to_what_is_missing_and_two_limits_side_by_side_would_be_found() -> None:
    template = copy.deepcopy(TEMPLATE)
    del template["Outputs"]["FeedQueueUrl"]["Condition"]
    template["Resources"]["EventDelivery"]["Properties"]["ScalingConfig"] = {"MaximumConcurrency": 100}

    assert missing(template, {}) == ["FeedQueue"]
    assert missing(template, {"Feed": "on"}) == []
    assert side_by_side(resolved(template, EventMinimumPollers="2")) == [
        "EventDelivery: ScalingConfig and ProvisionedPollerConfig"
    ]
