"""make preview says what a sample request becomes, and which rules it breaks."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.isolation import ROOT
from local.preview.__main__ import main
from local.preview.requests import previews
from local.run.messages import Message
from mparticle_firehose.integration import (
    Exchange,
    Item,
    Json,
    Outcome,
    PartnerCall,
    Target,
    Undeliverable,
    subject_identities,
)
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest
from tests.conftest import load_event, parsed
from tests.local.preview_integration import (
    LookUpApi,
    an_endpoint,
    calling,
    events,
    integration_of,
    item_of,
    look_up_and_add,
    one_item,
    preview,
    sent_as_list,
    shown,
)
from tests.sample.fake_api import FakeApi
from tests.sample.partner.integration import INTEGRATION, SEGMENT_ID

ROOMS = [
    *(f"examples/{folder.parent.name}" for folder in sorted((ROOT / "examples").glob("*/partner"))),
    "tests/sample",
    "tests/second",
]
TOKEN = "canary-secret-live-4242"


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_previewed_without_a_broken_rule(room: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--partner", room])

    output = capsys.readouterr().out
    names = [path.stem for path in (ROOT / room / "events").glob("*.json")]
    assert status == 0
    assert [name for name in names if f"── {name} " not in output] == []
    assert re.search(
        r"^\d+ requests?, \d+ calls?: (no rule is broken|there is no fake API to check them)\.$", output, re.MULTILINE
    )


@pytest.mark.parametrize("room", ROOMS)
def test_no_setting_that_is_declared_as_confidential_is_shown(room: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--partner", room])

    assert "canary-secret" not in capsys.readouterr().out


@pytest.mark.parametrize("room", ROOMS)
def test_what_the_preview_says_itself_fits_into_80_columns(room: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--partner", room])

    long = [line for line in capsys.readouterr().out.splitlines() if len(line) > 80]
    assert [line for line in long if not re.match(r'^ *("|[A-Z]+ https?:|Authorization: )', line)] == []


def test_it_needs_no_aws_client_no_emulator_and_no_http_client() -> None:
    code = (
        "import sys, local.preview.__main__; from local.rooms import Room; Room.of('tests/sample').integration()\n"
        "print(*sorted({'boto3', 'moto', 'ministack', 'urllib3', 'schemathesis'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603

    assert found.stdout.split() == []


def test_one_request_can_be_previewed_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    file.write_text((ROOT / "tests/sample/events/dsr_processing_request.json").read_text())

    assert main(["--partner", "tests/sample", "--event", str(file)]) == 0
    assert capsys.readouterr().out.startswith("── mine (dsr_processing_request) ──")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--partner", "tests/none"], "tests/none holds no integration"),
        (["--partner", "tests/ops/feed_room"], "there is no request in tests/ops/feed_room/events/"),
        (["--partner", "tests/sample", "--event", "none.json"], "none.json cannot be read"),
    ],
)
def test_what_cannot_be_tried_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_room_that_has_no_fake_api_yet_is_previewed_unchecked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--partner", "tests/second"]) == 0
    assert "there is no fake API to check them" in capsys.readouterr().out


def test_each_call_names_its_items_and_the_elements_that_they_cover() -> None:
    found = preview(one_item(an_endpoint(max_items=2)), events("a", "b", "c"))

    assert found.summary == "3 events and notifications, 3 items, 2 calls. The worker sends them."
    assert [call.carries for call in found.calls] == ["2 of 3 items (1-2): events[0-1]", "1 of 3 items (3): events[2]"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("dsr_processing_request", "── dsr_processing_request ─"),
        ("dsr_processing_request_erasure", "── dsr_processing_request_erasure ─"),
        ("forget_me", "── forget_me (dsr_processing_request) ─"),
    ],
)
def test_the_type_of_a_request_is_said_unless_its_files_name_begins_with_it(name: str, title: str) -> None:
    [found] = previews(INTEGRATION, None, [Message(name, b"", load_event("dsr_processing_request"))], [])

    assert shown(found).startswith(title)


def test_a_single_call_is_sent_while_mparticle_waits() -> None:
    assert preview(one_item(an_endpoint()), events("a")).summary.endswith(
        "It is sent while mParticle waits (EventMode=forward)."
    )


def test_changes_of_several_profiles_are_named_by_profile_and_audience() -> None:
    found = preview(INTEGRATION, load_event("audience_membership_change_request"))

    assert found.calls[0].carries == "3 of 7 items (1, 3, 5): user_profiles[0-1, 3].audiences[0]"


def test_identities_of_an_erasure_are_named() -> None:
    first = item_of(0, an_endpoint(), covers=(("subject_identities", 0),))
    request = load_event("dsr_processing_request")
    named = [*subject_identities(parsed(DsrProcessingRequest, request))]

    found = preview(replace(INTEGRATION, erasures=lambda _: [first]), request)

    assert len(named) > 1
    assert found.calls[0].carries == f"1 of 1 items (1): subject_identities.{named[0]}"
    assert found.left_out.split(", ") == [f"subject_identities.{name}" for name in named[1:]]


def test_elements_of_which_the_mapping_makes_nothing_are_named_with_their_types() -> None:
    endpoint = an_endpoint()
    request = events("a", "b", "c")
    request["events"][2]["type"] = "session_end"

    found = preview(integration_of(lambda _: [item_of(0, endpoint)]), request)

    assert found.left_out == "screen_view (events[1]); session_end (events[2])"


class TestWhyItemsAreApart:
    """The reason stands at the later call."""

    @staticmethod
    def notes(*items: Item) -> list[tuple[str, ...]]:
        found = preview(integration_of(lambda _: items), events(*map(str, range(len(items)))))
        return [call.notes for call in found.calls]

    def test_a_call_is_full_by_count(self) -> None:
        endpoint = an_endpoint(max_items=1)

        assert self.notes(item_of(0, endpoint), item_of(1, endpoint, user="other")) == [
            (),
            ("call 1 is full: max_items=1",),
        ]

    def test_a_call_is_full_by_bytes(self) -> None:
        endpoint = an_endpoint(max_bytes=12)

        assert self.notes(item_of(0, endpoint), item_of(1, endpoint, user="other")) == [
            (),
            ("call 1 has no room for its first item: max_bytes=12",),
        ]

    def test_a_key_is_in_the_call_already(self) -> None:
        endpoint = an_endpoint()
        after = "sent after call 1: earlier items of its users or keys"

        assert self.notes(item_of(0, endpoint, key="k"), item_of(1, endpoint, key="k")) == [
            (),
            ("call 1 holds the key of its first item", after),
        ]

    def test_an_order_is_kept_between_endpoints_of_a_lane(self) -> None:
        joins, leaves = an_endpoint("join", lane="user"), an_endpoint("leave", lane="user")
        found = self.notes(item_of(0, joins), item_of(1, leaves), item_of(2, joins))

        assert found[2][0] == "its first item keeps its user's order in the lane 'user'"

    def test_targets_differ(self) -> None:
        endpoint = an_endpoint()
        other = Target(site="eu", parameters={"list": "canary-list"})

        assert self.notes(item_of(0, endpoint), item_of(1, endpoint, target=other, user="other")) == [
            (),
            ("its target is another one than that of call 1: site and parameter list",),
        ]

    def test_equal_items_share_a_place(self) -> None:
        endpoint = an_endpoint()
        equal = {"key": "k", "body": {"same": True}}

        assert self.notes(item_of(0, endpoint, **equal), item_of(1, endpoint, **equal)) == [
            ("1 items share the place of an equal one with their key",)
        ]


def test_what_is_undeliverable_is_shown_with_its_reason_and_breaks_no_rule() -> None:
    small = an_endpoint(max_item_bytes=3)
    odd = Undeliverable((("events", 0),), "the user has no id")

    found = preview(integration_of(lambda _: [odd, item_of(1, small)]), events("a", "b"))

    assert found.undeliverable == ("events[0]: the user has no id", "events[1]: item_too_large")
    assert found.all_problems == ()


def test_what_is_not_offered_is_said_and_not_tried() -> None:
    without = replace(INTEGRATION, erasures=None)

    found = preview(without, load_event("dsr_processing_request"))

    assert not found.is_offered
    assert (found.calls, found.all_problems) == ((), ())
    assert "does not offer" in shown(found)


def test_a_keep_alive_without_settings_is_no_problem() -> None:
    found = preview(INTEGRATION, {"type": "event_processing_request", "events": []})

    assert found.all_problems == ()
    assert "without a call" in found.summary


class TestExchanges:
    """They are followed as far as the answers of the fake API lead."""

    def test_each_call_is_shown_that_is_made_from_an_answer(self) -> None:
        found = preview(one_item(an_endpoint(call=look_up_and_add)), events("a"), LookUpApi())

        text = shown(found)
        assert found.all_problems == ()
        assert found.summary.endswith("1 item, 1 call and 1 more from their answers. The worker sends them.")
        first, second = text.split("  Then, made from that answer:\n")
        assert "GET $PARTNER_API_URL/contacts" in first
        assert "POST $PARTNER_API_URL/contacts/31" in second
        assert all("the fake API answers 200" in part for part in (first, second))

    def test_without_a_fake_api_its_first_call_is_shown_and_that_others_may_follow(self) -> None:
        text = shown(preview(one_item(an_endpoint(call=look_up_and_add)), events("a")))

        assert "GET $PARTNER_API_URL/contacts" in text
        assert "if further calls follow, they need this one's answer" in text
        assert "Then" not in text

    def test_an_answer_that_it_does_not_accept_ends_it(self) -> None:
        found = preview(one_item(an_endpoint(call=look_up_and_add)), events("a"), LookUpApi(status=404))

        [call] = found.calls
        assert ([each.status for each in call.sent], found.all_problems) == ([404], ())
        assert call.end == "404 ends the exchange, which does not accept it"

    def test_an_answer_that_it_accepts_does_not_end_it(self) -> None:
        accepting = partial(look_up_and_add, accept=frozenset({404}))

        found = preview(one_item(an_endpoint(call=accepting)), events("a"), LookUpApi(status=404))

        assert [each.status for each in found.calls[0].sent] == [404, 404]

    def test_a_call_that_breaks_a_rule_ends_it(self) -> None:
        def unknown(_target: Target, _bodies: object) -> Exchange[Outcome]:
            yield PartnerCall(method="GET", path="/nowhere")
            raise AssertionError

        found = preview(one_item(an_endpoint(call=unknown)), events("a"), LookUpApi())

        [problem] = found.all_problems
        assert problem.startswith("the fake API refuses it: ")

    def test_an_error_after_an_answer_is_named_below_what_was_sent(self) -> None:
        def failing(_target: Target, _bodies: object) -> Exchange[Outcome]:
            yield PartnerCall(method="GET", path="/contacts")
            raise ValueError("odd")

        found = preview(one_item(an_endpoint(call=failing)), events("a"), LookUpApi())

        assert len(found.calls[0].sent) == 1
        assert "ValueError: odd" in found.all_problems[0]

    def test_one_that_has_no_end_is_a_problem(self) -> None:
        def endless(_target: Target, _bodies: object) -> Exchange[Outcome]:
            while True:
                yield PartnerCall(method="GET", path="/contacts")

        found = preview(one_item(an_endpoint(call=endless)), events("a"), LookUpApi())

        assert found.all_problems == ("the exchange makes more than 64 calls",)

    def test_one_that_returns_no_outcome_is_a_problem(self) -> None:
        def silent(_target: Target, _bodies: object) -> Exchange[Any]:
            yield PartnerCall(method="GET", path="/contacts")

        found = preview(one_item(an_endpoint(call=silent)), events("a"), LookUpApi())

        assert found.all_problems == ("the exchange returns no outcome",)

    def test_a_subscription_names_the_settings_that_mparticle_keeps(self) -> None:
        found = preview(INTEGRATION, load_event("audience_subscription_add"), FakeApi())

        assert found.summary.endswith(f"It keeps {SEGMENT_ID}.")

    def test_a_subscription_that_returns_no_settings_is_a_problem(self) -> None:
        def subscription(_request: object) -> Exchange[Any]:
            yield PartnerCall(method="GET", path="/contacts")
            return ["canary-text"]

        found = preview(
            replace(INTEGRATION, subscription=subscription), load_event("audience_subscription_add"), LookUpApi()
        )

        assert found.all_problems == ("the exchange returns no settings",)


class TestProblems:
    """Each is named by the field and the rule, and the others of a request are shown all the same."""

    def test_a_call_that_breaks_a_rule_of_the_fake_api_names_the_field(self) -> None:
        call = PartnerCall(path="/track", body=Json({"events": "canary-text"}))

        [problem] = preview(calling(call), events("a"), FakeApi()).all_problems

        assert problem.startswith("the fake API refuses it: ")
        assert "canary" not in problem

    def test_a_call_that_keeps_the_rules_has_the_answer_of_the_fake_api(self) -> None:
        found = preview(INTEGRATION, load_event("event_processing_request"), FakeApi())

        assert found.all_problems == ()
        assert [call.status for call in found.calls[0].sent] == [202]

    @pytest.mark.parametrize(
        ("base", "problems"), [("/v2", ()), ("/v3", ("the fake API refuses it: path: is unknown",))]
    )
    def test_the_path_of_a_sites_base_url_is_part_of_what_is_checked(
        self, base: str, problems: tuple[str, ...]
    ) -> None:
        api = LookUpApi()
        api.document = {**api.document, "servers": [{"url": "https://eu.example/v2"}]}
        call = PartnerCall(method="GET", path="/contacts", site="eu")

        found = preview(replace(calling(call), sites={"eu": f"https://eu.example{base}"}), events("a"), api)

        assert found.all_problems == problems

    def test_a_rule_of_the_seam(self) -> None:
        endpoint = an_endpoint()
        found = preview(integration_of(lambda _: [item_of(5, endpoint)]), events("a"))

        assert found.all_problems == ("the integration breaks a rule: covers: 1 elements are not in the request",)

    def test_an_undeclared_setting(self) -> None:
        def mapping(request: EventProcessingRequest) -> Iterator[Item]:
            region = request.account.string_setting("region", default="")
            yield item_of(0, an_endpoint(), body={"region": region})

        found = preview(integration_of(mapping), events("a", settings={"token": "t", "region": "eu"}))

        assert found.all_problems == (
            "the calls need the setting 'region', and mParticle sends none: the registration does not ask for it",
        )

    def test_a_missing_setting(self) -> None:
        request = load_event("event_processing_request", account={"account_id": 7})

        assert preview(INTEGRATION, request).all_problems == (
            "nothing can be delivered: account setting 'token' is required",
        )

    def test_an_unreadable_element(self) -> None:
        request = events("a", "b")
        request["events"][1]["timestamp_ms"] = "canary-noon"

        found = preview(one_item(an_endpoint()), request)

        [problem] = found.all_problems
        assert problem.startswith("1 of its elements cannot be read: events")
        assert len(found.calls) == 1

    def test_an_unknown_site(self) -> None:
        found = preview(calling(PartnerCall(site="mars", path="/x")), events("a"))

        assert found.all_problems == ("site: 'mars' is not one of Integration.sites",)

    @pytest.mark.parametrize(
        ("parts", "reason"),
        [
            ({"body": Json({"n": float("inf")})}, "body_not_json"),
            ({"path": "/a/../b"}, "path_segment"),
            ({"headers": {"X-Name": "Jané"}}, "header_not_ascii"),
        ],
    )
    def test_what_http_cannot_carry(self, parts: Mapping[str, Any], reason: str) -> None:
        call = PartnerCall(**{"path": "/x", **parts})

        assert preview(calling(call), events("a")).all_problems == (f"cannot be sent: {reason}",)

    def test_an_error_in_a_mapping_costs_that_request_only_and_has_its_place(self) -> None:
        def mapping(request: EventProcessingRequest) -> Iterator[Item]:
            yield item_of(0, an_endpoint(), body={"n": request.account.account_settings["none"]})

        [problem] = preview(integration_of(mapping), events("a")).all_problems

        assert re.match(r"your code fails: tests/local/test_preview\.py, line \d+: KeyError: 'none'\n", problem)

    def test_an_error_that_no_line_of_the_mapping_raises_is_about_what_it_returns(self) -> None:
        def forgets_to_return(_request: EventProcessingRequest) -> Any:
            return None

        integration, folders = replace(INTEGRATION, events=forgets_to_return), [Path("/elsewhere/partner")]

        [found] = previews(integration, None, [Message("request", b"", events("a"))], folders)

        [problem] = found.all_problems
        assert "no line of your code raises it, so look at what your code returns" in problem

    def test_a_call_that_returns_no_call(self) -> None:
        def returns_a_body(_target: Target, _bodies: object) -> Any:
            return {"items": []}

        found = preview(one_item(an_endpoint(call=returns_a_body)), events("a"))

        assert found.all_problems == ("cannot be made: call: must return a PartnerCall, or yield PartnerCalls",)

    def test_an_error_in_a_call_is_said_once(self) -> None:
        def failing(_target: Target, _bodies: object) -> PartnerCall:
            raise ValueError("odd")

        assert len(preview(one_item(an_endpoint(call=failing)), events("a")).all_problems) == 1

    def test_an_error_in_a_call_leaves_the_other_calls(self) -> None:
        def failing(_target: Target, _bodies: object) -> PartnerCall:
            raise ValueError("odd")

        bad, good = an_endpoint("bad", call=failing), an_endpoint("good")

        found = preview(integration_of(lambda _: [item_of(0, bad), item_of(1, good)]), events("a", "b"))

        assert [len(call.sent) for call in found.calls] == [0, 1]
        assert "ValueError: odd" in found.all_problems[0]

    def test_an_error_that_only_the_missing_data_causes_is_said_as_well(self) -> None:
        def mapping(request: EventProcessingRequest) -> Iterator[Item]:
            yield item_of(0, an_endpoint(), body={"region": request.account.account_settings["region"]})

        found = preview(integration_of(mapping), events("a", settings={"token": "t", "region": "eu"}))

        assert len(found.calls) == 1
        assert "without what the registration does not ask for" in found.all_problems[0]


def test_a_broken_rule_is_the_verdict_and_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "odd.json"
    file.write_text('{"type": "event_processing_request", "events": [{"type": "custom_event"}]}')

    assert main(["--partner", "tests/sample", "--event", str(file)]) == 1
    output = capsys.readouterr().out
    assert output.endswith(
        "✗ odd: nothing can be delivered: account setting 'token' is required\n1 request, 0 calls: 1 problem.\n"
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "INTEGRATION = (\n",
            r"partner/integration\.py, line 1: SyntaxError: '\(' was never closed\n    INTEGRATION = \(",
        ),
        ("\nimport nothing_like_this\n", r"partner/integration\.py, line 2: ModuleNotFoundError: No module named"),
        ("x = 1\n", r"integration\.py does not define INTEGRATION"),
    ],
)
def test_code_that_cannot_be_loaded_is_named_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, said: str
) -> None:
    (tmp_path / "partner").mkdir()
    (tmp_path / "events").mkdir()
    (tmp_path / "partner" / "__init__.py").touch()
    (tmp_path / "partner" / "integration.py").write_text(source)
    (tmp_path / "events" / "a.json").write_text("{}")

    assert main(["--partner", str(tmp_path)]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_the_calls_are_made_as_the_endpoint_makes_them() -> None:
    text = shown(preview(one_item(an_endpoint(call=sent_as_list)), events("a", "b")))

    assert "POST $PARTNER_API_URL/items\n" in text
    assert '\n  [{"n": 0}, {"n": 1}]\n' in text
