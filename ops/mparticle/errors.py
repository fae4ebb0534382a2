"""What goes wrong with mParticle. No message holds a value: not of a credential, and not of a customer."""

import re
from collections.abc import Callable, Sequence

from mparticle_firehose.integration import Answer
from ops.masking import type_and_length

_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,49}")
_WORD = re.compile(r"[A-Za-z_]+(?=[.,:;]*$)")
_PLAIN_TEXT = (
    "a account active already an and another are at audience be been belong belongs by can cannot configuration "
    "debug deleted does empty exist exists feed field for found greater has have id in inactive invalid is it less "
    "long longer match missing module module_name more must name not of on one only or os output platform required "
    "service setting settings short source supported than that the there this to too type unique unknown valid "
    "value was with workspace"
)
_PLAIN_WORDS = frozenset(_PLAIN_TEXT.split())
"""Words of a message that are shown. Any other may be a value."""


class PlatformError(Exception):
    """mParticle cannot be asked, or refuses; the message says what to change."""


class NotFoundError(PlatformError):
    """There is no such entity, or the credential may not see it."""


class TemporaryError(PlatformError):
    """The same question may be answered later.

    Attributes:
        wait: the seconds that mParticle asks to wait; None if it does not say.
    """

    def __init__(self, text: str, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(text)


def retried[T](ask: Callable[[], T], pauses: Sequence[float], sleep: Callable[[float], None]) -> T:
    """Ask, and once more after each pause while the error is temporary.

    A pause is longer if mParticle asks for that.
    """
    for pause in pauses:
        try:
            return ask()
        except TemporaryError as error:
            sleep(max(pause, error.wait or 0.0))
    return ask()


def stated_errors(answer: Answer) -> str:
    """Return all errors of an answer: their codes, and their messages with every value masked. Empty without any."""
    return "; ".join(_stated(error.text("code"), error.text("message")) for error in answer.each("errors"))


def _stated(code: str, message: str) -> str:
    shown = code if _CODE.fullmatch(code) else type_and_length(code)
    return f"{shown}: {' '.join(map(_masked, message.split()))}" if message else shown


def _masked(word: str) -> str:
    plain = _WORD.match(word)
    return word if plain and plain.group().lower() in _PLAIN_WORDS else type_and_length(word)
