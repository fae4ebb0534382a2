"""What must hold for the archive of dead letters, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import annotated_types

from mparticle_firehose.config import ArchiveSettings
from mparticle_firehose.letter_archive.archiving import TIMEOUT_SECONDS
from mparticle_firehose.letter_archive.objects import PREFIX
from tests.deployment.template_reading import (
    LETTER_ARCHIVE,
    Check,
    Node,
    conditional_statements,
    functions,
    listed,
    of_type,
    problems,
    queues,
)

ROLE = "LetterArchiveRole"
CONDITION = "HasLetterArchive"
PARAMETER = "DeadLetterArchiveDays"
ARCHIVED_LETTERS = "${LargeBodyBucket.Arn}/" + f"{PREFIX}*"
FEED_LETTERS: Node = {"Fn::If": ["HasFeed", {"Fn::GetAtt": ["FeedDeadLetterQueue", "Arn"]}, {"Ref": "AWS::NoValue"}]}


def the_archive_exists_unless_its_parameter_is_zero(template: Node) -> list[str]:
    wanted = {"Fn::Not": [{"Fn::Equals": [{"Ref": PARAMETER}, "0"]}]}
    parts = {**template["Resources"], **template["Outputs"]}
    own = {name: entry.get("Condition") for name, entry in parts.items() if name.startswith("LetterArchive")}
    return problems(
        (template["Conditions"].get(CONDITION) == wanted, f"{CONDITION} is another condition"),
        (template["Parameters"][PARAMETER]["Default"] > 0, "nothing is archived by default"),
        (len(own) == 5, f"there are {sorted(own)}"),
    ) + [f"{name} has another condition" for name, condition in own.items() if condition != CONDITION]


def letters_are_archived_every_hour_and_before_sqs_deletes_them(template: Node) -> list[str]:
    function = functions(template)[LETTER_ARCHIVE]
    parameter = template["Parameters"][PARAMETER]
    field = ArchiveSettings.model_fields["dead_letter_archive_days"]
    limits = {type(item): item for item in field.metadata}
    low, high = limits[annotated_types.Ge].ge, limits[annotated_types.Le].le
    retention = min(queue["MessageRetentionPeriod"] for queue in queues(template).values())
    schedules = [
        event["Properties"]["Schedule"] for event in function["Events"].values() if event["Type"] == "Schedule"
    ]
    return problems(
        (schedules == ["rate(1 hour)"], f"it runs at {schedules}"),
        (function["Timeout"] == TIMEOUT_SECONDS, "its timeout is not the one that the code counts with"),
        ((parameter["MinValue"], low) == (0, 1), "it cannot be turned off"),
        ((parameter["Default"], parameter["MaxValue"]) == (field.default, high), f"the code has other limits: {high}"),
        (parameter["MaxValue"] * 86_400 < retention, "SQS deletes letters before they are archived"),
    )


def the_archives_function_may_move_letters_and_no_more(template: Node) -> list[str]:
    """It takes letters from every dead-letter queue, and reaches no body of a message that waits for delivery."""
    statements = of_type(template, "AWS::IAM::Role")[ROLE]["Policies"][0]["PolicyDocument"]["Statement"]
    given = {it["Sid"]: (sorted(listed(it["Action"])), listed(it["Resource"])) for it in statements if "Sid" in it}
    dead = ("MembershipDeadLetterQueue", "EventDeadLetterQueue", "ErasureDeadLetterQueue")
    letters: list[object] = [*({"Fn::GetAtt": [name, "Arn"]} for name in dead), FEED_LETTERS]
    wanted = {
        "Log": (["logs:CreateLogStream", "logs:PutLogEvents"], [{"Fn::GetAtt": ["LetterArchiveLogGroup", "Arn"]}]),
        "TakeLetters": (["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"], letters),
        "WriteAndDeleteArchivedLetters": (["s3:DeleteObject", "s3:PutObject"], [{"Fn::Sub": ARCHIVED_LETTERS}]),
        "FindOldOnes": (["s3:ListBucket"], [{"Fn::GetAtt": ["LargeBodyBucket", "Arn"]}]),
    }
    conditional = {condition for role, condition, _ in conditional_statements(template) if role == ROLE}
    with_letters = {name for name, queue in queues(template).items() if "RedrivePolicy" not in queue}
    return problems(
        (given == wanted, f"it may do {given}"),
        (conditional == {"HasKmsKey", "HasPreviousKmsKeys"}, f"more on {conditional}"),
        (with_letters == {*dead, "FeedDeadLetterQueue"}, f"there are letters in {with_letters}"),
    )


def the_archives_function_knows_what_it_needs(template: Node) -> list[str]:
    """It calls AWS only, and so needs no fixed address. Without versions there are no snapshots."""
    own = functions(template)[LETTER_ARCHIVE].get("Environment", {}).get("Variables", {})
    feed = {"Fn::If": ["HasFeed", {"Ref": "FeedDeadLetterQueue"}, {"Ref": "AWS::NoValue"}]}
    wanted = {"DEAD_LETTER_ARCHIVE_DAYS": {"Ref": PARAMETER}, "FEED_DLQ_URL": feed}
    ignored = template["Resources"][LETTER_ARCHIVE].get("IgnoreGlobals", [])
    return [name for name in wanted.keys() | own.keys() if own.get(name) != wanted.get(name)] + problems(
        (set(ignored) == {"SnapStart", "VpcConfig"}, f"it ignores {ignored}")
    )


def an_alarm_tells_that_letters_are_not_archived(template: Node) -> list[str]:
    """Not for one run that fails: the next has days for it."""
    alarm = of_type(template, "AWS::CloudWatch::Alarm").get("LetterArchiveErrorsAlarm", {})
    return problems(
        (
            alarm.get("Dimensions") == [{"Name": "FunctionName", "Value": {"Ref": LETTER_ARCHIVE}}],
            "of another function",
        ),
        ((alarm.get("MetricName"), alarm.get("Period")) == ("Errors", 3600), "of something else"),
        ((alarm.get("DatapointsToAlarm"), alarm.get("EvaluationPeriods")) == (2, 3), "too early, or too late"),
    )


CHECKS: tuple[Check, ...] = (
    the_archive_exists_unless_its_parameter_is_zero,
    letters_are_archived_every_hour_and_before_sqs_deletes_them,
    the_archives_function_may_move_letters_and_no_more,
    the_archives_function_knows_what_it_needs,
    an_alarm_tells_that_letters_are_not_archived,
)
