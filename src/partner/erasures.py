"""How an erasure request becomes a call to the partner's API."""

from mparticle_firehose.integration import PartnerCall
from mparticle_firehose.protocol import DsrProcessingRequest

from .account import auth


def erasure_call(request: DsrProcessingRequest) -> PartnerCall:
    """Return the call that asks the partner to forget a person.

    Raises:
        SettingError: the customer's key is missing.
    """
    return PartnerCall(
        method="POST",
        path="/v1/erasures",
        auth=auth(request.account),
        body={
            "subject_request_id": request.subject_request_id,
            "regulation": request.regulation,
            "submitted_time": request.submitted_time.isoformat() if request.submitted_time else None,
            "identities": _identities(request),
        },
    )


def _identities(request: DsrProcessingRequest) -> dict[str, str]:
    """Return whom to forget: mParticle adds identity types that OpenDSR lacks, such as mpid, in its extension."""
    extension = request.extensions.mparticle if request.extensions else None
    everything = {**(extension.subject_identities if extension else {}), **request.subject_identities}
    return {str(kind): identity.value for kind, identity in everything.items()}
