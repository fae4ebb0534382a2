"""Audiences are connected within the request: what the partner answers belongs into the response."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import (
    DeliveryError,
    FirehoseError,
    MalformedRequestError,
    PartnerUnavailableError,
    RefusedError,
)
from mparticle_firehose.integration import Answer, Bearer, Exchange, NetworkFault, PartnerCall, Rejected, Retry, Verdict
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import AudienceSubscriptionRequest, Response
from tests.conftest import (
    TRANSIENT,
    Json,
    PartnerDouble,
    Reply,
    ServicesDouble,
    load_event,
    reply_to,
    serializer,
)

CREATED = Answer(status=201, body={"segment": "seg-7"})
KEY = Bearer("canary-key")


def processed(message: Json, services: ServicesDouble, deadline: Deadline) -> Response:
    return process(serializer.parse(message), services, deadline)


def returned(response: Response) -> object:
    return serializer.dump(response).get("audience_subscription_settings", {})


def subscribing(
    services: ServicesDouble, subscription: Callable[[AudienceSubscriptionRequest], Exchange[Mapping[str, str]]] | None
) -> ServicesDouble:
    return replace(services, integration=replace(services.integration, subscription=subscription))


def search_or_create(request: AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
    """Look the audience up, create it if there is none, then share it."""
    found = yield PartnerCall(
        method="GET", path="/lists", query={"name": request.audience_name or ""}, auth=KEY, accept=frozenset({404})
    )
    if not found.succeeded:
        found = yield PartnerCall(path="/lists", auth=KEY)
    yield PartnerCall(path=f"/lists/{found.text('id')}/share", auth=KEY)
    return {"listId": found.text("id")}


@pytest.mark.parametrize("event_mode", ["forward", "queue"])
def test_a_connected_audience_is_created_and_its_id_returned(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, event_mode: str
) -> None:
    partner.replies = [CREATED]

    response = processed(
        load_event("audience_subscription_add"),
        replace(services, event_mode=event_mode),  # type: ignore[arg-type]  # one of the two
        deadline,
    )

    assert returned(response) == {"segmentId": "seg-7"}
    assert [(call.method, call.path) for call in partner.calls] == [("POST", "/segments")]
    assert partner.deadlines == [deadline]


def test_a_changed_audience_keeps_its_id(services: ServicesDouble, partner: PartnerDouble, deadline: Deadline) -> None:
    response = processed(load_event("audience_subscription_update"), services, deadline)

    assert partner.calls[0].method == "PUT"
    assert returned(response) == {"segmentId": "seg-4242-1001"}


def test_an_audience_that_the_partner_never_had_is_removed_without_a_call(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
) -> None:
    processed(load_event("audience_subscription_remove", audience_subscription_settings=None), services, deadline)

    assert partner.calls == []


def test_a_status_that_the_call_accepts_is_an_answer_like_any_other(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
) -> None:
    """Removing what is gone already is done."""
    partner.replies = [404]

    response = processed(load_event("audience_subscription_remove"), services, deadline)

    assert returned(response) == {}
    assert [call.method for call in partner.calls] == ["DELETE"]


def test_the_same_status_that_the_call_does_not_accept_refuses_the_audience(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
) -> None:
    partner.replies = [404]

    with pytest.raises(RefusedError, match=r"^the partner refuses the audience \(http_404\)$"):
        processed(load_event("audience_subscription_update"), services, deadline)


class TestSeveralCalls:
    """A later call may need an earlier answer."""

    @pytest.mark.parametrize(
        ("replies", "paths"),
        [
            ([Answer(status=200, body={"id": "l1"}), 204], ["/lists", "/lists/l1/share"]),
            ([404, Answer(status=201, body={"id": "l2"}), 204], ["/lists", "/lists", "/lists/l2/share"]),
        ],
        ids=["found", "created"],
    )
    def test_each_gets_the_answers_before_it(
        self,
        services: ServicesDouble,
        partner: PartnerDouble,
        deadline: Deadline,
        replies: list[Reply],
        paths: list[str],
    ) -> None:
        partner.replies = list(replies)

        response = processed(load_event("audience_subscription_add"), subscribing(services, search_or_create), deadline)

        assert [call.path for call in partner.calls] == paths
        assert returned(response) == {"listId": paths[-1].split("/")[2]}
        assert partner.deadlines == [deadline] * len(paths)

    @pytest.mark.parametrize("failing", [1, 2])
    def test_one_that_fails_ends_them_all(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, failing: int
    ) -> None:
        partner.replies = [Answer(status=200, body={"id": "l1"}), 204]
        partner.replies[failing - 1] = 503

        with pytest.raises(DeliveryError, match="http_503"):
            processed(load_event("audience_subscription_add"), subscribing(services, search_or_create), deadline)

        assert len(partner.calls) == failing

    def test_a_request_that_mparticle_repeats_makes_the_same_calls(
        self, services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
    ) -> None:
        for overrides in ({}, {}, {"id": "5a3c1e70-0000-4000-8000-00000000ffff"}):
            partner.replies = [CREATED]
            processed(load_event("audience_subscription_add", **overrides), services, deadline)

        first, second, other = partner.identities
        assert first == second != other


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (500, PartnerUnavailableError, r"the partner could not be reached in time \(http_500\)"),
        (
            Retry("deployment_secret_refused"),
            DeliveryError,
            r"a secret of this deployment cannot be used \(.*_refused\)",
        ),
        (Retry("deployment_secret_unavailable"), DeliveryError, r"a secret of .* cannot be used \(.*_unavailable\)"),
        (Retry("read_timeout"), PartnerUnavailableError, r"the partner could not be reached in time \(read_timeout\)"),
        (201, DeliveryError, "the partner's answer lacks the segment's id"),
        (409, RefusedError, r"the partner refuses the audience \(http_409\)"),
        (413, RefusedError, r"the partner refuses the audience \(http_413\)"),
        (410, RefusedError, r"the partner refuses the audience \(http_410\)"),
        (Rejected("body_not_json"), RefusedError, r"the partner refuses the audience \(body_not_json\)"),
        (401, RefusedError, r"the partner does not accept the account's credentials \(http_401\)"),
    ],
    ids=str,
)
def test_an_audience_that_was_not_created_is_not_acknowledged(
    services: ServicesDouble,
    partner: PartnerDouble,
    deadline: Deadline,
    reply: Reply,
    error: type[FirehoseError],
    text: str,
) -> None:
    partner.replies = [reply]

    with pytest.raises(error, match=f"^{text}$") as raised:
        processed(load_event("audience_subscription_add"), services, deadline)

    assert type(raised.value) is error


def test_a_status_that_only_the_table_takes_for_success_is_no_answer_to_go_on_with(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
) -> None:
    partner.replies = [409]
    lenient = replace(services, verdicts=RetryPolicy({409: Verdict.DELIVERED}))

    with pytest.raises(DeliveryError, match=r"^the partner's answer was not expected$"):
        processed(load_event("audience_subscription_add"), lenient, deadline)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_suspend_the_account(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, status: int
) -> None:
    partner.replies = [status]

    with pytest.raises(RefusedError, match="credentials"):
        processed(load_event("audience_subscription_add"), services, deadline)

    assert services.suspensions.reasons == {4242: f"http_{status}"}


@pytest.mark.parametrize("cause", TRANSIENT, ids=str)
def test_nothing_transient_ever_suspends(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, cause: int | NetworkFault
) -> None:
    partner.replies = [reply_to(cause)]

    with pytest.raises(DeliveryError):
        processed(load_event("audience_subscription_add"), services, deadline)

    assert services.suspensions.reasons == {}


@pytest.mark.parametrize(
    ("reply", "noted"),
    [
        (CREATED, [("", False)]),
        (409, [("", False)]),
        (503, [("", True)]),
        (Retry("reset"), [("", True)]),
        (Retry("out_of_time"), [("", True)]),
        (Retry("deployment_secret_unavailable"), []),
    ],
    ids=["success", "refusal", "server-fault", "network-fault", "no-connection", "no-call"],
)
def test_the_circuit_breaker_is_told_what_the_call_came_to(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline, reply: Reply, noted: list[tuple[str, bool]]
) -> None:
    partner.replies = [reply]

    try:
        processed(load_event("audience_subscription_add"), services, deadline)
    except FirehoseError:
        assert reply is not CREATED

    assert services.breaker.noted == noted


def test_a_site_that_is_known_to_be_down_is_not_called(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
) -> None:
    services.breaker.down.add("")

    with pytest.raises(DeliveryError, match="circuit_open"):
        processed(load_event("audience_subscription_add"), services, deadline)

    assert partner.calls == []


def test_without_anything_to_call_a_subscription_is_acknowledged_without_settings(
    services: ServicesDouble, partner: PartnerDouble, deadline: Deadline
) -> None:
    response = processed(load_event("audience_subscription_add"), subscribing(services, None), deadline)

    assert returned(response) == {}
    assert partner.calls == []


def test_an_integration_without_audiences_refuses_it(services: ServicesDouble, deadline: Deadline) -> None:
    without = replace(services, integration=replace(services.integration, memberships=None, subscription=None))

    with pytest.raises(MalformedRequestError, match=r"^type: is not offered by this integration$"):
        processed(load_event("audience_subscription_add"), without, deadline)


@pytest.mark.parametrize("action", ["pause", None], ids=str)
def test_an_action_that_nobody_knows_is_refused(
    services: ServicesDouble, deadline: Deadline, action: str | None
) -> None:
    with pytest.raises(MalformedRequestError, match=r"^action: must be add, update or remove$"):
        processed(load_event("audience_subscription_add", action=action), services, deadline)
