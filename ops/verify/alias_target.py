"""Calls the function's alias, as mParticle does from its own accounts."""

import base64
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from local.latency_limits import ALIAS_MS
from mparticle_firehose import errors
from mparticle_firehose.execution_environment import COLD_STARTS
from ops.stack import StackError
from ops.verify.replies import Kind, Reply, code_of, short

_KINDS: Mapping[type[errors.FirehoseError], Kind] = {
    errors.MalformedRequestError: Kind.MALFORMED,
    errors.RefusedError: Kind.REFUSED,
    errors.SettingError: Kind.REFUSED,
    errors.DeliveryError: Kind.NOT_NOW,
    errors.FirehoseError: Kind.CRASHED,
}
"""What the product's own errors say; the first class decides. Whatever else a function raises is a crash."""

_THROTTLED = frozenset({"TooManyRequestsException", "ServiceException", "EC2ThrottledException"})
_OF_EMULATOR = "Runtime.HandlerError"
_RAISED = re.compile(r"mparticle_firehose\.errors\.(\w+): ")


class AliasTarget:
    """An alias, or whatever ARN was given instead of one."""

    latency_limit_ms = ALIAS_MS

    def __init__(self, client: Any, arn: str, *, is_local: bool) -> None:
        """Take a client of Lambda, which must not retry, and the ARN."""
        self.client = client
        self.arn = arn
        self.is_local = is_local

    def send(self, body: bytes, *, authorized: bool = True) -> Reply:  # noqa: ARG002  AWS's own credentials go with all
        """Invoke it."""
        started = time.perf_counter()
        try:
            response = self.client.invoke(FunctionName=self.arn, Payload=body, LogType="Tail")
            payload = response["Payload"].read()
        except (ReadTimeoutError, ConnectionClosedError):
            return Reply(Kind.SILENT, milliseconds=_since(started))
        except ClientError as error:
            return _refused_by_lambda(error, _since(started))
        milliseconds = _since(started)
        log = base64.b64decode(response.get("LogResult") or "").decode(errors="replace")
        kind, reason = _error(payload, log) if "FunctionError" in response else (Kind.ANSWERED, "")
        return Reply(
            kind,
            payload if kind is Kind.ANSWERED else b"",
            milliseconds,
            reason,
            **_reported(log),
        )


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _refused_by_lambda(error: ClientError, milliseconds: float) -> Reply:
    code = error.response["Error"].get("Code", "")
    if code in _THROTTLED:
        return Reply(Kind.NOT_NOW, milliseconds=milliseconds, reason=code)
    if code == "InvalidRequestContentException":
        return Reply(Kind.MALFORMED, milliseconds=milliseconds, reason=code)
    if code == "ResourceNotFoundException":
        raise StackError("the account has no such function, or the function no such alias, in the ARN's region")
    raise error


def _error(payload: bytes, log: str) -> tuple[Kind, str]:
    """Return the kind and the reason of an error that the function ended with."""
    try:
        content = json.loads(payload)
    except ValueError:
        content = None
    described = content if isinstance(content, dict) else {}
    name = str(described.get("errorType") or "")
    if name == _OF_EMULATOR and (raised := [*_RAISED.finditer(log)]):
        name = raised[-1].group(1)
    text = str(described.get("errorMessage") or "")
    if kind := _kind_of(name):
        return kind, f"{name}: {short(text)}"  # which holds no values
    if "Task timed out" in text:
        return Kind.SILENT, "the function's own timeout"
    return Kind.CRASHED, code_of(name) or "an error without a type"


def _kind_of(name: str) -> Kind | None:
    """Return what one of the product's own errors says; None if it is none of them."""
    raised = getattr(errors, name, None)
    if not isinstance(raised, type) or not issubclass(raised, errors.FirehoseError):
        return None
    return next(kind for known, kind in _KINDS.items() if issubclass(raised, known))


def _reported(log: str) -> dict[str, Any]:
    """Return what the invocation's own line says: how long it took, and whether it waited for a start."""
    for text in log.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "duration_ms" in line:
            return {"function_ms": line["duration_ms"], "is_cold": line.get("initialization") in COLD_STARTS}
    return {}
