"""Both functions in this process, with the environment of a deployment and nothing of what they write."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local.isolation import CREDENTIALS, REGION

_ENVIRONMENT = {
    **CREDENTIALS,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

type Function = Callable[[Any, Any], dict[str, Any]]


class Context:
    """What the functions want to know of an invocation."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


CONTEXT = Context()


@contextmanager
def deployed(variables: Mapping[str, str]) -> Iterator[Any]:
    """Yield the user's integration as it runs in a deployment with these variables."""
    with _environment({**_ENVIRONMENT, **variables}), _silence():
        import app  # noqa: PLC0415  its logger takes hold of the standard output
        from mparticle_firehose.firehose import Firehose  # noqa: PLC0415  as above

        yield Firehose(app.firehose.integration)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _silence() -> Iterator[None]:
    """Lead the standard output's descriptor to nowhere: logs are written, as in Lambda, but nobody sees them."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
