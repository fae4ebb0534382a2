"""How an erasure request becomes a call to the partner's API."""

from collections.abc import Iterator, Sequence

from mparticle_firehose.integration import Endpoint, Item, Json, JsonObject, PartnerCall, Target, subject_identities
from mparticle_firehose.protocol import DsrProcessingRequest

from .account import target


def erasure_items(request: DsrProcessingRequest) -> Iterator[Item]:
    """Yield the one item that asks the partner to forget a person.

    Raises:
        SettingError: the customer's key is missing.
    """
    body: JsonObject = {
        "subject_request_id": request.subject_request_id,
        "regulation": request.regulation,
        "submitted_time": request.submitted_time.isoformat() if request.submitted_time else None,
        "identities": subject_identities(request),
    }
    yield Item(endpoint=ERASURES, target=target(request.account), body=body)


def _erasure_call(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/v1/erasures", body=Json(bodies[0]))


ERASURES = Endpoint(name="erasures", call=_erasure_call)
