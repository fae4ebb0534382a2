"""A customer's settings: text or null in JSON, which is read as the Java SDK reads it."""

import math
from collections.abc import Callable
from typing import Any, assert_type

import pytest

from mparticle_firehose.errors import SettingError
from mparticle_firehose.protocol import Account

KINDS: dict[str, tuple[Callable[..., Any], Any]] = {
    "string": (Account.string_setting, "default"),
    "integer": (Account.integer_setting, 7),
    "float": (Account.float_setting, 1.5),
    "boolean": (Account.boolean_setting, True),
}


def account(text: str | None) -> Account:
    return Account(account_id=4242, account_settings={"setting": text})


@pytest.mark.parametrize(("read", "default"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("missing", [Account(), account(None)], ids=["absent", "null"])
def test_a_missing_setting_reads_as_its_default(missing: Account, read: Callable[..., Any], default: Any) -> None:
    assert (read(missing, "setting", default=default), read(missing, "setting")) == (default, None)


@pytest.mark.parametrize(("read", "default"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("missing", [Account(), account(None)], ids=["absent", "null"])
def test_a_missing_setting_that_is_required_is_an_error(
    missing: Account, read: Callable[..., Any], default: Any
) -> None:
    with pytest.raises(SettingError, match=r"^account setting 'setting' is required$"):
        read(missing, "setting", required=True, default=default)


@pytest.mark.parametrize("text", ["", " ", "text"])
def test_a_string_setting_is_returned_unchanged(text: str) -> None:
    assert account(text).string_setting("setting", required=True) == text


@pytest.mark.parametrize(
    ("text", "expected"), [("12", 12), ("-7", -7), ("+7", 7), ("007", 7), ("2147483647", 2**31 - 1)]
)
def test_an_integer_setting_is_read_from(text: str, expected: int) -> None:
    assert account(text).integer_setting("setting") == expected


@pytest.mark.parametrize(
    "text", ["", " ", " 12", "1.0", "1e3", "canary-secret", "2147483648", "-2147483649", "1_0", "9" * 5000]
)
def test_an_integer_setting_is_refused_from(text: str) -> None:
    with pytest.raises(SettingError, match=r"^account setting 'setting' must be a 32-bit whole number$"):
        account(text).integer_setting("setting")


FLOATS = {
    "1.5": 1.5,
    " 1.5 ": 1.5,
    "-2": -2.0,
    ".5": 0.5,
    "5.": 5.0,
    "1e3": 1000.0,
    "1.5f": 1.5,
    "1.5D": 1.5,
    "0x1.8p1": 3.0,
    "-Infinity": -math.inf,
    "0x1p9999": math.inf,
    "-0x1p9999": -math.inf,
}


@pytest.mark.parametrize(("text", "expected"), FLOATS.items(), ids=FLOATS)
def test_a_float_setting_is_read_from(text: str, expected: float) -> None:
    assert account(text).float_setting("setting") == expected


def test_a_float_setting_may_be_nan() -> None:
    assert math.isnan(account("NaN").float_setting("setting", required=True))


@pytest.mark.parametrize("text", ["", " ", "1,5", "nan", "inf", "1_0", "canary-secret", "0x1", "1.5 f"])
def test_a_float_setting_is_refused_from(text: str) -> None:
    with pytest.raises(SettingError, match=r"^account setting 'setting' must be a number$"):
        account(text).float_setting("setting")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("tRuE", True),
        ("false", False),
        ("1", False),
        ("yes", False),
        (" true ", False),
        ("", False),
    ],
)
def test_a_boolean_setting_is_true_only_for_the_word_true(text: str, expected: bool) -> None:
    assert account(text).boolean_setting("setting") is expected


def test_a_required_setting_has_a_type_without_none() -> None:
    settings = Account(account_settings={"text": "t", "number": "1"})

    assert_type(settings.string_setting("text", required=True), str)
    assert_type(settings.integer_setting("number", required=True), int)
    assert_type(settings.float_setting("number", default=1.0), float)
    assert_type(settings.boolean_setting("number"), bool | None)
