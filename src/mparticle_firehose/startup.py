"""What is done once, when an execution environment starts.

`firehose` imports this module first. On Lambda it pauses the garbage collector until `start`: collections while modules
are loaded would take a tenth of a cold start.
"""

import gc
import os
from typing import Protocol

from snapshot_restore_py import register_after_restore, register_before_snapshot

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.disable()

_COLLECTION_THRESHOLD = 20_000
"""Allocations between two collections; Python's default is 2,000. What a request allocates is mostly freed without."""


class Startable(Protocol):
    """A function's application."""

    def prepare(self) -> None:
        """Build everything now, without connecting to anything."""

    def renew(self) -> None:
        """Drop what may be out of date after a restore."""


def start[T: Startable](application: T) -> T:
    """Make an application ready for its first request, and return it.

    - With SnapStart, everything is built before the snapshot, and connections and tokens are renewed after a restore.
    - With provisioned concurrency, everything is built now: no request waits for it.
    - On demand, each part is built when a request first needs it.

    Then the garbage collector runs again, but skips what has been loaded.
    """

    def before_snapshot() -> None:
        application.prepare()
        gc.collect()
        gc.freeze()

    register_before_snapshot(before_snapshot)
    register_after_restore(application.renew)
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
        application.prepare()
        gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTION_THRESHOLD)
    gc.enable()
    return application
