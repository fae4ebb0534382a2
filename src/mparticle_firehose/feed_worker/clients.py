"""Clients of the Events API, one for each key pair."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from mparticle_firehose.feed.events_api import Connections, EventsApi
from mparticle_firehose.feed_worker.key_pairs import KeyPair
from mparticle_firehose.feed_worker.pace import Paces

_MAX_CLIENTS = 1_000
"""Clients that are kept, one for each key pair."""


class Clients:
    """A client for each key pair. Those of one base URL share its connections. Several threads may use it."""

    def __init__(self, partner_identity: str | None, paces: Paces, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the type of the partner's identity, the paces of key pairs, and what waits. Nothing is connected yet."""
        self._partner_identity = partner_identity
        self._paces = paces
        self._sleep = sleep
        self._connections: dict[str, Connections] = {}
        self._clients: OrderedDict[str, EventsApi] = OrderedDict()
        self._lock = Lock()

    def of(self, pair: KeyPair) -> EventsApi:
        """Return the client of a key pair."""
        with self._lock:
            client = self._clients.get(pair.id) or self._new(pair)
            self._clients[pair.id] = client
            self._clients.move_to_end(pair.id)
            if len(self._clients) > _MAX_CLIENTS:
                self._clients.popitem(last=False)
            return client

    def prepare(self, base_url: str) -> None:
        """Build what requests to a base URL need, without connecting."""
        self._connected(base_url).prepare()

    def hang_up(self) -> None:
        """Shut every connection down; the next request connects anew."""
        for connections in self._connections.values():
            connections.hang_up()

    def _new(self, pair: KeyPair) -> EventsApi:
        return EventsApi(
            self._connected(pair.base_url),
            pair.credentials,
            partner_feed=pair.is_partner_feed,
            partner_identity=self._partner_identity,
            pause=lambda batches, deadline: self._paces.pause(pair.id, batches, deadline, self._sleep),
        )

    def _connected(self, base_url: str) -> Connections:
        if base_url not in self._connections:
            self._connections[base_url] = Connections(base_url)
        return self._connections[base_url]
