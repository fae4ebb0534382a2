"""Reads one answer from a connection, and ends the connection if more than that comes."""

import io
import socket
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, override

_BLANK_LINES = (b"\r\n", b"\n")


class SoleAnswer(HTTPResponse):
    """An answer as http.client reads it.

    Bytes after its end belong to no request: the next call would take them for its answer. urllib3 looks whether
    a connection has something to read before it uses it again. It sees neither what has been read into the answer's
    buffer nor what TLS has decrypted, so that is looked at here. What comes only when the next call has been written
    cannot be told from that call's answer.

    http.client takes the end of the connection for the end of the head. Such an answer is not whole: its length, or the
    body that lists what was refused, may be missing.
    """

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._reader = self.fp = _Reader(self.fp.detach(), sock)

    @override
    def begin(self) -> None:
        super().begin()
        if self._reader.last_line not in _BLANK_LINES:
            raise ConnectionResetError("the connection ended within the head of the answer")


class _Reader(io.BufferedReader):
    """Shuts its connection down if something is unread when it is closed, which is at the end of the answer."""

    def __init__(self, raw: io.RawIOBase, connected: socket.socket) -> None:
        super().__init__(raw)
        self._connected = connected
        self.last_line = b""

    @override
    def readline(self, size: int | None = -1) -> bytes:
        self.last_line = super().readline(size)
        return self.last_line

    @override
    def close(self) -> None:
        if not self.closed:
            with suppress(OSError):  # the connection is closed, or there is nothing to decrypt
                self._shut_down_if_unread()
        super().close()

    def _shut_down_if_unread(self) -> None:
        timeout = self._connected.gettimeout()
        self._connected.settimeout(0)
        try:
            has_more = bool(self.peek(1))
        finally:
            self._connected.settimeout(timeout)
        if has_more:
            socket.socket.shutdown(self._connected, socket.SHUT_RDWR)
