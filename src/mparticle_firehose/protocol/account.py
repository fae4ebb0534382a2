"""The customer's account and its settings."""

from typing import Annotated, Literal, overload

from pydantic import Field

from mparticle_firehose.errors import SettingError
from mparticle_firehose.protocol.wire.coercion import java_float, java_int
from mparticle_firehose.protocol.wire.fields import Int, NonDefault, TextMap
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import NullIs


class Account(Model):
    """The customer's configuration of the integration in mParticle, with its settings.

    ``account_settings`` holds text or null for settings of every type; the methods read it as the Java SDK does.
    Settings declared in ``event_connection_settings`` are in the same map. A null setting counts as missing, a blank
    one does not.
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
        """The setting's text, which may be blank.

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
            SettingError: it is required and missing, or is not such an integer.
        """
        text = self._setting(setting_id, required=required)
        if text is None:
            return default
        try:
            return java_int(text)
        except ValueError:
            raise SettingError(setting_id, "must be a 32-bit whole number") from None

    @overload
    def float_setting(self, setting_id: str, *, required: Literal[True]) -> float: ...
    @overload
    def float_setting(self, setting_id: str, *, required: bool = False, default: float) -> float: ...
    @overload
    def float_setting(self, setting_id: str, *, required: bool = False, default: None = None) -> float | None: ...
    def float_setting(self, setting_id: str, *, required: bool = False, default: float | None = None) -> float | None:
        """The setting as a float in Java's syntax, which allows spaces around, ``NaN``, ``Infinity`` and ``1.5f``.

        Raises:
            SettingError: it is required and missing, or is not such a number.
        """
        text = self._setting(setting_id, required=required)
        if text is None:
            return default
        try:
            return java_float(text)
        except ValueError:
            raise SettingError(setting_id, "must be a number") from None

    @overload
    def boolean_setting(self, setting_id: str, *, required: Literal[True]) -> bool: ...
    @overload
    def boolean_setting(self, setting_id: str, *, required: bool = False, default: bool) -> bool: ...
    @overload
    def boolean_setting(self, setting_id: str, *, required: bool = False, default: None = None) -> bool | None: ...
    def boolean_setting(self, setting_id: str, *, required: bool = False, default: bool | None = None) -> bool | None:
        """The setting as a boolean: ``true`` in upper or lower case. Everything else is false, even ``" true "``.

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


_NO_ACCOUNT = Account()


def no_account() -> Account:
    """The empty account of a request that has none. It is not written."""
    return _NO_ACCOUNT


SentAccount = Annotated[Account, NullIs(no_account), NonDefault()]
