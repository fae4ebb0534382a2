"""The page breaks the fake API, sees how often it still will, and mends it."""

from collections.abc import Iterator

import pytest
import urllib3

from local.inspector.app import Call
from local.inspector.errors import InspectorError
from local.inspector.faults import KINDS, Faults
from local.partner.server import PartnerServer
from tests.local.whole_api import whole_api
from tests.sample.server import SamplePartner

HEADERS = {"X-Sample-Token": "key"}
BODY = {"account": 7, "request": "r-1", "user": {}, "events": [{"kind": "first"}, {"kind": "second"}]}
SEGMENTS = "/segments/{id}/changes"


@pytest.fixture
def partner() -> Iterator[SamplePartner]:
    with SamplePartner() as running:
        yield running


@pytest.fixture
def faults(partner: SamplePartner) -> Faults:
    return Faults(partner)


def ask(partner: PartnerServer, path: str = "/track", key: str = "1") -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        return pool.request("POST", partner.url + path, json=BODY, headers={**HEADERS, "Idempotency-Key": key})


def add(faults: Faults, **content: object) -> object:
    return faults.add(Call(content=content))["active"]


def test_the_kinds_and_routes_are_listed(faults: Faults, partner: SamplePartner) -> None:
    found = faults.show()

    kinds = found["kinds"]
    assert isinstance(kinds, list)
    assert [kind["name"] for kind in kinds] == list(KINDS)
    assert {kind["name"]: kind["seconds"] for kind in kinds if kind["seconds"]} == {
        "status_429": "wait_seconds",
        "slow": "delay_seconds",
    }
    assert all(kind["title"] and kind["explanation"].endswith(".") for kind in kinds)
    assert (found["routes"], found["left_out"], found["active"]) == (list(partner.api.document["paths"]), [], [])


def test_a_fault_lasts_as_often_as_it_was_asked_for(faults: Faults, partner: SamplePartner) -> None:
    active = add(faults, kind="status_500", route="/track", times=2)
    assert active == [{"kind": "status_500", "route": "/track", "left": 2}]

    assert [ask(partner, key=str(n)).status for n in range(2)] == [500, 500]
    assert faults.show()["active"] == []
    assert ask(partner).status == 202
    assert [request.behaviour.get("name") for request in partner.requests] == ["status_500", "status_500", None]


def test_a_fault_of_every_route_spares_those_with_one_of_their_own(faults: Faults, partner: SamplePartner) -> None:
    add(faults, kind="status_500", route="", times=9)
    active = add(faults, kind="status_401", route="/track", times=1)

    assert active == [
        {"kind": "status_500", "route": "", "left": 9},
        {"kind": "status_401", "route": "/track", "left": 1},
    ]
    assert [ask(partner).status, ask(partner).status, ask(partner, "/forget").status] == [401, 500, 500]


def test_a_fault_of_a_route_is_for_all_its_paths_and_no_other_route(faults: Faults, partner: SamplePartner) -> None:
    add(faults, kind="status_500", route=SEGMENTS, times=9)

    assert [ask(partner, path).status for path in ("/segments/seg-1-2/changes", "/segments/x/changes")] == [500, 500]
    assert ask(partner, "/segments").status != 500


def test_seconds_are_those_that_were_asked_for_or_the_usual_ones(faults: Faults, partner: SamplePartner) -> None:
    add(faults, kind="status_429", route="/track", times=1, wait_seconds=17)
    answers = [ask(partner)]
    add(faults, kind="status_429", route="/track", times=1)
    answers.append(ask(partner))
    add(faults, kind="slow", route="/track", times=1, delay_seconds=0.01)
    ask(partner)

    assert [answer.headers["Retry-After"] for answer in answers] == ["17", "5"]
    assert partner.requests[-1].milliseconds is not None
    assert partner.requests[-1].milliseconds >= 10


def test_a_refused_item_and_a_lost_answer(faults: Faults, partner: SamplePartner) -> None:
    add(faults, kind="partial", route="", times=1)
    assert ask(partner, key="a").json() == {"taken": True, "not_taken": [[0, 422]]}
    add(faults, kind="apply_then_reset", route="", times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask(partner, key="b")

    lost = partner.requests[-1]
    assert (lost.status, lost.reply and lost.reply.status) == (None, 202)
    assert len(partner.events) == 2


def test_all_faults_are_removed_together(faults: Faults, partner: SamplePartner) -> None:
    for route in ("", "/track"):
        add(faults, kind="status_500", route=route, times=1_000)

    assert faults.remove(Call())["active"] == []
    assert ask(partner).status == 202


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"kind": "other", "route": ""}, "kind"),
        ({"route": ""}, "kind"),
        ({"kind": [], "route": ""}, "kind"),
        ({"kind": "hang", "route": "/other"}, "route"),
        ({"kind": "hang"}, "route"),
        ({"kind": "hang", "route": "", "times": 0}, "times"),
        ({"kind": "hang", "route": "", "times": 1_001}, "times"),
        ({"kind": "hang", "route": "", "times": True}, "times"),
        ({"kind": "slow", "route": "", "delay_seconds": -1}, "delay_seconds"),
        ({"kind": "slow", "route": "", "delay_seconds": "1"}, "delay_seconds"),
        ({"kind": "status_429", "route": "", "wait_seconds": 1e9}, "wait_seconds"),
    ],
)
def test_what_cannot_be_used_is_named_and_changes_nothing(
    faults: Faults, content: dict[str, object], field: str
) -> None:
    with pytest.raises(InspectorError, match=f"^{field}: must be ") as caught:
        faults.add(Call(content=content))

    assert (caught.value.status, faults.show()["active"]) == (400, [])


def test_a_fake_api_that_refuses_no_items_has_no_such_fault_and_says_why() -> None:
    with PartnerServer(whole_api()) as partner:
        faults = Faults(partner)

        left_out = faults.show()["left_out"]
        assert isinstance(left_out, list)
        assert [each["name"] for each in left_out] == ["partial"]
        with pytest.raises(InspectorError, match="partial_failure"):
            faults.add(Call(content={"kind": "partial", "route": ""}))
