"""A server on this machine that records every request, refuses what breaks a rule, and fails as scripted."""

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from email.message import Message
from typing import Self

from local.partner.faults import SUCCESSES, Behaviour, Step, behaviour_of
from local.partner.listener import Listener, ReceivedRequest, Reply

EVERY_ROUTE = ""
"""The name of a route's script that is for all routes without one of their own."""


class ScriptedServer[Call](ABC):
    """What the fake servers share. A subclass says which requests are valid, and what they do.

    A path without a script behaves well. A request is checked before its script is followed, so that a scripted fault
    hides no broken rule.
    """

    def __init__(self, port: int, name: str) -> None:
        """Take the port, 0 for a free one, and the name of the thread."""
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._requests: list[ReceivedRequest] = []
        self._violations: list[str] = []
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._routes: dict[str, deque[Behaviour]] = {}
        self._watchers: list[Callable[[ReceivedRequest], None]] = []
        self._listener = Listener(self, port)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), name=name)

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

    def script_route(self, route: str, steps: Iterable[Step]) -> None:
        """Decide how the next requests to one route are treated, whatever the parameters in their paths.

        It goes before the scripts of paths. Without steps the route behaves well again.
        """
        with self._lock:
            self._routes[route] = deque(behaviour_of(step) for step in steps)

    def steps_left(self, route: str) -> int:
        """Return how many steps of a route's script are not used yet."""
        with self._lock:
            return len(self._routes.get(route, ()))

    def watch(self, watcher: Callable[[ReceivedRequest], None]) -> None:
        """Have something told of each request twice: when it has come, and when it has been treated."""
        self._watchers.append(watcher)

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

    @abstractmethod
    def received(self, method: str, path: str, headers: Message) -> ReceivedRequest:
        """Return a request without its body, with the headers that are to be kept."""

    @abstractmethod
    def check(self, request: ReceivedRequest) -> Call | Reply:
        """Return a valid request as what is to be carried out, or the answer to one that is refused."""

    @abstractmethod
    def carry_out(self, request: ReceivedRequest, call: Call) -> Reply:
        """Apply a valid request and return the answer."""

    def carry_out_partly(self, request: ReceivedRequest, call: Call) -> Reply | None:  # noqa: ARG002  for subclasses
        """Apply a valid request save for its first item, if a subclass knows how; else apply nothing: None."""
        return None

    def respond(self, request: ReceivedRequest) -> Reply | None:
        """Treat one request as its script says; None means that the connection is to be lost."""
        started = time.perf_counter()
        behaviour = request.behaviour = self._admit(request)
        self._tell(request)
        hangs = behaviour.get("lost") == "hang"
        if self._closing.wait(None if hangs else behaviour.get("delay", 0)):
            return None
        with self._lock:
            reply = self._decide(request, behaviour)
            request.status = reply.status if reply else None
        request.milliseconds = (time.perf_counter() - started) * 1000
        self._tell(request)
        return reply

    def _tell(self, request: ReceivedRequest) -> None:
        for watcher in self._watchers:
            watcher(request)

    def refuse(self, request: ReceivedRequest, status: int, rule: str) -> Reply:
        """Record a broken rule and answer with it."""
        self.record(request, rule)
        return Reply(status, {"error": rule})

    def record(self, request: ReceivedRequest, rule: str) -> None:
        """Record a broken rule."""
        with self._lock:
            self._violations.append(f"{request.method} {request.route}: {rule}")

    def _admit(self, request: ReceivedRequest) -> Behaviour:
        with self._lock:
            self._requests.append(request)
            if steps := self._routes.get(request.route):
                return steps.popleft()
            if steps := self._routes.get(EVERY_ROUTE):
                request.unused_step = steps.appendleft
                return steps.popleft()
            asked = request.path.partition("?")[0]
            below = (path for path in self._scripts if f"{asked}/".startswith(f"{path}/") and self._scripts[path])
            path = max(below, key=len, default=None)
            return self._scripts[path].popleft() if path is not None else {}

    def _decide(self, request: ReceivedRequest, behaviour: Behaviour) -> Reply | None:
        checked = self.check(request)
        status = behaviour.get("status")
        lost = "lost" in behaviour
        if status is not None and status not in SUCCESSES:
            request.reply = _scripted(Reply(status, {"error": "scripted"}), behaviour)
            return request.reply
        if lost and not behaviour.get("applied"):
            return None
        if isinstance(checked, Reply):
            reply = checked
        else:
            partly = self.carry_out_partly(request, checked) if behaviour.get("partial") else None
            if behaviour.get("partial") and not partly:
                self._leave_to_a_later_call(request)
            reply = _scripted(partly or self.carry_out(request, checked), request.behaviour)
        request.reply = reply
        return None if lost else reply

    def _leave_to_a_later_call(self, request: ReceivedRequest) -> None:
        """Put a step back that is for all routes: a call such as that for an access token has no item to refuse."""
        if request.unused_step:
            request.unused_step(request.behaviour)
            request.behaviour = Behaviour()


def _scripted(usual: Reply, behaviour: Behaviour) -> Reply:
    """Put the scripted parts over the usual answer; a refusal of a well-behaved call stays."""
    if usual.status not in SUCCESSES and "status" in behaviour and behaviour["status"] in SUCCESSES:
        return usual
    headers: dict[str, str] = {**usual.headers, **behaviour.get("headers", {})}
    if "retry_after" in behaviour:
        headers["Retry-After"] = str(behaviour["retry_after"])
    status = behaviour.get("status", usual.status)
    # A plain 200 in a script means "as usual": the usual success keeps its own status.
    if status == 200 and "body" not in behaviour:  # noqa: PLR2004 - an HTTP status
        status = usual.status
    return Reply(status, behaviour.get("body", usual.body), headers, behaviour.get("drip", 0))
