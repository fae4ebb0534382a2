"""mParticle's token endpoint and the readable part of its Platform API."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from local.partner.contract import ContractError, SecurityScheme
from local.partner.listener import ReceivedRequest, Reply

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
BASE = "/v1"
LIFETIME_SECONDS = 28_800
_AUDIENCE = "https://api.mparticle.com"
_BEARER = SecurityScheme("Authorization", "Bearer")
_SETTING_LISTS = ("account_settings", "event_connection_settings")


@dataclass(frozen=True)
class Resource:
    """What one path answers.

    Attributes:
        data: its JSON. Never shown.
        data_type: as the envelope names it.
        envelope: the name of that field, which differs between resources; empty for an answer without an envelope.
    """

    data: object = field(repr=False)
    data_type: str = ""
    envelope: Literal["dataType", "data_type", ""] = "dataType"

    def body(self) -> object:
        """Return the JSON of the answer."""
        return {"data": self.data, self.envelope: self.data_type, "errors": None} if self.envelope else self.data


class TokenRequest:
    """A valid request for a token."""


@dataclass
class FakePlatform:
    """The token endpoint and the Platform API.

    Attributes:
        client_id: of the credential.
        client_secret: of the credential. Never shown.
        account_id: the account that the credential may read.
        resources: what is answered, by path below the base.
        clock: seconds; tokens expire by it.
        tokens: how many tokens have been issued.
    """

    client_id: str = "fake-client-id"
    client_secret: str = field(default="fake-client-secret", repr=False)
    account_id: str = "4242"
    resources: dict[str, Resource] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    tokens: int = 0
    _valid: dict[str, float] = field(default_factory=dict, repr=False)

    def expire_tokens(self) -> None:
        """Refuse all tokens that have been issued so far."""
        self._valid.clear()

    def check_token_request(self, request: ReceivedRequest) -> TokenRequest:
        """Check a request for a token.

        Raises:
            ContractError: it is refused.
        """
        if request.method != "POST":
            raise ContractError(405, "method: must be POST")
        match request.body:
            case {"client_id": client_id, "client_secret": secret, "audience": audience, "grant_type": grant, **rest}:
                known = (self.client_id, self.client_secret)
            case _:
                raise ContractError(400, "body: must have client_id, client_secret, audience and grant_type")
        if (audience, grant, rest) != (_AUDIENCE, "client_credentials", {}):
            raise ContractError(400, "body: must ask for the Platform API with client_credentials")
        if (client_id, secret) != known:
            raise ContractError(403, "client_id: is not valid")
        return TokenRequest()

    def issue(self) -> Reply:
        """Answer with a new token."""
        self.tokens += 1
        token = f"fake-access-token-{self.tokens}"
        self._valid[token] = self.clock() + LIFETIME_SECONDS
        return Reply(200, {"access_token": token, "expires_in": LIFETIME_SECONDS, "token_type": "Bearer"})

    def check(self, request: ReceivedRequest) -> Resource:
        """Return what a request asks for.

        Raises:
            ContractError: it is refused.
        """
        parts = urlsplit(request.path)
        if request.method != "GET":
            raise ContractError(405, "method: must be GET")
        if self._valid.get(_BEARER.credentials(request.headers), 0.0) <= self.clock():
            raise ContractError(401, "Authorization: is not valid")
        account_ids = parse_qs(parts.query).get("accountId")
        if account_ids is None:
            raise ContractError(401, "accountId: is required")
        resource = self.resources.get(unquote(parts.path).removeprefix(BASE))
        if resource is None or account_ids != [self.account_id]:
            raise ContractError(404, "path: there is no such entity")
        return resource


def resources_of(registration: Mapping[str, Any], workspace: str = "77") -> dict[str, Resource]:
    """Return the resources of an account in which a module is visible as registered, configured and connected.

    Spellings differ between the resources as they do in mParticle's documentation: ids are numbers or text, audiences
    come without an envelope, times without a zone.
    """
    name = registration["name"]
    service = {"name": name, "settings": _service_settings(registration)}
    output = {"provider_name": name, "configurations": [{"name": "canary-configuration"}]}
    other_output = {"provider_name": "Another Module", "configurations": []}
    audiences = [
        {
            "id": 1001,
            "name": "canary-audience",
            "external_name": "canary-external",
            "size": 1520,
            "status": "Ready",
            "is_calculated": True,
            "added_last_24_hours": 12,
            "dropped_last_24_hours": 3,
            "workspaces": [{"id": int(workspace), "name": "canary-workspace"}],
            "connected_outputs": [output, other_output],
            "created_on": "2014-11-14T22:46:38.673",
        },
        {"id": "1002", "name": "canary-unconnected", "size": 7, "status": "Ready", "connected_outputs": [other_output]},
    ]
    feed = {
        "id": 501,
        "name": "canary-feed",
        "module_name": name,
        "os": "Unknown",
        "is_debug": True,
        "settings": None,
        "created_on": "2014-11-14T22:46:38.673",
    }
    connected = {
        "account": "Default Account",
        "name": name,
        "isActive": True,
        "isVisible": True,
        "settings": [{"name": each["name"], "value": "********"} for each in service["settings"]],
    }
    return {
        "/workspace": Resource([{"id": workspace, "name": "canary-workspace"}], "Workspace"),
        "/services": Resource([{"name": "Another Module", "settings": []}, service], "Service"),
        f"/services/{name}": Resource([service], "Service"),
        f"/workspace/{workspace}/{name}/serviceconfigurations": Resource(
            [{"id": "4302", "name": "canary-configuration"}], "Service Configuration"
        ),
        "/apps/9/platforms/iOS/services": Resource([connected], "App Platform Service"),
        "/audiences": Resource(audiences, envelope=""),
        f"/workspace/{workspace}/audiences": Resource(audiences, envelope=""),
        f"/workspace/{workspace}/partnerfeeds": Resource([feed], "Partner Feed", "data_type"),
        "/partnerfeeds/501": Resource(feed, "partner_feed", "data_type"),
    }


def _service_settings(registration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the settings that a customer enters, as the resource of services lists them."""
    found: dict[str, dict[str, Any]] = {}
    for part in registration.values():
        for setting in (setting for name in _SETTING_LISTS for setting in _settings(part, name) if setting["visible"]):
            found[setting["id"]] = {
                "name": setting["name"],
                "is_required": setting.get("required", False),
                "description": setting["description"],
                "type": setting["type"],
            }
    return list(found.values())


def _settings(part: object, name: str) -> list[dict[str, Any]]:
    found = part.get(name) if isinstance(part, Mapping) else None
    return found if isinstance(found, list) else []
