"""What the commands' options have in common."""

import argparse
import re
from collections.abc import Sequence

_OPTION = re.compile(r"(--[a-z-]+)(=.*)?", re.DOTALL)
_AWS_ACCOUNT = re.compile(r"[0-9]{12}")


def positive(text: str) -> int:
    """Return a whole number from 1 on.

    Raises:
        argparse.ArgumentTypeError: the text is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a whole number, 1 or more")
    return int(text)


def natural(text: str) -> int:
    """Return a whole number from 0 on.

    Raises:
        argparse.ArgumentTypeError: the text is none.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("write a whole number, 0 or more")
    return int(text)


def aws_account(text: str) -> str:
    """Return the id of an AWS account.

    Raises:
        argparse.ArgumentTypeError: the text is none.
    """
    if not _AWS_ACCOUNT.fullmatch(text):
        raise argparse.ArgumentTypeError("write the twelve digits of an AWS account")
    return text


def add_stack_options(group: "argparse._ArgumentGroup") -> None:
    """Add the options that say which stack is meant, and how to reach it."""
    group.add_argument("--stack", default="mparticle-firehose", help="the deployed stack (default: %(default)s)")
    group.add_argument("--region", help="the AWS region (default: AWS_REGION or your AWS configuration)")
    group.add_argument("--profile", help="the AWS profile (default: AWS_PROFILE)")
    group.add_argument("--endpoint-url", metavar="URL", help="a local cloud instead of AWS (default: AWS_ENDPOINT_URL)")


def unknown_options(arguments: Sequence[str]) -> str:
    """Return what is wrong with arguments that no command takes.

    Values are not shown, because they may be credentials, which no option takes.
    """
    options = [option.group(1) for each in arguments if (option := _OPTION.fullmatch(each))]
    named = ", ".join(options) or "their values are not shown"
    return f"unrecognized arguments: {named}. Credentials are taken from the environment only"
