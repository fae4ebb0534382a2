"""What must hold for the deployment's own secrets, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import re
from itertools import product

from tests.deployment.template_checks_security import DEPLOYMENT_SECRET_PARAMETER
from tests.deployment.template_reading import Check, Node, conditional_statements, of_type, problems

FEED_SECRETS = {"FeedErasureKey", "FeedWebhookSigningSecret"}
"""Those of the feed; template_checks_feed.py checks them."""

SECRET = {"Fn::GetAtt": ["DeploymentSecret", "Id"]}

CONDITIONS = {
    "HasDeploymentSecretSource": {"Fn::Not": [{"Fn::Equals": [{"Ref": "DeploymentSecretSource"}, "none"]}]},
    "HasDeploymentSecret": {"Fn::Equals": [{"Ref": "DeploymentSecretSource"}, "secret"]},
    "HasDeploymentSecretParameter": {
        "Fn::And": [{"Condition": "HasDeploymentSecretSource"}, {"Fn::Not": [{"Condition": "HasDeploymentSecret"}]}]
    },
}

COUNTED = set(
    product(
        ("DeploymentSecretUnavailable", "DeploymentSecretRefused"),
        ("queue", "event_processing_request", "audience_subscription_request"),
    )
)
"""Metrics by the dimension message_type: of all that makes calls to the partner."""


def there_is_a_deployment_secret_only_if_it_is_asked_for(template: Node) -> list[str]:
    found = problems((template["Parameters"]["DeploymentSecretSource"]["Default"] == "none", "one by default"))
    for name, condition in CONDITIONS.items():
        found += problems((template["Conditions"][name] == condition, f"{name} is another condition"))
    for part, name, condition in (
        ("Resources", "DeploymentSecret", "HasDeploymentSecret"),
        ("Resources", "DeploymentSecretAlarm", "HasDeploymentSecretSource"),
        ("Outputs", "DeploymentSecretArn", "HasDeploymentSecret"),
    ):
        found += problems((template[part][name].get("Condition") == condition, f"{name} has another condition"))
    return found


def the_functions_know_where_the_deployment_secret_is(template: Node) -> list[str]:
    source = template["Globals"]["Function"]["Environment"]["Variables"]["DEPLOYMENT_SECRET_SOURCE"]
    parameter: Node = {
        "Fn::If": ["HasDeploymentSecretParameter", {"Ref": "DeploymentSecretSource"}, {"Ref": "AWS::NoValue"}]
    }
    return problems((source == {"Fn::If": ["HasDeploymentSecret", SECRET, parameter]}, f"the source is {source}"))


def both_functions_read_the_deployment_secret_and_nothing_else(template: Node) -> list[str]:
    wanted = {
        "HasDeploymentSecret": ("secretsmanager:GetSecretValue", SECRET),
        "HasDeploymentSecretParameter": ("ssm:GetParameter", {"Fn::Sub": DEPLOYMENT_SECRET_PARAMETER}),
    }
    read = {
        (role, condition): (statement["Action"], statement["Resource"])
        for role, condition, statement in conditional_statements(template)
        if "DeploymentSecret" in condition
    }
    roles = ("HandlerRole", "WorkerRole")
    return problems((read == {(role, name): may for role in roles for name, may in wanted.items()}, f"{read}"))


def nothing_overwrites_or_deletes_the_deployment_secret(template: Node) -> list[str]:
    secrets = of_type(template, "AWS::SecretsManager::Secret")
    secret = template["Resources"]["DeploymentSecret"]
    kept = (secret.get("DeletionPolicy"), secret.get("UpdateReplacePolicy"))
    return problems(
        (set(secrets) == {"DeploymentSecret", "HttpTokenSecret", *FEED_SECRETS}, "another secret"),
        (not {"SecretString", "GenerateSecretString"} & set(secret["Properties"]), "the template has a value"),
        (kept == ("Retain", "Retain"), f"it is not kept: {kept}"),
    )


def the_source_of_the_deployment_secret_is_one_that_the_code_accepts(template: Node) -> list[str]:
    pattern = template["Parameters"]["DeploymentSecretSource"]["AllowedPattern"]
    accepted = {text: bool(re.search(pattern, text)) for text in ("none", "secret", "/partner/secrets")}
    refused = {text: bool(re.search(pattern, text)) for text in ("off", "partner", "/", "/a b", "/a*", "arn:aws:ssm")}
    return [text for text, found in accepted.items() if not found] + [text for text, found in refused.items() if found]


def the_alarm_of_the_deployment_secret_watches_every_call(template: Node) -> list[str]:
    entries = template["Resources"]["DeploymentSecretAlarm"]["Properties"]["Metrics"]
    watched = {entry["Id"]: entry["MetricStat"]["Metric"] for entry in entries if "MetricStat" in entry}
    counted = {
        (metric["MetricName"], dimension["Value"])
        for metric in watched.values()
        for dimension in metric["Dimensions"]
        if dimension["Name"] == "message_type"
    }
    (expression,) = (entry["Expression"] for entry in entries if "Expression" in entry)
    added = set(re.findall(r"FILL\((\w+), 0\)", expression))
    return problems(
        (counted == COUNTED, f"it watches {sorted(counted ^ COUNTED)}"),
        (added == set(watched), f"it adds {added}"),
    )


CHECKS: tuple[Check, ...] = (
    there_is_a_deployment_secret_only_if_it_is_asked_for,
    the_functions_know_where_the_deployment_secret_is,
    both_functions_read_the_deployment_secret_and_nothing_else,
    nothing_overwrites_or_deletes_the_deployment_secret,
    the_source_of_the_deployment_secret_is_one_that_the_code_accepts,
    the_alarm_of_the_deployment_secret_watches_every_call,
)
