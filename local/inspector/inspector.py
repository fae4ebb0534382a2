"""The inspector of one local cloud: its parts, put together."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import override

from local.cloud.cloud import LocalCloud
from local.cloud.http_endpoint import TOKEN, ask
from local.cloud.ministack import Observer
from local.cloud.running import Running
from local.inspector import schemas
from local.inspector.app import Call, Operation, build
from local.inspector.checking import check
from local.inspector.errors import unusable
from local.inspector.faults import Faults
from local.inspector.following import Follower
from local.inspector.letters import Letters
from local.inspector.overview import Overview
from local.inspector.registration import Registration
from local.inspector.samples import Samples
from local.inspector.sending import Sending
from local.inspector.server import InspectorServer
from local.inspector.stream import Stream
from local.inspector.traces import Traces
from local.isolation import Startable
from local.partner.server import PartnerServer
from local.rooms import Room

_MAX_DIGITS = 18
"""Of a version."""


class Inspector(Startable):
    """Shows what a local cloud and a fake API do, for the time of a ``with`` block, from `serve` on.

    Attributes:
        observer: what the cloud's emulator must be given.
    """

    def __init__(self, room: Room, partner: PartnerServer, port: int = 0) -> None:
        """Take whose integration is deployed, the fake API, and the port; 0 picks a free one."""
        self._room = room
        self._partner = partner
        self._port = port
        self._running = ExitStack()
        self._traces = Traces()
        self._follower = Follower(self._traces)
        self.observer: Observer = self._follower.observe

    @override
    def start(self) -> None:
        """Begin to follow what the fake API receives. There is no cloud to show yet."""
        self._partner.watch(self._follower.receive)

    @override
    def stop(self) -> None:
        self._running.close()

    def serve(self, cloud: LocalCloud, running: Callable[[], Running | None]) -> str:
        """Begin to serve the page, and return its URL.

        Args:
            cloud: what is shown.
            running: returns what other processes know of it; None before it is ready.

        Raises:
            LocalCloudError: the port cannot be used.
        """
        sending = Sending(self._follower, self._traces, _Transport(cloud))
        self._running.callback(sending.close)
        streams = {"/api/stream": Stream(self._traces).open}
        app = build(self._operations(cloud, running, sending), streams)
        return self._running.enter_context(InspectorServer(app, self._port)).url

    def _operations(
        self, cloud: LocalCloud, running: Callable[[], Running | None], sending: Sending
    ) -> dict[str, Operation]:
        overview = Overview(
            room=self._room,
            running=running,
            endpoint=cloud.aws.endpoint,
            https=cloud.http_endpoint,
            alias=cloud.outputs["HandlerAliasArn"],
            partner_url=self._partner.url,
        )
        faults = Faults(self._partner)
        letters = Letters(sqs=cloud.aws.sqs, s3=cloud.aws.s3, outputs=cloud.outputs)
        return {
            "GET /api/overview": overview.show,
            "GET /api/samples": Samples(self._room).show,
            "GET /api/schema/{type}": schemas.show,
            "POST /api/check": lambda call: check(self._room, call),
            "POST /api/send": sending.send,
            "GET /api/traces": self._show_traces,
            "DELETE /api/traces": lambda _: {"removed": self._traces.clear()},
            "POST /api/traces/{id}/replay": sending.replay,
            "GET /api/faults": faults.show,
            "POST /api/faults": faults.add,
            "DELETE /api/faults": faults.remove,
            "GET /api/registration": Registration(self._room).show,
            "GET /api/dead-letters": letters.summary,
            "GET /api/dead-letters/{queue}/{message_id}": letters.show,
            "POST /api/dead-letters/redrive": letters.redrive,
            "POST /api/dead-letters/purge": letters.purge,
        }

    def _show_traces(self, call: Call) -> dict[str, object]:
        since = call.query.get("since", "0")
        if not since.isdecimal() or len(since) > _MAX_DIGITS:
            raise unusable("since: must be a version.")
        version, traces = self._traces.changed_since(int(since), call.query.get("request", ""))
        return {"version": version, "cleared": self._traces.cleared, "traces": traces}


@dataclass(frozen=True)
class _Transport:
    """Reaches the handler of a local cloud as mParticle does."""

    cloud: LocalCloud

    def invoke(self, payload: bytes) -> object:
        """Invoke the released alias."""
        return self.cloud.invoke(payload)

    def post(self, path: str, body: bytes) -> int:
        """Send a request to the HTTPS endpoint, with mParticle's token."""
        headers = {"Content-Type": "application/json", "Authorization": f"Token {TOKEN}"}
        return ask("POST", f"{self.cloud.http_endpoint}{path}", body, headers).status
