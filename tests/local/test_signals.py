"""A signal ends a command so that it cleans up, also if it comes twice."""

import signal
import subprocess
import sys

import pytest

from local.isolation import ROOT

CLEANING_UP = """
import os, signal, time
from local.signals import can_be_ended
can_be_ended()
try:
    print("started", flush=True)
    time.sleep(20)
finally:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(0.1)
    print("cleaned up", flush=True)
"""


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP])
def test_signals_after_the_first_do_not_interrupt_the_cleanup(first: signal.Signals) -> None:
    with subprocess.Popen(  # noqa: S603  this very interpreter, on our own code
        [sys.executable, "-c", CLEANING_UP], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(first)
        out, _ = process.communicate(timeout=30)

    assert (process.returncode, out) == (128 + first, "cleaned up\n")
