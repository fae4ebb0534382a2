"""Notes whom the erasures of a batch are about, before anything else is done for them."""

from functools import partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import DsrProcessingRequest, DsrType
from mparticle_firehose.tables.erased_people import ErasedPeople
from mparticle_firehose.worker.batch import Batch


def note_erasures(batch: Batch, erased_people: ErasedPeople, deadline: Deadline) -> None:
    """Note whom the erasures of a batch are about, so that the feed sends no events of them from now on.

    An erasure that cannot be noted is delivered again, and nothing is sent to the partner for it until then.

    Args:
        batch: whose messages have been read.
        erased_people: where it is noted.
        deadline: when to stop asking DynamoDB.
    """
    for message in batch.messages:
        request = message.request
        if isinstance(request, DsrProcessingRequest) and request.subject_request_type == DsrType.ERASURE:
            batch.guard([message], partial(_note, request, erased_people, deadline))


def _note(request: DsrProcessingRequest, erased_people: ErasedPeople, deadline: Deadline) -> None:
    from mparticle_firehose.feed.erasures import erased_identities  # noqa: PLC0415  loaded only if there is a feed

    erased_people.note(request.account.account_id, erased_identities(request), deadline)
