"""SQS, DynamoDB, Secrets Manager and the partner on this machine, in a process of their own.

It answers at once, with almost nothing, and only counts. The emulator takes about two milliseconds for a call and the
fake API one, which would hide what is measured. The partner can be told to take its time. ``python -m bench.loopback
SECONDS`` is that process.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from typing import override

import urllib3

from local.isolation import REGION, ROOT, LocalCloudError, Startable, end_group

TOKEN = "token-of-the-benchmarks"  # noqa: S105  of no use outside this machine

PARTNER = "partner"
"""What a call counts as that is none of AWS."""

_RESPONSES = {
    "AmazonSQS.SendMessageBatch": b'{"Successful":[],"Failed":[]}',
    "AmazonSQS.ChangeMessageVisibilityBatch": b'{"Successful":[],"Failed":[]}',
    "DynamoDB_20120810.BatchGetItem": b'{"Responses":{},"UnprocessedKeys":{}}',
    "DynamoDB_20120810.BatchWriteItem": b'{"UnprocessedItems":{}}',
    "secretsmanager.GetSecretValue": json.dumps({"SecretString": TOKEN}).encode(),
    PARTNER: b'{"message":"success"}',  # the least that Braze says
}
_COUNTS = "/counts-of-the-benchmarks"


def variables(url: str = "http://127.0.0.1") -> dict[str, str]:
    """Return the environment variables of a deployment whose services are all at this URL."""
    queues = [f"{queue}_{kind}_URL" for queue in ("MEMBERSHIP", "EVENT", "ERASURE") for kind in ("QUEUE", "DLQ")]
    return {
        "BULK_QUEUE_URL": f"{url}/000000000000/bulk_queue_url",
        **{queue: f"{url}/000000000000/{queue.lower()}" for queue in queues},
        "AWS_ENDPOINT_URL": url,
        "PARTNER_API_URL": url,
        "SUSPENSION_TABLE": "suspension",
        "LEDGER_TABLE": "ledger",
        "LARGE_BODY_BUCKET": "large-bodies",
        "HTTP_TOKEN_SOURCE": f"arn:aws:secretsmanager:{REGION}:000000000000:secret:tokens",
        "HANDLER_DEADLINE_MS": "2000",  # a busy machine must not send events to the queue
        "HTTP_DEADLINE_MS": "2000",
    }


class Loopback(Startable):
    """Runs the process for the time of a ``with`` block.

    Args:
        partner_seconds: that the partner takes for a call. AWS answers at once.
    """

    def __init__(self, partner_seconds: float = 0.0) -> None:
        self._partner_seconds = partner_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(retries=False)
        self.url = ""

    @override
    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.loopback", str(self._partner_seconds)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
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
        """Return how often each operation was called since this was asked last; the partner's are one operation."""
        return Counter(self._pool.request("GET", self.url + _COUNTS).json())


async def _serve(partner_seconds: float) -> None:
    counts: Counter[str] = Counter()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head_of_next(reader):
            if head.startswith(f"GET {_COUNTS} "):
                body = json.dumps(counts).encode()
                counts.clear()
            else:
                operation = _header(head, "X-Amz-Target") or PARTNER
                counts[operation] += 1
                body = _RESPONSES.get(operation, b"{}")
                if operation == PARTNER and partner_seconds:
                    await asyncio.sleep(partner_seconds)
            head_of_response = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head_of_response % len(body) + body)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _head_of_next(reader: asyncio.StreamReader) -> str:
    """Read a whole request and return its head; an empty text when the connection is closed."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        await reader.readexactly(int(_header(head, "Content-Length") or 0))
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""
    return head


def _header(head: str, name: str) -> str:
    _, _, rest = head.partition(f"\r\n{name}: ")
    return rest.partition("\r\n")[0]


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
