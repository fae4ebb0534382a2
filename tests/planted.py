"""How planted secrets, personal values and customers' names are told from everything else, and how to plant them."""

from collections.abc import Mapping
from typing import Any

CANARY = "canary-"
"""What every secret and every personal value in a request of ours begins with, or is marked by."""

_TEXT, _LIST = "canary-pii-planted", ["canary-pii-planted"]

READABLE: Mapping[str, Any] = {
    "account_settings": _TEXT,
    "added": _TEXT,
    "apple_search_ads_attribution": {"canary-name-inner": _TEXT},
    "attributes": _TEXT,
    "audience_subscription_settings": _TEXT,
    "ccpa_consent_state": {"consented": True, "document": _TEXT},
    "custom_flags": _TEXT,
    "gdpr_consent_state": {"consented": True, "document": _TEXT},
    "integration_attributes": _TEXT,
    "previous_audience_subscription_settings": _TEXT,
    "removed": _TEXT,
    "subject_identities": {"encoding": "raw", "value": _TEXT},
    "user_attribute_lists": _LIST,
    "user_attributes": _TEXT,
}
"""A value that can be read, for each field that is a map. Its keys are a customer's names."""

ODD: Mapping[str, Any] = {
    name: _TEXT if isinstance(value, dict | list) else {"canary-name-inner": _TEXT} for name, value in READABLE.items()
}
"""The same with values that cannot be read, or that become text."""


def leaks(output: str) -> bool:
    """Return whether something that was written for others to read holds a secret, personal value or name."""
    return CANARY in output


def planted(value: Any, odd: str = "", of: str = "") -> Any:
    """Return a request with a customer's name in every map and every ``key``, and an unknown field in every object.

    Args:
        value: the request, or a part of it.
        odd: the name of the map whose new entry cannot be read.
        of: the name of the field that the part is the value of.
    """
    if isinstance(value, list):
        return [planted(each, odd) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: f"canary-name-{each}" if name == "key" else planted(each, odd, name) for name, each in value.items()}
    if of in READABLE:
        return {**inner, f"canary-name-{of}": (ODD if of == odd else READABLE)[of]}
    return {**inner, "canary-name-extra": {"canary-name-inner": _TEXT}}
