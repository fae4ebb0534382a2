"""What must hold for the HTTPS endpoint, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import json
import re

from tests.deployment.template_checks_alarms import SLOW_SHARE
from tests.deployment.template_checks_security import ENDPOINT_PERMISSIONS, TOKEN_PARAMETER
from tests.deployment.template_reading import (
    ALIAS,
    Check,
    Node,
    conditional_statements,
    functions,
    of_type,
    problems,
)

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
    "HttpDomain": "HasDomainName",
    "HttpDomainMapping": "HasDomainName",
    "FeedWebhookRoute": "HasFeedWebhookRoute",
    "FeedWebhookPermission": "HasFeedWebhookRoute",
    "FunctionUrl": "HasFunctionUrl",
    "FunctionUrlPermission": "HasFunctionUrl",
    "FunctionUrlInvokePermission": "HasFunctionUrl",
    "HttpLatencyAlarm": "HasHttpEndpoint",
    "HttpErrorsAlarm": "HasHttpEndpoint",
    "TokenRefusedAlarm": "HasHttpEndpoint",
    "TokensUnavailableAlarm": "HasHttpEndpoint",
}

OF_AN_ENDPOINT = re.compile(r"AWS::(ApiGateway.*|Lambda::Url)")

LOGGED = {
    "requestId", "requestTime", "httpMethod", "routeKey", "status", "responseLatency", "integrationLatency",
    "integrationStatus", "integrationErrorMessage", "responseLength",
}  # fmt: skip
"""What API Gateway may log of a request: neither its sender nor its content."""


def the_endpoint_exists_only_if_it_is_configured(template: Node) -> list[str]:
    found = problems(
        (template["Parameters"]["HttpEndpoint"]["Default"] == "none", "there is an endpoint by default"),
        (template["Parameters"]["HttpTokenSource"]["Default"] == "secret", "tokens are not verified by default"),
    )
    for name, condition in CONDITIONS.items():
        found += problems((template["Conditions"][name] == condition, f"{name} is another condition"))
    for name, resource in template["Resources"].items():
        belongs = name in EXISTS_WHEN or OF_AN_ENDPOINT.fullmatch(resource["Type"])
        right = not belongs or resource.get("Condition", "always") == EXISTS_WHEN.get(name)
        found += problems((right, f"{name} has another condition"))
    return found


def without_an_endpoint_the_handler_has_no_token_source(template: Node) -> list[str]:
    source = template["Globals"]["Function"]["Environment"]["Variables"]["HTTP_TOKEN_SOURCE"]
    given: Node = {"Fn::If": ["HasHttpEndpoint", {"Ref": "HttpTokenSource"}, {"Ref": "AWS::NoValue"}]}
    secret = {"Fn::GetAtt": ["HttpTokenSecret", "Id"]}
    return problems((source == {"Fn::If": ["HasHttpTokenSecret", secret, given]}, f"the source is {source}"))


def the_handler_alone_reads_the_tokens_and_nothing_else(template: Node) -> list[str]:
    wanted = {
        "HasHttpTokenSecret": ("secretsmanager:GetSecretValue", {"Fn::GetAtt": ["HttpTokenSecret", "Id"]}),
        "HasHttpTokenParameter": ("ssm:GetParameter", {"Fn::Sub": TOKEN_PARAMETER}),
    }
    read = {
        (role, condition): (statement["Action"], statement["Resource"])
        for role, condition, statement in conditional_statements(template)
        if condition.startswith("HasHttp")
    }
    return problems((read == {("HandlerRole", name): may for name, may in wanted.items()}, f"{read}"))


def the_token_secret_is_created_with_a_random_value(template: Node) -> list[str]:
    """A value in the template would be known. Changing these properties would overwrite mParticle's token."""
    secret = template["Resources"].get("HttpTokenSecret", {"Properties": {}})["Properties"]
    made = {"PasswordLength": 64, "ExcludeCharacters": '"[]{},'}
    return problems((secret.get("GenerateSecretString") == made and "SecretString" not in secret, f"{secret}"))


def the_http_api_sends_every_request_to_the_alias_and_throttles(template: Node) -> list[str]:
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
        (integration["IntegrationUri"] == ALIAS_ARN, "it does not call the alias"),
        (integration["PayloadFormatVersion"] == "2.0", "the handler does not support that format"),
        (integration["TimeoutInMillis"] == 1000 * seconds, "its timeout is not the handler's"),
        (route["RouteKey"] == stage["StageName"] == "$default", "some paths do not reach the handler"),
        (stage.get("AutoDeploy") is True, "changes are not published"),
        (stage.get("DefaultRouteSettings") == throttled, "it is not throttled"),
        (template["Parameters"]["HttpRateLimit"]["Default"] >= 10_000, "mParticle's peak rate would be throttled"),
    )


def the_access_log_holds_no_personal_data(template: Node) -> list[str]:
    settings = template["Resources"]["HttpApiStage"]["Properties"].get("AccessLogSettings", {})
    group = settings.get("DestinationArn")
    written = settings.get("Format", "")
    try:
        fields = set(json.loads(written).values())
    except ValueError:
        return ["the access log is not JSON"]
    return problems(
        (group == {"Fn::GetAtt": ["HttpApiLogGroup", "Arn"]}, f"it is written to {group}"),
        (fields == {f"$context.{name}" for name in LOGGED}, f"its fields are {fields}"),
        ("\n" not in written, "API Gateway requires one line"),
    )


def a_function_url_is_throttled_by_reserved_concurrency(template: Node) -> list[str]:
    rule = template["Rules"].get("AFunctionUrlIsThrottled", {})
    reserved = {"Fn::Not": [{"Fn::Equals": [{"Ref": "HandlerReservedConcurrency"}, "0"]}]}
    return problems(
        (rule.get("RuleCondition") == {"Fn::Equals": [{"Ref": "HttpEndpoint"}, "function-url"]}, "not for every URL"),
        ([entry["Assert"] for entry in rule.get("Assertions", [])] == [reserved], "a URL may have no throttle"),
    )


def besides_mparticle_only_the_endpoint_may_invoke_the_alias(template: Node) -> list[str]:
    """A public function URL needs two permissions; the second must not allow direct invocations."""
    api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}"
    invoke, everybody = {"FunctionName": ALIAS_ARN, "Action": "lambda:InvokeFunction"}, {"Principal": "*"}
    gateway = {"Principal": "apigateway.amazonaws.com"}
    wanted = {
        "HttpApiPermission": {**invoke, **gateway, "SourceArn": {"Fn::Sub": f"{api}/*/$default"}},
        "FeedWebhookPermission": {**invoke, **gateway, "SourceArn": {"Fn::Sub": f"{api}/*/POST/feed"}},
        "FunctionUrlPermission": {
            **invoke, **everybody, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE",
        },
        "FunctionUrlInvokePermission": {**invoke, **everybody, "InvokedViaFunctionUrl": True},
    }  # fmt: skip
    permissions = of_type(template, "AWS::Lambda::Permission")
    url = template["Resources"]["FunctionUrl"]["Properties"]
    return [name for name in sorted(ENDPOINT_PERMISSIONS) if permissions.get(name) != wanted[name]] + problems(
        ((url["TargetFunctionArn"], url["AuthType"]) == (ALIAS_ARN, "NONE"), "the URL does not call the alias"),
    )


def both_kinds_of_endpoint_have_alarms(template: Node) -> list[str]:
    watched = {
        "HttpLatencyAlarm": ("Latency", "UrlRequestLatency", ("SampleCount", "PR(:100)"), SLOW_SHARE, 1),
        "HttpErrorsAlarm": ("5xx", "Url5xxCount", ("Sum",), "errors - FILL(partner, 0)", 0),
    }
    found = []
    for name, (of_api, of_url, stats, expression, threshold) in watched.items():
        properties = template["Resources"][name]["Properties"]
        calculated, *entries = properties["Metrics"]
        queries = [entry["MetricStat"] for entry in entries if entry["Id"] != "partner"]
        for alarm in (query["Metric"] for query in queries):
            found += _problems_of_endpoint_metric(name, alarm, of_api, of_url)
        found += problems(
            (tuple(query["Stat"] for query in queries) == stats, f"{name}: statistics"),
            ((calculated["Expression"], properties["Threshold"]) == (expression, threshold), f"{name}: threshold"),
        )
    tokens = {template["Resources"][f"{name}Alarm"]["Properties"]["MetricName"] for name in _TOKEN_METRICS}
    return found + problems((tokens == set(_TOKEN_METRICS), f"of the token metrics only {tokens} have alarms"))


def _problems_of_endpoint_metric(name: str, alarm: Node, of_api: str, of_url: str) -> list[str]:
    _, api, url = alarm["Dimensions"]["Fn::If"]
    return problems(
        (alarm["Namespace"] == {"Fn::If": ["HasHttpApi", "AWS/ApiGateway", "AWS/Lambda"]}, f"{name}: namespace"),
        (alarm["MetricName"] == {"Fn::If": ["HasHttpApi", of_api, of_url]}, f"{name}: metric"),
        (api == [{"Name": "ApiId", "Value": {"Ref": "HttpApi"}}], f"{name}: not the API"),
        (url[1:] == [{"Name": "Resource", "Value": {"Fn::Sub": f"${{HandlerFunction}}:{ALIAS}"}}], f"{name}: URL"),
    )


_TOKEN_METRICS = ("TokenRefused", "TokensUnavailable")


CHECKS: tuple[Check, ...] = (
    the_endpoint_exists_only_if_it_is_configured,
    without_an_endpoint_the_handler_has_no_token_source,
    the_handler_alone_reads_the_tokens_and_nothing_else,
    the_token_secret_is_created_with_a_random_value,
    the_http_api_sends_every_request_to_the_alias_and_throttles,
    the_access_log_holds_no_personal_data,
    a_function_url_is_throttled_by_reserved_concurrency,
    besides_mparticle_only_the_endpoint_may_invoke_the_alias,
    both_kinds_of_endpoint_have_alarms,
)
