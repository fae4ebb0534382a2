"""Runs MiniStack until the process that started it has ended.

Executed by MiniStack's own interpreter, with a folder as the only argument. Standard input is a pipe that the starting
process holds open without writing to it. The pipe closes when that process ends in any way. Then the emulator is
killed, with the functions that it runs, and the folder is removed.
"""

import os
import shutil
import signal
import sys
import threading


def _end_with_parent(home: str) -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(home, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, args=[sys.argv.pop()], daemon=True).start()
    # It is installed in its own environment only. The import is slow, and the thread must run before.
    from ministack.app import main  # type: ignore[import-not-found]

    main()
