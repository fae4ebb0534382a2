"""What must hold for memory, provisioned concurrency and event pollers, and for what is optional as a whole.

Each check takes the template and returns a sentence for each problem.
"""

from collections.abc import Mapping
from typing import Any

from tests.deployment.template_reading import Check, Node, of_type, problems, published, references, walk
from tests.deployment.template_resolving import resolved

NO_VALUE: Node = {"Ref": "AWS::NoValue"}

OPTIONAL: Mapping[str, Mapping[str, str]] = {
    "SubnetIds": {"SubnetIds": "subnet-01234567", "SecurityGroupIds": "sg-01234567"},
    "SecurityGroupIds": {"SubnetIds": "subnet-01234567", "SecurityGroupIds": "sg-01234567"},
    "PermissionsBoundaryArn": {"PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary"},
    "ProvisionedConcurrency": {"ProvisionedConcurrency": "10", "SnapStart": "None"},
    "EventMinimumPollers": {"EventMinimumPollers": "2"},
    "EventMaximumPollers": {"EventMinimumPollers": "2"},
    "TicketTopicArn": {"TicketTopicArn": "arn:aws:sns:us-east-1:111122223333:tickets"},
    "DomainName": {"HttpEndpoint": "http-api", "DomainName": "firehose.example.com", "CertificateArn": "arn"},
    "CertificateArn": {"HttpEndpoint": "http-api", "DomainName": "firehose.example.com", "CertificateArn": "arn"},
    "ReleaseCheckRole": {"GradualDeployment": "true"},
    "ReleaseCheckLogGroup": {"GradualDeployment": "true"},
    "KmsKeyArn": {"KmsKeyArn": "arn"},
}
"""What nothing may refer to with the defaults, and with which parameters something does."""

NOT_OF_A_RESOURCE = {"DeploymentPreference"}
"""Read by SAM, and only if GradualDeployment is true."""


def what_is_optional_is_there_only_if_it_is_asked_for(template: Node) -> list[str]:
    found = [f"{name} by default" for name in OPTIONAL if name in _used(resolved(template))]
    return found + [
        f"{name} is without effect"
        for name, parameters in OPTIONAL.items()
        if name not in _used(resolved(template, **parameters))
    ]


def _used(resources: Mapping[str, Any]) -> set[str]:
    """Return what is referred to, but for the values that are kept to number versions."""
    seen = [_without(it, NOT_OF_A_RESOURCE) for name, it in resources.items() if not name.endswith("FunctionSettings")]
    return references(seen)


def _without(resource: Mapping[str, Any], properties: set[str]) -> Mapping[str, Any]:
    if "Properties" not in resource:
        return resource
    return {**resource, "Properties": {key: it for key, it in resource["Properties"].items() if key not in properties}}


def memory_is_what_the_parameter_says(template: Node) -> list[str]:
    """Of each function of the product; the check of a release needs less than a busy one."""
    parameter = template["Parameters"]["MemorySize"]
    own = [name for name, function in published(template).items() if "MemorySize" in function]
    return own + problems(
        (template["Globals"]["Function"].get("MemorySize") == {"Ref": "MemorySize"}, "another size"),
        ((parameter["Default"], parameter["MaxValue"]) == (1024, 10_240), "another default, or more than Lambda has"),
    )


def provisioned_concurrency_is_of_the_handler_and_without_snapshots(template: Node) -> list[str]:
    given = {"ProvisionedConcurrentExecutions": {"Ref": "ProvisionedConcurrency"}}
    wanted = {"Fn::If": ["HasProvisionedConcurrency", given, NO_VALUE]}
    configured = {
        name: function["ProvisionedConcurrencyConfig"]
        for name, function in published(template).items()
        if "ProvisionedConcurrencyConfig" in function
    }
    some: Node = {"Fn::Not": [{"Fn::Equals": [{"Ref": "ProvisionedConcurrency"}, "0"]}]}
    rule = template["Rules"].get("ASnapshotOrProvisionedConcurrency", {})
    asserted = [it["Assert"] for it in rule.get("Assertions", [])]
    return problems(
        (configured == {"HandlerFunction": wanted}, f"{configured}"),
        (template["Parameters"]["ProvisionedConcurrency"]["Default"] == 0, "some by default"),
        (template["Conditions"]["HasProvisionedConcurrency"] == some, "another condition"),
        (rule.get("RuleCondition") == some, "the rule has another condition"),
        (asserted == [{"Fn::Equals": [{"Ref": "SnapStart"}, "None"]}], "Lambda refuses both together"),
    )


def the_event_queue_has_pollers_or_a_maximum_concurrency(template: Node) -> list[str]:
    """Lambda refuses both together. Of an SQS queue it keeps at least two pollers, and at most 200 of the minimum."""
    mappings = of_type(template, "AWS::Lambda::EventSourceMapping")
    events = mappings["EventDelivery"]
    limits = {name: {"Ref": f"Event{name}"} for name in ("MinimumPollers", "MaximumPollers")}
    lowest, highest = (template["Parameters"][f"Event{name}"] for name in limits)
    rule = template["Rules"].get("PollersAreAtLeastTwo", {})
    others = [name for name, it in mappings.items() if name != "EventDelivery" and "ProvisionedPollerConfig" in it]
    return others + problems(
        (
            events.get("ScalingConfig")
            == {"Fn::If": ["HasEventPollers", NO_VALUE, {"MaximumConcurrency": {"Ref": "EventConcurrency"}}]},
            "a maximum concurrency besides",
        ),
        (
            events.get("ProvisionedPollerConfig") == {"Fn::If": ["HasEventPollers", limits, NO_VALUE]},
            "other pollers",
        ),
        (
            template["Conditions"]["HasEventPollers"]
            == {"Fn::Not": [{"Fn::Equals": [{"Ref": "EventMinimumPollers"}, "0"]}]},
            "another condition",
        ),
        ((lowest["Default"], lowest["MinValue"], lowest["MaxValue"]) == (0, 0, 200), "another minimum"),
        ((highest["MinValue"], highest["MaxValue"]) == (2, 2000), "another maximum"),
        (
            [it["Assert"] for it in rule.get("Assertions", [])]
            == [{"Fn::Not": [{"Fn::Equals": [{"Ref": "EventMinimumPollers"}, "1"]}]}]
            and "RuleCondition" not in rule,
            "one poller is accepted",
        ),
    )


def every_condition_is_used(template: Node) -> list[str]:
    used = {part["Fn::If"][0] for _, part in walk(template) if isinstance(part, dict) and "Fn::If" in part}
    used |= {part["Condition"] for _, part in walk(template) if isinstance(part, dict) and _names_one(part)}
    return sorted(set(template["Conditions"]) - used)


def _names_one(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("Condition"), str)


CHECKS: tuple[Check, ...] = (
    what_is_optional_is_there_only_if_it_is_asked_for,
    memory_is_what_the_parameter_says,
    provisioned_concurrency_is_of_the_handler_and_without_snapshots,
    the_event_queue_has_pollers_or_a_maximum_concurrency,
    every_condition_is_used,
)
