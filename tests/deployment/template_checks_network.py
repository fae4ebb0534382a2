"""What must hold for subnets, the domain name, roles and names, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import re

from local.build.deployment_settings import MAX_STACK_NAME, MAX_STACK_NAME_WITH_RELEASES
from tests.deployment.template_checks_security import NETWORK
from tests.deployment.template_reading import (
    Check,
    Node,
    conditional_statements,
    of_type,
    problems,
    published,
    walk,
)

NO_VALUE: Node = {"Ref": "AWS::NoValue"}

NETWORK_ACTIONS = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
"""What AWS documents for functions in subnets. None of it can be limited to an interface before there is one."""

MAX_NAMES = {
    "FunctionName": 64,
    "QueueName": 80,
    "AlarmName": 255,
    "DashboardName": 255,
    "Name": 64,
    "LogGroupName": 512,
}
"""Characters of names that are made from the stack's, by their property. `Name` is AppConfig's, the shortest."""

REGION_NAME = "ap-southeast-2"
"""The longest name of a pod's region."""


def not_none(parameter: str) -> Node:
    """Return the condition that a parameter has been set."""
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, "none"]}]}


def functions_are_in_subnets_only_if_there_are_some(template: Node) -> list[str]:
    given = {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": {"Ref": "SecurityGroupIds"}}
    first = {"Fn::Select": [0, {"Ref": "SubnetIds"}]}
    elsewhere = [name for name, function in published(template).items() if "VpcConfig" in function]
    parameters = [template["Parameters"][name] for name in given]
    return elsewhere + problems(
        (
            template["Globals"]["Function"].get("VpcConfig") == {"Fn::If": ["HasSubnets", given, NO_VALUE]},
            "another network",
        ),
        (
            template["Conditions"]["HasSubnets"] == {"Fn::Not": [{"Fn::Equals": [first, "none"]}]},
            "another condition",
        ),
        (
            all((it["Type"], it["Default"]) == ("CommaDelimitedList", "none") for it in parameters),
            "not a list, or one by default",
        ),
        (_needs_the_other(template, "SubnetsNeedSecurityGroups", *given), "subnets without a security group"),
        (_needs_the_other(template, "SecurityGroupsNeedSubnets", *reversed(given)), "a security group without subnets"),
    )


def _needs_the_other(template: Node, rule: str, one: str, other: str) -> bool:
    condition, needed = ({"Fn::Not": [{"Fn::EachMemberEquals": [{"Ref": it}, "none"]}]} for it in (one, other))
    return _asserted(template, rule) == (condition, [needed])


def _asserted(template: Node, rule: str) -> tuple[object, list[object]]:
    entry = template["Rules"].get(rule, {})
    return entry.get("RuleCondition"), [it["Assert"] for it in entry.get("Assertions", [])]


def functions_in_subnets_may_manage_their_interfaces(template: Node) -> list[str]:
    """Each role of a function that is in them, and only then."""
    given = {
        (role, condition): (statement["Effect"], set(statement["Action"]), statement["Resource"])
        for role, condition, statement in conditional_statements(template)
        if statement["Sid"] == NETWORK or condition == "HasSubnets"
    }
    roles = ("HandlerRole", "WorkerRole", "FeedRole")
    always = [
        name
        for name, role in of_type(template, "AWS::IAM::Role").items()
        for path, node in walk(role)
        if isinstance(node, dict) and node.get("Sid") == NETWORK and "Fn::If" not in path
    ]
    wanted = {(role, "HasSubnets"): ("Allow", NETWORK_ACTIONS, "*") for role in roles}
    return always + problems((given == wanted, f"they may do {given}"))


def every_role_has_the_permissions_boundary(template: Node) -> list[str]:
    boundary = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}, NO_VALUE]}
    roles = of_type(template, "AWS::IAM::Role")
    return [name for name, role in roles.items() if role.get("PermissionsBoundary") != boundary] + problems(
        (template["Conditions"]["HasPermissionsBoundary"] == not_none("PermissionsBoundaryArn"), "another condition"),
        (template["Parameters"]["PermissionsBoundaryArn"]["Default"] == "none", "one by default"),
    )


def the_endpoint_has_a_domain_name_of_its_own_only_with_a_certificate(template: Node) -> list[str]:
    resources = {name: it["Properties"] for name, it in template["Resources"].items()}
    (configuration,) = resources["HttpDomain"]["DomainNameConfigurations"]
    mapping = {"ApiId": {"Ref": "HttpApi"}, "DomainName": {"Ref": "HttpDomain"}, "Stage": {"Ref": "HttpApiStage"}}
    http_api = {"Fn::Equals": [{"Ref": "HttpEndpoint"}, "http-api"]}
    url = template["Outputs"]["HttpEndpointUrl"]["Value"]["Fn::If"][1]
    shown = {
        "Fn::If": ["HasDomainName", {"Fn::Sub": "https://${DomainName}"}, {"Fn::GetAtt": ["HttpApi", "ApiEndpoint"]}]
    }
    targets = {"HttpDomainTarget": "RegionalDomainName", "HttpDomainZoneId": "RegionalHostedZoneId"}
    return problems(
        (
            configuration
            == {"CertificateArn": {"Ref": "CertificateArn"}, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"},
            f"it is {configuration}",
        ),
        (resources["HttpDomain"]["DomainName"] == {"Ref": "DomainName"}, "another name"),
        (resources["HttpDomainMapping"] == mapping, "it leads elsewhere"),
        (
            template["Conditions"]["HasDomainName"]
            == {"Fn::And": [not_none("DomainName"), not_none("CertificateArn")]},
            "another condition",
        ),
        (
            _asserted(template, "ADomainNameIsOfAnHttpApi")
            == (not_none("DomainName"), [http_api, not_none("CertificateArn")]),
            "a domain name without an HTTP API, or without a certificate",
        ),
        (
            _asserted(template, "ACertificateIsOfADomainName")
            == (not_none("CertificateArn"), [not_none("DomainName")]),
            "a certificate without effect",
        ),
        (url == shown, "another URL is shown"),
        *(
            (template["Outputs"].get(name, {}).get("Value") == {"Fn::GetAtt": ["HttpDomain", attribute]}, name)
            for name, attribute in targets.items()
        ),
    )


def without_an_account_there_is_an_endpoint(template: Node) -> list[str]:
    nobody = {"Fn::Equals": [{"Ref": "FirstMParticleAccount"}, "none"]}
    return problems(
        (_asserted(template, "SomebodyMayInvoke") == (nobody, [not_none("HttpEndpoint")]), "nobody may invoke it")
    )


def names_fit_with_the_longest_name_of_a_stack(template: Node) -> list[str]:
    """That one is what the shortest limit leaves; `make build` refuses longer ones."""
    found, spare = [], dict.fromkeys((MAX_STACK_NAME, MAX_STACK_NAME_WITH_RELEASES), 255)
    for name, resource in template["Resources"].items():
        stack = MAX_STACK_NAME_WITH_RELEASES if resource.get("Condition") == "IsGradual" else MAX_STACK_NAME
        limited = (
            MAX_NAMES if resource["Type"] != "AWS::Logs::QueryDefinition" else {}
        )  # its name may have 255 characters
        for key in limited.keys() & resource["Properties"].keys():
            rest = MAX_NAMES[key] - _length(resource["Properties"][key], stack)
            found += problems((rest >= 0, f"{name}/{key} is too long"))
            spare[stack] = min(spare[stack], rest)
    return found + [f"a name of {stack} could have {rest} characters more" for stack, rest in spare.items() if rest]


def _length(value: object, stack: int) -> int:
    """Return how long a name is in a stack whose name has so many characters."""
    match value:
        case {"Ref": "AWS::StackName"}:
            return stack
        case {"Fn::Sub": str(text)}:
            filled = text.replace("${AWS::StackName}", "x" * stack).replace("${AWS::Region}", REGION_NAME)
            return len(re.sub(r"\$\{[^}]+\}", "", filled))
    return len(str(value))


CHECKS: tuple[Check, ...] = (
    functions_are_in_subnets_only_if_there_are_some,
    functions_in_subnets_may_manage_their_interfaces,
    every_role_has_the_permissions_boundary,
    the_endpoint_has_a_domain_name_of_its_own_only_with_a_certificate,
    without_an_account_there_is_an_endpoint,
    names_fit_with_the_longest_name_of_a_stack,
)
