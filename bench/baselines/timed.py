"""Another handler, which also writes down what each invocation took, and its network calls within it.

A network call lasts from the start of its request to the head of its answer, whoever makes it: SQS, DynamoDB and the
partner are all spoken to through the standard library's HTTP connections.
"""

import os
import time
from http.client import HTTPConnection, HTTPResponse
from importlib import import_module
from pathlib import Path
from typing import Any

_module, _, _name = os.environ["BENCH_HANDLER"].rpartition(".")
_handler = getattr(import_module(_module), _name)
_begin, _end = HTTPConnection.putrequest, HTTPConnection.getresponse
_begun: dict[int, int] = {}
_network: list[int] = []
_record = Path(os.environ["BENCH_TIMINGS"]).open("a", buffering=1)  # noqa: SIM115  as long as the environment lives


def handler(event: object, context: Any) -> dict[str, Any]:
    _network.clear()
    started, used = time.perf_counter_ns(), time.process_time_ns()
    answer: dict[str, Any] = _handler(event, context)
    took, used = time.perf_counter_ns() - started, time.process_time_ns() - used
    _record.write(f"{took} {used} {sum(_network)} {len(_network)}\n")
    return answer


def _putrequest(connection: HTTPConnection, *arguments: Any, **options: Any) -> None:
    _begun[id(connection)] = time.perf_counter_ns()
    _begin(connection, *arguments, **options)


def _getresponse(connection: HTTPConnection) -> HTTPResponse:
    try:
        return _end(connection)
    finally:
        _network.append(time.perf_counter_ns() - _begun[id(connection)])


_connections: Any = HTTPConnection  # the one place that all calls pass
_connections.putrequest, _connections.getresponse = _putrequest, _getresponse
