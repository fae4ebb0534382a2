"""Faults for the checks of releases."""

from tests.deployment.planting import Fault, drop, put, write

HANDLER = "Resources/HandlerFunction/Properties/DeploymentPreference"
WORKER = "Resources/WorkerFunction/Properties/DeploymentPreference"
FEED = "Resources/FeedFunction/Properties/DeploymentPreference"
CHECK = "Resources/ReleaseCheckFunction"
CHECK_POLICY = "Resources/ReleaseCheckRole/Properties/Policies/0/PolicyDocument/Statement"


def alarm(name: str) -> str:
    """Return the path to an alarm of a release."""
    return f"Resources/{name}Alarm/Properties"


FAULTS: dict[str, dict[str, Fault]] = {
    "each_function_is_released_step_by_step": {
        "always-at-once": drop(HANDLER),
        "the-worker-at-once": drop(WORKER),
        "without-a-parameter": put(f"{WORKER}/Enabled", True),
        "other-steps": put(f"{WORKER}/Type", "AllAtOnce"),
        "sam's-role": drop(f"{HANDLER}/Role"),
        "unchecked": drop(f"{WORKER}/Hooks"),
        "checked-afterwards": put(f"{HANDLER}/Hooks", {"PostTraffic": {"Ref": "ReleaseCheckFunction"}}),
        "a-group-without-the-feed": drop(f"{FEED}/PassthroughCondition"),
    },
    "old_versions_stay_to_roll_back_to": {
        "deleted": drop("Resources/WorkerFunction/UpdateReplacePolicy"),
        "deleted-by-name": put("Resources/HandlerFunction/UpdateReplacePolicy", "Delete"),
    },
    "the_steps_of_a_release_are_those_of_codedeploy": {
        "canary-by-default": put("Parameters/DeploymentType/Default", "Canary10Percent5Minutes"),
        "misspelt": put("Parameters/DeploymentType/AllowedValues/0", "Linear10PercentEvery1Minutes"),
        "never-at-once": drop("Parameters/DeploymentType/AllowedValues/8"),
        "gradual-by-default": put("Parameters/GradualDeployment/Default", "true"),
    },
    "a_release_is_rolled_back_by_alarms_on_the_new_version": {
        "unnoticed": drop(f"{HANDLER}/Alarms"),
        "unnoticed-over-https": drop(f"{HANDLER}/Alarms/Fn::If/1/3"),
        "of-the-alias": put(f"{HANDLER}/Alarms/Fn::If/2/0", {"Ref": "HandlerErrorsAlarm"}),
        "crossed": put(f"{FEED}/Alarms/0/Fn::If/1", {"Ref": "WorkerReleaseErrorsAlarm"}),
        "no-alarm": drop("Resources/WorkerReleaseErrorsAlarm"),
    },
    "alarms_of_a_release_watch_the_new_version": {
        "the-alias": drop(f"{alarm('HandlerReleaseErrors')}/Metrics/1/MetricStat/Metric/Dimensions/2"),
        "the-alias-in-a-calculation": drop(
            f"{alarm('HandlerReleaseLatency')}/Metrics/2/MetricStat/Metric/Dimensions/2"
        ),
        "another-function": put(
            f"{alarm('FeedReleaseErrors')}/Dimensions/2/Value", {"Fn::GetAtt": ["WorkerFunction", "Version.Version"]}
        ),
        "alarm-without-traffic": put(f"{alarm('WorkerReleaseErrors')}/TreatMissingData", "breaching"),
        "slow": put(f"{alarm('HandlerReleaseErrors')}/EvaluationPeriods", 15),
        "always": drop("Resources/HandlerReleaseErrorsAlarm/Condition"),
        "without-the-feed": put("Resources/FeedReleaseErrorsAlarm/Condition", "IsGradual"),
        "condition": put("Conditions/HasGradualFeed", {"Condition": "IsGradual"}),
    },
    "failures_of_others_are_left_out": {
        "all-count": write(f"{alarm('HandlerErrors')}/Metrics/0/Expression", " - FILL(customers, 0)", ""),
        "a-number": write(f"{alarm('HandlerReleaseErrors')}/Metrics/0/Expression", " / requests", ""),
        "the-partners-over-https": put(f"{alarm('HttpErrors')}/Metrics/0/Expression", "errors"),
        "crossed": put(f"{alarm('HandlerErrors')}/Metrics/3/MetricStat/Metric/MetricName", "PartnerErrors"),
        "average": put(f"{alarm('HandlerReleaseErrors')}/Metrics/1/MetricStat/Stat", "Average"),
    },
    "a_new_version_must_not_fail_or_be_slow": {
        "lenient": put(f"{alarm('HandlerReleaseErrors')}/Threshold", 10),
        "a-share-of-batches": put(f"{alarm('WorkerReleaseErrors')}/Statistic", "Average"),
        "few-requests": write(f"{alarm('HandlerReleaseLatency')}/Metrics/0/Expression", "200", "20"),
        "crossed-percentiles": put(f"{alarm('HandlerReleaseLatency')}/Metrics/2/MetricStat/Stat", "p95"),
        "slow-is-fine": put(f"{alarm('HandlerReleaseLatency')}/Threshold", 2000),
    },
    "a_release_is_checked_by_a_function_of_its_own": {
        "name": put(f"{CHECK}/Properties/FunctionName/Fn::Sub", "${AWS::StackName}-release-check"),
        "always": drop(f"{CHECK}/Condition"),
        "with-the-integration": put(f"{CHECK}/Properties/Handler", "app.handler"),
        "published": put(f"{CHECK}/Properties/AutoPublishAlias", "production"),
        "with-all-settings": put(f"{CHECK}/IgnoreGlobals", ["SnapStart", "VpcConfig"]),
        "crossed": put(f"{CHECK}/Properties/Environment/Variables/WORKER_VERSION", {"Ref": "HandlerFunction.Version"}),
        "no-worker": drop(f"{CHECK}/Properties/Environment/Variables/WORKER_VERSION"),
    },
    "the_check_may_invoke_report_and_log": {
        "any-function": put(f"{CHECK_POLICY}/1/Resource", "*"),
        "the-unpublished-version": put(f"{CHECK_POLICY}/1/Resource/0", {"Fn::GetAtt": ["HandlerFunction", "Arn"]}),
        "one-version": put(f"{CHECK_POLICY}/1/Resource/0", {"Ref": "HandlerFunction.Version"}),
        "any-application": put(f"{CHECK_POLICY}/2/Resource", "*"),
        "more": put(f"{CHECK_POLICY}/2/Action", "codedeploy:*"),
        "notifications": write(
            "Resources/DeploymentRole/Properties/ManagedPolicyArns/0/Fn::Sub", "ForLambdaLimited", "ForLambda"
        ),
        "always": drop("Resources/DeploymentRole/Condition"),
    },
}
