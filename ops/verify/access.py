"""Reads who may invoke the function: mParticle's accounts on the alias, and nobody else."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops.verify.arn import FunctionArn
from ops.verify.findings import Finding, failed, not_checked, ok, warning

MPARTICLE_ACCOUNTS = ("338661164609", "457804467337")
"""Those that mParticle documents for Firehose."""

CHECK, ON_FUNCTION = "who may invoke", "who may invoke all versions"
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
_INVOKING = frozenset({"*", "lambda:*", "lambda:invoke*", "lambda:invokefunction"})
_VIA_URL = "lambda:InvokedViaFunctionUrl"


@dataclass(frozen=True)
class Grant:
    """One permission to invoke.

    Attributes:
        statement: its id, for the terminal.
        principal: an account, a service or ``*``.
        is_service: whether it is a service of AWS's.
        conditions: the names of what it depends on.
    """

    statement: str
    principal: str
    is_service: bool
    conditions: frozenset[str]

    @property
    def is_of_the_endpoint(self) -> bool:
        """Whether it belongs to the HTTPS endpoint: a function URL, or API Gateway for one API only."""
        if self.principal == "*":
            return _VIA_URL.lower() in self.conditions
        return self.is_service and bool(self.conditions & {"aws:sourcearn", "aws:sourceaccount"})


def check_access(client: Any, arn: FunctionArn, accounts: Collection[str]) -> Iterator[Finding]:
    """Yield whether exactly these accounts may invoke the alias, and whether anybody may invoke every version."""
    try:
        grants = _grants(client, arn.name, arn.qualifier)
        on_function = _grants(client, arn.name, "") if arn.qualifier else []
    except ClientError as error:
        yield denied(error, CHECK, "lambda:GetPolicy")
        return
    yield _judged(grants, accounts)
    others = [each for each in _strangers(on_function, accounts) if each not in grants]
    if others:
        yield _of_strangers(ON_FUNCTION, others)


def denied(error: ClientError, check: str, permissions: str) -> Finding:
    """Return that a check needs permissions which the caller lacks, if that is what AWS says.

    Raises:
        ClientError: it is another error.
    """
    if error.response["Error"].get("Code") not in _DENIED:
        raise error
    return not_checked(check, f"needs {permissions}")


def _judged(grants: Sequence[Grant], accounts: Collection[str]) -> Finding:
    if strangers := _strangers(grants, accounts):
        return _of_strangers(CHECK, strangers)
    missing = sorted(set(accounts) - {each.principal for each in grants})
    if missing:
        return failed(CHECK, f"mParticle's account {', '.join(missing)} may not invoke it")
    conditional = sorted({each.principal for each in grants if each.principal in accounts and each.conditions})
    if conditional:
        return warning(CHECK, f"{', '.join(conditional)} only under conditions, which mParticle may not meet")
    endpoint = ", and the HTTPS endpoint" if any(each.is_of_the_endpoint for each in grants) else ""
    return ok(CHECK, f"mParticle's accounts {', '.join(sorted(accounts))}{endpoint}; nobody else")


def _strangers(grants: Iterable[Grant], accounts: Collection[str]) -> list[Grant]:
    return [each for each in grants if each.principal not in accounts and not each.is_of_the_endpoint]


def _of_strangers(check: str, strangers: Sequence[Grant]) -> Finding:
    private = "; ".join(f"{each.principal} by statement {each.statement}" for each in strangers)
    if any(each.principal == "*" for each in strangers):
        return failed(check, "an open door: every AWS account may invoke it", private)
    services = [each for each in strangers if each.is_service]
    what = "a service for any account's resources" if services else "an account that is not mParticle's"
    return failed(check, f"an open door: {what} may invoke it", private)


def _grants(client: Any, name: str, qualifier: str) -> list[Grant]:
    options = {"FunctionName": name, **({"Qualifier": qualifier} if qualifier else {})}
    try:
        policy = json.loads(client.get_policy(**options)["Policy"])
    except ClientError as error:
        if error.response["Error"].get("Code") == "ResourceNotFoundException":
            return []
        raise
    return [grant for statement in _list(policy.get("Statement")) for grant in _of_statement(statement)]


def _of_statement(statement: Mapping[str, Any]) -> Iterator[Grant]:
    actions = {str(each).lower() for each in _list(statement.get("Action"))}
    if statement.get("Effect") != "Allow" or not actions & _INVOKING:
        return
    conditions = frozenset(str(key).lower() for each in (statement.get("Condition") or {}).values() for key in each)
    principals = statement.get("Principal")
    groups = principals if isinstance(principals, dict) else {"AWS": principals}
    for kind, values in groups.items():
        for value in _list(values):
            yield Grant(str(statement.get("Sid")), _account(str(value)), kind == "Service", conditions)


def _account(principal: str) -> str:
    """Return the account of ``arn:aws:iam::123456789012:root``, and everything else as it is.

    A role or a user of an account is not the whole account.
    """
    parts = principal.split(":")
    return parts[4] if parts[0] == "arn" and parts[-1] == "root" else principal


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
