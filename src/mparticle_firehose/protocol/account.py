"""The customer's account and its settings."""

import re
from typing import Annotated, Literal, overload

from pydantic import Field

from mparticle_firehose.errors import SettingError
from mparticle_firehose.protocol.wire.fields import Int, NonDefault, TextMap
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import NullIs

_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT32 = range(-(2**31), 2**31)
_MAX_INT32_LENGTH = 64  # a longer one is padded or absurd, and Python refuses to convert thousands of digits
_DECIMAL_FLOAT = re.compile(r"([+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))[fFdD]?")
_HEX_FLOAT = re.compile(r"([+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)[fFdD]?")


class Account(Model):
    """The configuration that a customer made in mParticle, with the settings filled in there.

    ``account_settings`` holds text or null whatever a setting's kind is; the accessors read it as the Java SDK does.
    Settings that were declared for connections arrive in the same map. A null setting counts as missing, a blank one
    as provided.
    """

    account_id: Int = 0
    account_settings: TextMap = Field(default_factory=dict)

    @overload
    def string_setting(self, setting_id: str, *, required: Literal[True]) -> str: ...
    @overload
    def string_setting(self, setting_id: str, *, required: bool = False, default: str) -> str: ...
    @overload
    def string_setting(self, setting_id: str, *, required: bool = False, default: None = None) -> str | None: ...
    def string_setting(self, setting_id: str, *, required: bool = False, default: str | None = None) -> str | None:
        """The setting as it is, blank included.

        Raises:
            SettingError: it is required and missing.
        """
        text = self._setting(setting_id, required=required)
        return default if text is None else text

    @overload
    def integer_setting(self, setting_id: str, *, required: Literal[True]) -> int: ...
    @overload
    def integer_setting(self, setting_id: str, *, required: bool = False, default: int) -> int: ...
    @overload
    def integer_setting(self, setting_id: str, *, required: bool = False, default: None = None) -> int | None: ...
    def integer_setting(self, setting_id: str, *, required: bool = False, default: int | None = None) -> int | None:
        """The setting as a 32-bit integer: an optional sign and digits, no spaces.

        Raises:
            SettingError: it is required and missing, or no such integer.
        """
        text = self._setting(setting_id, required=required)
        if text is None:
            return default
        number = int(text) if _INTEGER.fullmatch(text) and len(text) <= _MAX_INT32_LENGTH else None
        if number is None or number not in _INT32:
            raise SettingError(setting_id, "must be a 32-bit whole number")
        return number

    @overload
    def float_setting(self, setting_id: str, *, required: Literal[True]) -> float: ...
    @overload
    def float_setting(self, setting_id: str, *, required: bool = False, default: float) -> float: ...
    @overload
    def float_setting(self, setting_id: str, *, required: bool = False, default: None = None) -> float | None: ...
    def float_setting(self, setting_id: str, *, required: bool = False, default: float | None = None) -> float | None:
        """The setting as a float in Java's syntax: surrounding spaces, ``NaN``, ``Infinity`` and ``1.5f`` pass.

        Raises:
            SettingError: it is required and missing, or no such number.
        """
        text = self._setting(setting_id, required=required)
        if text is None:
            return default
        if decimal := _DECIMAL_FLOAT.fullmatch(text.strip()):
            return float(decimal[1])
        if hexadecimal := _HEX_FLOAT.fullmatch(text.strip()):
            return _float_from_hex(hexadecimal[1])
        raise SettingError(setting_id, "must be a number")

    @overload
    def boolean_setting(self, setting_id: str, *, required: Literal[True]) -> bool: ...
    @overload
    def boolean_setting(self, setting_id: str, *, required: bool = False, default: bool) -> bool: ...
    @overload
    def boolean_setting(self, setting_id: str, *, required: bool = False, default: None = None) -> bool | None: ...
    def boolean_setting(self, setting_id: str, *, required: bool = False, default: bool | None = None) -> bool | None:
        """The setting as a boolean: ``true`` in any case is true and everything else false, ``" true "`` included.

        Raises:
            SettingError: it is required and missing.
        """
        text = self._setting(setting_id, required=required)
        return default if text is None else text.lower() == "true"

    def _setting(self, setting_id: str, *, required: bool) -> str | None:
        text = self.account_settings.get(setting_id)
        if text is None and required:
            raise SettingError(setting_id, "is required")
        return text


def _float_from_hex(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return float("-inf" if text.startswith("-") else "inf")


_NO_ACCOUNT = Account()


def no_account() -> Account:
    """The empty account of a request that came without one; it is not written."""
    return _NO_ACCOUNT


SentAccount = Annotated[Account, NullIs(no_account), NonDefault()]
