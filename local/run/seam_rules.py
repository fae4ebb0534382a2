"""Rules of the seam that are checked in tests and by `make run`, but not in production."""

from collections.abc import Iterable

from mparticle_firehose.delivery.plan import Planned
from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import Endpoint, Item, Origin, changes, subject_identities
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest, QueuedRequest


def check_planned(request: QueuedRequest, planned: Iterable[Planned]) -> None:
    """Check what would be too costly to check of every request in production.

    Raises:
        IntegrationError: an item covers what the request does not hold, or two endpoints have one name.
    """
    known = elements(request)
    endpoints: dict[str, Endpoint] = {}
    for each in planned:
        if unknown := [origin for origin in each.covers if origin not in known]:
            raise IntegrationError("covers", f"{len(unknown)} elements are not in the request")
        if isinstance(each, Item) and endpoints.setdefault(each.endpoint.name, each.endpoint) is not each.endpoint:
            raise IntegrationError("endpoint_name", f"two endpoints have the name {each.endpoint.name!r}")


def elements(request: QueuedRequest) -> set[Origin]:
    """Return every element of a request that an item may cover."""
    match request:
        case EventProcessingRequest():
            events: list[Origin] = [("events", number) for number in range(len(request.events))]
            return {*events, *(("system_notifications", number) for number in range(len(request.system_notifications)))}
        case AudienceMembershipChangeRequest():
            return {change.origin for change in changes(request)}
        case _:
            return {("subject_identities", number) for number in range(len(subject_identities(request)))}
