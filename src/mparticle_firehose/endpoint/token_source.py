"""Reads the tokens where a deployment keeps them: an SSM SecureString or a secret of Secrets Manager.

boto3 directly, and not Powertools' parameters utility: that is this one call behind a cache which can neither outlive
an outage nor look again, but not too often, when a token is unknown.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.endpoint.errors import NoTokensError, TokensUnavailableError

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient


_GONE = frozenset({"ParameterNotFound", "ResourceNotFoundException", "InvalidRequestException"})
"""Errors of a source that was deleted; the last one of a source that is scheduled for deletion.

An operator deletes the source to revoke the tokens. AccessDenied is not among them: a mistake in a policy must not cost
mParticle's requests.
"""


def from_parameter(ssm: "SSMClient", name: str) -> str:
    """Return a parameter's text.

    Raises:
        NoTokensError: there is none.
        TokensUnavailableError: it cannot be read.
    """
    return _read(lambda: ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def from_secret(secrets: "SecretsManagerClient", arn: str) -> str:
    """Return a secret's text, none if it is binary.

    Raises:
        NoTokensError: there is none, or not for much longer.
        TokensUnavailableError: it cannot be read.
    """
    return _read(lambda: secrets.get_secret_value(SecretId=arn).get("SecretString", ""))


def from_nowhere() -> NoReturn:
    """Authorize no request, because no source is set.

    Raises:
        TokensUnavailableError: always.
    """
    raise TokensUnavailableError("HTTP_TOKEN_SOURCE is not set")


def _read(read: Callable[[], str]) -> str:
    try:
        return read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        kind = NoTokensError if code in _GONE else TokensUnavailableError
        raise kind(f"the source answers {code}") from None
    except BotoCoreError as error:
        raise TokensUnavailableError(f"the source cannot be read: {type(error).__name__}") from None
