"""What a customer enters, and how it becomes a target."""

from mparticle_firehose.integration import Bearer, Target, choice_setting, header_setting
from mparticle_firehose.protocol import Account

API_KEY = "restApiKey"
INSTANCE = "instance"
APP_ID = "appId"

SITES = {
    **{f"US-0{number}": f"https://rest.iad-0{number}.braze.com" for number in range(1, 9)},
    "US-09": "https://rest.us-09.braze.com",
    "US-10": "https://rest.us-10.braze.com",
    "EU-01": "https://rest.fra-01.braze.eu",
    "EU-02": "https://rest.fra-02.braze.eu",
    "EU-03": "https://rest.fra-03.braze.eu",
    "AU-01": "https://rest.au-01.braze.com",
    "ID-01": "https://rest.id-01.braze.com",
    "JP-01": "https://rest.jp-01.braze.com",
    "KR-01": "https://rest.kr-01.braze.com",
}
"""Braze's instances. A right key at a wrong one is answered 401, which would suspend the customer."""


def target(account: Account, **parameters: str) -> Target:
    """Return a customer's access to Braze, with what the calls need beside it.

    Raises:
        SettingError: the key or the instance is missing or unusable.
    """
    site = choice_setting(account, INSTANCE, {name: name for name in SITES})
    return Target(site=site, auth=Bearer(header_setting(account, API_KEY)), parameters=parameters)
