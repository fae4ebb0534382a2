"""How a call shows the partner's API whose it is."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from mparticle_firehose.errors import IntegrationError

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_FIELDS = frozenset({"assertion", "client_secret", "password", "refresh_token"})
_RESERVED = frozenset(
    {"connection", "content-length", "correlation-id", "host", "idempotency-key", "transfer-encoding", "user-agent"}
)


@dataclass(frozen=True, slots=True)
class DeploymentSecret:
    """A secret of the deployment, such as an OAuth client secret: the same for all customers, and not in the code.

    The framework reads it from the deployment's secret, a JSON object in Secrets Manager or SSM, when a call needs it.
    It may stand wherever a call carries text: in an auth value, a header, the query, a form field, or a JSON body. The
    integration never sees it. While it cannot be read, calls wait; no customer is suspended for it.

    Attributes:
        name: of the field in the JSON object.
    """

    name: str


type Secret = str | DeploymentSecret


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer <token>`` (RFC 6750).

    Attributes:
        token: printable ASCII without spaces. Never shown.
    """

    token: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Basic:
    """``Authorization: Basic <base64>`` (RFC 7617), in UTF-8.

    Attributes:
        username: without a colon. Never shown: some APIs put a key here.
        password: may be empty. Never shown.
    """

    username: Secret = field(repr=False)
    password: Secret = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the partner's own, such as ``Api-Key: <key>``.

    Attributes:
        name: of the header.
        value: printable ASCII. Never shown.
        prefix: what stands before the value, with its space, such as ``Klaviyo-API-Key``.
    """

    name: str
    value: Secret = field(repr=False)
    prefix: str = ""

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            IntegrationError: it is not the name of a header, or of one that the framework sets.
        """
        check_header_names([self.name])


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the query, for APIs that take no header. Query strings end up in logs: prefer any other.

    Attributes:
        name: of the parameter.
        value: never shown.
    """

    name: str
    value: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class InBody:
    """A credential that the endpoint's own `call` puts into the body, such as Amplitude's ``api_key``.

    It adds nothing to the request, but tells the framework whose call it is: a refused credential is put aside for its
    customer alone.

    Attributes:
        key: never shown.
        secret: a second part, such as what a form is signed with. Never shown.
    """

    key: str = field(repr=False)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """``Authorization: Bearer <access token>``, with a token that the framework gets, keeps and renews.

    It is kept for each credential until shortly before it expires, and renewed once after a 401. A second 401 suspends
    the customer. Use `refresh_token` or `client_credentials` to make one.

    Attributes:
        site: of the token endpoint, as in `Integration.sites`.
        path: of the token endpoint.
        form: the fields of the token request (RFC 6749). Never shown.
        client: sends the client's id and secret as Basic auth instead of form fields. Never shown.
        customers_fault: values of ``error`` in the token endpoint's answer which mean that the customer's own
            credential is dead. All others are the deployment's fault: the calls wait, and no customer is suspended.
    """

    site: str
    path: str
    form: tuple[tuple[str, Secret], ...] = field(repr=False)
    client: Basic | None = field(default=None, repr=False)
    customers_fault: frozenset[str] = frozenset({"invalid_grant"})

    @classmethod
    def refresh_token(
        cls,
        refresh_token: str,
        *,
        path: str,
        client_id: Secret,
        client_secret: Secret,
        site: str = "",
        more: Mapping[str, Secret] | None = None,
    ) -> Self:
        """Return the auth of a customer who has granted access once (RFC 6749, section 6).

        Args:
            refresh_token: the customer's. It must stay valid after its use: a new one cannot be stored at mParticle.
            path: of the token endpoint.
            client_id: of the partner's app, mostly of the deployment.
            client_secret: of the partner's app, mostly a DeploymentSecret.
            site: of the token endpoint.
            more: further form fields, such as a scope.
        """
        fields = {"refresh_token": refresh_token, "client_id": client_id, "client_secret": client_secret}
        return cls(site=site, path=path, form=_form("refresh_token", {**fields, **(more or {})}))

    @classmethod
    def client_credentials(
        cls,
        *,
        path: str,
        client_id: Secret,
        client_secret: Secret,
        site: str = "",
        more: Mapping[str, Secret] | None = None,
    ) -> Self:
        """Return the auth of a client that acts for itself (RFC 6749, section 4.4).

        If the client's secret is the customer's own, ``invalid_client`` suspends the customer.

        Args:
            path: of the token endpoint.
            client_id: the customer's, or the deployment's.
            client_secret: the customer's, or a DeploymentSecret.
            site: of the token endpoint.
            more: further form fields, such as a scope.
        """
        fields = {"client_id": client_id, "client_secret": client_secret}
        faults = {"invalid_grant", "invalid_client"} if isinstance(client_secret, str) else {"invalid_grant"}
        form = _form("client_credentials", {**fields, **(more or {})})
        return cls(site=site, path=path, form=form, customers_fault=frozenset(faults))


type Auth = Bearer | Basic | Header | Query | InBody | OAuth2


def belongs_to_deployment(auth: Auth | None) -> bool:
    """Return whether a credential has secrets of the deployment only: if it is refused, no customer is at fault."""
    secrets = [secret for secret in secrets_of(auth) if secret != ""]
    return bool(secrets) and all(isinstance(secret, DeploymentSecret) for secret in secrets)


def secrets_of(auth: Auth | None) -> list[Secret]:
    """Return the parts of a credential by which a call may be refused."""
    match auth:
        case Bearer(token):
            return [token]
        case Basic(username, password):
            return [username, password]
        case Header(value=value) | Query(value=value):
            return [value]
        case InBody(key, secret):
            return [key, secret]
        case OAuth2(form=form, client=client):
            return [*(value for name, value in form if name in _SECRET_FIELDS), *([client.password] if client else [])]
        case _:
            return []


def basic_credentials(username: str, password: str) -> str:
    """Return what follows ``Basic`` in the header.

    Raises:
        ValueError: a text has characters that UTF-8 cannot express.
    """
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def check_header_names(names: Iterable[str]) -> None:
    """Check names of headers.

    Raises:
        IntegrationError: one is not the name of a header, or of one that the framework sets.
    """
    for name in names:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED:
            raise IntegrationError("header_name", f"{name!r} must be a header that the framework does not set")


def _form(grant: str, fields: Mapping[str, Secret]) -> tuple[tuple[str, Secret], ...]:
    return (("grant_type", grant), *fields.items())
