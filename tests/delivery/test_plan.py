"""What a plan leaves behind."""

import gc

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Answer
from tests.conftest import PartnerDouble
from tests.delivery.laboratory import Laboratory, planned


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
