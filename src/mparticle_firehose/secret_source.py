"""Reads a text where a deployment keeps its secrets: an SSM SecureString or a secret of Secrets Manager.

boto3 directly, and not Powertools' parameters utility: that is this one call behind a cache which can neither outlive
an outage nor look again, but not too often, when a secret seems to be out of date.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mparticle_firehose.errors import FirehoseError

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

_GONE = frozenset({"ParameterNotFound", "ResourceNotFoundException", "InvalidRequestException"})
"""Errors of a source that was deleted; the last one of a source that is scheduled for deletion."""


class SecretSourceError(FirehoseError):
    """The source cannot be read; the message names the service's error."""


class SecretGoneError(SecretSourceError):
    """There is no such source, or not for much longer."""


class SecretSourceUnreachableError(SecretSourceError):
    """The service could not be asked: it does not answer, and will not for its other secrets."""


def parameter_text(ssm: "SSMClient", name: str) -> str:
    """Return a parameter's text, decrypted.

    Raises:
        SecretGoneError: there is none.
        SecretSourceError: it cannot be read.
    """
    return _read(lambda: ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def secret_text(secrets: "SecretsManagerClient", arn: str) -> str:
    """Return a secret's text, an empty one if it is binary.

    Raises:
        SecretGoneError: there is none, or not for much longer.
        SecretSourceError: it cannot be read.
    """
    return _read(lambda: secrets.get_secret_value(SecretId=arn).get("SecretString", ""))


def _read(read: Callable[[], str]) -> str:
    # Whoever has a client has loaded botocore; whoever calls the partner without a secret needs none of it.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        return read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        kind = SecretGoneError if code in _GONE else SecretSourceError
        raise kind(f"the source answers {code}") from None
    except BotoCoreError as error:
        raise SecretSourceUnreachableError(f"the source cannot be read: {type(error).__name__}") from None
