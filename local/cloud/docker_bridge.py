"""Lets containers reach the local cloud on Linux, where Docker leads them to an address of its own.

Docker Desktop leads `host.docker.internal` to what listens on the loopback interface. Docker on Linux leads it to the
bridge's address, where the local cloud does not listen; so that nothing else on the network can reach it.
"""

import fcntl
import socket
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Self, override

_BRIDGE = "docker0"
_ASK_FOR_ADDRESS = 0x8915  # SIOCGIFADDR of Linux
_CHUNK_BYTES = 64 * 1024
_LOOPBACK = "127.0.0.1"


class DockerBridge:
    """Passes connections to ports of Docker's bridge on to the same ports of the loopback interface.

    Args:
        ports: to listen on.
        address: where; None finds Docker's bridge once it is there.
    """

    def __init__(self, ports: Sequence[int], *, address: str | None = None) -> None:
        self._ports = ports
        self._address = address
        self._servers: list[_Server] = []

    def __enter__(self) -> Self:
        self.build()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def build(self) -> bool:
        """Start listening unless that is done or there is no bridge; tell whether containers can come through."""
        if not self._servers and (address := self._address or bridge_address()):
            self._servers = [_Server((address, port), _Passage) for port in self._ports]
            for server in self._servers:
                threading.Thread(target=server.serve_forever, args=(0.05,), name="docker-bridge", daemon=True).start()
        return bool(self._servers)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Passage(BaseRequestHandler):
    @override
    def handle(self) -> None:
        with socket.create_connection((_LOOPBACK, self.request.getsockname()[1])) as inside:
            back = threading.Thread(target=_pass_on, args=(inside, self.request), daemon=True)
            back.start()
            _pass_on(self.request, inside)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, and then end the target's input; a side that hangs up ends both."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def bridge_address() -> str | None:
    """Return the address of Docker's bridge, or None when there is none, as with Docker Desktop."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        answer = fcntl.ioctl(probe.fileno(), _ASK_FOR_ADDRESS, struct.pack("256s", _BRIDGE.encode()))
        return socket.inet_ntoa(answer[20:24])
    return None
