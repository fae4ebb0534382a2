"""A partner call as it is shown: what HTTP sends, with names instead of secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from local.preview.json_lines import json_lines
from local.preview.masking import Mask
from mparticle_firehose.integration import (
    Auth,
    Basic,
    Bearer,
    DeploymentSecret,
    Form,
    Header,
    Integration,
    Json,
    OAuth2,
    PartnerCall,
    Query,
    Secret,
)
from mparticle_firehose.integration.calls import Body
from mparticle_firehose.partner_api.encoding import encode

OWN_SITE = "$PARTNER_API_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCall:
    """What is sent, masked.

    Attributes:
        method: of HTTP.
        url: base URL and path; the deployment's own base URL by the name of its variable.
        site: the name of the site; empty for the deployment's own.
        query: parameters, decoded.
        headers: all but those that depend on the moment of sending.
        body: its lines.
    """

    method: str
    url: str
    site: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: tuple[str, ...]


def shown_call(integration: Integration, call: PartnerCall, mask: Mask) -> ShownCall:
    """Return what is shown of a call.

    Raises:
        UnsendableError: it has a value that HTTP or JSON cannot carry.
    """
    mask.hide(call.auth)
    request = encode(replace(call, auth=None, headers={}, query={}), _name_of)
    encode(replace(call, auth=None), _name_of)  # its headers and its query can be sent as well
    headers = _merged(dict(request.headers), _headers(call, mask))
    query = {mask.text(name): _shown(value, mask) for name, value in call.query.items()}
    return ShownCall(
        method=call.method,
        url=f"{_base_url(integration, call.site or '')}{mask.text(call.path)}",
        site=call.site or "",
        query=tuple((query | _credential_in_query(call.auth, mask)).items()),
        headers=tuple(_merged(headers, _credential(integration, call.auth, mask)).items()),
        body=tuple(_body_lines(call.body, mask)) if call.body else (),
    )


def _base_url(integration: Integration, site: str) -> str:
    return integration.sites.get(site, f"<site {site}>") if site else OWN_SITE


def _headers(call: PartnerCall, mask: Mask) -> dict[str, str]:
    return {mask.text(name): mask.header(name, value) for name, value in call.headers.items()}


def _shown(value: Secret, mask: Mask) -> str:
    return mask.name(value) if isinstance(value, DeploymentSecret) else mask.text(value)


def _name_of(secret: Secret) -> str:
    return secret if isinstance(secret, str) else f"<{secret.name}>"


def _merged(headers: dict[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Return headers with further ones, which replace those of the same name in whatever case."""
    names = {name.lower() for name in more}
    return {name: value for name, value in headers.items() if name.lower() not in names} | dict(more)


def _credential(integration: Integration, auth: Auth | None, mask: Mask) -> dict[str, str]:
    match auth:
        case Bearer(token):
            return {"Authorization": f"Bearer {mask.name(token)}"}
        case Basic(username, password):
            return {"Authorization": f"Basic {mask.name(username)}:{mask.name(password)}"}
        case Header(name, value, prefix):
            return {name: f"{prefix}{mask.name(value)}"}
        case OAuth2(site=site, path=path):
            return {"Authorization": f"Bearer <access token from {_base_url(integration, site)}{path}>"}
        case _:
            return {}


def _credential_in_query(auth: Auth | None, mask: Mask) -> dict[str, str]:
    return {auth.name: mask.name(auth.value)} if isinstance(auth, Query) else {}


def _body_lines(body: Body, mask: Mask) -> Iterator[str]:
    encoded = body.encoded()
    if isinstance(body, Form):
        fields = parse_qsl(encoded.decode(), keep_blank_values=True)
        yield from (f"{mask.text(name)}={mask.text(value)}" for name, value in fields)
    elif isinstance(body, Json):
        yield from json_lines(encoded, mask)
    else:
        for line in encoded.splitlines():
            yield from json_lines(line, mask)
