"""New Relic: a top-level array, compressed, with the account in the path."""

from collections.abc import Sequence

from mparticle_firehose.integration import Endpoint, Header, Json, JsonObject, PartnerCall, Target
from tests.rooms.judging import room

ROOM = room({"us": "https://insights-collector.newrelic.com", "eu": "https://insights-collector.eu01.nr-data.net"})


def access(licence_key: str, account: str, site: str = "us") -> Target:
    return Target(site=site, auth=Header("Api-Key", licence_key), parameters={"account": account})


def events(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path=f"/v1/accounts/{target['account']}/events", body=Json([*bodies]), gzip=True)


EVENTS = Endpoint(name="events", call=events, max_items=1000, max_bytes=1_000_000)
ENDPOINTS = (EVENTS,)
