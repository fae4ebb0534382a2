"""The fake API of the sample, with everything in several steps."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tests.sample.fake_api import FakeApi, Json

_PATHS = FakeApi.document["paths"]
_CHANGES = _PATHS["/segments/{id}/changes"]


def _resource(operation: str) -> Json:
    path: Json = copy.deepcopy(_CHANGES)
    path["post"]["operationId"] = operation
    body: Json = path["post"]["requestBody"]["content"]["application/json"]
    body["schema"] = {"type": "object", "required": ["changes"]}
    return path


def _anything(operation: str) -> Json:
    path: Json = copy.deepcopy(_PATHS["/track"])
    path["post"]["operationId"] = operation
    path["post"]["requestBody"]["content"]["application/json"]["schema"] = {"type": "object"}
    return path


class StepwiseApi(FakeApi):
    """The partner's records."""

    document: Mapping[str, Any] = {
        **FakeApi.document,
        "paths": {
            **_PATHS,
            "/people": _anything("lookUp"),
            "/state": _anything("setState"),
            "/segments/{id}/joiners": _resource("join"),
            "/segments/{id}/leavers": _resource("leave"),
            "/segments/{id}/attributes": _resource("changeAttributes"),
        },
    }

    def __init__(self) -> None:
        super().__init__()
        self.states: list[Json] = []
        self.people: list[Json] = []

    def violations(self, operation: str, parameters: Mapping[str, str], body: Any) -> Iterator[str]:
        """Name rules that a schema cannot express."""
        wanted = {"join": "add", "leave": "remove", "changeAttributes": "update"}.get(operation)
        if wanted is None:
            return
        if {change["action"] for change in body["changes"]} != {wanted}:
            yield "changes: at the wrong endpoint"
        if operation == "join" and not all(change["user"] in self.people for change in body["changes"]):
            yield "changes: of people that were not looked up"
        yield from super().violations("changeMembers", parameters, body)

    def _lookUp(self, _: str, body: Json) -> tuple[int, object]:  # noqa: N802  its operationId
        self.people += body["people"]
        return 200, {"unwanted": []}

    def _setState(self, _: str, body: Json) -> tuple[int, object]:  # noqa: N802  as above
        self.states.append(body)
        return 200, {}

    def _join(self, segment: str, body: Json) -> tuple[int, object]:
        return self._changeMembers(segment, body)

    _leave = _changeAttributes = _join  # noqa: N815  as above
