"""Faults for the checks of the archive of dead letters."""

from tests.deployment.planting import Fault, drop, put

EVENT = "Resources/EventQueue/Properties"
ALARM = "Resources/LetterArchiveErrorsAlarm/Properties"
ARCHIVE = "Resources/LetterArchiveFunction/Properties"
ARCHIVE_POLICY = "Resources/LetterArchiveRole/Properties/Policies/0/PolicyDocument/Statement"

FAULTS: dict[str, dict[str, Fault]] = {
    "the_archive_exists_unless_its_parameter_is_zero": {
        "condition": put("Conditions/HasLetterArchive", {"Condition": "HasFeed"}),
        "off-by-default": put("Parameters/DeadLetterArchiveDays/Default", 0),
        "always": drop("Resources/LetterArchiveRole/Condition"),
        "no-alarm": drop("Resources/LetterArchiveErrorsAlarm"),
    },
    "letters_are_archived_every_hour_and_before_sqs_deletes_them": {
        "weekly": put(f"{ARCHIVE}/Events/Hourly/Properties/Schedule", "rate(7 days)"),
        "long": put(f"{ARCHIVE}/Timeout", 900),
        "always": put("Parameters/DeadLetterArchiveDays/MinValue", 1),
        "late": put("Parameters/DeadLetterArchiveDays/MaxValue", 14),
        "other-default": put("Parameters/DeadLetterArchiveDays/Default", 3),
        "short-retention": put(f"{EVENT}/MessageRetentionPeriod", 86400),
    },
    "the_archives_function_may_move_letters_and_no_more": {
        "any-object": put(f"{ARCHIVE_POLICY}/2/Resource", {"Fn::Sub": "${LargeBodyBucket.Arn}/*"}),
        "reads": put(f"{ARCHIVE_POLICY}/2/Action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]),
        "not-the-erasures": drop(f"{ARCHIVE_POLICY}/1/Resource/2"),
        "messages": put(f"{ARCHIVE_POLICY}/1/Resource/0", {"Fn::GetAtt": ["MembershipQueue", "Arn"]}),
        "another-queue": put("Resources/Other", {"Type": "AWS::SQS::Queue", "Properties": {}}),
        "more-with-the-feed": put(f"{ARCHIVE_POLICY}/4/Fn::If/0", "HasFeed"),
    },
    "the_archives_function_knows_what_it_needs": {
        "other-days": put(f"{ARCHIVE}/Environment/Variables/DEAD_LETTER_ARCHIVE_DAYS", 7),
        "no-feed": drop(f"{ARCHIVE}/Environment/Variables/FEED_DLQ_URL"),
        "unread": put(f"{ARCHIVE}/Environment/Variables/OTHER", "x"),
        "in-subnets": put("Resources/LetterArchiveFunction/IgnoreGlobals", ["SnapStart"]),
    },
    "an_alarm_tells_that_letters_are_not_archived": {
        "other-function": put(f"{ALARM}/Dimensions/0/Value", {"Ref": "WorkerFunction"}),
        "throttles": put(f"{ALARM}/MetricName", "Throttles"),
        "at-once": drop(f"{ALARM}/DatapointsToAlarm"),
    },
}
