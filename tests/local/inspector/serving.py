"""The inspector's server with operations of a test's own, and a client that a test may lead astray."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import urllib3


@dataclass
class Client:
    """Asks the inspector as its page does.

    Attributes:
        url: of the page.
    """

    url: str
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=10))

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        json: object = None,
        headers: Mapping[str, str | None] | None = None,
        token: str | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request below the token, or below another one; a header that is None is left out."""
        page = self.url if token is None else self.url.replace(self.token, token)
        usual = {"Content-Type": "application/json", "Origin": self.origin, **(headers or {})}
        kept = {name: value for name, value in usual.items() if value is not None}
        if json is not None:
            return self._pool.request(method, page + path, json=json, headers=kept, redirect=False)
        return self._pool.request(method, page + path, body=body, headers=kept, redirect=False)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"http://{parts.netloc}"

    @property
    def token(self) -> str:
        return urlsplit(self.url).path.strip("/")

    def close(self) -> None:
        self._pool.clear()
