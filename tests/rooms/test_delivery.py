"""The rooms in the engine: which calls it makes after each answer, and what becomes of each item in the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.asking import Asking
from mparticle_firehose.delivery.gates import Gates
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Pending
from mparticle_firehose.delivery.sending import Delivery
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    DeploymentSecret,
    Integration,
    Item,
    JsonObject,
)
from tests.conftest import BreakerDouble, PartnerDouble, RateLimitsDouble, TelemetryDouble
from tests.rooms import (
    amplitude,
    braze,
    customerio,
    facebook,
    google_ads,
    hubspot,
    iterable,
    klaviyo,
    mixpanel,
    onesignal,
    segment,
)
from tests.rooms.judging import answered, items, kinds, policy_of
from tests.rooms.test_batching import pending_of

A, B, C = ({"email": f"{name}@x.io"} for name in "abc")


@dataclass
class Run:
    """One invocation of the engine with the answers that the partner gives."""

    room: Integration
    replies: list[Answer]
    suspensions: list[str] = field(default_factory=list)
    partner: PartnerDouble = field(default_factory=PartnerDouble)
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)

    def deliver(self, made: Sequence[Item]) -> list[str]:
        """Return what has become of each item."""
        self.partner.replies = [*self.replies]
        pending = pending_of(self.room, made)
        asking = Asking(
            partner=self.partner,
            verdicts=policy_of(self.room),
            gates=Gates(
                breaker=BreakerDouble(),
                rate_limits=RateLimitsDouble(),
                suspend=lambda _plan, reason: self.suspensions.append(reason),
            ),
            telemetry=self.telemetry,
            deadline=Deadline.after(60),
        )
        Delivery(asking).deliver(merged(pending))
        return [_kind(each) for each in pending]

    @property
    def paths(self) -> list[str]:
        return [call.path.rpartition("/")[2] for call in self.partner.calls]


def _kind(pending: Pending) -> str:
    assert pending.outcome is not None
    return kinds(pending.outcome, 2)[0]


def ids(*names: str) -> list[JsonObject]:
    return [{"id": name} for name in names]


def test_a_bad_event_is_found_by_halving_and_the_others_are_delivered() -> None:
    run = Run(customerio.ROOM, [answered(400), answered(200), answered(400), answered(400), answered(200)])

    outcomes = run.deliver(items(customerio.BATCH, customerio.access("s", "k"), ids("1", "2", "3", "4")))

    assert outcomes == ["ok", "ok", "reject", "ok"]
    assert [len(body["batch"]) for body in run.partner.bodies] == [4, 2, 2, 1, 1]


def test_good_events_of_a_refused_batch_go_again_at_once() -> None:
    pointer = "/data/attributes/events-bulk-create/data/1/attributes/profile"
    run = Run(klaviyo.ROOM, [answered(400, {"errors": [{"source": {"pointer": pointer}}]}), answered(202)])

    outcomes = run.deliver(items(klaviyo.EVENTS, klaviyo.access("canary-key"), ids("1", "2", "3")))

    assert outcomes == ["ok", "reject", "ok"]
    assert [body["data"]["attributes"]["events-bulk-create"]["data"] for body in run.partner.bodies] == [
        ids("1", "2", "3"),
        ids("1", "3"),
    ]


def test_events_that_may_have_failed_go_alone() -> None:
    bodies: list[JsonObject] = [{**A, "eventName": "a"}, {**B, "eventName": "a"}, {**A, "eventName": "b"}]
    said = {"successCount": 2, "failCount": 1, "failedUpdates": {"invalidEmails": ["a@x.io"]}}
    alone = {"successCount": 0, "failCount": 1, "failedUpdates": {"invalidEmails": ["a@x.io"]}}
    run = Run(iterable.ROOM, [answered(200, said), answered(200, alone), answered(200, {"failCount": 0})])

    assert run.deliver(items(iterable.TRACK, iterable.access("canary-key"), bodies)) == ["reject", "ok", "ok"]
    assert [len(body["events"]) for body in run.partner.bodies] == [3, 1, 1]


def test_a_contact_that_is_missing_goes_through_the_chain_alone_and_is_then_rejected() -> None:
    upserted = answered(
        200, {"status": "COMPLETE", "results": [{"id": "11", "properties": A}, {"id": "12", "properties": B}]}
    )
    again = answered(200, {"status": "COMPLETE", "results": [{"id": "12", "properties": B}]})
    missing = answered(200, {"recordIdsMissing": ["12"]})
    run = Run(hubspot.ROOM, [upserted, missing, again, missing])

    outcomes = run.deliver(items(hubspot.JOIN, hubspot.access("canary-token", list="7"), [A, B], users=["a", "b"]))

    assert outcomes == ["ok", "reject"]
    assert run.paths == ["upsert", "add", "upsert", "add"]


def test_a_chain_that_is_told_to_wait_keeps_what_it_knows_of_its_items() -> None:
    failed = {"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": ["1"]}}
    upserted = answered(207, {"status": "COMPLETE", "results": [{"id": "11", "properties": A}], "errors": [failed]})
    run = Run(hubspot.ROOM, [upserted, answered(429, {"policyName": "TEN_SECONDLY_ROLLING"})])

    outcomes = run.deliver(items(hubspot.JOIN, hubspot.access("canary-token", list="7"), [A, B], users=["a", "b"]))

    assert outcomes == ["retry(10)", "reject"]


def test_a_leave_knows_at_once_who_was_never_there() -> None:
    run = Run(hubspot.ROOM, [answered(200, {"results": [{"id": "11", "properties": A}]}), answered(503)])

    outcomes = run.deliver(items(hubspot.LEAVE, hubspot.access("canary-token", list="7"), [A, B], users=["a", "b"]))

    assert outcomes == ["retry", "ok"]


def test_g2_a_job_that_met_another_one_is_tried_again_from_its_start() -> None:
    concurrent = {"error": {"details": [{"errors": [{"errorCode": {"databaseError": "CONCURRENT_MODIFICATION"}}]}]}}
    run = Run(google_ads.ROOM, [answered(200, {"resourceName": "jobs/7"}), answered(400, concurrent)])
    target = google_ads.access("canary-token", site="ads", customer="1", list="l")

    outcomes = run.deliver(items(google_ads.UPLOAD, target, [{**A, "verb": "create"}, {**B, "verb": "create"}]))

    assert outcomes == ["retry", "retry"]
    assert run.paths == ["offlineUserDataJobs:create", "7:addOperations"]


def test_a_400_that_is_a_partial_success_is_not_sent_again() -> None:
    run = Run(mixpanel.ROOM, [answered(400, {"failed_records": [{"index": 1}]})])
    target = mixpanel.import_access("canary-user", "canary-secret", "9")

    assert run.deliver(items(mixpanel.IMPORT, target, ids("1", "2"))) == ["ok", "reject"]
    assert len(run.partner.calls) == 1


def test_a_batch_that_is_too_large_is_split_until_one_item_is() -> None:
    run = Run(segment.ROOM, [answered(400), answered(400), answered(200)])

    assert run.deliver(items(segment.BATCH, segment.access("canary-key"), ids("1", "2"))) == ["reject", "ok"]


def test_a_wait_of_the_partners_own_is_kept() -> None:
    run = Run(amplitude.ROOM, [answered(429)])

    assert run.deliver(items(amplitude.EVENTS, amplitude.access("canary-key"), ids("1"))) == ["retry(30)"]


def test_a_status_that_the_call_accepts_is_a_delivery() -> None:
    run = Run(onesignal.ROOM, [answered(404)])

    assert run.deliver(items(onesignal.ERASE, onesignal.access("canary-key", "app", "u"), [{}])) == ["ok"]


def test_a_refused_key_suspends_the_customer_whose_key_it_is() -> None:
    run = Run(braze.ROOM, [answered(401)])

    assert run.deliver(items(braze.TRACK, braze.access("canary-key"), [braze.tracked("events")])) == ["suspend"]
    assert run.suspensions == ["http_401"]


def test_failures_without_a_place_are_logged_with_their_number() -> None:
    run = Run(customerio.ROOM, [answered(207, {"errors": [{"batch_index": 7}, {"batch_index": 0}]})])

    outcomes = run.deliver(items(customerio.BATCH, customerio.access("s", "k"), ids("1", "2")))

    assert outcomes == ["reject", "ok"]
    assert run.telemetry.warnings == [{"event": "failures without a place", "endpoint": "batch", "failures": 1}]


def test_failures_without_a_place_in_an_exchange_are_logged_too() -> None:
    element = {"fieldName": "operations", "index": 7}
    failure = {"details": [{"errors": [{"location": {"fieldPathElements": [element]}}]}]}
    replies = [
        answered(200, {"resourceName": "jobs/7"}),
        answered(200, {"partialFailureError": failure}),
        answered(200),
    ]
    run = Run(google_ads.ROOM, replies)
    target = google_ads.access("canary-token", site="ads", customer="1", list="l")

    outcomes = run.deliver(items(google_ads.UPLOAD, target, [{**A, "verb": "create"}]))

    assert outcomes == ["ok"]
    assert run.telemetry.warnings == [{"event": "failures without a place", "endpoint": "upload", "failures": 1}]


@pytest.mark.parametrize("answer", [answered(401), answered(400, {"error": {"code": 190}})], ids=["table", "judge"])
def test_a_refused_secret_of_the_deployment_suspends_no_customer(answer: Answer) -> None:
    run = Run(facebook.ROOM, [answer])
    target = facebook.access(pixel="5")

    outcomes = run.deliver(items(facebook.CONVERSIONS, target, ids("1", "2")))

    assert target.auth == Bearer(DeploymentSecret("facebook_system_user"))
    assert (outcomes, run.suspensions) == (["retry"] * 2, [])
