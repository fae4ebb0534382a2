"""Reads the tokens where the deployment keeps them, and says in the endpoint's errors why it cannot."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from mparticle_firehose.endpoint.errors import NoTokensError, TokensUnavailableError
from mparticle_firehose.secret_source import SecretGoneError, SecretSourceError, parameter_text, secret_text

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient


def from_parameter(ssm: "SSMClient", name: str) -> str:
    """Return a parameter's text.

    Raises:
        NoTokensError: there is none.
        TokensUnavailableError: it cannot be read.
    """
    return _read(lambda: parameter_text(ssm, name))


def from_secret(secrets: "SecretsManagerClient", arn: str) -> str:
    """Return a secret's text, none if it is binary.

    Raises:
        NoTokensError: there is none, or not for much longer.
        TokensUnavailableError: it cannot be read.
    """
    return _read(lambda: secret_text(secrets, arn))


def from_nowhere() -> NoReturn:
    """Authorize no request, because no source is set.

    Raises:
        TokensUnavailableError: always.
    """
    raise TokensUnavailableError("HTTP_TOKEN_SOURCE is not set")


def _read(read: Callable[[], str]) -> str:
    """Read the source.

    An operator deletes it to revoke the tokens. Access that is denied means no more than that it cannot be read: a
    mistake in a policy must not cost mParticle's requests.
    """
    try:
        return read()
    except SecretGoneError as error:
        raise NoTokensError(str(error)) from None
    except SecretSourceError as error:
        raise TokensUnavailableError(str(error)) from None
