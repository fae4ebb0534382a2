"""The built function, and the baselines beside it on the same dependencies, as execution environments."""

import compileall
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from local.build.build import packed_build
from local.build.sam_build import machine_architecture
from local.cloud.runtime import LambdaRuntime, is_error
from local.isolation import LocalCloudError

HANDLER = "app.handler"
BARE = "bare.handler"
BARE_SQS = "bare_sqs.handler"
BARE_SEND = "bare_send.handler"

_BASELINES = Path(__file__).with_name("baselines")


@dataclass(frozen=True)
class Artefact:
    """A copy of the built handler's folder, with the baselines' modules in it."""

    folder: Path

    def runtime(self, handler: str, variables: Mapping[str, str]) -> LambdaRuntime:
        """Return an execution environment that has not been started."""
        return LambdaRuntime(self.folder, handler, environment=variables)

    def timed(self, handler: str, variables: Mapping[str, str], record: Path) -> LambdaRuntime:
        """Return the same, which also writes into a file what each invocation took, one line each."""
        return self.runtime("timed.handler", {**variables, "BENCH_HANDLER": handler, "BENCH_TIMINGS": str(record)})


@contextmanager
def artefact(*, compiled: bool = True) -> Iterator[Artefact]:
    """Yield the artefact as it is deployed, with its .pyc, or without any."""
    built = packed_build(machine_architecture())[0].parent / "build" / "HandlerFunction"
    with tempfile.TemporaryDirectory(prefix="bench-artefact-") as place:
        folder = Path(place, "function")
        ignore = None if compiled else shutil.ignore_patterns("__pycache__")
        shutil.copytree(built, folder, ignore=ignore, copy_function=_link)
        for module in _BASELINES.glob("*.py"):
            target = shutil.copy(module, folder)
            if compiled:
                compileall.compile_file(target, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        yield Artefact(folder)


def invoke(environment: LambdaRuntime, payload: bytes) -> bytes:
    """Invoke the function and return its response.

    Raises:
        LocalCloudError: the function failed.
    """
    response = environment.invoke(payload)
    if is_error(response):
        raise LocalCloudError("the function failed")
    return response


def processor_seconds(environment: LambdaRuntime) -> float:
    """Return the processor time that the function's process has used since it was started, all threads together."""
    threads = Path(f"/proc/{environment.process_id}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
