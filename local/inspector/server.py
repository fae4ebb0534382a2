"""Serves the inspector on a port of the loopback interface, in a thread of its own."""

import socket
import threading
from typing import override

import uvicorn
from starlette.types import ASGIApp

from local.inspector.security import Gatekeeper, new_token
from local.isolation import LocalCloudError, Startable

_HOST = "127.0.0.1"
_STOP_SECONDS = 5
_START_SECONDS = 10


class InspectorServer(Startable):
    """Serves an application below a new token, for the time of a ``with`` block."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        """Take the application, and the port; 0 picks a free one."""
        self._app = app
        self._wanted_port = port
        self._token = new_token()
        self._port = 0
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(name="inspector", daemon=True)

    @property
    def url(self) -> str:
        """The URL of the page, which holds the token."""
        return f"http://{_HOST}:{self._port}/{self._token}/"

    @override
    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, self._wanted_port))
        except OSError as error:
            listener.close()
            raise LocalCloudError(
                f"the inspector's port {self._wanted_port} cannot be used: {error.strerror}"
            ) from None
        self._port = listener.getsockname()[1]
        started = threading.Event()
        server = _Server(Gatekeeper(self._app, self._token, self._port), started)
        self._server = server
        self._thread = threading.Thread(target=server.run, args=([listener],), name="inspector", daemon=True)
        self._thread.start()
        if not started.wait(_START_SECONDS):
            raise LocalCloudError("the inspector did not start")

    @override
    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_SECONDS)
            self._server = None


class _Server(uvicorn.Server):
    """Logs nothing: a line of an access log has the token, and a traceback may quote a request."""

    def __init__(self, app: ASGIApp, started: threading.Event) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._started = started

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started.set()
