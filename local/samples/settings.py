"""Plausible values of the settings that a customer enters: mParticle sends all of them as text."""

import re
from collections.abc import Iterable, Mapping

from local import confidential_settings
from mparticle_firehose.protocol import BooleanSetting, FloatSetting, IntegerSetting, TextSetting
from mparticle_firehose.protocol.registration import AnySetting

FAKE_SECRET = "sample-not-a-real-secret"  # noqa: S105  as it says
_SAMPLE_TEXT = "sample"
_NOT_IN_A_HEADER = re.compile(r"[^A-Za-z0-9]+")
_SAMPLE_ID = "101"
_SAMPLE_NUMBER = 1


def setting_values(settings: Iterable[AnySetting], given: Mapping[str, str]) -> dict[str, str | None]:
    """Return a value for each setting, by id.

    A given value counts first, then the setting's default, then one that fits its type. Of a confidential setting it
    begins with `FAKE_SECRET` and is never its default. Texts end in the setting's id: a call with the value of the
    wrong setting is seen.
    """
    return {each.id: given.get(each.id, _value(each)) for each in settings if each.id}


def values_in(requests: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """Return the settings of accounts and audiences in requests, by id; of several values the first.

    The requests that an integration keeps in ``events/`` have values that its fake API accepts, such as a region, which
    the type of a setting does not tell.
    """
    found: dict[str, str] = {}
    for request in requests:
        for settings in confidential_settings.settings_in(request):
            found = {**{name: value for name, value in settings.items() if isinstance(value, str)}, **found}
    return found


def _value(setting: AnySetting) -> str:
    match setting:
        case TextSetting(confidential=True):
            return _named(FAKE_SECRET, setting)
        case TextSetting(visible=False):
            return _SAMPLE_ID  # of something at the partner's: the integration fills it in
        case TextSetting():
            return setting.default_value or _named(_SAMPLE_TEXT, setting)
        case IntegerSetting() | FloatSetting():
            return str(_number(setting))
        case BooleanSetting():
            return str(setting.checked)  # mParticle writes True and False
        case _:
            return _SAMPLE_TEXT


def _named(text: str, setting: TextSetting) -> str:
    name = _NOT_IN_A_HEADER.sub("-", setting.id or "").strip("-")
    return f"{text}-{name}" if name else text


def _number(setting: IntegerSetting | FloatSetting) -> float:
    if setting.default_value is not None:
        return setting.default_value
    lowest, highest = setting.min_value, setting.max_value
    number = _SAMPLE_NUMBER if lowest is None else max(lowest, _SAMPLE_NUMBER)
    return number if highest is None else min(number, highest)
