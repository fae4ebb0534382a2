"""What a customer enters: a region, and two credentials for two APIs on different hosts."""

from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import Basic, Bearer, Target, choice_setting, header_setting
from mparticle_firehose.protocol import Account

SITE_ID = "siteId"
TRACK_API_KEY = "trackApiKey"
APP_API_KEY = "appApiKey"
REGION = "region"

SITES = {
    "us": "https://track.customer.io",
    "eu": "https://track-eu.customer.io",
    "app-us": "https://api.customer.io",
    "app-eu": "https://api-eu.customer.io",
}
"""The hosts of the Track API and of the App API. The one of the other region would redirect, through the US."""

_REGIONS = ("us", "eu")


def track(account: Account, **parameters: str) -> Target:
    """Return the customer's access to the Track API, which takes people and events.

    Raises:
        SettingError: a setting is missing or unusable.
    """
    site = choice_setting(account, REGION, {name: name for name in _REGIONS})
    site_id = header_setting(account, SITE_ID)
    if ":" in site_id:
        raise SettingError(SITE_ID, "must not hold a colon")
    return Target(site=site, auth=Basic(site_id, header_setting(account, TRACK_API_KEY)), parameters=parameters)


def app(account: Account) -> Target:
    """Return the customer's access to the App API, which is needed only to find and make segments.

    Raises:
        SettingError: a setting is missing or unusable.
    """
    site = choice_setting(account, REGION, {name: f"app-{name}" for name in _REGIONS})
    return Target(site=site, auth=Bearer(header_setting(account, APP_API_KEY)))
