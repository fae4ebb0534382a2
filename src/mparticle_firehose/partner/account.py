"""What the partner's API needs to know of the customer."""

from mparticle_firehose.protocol import Account

API_KEY = "apiKey"
"""The account setting that holds the customer's key to the partner's API."""


def credential(account: Account) -> str:
    """Return the customer's key.

    Raises:
        SettingError: the customer has not set it.
    """
    return account.string_setting(API_KEY, required=True)
