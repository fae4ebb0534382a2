"""What a customer enters, how it becomes a target, and what all of HubSpot's answers have in common."""

from collections.abc import Mapping

from mparticle_firehose.integration import Answer, DeploymentSecret, JsonValue, OAuth2, Retry, Target, header_setting
from mparticle_firehose.protocol import Account

REFRESH_TOKEN = "refreshToken"  # noqa: S105 - the setting's id
HUB_ID = "hubId"
PROPERTIES = "contactProperties"
SITES = {"hubspot": "https://api.hubapi.com"}
VERSION = "2026-03"  # of all paths: HubSpot calls v3 legacy, and dated versions have a promised end

_STANDARD = {"$firstname": "firstname", "$lastname": "lastname", "$city": "city", "$zip": "zip", "$country": "country"}
_POLICY_SECONDS = {"SECONDLY": 1, "TEN_SECONDLY_ROLLING": 10, "DAILY": 12 * 3600}


def target(account: Account, **parameters: str) -> Target:
    """Return a customer's access to HubSpot, with what the calls need beside it.

    Raises:
        SettingError: the refresh token is missing or unusable.
    """
    access = OAuth2.refresh_token(
        header_setting(account, REFRESH_TOKEN),
        site="hubspot",
        path=f"/oauth/{VERSION}/token",
        client_id=DeploymentSecret("client_id"),
        client_secret=DeploymentSecret("client_secret"),
    )
    return Target(site="hubspot", auth=access, parameters=parameters)


def properties(account: Account, attributes: Mapping[str, JsonValue]) -> dict[str, str]:
    """Return the standard properties and those that the customer has listed: an unknown one refuses a whole call."""
    listed = {name.strip(): name.strip() for name in (account.string_setting(PROPERTIES) or "").split(",")}
    named = {_STANDARD.get(name.lower()) or listed.get(name): value for name, value in attributes.items()}
    return {name: as_text(value) for name, value in named.items() if name}


def as_text(value: JsonValue) -> str:
    """Return a value as HubSpot wants all of them: an empty text clears, and semicolons separate choices."""
    if isinstance(value, list | tuple):
        return ";".join(map(as_text, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def wait(_bodies: object, answer: Answer) -> Retry | None:
    """Read how long HubSpot wants to be left alone; None leaves all other answers to the table."""
    match answer.status:
        case 429 if seconds := _POLICY_SECONDS.get(answer.text("policyName")):
            return Retry("http_429", seconds)
        case 423:  # locked for two seconds, by many upserts
            return Retry("http_423", 2)
        case 477:  # the account is being moved, for up to a day
            return Retry("http_477", answer.wait("Retry-After"))
    return None
