"""SQS, DynamoDB, Secrets Manager and the partner on this machine, in a process of their own.

It answers at once and almost nothing. The emulator takes about two milliseconds for a call and the scriptable partner
one, which would hide what is measured. This one checks nothing and keeps nothing but counts.
``python -m bench.loopback`` is that process.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from typing import override

import urllib3

from local.isolation import REGION, ROOT, LocalCloudError, Startable, end_group

TOKEN = "token-of-the-benchmarks"  # noqa: S105  opens nothing but what runs here

_ANSWERS = {
    "AmazonSQS.SendMessageBatch": b'{"Successful":[],"Failed":[]}',
    "AmazonSQS.ChangeMessageVisibilityBatch": b'{"Successful":[],"Failed":[]}',
    "DynamoDB_20120810.BatchGetItem": b'{"Responses":{},"UnprocessedKeys":{}}',
    "DynamoDB_20120810.BatchWriteItem": b'{"UnprocessedItems":{}}',
    "secretsmanager.GetSecretValue": json.dumps({"SecretString": TOKEN}).encode(),
}
_END_OF_HEAD = b"\r\n\r\n"
_COUNTS = "/counts"


def variables(url: str) -> dict[str, str]:
    """Return the environment variables of a deployment whose services are all at this URL."""
    queues = ("MEMBERSHIP_QUEUE_URL", "EVENT_QUEUE_URL", "MEMBERSHIP_DLQ_URL", "EVENT_DLQ_URL")
    return {
        **{queue: f"{url}/000000000000/{queue.lower()}" for queue in queues},
        "AWS_ENDPOINT_URL": url,
        "PARTNER_API_URL": url,
        "SUSPENSION_TABLE": "suspension",
        "LEDGER_TABLE": "ledger",
        "HTTP_TOKEN_SOURCE": f"arn:aws:secretsmanager:{REGION}:000000000000:secret:tokens",
        "HANDLER_DEADLINE_MS": "2000",  # a busy machine must not send events to the queue
        "HTTP_DEADLINE_MS": "2000",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "Bench",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


class Loopback(Startable):
    """Runs the process for the time of a ``with`` block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(retries=False)
        self.url = ""

    @override
    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.loopback"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise LocalCloudError("the loopback services did not start")
        self.url = f"http://127.0.0.1:{int(line)}"

    @override
    def stop(self) -> None:
        self._pool.clear()
        if self._process is not None:
            end_group(self._process)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of a deployment whose services are here."""
        return variables(self.url)

    def taken(self) -> Counter[str]:
        """Return how often each operation was called since the last time this was asked."""
        return Counter(self._pool.request("GET", self.url + _COUNTS).json())


class _Connection(asyncio.Protocol):
    """Reads requests one after the other, each with its length, and answers each."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._received = bytearray()
        self._wanted = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= self._wanted and (end := self._received.find(_END_OF_HEAD)) >= 0:
            head = bytes(self._received[:end])
            self._wanted = end + len(_END_OF_HEAD) + _length(head)
            if len(self._received) < self._wanted:
                break
            del self._received[: self._wanted]
            self._wanted = 0
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        operation = _operation(head)
        status, body = 200, _ANSWERS.get(operation, b"{}")
        if operation == f"GET {_COUNTS}":
            body = json.dumps(self._counts).encode()
            self._counts.clear()
        else:
            self._counts[operation] += 1
        if operation == "POST /v1/audiences":
            status, body = 201, b'{"id":"aud-4242-1001"}'
        answer = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(answer % (status, len(body), body))


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


def _operation(head: bytes) -> str:
    """Return the AWS operation, or the method and the path without ids."""
    method, path, *_ = head.split(b" ", 2)
    _, found, rest = head.partition(b"X-Amz-Target: ")
    if found:
        return rest.split(b"\r\n", 1)[0].decode()
    steps = path.decode().split("/")
    return f"{method.decode()} {'/'.join(steps[:3] + steps[4:])}"


async def _serve() -> None:
    counts: Counter[str] = Counter()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(counts), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
