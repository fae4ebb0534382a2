"""Runs MiniStack for as long as whoever started it lives.

Executed by MiniStack's own interpreter. Standard input is a pipe that the starter holds open and never writes to: its
end means that the starter is gone, however it went, and then the emulator goes too, with the functions it runs and the
folder that is its only argument.
"""

import os
import shutil
import signal
import sys
import threading


def _end_with_starter(home: str) -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(home, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, args=[sys.argv.pop()], daemon=True).start()
    # Only its own environment has it, and importing it takes a while: the guard comes first.
    from ministack.app import main  # type: ignore[import-not-found]

    main()
