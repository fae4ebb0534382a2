"""What must hold for template.yaml beyond what SAM, cfn-lint and the scanners see: all the checks, by name.

Each check takes the template and returns a sentence for each problem.
"""

import re
from collections.abc import Mapping

from local.build.linting import REGIONS
from tests.deployment import (
    template_checks_alarms,
    template_checks_delivery,
    template_checks_feed,
    template_checks_http,
    template_checks_letter_archive,
    template_checks_network,
    template_checks_releases,
    template_checks_scale,
    template_checks_secret,
    template_checks_security,
    template_checks_watching,
)
from tests.deployment.template_reading import ALIAS, Check, Node, of_type, problems, references, walk

# --- the template as a whole ----------------------------------------------------------------------------------------


def no_partition_region_or_account_is_hard_coded(template: Node) -> list[str]:
    """Regions are only in the rule, the mapping and its condition; accounts only in defaults and the mapping."""
    parts = {name: template[name] for name in ("Globals", "Resources", "Outputs")}
    fixed = re.compile(r"arn:aws[:\-]|\b(us|eu|ap)-[a-z]+-\d\b|\b\d{12}\b")
    texts = [(path, text) for path, text in walk(parts) if isinstance(text, str) and fixed.search(text)]
    return ["/".join(path) for path, _ in texts]


def the_regions_are_those_of_the_pods(template: Node) -> list[str]:
    pods = set(template["Mappings"]["Pods"])
    rule = template["Rules"]["InARegionOfAPod"]
    allowed, region = rule["Assertions"][0]["Assert"]["Fn::Contains"]
    condition = {entry["Fn::Equals"][1] for entry in template["Conditions"]["InARegionOfAPod"]["Fn::Or"]}
    return problems(
        (pods == set(REGIONS), "the pods' regions are not those that are linted"),
        (set(allowed) == pods and region == {"Ref": "AWS::Region"}, "the rule allows other regions"),
        (
            rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "OutsidePodRegions"}, "refuse"]},
            "the rule has another condition",
        ),
        (template["Parameters"]["OutsidePodRegions"]["Default"] == "refuse", "other regions are allowed by default"),
        (condition == pods, "the condition is for other regions"),
    )


def every_find_in_map_finds_a_value(template: Node) -> list[str]:
    """A key that depends on a parameter or the region must exist for each of its values."""
    found = []
    for path, node in walk(template):
        if isinstance(node, dict) and "Fn::FindInMap" in node:
            name, first, second = node["Fn::FindInMap"]
            rows = template["Mappings"].get(name, {})
            keys = list(rows) if isinstance(first, dict) else [first]
            found += problems((keys and all(second in rows.get(key, {}) for key in keys), "/".join(path)))
    return found


def every_parameter_is_explained_constrained_and_used(template: Node) -> list[str]:
    found: list[str] = []
    used = references({key: value for key, value in template.items() if key != "Parameters"})
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    for name, parameter in template["Parameters"].items():
        found += problems(
            ({"Description", "Default", "ConstraintDescription"} <= set(parameter), f"{name} is not explained"),
            ({"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), f"{name} accepts any value"),
            (_accepts_default(parameter), f"{name} refuses its own default"),
            (name in used, f"{name} is not used"),
        )
    return found + problems((sorted(grouped) == sorted(template["Parameters"]), "the parameter groups are incomplete"))


def _accepts_default(parameter: Node) -> bool:
    default = parameter["Default"]
    within = parameter.get("MinValue", default) <= default <= parameter.get("MaxValue", default)
    return within and default in parameter.get("AllowedValues", [default]) and bool(
        re.search(parameter.get("AllowedPattern", ""), str(default))
    )  # fmt: skip


def outputs_have_what_other_tools_need(template: Node) -> list[str]:
    wanted = {
        "HandlerAliasArn": {"Ref": f"HandlerFunctionAlias{ALIAS}"},
        "HandlerFunctionName": {"Ref": "HandlerFunction"},
        "WorkerFunctionName": {"Ref": "WorkerFunction"},
        "MembershipQueueUrl": {"Ref": "MembershipQueue"},
        "MembershipDeadLetterQueueUrl": {"Ref": "MembershipDeadLetterQueue"},
        "BulkQueueUrl": {"Ref": "BulkQueue"},
        "EventQueueUrl": {"Ref": "EventQueue"},
        "EventDeadLetterQueueUrl": {"Ref": "EventDeadLetterQueue"},
        "ErasureQueueUrl": {"Ref": "ErasureQueue"},
        "ErasureDeadLetterQueueUrl": {"Ref": "ErasureDeadLetterQueue"},
        "SuspensionTableName": {"Ref": "SuspensionTable"},
        "LedgerTableName": {"Ref": "LedgerTable"},
        "HttpTokenSecretArn": {"Fn::GetAtt": ["HttpTokenSecret", "Id"]},
        "DeploymentSecretArn": {"Fn::GetAtt": ["DeploymentSecret", "Id"]},
    }
    outputs = template["Outputs"]
    accounts = references(outputs.get("MParticleAccounts"))
    permitted = references([entry["Principal"] for entry in of_type(template, "AWS::Lambda::Permission").values()])
    return [name for name, value in wanted.items() if outputs.get(name, {}).get("Value") != value] + problems(
        ({"HttpApi", "FunctionUrl"} <= references(outputs.get("HttpEndpointUrl")), "the endpoint's URL is not shown"),
        ("Dashboard" in references(outputs.get("DashboardUrl")), "there is no link to the dashboard"),
        (accounts == permitted, "the accounts that are shown are not those that may invoke"),
        (all(output.get("Description") for output in outputs.values()), "an output is not explained"),
    )


CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        *template_checks_delivery.CHECKS,
        *template_checks_security.CHECKS,
        *template_checks_watching.CHECKS,
        *template_checks_alarms.CHECKS,
        *template_checks_http.CHECKS,
        *template_checks_secret.CHECKS,
        *template_checks_feed.CHECKS,
        *template_checks_letter_archive.CHECKS,
        *template_checks_releases.CHECKS,
        *template_checks_network.CHECKS,
        *template_checks_scale.CHECKS,
        no_partition_region_or_account_is_hard_coded,
        the_regions_are_those_of_the_pods,
        every_find_in_map_finds_a_value,
        every_parameter_is_explained_constrained_and_used,
        outputs_have_what_other_tools_need,
    )
}
