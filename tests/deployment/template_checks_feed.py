"""What must hold for the feed, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import re
from typing import Any

from pydantic import ValidationError

from mparticle_firehose.config import FeedSettings
from tests.deployment.template_checks_security import (
    FEED_WEBHOOK_PARAMETER,
    KEY_PAIR_PARAMETERS,
    KEY_PAIR_SECRETS,
)
from tests.deployment.template_reading import (
    ALIAS,
    Check,
    Node,
    conditional_statements,
    listed,
    of_type,
    problems,
    references,
    statements_of,
)

NO_VALUE: Node = {"Ref": "AWS::NoValue"}
ERASURE_KEY: Node = {"Fn::GetAtt": ["FeedErasureKey", "Id"]}
WEBHOOK_SECRET: Node = {"Fn::GetAtt": ["FeedWebhookSigningSecret", "Id"]}
QUEUE: Node = {"Fn::GetAtt": ["FeedQueue", "Arn"]}

CONDITIONS: dict[str, Node] = {
    "HasFeed": {"Fn::Equals": [{"Ref": "Feed"}, "on"]},
    "HasFeedWebhook": {
        "Fn::And": [
            {"Condition": "HasFeed"},
            {"Condition": "HasHttpEndpoint"},
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "FeedWebhookSecret"}, "none"]}]},
        ]
    },
    "HasFeedWebhookRoute": {"Fn::And": [{"Condition": "HasFeedWebhook"}, {"Condition": "HasHttpApi"}]},
    "HasFeedWebhookSecret": {
        "Fn::And": [{"Condition": "HasFeedWebhook"}, {"Fn::Equals": [{"Ref": "FeedWebhookSecret"}, "secret"]}]
    },
    "HasFeedWebhookParameter": {
        "Fn::And": [
            {"Condition": "HasFeedWebhook"},
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "FeedWebhookSecret"}, "secret"]}]},
        ]
    },
}

EXISTS_WHEN = {
    "FeedWebhookRoute": "HasFeedWebhookRoute",
    "FeedWebhookPermission": "HasFeedWebhookRoute",
    "FeedWebhookSigningSecret": "HasFeedWebhookSecret",
    "FeedWebhookSecretArn": "HasFeedWebhookSecret",
    "FeedWebhookAlarm": "HasFeedWebhook",
    "FeedReleaseErrorsAlarm": "HasGradualFeed",
}
"""Conditions of what is not there whenever Feed is on."""

OUTPUTS: dict[str, Node] = {
    "FeedFunctionName": {"Ref": "FeedFunction"},
    "FeedQueueUrl": {"Ref": "FeedQueue"},
    "FeedQueueArn": QUEUE,
    "FeedDeadLetterQueueUrl": {"Ref": "FeedDeadLetterQueue"},
    "FeedWebhookSecretArn": WEBHOOK_SECRET,
}


def without_feed_there_is_nothing_of_it(template: Node) -> list[str]:
    found = problems(
        (template["Parameters"]["Feed"]["Default"] == "off", "there is a feed by default"),
        (template["Parameters"]["FeedWebhookSecret"]["Default"] == "none", "there is a path for it by default"),
    )
    for name, condition in CONDITIONS.items():
        found += problems((template["Conditions"][name] == condition, f"{name} is another condition"))
    for part in ("Resources", "Outputs"):
        for name, entry in template[part].items():
            if name.startswith("Feed"):
                wanted = EXISTS_WHEN.get(name, "HasFeed")
                found += problems((entry.get("Condition") == wanted, f"{name} has another condition"))
    return found


def the_functions_know_what_they_need_of_the_feed(template: Node) -> list[str]:
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    parameter: Node = {"Fn::If": ["HasFeedWebhookParameter", {"Ref": "FeedWebhookSecret"}, NO_VALUE]}
    wanted: dict[str, Node] = {
        "FEED_QUEUE_URL": {"Fn::If": ["HasFeed", {"Ref": "FeedQueue"}, NO_VALUE]},
        "FEED_ERASURE_KEY_SOURCE": {"Fn::If": ["HasFeed", ERASURE_KEY, NO_VALUE]},
        "FEED_WEBHOOK_SECRET_SOURCE": {"Fn::If": ["HasFeedWebhookSecret", WEBHOOK_SECRET, parameter]},
    }
    own = template["Resources"]["FeedFunction"]["Properties"]["Environment"]["Variables"]
    return [name for name, value in wanted.items() if variables.get(name) != value] + problems(
        (own.get("FEED_QUEUE_URL") == {"Ref": "FeedQueue"}, "FEED_QUEUE_URL of its function"),
        (own.get("FEED_ERASURE_KEY_SOURCE") == ERASURE_KEY, "FEED_ERASURE_KEY_SOURCE of its function"),
        (own.get("FEED_DLQ_URL") == {"Ref": "FeedDeadLetterQueue"}, "FEED_DLQ_URL"),
        *((own.get(name) == {"Ref": ref}, name) for name, ref in _OF_PARAMETERS.items()),
    )


_OF_PARAMETERS = {
    "FEED_CREDENTIALS": "FeedCredentials",
    "FEED_REFRESH_SECONDS": "FeedRefreshSeconds",
    "FEED_URL": "FeedUrl",
    "FEED_BATCHES_PER_SECOND": "FeedBatchesPerSecond",
    "FEED_CONCURRENCY": "FeedConcurrency",
}


def the_feeds_function_may_do_what_it_does_and_no_more(template: Node) -> list[str]:
    """Of queues only with its own two, of tables with the ledger, of secrets with the key pairs and the erasure key."""
    statements = statements_of(of_type(template, "AWS::IAM::Role")["FeedRole"])
    given = {it["Sid"]: (sorted(listed(it["Action"])), listed(it["Resource"])) for it in statements if "Sid" in it}
    receiving = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    wanted: dict[str, tuple[list[str], list[Any]]] = {
        "Log": (["logs:CreateLogStream", "logs:PutLogEvents"], [{"Fn::GetAtt": ["FeedLogGroup", "Arn"]}]),
        "ReceiveAndDelayMessages": (receiving, [QUEUE]),
        "SendMessages": (["sqs:SendMessage"], [{"Fn::GetAtt": ["FeedDeadLetterQueue", "Arn"]}, QUEUE]),
        "RecordAttemptsAndReadErasures": (
            ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"],
            [{"Fn::GetAtt": ["LedgerTable", "Arn"]}],
        ),
        "ReadFeedErasureKey": (["secretsmanager:GetSecretValue"], [ERASURE_KEY]),
        "ReadKeyPairParameters": (["ssm:GetParameter"], [{"Fn::Sub": KEY_PAIR_PARAMETERS}]),
        "ReadKeyPairSecrets": (["secretsmanager:GetSecretValue"], [{"Fn::Sub": KEY_PAIR_SECRETS}]),
    }
    conditional = {it["Fn::If"][0] for it in statements if "Fn::If" in it}
    return problems(
        (given == wanted, f"it may do {given}"),
        (conditional == {"HasKmsKey", "HasPreviousKmsKeys", "HasSubnets"}, f"more on {conditional}"),
    )


def the_other_functions_may_do_little_for_the_feed(template: Node) -> list[str]:
    wanted = {
        ("HandlerRole", "HasFeedWebhook"): ("sqs:SendMessage", QUEUE),
        ("HandlerRole", "HasFeedWebhookSecret"): ("secretsmanager:GetSecretValue", WEBHOOK_SECRET),
        ("HandlerRole", "HasFeedWebhookParameter"): ("ssm:GetParameter", {"Fn::Sub": FEED_WEBHOOK_PARAMETER}),
        ("WorkerRole", "HasFeed"): ("secretsmanager:GetSecretValue", ERASURE_KEY),
    }
    given = {
        (role, condition): (statement["Action"], statement["Resource"])
        for role, condition, statement in conditional_statements(template)
        if condition.startswith("HasFeed") and role != "FeedRole"
    }
    roles = of_type(template, "AWS::IAM::Role")
    always = [
        name
        for name in ("HandlerRole", "WorkerRole")
        for statement in statements_of(roles[name])
        if "Fn::If" not in statement and any(ref.startswith("Feed") for ref in references(statement))
    ]
    return problems((given == wanted, f"they may do {given}")) + always


def the_erasure_key_is_random_and_kept(template: Node) -> list[str]:
    """Changing these properties would make another key, with which the hashes in the ledger say nothing."""
    key = template["Resources"]["FeedErasureKey"]
    kept = (key.get("DeletionPolicy"), key.get("UpdateReplacePolicy"))
    made = {"PasswordLength": 64, "ExcludePunctuation": True}
    return problems(
        (key["Properties"].get("GenerateSecretString") == made, "another key is made"),
        ("SecretString" not in key["Properties"], "the key is known"),
        (kept == ("Retain", "Retain"), f"it is not kept: {kept}"),
    )


def nothing_overwrites_the_secret_of_the_webhook(template: Node) -> list[str]:
    secret = template["Resources"]["FeedWebhookSigningSecret"]["Properties"]
    return [name for name in ("SecretString", "GenerateSecretString") if name in secret]


def the_webhook_has_a_route_to_the_alias(template: Node) -> list[str]:
    route = template["Resources"]["FeedWebhookRoute"]["Properties"]
    permission = template["Resources"]["FeedWebhookPermission"]["Properties"]
    return problems(
        (route["RouteKey"] == "POST /feed", f"the route is {route['RouteKey']}"),
        (route["Target"] == {"Fn::Sub": "integrations/${HttpApiIntegration}"}, "it has another target"),
        (permission["FunctionName"] == {"Ref": f"HandlerFunctionAlias{ALIAS}"}, "it calls no alias"),
    )


def the_feeds_parameters_accept_what_the_code_accepts(template: Node) -> list[str]:
    parameters = template["Parameters"]
    wrong = [
        f"{name} accepts {value!r}: {not is_right}"
        for name, values in _VALUES.items()
        for value, is_right in values.items()
        if _fits(parameters[name], value) is not is_right
    ]
    refused = [
        value for value, is_right in _VALUES["FeedCredentials"].items() if is_right and not _is_read_by_the_code(value)
    ]
    default = FeedSettings.model_fields["url"].default
    return wrong + problems(
        (parameters["FeedUrl"]["AllowedPattern"] == parameters["PartnerApiUrl"]["AllowedPattern"], "another pattern"),
        (parameters["FeedUrl"]["Default"] == default, "another URL than the code's"),
        (not refused, f"the code refuses {refused}"),
    )


def _fits(parameter: Node, value: str) -> bool:
    return bool(re.search(parameter["AllowedPattern"], value)) and len(value) <= parameter["MaxLength"]


def _is_read_by_the_code(credentials: str) -> bool:
    url = "https://queue"
    try:
        FeedSettings.model_validate(
            {
                "FEED_QUEUE_URL": url, "FEED_DLQ_URL": url, "LEDGER_TABLE": "t", "FEED_CREDENTIALS": credentials,
                "FEED_ERASURE_KEY_SOURCE": "/key",
            }
        )  # fmt: skip
    except ValidationError:
        return False
    return True


_VALUES = {
    "FeedCredentials": {
        "/mparticle-firehose/feed": True,
        "secretsmanager:a/prefix": True,
        "secretsmanager:prefix": True,
        "/": False,
        "/a/": False,
        "/a//b": False,
        "/a*": False,
        "/*/b": False,
        "prefix": False,
        "secretsmanager:": False,
        "secretsmanager:/a": False,
        "arn:aws:secretsmanager": False,
        f"/{'a' * 65}": False,
    },
    "FeedWebhookSecret": {"none": True, "secret": True, "/feed/webhook": True, "off": False, "/": False, "/a*": False},
}


def the_feeds_outputs_have_what_other_tools_need(template: Node) -> list[str]:
    outputs = template["Outputs"]
    found = [name for name, value in OUTPUTS.items() if outputs.get(name, {}).get("Value") != value]
    return found + problems(
        ("FeedDashboard" in references(outputs.get("FeedDashboardUrl")), "there is no link to the dashboard")
    )


def the_feeds_alarms_watch_queues_function_and_key_pairs(template: Node) -> list[str]:
    alarms = {
        name: (it.get("Namespace"), it.get("MetricName"), it.get("Statistic")) if "Metrics" not in it else _counted(it)
        for name, it in of_type(template, "AWS::CloudWatch::Alarm").items()
        if name.startswith("Feed")
    }
    wanted = {
        "FeedErrorsAlarm": ("AWS/Lambda", "Errors", "Sum"),
        "FeedThrottlesAlarm": ("AWS/Lambda", "Throttles", "Sum"),
        "FeedAgeAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"),
        "FeedInFlightAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Maximum"),
        "FeedDeadLettersAlarm": ("AWS/SQS", "NumberOfMessagesSent", "Sum"),
        "FeedDeadLettersAgeAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum"),
        "FeedCredentialsRefusedAlarm": ("MParticleFirehose", "FeedCredentialsRefused", "Sum"),
        "FeedCredentialsMissingAlarm": ("MParticleFirehose", "FeedCredentialsMissing", "Sum"),
        "FeedReleaseErrorsAlarm": ("AWS/Lambda", "Errors", "Sum"),
        "FeedWaitingAgeAlarm": ("waiting / 1000", ("WaitingAge",), ("feed",)),
        "FeedWebhookAlarm": (
            "FILL(signature, 0) + FILL(secret, 0)",
            ("FeedSignatureRefused", "FeedSecretUnavailable"),
            ("http", "http"),
        ),
    }
    return sorted(name for name in wanted.keys() | alarms.keys() if wanted.get(name) != alarms.get(name))


def _counted(alarm: Node) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the expression, the metrics and their message types of an alarm on several."""
    (expression,) = (entry["Expression"] for entry in alarm["Metrics"] if "Expression" in entry)
    metrics = [entry["MetricStat"]["Metric"] for entry in alarm["Metrics"] if "MetricStat" in entry]
    kinds = (each["Value"] for metric in metrics for each in metric["Dimensions"] if each["Name"] == "message_type")
    return expression, tuple(metric["MetricName"] for metric in metrics), tuple(kinds)


CHECKS: tuple[Check, ...] = (
    without_feed_there_is_nothing_of_it,
    the_functions_know_what_they_need_of_the_feed,
    the_feeds_function_may_do_what_it_does_and_no_more,
    the_other_functions_may_do_little_for_the_feed,
    the_erasure_key_is_random_and_kept,
    nothing_overwrites_the_secret_of_the_webhook,
    the_webhook_has_a_route_to_the_alias,
    the_feeds_parameters_accept_what_the_code_accepts,
    the_feeds_outputs_have_what_other_tools_need,
    the_feeds_alarms_watch_queues_function_and_key_pairs,
)
