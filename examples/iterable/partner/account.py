"""What a customer enters, and by which identity Iterable knows a user of theirs."""

from collections.abc import Iterable

from mparticle_firehose.integration import (
    Header,
    JsonObject,
    JsonValue,
    Target,
    choice_setting,
    header_setting,
    identity,
)
from mparticle_firehose.protocol import Account, UserIdentity, UserIdentityType

API_KEY, DATA_CENTER, PROJECT_TYPE = "apiKey", "dataCenter", "projectType"
PUSH_APPS = {"APNS": "iosPushApp", "APNS_SANDBOX": "iosSandboxPushApp", "GCM": "androidPushApp"}
"""The setting that names the push application of each of Iterable's platforms."""

SITES = {"us": "https://api.iterable.com", "eu": "https://api.eu.iterable.com"}
PROJECT_TYPES = {"email": ("email",), "userId": ("userId",), "hybrid": ("userId", "email")}
"""The fields that identify a user in a project of each type; the first that a user has counts."""

NO_PERSON = "the user has no unhashed identity of the kind that the Iterable project goes by"
KINDS = {"email": UserIdentityType.EMAIL, "userId": UserIdentityType.CUSTOMER}
_RESERVED = {"$firstname": "firstName", "$lastname": "lastName", "$mobile": "phoneNumber"}


def target(account: Account, **parameters: str) -> Target:
    """Return the customer's access. Raises SettingError for a setting that is missing or unusable."""
    site = choice_setting(account, DATA_CENTER, {name: name for name in SITES})
    return Target(site=site, auth=Header("Api-Key", header_setting(account, API_KEY)), parameters=parameters)


def person(account: Account, identities: Iterable[UserIdentity]) -> JsonObject | None:
    """Return the one field by which the customer's project knows a user; None if the user lacks it."""
    fields = choice_setting(account, PROJECT_TYPE, PROJECT_TYPES)
    values = [(field, (identity(identities, KINDS[field]) or "").strip()) for field in fields]
    return next(({field: value} for field, value in values if value), None)


def creatable(user: JsonObject) -> JsonObject:
    """Return the user for a call that may create one: by user id only if it says so."""
    return {**user, "preferUserId": True} if "userId" in user else user


def who(body: JsonObject) -> str:
    """Return whom a body is about. Iterable compares addresses in lower case."""
    return f"email {str(body['email']).lower()}" if "email" in body else f"userId {body.get('userId')}"


def data_fields(attributes: JsonObject) -> dict[str, JsonValue]:
    """Return mParticle's attributes under Iterable's names; a phone number as digits and a plus."""
    fields = {_RESERVED.get(name.lower(), name.removeprefix("$")): value for name, value in attributes.items()}
    phone = fields.get("phoneNumber")
    digits = "".join(each for each in phone if each in "+0123456789") if isinstance(phone, str) else phone
    return {**fields, "phoneNumber": digits} if "phoneNumber" in fields else fields
