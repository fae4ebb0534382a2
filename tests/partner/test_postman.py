"""The requests of docs/postman_collection.json are taken by your integration, over Lambda and over HTTPS."""

import json

import boto3
import pytest

from local.partner.server import PartnerServer
from local.postman.__main__ import COLLECTION
from local.rooms import Room
from mparticle_firehose.firehose import Firehose
from tests.conftest import Deployment
from tests.endpoint.postman_requests import TOKEN, responses, statuses

ROOM = Room.of()
OUTDATED = "docs/postman_collection.json has requests that your integration does not take: run `make postman`"


def test_every_message_of_the_collection_is_taken(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = json.loads(COLLECTION.read_text())
    boto3.client("ssm").put_parameter(Name="/mparticle/tokens", Value=TOKEN, Type="SecureString")
    with PartnerServer(ROOM.fake_api()) as partner:
        for name, value in {
            "PARTNER_API_URL": partner.url,
            "HTTP_TOKEN_SOURCE": "/mparticle/tokens",
            "HTTP_DEADLINE_MS": "1000",
        }.items():
            monkeypatch.setenv(name, value)
        deployment.firehose = Firehose(ROOM.integration())

        found = statuses(deployment, collection)
        types = [*responses(deployment, collection)]

    switched_off = {name for name in found if name.startswith(("/cookie-sync", "/feed"))}
    assert {name for name, status in found.items() if status != 200} == switched_off, OUTDATED
    assert all(kind.endswith("_response") for kind in types), OUTDATED
