"""Forwards connections from Docker's bridge to the local cloud, on Linux.

Docker Desktop resolves `host.docker.internal` to the loopback interface of this machine. On Linux it is the address of
Docker's bridge, where the local cloud does not listen: the rest of the network must not reach it.
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
_SIOCGIFADDR = 0x8915  # Linux's request for the address of an interface
_CHUNK_BYTES = 64 * 1024
_LOOPBACK = "127.0.0.1"


class DockerBridge:
    """Forwards ports of Docker's bridge to the same ports of the loopback interface, for the time of a ``with`` block.

    Args:
        ports: to listen on.
        address: to listen on; None is the address of Docker's bridge.
    """

    def __init__(self, ports: Sequence[int], *, address: str | None = None) -> None:
        self._ports = ports
        self._address = address
        self._servers: list[_Server] = []

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def listen(self) -> bool:
        """Start listening, unless that is done or there is no bridge yet; return whether containers can connect."""
        if not self._servers and (address := self._address or bridge_address()):
            self._servers = [_Server((address, port), _Forwarding) for port in self._ports]
            for server in self._servers:
                threading.Thread(target=server.serve_forever, args=(0.05,), name="docker-bridge", daemon=True).start()
        return bool(self._servers)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Forwarding(BaseRequestHandler):
    @override
    def handle(self) -> None:
        with socket.create_connection((_LOOPBACK, self.request.getsockname()[1])) as service:
            responses = threading.Thread(target=_copy, args=(service, self.request), daemon=True)
            responses.start()
            _copy(self.request, service)
            responses.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, and then end the target's input."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def bridge_address() -> str | None:
    """Return the address of Docker's bridge, or None if there is none, as with Docker Desktop."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        interface = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", _BRIDGE.encode()))
        return socket.inet_ntoa(interface[20:24])
    return None
