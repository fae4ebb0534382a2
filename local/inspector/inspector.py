"""The inspector of one local cloud: its parts, put together."""

from contextlib import ExitStack
from typing import override

from local.build.build import fingerprint, machine_architecture
from local.cloud.cloud import LocalCloud
from local.inspector.app import Operation, build
from local.inspector.overview import Overview
from local.inspector.samples import Samples
from local.inspector.server import InspectorServer
from local.isolation import Startable
from local.partner.server import PartnerServer
from local.rooms import Room


class Inspector(Startable):
    """Shows what a local cloud and a fake API do, for the time of a ``with`` block, from `serve` on."""

    def __init__(self, room: Room, partner: PartnerServer, port: int = 0) -> None:
        """Take whose integration is deployed, the fake API, and the port; 0 picks a free one."""
        self._room = room
        self._partner = partner
        self._port = port
        self._running = ExitStack()

    @override
    def start(self) -> None:
        """Do nothing: there is no cloud to show yet."""

    @override
    def stop(self) -> None:
        self._running.close()

    def serve(self, cloud: LocalCloud) -> str:
        """Begin to serve the page, and return its URL.

        Raises:
            LocalCloudError: the port cannot be used.
        """
        return self._running.enter_context(InspectorServer(build(self._operations(cloud), {}), self._port)).url

    def _operations(self, cloud: LocalCloud) -> dict[str, Operation]:
        overview = Overview(
            room=self._room,
            endpoint=cloud.aws.endpoint,
            https=cloud.http_endpoint,
            alias=cloud.outputs["HandlerAliasArn"],
            partner_url=self._partner.url,
            fingerprint=lambda: fingerprint(machine_architecture(), self._room),
        )
        return {
            "GET /api/overview": overview.show,
            "GET /api/samples": Samples(self._room).list,
        }
