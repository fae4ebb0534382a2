"""A run without a deployment secret that its calls need is refused before anything is built, with the secret's name."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from local.isolation import LocalCloudError
from local.run.messages import Message
from local.run.secrets import check_secrets
from mparticle_firehose.integration import (
    Basic,
    Bearer,
    DeploymentSecret,
    Endpoint,
    Form,
    Integration,
    Item,
    Json,
    OAuth2,
    PartnerCall,
    Query,
    Target,
)
from mparticle_firehose.protocol import EventProcessingRequest
from tests.sample.partner.integration import INTEGRATION

APP = DeploymentSecret("app")
EVENTS = Message.read("events", json.dumps({"type": "event_processing_request", "events": []}).encode())


def calling(**parts: Any) -> Integration:
    endpoint = Endpoint(name="only", call=lambda *_: PartnerCall(**{"path": "/x", **parts}))
    return replace(INTEGRATION, events=lambda _: [Item(endpoint=endpoint, target=Target(), body={})])


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"headers": {"Developer-Token": APP}}, id="header"),
        pytest.param({"query": {"app": APP}}, id="query"),
        pytest.param({"body": Json({"deep": [{"app": APP}]})}, id="json"),
        pytest.param({"body": Form({"app": APP})}, id="form"),
        pytest.param({"auth": Bearer(APP)}, id="bearer"),
        pytest.param({"auth": Query("app", APP)}, id="auth-in-query"),
        pytest.param(
            {"auth": OAuth2.refresh_token("r", path="/token", client_id="c", client_secret=APP)}, id="oauth-form"
        ),
        pytest.param({"auth": OAuth2(site="", path="/token", form=(), client=Basic("c", APP))}, id="oauth-client"),
    ],
)
def test_a_secret_that_is_missing_is_named(parts: dict[str, Any]) -> None:
    with pytest.raises(LocalCloudError, match=r"^calls need deployment secrets that are missing: app\. Put"):
        check_secrets(calling(**parts), [EVENTS], ["other"])

    check_secrets(calling(**parts), [EVENTS], ["app"])


def test_what_fails_for_another_reason_is_left_to_the_run() -> None:
    def broken(_request: EventProcessingRequest) -> Iterator[Item]:
        raise ZeroDivisionError
        yield

    check_secrets(replace(INTEGRATION, events=broken), [EVENTS], [])
    check_secrets(calling(path="/a/../b", headers={"A": APP}), [EVENTS], [])
