"""Reports what the emulator's queues and functions do, a line of JSON each, on a pipe to the process that started it.

Loaded by ministack_process.py, in MiniStack's own interpreter, so that it imports nothing of ours (MiniStack 1.5.33). A
report is never waited for: with too many that are not read yet, further ones are dropped.

=========  =========================================================================================================
report     fields beside ``kind`` and ``at``, in seconds since the epoch
=========  =========================================================================================================
invoked    ``invocation``, ``function``, and ``event``, or of a batch of an event source mapping its ``records``
returned   ``invocation``, ``failed``, ``body``, ``log``, ``milliseconds``
sent       ``queue``, ``message_id``, ``group``, ``attributes``, ``body``
deleted    ``queue``, ``message_ids``; by a client, not by an event source mapping
moved      ``queue`` to which SQS moved what was received too often, ``message_ids``
=========  =========================================================================================================
"""

import itertools
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_MAX_UNREAD = 20_000
_MAX_LOG_LENGTH = 200_000  # characters

type Fields = dict[str, Any]
type Report = Callable[..., None]


class Pipe:
    """Writes reports to a pipe in a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        """Take the pipe's writing end. The functions' processes do not inherit it."""
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._unread: queue.Queue[Fields] = queue.Queue(_MAX_UNREAD)
        threading.Thread(target=self._write, name="observer", daemon=True).start()

    def report(self, kind: str, **fields: Any) -> None:
        """Write a report soon."""
        try:
            self._unread.put_nowait({"kind": kind, "at": time.time(), **fields})
        except queue.Full:
            return

    def _write(self) -> None:
        while True:
            line = json.dumps(self._unread.get(), default=repr).encode() + b"\n"
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                return  # nobody reads any more


def observe(report: Report, sqs: Any, functions: Any) -> None:
    """Have the emulator's modules of SQS and Lambda report what they do, and that a message was sent before its use."""
    sending = threading.Lock()
    sqs._act_send_message = _reporting_sent(sqs._act_send_message, report, sending)  # noqa: SLF001  there is no public way
    sqs._HANDLERS["SendMessage"] = sqs._act_send_message  # noqa: SLF001  as above
    for action in ("DeleteMessage", "DeleteMessageBatch", "PurgeQueue"):
        sqs._HANDLERS[action] = _reporting_deleted(sqs, sqs._HANDLERS[action], report)  # noqa: SLF001
    sqs._dlq_sweep = _reporting_moved(sqs._dlq_sweep, report)  # noqa: SLF001  there is no public way
    execute = functions._execute_function_dispatch  # noqa: SLF001  as above
    functions._execute_function_dispatch = _reporting_invoked(execute, report, sending)  # noqa: SLF001  as above


def _reporting_sent(
    send: Callable[[Fields, str], Fields], report: Report, sending: threading.Lock
) -> Callable[[Fields, str], Fields]:
    def sent(data: Fields, url: str) -> Fields:
        attributes = data.get("MessageAttributes") or {}
        with sending:
            result = send(data, url)
            report(
                "sent",
                queue=_name(data.get("QueueUrl", url)),
                message_id=result["MessageId"],
                group=data.get("MessageGroupId"),
                attributes={name: each["StringValue"] for name, each in attributes.items() if "StringValue" in each},
                body=data.get("MessageBody", ""),
            )
        return result

    return sent


def _reporting_deleted(
    sqs: Any, delete: Callable[[Fields, str], Fields], report: Report
) -> Callable[[Fields, str], Fields]:
    def deleted(data: Fields, url: str) -> Fields:
        place = data.get("QueueUrl", url)
        before = _ids(sqs._get_q(place)["messages"])  # noqa: SLF001
        result = delete(data, url)
        if gone := before - _ids(sqs._get_q(place)["messages"]):  # noqa: SLF001
            report("deleted", queue=_name(place), message_ids=sorted(gone))
        return result

    return deleted


def _reporting_moved(sweep: Callable[[Fields], None], report: Report) -> Callable[[Fields], None]:
    def swept(source: Fields) -> None:
        before = source["messages"]
        sweep(source)
        if len(source["messages"]) < len(before):
            policy = json.loads(source["attributes"]["RedrivePolicy"])
            gone = _ids(before) - _ids(source["messages"])
            report("moved", queue=policy["deadLetterTargetArn"].rpartition(":")[2], message_ids=sorted(gone))

    return swept


def _reporting_invoked(execute: Callable[..., Any], report: Report, sending: threading.Lock) -> Callable[..., Any]:
    numbers = itertools.count(1)

    def executed(function: Fields, config: Fields, event: Any, *rest: Any) -> Any:
        number = next(numbers)
        with sending:  # another thread may have taken a message before the one that sends it has reported it
            report("invoked", invocation=number, function=config.get("FunctionName", ""), **_event(event))
        started = time.perf_counter()
        result = execute(function, config, event, *rest)
        report(
            "returned",
            invocation=number,
            failed=bool(result.get("error")),
            body=result.get("body"),
            log=str(result.get("log") or "")[:_MAX_LOG_LENGTH],
            milliseconds=(time.perf_counter() - started) * 1000,
        )
        return result

    return executed


def _event(event: Any) -> Fields:
    """Return what is reported of an event. The bodies of a batch were reported when they were sent."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        return {"event": event}
    return {
        "records": [
            {
                "message_id": record["messageId"],
                "queue": record["eventSourceARN"].rpartition(":")[2],
                "receive_count": int(record["attributes"]["ApproximateReceiveCount"]),
            }
            for record in records
            if "messageId" in record
        ]
    }


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _ids(messages: Iterable[Fields]) -> set[str]:
    return {message["id"] for message in messages}
