"""How signals end a command."""

import signal

ENDED_BY_SIGNAL = 128
"""Added to a signal's number, as shells do, it is the exit status of what the signal has ended."""


def can_be_ended() -> None:
    """Let SIGTERM and SIGHUP end this process as `leave_by` says, and Ctrl-C interrupt it.

    A shell's background job begins with Ctrl-C ignored.
    """
    leave_by(signal.SIGTERM, signal.SIGHUP)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_by(*numbers: int) -> None:
    """Let these signals end this process as an exception does, so that every context is closed on the way."""
    for number in numbers:
        signal.signal(number, _leave)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(ENDED_BY_SIGNAL + number)
