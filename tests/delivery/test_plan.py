"""What a plan checks, and what it leaves behind."""

import gc
from dataclasses import replace
from typing import cast

import pytest

from local.run.seam_rules import check_planned
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import HASHED_SUBJECT, Planned, Planner
from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import Answer, Item, Origin, Undeliverable
from mparticle_firehose.protocol import DsrProcessingRequest
from tests.conftest import Json, PartnerDouble, load_event, parsed
from tests.delivery.laboratory import INTEGRATION, Laboratory, planned, request


def test_a_plan_whose_items_are_settled_leaves_nothing_to_the_garbage_collector(deadline: Deadline) -> None:
    """In a cycle of references each request's memory would wait for it, and the next request would get other memory."""
    laboratory = Laboratory(PartnerDouble([Answer(status=207, body={"failures": {1: 422}})]), deadline)
    gc.collect()
    gc.disable()
    try:
        laboratory.deliver(planned("many:a:k many:b", "shared:c:k:u", "odd", state=True))
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert len(laboratory.partner.calls) == 3


@pytest.mark.parametrize("covers", [("events", 99), ("event", 0), ("user_profiles", 0, 0)])
def test_in_tests_an_item_must_cover_what_the_request_holds(covers: Origin) -> None:
    plan = planned("one:1")
    odd = replace(plan.pending[0].item, covers=(covers,))

    with pytest.raises(IntegrationError, match="covers"):
        check_planned(plan.request, [odd])

    check_planned(plan.request, plan.planned)


def test_in_tests_two_endpoints_of_one_name_are_found() -> None:
    plan = planned("one:1", "one:2")
    item = plan.pending[0].item
    twin = replace(item, endpoint=replace(item.endpoint))

    with pytest.raises(IntegrationError, match="endpoint_name"):
        check_planned(plan.request, [item, twin])


def test_a_mapping_that_yields_something_else_is_told() -> None:
    integration = replace(INTEGRATION, events=lambda _: cast("list[Item]", [None]))

    with pytest.raises(IntegrationError, match="must yield Item and Undeliverable"):
        Planner(integration).plan(request("one:1"), source="m1")


def erased(sent: Json, *made: Planned) -> tuple[Planned, ...]:
    """Return the plan of an erasure of which the mapping makes this."""
    integration = replace(INTEGRATION, erasures=lambda _: made)
    message = load_event("dsr_processing_request", subject_identities=sent, extensions=None)
    return Planner(integration).planned(parsed(DsrProcessingRequest, message))


RAW, HASH = {"value": "a@b", "encoding": "raw"}, {"value": "canary-hash", "encoding": "sha256"}


@pytest.mark.parametrize("sent", [{"email": HASH}, {"email": HASH, "other": RAW}], ids=["hash", "hash-and-raw"])
def test_an_erasure_that_a_hash_may_concern_is_not_done_without_an_item(sent: Json) -> None:
    assert erased(sent) == (Undeliverable((("subject_identities", 0),), HASHED_SUBJECT),)


def test_an_erasure_of_nobody_the_partner_knows_is_done() -> None:
    assert erased({"other": RAW}) == ()


def test_an_erasure_of_which_something_is_made_is_the_mappings() -> None:
    item = planned("one:1").pending[0].item

    assert erased({"email": HASH}, item) == (item,)
