"""Lets the partner fail for one request, which only the fake API of the local cloud can be asked for."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from local.cloud.http_endpoint import ask
from ops.verify.audiences import SUBSCRIPTIONS
from ops.verify.replies import Reply
from ops.verify.trial import Trial

type Failing = Callable[[], AbstractContextManager[bool]]
"""Returns a context in which the partner fails, if its value is true."""

_MAX_TIMES = 1_000
_JSON = {"Content-Type": "application/json"}


def failing_by(inspector: str) -> Failing:
    """Return what lets the fake API answer 500, by the page of the local cloud; not if a fault is on already."""

    @contextmanager
    def failing() -> Iterator[bool]:
        if _asked("GET", inspector)["active"]:
            yield False
            return
        _asked("POST", inspector, {"kind": "status_500", "route": "", "times": _MAX_TIMES})
        try:
            yield True
        finally:
            _asked("DELETE", inspector, {})

    return failing


def try_failing_partner(trial: Trial, failing: Failing | None) -> Reply | None:
    """Return the reply to an audience that the partner cannot connect now; None if that cannot be tried.

    It is the only kind of request that needs the partner's answer at once: all others can be queued.
    """
    add = trial.samples().get(f"{SUBSCRIPTIONS}/add")
    if failing is None or add is None or trial.lacks_token:
        return None
    with failing() as fails:
        return trial.send(add.content) if fails else None


def _asked(method: str, inspector: str, content: Mapping[str, object] | None = None) -> Any:
    body = b"" if content is None else json.dumps(content).encode()
    return json.loads(ask(method, f"{inspector}api/faults", body, _JSON).body)
