"""Checks of the template that no tool makes; each is tried on templates with planted faults."""

import copy
import json
import re

import pytest

from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.firehose import Firehose
from tests.deployment import (
    template_faults_alarms,
    template_faults_letter_archive,
    template_faults_releases,
    template_faults_scale,
)
from tests.deployment.planting import Fault, drop, put, write
from tests.deployment.template_checks import CHECKS
from tests.deployment.template_reading import load
from tests.sample.partner.integration import INTEGRATION

TEMPLATE = load()

HANDLER = "Resources/HandlerFunction/Properties"
WORKER = "Resources/WorkerFunction/Properties"
MEMBERSHIP = "Resources/MembershipQueue/Properties"
MEMBERSHIP_DEAD = "Resources/MembershipDeadLetterQueue/Properties"
EVENT = "Resources/EventQueue/Properties"
DELIVERY = "Resources/MembershipDelivery/Properties"
EVENTS = "Resources/EventDelivery/Properties"
ERASURES = "Resources/ErasureDelivery/Properties"
HANDLER_POLICY = "Resources/HandlerRole/Properties/Policies/0/PolicyDocument/Statement"
WORKER_POLICY = "Resources/WorkerRole/Properties/Policies/0/PolicyDocument/Statement"
FEED = "Resources/FeedFunction/Properties"
FEEDS = "Resources/FeedDelivery/Properties"
FEED_POLICY = "Resources/FeedRole/Properties/Policies/0/PolicyDocument/Statement"
BUCKET = "Resources/LargeBodyBucket/Properties"
BUCKET_SSE = f"{BUCKET}/BucketEncryption/ServerSideEncryptionConfiguration/0/Fn::If"
BUCKET_POLICY = "Resources/LargeBodyBucketPolicy/Properties/PolicyDocument/Statement/0"
BOARD = "Resources/Dashboard/Properties/DashboardBody/Fn::Sub/0"
FEED_BOARD = "Resources/FeedDashboard/Properties/DashboardBody/Fn::Sub"
STAGE = "Resources/HttpApiStage/Properties"
SETTINGS = "Resources/FunctionSettings/Properties/Content/Fn::Sub"
VARIABLES = "Globals/Function/Environment/Variables"


def alarm(name: str) -> str:
    """Return the path to an alarm's properties."""
    return f"Resources/{name}Alarm/Properties"


FAULTS: dict[str, dict[str, Fault]] = {
    "fifo_queues_are_in_high_throughput_mode": {
        "limit-misspelt": put(f"{MEMBERSHIP}/FifoThroughputLimit", "perGroup"),
        "scope-queue": put(f"{MEMBERSHIP}/DeduplicationScope", "queue"),
        "by-content": put(f"{MEMBERSHIP}/ContentBasedDeduplication", True),
    },
    "every_queue_has_its_own_dead_letter_queue": {
        "standard-behind-fifo": drop(f"{MEMBERSHIP_DEAD}/FifoQueue"),
        "open": put(f"{MEMBERSHIP_DEAD}/RedriveAllowPolicy/redrivePermission", "allowAll"),
        "none": drop(f"{MEMBERSHIP}/RedrivePolicy"),
    },
    "the_bulk_queue_is_as_the_membership_queue": {
        "shorter": put("Resources/BulkQueue/Properties/MessageRetentionPeriod", 345600),
        "without-a-key": drop("Resources/BulkQueue/Properties/KmsMasterKeyId"),
        "visible-sooner": put("Resources/BulkQueue/Properties/VisibilityTimeout", 60),
        "unpublished": put("Resources/BulkDelivery/Properties/FunctionName", {"Ref": "WorkerFunction"}),
        "other-queue": put(
            "Resources/BulkDelivery/Properties/EventSourceArn", {"Fn::GetAtt": ["MembershipQueue", "Arn"]}
        ),
    },
    "forwarding_waits_for_what_it_relies_on": {
        "longer-batches": put(f"{WORKER}/Timeout", 90),
        "slower-deployments": put("Parameters/DeploymentType/AllowedValues/0", "Linear10PercentEvery20Minutes"),
    },
    "queues_have_the_longest_retention_and_the_largest_messages_of_sqs": {
        "four-days": drop(f"{MEMBERSHIP}/MessageRetentionPeriod"),
        "256-kb": put(f"{MEMBERSHIP}/MaximumMessageSize", 262144),
    },
    "max_receive_count_is_above_the_workers_attempts": {
        "few": put(f"{MEMBERSHIP}/RedrivePolicy/maxReceiveCount", 5),
        "patient": put("Parameters/MaxAttempts/MaxValue", 1000),
    },
    "no_message_is_moved_by_sqs_while_it_may_wait": {
        "short": put("Parameters/RetryCapSeconds/MinValue", 60),
        "few": put(f"{EVENT}/RedrivePolicy/maxReceiveCount", 999),
    },
    "visibility_timeouts_are_six_times_the_workers_timeout": {
        "short": put(f"{MEMBERSHIP}/VisibilityTimeout", 60),
        "default": drop(f"{MEMBERSHIP}/VisibilityTimeout"),
        "slow-worker": put(f"{WORKER}/Timeout", 61),
        "short-with-a-window": put(f"{EVENT}/VisibilityTimeout/Fn::If/1", 360),
        "short-without-a-window": put(f"{EVENT}/VisibilityTimeout/Fn::If/2", 60),
        "longer-window": put("Parameters/EventBatchWindowSeconds/MaxValue", 301),
        "feed-without-its-window": put("Resources/FeedQueue/Properties/VisibilityTimeout", 360),
        "slow-feed": put(f"{FEED}/Timeout", 61),
    },
    "each_queue_has_its_function_which_reports_failures_by_message": {
        "unpublished": put(f"{DELIVERY}/FunctionName", {"Ref": "WorkerFunction"}),
        "whole-batches": drop(f"{DELIVERY}/FunctionResponseTypes"),
        "unbounded": drop(f"{DELIVERY}/ScalingConfig"),
        "crossed": put(f"{DELIVERY}/ScalingConfig/MaximumConcurrency", {"Ref": "EventConcurrency"}),
        "unbounded-erasures": put(f"{ERASURES}/ScalingConfig/MaximumConcurrency", 1000),
        "one-queue-twice": put(f"{DELIVERY}/EventSourceArn", {"Fn::GetAtt": ["EventQueue", "Arn"]}),
        "feed-to-the-worker": put(f"{FEEDS}/FunctionName", {"Ref": "WorkerFunctionAliasproduction"}),
        "unbounded-feed": put(f"{FEEDS}/ScalingConfig/MaximumConcurrency", {"Ref": "EventConcurrency"}),
    },
    "erasures_have_a_way_of_their_own": {
        "with-events": put(f"{ERASURES}/EventSourceArn", {"Fn::GetAtt": ["EventQueue", "Arn"]}),
        "none": drop("Resources/ErasureDelivery"),
        "collected": put(f"{ERASURES}/MaximumBatchingWindowInSeconds", 1),
        "large": put(f"{ERASURES}/BatchSize", 100),
        "with-others": put(f"{VARIABLES}/EVENT_QUEUE_URL", {"Ref": "ErasureQueue"}),
        "in-order": put("Resources/ErasureQueue/Properties/FifoQueue", True),
    },
    "the_worker_may_send_waiting_messages_again": {
        "terminated": drop(f"{WORKER}/RecursiveLoop"),
        "terminated-by-name": put(f"{WORKER}/RecursiveLoop", "Terminate"),
        "the-handler": put(f"{HANDLER}/RecursiveLoop", "Allow"),
        "terminated-feed": drop(f"{FEED}/RecursiveLoop"),
        "to-the-feed": put(f"{WORKER_POLICY}/2/Resource/3", {"Fn::GetAtt": ["FeedQueue", "Arn"]}),
        "not-to-the-events": drop(f"{WORKER_POLICY}/2/Resource/3"),
        "not-to-the-bulk-queue": drop(f"{WORKER_POLICY}/2/Resource/5"),
        "to-the-fifo-queue": put(f"{WORKER_POLICY}/2/Resource/3", {"Fn::GetAtt": ["MembershipQueue", "Arn"]}),
    },
    "concurrency_is_what_lambda_accepts_for_sqs": {
        "one": put("Parameters/EventConcurrency/MinValue", 1),
        "more": put("Parameters/MembershipConcurrency/MaxValue", 2000),
        "one-of-the-feed": put("Parameters/FeedConcurrency/MinValue", 1),
        "text": put("Parameters/EventConcurrency/Type", "String"),
    },
    "batches_are_as_large_as_lambda_accepts": {
        "fifo": put(f"{DELIVERY}/BatchSize", 100),
        "fifo-with-a-window": put(f"{DELIVERY}/MaximumBatchingWindowInSeconds", 1),
        "no-window": drop(f"{EVENTS}/MaximumBatchingWindowInSeconds"),
        "always-large": put(f"{EVENTS}/BatchSize", 100),
        "other-condition": put("Conditions/CollectsEvents", {"Fn::Equals": [{"Ref": "EventMode"}, "queue"]}),
        "by-default": put("Parameters/EventBatchWindowSeconds/Default", 1),
        "feed-without-a-window": drop(f"{FEEDS}/MaximumBatchingWindowInSeconds"),
        "small-feed": put(f"{FEEDS}/BatchSize", 10),
    },
    "queued_events_are_delivered_as_fast_as_mparticle_sends_them": {
        "few-by-default": put("Parameters/EventConcurrency/Default", 50),
        "few-at-most": put("Parameters/EventConcurrency/MaxValue", 400),
    },
    "reserved_concurrency_never_throttles_the_worker": {
        "more-used": put("Parameters/EventConcurrency/Default", 200),
        "less-used": put("Parameters/MembershipConcurrency/Default", 20),
        "other-pollers": put("Parameters/EventMaximumPollers/Default", 30),
        "some-by-default": put("Parameters/WorkerReservedConcurrency/Default", 155),
        "undescribed": put("Parameters/WorkerReservedConcurrency/Description", "0 reserves none."),
    },
    "every_setting_that_the_code_reads_is_set": {
        "missing": drop(f"{VARIABLES}/LEDGER_TABLE"),
        "unread": put(f"{VARIABLES}/LEGDER_TABLE", "x"),
        "overridden": put(f"{HANDLER}/Environment", {"Variables": {"LEDGER_TABLE": "x"}}),
        "missing-for-the-feed": drop(f"{FEED}/Environment/Variables/FEED_DLQ_URL"),
        "key-pairs-for-all": put(f"{VARIABLES}/FEED_CREDENTIALS", {"Ref": "FeedCredentials"}),
    },
    "parameters_accept_what_the_code_accepts": {
        "wider": put("Parameters/HandlerDeadlineMs/MaxValue", 5000),
        "other-default": put("Parameters/MembershipShards/Default", 20),
        "crossed": put(f"{VARIABLES}/MAX_ATTEMPTS", {"Ref": "MembershipShards"}),
        "other-pace": put("Parameters/FeedBatchesPerSecond/Default", 270),
        "other-concurrency": put("Parameters/FeedConcurrency/MaxValue", 500),
    },
    "every_handler_exists": {
        "no-function": put(f"{HANDLER}/Handler", "mparticle_firehose.firehose.handle"),
        "no-module": put(f"{WORKER}/Handler", "mparticle_firehose.worker.worker"),
        "no-feed": put(f"{FEED}/Handler", "app.feeds"),
    },
    "function_timeouts_are_longer_than_the_calls_in_them": {
        "handler": put(f"{HANDLER}/Timeout", 5),
        "worker": put(f"{WORKER}/Timeout", 10),
        "feed": put(f"{FEED}/Timeout", 10),
        "slow-by-default": put("Parameters/HandlerDeadlineMs/Default", 250),
        "slow-over-https": put("Parameters/HttpDeadlineMs/Default", 100),
        "patient-over-https": put("Parameters/HttpDeadlineMs/MaxValue", 9000),
    },
    "the_functions_share_one_build": {
        "metadata": put("Resources/WorkerFunction/Metadata/checkov/skip/0/comment", "another"),
        "code": put(f"{WORKER}/CodeUri", "src/worker"),
    },
    "functions_are_released_with_snapshots": {
        "no-snapshot": drop("Globals/Function/SnapStart"),
        "off-by-default": put("Parameters/SnapStart/Default", "None"),
        "not-released": drop(f"{WORKER}/AutoPublishAlias"),
        "code-only": drop(f"{HANDLER}/AutoPublishAliasAllProperties"),
    },
    "a_parameter_that_changes_makes_a_new_version": {
        "too-few": write(f"{SETTINGS}/0", "${PartnerApiUrl}", ""),
        "too-many": write(f"{SETTINGS}/0", "${LogLevel}", "${LogLevel} ${LogRetentionDays}"),
        "through-a-condition": put(
            f"{SETTINGS}/1", {"TokenSource": {"Ref": "HttpTokenSource"}, "WebhookSecret": {"Ref": "FeedWebhookSecret"}}
        ),
        "not-in-the-description": put(f"{HANDLER}/VersionDescription", "settings"),
        "none": drop(f"{WORKER}/VersionDescription"),
        "feed-for-all": write(f"{SETTINGS}/0", "${Feed}", "${Feed} ${FeedUrl}"),
        "feed-left-out": write("Resources/FeedFunctionSettings/Properties/Content/Fn::Sub", "${FeedUrl}", ""),
        "feed-not-in-the-description": put(f"{FEED}/VersionDescription", {"Fn::Sub": "settings ${FunctionSettings}"}),
        "a-new-parameter": put(f"{VARIABLES}/EXTRA", {"Ref": "QueueAgeAlarmSeconds"}),
        "a-new-parameter-of-one-function": put(f"{WORKER}/Environment", {"Variables": {"X": {"Ref": "HttpRateLimit"}}}),
    },
    "a_version_has_room_for_all_parameter_values": {
        "values-in-the-description": put(
            f"{HANDLER}/VersionDescription", {"Fn::Sub": "${FunctionSettings} ${LogLevel}"}
        ),
        "through-a-condition": put(f"{HANDLER}/VersionDescription", {"Fn::If": ["HasKmsKey", "key", "none"]}),
        "long-description": put(f"{WORKER}/VersionDescription", {"Fn::Sub": "x" * 231 + "${FunctionSettings}"}),
        "of-unknown-length": put(f"{WORKER}/VersionDescription", {"Fn::Sub": "${FunctionSettings}${LedgerTable}"}),
        "long-text": put(f"{SETTINGS}/0", "x" * 500_000),
        "long-values": put(f"{SETTINGS}/0", "${RetryCapSeconds}" * 130),
        "long-values-of-a-limited-parameter": put(f"{SETTINGS}/0", "${PartnerApiUrl}" * 1_300),
    },
    "only_accounts_of_mparticle_may_invoke_and_only_the_alias": {
        "anybody": put("Resources/FirstMParticlePermission/Properties/Principal", "*"),
        "eleven-digits": put("Parameters/SecondMParticleAccount/AllowedPattern", r"^(\d{11}|none)$"),
        "no-digits": put("Parameters/SecondMParticleAccount/AllowedPattern", ""),
        "always-somebody": put("Parameters/FirstMParticleAccount/AllowedPattern", r"^\d{12}$"),
        "nobody-as-an-account": drop("Resources/FirstMParticlePermission/Condition"),
        "wrong-account": put("Parameters/FirstMParticleAccount/Default", "338661164608"),
        "whole-function": put("Resources/FirstMParticlePermission/Properties/FunctionName", {"Ref": "HandlerFunction"}),
        "the-worker": put(
            "Resources/FifthMParticlePermission/Properties/FunctionName", {"Ref": "WorkerFunctionAliasproduction"}
        ),
        "crossed-condition": put("Resources/ThirdMParticlePermission/Condition", "HasSecondAccount"),
        "more": put("Resources/FirstMParticlePermission/Properties/Action", "lambda:*"),
    },
    "policies_name_single_actions_and_single_resources": {
        "any-resource": put(f"{HANDLER_POLICY}/1/Resource", "*"),
        "any-action": put(f"{WORKER_POLICY}/1/Action", "sqs:*"),
        "managed": put("Resources/HandlerRole/Properties/ManagedPolicyArns", ["arn"]),
        "sam's-own-role": drop(f"{HANDLER}/Role"),
        "any-key-pair": put(f"{FEED_POLICY}/5/Resource", "*"),
    },
    "policies_allow_what_the_code_does_and_no_more": {
        "more": put(f"{HANDLER_POLICY}/1/Action", ["sqs:SendMessage", "sqs:PurgeQueue"]),
        "less": put(f"{WORKER_POLICY}/1/Action", ["sqs:ReceiveMessage", "sqs:DeleteMessage"]),
        "deletes-bodies": put(f"{HANDLER_POLICY}/9/Action", ["s3:PutObject", "s3:DeleteObject"]),
        "cannot-see-what-is-missing": put(f"{WORKER_POLICY}/10/Action", "s3:GetObject"),
    },
    "the_handler_sends_to_every_queue": {
        "one-left-out": drop(f"{HANDLER_POLICY}/1/Resource/1"),
        "to-the-bulk-queue": put(f"{HANDLER_POLICY}/1/Resource/5", {"Fn::GetAtt": ["BulkQueue", "Arn"]}),
        "twice-the-same": put(f"{HANDLER_POLICY}/1/Resource/1", {"Fn::GetAtt": ["MembershipQueue", "Arn"]}),
    },
    "the_worker_does_with_the_ledger_what_the_code_does": {
        "other-table": put(f"{WORKER_POLICY}/4/Resource", {"Fn::GetAtt": ["SuspensionTable", "Arn"]}),
        "reads-only": put(f"{WORKER_POLICY}/4/Action", "dynamodb:BatchGetItem"),
    },
    "the_key_is_allowed_only_when_there_is_one": {
        "always": put(
            f"{HANDLER_POLICY}/3",
            {"Sid": "UseTheKey", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": {"Ref": "KmsKeyArn"}},
        ),
        "never": drop(f"{HANDLER_POLICY}/3"),
    },
    "what_is_under_a_previous_key_can_be_read": {
        "not-by-the-worker": drop(f"{WORKER_POLICY}/8"),
        "not-by-the-handler": put(f"{HANDLER_POLICY}/8/Fn::If/0", "HasKmsKey"),
        "not-by-the-feed": drop(f"{FEED_POLICY}/8"),
        "written": put(f"{WORKER_POLICY}/8/Fn::If/1/Action", ["kms:Decrypt", "kms:GenerateDataKey"]),
        "one": put("Parameters/PreviousKmsKeyArns/Type", "String"),
        "aliases": put("Parameters/PreviousKmsKeyArns/AllowedPattern", "^arn:.*$"),
        "condition": put("Conditions/HasPreviousKmsKeys", {"Condition": "HasKmsKey"}),
    },
    "everything_is_encrypted_with_the_given_key": {
        "queue": drop(f"{MEMBERSHIP}/KmsMasterKeyId"),
        "plain-queue": drop(f"{MEMBERSHIP}/SqsManagedSseEnabled"),
        "table": drop("Resources/LedgerTable/Properties/SSESpecification"),
        "table-with-aws's-key": put(
            "Resources/LedgerTable/Properties/SSESpecification/Fn::If/2", {"SSEEnabled": True, "SSEType": "KMS"}
        ),
        "bucket": drop(f"{BUCKET}/BucketEncryption"),
        "bucket-with-another-key": put(f"{BUCKET_SSE}/1/ServerSideEncryptionByDefault/SSEAlgorithm", "AES256"),
        "bucket-without-a-key": drop(f"{BUCKET_SSE}/2/ServerSideEncryptionByDefault"),
        "logs": drop("Resources/HandlerLogGroup/Properties/KmsKeyId"),
        "variables": drop("Globals/Function/KmsKeyArn"),
        "tokens": drop("Resources/HttpTokenSecret/Properties/KmsKeyId"),
        "deployment-secret": drop("Resources/DeploymentSecret/Properties/KmsKeyId"),
        "erasure-key": drop("Resources/FeedErasureKey/Properties/KmsKeyId"),
    },
    "the_bucket_is_private_and_keeps_a_body_as_long_as_a_message_may_refer_to_it": {
        "public": drop(f"{BUCKET}/PublicAccessBlockConfiguration/RestrictPublicBuckets"),
        "with-acls": drop(f"{BUCKET}/OwnershipControls"),
        "versioned": put(f"{BUCKET}/VersioningConfiguration", {"Status": "Enabled"}),
        "too-short": put(f"{BUCKET}/LifecycleConfiguration/Rules/0/ExpirationInDays", 30),
        "too-long": put(f"{BUCKET}/LifecycleConfiguration/Rules/0/ExpirationInDays", 365),
        "in-part": put(f"{BUCKET}/LifecycleConfiguration/Rules/0/Prefix", "x"),
        "plain-http": put(f"{BUCKET_POLICY}/Condition/Bool/aws:SecureTransport", "true"),
        "objects-over-plain-http": drop(f"{BUCKET_POLICY}/Resource/1"),
    },
    "what_is_acknowledged_outlives_the_stack": {
        "deleted-queue": drop("Resources/MembershipQueue/DeletionPolicy"),
        "replaced-letters": drop("Resources/EventDeadLetterQueue/UpdateReplacePolicy"),
        "snapshot": put("Resources/LedgerTable/DeletionPolicy", "Snapshot"),
        "another": put("Resources/Other", {"Type": "AWS::SQS::Queue", "Properties": {}}),
        "bucket": put("Resources/Bodies", {"Type": "AWS::S3::Bucket", "Properties": {}}),
    },
    "tables_have_a_time_to_live_and_the_ledger_can_be_restored": {
        "no-ttl": drop("Resources/LedgerTable/Properties/TimeToLiveSpecification"),
        "no-backup": drop("Resources/LedgerTable/Properties/PointInTimeRecoverySpecification"),
        "backup-of-a-cache": put(
            "Resources/SuspensionTable/Properties/PointInTimeRecoverySpecification",
            {"PointInTimeRecoveryEnabled": True},
        ),
    },
    "each_function_and_the_http_api_has_a_log_group_with_a_retention": {
        "for-ever": drop("Resources/HandlerLogGroup/Properties/RetentionInDays"),
        "other-name": put("Resources/HandlerLogGroup/Properties/LogGroupName", {"Fn::Sub": "/aws/lambda/handler"}),
    },
    "alarms_and_dashboard_use_metrics_that_the_code_writes": {
        "metric": put(f"{alarm('CredentialsRefused')}/MetricName", "Suspensions"),
        "message-type": put(f"{alarm('CredentialsRefused')}/Dimensions/1/Value", "worker"),
        "dimension-missing": drop(f"{alarm('CredentialsRefused')}/Dimensions/0"),
        "other-stack": put(f"{alarm('CredentialsRefused')}/Dimensions/0/Value", "mparticle"),
        "inside-math": put(f"{alarm('SpillRate')}/Metrics/1/MetricStat/Metric/MetricName", "Spilled"),
        "on-the-dashboard": write(BOARD, '"EventsSpilled"', '"Spilled"'),
        "on-the-feeds-dashboard": write(FEED_BOARD, '"FeedThrottled"', '"Throttled"'),
    },
    "the_dashboard_is_valid": {
        "no-json": write(BOARD, '"widgets": [', '"widgets": [,'),
        "no-widgets": write(BOARD, '"widgets"', '"widget"'),
        "no-region": write(BOARD, '"region": "${AWS::Region}"', '"region": "here"'),
        "on-top": write(BOARD, '"x": 8, "y": 4', '"x": 0, "y": 4'),
        "too-wide": write(BOARD, '"x": 16, "y": 4', '"x": 20, "y": 4'),
        "feed-on-top": write(FEED_BOARD, '"x": 8, "y": 2', '"x": 0, "y": 2'),
    },
    "the_dashboard_shows_every_alarm": {
        "one-left-out": write(BOARD, "${EventAgeAlarm.Arn}", "${MembershipAgeAlarm.Arn}"),
        "one-of-the-feed-left-out": write(FEED_BOARD, "${FeedAgeAlarm.Arn}", "${FeedErrorsAlarm.Arn}"),
    },
    "every_queue_has_alarms_on_age_messages_in_flight_and_letters": {
        "none-in-flight": drop("Resources/EventInFlightAlarm"),
        "twice-the-same": put(f"{alarm('ErasureAge')}/Dimensions/0/Value/Fn::GetAtt/0", "EventQueue"),
        "late": put(f"{alarm('MembershipInFlight')}/Threshold", 120_000),
        "early": put(f"{alarm('MembershipInFlight')}/Threshold", 0),
        "no-letters": put(f"{alarm('ErasureDeadLetters')}/MetricName", "ApproximateNumberOfMessagesVisible"),
    },
    "messages_that_wait_long_raise_an_alarm": {
        "milliseconds": put(f"{alarm('WaitingAge')}/Metrics/0/Expression", "waiting"),
        "average": put(f"{alarm('WaitingAge')}/Metrics/1/MetricStat/Stat", "Average"),
        "other-age": put(f"{alarm('WaitingAge')}/Threshold", 1800),
    },
    "alarms_notify_the_topic_if_there_is_one": {
        "silent": drop(f"{alarm('EventAge')}/AlarmActions"),
        "unexplained": drop(f"{alarm('EventAge')}/AlarmDescription"),
        "page-as-a-ticket": put(f"{alarm('HandlerErrors')}/OKActions/Fn::If/0", "HasTicketTopic"),
        "apart": put(f"{alarm('LatencyLastHour')}/AlarmActions", [{"Ref": "AlarmTopicArn"}]),
        "fast-burn-as-a-ticket": put(f"{alarm('LatencyFastBurn')}/AlarmActions/Fn::If/0", "HasTicketTopic"),
        "ticket-as-a-page": put(
            f"{alarm('EventDeadLetters')}/AlarmActions",
            {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]},
        ),
    },
    "alarms_on_functions_watch_the_alias": {
        "unpublished": drop(f"{alarm('WorkerErrors')}/Dimensions/1"),
        "inside-math": drop(f"{alarm('HandlerErrors')}/Metrics/1/MetricStat/Metric/Dimensions/1"),
    },
    "lambda_logs_what_went_wrong_and_drops_no_metric": {
        "as-text": drop("Globals/Function/LoggingConfig"),
        "reports-of-every-invocation": put("Globals/Function/LoggingConfig/SystemLogLevel", "INFO"),
        "without-metrics": put("Globals/Function/LoggingConfig/ApplicationLogLevel", "WARN"),
        "requests-of-libraries": put("Globals/Function/LoggingConfig/ApplicationLogLevel", "DEBUG"),
        "one-function": put("Resources/WorkerFunction/Properties/LoggingConfig", {"LogFormat": "Text"}),
        "not-for-one": put("Resources/ReleaseCheckFunction/IgnoreGlobals", ["LoggingConfig"]),
    },
    **template_faults_alarms.FAULTS,
    "the_endpoint_exists_only_if_it_is_configured": {
        "by-default": put("Parameters/HttpEndpoint/Default", "http-api"),
        "unguarded-by-default": put("Parameters/HttpTokenSource/Default", "off"),
        "always": drop("Resources/HttpApi/Condition"),
        "crossed": put("Resources/FunctionUrl/Condition", "HasHttpApi"),
        "another": put("Resources/SecondUrl", {"Type": "AWS::Lambda::Url", "Properties": {}}),
        "condition": put("Conditions/HasHttpTokenSecret/Fn::And/1/Fn::Equals/1", "off"),
    },
    "without_an_endpoint_the_handler_has_no_token_source": {
        "always": put(f"{VARIABLES}/HTTP_TOKEN_SOURCE", {"Ref": "HttpTokenSource"}),
        "off": put(f"{VARIABLES}/HTTP_TOKEN_SOURCE/Fn::If/2/Fn::If/2", "off"),
    },
    "the_handler_alone_reads_the_tokens_and_nothing_else": {
        "any-secret": put(f"{HANDLER_POLICY}/4/Fn::If/1/Resource", "*"),
        "more": put(f"{HANDLER_POLICY}/4/Fn::If/1/Action", "secretsmanager:PutSecretValue"),
        "any-parameter": put(f"{HANDLER_POLICY}/5/Fn::If/1/Resource", {"Fn::Sub": "arn:${AWS::Partition}:ssm:*"}),
        "always": put(f"{HANDLER_POLICY}/4/Fn::If/0", "HasHttpEndpoint"),
        "never": drop(f"{HANDLER_POLICY}/5"),
    },
    "the_token_secret_is_created_with_a_random_value": {
        "known": put("Resources/HttpTokenSecret/Properties/SecretString", "token"),
        "made-anew": put("Resources/HttpTokenSecret/Properties/GenerateSecretString/PasswordLength", 65),
        "none": drop("Resources/HttpTokenSecret"),
    },
    "the_http_api_sends_every_request_to_the_alias_and_throttles": {
        "unpublished": put("Resources/HttpApiIntegration/Properties/IntegrationUri", {"Ref": "HandlerFunction"}),
        "other-format": put("Resources/HttpApiIntegration/Properties/PayloadFormatVersion", "1.0"),
        "impatient": put("Resources/HttpApiIntegration/Properties/TimeoutInMillis", 100),
        "one-path": put("Resources/HttpApiRoute/Properties/RouteKey", "POST /events"),
        "not-released": drop(f"{STAGE}/AutoDeploy"),
        "unthrottled": drop(f"{STAGE}/DefaultRouteSettings/ThrottlingRateLimit"),
        "slow": put("Parameters/HttpRateLimit/Default", 2000),
    },
    "the_access_log_holds_no_personal_data": {
        "address": write(f"{STAGE}/AccessLogSettings/Format", "$context.requestTime", "$context.identity.sourceIp"),
        "path": write(f"{STAGE}/AccessLogSettings/Format", "$context.routeKey", "$context.path"),
        "none": drop(f"{STAGE}/AccessLogSettings"),
        "elsewhere": put(f"{STAGE}/AccessLogSettings/DestinationArn", {"Fn::GetAtt": ["HandlerLogGroup", "Arn"]}),
        "no-json": write(f"{STAGE}/AccessLogSettings/Format", "{", ""),
        "two-lines": write(f"{STAGE}/AccessLogSettings/Format", ", ", ",\n"),
    },
    "a_function_url_is_throttled_by_reserved_concurrency": {
        "no-rule": drop("Rules/AFunctionUrlIsThrottled"),
        "for-the-other": put("Rules/AFunctionUrlIsThrottled/RuleCondition/Fn::Equals/1", "http-api"),
        "nothing-asserted": put("Rules/AFunctionUrlIsThrottled/Assertions", []),
    },
    "besides_mparticle_only_the_endpoint_may_invoke_the_alias": {
        "any-api": drop("Resources/HttpApiPermission/Properties/SourceArn"),
        "other-account": write("Resources/HttpApiPermission/Properties/SourceArn/Fn::Sub", "${AWS::AccountId}", "*"),
        "open-function": drop("Resources/FunctionUrlInvokePermission/Properties/InvokedViaFunctionUrl"),
        "one-permission": drop("Resources/FunctionUrlInvokePermission"),
        "unpublished": put("Resources/FunctionUrl/Properties/TargetFunctionArn", {"Ref": "HandlerFunction"}),
    },
    "both_kinds_of_endpoint_have_alarms": {
        "lenient": put(f"{alarm('HttpLatency')}/Threshold", 10),
        "average": put(f"{alarm('HttpLatency')}/Metrics/2/MetricStat/Stat", "Average"),
        "api-only": put(f"{alarm('HttpErrors')}/Metrics/1/MetricStat/Metric/MetricName", "5xx"),
        "all-apis": put(f"{alarm('HttpErrors')}/Metrics/1/MetricStat/Metric/Dimensions/Fn::If/1", []),
        "unpublished": drop(f"{alarm('HttpErrors')}/Metrics/1/MetricStat/Metric/Dimensions/Fn::If/2/1"),
        "tokens": put(f"{alarm('TokenRefused')}/MetricName", "Refused"),
    },
    "there_is_a_deployment_secret_only_if_it_is_asked_for": {
        "by-default": put("Parameters/DeploymentSecretSource/Default", "secret"),
        "always": drop("Resources/DeploymentSecret/Condition"),
        "no-alarm-for-a-parameter": put("Resources/DeploymentSecretAlarm/Condition", "HasDeploymentSecret"),
        "condition": put("Conditions/HasDeploymentSecretSource/Fn::Not/0/Fn::Equals/1", "off"),
        "output": drop("Outputs/DeploymentSecretArn/Condition"),
    },
    "the_functions_know_where_the_deployment_secret_is": {
        "always": put(f"{VARIABLES}/DEPLOYMENT_SECRET_SOURCE", {"Ref": "DeploymentSecretSource"}),
        "none": put(f"{VARIABLES}/DEPLOYMENT_SECRET_SOURCE/Fn::If/2/Fn::If/2", "none"),
    },
    "both_functions_read_the_deployment_secret_and_nothing_else": {
        "any-secret": put(f"{HANDLER_POLICY}/6/Fn::If/1/Resource", "*"),
        "tokens": put(f"{WORKER_POLICY}/6/Fn::If/1/Resource", {"Fn::GetAtt": ["HttpTokenSecret", "Id"]}),
        "any-parameter": put(f"{WORKER_POLICY}/7/Fn::If/1/Resource", {"Fn::Sub": "arn:${AWS::Partition}:ssm:*"}),
        "more": put(f"{WORKER_POLICY}/6/Fn::If/1/Action", "secretsmanager:PutSecretValue"),
        "not-the-worker": drop(f"{WORKER_POLICY}/6"),
    },
    "nothing_overwrites_or_deletes_the_deployment_secret": {
        "known": put("Resources/DeploymentSecret/Properties/SecretString", "{}"),
        "random": put("Resources/DeploymentSecret/Properties/GenerateSecretString", {}),
        "deleted": drop("Resources/DeploymentSecret/DeletionPolicy"),
        "replaced": put("Resources/DeploymentSecret/UpdateReplacePolicy", "Delete"),
        "another": put("Resources/Other", {"Type": "AWS::SecretsManager::Secret", "Properties": {}}),
    },
    "the_source_of_the_deployment_secret_is_one_that_the_code_accepts": {
        "off": put("Parameters/DeploymentSecretSource/AllowedPattern", "^(none|off|secret|/.+)$"),
        "names-only": put("Parameters/DeploymentSecretSource/AllowedPattern", "^/.+$"),
    },
    "the_alarm_of_the_deployment_secret_watches_every_call": {
        "unread-only": put(f"{alarm('DeploymentSecret')}/Metrics/4/MetricStat/Metric/MetricName", "Refused"),
        "worker-only": drop(f"{alarm('DeploymentSecret')}/Metrics/2"),
        "not-added": write(f"{alarm('DeploymentSecret')}/Metrics/0/Expression", "FILL(refused_worker, 0)", "0"),
    },
    "without_feed_there_is_nothing_of_it": {
        "by-default": put("Parameters/Feed/Default", "on"),
        "webhook-by-default": put("Parameters/FeedWebhookSecret/Default", "secret"),
        "always": drop("Resources/FeedQueue/Condition"),
        "crossed": put("Resources/FeedWebhookRoute/Condition", "HasFeed"),
        "output": drop("Outputs/FeedQueueUrl/Condition"),
        "condition": drop("Conditions/HasFeedWebhook/Fn::And/0"),
    },
    "the_functions_know_what_they_need_of_the_feed": {
        "always": put(f"{VARIABLES}/FEED_QUEUE_URL", {"Ref": "FeedQueue"}),
        "unsigned": put(f"{VARIABLES}/FEED_WEBHOOK_SECRET_SOURCE/Fn::If/2/Fn::If/2", "off"),
        "other-key": put(f"{VARIABLES}/FEED_ERASURE_KEY_SOURCE/Fn::If/1", {"Ref": "FeedWebhookSigningSecret"}),
        "crossed": put(f"{FEED}/Environment/Variables/FEED_DLQ_URL", {"Ref": "FeedQueue"}),
        "crossed-numbers": put(f"{FEED}/Environment/Variables/FEED_CONCURRENCY", {"Ref": "FeedBatchesPerSecond"}),
    },
    "the_feeds_function_may_do_what_it_does_and_no_more": {
        "events": put(f"{FEED_POLICY}/2/Resource/1", {"Fn::GetAtt": ["EventQueue", "Arn"]}),
        "deletes": put(f"{FEED_POLICY}/3/Action", ["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]),
        "all-secrets": put(f"{FEED_POLICY}/6/Resource/Fn::Sub/1/Prefix", {"Ref": "FeedCredentials"}),
        "all-parameters": write(f"{FEED_POLICY}/5/Resource/Fn::Sub", "/*", "*"),
        "tokens": put(f"{FEED_POLICY}/4/Resource", {"Fn::GetAtt": ["HttpTokenSecret", "Id"]}),
        "more": put(f"{FEED_POLICY}/7/Fn::If/0", "HasFeed"),
    },
    "the_other_functions_may_do_little_for_the_feed": {
        "key-pairs": put(f"{WORKER_POLICY}/11/Fn::If/1/Resource", {"Fn::Sub": "${FeedCredentials}/*"}),
        "letters": put(f"{HANDLER_POLICY}/10/Fn::If/1/Resource", {"Fn::GetAtt": ["FeedDeadLetterQueue", "Arn"]}),
        "without-a-webhook": put(f"{HANDLER_POLICY}/10/Fn::If/0", "HasFeed"),
        "always": put(
            f"{WORKER_POLICY}/9/Resource", [{"Fn::GetAtt": ["FeedQueue", "Arn"]}, {"Fn::GetAtt": ["EventQueue", "Arn"]}]
        ),
    },
    "the_erasure_key_is_random_and_kept": {
        "known": put("Resources/FeedErasureKey/Properties/SecretString", "key"),
        "made-anew": put("Resources/FeedErasureKey/Properties/GenerateSecretString/PasswordLength", 65),
        "deleted": put("Resources/FeedErasureKey/DeletionPolicy", "Delete"),
        "replaced": drop("Resources/FeedErasureKey/UpdateReplacePolicy"),
    },
    "nothing_overwrites_the_secret_of_the_webhook": {
        "known": put("Resources/FeedWebhookSigningSecret/Properties/SecretString", "secret"),
        "random": put("Resources/FeedWebhookSigningSecret/Properties/GenerateSecretString", {}),
    },
    "the_webhook_has_a_route_to_the_alias": {
        "any-method": put("Resources/FeedWebhookRoute/Properties/RouteKey", "ANY /feed"),
        "elsewhere": put("Resources/FeedWebhookRoute/Properties/Target", "integrations/other"),
        "unpublished": put("Resources/FeedWebhookPermission/Properties/FunctionName", {"Ref": "HandlerFunction"}),
    },
    "the_feeds_parameters_accept_what_the_code_accepts": {
        "any-prefix": put("Parameters/FeedCredentials/AllowedPattern", "^(/|secretsmanager:).+$"),
        "parameters-only": put("Parameters/FeedCredentials/AllowedPattern", "^/[a-z/-]+$"),
        "long": put("Parameters/FeedCredentials/MaxLength", 1000),
        "plain-http": put("Parameters/FeedUrl/AllowedPattern", "^https?://.+$"),
        "other-host": put("Parameters/FeedUrl/Default", "https://inbound.mparticle.com"),
        "unsigned": put("Parameters/FeedWebhookSecret/AllowedPattern", "^(none|off|secret|/.+)$"),
    },
    "the_feeds_outputs_have_what_other_tools_need": {
        "no-queue": drop("Outputs/FeedQueueUrl"),
        "crossed": put("Outputs/FeedDeadLetterQueueUrl/Value", {"Ref": "FeedQueue"}),
        "no-dashboard": put("Outputs/FeedDashboardUrl/Value", {"Ref": "Dashboard"}),
    },
    "the_feeds_alarms_watch_queues_function_and_key_pairs": {
        "none-of-errors": drop("Resources/FeedErrorsAlarm"),
        "crossed": put(f"{alarm('FeedCredentialsMissing')}/MetricName", "FeedCredentialsRefused"),
        "average": put(f"{alarm('FeedAge')}/Statistic", "Average"),
    },
    **template_faults_letter_archive.FAULTS,
    **template_faults_releases.FAULTS,
    **template_faults_scale.FAULTS,
    "no_partition_region_or_account_is_hard_coded": {
        "partition": put(f"{HANDLER_POLICY}/1/Resource", "arn:aws:sqs:x:y:z"),
        "region": put(f"{HANDLER}/Description", "in us-east-1"),
        "account": put("Resources/FirstMParticlePermission/Properties/Principal", "338661164609"),
    },
    "the_regions_are_those_of_the_pods": {
        "rule": put("Rules/InARegionOfAPod/Assertions/0/Assert/Fn::Contains/0", ["us-east-1", "eu-west-1"]),
        "pods": drop("Mappings/Pods/eu-central-1"),
        "condition": drop("Conditions/InARegionOfAPod/Fn::Or/2"),
        "anywhere": put("Parameters/OutsidePodRegions/Default", "allow"),
    },
    "every_find_in_map_finds_a_value": {
        "key": put("Outputs/MParticlePod/Value/Fn::FindInMap/2", "Name"),
        "row": put("Outputs/MParticlePod/Value/Fn::FindInMap/1", "eu-west-1"),
        "map": put("Outputs/MParticlePod/Value/Fn::FindInMap/0", "Pod"),
        "one-region": drop("Mappings/Pods/eu-central-1/Names"),
    },
    "every_parameter_is_explained_constrained_and_used": {
        "unexplained": drop("Parameters/LogLevel/Description"),
        "unconstrained": drop("Parameters/LogLevel/AllowedValues"),
        "wrong-default": put("Parameters/LogLevel/Default", "VERBOSE"),
        "unused": put("Rules/InARegionOfAPod/RuleCondition", {}),
    },
    "outputs_have_what_other_tools_need": {
        "no-alias": put("Outputs/HandlerAliasArn/Value", {"Ref": "HandlerFunction"}),
        "no-dashboard": drop("Outputs/DashboardUrl"),
        "an-account-hidden": drop("Outputs/MParticleAccounts/Value/Fn::Join/1/4"),
    },
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_template_passes_the_check(name: str) -> None:
    assert CHECKS[name](TEMPLATE) == []


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        pytest.param(name, plant, id=f"{name}-{fault}")
        for name, faults in FAULTS.items()
        for fault, plant in faults.items()
    ],
)
def test_the_check_detects_a_planted_fault(name: str, plant: Fault) -> None:
    template = copy.deepcopy(TEMPLATE)
    plant(template)

    assert CHECKS[name](template) != []


def test_for_every_check_a_fault_is_planted() -> None:
    assert list(FAULTS) == list(CHECKS)
    assert all(FAULTS.values())


def test_the_metrics_have_the_dimensions_that_alarms_and_dashboard_ask_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigurationError):
        Firehose(INTEGRATION, {}).handler({}, None)  # type: ignore[arg-type]  # it ends before it looks at the context

    (written,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert [sorted(names) for names in written["_aws"]["CloudWatchMetrics"][0]["Dimensions"]] == [
        ["message_type", "service"]
    ]


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        pytest.param("https://api.example.com", True, id="https"),
        pytest.param("https://api.example.com/base/", True, id="path"),
        pytest.param("http://127.0.0.1:8080", True, id="loopback"),
        pytest.param("http://host.docker.internal:8080", True, id="docker-host"),
        pytest.param("http://api.example.com", False, id="plain-http"),
        pytest.param("http://localhost.example.com", False, id="looks-like-loopback"),
        pytest.param("http://127.0.0.1@example.com", False, id="loopback-as-user-name"),
        pytest.param("https://api.example.com?key=1", False, id="query"),
    ],
)
def test_the_partner_is_called_over_https_or_on_this_machine(url: str, accepted: bool) -> None:
    pattern = TEMPLATE["Parameters"]["PartnerApiUrl"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, url)) is accepted
