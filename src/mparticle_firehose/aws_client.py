"""Clients of AWS services, created with the first call.

Loading boto3 and making a client take longer than everything else before the first answer, and most requests, such as
events that the partner takes, need none.
"""

import socket
import threading
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from mparticle_firehose.errors import ConfigurationError

_ALWAYS = {"parameter_validation": False, "user_agent": "mparticle-firehose"}
"""What makes calls quicker. AWS checks parameters itself, and the clients of the tests do: here it would take a tenth
of a call's time. A seventh is what botocore takes to put its own user agent together, anew for each call."""

STANDARD_TIMEOUTS: Mapping[str, Any] = MappingProxyType(
    {
        **_ALWAYS,
        "connect_timeout": 1,
        "read_timeout": 2,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    }
)
SHORT_TIMEOUTS: Mapping[str, Any] = MappingProxyType(
    {
        **_ALWAYS,
        "connect_timeout": 0.25,
        "read_timeout": 0.25,
        "retries": {"mode": "standard", "total_max_attempts": 1},
    }
)
"""For calls that must not delay a response, such as whether an account is suspended."""

_MIN_QUEUEING_SECONDS = 0.6
"""SQS answers nearly all calls in a tenth of it. A shorter limit would give up calls that SQS then carries out."""


def queueing_timeouts(deadline_seconds: float) -> Mapping[str, Any]:
    """Return the timeouts of a client that stores what a response waits for.

    botocore takes timeouts for a client and not for a call, so the deadline of a request is taken as a whole. Without a
    limit near it, an SQS that answers slowly would hold every environment for seconds, and Lambda would start
    another one for each request that comes meanwhile. The client repeats nothing: who calls does, as long as there is
    time.
    """
    return MappingProxyType(
        {
            **_ALWAYS,
            "connect_timeout": 0.25,
            "read_timeout": max(_MIN_QUEUEING_SECONDS, deadline_seconds),
            "retries": {"mode": "standard", "total_max_attempts": 1},
        }
    )


def s3_settings(timeouts: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the settings of a client of S3: a local cloud has no host names for buckets."""
    addressing = "path" if "AWS_ENDPOINT_URL" in environ else "auto"
    return MappingProxyType({**timeouts, "s3": {"addressing_style": addressing}})


_LOCAL_CLOUD_SECONDS = 0.5

_CREATION = threading.Lock()
"""boto3's default session can make one client at a time only, and threads of partner calls may need one too."""


def require_local_cloud(environ: Mapping[str, str]) -> None:
    """Check, for a function that `sam local` runs, that the local cloud answers.

    Raises:
        ConfigurationError: it does not.
    """
    url = urlsplit(environ.get("AWS_ENDPOINT_URL", ""))
    if not url.hostname or not _answers(url.hostname, url.port or 80):
        raise ConfigurationError("AWS_ENDPOINT_URL: no local cloud answers there; `make up` starts one")


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _LOCAL_CLOUD_SECONDS).close()
    except OSError:
        return False
    return True


class AwsClient(Any):  # type: ignore[misc]  # it has whatever the service's client has
    """The client of one service, created with the first call.

    Args:
        service: as boto3 names it.
        config: arguments of botocore's ``Config``.
    """

    def __init__(self, service: Any, config: Mapping[str, Any]) -> None:
        self._service = service
        self._config = config

    def make(self) -> None:
        """Create the client now, without connecting."""
        _ = self._made

    def close(self) -> None:
        """Close the client's connections, if it has been created."""
        if "_made" in vars(self):
            self._made.close()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._made, operation)

    @cached_property
    def _made(self) -> Any:
        import boto3  # noqa: PLC0415  as the module says
        from botocore.config import Config  # noqa: PLC0415

        with _CREATION:
            return boto3.client(self._service, config=Config(**self._config))
