"""Makes environments: ``python -m local.setup NAME...``. Those that are as their locks say cost nothing.

It reports on the standard error, because the output of `make -s up` is for `eval`.
"""

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from local.setup import uv
from local.setup.disk import SetupError, explained, megabytes
from local.setup.environments import ENVIRONMENTS, ROOT, UV, Environment

_STATE = ROOT / ".local"
_REMINDER_SECONDS = 15
_INTERRUPTED = 130  # as shells say it


def main() -> int:
    """Make what is missing, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.setup", description="Make environments.")
    parser.add_argument("names", nargs="+", choices=[*ENVIRONMENTS], metavar="NAME", help=", ".join(ENVIRONMENTS))
    names = parser.parse_args().names
    try:
        with explained(SetupError), _alone():
            missing = [environment for environment in wanted(names) if not environment.is_current()]
            if missing:
                set_up(missing, os.environ)
    except SetupError as error:
        _say(f"The set-up failed: {error}")
        return 1
    except KeyboardInterrupt:
        _say("The set-up was interrupted; the next command goes on with it.")
        return _INTERRUPTED
    return 0


def wanted(names: Sequence[str]) -> list[Environment]:
    """Return the environments of these names, of those in one folder the one that holds most."""
    chosen = sorted((ENVIRONMENTS[name] for name in names), key=lambda each: len(each.locks), reverse=True)
    return list({environment.folder: environment for environment in chosen}.values())


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time look and install."""
    _STATE.mkdir(exist_ok=True)
    with (_STATE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up(missing: Sequence[Environment], environ: Mapping[str, str]) -> None:
    """Make environments side by side, and say what is done.

    Args:
        missing: the environments.
        environ: where uv is looked for, and its settings.

    Raises:
        SetupError: one could not be made.
    """
    started = time.monotonic()
    program = uv.find(environ)
    wanted = [*missing, *([] if program else [UV])]
    needed = sum(environment.megabytes for environment in wanted)
    _say(f"Setting up {_listed([environment.folder for environment in wanted])}, about {needed} MB, once ...")
    if needed > (free := shutil.disk_usage(ROOT).free // 1_000_000):
        _say(f"  {ROOT} has only {free} MB of free disk, which suffices if uv's cache is on the same disk and has them")
    if program is None:
        program = uv.install(environ)
        _say(f"✓ {UV.folder}: uv itself ({time.monotonic() - started:.1f} s)")
    with ThreadPoolExecutor(len(missing)) as pool:
        _report({pool.submit(program.fill, environment): environment for environment in missing}, started)
    sizes = [megabytes(environment.place) for environment in wanted]
    size, shared = sum(size for size, _ in sizes), sum(shared for _, shared in sizes)
    _say(f"✓ Set up in {time.monotonic() - started:.1f} s: {size} MB, of which {shared} MB are shared with uv's cache")


def _report(running: dict[Future[None], Environment], started: float) -> None:
    """Say what is ready, and now and then what is not, until all of it is."""
    total = len(running)
    while running:
        done, _ = wait(running, timeout=_REMINDER_SECONDS, return_when=FIRST_COMPLETED)
        seconds = time.monotonic() - started
        for future in done:
            environment = running.pop(future)
            future.result()
            packages = f"{_packages(environment)} packages ({seconds:.1f} s)"
            _say(f"✓ {environment.folder}: {packages}, {total - len(running)} of {total}")
        if not done:
            _say(f"  still downloading {_listed([each.folder for each in running.values()])} after {seconds:.0f} s")


def _packages(environment: Environment) -> int:
    return len(list(environment.place.glob("lib/python*/site-packages/*.dist-info")))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
