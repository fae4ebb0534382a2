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
    """Let these signals end this process as an exception does, so that every context is closed on the way.

    The first one does. A second one would interrupt the closing, and comes as a rule: make passes on to its commands
    the signal that their whole process group has got already.
    """

    def leave(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, _nothing)  # SIG_IGN would be inherited by programs that are started from here on
        raise SystemExit(ENDED_BY_SIGNAL + number)

    for number in numbers:
        signal.signal(number, leave)


def end_quietly_in_pipes() -> None:
    """Let `... | head` end this process without an error when it has enough lines."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _nothing(_number: int, _frame: object) -> None:
    """Take a signal and go on."""
