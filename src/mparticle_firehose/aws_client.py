"""Clients of AWS services, made when something is first asked of them.

Loading boto3 and making a client take longer than everything else before the first answer, and most requests, such as
events that the partner takes, need none.
"""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

_ALWAYS = {"parameter_validation": False}
"""AWS checks what it is sent anyway, and the tests' own clients do: here it would be a tenth of a call's time."""

PATIENT: Mapping[str, Any] = MappingProxyType(
    {
        **_ALWAYS,
        "connect_timeout": 1,
        "read_timeout": 2,
        "retries": {"mode": "standard", "total_max_attempts": 2},
    }
)
HURRIED: Mapping[str, Any] = MappingProxyType(
    {
        **_ALWAYS,
        "connect_timeout": 0.25,
        "read_timeout": 0.25,
        "retries": {"mode": "standard", "total_max_attempts": 1},
    }
)
"""For what nobody may wait long for, such as whether an account is suspended."""


class AwsClient(Any):  # type: ignore[misc]  # it has whatever the service's client has
    """Stands in for the client of one service.

    Args:
        service: as boto3 names it.
        config: arguments of botocore's ``Config``.
    """

    def __init__(self, service: Any, config: Mapping[str, Any]) -> None:
        self._service = service
        self._config = config

    def make(self) -> None:
        """Make the client now. It connects to nothing."""
        _ = self._made

    def close(self) -> None:
        """End the client's connections, if it was ever made."""
        if "_made" in vars(self):
            self._made.close()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._made, operation)

    @cached_property
    def _made(self) -> Any:
        import boto3  # noqa: PLC0415  as the module says
        from botocore.config import Config  # noqa: PLC0415

        return boto3.client(self._service, config=Config(**self._config))
