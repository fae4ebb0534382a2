"""What the partner's API needs to know of the customer."""

from mparticle_firehose.integration import Bearer, Target, header_setting
from mparticle_firehose.protocol import Account

API_KEY = "apiKey"
"""The account setting that holds the customer's key to the partner's API."""


def target(account: Account, /, **parameters: str) -> Target:
    """Return the customer's access to the API, and what else a call is about.

    Raises:
        SettingError: the customer has not set the key, or to something that no HTTP header can carry.
    """
    return Target(auth=Bearer(header_setting(account, API_KEY)), parameters=parameters)
