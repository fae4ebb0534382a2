"""What must hold for releases, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import re

from tests.deployment.template_reading import (
    ALIAS,
    RELEASE_CHECK,
    Check,
    Node,
    listed,
    of_type,
    problems,
    published,
    references,
    sources,
    statements_of,
)

RELEASE_ALARMS = {
    "HandlerFunction": {
        "HandlerReleaseErrorsAlarm": "HandlerErrorsAlarm",
        "HandlerReleaseLatencyAlarm": "HandlerLatencyAlarm",
    },
    "WorkerFunction": {"WorkerReleaseErrorsAlarm": "WorkerErrorsAlarm"},
    "FeedFunction": {"FeedReleaseErrorsAlarm": "FeedErrorsAlarm"},
}
"""The alarms on each function's new version, and what stands in their place where there is no deployment group."""

CONDITIONS = {
    "IsGradual": {"Fn::Equals": [{"Ref": "GradualDeployment"}, "true"]},
    "HasGradualFeed": {"Fn::And": [{"Condition": "HasFeed"}, {"Condition": "IsGradual"}]},
}

TYPES_OF_CODEDEPLOY = re.compile(
    r"Linear10PercentEvery(1Minute|2Minutes|3Minutes|10Minutes)|Canary10Percent(5|10|15|30)Minutes|AllAtOnce"
)

MAX_ALARMS = 10
"""Of a deployment group of CodeDeploy."""

HOOK_PREFIX = "CodeDeployHook_"
"""CodeDeploy's managed policy allows it to invoke functions with names that begin so, and no others."""


def each_function_is_released_step_by_step(template: Node) -> list[str]:
    found = []
    hook = {"PreTraffic": {"Fn::If": ["IsGradual", {"Ref": RELEASE_CHECK}, {"Ref": "AWS::NoValue"}]}}
    for name, function in published(template).items():
        preference = function.get("DeploymentPreference", {})
        own = {"Fn::GetAtt": [name.replace("Function", "Role"), "Arn"]}
        role = {"Fn::If": ["IsGradual", {"Fn::GetAtt": ["DeploymentRole", "Arn"]}, own]}
        conditional = template["Resources"][name].get("Condition") is not None
        found += problems(
            (preference.get("Enabled") == {"Ref": "GradualDeployment"}, f"{name}: no parameter enables it"),
            (preference.get("Type") == {"Ref": "DeploymentType"}, f"{name}: no parameter chooses the steps"),
            (preference.get("Role") == role, f"{name}: SAM would make a role"),
            (preference.get("Hooks") == hook, f"{name}: it is not checked before"),
            (preference.get("PassthroughCondition", False) is conditional, f"{name}: a group without a function"),
        )
    return found


def old_versions_stay_to_roll_back_to(template: Node) -> list[str]:
    """Also if only settings change: CloudFormation then replaces the version, whose logical id stays."""
    policies = {name: template["Resources"][name].get("UpdateReplacePolicy") for name in published(template)}
    return [f"{name}: {policy}" for name, policy in policies.items() if policy != "Retain"]


def the_steps_of_a_release_are_those_of_codedeploy(template: Node) -> list[str]:
    """A tenth more each minute by default: the second step of a canary starts environments for 90 % at once."""
    parameter = template["Parameters"]["DeploymentType"]
    values = parameter["AllowedValues"]
    return [value for value in values if not TYPES_OF_CODEDEPLOY.fullmatch(value)] + problems(
        (parameter["Default"] == "Linear10PercentEvery1Minute", f"by default {parameter['Default']}"),
        ("AllAtOnce" in values, "nothing is released at once after the check"),
        (template["Parameters"]["GradualDeployment"]["Default"] == "false", "emulators have no CodeDeploy"),
    )


def a_release_is_rolled_back_by_alarms_on_the_new_version(template: Node) -> list[str]:
    """And by the spill rate and 5xx over HTTPS, which know no version."""
    found = []
    for name, function in published(template).items():
        own = [
            {"Fn::If": ["IsGradual", {"Ref": alarm}, {"Ref": instead}]}
            for alarm, instead in RELEASE_ALARMS[name].items()
        ]
        spilled = {"Fn::If": ["HasSpillRateAlarm", {"Ref": "SpillRateAlarm"}, {"Ref": "HandlerThrottlesAlarm"}]}
        http = {"Ref": "HttpErrorsAlarm"}
        is_handler = name == "HandlerFunction"
        wanted = {"Fn::If": ["HasHttpEndpoint", [*own, spilled, http], [*own, spilled]]} if is_handler else own
        named = references(function.get("DeploymentPreference", {}).get("Alarms"))
        found += problems(
            (function.get("DeploymentPreference", {}).get("Alarms") == wanted, f"{name}: other alarms"),
            (named <= set(of_type(template, "AWS::CloudWatch::Alarm")), f"{name}: not all are alarms"),
            (len(named) <= MAX_ALARMS, f"{name}: more alarms than CodeDeploy takes"),
        )
    return found


def alarms_of_a_release_watch_the_new_version(template: Node) -> list[str]:
    """With the version in the dimensions, which changes before the alias moves, and without traffic they are OK."""
    found = [f"{name} is another condition" for name, it in CONDITIONS.items() if template["Conditions"][name] != it]
    for function, names in RELEASE_ALARMS.items():
        condition = "HasGradualFeed" if function == "FeedFunction" else "IsGradual"
        for name in names:
            alarm = template["Resources"].get(name, {"Properties": {}})
            properties = alarm["Properties"]
            lasting = [properties.get(key) for key in ("DatapointsToAlarm", "EvaluationPeriods", "TreatMissingData")]
            watched = [
                it["MetricStat"]["Metric"]
                for it in properties.get("Metrics", [])
                if "MetricStat" in it and it["Id"] not in OTHER_CAUSES
            ]
            found += problems(
                (alarm.get("Condition") == condition, f"{name}: another condition"),
                (lasting == [2, 3, "notBreaching"], f"{name}: {lasting}"),
                (
                    all(_dimensions(it) == _of_new_version(function) for it in watched or [properties]),
                    f"{name}: not the new version",
                ),
            )
    return found


OTHER_CAUSES = {"customers": "CustomerErrors", "partner": "PartnerErrors"}
"""Failures that are no release's fault. They are counted for all versions."""


def failures_of_others_are_left_out(template: Node) -> list[str]:
    """What a customer or the partner must mend is no reason to wake somebody or to take a release back."""
    rate = "100 * (errors - FILL(customers, 0) - FILL(partner, 0)) / requests"
    wanted = {
        "HandlerErrorsAlarm": (rate, ["Errors", "Invocations", "CustomerErrors", "PartnerErrors"]),
        "HandlerReleaseErrorsAlarm": (rate, ["Errors", "Invocations", "CustomerErrors", "PartnerErrors"]),
        "HttpErrorsAlarm": (
            "errors - FILL(partner, 0)",
            [{"Fn::If": ["HasHttpApi", "5xx", "Url5xxCount"]}, "PartnerErrors"],
        ),
    }
    found = []
    for name, (expression, metrics) in wanted.items():
        calculated, *entries = template["Resources"][name]["Properties"]["Metrics"]
        queries = {it["Id"]: it["MetricStat"] for it in entries}
        others = {id_: it["Metric"]["MetricName"] for id_, it in queries.items() if id_ in OTHER_CAUSES}
        found += problems(
            (calculated["Expression"] == expression, f"{name}: {calculated['Expression']}"),
            ([it["Metric"]["MetricName"] for it in queries.values()] == metrics, f"{name}: other metrics"),
            (others.items() <= OTHER_CAUSES.items(), f"{name}: crossed"),
            (all((it["Stat"], it["Period"]) == ("Sum", 60) for it in queries.values()), f"{name}: another statistic"),
        )
    return found


def _dimensions(metric: Node) -> dict[str, object]:
    return {entry["Name"]: entry["Value"] for entry in metric.get("Dimensions", [])}


def _of_new_version(function: str) -> dict[str, object]:
    return {
        "FunctionName": {"Ref": function},
        "Resource": {"Fn::Sub": f"${{{function}}}:{ALIAS}"},
        "ExecutedVersion": {"Fn::GetAtt": [function, "Version.Version"]},
    }


def a_new_version_must_not_fail_or_be_slow(template: Node) -> list[str]:
    """More than one failure in a hundred requests, or any batch. A percentile needs ten requests beyond it."""
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    errors = {
        name: (it.get("Namespace"), it.get("MetricName"), it.get("Statistic"), it.get("Period"), it.get("Threshold"))
        for name, it in alarms.items()
        if name.endswith("ReleaseErrorsAlarm") and name != "HandlerReleaseErrorsAlarm"
    }
    latency = alarms["HandlerReleaseLatencyAlarm"]
    calculated, *measured = latency["Metrics"]
    stats = {it["Id"]: (it["MetricStat"]["Metric"]["MetricName"], it["MetricStat"]["Stat"]) for it in measured}
    return problems(
        (
            errors
            == {
                "WorkerReleaseErrorsAlarm": ("AWS/Lambda", "Errors", "Sum", 60, 0),
                "FeedReleaseErrorsAlarm": ("AWS/Lambda", "Errors", "Sum", 60, 0),
            },
            f"errors: {errors}",
        ),
        (alarms["HandlerReleaseErrorsAlarm"]["Threshold"] == 1, "more than one percent of the requests may fail"),
        (
            calculated.get("Expression") == "IF(requests >= 1000, p99, IF(requests >= 200, p95, 0))",
            "a percentile of few requests, or none of many",
        ),
        (
            stats == {"requests": ("Duration", "SampleCount"), "p99": ("Duration", "p99"), "p95": ("Duration", "p95")},
            f"latency: {stats}",
        ),
        (all(it["MetricStat"]["Period"] == 60 for it in measured), "latency: another period"),
        (latency.get("Threshold") == 200, "latency: not what mParticle allows"),
    )


def a_release_is_checked_by_a_function_of_its_own(template: Node) -> list[str]:
    """Only where there is CodeDeploy, unpublished, and with the new versions as its only settings."""
    resource = template["Resources"].get(RELEASE_CHECK, {"Properties": {}})
    function = resource["Properties"]
    variables = function.get("Environment", {}).get("Variables", {})
    versions = {name: {"Ref": f"{name.removesuffix('_VERSION').title()}Function.Version"} for name in variables}
    feed = {"FEED_VERSION": {"Fn::If": ["HasFeed", versions.get("FEED_VERSION"), {"Ref": "AWS::NoValue"}]}}
    read = set(re.findall(r'"([A-Z]+_VERSION)"', sources()))
    ignored = set(resource.get("IgnoreGlobals", []))
    return problems(
        (resource.get("Condition") == "IsGradual", "it exists without CodeDeploy"),
        (function.get("FunctionName", {}).get("Fn::Sub", "").startswith(HOOK_PREFIX), "CodeDeploy may not invoke it"),
        (function.get("Handler") == "mparticle_firehose.release_check.handler", "another handler"),
        ("AutoPublishAlias" not in function, "it is published"),
        ({"Environment", "SnapStart", "VpcConfig"} <= ignored, f"it has the settings of the others but {ignored}"),
        (variables == {**versions, **feed}, "it checks other versions"),
        (set(variables) == read, f"the code reads {sorted(read)}"),
    )


def the_check_may_invoke_report_and_log(template: Node) -> list[str]:
    roles = {name: template["Resources"].get(name, {}) for name in ("ReleaseCheckRole", "DeploymentRole")}
    statements = {it["Sid"]: it for it in statements_of(roles["ReleaseCheckRole"].get("Properties", {}))}
    allowed = {sid: (sorted(listed(it["Action"])), it["Resource"]) for sid, it in statements.items()}
    handler, worker, feed = ({"Fn::Sub": f"${{{name}Function.Arn}}:*"} for name in ("Handler", "Worker", "Feed"))
    groups = "arn:${AWS::Partition}:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup:"
    wanted = {
        "Log": (["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["ReleaseCheckLogGroup", "Arn"]}),
        "InvokeVersions": (
            ["lambda:InvokeFunction"],
            [handler, worker, {"Fn::If": ["HasFeed", feed, {"Ref": "AWS::NoValue"}]}],
        ),
        "Report": (
            ["codedeploy:PutLifecycleEventHookExecutionStatus"],
            {"Fn::Sub": f"{groups}${{AWS::StackName}}-ServerlessDeploymentApplication-*/*"},
        ),
    }
    managed = {name: role.get("Properties", {}).get("ManagedPolicyArns") for name, role in roles.items()}
    limited = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited"
    return problems(
        (allowed == wanted, f"it may do {allowed}"),
        (all(role.get("Condition") == "IsGradual" for role in roles.values()), "roles without CodeDeploy"),
        (managed == {"ReleaseCheckRole": None, "DeploymentRole": [{"Fn::Sub": limited}]}, f"managed: {managed}"),
        ("Policies" not in roles["DeploymentRole"].get("Properties", {}), "CodeDeploy may do more"),
    )


CHECKS: tuple[Check, ...] = (
    each_function_is_released_step_by_step,
    old_versions_stay_to_roll_back_to,
    the_steps_of_a_release_are_those_of_codedeploy,
    a_release_is_rolled_back_by_alarms_on_the_new_version,
    alarms_of_a_release_watch_the_new_version,
    failures_of_others_are_left_out,
    a_new_version_must_not_fail_or_be_slow,
    a_release_is_checked_by_a_function_of_its_own,
    the_check_may_invoke_report_and_log,
)
