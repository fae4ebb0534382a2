"""Hosts a partner's fake API on this machine: checks every call, keeps what it receives, and fails on demand.

Use it as a context manager in a test, or on its own: ``python -m local.partner.server --port 8080``.
"""

import argparse
import copy
import time
from collections.abc import Mapping
from email.message import Message
from typing import Any, NamedTuple, override

from local.partner.contract import Contract, ContractError
from local.partner.fake_api import FakeApi, RefusesItems
from local.partner.faults import SUCCESSES
from local.partner.listener import ReceivedRequest, Reply
from local.partner.scripted import ScriptedServer
from local.rooms import Room

__all__ = ["PartnerServer", "ReceivedRequest", "Reply"]

_RECORDED_HEADERS = frozenset({"Correlation-Id", "Idempotency-Key", "Content-Type", "User-Agent", "Host"})


class _Call(NamedTuple):
    """A request that keeps the contract."""

    operation: str
    parameters: Mapping[str, str]


class PartnerServer(ScriptedServer[_Call]):
    """A fake API on a port of this machine.

    A path without a script behaves well. Every credential is valid until it is revoked. A request that breaks the
    contract is refused with the rule that it breaks, which `violations` keeps. A call with an Idempotency-Key that has
    taken effect already is answered as before and changes nothing; a GET is always asked anew.
    """

    def __init__(self, api: FakeApi, port: int = 0) -> None:
        """Take the API to host, and the port; 0 picks a free one."""
        super().__init__(port, "partner-server")
        self._revoked: set[str] = set()
        self._repeats = 0
        self.serve(api)

    def serve(self, api: FakeApi) -> None:
        """Host another API from now on, which knows nothing of what the earlier one was told."""
        contract = Contract(api.document)
        with self._lock:
            self.api: Any = api
            self.contract = contract
            self._recorded_headers = _RECORDED_HEADERS | contract.headers
            self._done: dict[str, tuple[tuple[str, str, object], tuple[int, object]]] = {}

    def revoke(self, credential: str) -> None:
        """Answer 401 to every later request with this credential."""
        with self._lock:
            self._revoked.add(credential)

    @property
    def repeats(self) -> int:
        """How many calls repeated one that had taken effect, and so changed nothing."""
        with self._lock:
            return self._repeats

    def state(self, name: str) -> Any:
        """Return a copy of one of the API's own attributes."""
        with self._lock:
            return copy.deepcopy(getattr(self.api, name))

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Return what the partner knows, without personal data."""
        with self._lock:
            return copy.deepcopy(self.api.summary())

    @override
    def received(self, method: str, path: str, headers: Message) -> ReceivedRequest:
        """Return a request without its body, with the headers that the contract is about."""
        kept = {name: headers[name] for name in self._recorded_headers if name in headers}
        return ReceivedRequest(method, path, kept, None, self.contract.route(path))

    @override
    def check(self, request: ReceivedRequest) -> _Call | Reply:
        """Return the call, or the answer to one that breaks a rule or has a revoked credential."""
        try:
            operation, target = self.contract.find(request.method, request.path, request.headers.get("Host", ""))
            if operation.credentials(request.headers) & self._revoked:
                return Reply(401, {"error": "this credential is not valid any more"})
            parameters = operation.check(target, request.headers, request.body)
        except ContractError as error:
            return self.refuse(request, error.status, error.rule)
        rule = next(iter(self.api.violations(operation.id, parameters, request.body)), None)
        return self.refuse(request, 422, rule) if rule else _Call(operation.id, parameters)

    @override
    def carry_out(self, request: ReceivedRequest, call: _Call) -> Reply:
        """Apply a valid call, or repeat the answer if its Idempotency-Key has taken effect already."""
        # The answer to a GET is never an old one: who asks for the state of a job wants to know when it changes.
        key = "" if request.method == "GET" else request.headers.get("Idempotency-Key", "")
        content = (request.method, request.path, request.body)
        earlier = self._done.get(key)
        if earlier and earlier[0] != content:
            return self.refuse(request, 422, "Idempotency-Key: belongs to a different call")
        if earlier:
            self._repeats += 1
            return Reply(*earlier[1])
        answer = self.api.apply(call.operation, call.parameters, copy.deepcopy(request.body))
        if key and answer[0] in SUCCESSES:
            self._done[key] = (content, answer)
        return Reply(*answer)

    @override
    def carry_out_partly(self, request: ReceivedRequest, call: _Call) -> Reply | None:
        """Apply a valid call save for its first item, if the API can answer so; else apply nothing: None."""
        body = copy.deepcopy(request.body)
        api = self.api
        answer = api.partial_failure(call.operation, call.parameters, body) if isinstance(api, RefusesItems) else None
        return Reply(*answer) if answer else None


def main() -> None:
    """Serve until interrupted and print a line for each request, without any of its content."""
    parser = argparse.ArgumentParser(prog="python -m local.partner.server", description="Serve a partner's fake API.")
    parser.add_argument(
        "--partner", default="", metavar="FOLDER", help="an example, or laid out like one; default: your own"
    )
    parser.add_argument("--port", type=int, default=8080, help="0 picks a free one")
    options = parser.parse_args()
    with PartnerServer(Room.of(options.partner).fake_api(), options.port) as partner:
        print(f"The partner listens on {partner.url}", flush=True)
        try:
            _print_requests(partner)
        except KeyboardInterrupt:
            print()


def _print_requests(partner: PartnerServer) -> None:
    shown = 0
    while True:
        for request in partner.requests[shown:]:
            print(request.line(), flush=True)
            shown += 1
        time.sleep(0.1)


if __name__ == "__main__":
    main()
