"""Ends a command that fails with a sentence instead of a traceback, where the user can do something about it."""

import signal
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from local.isolation import LocalCloudError
from local.setup.disk import explained
from local.signals import ENDED_BY_SIGNAL

FAILED = 2
"""The exit status of a command that could not be tried."""


def exit_status(action: Callable[[], int], problems: Console, when_interrupted: str) -> int:
    """Return the exit status of an action, or print why it failed.

    Args:
        action: returns its exit status.
        problems: where to print.
        when_interrupted: what to print after Ctrl-C.
    """
    try:
        with explained(LocalCloudError):
            return action()
    except LocalCloudError as error:
        problem = str(error)
    except SyntaxError as error:
        problem = f"{error.filename}, line {error.lineno}: {error.msg}"
    except (BotoCoreError, ClientError) as error:
        problem = f"the emulator does not answer as it should ({type(error).__name__}): `make down` stops it"
    except KeyboardInterrupt:
        problems.print(when_interrupted)
        return ENDED_BY_SIGNAL + signal.SIGINT
    problems.print(problem, style="red", markup=False, soft_wrap=True)
    return FAILED
