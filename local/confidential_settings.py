"""Which of the settings in a sample request are secret: those that the registration declares as confidential."""

from collections.abc import Iterator
from typing import Any

from mparticle_firehose.protocol import ModuleRegistrationResponse, TextSetting

_SETTINGS = frozenset({"account_settings", "audience_subscription_settings", "previous_audience_subscription_settings"})


def confidential_ids(declaration: ModuleRegistrationResponse) -> frozenset[str]:
    """Return the ids of the confidential settings."""
    settings = declaration.settings()
    return frozenset(each.id for each in settings if isinstance(each, TextSetting) and each.confidential and each.id)


def settings_in(content: object) -> Iterator[dict[str, Any]]:
    """Yield each group of settings in a request, itself and no copy: the account's, and those of each audience."""
    match content:
        case dict():
            for name, value in content.items():
                if name in _SETTINGS and isinstance(value, dict):
                    yield value
                else:
                    yield from settings_in(value)
        case list():
            for each in content:
                yield from settings_in(each)
