"""What the partner's API needs to know of the customer."""

import re

from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import Auth, Bearer
from mparticle_firehose.protocol import Account

API_KEY = "apiKey"
"""The account setting that holds the customer's key to the partner's API."""


_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


def auth(account: Account) -> Auth:
    """Return the customer's key as the API wants it, without the spaces around it that pasting leaves.

    Raises:
        SettingError: the customer has not set it, or to something that no HTTP header can carry.
    """
    key = account.string_setting(API_KEY, required=True).strip()
    if not _HEADER_VALUE.fullmatch(key):
        raise SettingError(API_KEY, "must be printable ASCII characters without blanks")
    return Bearer(key)
