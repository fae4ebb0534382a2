"""What a partner's fake API consists of: an OpenAPI document, and the few lines of state that a document cannot say."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable


class FakeApi(Protocol):
    """A partner's API as its integration's tests know it. The server calls it under a lock."""

    @property
    def document(self) -> Mapping[str, Any]:
        """The OpenAPI 3.1 document: paths with operation ids, request schemas, security schemes and servers."""

    def violations(self, operation: str, parameters: Mapping[str, str], body: Any) -> Iterable[str]:
        """Name each rule that a body breaks and that its schema cannot express, as ``field: rule``, without values."""

    def apply(self, operation: str, parameters: Mapping[str, str], body: Any) -> tuple[int, object]:
        """Carry out a valid call, and return the status and the JSON of the answer; None for no body."""

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Return what the partner knows, in counts and ids without personal data."""


@runtime_checkable
class RefusesItems(Protocol):
    """What a fake API may have beside, if the API refuses single items in a successful answer."""

    def partial_failure(self, operation: str, parameters: Mapping[str, str], body: Any) -> tuple[int, object] | None:
        """Carry out a valid call save for its first item, and return the answer, which refuses that item for good.

        None, with nothing done, if the operation takes single items only or refuses none.
        """
