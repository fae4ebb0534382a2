"""Hosts a partner's fake API on this machine: checks every call, keeps what it receives, and fails on demand.

Use it as a context manager in a test, or on its own: ``python -m local.partner.server --port 8080``.
"""

import argparse
import copy
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from email.message import Message
from typing import Any, NamedTuple, Self

from local.partner.contract import Contract, ContractError
from local.partner.fake_api import FakeApi
from local.partner.faults import SUCCESSES, Behaviour, Step, behaviour_of
from local.partner.listener import Listener, ReceivedRequest, Reply
from local.rooms import Room

__all__ = ["PartnerServer", "ReceivedRequest", "Reply"]

_RECORDED_HEADERS = frozenset({"Correlation-Id", "Idempotency-Key", "Content-Type", "User-Agent", "Host"})


class _Call(NamedTuple):
    """A request that keeps the contract."""

    operation: str
    parameters: Mapping[str, str]


class PartnerServer:
    """A fake API on a port of this machine.

    A path without a script behaves well. Every credential is valid until it is revoked. A request that breaks the
    contract is refused with the rule that it breaks, which `violations` keeps. A call with an Idempotency-Key that has
    taken effect already is answered as before and changes nothing; a GET is always asked anew.
    """

    def __init__(self, api: FakeApi, port: int = 0) -> None:
        """Take the API to host, and the port; 0 picks a free one."""
        self.api: Any = api
        self.contract = Contract(api.document)
        self._recorded_headers = _RECORDED_HEADERS | self.contract.headers
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._requests: list[ReceivedRequest] = []
        self._violations: list[str] = []
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._revoked: set[str] = set()
        self._done: dict[str, tuple[tuple[str, str, object], tuple[int, object]]] = {}
        self._repeats = 0
        self._listener = Listener(self, port)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), name="partner-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release requests that hang, drop every connection and free the port."""
        self._closing.set()
        self._listener.shutdown()
        self._listener.drop_connections()
        self._listener.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def script(self, path: str, steps: Iterable[Step]) -> None:
        """Decide how the next requests to a path, or to anything below it, are treated, one step for each.

        The longest scripted path wins. A step is a status, a `Behaviour`, or "hang" (no answer before `close`),
        "reset" (the connection is lost, nothing applied) or "apply_then_reset" (applied, but the answer is lost). Once
        the steps are used up the path behaves well again.
        """
        with self._lock:
            self._scripts[path.rstrip("/")] = deque(behaviour_of(step) for step in steps)

    def revoke(self, credential: str) -> None:
        """Answer 401 to every later request with this credential."""
        with self._lock:
            self._revoked.add(credential)

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """Every request so far, in the order of arrival."""
        with self._lock:
            return tuple(self._requests)

    @property
    def connections(self) -> int:
        """How many connections have been made so far."""
        return self._listener.accepted

    @property
    def violations(self) -> tuple[str, ...]:
        """Each broken rule, as ``METHOD route: rule``; no values."""
        with self._lock:
            return tuple(self._violations)

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

    def received(self, method: str, path: str, headers: Message) -> ReceivedRequest:
        """Return a request without its body, with the headers that the contract is about."""
        kept = {name: headers[name] for name in self._recorded_headers if name in headers}
        return ReceivedRequest(method, path, kept, None, self.contract.route(path))

    def respond(self, request: ReceivedRequest) -> Reply | None:
        """Treat one request as its script says; None means that the connection is to be lost."""
        behaviour = self._admit(request)
        hangs = behaviour.get("lost") == "hang"
        if self._closing.wait(None if hangs else behaviour.get("delay", 0)):
            return None
        with self._lock:
            reply = self._decide(request, behaviour)
            request.status = reply.status if reply else None
        return reply

    def refuse(self, request: ReceivedRequest, status: int, rule: str) -> Reply:
        """Record a broken rule and answer with it."""
        with self._lock:
            self._violations.append(f"{request.method} {request.route}: {rule}")
        return Reply(status, {"error": rule})

    def _admit(self, request: ReceivedRequest) -> Behaviour:
        with self._lock:
            self._requests.append(request)
            below = (
                path for path in self._scripts if f"{request.path}/".startswith(f"{path}/") and self._scripts[path]
            )
            path = max(below, key=len, default=None)
            return self._scripts[path].popleft() if path is not None else {}

    def _decide(self, request: ReceivedRequest, behaviour: Behaviour) -> Reply | None:
        checked = self._checked(request)
        status = behaviour.get("status")
        lost = "lost" in behaviour
        if status is not None and status not in SUCCESSES:
            return _scripted(Reply(status, {"error": "scripted"}), behaviour)
        if lost and not behaviour.get("applied"):
            return None
        reply = checked if isinstance(checked, Reply) else _scripted(self._carry_out(request, checked), behaviour)
        return None if lost else reply

    def _checked(self, request: ReceivedRequest) -> _Call | Reply:
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

    def _carry_out(self, request: ReceivedRequest, call: _Call) -> Reply:
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


def _scripted(usual: Reply, behaviour: Behaviour) -> Reply:
    """Put the scripted parts over the usual answer; a refusal of a well-behaved call stays."""
    if usual.status not in SUCCESSES and "status" in behaviour and behaviour["status"] in SUCCESSES:
        return usual
    headers = dict(behaviour.get("headers", {}))
    if "retry_after" in behaviour:
        headers["Retry-After"] = str(behaviour["retry_after"])
    status = behaviour.get("status", usual.status)
    # A plain 200 in a script means "as usual": the usual success keeps its own status.
    if status == 200 and "body" not in behaviour:  # noqa: PLR2004 - an HTTP status
        status = usual.status
    return Reply(status, behaviour.get("body", usual.body), headers)


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
