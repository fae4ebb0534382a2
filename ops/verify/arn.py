"""Reads the ARN that mParticle was, or will be, given."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ops.stack import StackError
from ops.verify.findings import Finding, failed, ok

PODS = {"us-east-1": "US1 and US2", "eu-central-1": "EU1", "ap-southeast-2": "AU1"}
"""The regions of mParticle's pods."""

_ARN = re.compile(
    r"arn:aws[a-z-]*:lambda:([a-z0-9-]+):(\d{12}):function:([A-Za-z0-9_-]{1,64})(?::([A-Za-z0-9_$-]{1,128}))?"
)


@dataclass(frozen=True)
class FunctionArn:
    """An ARN's parts.

    Attributes:
        text: the ARN.
        region: of the function.
        name: of the function.
        qualifier: an alias, a version, or empty.
    """

    text: str
    region: str
    name: str
    qualifier: str

    @classmethod
    def read(cls, text: str) -> "FunctionArn":
        """Read an ARN.

        Raises:
            StackError: it is not one of a Lambda function.
        """
        match = _ARN.fullmatch(text)
        if not match:
            raise StackError("the target is neither the ARN of a Lambda function's alias nor an https:// URL")
        return cls(text, match.group(1), match.group(3), match.group(4) or "")


def check_arn(arn: FunctionArn) -> Iterator[Finding]:
    """Yield whether it is the ARN of an alias, in the region of a pod."""
    check = "alias"
    if not arn.qualifier or arn.qualifier == "$LATEST":
        yield failed(check, "the bare function: what you develop would go live at once. Give mParticle an alias")
    elif arn.qualifier.isdigit():
        yield failed(check, "a version: mParticle would never get a new one. Give mParticle an alias")
    else:
        yield ok(check, f"the alias {arn.qualifier}")
    yield check_region(arn.region)


def check_region(region: str) -> Finding:
    """Return whether mParticle has a pod in a region: calls to another one cross regions, which takes too long."""
    if region in PODS:
        return ok("region", f"{region}, of the pods {PODS[region]}")
    return failed("region", f"{region}: mParticle's pods are in {', '.join(PODS)}")
