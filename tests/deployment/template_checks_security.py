"""What must hold for permissions, encryption and retention, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import re
from collections.abc import Iterator
from functools import cache

from local.isolation import ROOT
from mparticle_firehose.letter_archive.retention import ARCHIVE_DAYS
from tests.deployment.template_checks_letter_archive import ARCHIVED_LETTERS, FEED_LETTERS, ROLE
from tests.deployment.template_reading import (
    ALIAS,
    Check,
    Node,
    conditional_statements,
    functions,
    listed,
    of_type,
    problems,
    queues,
    references,
    sources,
    statements_of,
)

ENDPOINT_PERMISSIONS = {
    "HttpApiPermission", "FunctionUrlPermission", "FunctionUrlInvokePermission", "FeedWebhookPermission",
}  # fmt: skip
"""Those of the HTTPS endpoint; template_checks_http.py checks them."""

DEPLOYMENT_SECRET_PARAMETER = (
    "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${DeploymentSecretSource}"
)

FEED_WEBHOOK_PARAMETER = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${FeedWebhookSecret}"

KEY_PAIR_PARAMETERS = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${FeedCredentials}/*"

KEY_PAIR_SECRETS = [
    "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${Prefix}/*",
    {
        "Prefix": {
            "Fn::Select": [
                1,
                {
                    "Fn::Split": [
                        "secretsmanager:",
                        {"Fn::Sub": "${FeedCredentials}secretsmanager:${AWS::StackName}-none"},
                    ]
                },
            ]
        }
    },
]
"""The prefix without the word that says where it is; a name that no secret has if the word is not there."""

TOKEN_PARAMETER = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${HttpTokenSource}"

KEEPS_WORK = {"AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"}
"""Types of resources in which acknowledged work is stored, or without which it cannot be read."""

POLLER = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda itself does with the role of a function that receives from a queue."""

RECEIVERS = ("WorkerRole", "FeedRole")

OPERATOR = {"s3:CopyObject", "s3:DeleteObject"}
"""What only the operators' commands do with bodies, with the operator's own credentials."""

NETWORK = "ManageNetworkInterfaces"
"""The statement that functions in subnets need; template_checks_network.py checks it."""

RELEASES = {"ReleaseCheckRole", "DeploymentRole"}
"""Roles of a release; template_checks_releases.py checks them."""

SEES_WHAT_IS_MISSING = "s3:ListBucket"
"""Without it S3 answers 403 instead of 404 to whoever reads an object that does not exist."""


# --- permissions ----------------------------------------------------------------------------------------------------


def only_accounts_of_mparticle_may_invoke_and_only_the_alias(template: Node) -> list[str]:
    found: list[str] = []
    principals = []
    for name, permission in of_type(template, "AWS::Lambda::Permission").items():
        if name in ENDPOINT_PERMISSIONS:
            continue
        principal = permission["Principal"]
        parameter = template["Parameters"].get(principal.get("Ref") if isinstance(principal, dict) else None)
        condition = template["Resources"][name].get("Condition", "")
        principals.append(principal)
        found += problems(
            (permission["Action"] == "lambda:InvokeFunction", f"{name}: another action than invoking"),
            (permission["FunctionName"] == {"Ref": f"HandlerFunctionAlias{ALIAS}"}, f"{name}: not for the alias"),
            (parameter and _accepts_accounts_only(parameter), f"{name}: {principal}"),
            (_unless_there_is_none(template, condition, principal), f"{name}: another condition"),
        )
    parameters = template["Parameters"].values()
    defaults = sorted(parameter["Default"] for parameter in parameters if parameter.get("Default", "") and
                      re.fullmatch(r"\d{12}", str(parameter["Default"])))  # fmt: skip
    return found + problems(
        (defaults == ["338661164609", "457804467337"], f"the documented accounts are not the defaults: {defaults}"),
        (
            len({str(principal) for principal in principals}) == len(principals) == 5,
            "there are not five different accounts",
        ),
    )


def _accepts_accounts_only(parameter: Node) -> bool:
    """Return whether a parameter accepts account ids and none, and nothing else."""
    pattern, default = parameter.get("AllowedPattern", ""), str(parameter["Default"])
    wrong = ["", "*", "12345678901", "1234567890123", "123456789012,210987654321", "arn:aws:iam::123456789012:root"]
    accepts = {text: bool(re.search(pattern, text)) for text in ["123456789012", default, "none", *wrong]}
    return accepts["123456789012"] and accepts[default] and accepts["none"] and not any(map(accepts.get, wrong))


def _unless_there_is_none(template: Node, condition: str, principal: object) -> bool:
    return bool(template["Conditions"].get(condition) == {"Fn::Not": [{"Fn::Equals": [principal, "none"]}]})


def policies_name_single_actions_and_single_resources(template: Node) -> list[str]:
    found: list[str] = []
    for name, statement in _statements(template):
        if statement["Sid"] == NETWORK or name in RELEASES:
            continue
        resources = listed(statement["Resource"])
        named = [
            {"Ref": "KmsKeyArn"},
            {"Ref": "PreviousKmsKeyArns"},
            {"Fn::Sub": TOKEN_PARAMETER},
            {"Fn::Sub": DEPLOYMENT_SECRET_PARAMETER},
            {"Fn::Sub": FEED_WEBHOOK_PARAMETER},
            {"Fn::Sub": KEY_PAIR_PARAMETERS},
            {"Fn::Sub": KEY_PAIR_SECRETS},
            {"Fn::Sub": "${LargeBodyBucket.Arn}/*"},
            {"Fn::Sub": ARCHIVED_LETTERS},
        ]
        named.append(FEED_LETTERS)
        single = all(set(resource) == {"Fn::GetAtt"} or resource in named for resource in resources)
        found += problems(
            (statement["Effect"] == "Allow", f"{name}: {statement['Sid']}"),
            (
                not any("*" in action for action in listed(statement["Action"])),
                f"{name}: {statement['Sid']}: any action",
            ),
            (single, f"{name}: {statement['Sid']}: not a single resource"),
        )
    roles = of_type(template, "AWS::IAM::Role")
    managed = [name for name, role in roles.items() if "ManagedPolicyArns" in role and name not in RELEASES]
    unbound = [name for name, function in functions(template).items() if "Role" not in function]
    return found + managed + unbound


def policies_allow_what_the_code_does_and_no_more(template: Node) -> list[str]:
    """The roles of the archive and of a release have checks of their own, which name everything that they may do."""
    checked_apart = {ROLE, *RELEASES}
    statements = [it for name, it in _statements(template) if it["Sid"] != NETWORK and name not in checked_apart]
    granted = {action for statement in statements for action in listed(statement["Action"])}
    granted -= {"kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents"}
    received = [f"{role} lacks {action}" for role in RECEIVERS for action in POLLER - _actions_of(template, role)]
    return sorted(granted ^ (_called_actions() - OPERATOR | POLLER | {SEES_WHAT_IS_MISSING})) + received


def _actions_of(template: Node, role: str) -> set[str]:
    return {action for name, it in _statements(template) if name == role for action in listed(it["Action"])}


def the_handler_sends_to_every_queue(template: Node) -> list[str]:
    sent = {resource for name, statement in _statements(template) if name == "HandlerRole"
            and "sqs:SendMessage" in listed(statement["Action"]) for resource in references(statement)}  # fmt: skip
    return sorted(sent ^ (set(queues(template)) - {"BulkQueue", "FeedDeadLetterQueue"}))


def the_worker_does_with_the_ledger_what_the_code_does(template: Node) -> list[str]:
    """A condition of a write needs no further action."""
    allowed = {action for name, statement in _statements(template) if name == "WorkerRole"
               and "LedgerTable" in references(statement) for action in listed(statement["Action"])}  # fmt: skip
    code = "".join((_TABLES / f"{name}.py").read_text() for name in ("entries", "ledger", "outages", "forwarding"))
    calls = re.findall(r"_dynamodb\.([a-z_]+)\(", code)
    called = {f"dynamodb:{''.join(word.capitalize() for word in call.split('_'))}" for call in calls}
    return sorted(allowed ^ called)


_TABLES = ROOT / "src" / "mparticle_firehose" / "tables"


def the_key_is_allowed_only_when_there_is_one(template: Node) -> list[str]:
    found = []
    for name, role in of_type(template, "AWS::IAM::Role").items():
        if name in RELEASES:
            continue
        for entry in statements_of(role):
            uses_key = "KmsKeyArn" in references(entry)
            conditional = entry.get("Fn::If", [None])[0] == "HasKmsKey"
            found += problems((uses_key == conditional, f"{name}: {entry}"))
        found += problems(("KmsKeyArn" in references(role), f"{name}: may not use the key"))
    return found


def what_is_under_a_previous_key_can_be_read(template: Node) -> list[str]:
    """By all functions, and not written: that is what the present key is for."""
    given = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": {"Ref": "PreviousKmsKeyArns"}}
    readers = [
        (role, condition)
        for role, condition, statement in conditional_statements(template)
        if {key: value for key, value in statement.items() if key != "Sid"} == given
    ]
    wanted = [(role, "HasPreviousKmsKeys") for role in ("HandlerRole", "WorkerRole", "FeedRole", ROLE)]
    parameter, one = (template["Parameters"][name] for name in ("PreviousKmsKeyArns", "KmsKeyArn"))
    first: Node = {"Fn::Select": [0, {"Ref": "PreviousKmsKeyArns"}]}
    return problems(
        (readers == wanted, f"{readers} may read what is under them"),
        (
            (parameter["Type"], parameter["Default"]) == ("CommaDelimitedList", "none"),
            "no list, or not none by default",
        ),
        (parameter.get("AllowedPattern") == one["AllowedPattern"], "it accepts other keys than KmsKeyArn"),
        (
            template["Conditions"]["HasPreviousKmsKeys"] == {"Fn::Not": [{"Fn::Equals": [first, "none"]}]},
            "another condition",
        ),
    )


def _statements(template: Node) -> Iterator[tuple[str, Node]]:
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for entry in statements_of(role):
            yield name, entry["Fn::If"][1] if "Fn::If" in entry else entry


@cache
def _called_actions() -> set[str]:
    """Return the IAM actions of every call to AWS in the code; a batch call to SQS needs the single one's."""
    calls = set(re.findall(rf"\b({'|'.join(_CLIENTS)})\.(?!token_)([a-z]+_[a-z_]+)\(", sources()))
    named = {(_CLIENTS[client], "".join(word.capitalize() for word in call.split("_"))) for client, call in calls}
    actions = {f"{service}:{name.removesuffix('Batch') if service == 'sqs' else name}" for service, name in named}
    return {_OTHER_NAMES.get(action, action) for action in actions}


_OTHER_NAMES = {"s3:ListObjectsV2": SEES_WHAT_IS_MISSING}
"""Calls whose permission is not called like them."""

_CLIENTS = {"_sqs": "sqs", "_s3": "s3", "_dynamodb": "dynamodb", "ssm": "ssm", "secrets": "secretsmanager"}
"""Names of clients in the code. `secrets` is also a standard module, of which the code uses only token_ functions."""


# --- encryption and retention ---------------------------------------------------------------------------------------


def everything_is_encrypted_with_the_given_key(template: Node) -> list[str]:
    unset: Node = {"Ref": "AWS::NoValue"}
    key = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, unset]}
    found = problems((template["Globals"]["Function"].get("KmsKeyArn") == key, "the functions"))
    for name, queue in queues(template).items():
        either = (queue.get("KmsMasterKeyId"), queue.get("SqsManagedSseEnabled"))
        found += problems((either == (key, {"Fn::If": ["HasKmsKey", False, True]}), name))
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        given = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}}
        found += problems((table.get("SSESpecification") == {"Fn::If": ["HasKmsKey", given, unset]}, name))
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "KmsKeyArn"}}
        (rule,) = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])
        condition, with_key, without = rule.get("Fn::If", ["", {}, {}])
        found += problems(
            (condition == "HasKmsKey" and with_key.get("ServerSideEncryptionByDefault") == by_key, name),
            (without.get("ServerSideEncryptionByDefault") == {"SSEAlgorithm": "AES256"}, f"{name} without a key"),
        )
    for name, secret in of_type(template, "AWS::SecretsManager::Secret").items():
        found += problems((secret.get("KmsKeyId") == key, name))
    groups = of_type(template, "AWS::Logs::LogGroup")
    return found + [name for name, group in groups.items() if group.get("KmsKeyId") != key]


def the_bucket_is_private_and_keeps_a_body_as_long_as_a_message_may_refer_to_it(template: Node) -> list[str]:
    """A message is queued ten days, dead-lettered fourteen, and its letter archived. A redriven one has a copy."""
    ((name, bucket),) = of_type(template, "AWS::S3::Bucket").items()
    (policy,) = of_type(template, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    access = bucket.get("PublicAccessBlockConfiguration", {})
    arn = {"Fn::GetAtt": [name, "Arn"]}
    return problems(
        (all(access.get(setting) is True for setting in blocked), "may be public"),
        (bucket.get("OwnershipControls") == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, "has ACLs"),
        ("VersioningConfiguration" not in bucket, "keeps what was purged"),
        (rule["Status"] == "Enabled" and rule["ExpirationInDays"] >= 10 + 14 + ARCHIVE_DAYS, "deletes too early"),
        (rule["ExpirationInDays"] <= 60 and "Prefix" not in rule, "keeps personal data too long"),
        (
            statement["Effect"] == "Deny"
            and statement["Principal"] == statement["Action"].removeprefix("s3:") == "*"
            and statement["Resource"] == [arn, {"Fn::Sub": f"${{{name}.Arn}}/*"}]
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}},
            "is open without TLS",
        ),
    )


def what_is_acknowledged_outlives_the_stack(template: Node) -> list[str]:
    """Queues and tables, whatever their names: a deletion of the stack or a replacement must not delete work."""
    kept = [name for name, entry in template["Resources"].items() if entry["Type"] in KEEPS_WORK]
    policies = ("DeletionPolicy", "UpdateReplacePolicy")
    lost = [
        (name, policy) for name in kept for policy in policies if template["Resources"][name].get(policy) != "Retain"
    ]
    return [f"{name}: {policy}" for name, policy in lost]


def tables_have_a_time_to_live_and_the_ledger_can_be_restored(template: Node) -> list[str]:
    """A suspension lasts fifteen minutes, and the next refused call writes it again."""
    wanted = {
        "BillingMode": "PAY_PER_REQUEST",
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
    }
    tables = of_type(template, "AWS::DynamoDB::Table")
    restored = {name: table.get("PointInTimeRecoverySpecification") for name, table in tables.items()}
    found = [f"{name}: {key}" for name, table in tables.items() for key in wanted if table.get(key) != wanted[key]]
    return found + problems(
        (restored == {"SuspensionTable": None, "LedgerTable": {"PointInTimeRecoveryEnabled": True}}, f"{restored}")
    )


def each_function_and_the_http_api_has_a_log_group_with_a_retention(template: Node) -> list[str]:
    groups = {group["LogGroupName"]["Fn::Sub"]: group for group in of_type(template, "AWS::Logs::LogGroup").values()}
    named = {f"/aws/lambda/{function['FunctionName']['Fn::Sub']}" for function in functions(template).values()}
    named |= {"/aws/vendedlogs/${AWS::StackName}-http"}
    lasting = [name for name, group in groups.items() if group.get("RetentionInDays") != {"Ref": "LogRetentionDays"}]
    return sorted(named ^ set(groups)) + lasting


CHECKS: tuple[Check, ...] = (
    only_accounts_of_mparticle_may_invoke_and_only_the_alias,
    policies_name_single_actions_and_single_resources,
    policies_allow_what_the_code_does_and_no_more,
    the_handler_sends_to_every_queue,
    the_worker_does_with_the_ledger_what_the_code_does,
    the_key_is_allowed_only_when_there_is_one,
    what_is_under_a_previous_key_can_be_read,
    everything_is_encrypted_with_the_given_key,
    the_bucket_is_private_and_keeps_a_body_as_long_as_a_message_may_refer_to_it,
    what_is_acknowledged_outlives_the_stack,
    tables_have_a_time_to_live_and_the_ledger_can_be_restored,
    each_function_and_the_http_api_has_a_log_group_with_a_retention,
)
