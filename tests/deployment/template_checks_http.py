"""What must hold for the HTTPS endpoint, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns what is wrong with it, in words.
"""

import json
import re
from collections.abc import Iterator

from tests.deployment.template_checks_security import ENDPOINT_PERMISSIONS, TOKEN_PARAMETER
from tests.deployment.template_reading import ALIAS, Check, Node, functions, of_type, problems

ALIAS_ARN = {"Ref": f"HandlerFunctionAlias{ALIAS}"}

CONDITIONS = {
    "HasHttpApi": {"Fn::Equals": [{"Ref": "HttpEndpoint"}, "http-api"]},
    "HasFunctionUrl": {"Fn::Equals": [{"Ref": "HttpEndpoint"}, "function-url"]},
    "HasHttpEndpoint": {"Fn::Not": [{"Fn::Equals": [{"Ref": "HttpEndpoint"}, "none"]}]},
    "HasHttpTokenSecret": {
        "Fn::And": [{"Condition": "HasHttpEndpoint"}, {"Fn::Equals": [{"Ref": "HttpTokenSource"}, "secret"]}]
    },
    "HasHttpTokenParameter": {
        "Fn::And": [
            {"Condition": "HasHttpEndpoint"},
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "HttpTokenSource"}, "secret"]}]},
            {"Fn::Not": [{"Fn::Equals": [{"Ref": "HttpTokenSource"}, "off"]}]},
        ]
    },
}

EXISTS_WHEN = {
    "HttpTokenSecret": "HasHttpTokenSecret",
    "HttpApi": "HasHttpApi",
    "HttpApiIntegration": "HasHttpApi",
    "HttpApiRoute": "HasHttpApi",
    "HttpApiStage": "HasHttpApi",
    "HttpApiLogGroup": "HasHttpApi",
    "HttpApiPermission": "HasHttpApi",
    "FunctionUrl": "HasFunctionUrl",
    "FunctionUrlPermission": "HasFunctionUrl",
    "FunctionUrlInvokePermission": "HasFunctionUrl",
    "HttpLatencyAlarm": "HasHttpEndpoint",
    "HttpErrorsAlarm": "HasHttpEndpoint",
    "TokenRefusedAlarm": "HasHttpEndpoint",
    "TokensUnavailableAlarm": "HasHttpEndpoint",
}

OF_AN_ENDPOINT = re.compile(r"AWS::(ApiGateway.*|Lambda::Url|SecretsManager::.*)")

LOGGED = {
    "requestId", "requestTime", "httpMethod", "routeKey", "status", "responseLatency", "integrationLatency",
    "integrationStatus", "integrationErrorMessage", "responseLength",
}  # fmt: skip
"""What API Gateway may write down of a request: nothing of who sent it, and nothing of what it says."""


def the_endpoint_exists_only_when_asked_for(template: Node) -> list[str]:
    found = problems(
        (template["Parameters"]["HttpEndpoint"]["Default"] == "none", "there is an endpoint by default"),
        (template["Parameters"]["HttpTokenSource"]["Default"] == "secret", "tokens are not asked for by default"),
    )
    for name, condition in CONDITIONS.items():
        found += problems((template["Conditions"][name] == condition, f"{name} says something else"))
    for name, resource in template["Resources"].items():
        belongs = name in EXISTS_WHEN or OF_AN_ENDPOINT.fullmatch(resource["Type"])
        right = not belongs or resource.get("Condition", "always") == EXISTS_WHEN.get(name)
        found += problems((right, f"{name} exists at another time"))
    return found


def without_an_endpoint_the_handler_is_told_of_no_tokens(template: Node) -> list[str]:
    source = template["Globals"]["Function"]["Environment"]["Variables"]["HTTP_TOKEN_SOURCE"]
    given: Node = {"Fn::If": ["HasHttpEndpoint", {"Ref": "HttpTokenSource"}, {"Ref": "AWS::NoValue"}]}
    secret = {"Fn::GetAtt": ["HttpTokenSecret", "Id"]}
    return problems((source == {"Fn::If": ["HasHttpTokenSecret", secret, given]}, f"it is told {source}"))


def the_handler_alone_reads_the_tokens_and_nothing_else(template: Node) -> list[str]:
    wanted = {
        "HasHttpTokenSecret": ("secretsmanager:GetSecretValue", {"Fn::GetAtt": ["HttpTokenSecret", "Id"]}),
        "HasHttpTokenParameter": ("ssm:GetParameter", {"Fn::Sub": TOKEN_PARAMETER}),
    }
    read = {
        (role, condition): (statement["Action"], statement["Resource"])
        for role, condition, statement in _conditional_statements(template)
        if not condition.endswith("KmsKey")
    }
    return problems((read == {("HandlerRole", name): may for name, may in wanted.items()}, f"{read}"))


def _conditional_statements(template: Node) -> Iterator[tuple[str, str, Node]]:
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
            if "Fn::If" in statement:
                condition, given, _ = statement["Fn::If"]
                yield name, condition, given


def the_secret_lets_nobody_in_until_a_token_is_put_into_it(template: Node) -> list[str]:
    """A value that stood in the template would be known; one that is made anew would take mParticle's token away."""
    secrets = of_type(template, "AWS::SecretsManager::Secret")
    made = {"PasswordLength": 64, "ExcludeCharacters": '"[]{},'}
    return [
        name for name, it in secrets.items() if it.get("GenerateSecretString") != made or "SecretString" in it
    ] + problems((list(secrets) == ["HttpTokenSecret"], "one secret"))


def the_http_api_passes_everything_to_the_alias_and_throttles_it(template: Node) -> list[str]:
    resources = {name: entry["Properties"] for name, entry in template["Resources"].items()}
    integration, route, stage = (resources[f"HttpApi{part}"] for part in ("Integration", "Route", "Stage"))
    throttled = {
        "DetailedMetricsEnabled": True,
        "ThrottlingRateLimit": {"Ref": "HttpRateLimit"},
        "ThrottlingBurstLimit": {"Ref": "HttpBurstLimit"},
    }
    seconds = functions(template)["HandlerFunction"]["Timeout"]
    return problems(
        (resources["HttpApi"]["ProtocolType"] == "HTTP", "it is another kind of API"),
        (integration["IntegrationUri"] == ALIAS_ARN, "it calls what is not released"),
        (integration["PayloadFormatVersion"] == "2.0", "the handler does not read that format"),
        (integration["TimeoutInMillis"] == 1000 * seconds, "it waits for another time than the handler may take"),
        (route["RouteKey"] == stage["StageName"] == "$default", "some paths do not reach the handler"),
        (stage.get("AutoDeploy") is True, "changes are not released"),
        (stage.get("DefaultRouteSettings") == throttled, "it is not throttled"),
        (template["Parameters"]["HttpRateLimit"]["Default"] >= 10_000, "mParticle's peak would be turned away"),
    )


def the_access_log_says_nothing_of_who_asked_for_what(template: Node) -> list[str]:
    settings = template["Resources"]["HttpApiStage"]["Properties"].get("AccessLogSettings", {})
    group = settings.get("DestinationArn")
    written = settings.get("Format", "")
    try:
        fields = set(json.loads(written).values())
    except ValueError:
        return ["the access log is no JSON"]
    return problems(
        (group == {"Fn::GetAtt": ["HttpApiLogGroup", "Arn"]}, f"it goes to {group}"),
        (fields == {f"$context.{name}" for name in LOGGED}, f"it says {fields}"),
        ("\n" not in written, "API Gateway wants it in one line"),
    )


def a_function_url_is_throttled_by_reserved_concurrency(template: Node) -> list[str]:
    rule = template["Rules"].get("AFunctionUrlIsThrottled", {})
    reserved = {"Fn::Not": [{"Fn::Equals": [{"Ref": "HandlerReservedConcurrency"}, "0"]}]}
    return problems(
        (rule.get("RuleCondition") == {"Fn::Equals": [{"Ref": "HttpEndpoint"}, "function-url"]}, "not for every URL"),
        ([entry["Assert"] for entry in rule.get("Assertions", [])] == [reserved], "a URL may be without a throttle"),
    )


def only_the_endpoint_may_invoke_beside_mparticle_and_only_the_alias(template: Node) -> list[str]:
    """A function URL that everybody may call needs two permissions; the second must not open the function itself."""
    route = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/*/$default"
    invoke, everybody = {"FunctionName": ALIAS_ARN, "Action": "lambda:InvokeFunction"}, {"Principal": "*"}
    gateway = {"Principal": "apigateway.amazonaws.com", "SourceArn": {"Fn::Sub": route}}
    wanted = {
        "HttpApiPermission": {**invoke, **gateway},
        "FunctionUrlPermission": {
            **invoke, **everybody, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE",
        },
        "FunctionUrlInvokePermission": {**invoke, **everybody, "InvokedViaFunctionUrl": True},
    }  # fmt: skip
    permissions = of_type(template, "AWS::Lambda::Permission")
    url = template["Resources"]["FunctionUrl"]["Properties"]
    return [name for name in sorted(ENDPOINT_PERMISSIONS) if permissions.get(name) != wanted[name]] + problems(
        ((url["TargetFunctionArn"], url["AuthType"]) == (ALIAS_ARN, "NONE"), "the URL leads elsewhere"),
    )


def the_endpoint_is_watched_whichever_kind_it_is(template: Node) -> list[str]:
    watched = {
        "HttpLatencyAlarm": ("Latency", "UrlRequestLatency", "ExtendedStatistic", "p99", 100),
        "HttpErrorsAlarm": ("5xx", "Url5xxCount", "Statistic", "Sum", 0),
    }
    found = []
    for name, (of_api, of_url, kind, statistic, threshold) in watched.items():
        alarm = template["Resources"][name]["Properties"]
        _, api, url = alarm["Dimensions"]["Fn::If"]
        found += problems(
            (alarm["Namespace"] == {"Fn::If": ["HasHttpApi", "AWS/ApiGateway", "AWS/Lambda"]}, f"{name}: namespace"),
            (alarm["MetricName"] == {"Fn::If": ["HasHttpApi", of_api, of_url]}, f"{name}: metric"),
            (api == [{"Name": "ApiId", "Value": {"Ref": "HttpApi"}}], f"{name}: not the API"),
            (url[1:] == [{"Name": "Resource", "Value": {"Fn::Sub": f"${{HandlerFunction}}:{ALIAS}"}}], f"{name}: URL"),
            ((alarm.get(kind), alarm["Threshold"]) == (statistic, threshold), f"{name}: threshold"),
        )
    tokens = {template["Resources"][f"{name}Alarm"]["Properties"]["MetricName"] for name in _TOKEN_METRICS}
    return found + problems((tokens == set(_TOKEN_METRICS), f"of tokens only {tokens} are watched"))


_TOKEN_METRICS = ("TokenRefused", "TokensUnavailable")


CHECKS: tuple[Check, ...] = (
    the_endpoint_exists_only_when_asked_for,
    without_an_endpoint_the_handler_is_told_of_no_tokens,
    the_handler_alone_reads_the_tokens_and_nothing_else,
    the_secret_lets_nobody_in_until_a_token_is_put_into_it,
    the_http_api_passes_everything_to_the_alias_and_throttles_it,
    the_access_log_says_nothing_of_who_asked_for_what,
    a_function_url_is_throttled_by_reserved_concurrency,
    only_the_endpoint_may_invoke_beside_mparticle_and_only_the_alias,
    the_endpoint_is_watched_whichever_kind_it_is,
)
