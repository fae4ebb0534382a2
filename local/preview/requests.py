"""Finds out what each sample request becomes: its items, its calls, and the rules that they break."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from local.partner.fake_api import FakeApi
from local.preview.calls import CallPreviewer
from local.preview.faults import fault
from local.preview.masking import Mask, mask_of
from local.preview.origins import by_type, labels
from local.preview.results import CallPreview, RequestPreview, counted
from local.run.declared import undeclared
from local.run.expected import is_offered, plan_of, subscription_sending
from local.run.messages import Message
from local.run.seam_rules import elements
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Plan
from mparticle_firehose.errors import FirehoseError, IntegrationError, SettingError
from mparticle_firehose.integration import Integration, Item, Origin, Rejected
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    QueuedRequest,
    Serializer,
)

_SERIALIZER = Serializer()
_ELEMENTS: Mapping[type[QueuedRequest], tuple[str, str]] = {
    EventProcessingRequest: ("event or notification", "events and notifications"),
    AudienceMembershipChangeRequest: ("change", "changes"),
    DsrProcessingRequest: ("identity", "identities"),
}


def previews(
    integration: Integration, api: FakeApi | None, messages: Iterable[Message], folders: Sequence[Path]
) -> Iterator[RequestPreview]:
    """Yield what each request becomes, in their order.

    Args:
        integration: the user's.
        api: checks the calls, and keeps what they do; None if the room has none.
        messages: the requests.
        folders: of the user's code: an error is shown where it is raised in there.
    """
    for message in messages:
        if is_offered(integration, message.kind):
            yield _preview(integration, api, message, folders)
        else:
            summary = "The integration does not offer such requests, so mParticle sends none."
            yield RequestPreview(name=message.name, kind=message.kind, summary=summary, is_offered=False)


def _preview(
    integration: Integration, api: FakeApi | None, message: Message, folders: Sequence[Path]
) -> RequestPreview:
    empty = RequestPreview(name=message.name, kind=message.kind)
    mask = mask_of(integration, message.content)
    try:
        request = _SERIALIZER.parse(message.content)
        found = _found(integration, request, CallPreviewer(integration, api, mask, folders), empty)
        failed = any(problem.startswith("your code fails") for problem in found.all_problems)
        # What fails with all data fails without some of it too.
        needs = () if failed else _undeclared(integration, message, mask, folders)
        return replace(found, problems=(*found.problems, *needs))
    except IntegrationError as error:
        return replace(empty, problems=(f"the integration breaks a rule: {error}",))
    except FirehoseError as error:
        return replace(empty, problems=(f"nothing can be delivered: {error}",))
    except Exception as error:  # noqa: BLE001  the user's own code may raise anything
        return replace(empty, problems=(f"your code fails: {mask.text(fault(error, folders))}",))


def _undeclared(integration: Integration, message: Message, mask: Mask, folders: Sequence[Path]) -> Sequence[str]:
    """Name what the calls need and mParticle does not send."""
    try:
        return undeclared(integration, message.content)
    except Exception as error:  # noqa: BLE001  as above
        problem = mask.text(fault(error, folders))
        return [f"your code fails without what the registration does not ask for: {problem}"]


def _found(
    integration: Integration, request: AnyRequest, calls: CallPreviewer, empty: RequestPreview
) -> RequestPreview:
    match request:
        case AudienceSubscriptionRequest():
            return _of_subscription(integration, request, calls, empty)
        case EventProcessingRequest() | AudienceMembershipChangeRequest() | DsrProcessingRequest():
            return _of_queued(integration, request, calls, empty)
        case _:
            declared = integration.declaration()
            summary = f"It is answered with the registration of {declared.name} {declared.version}, without a call."
            return replace(empty, summary=summary)


def _of_subscription(
    integration: Integration, request: AudienceSubscriptionRequest, calls: CallPreviewer, empty: RequestPreview
) -> RequestPreview:
    made = subscription_sending(integration, request)
    found = calls.of_subscription(made) if made else None
    if not found or (found.has_ended and not found.sent):
        return replace(empty, summary="It is answered without a call.", problems=found.problems if found else ())
    return replace(empty, summary=_connecting(found), calls=(found,))


def _connecting(found: CallPreview) -> str:
    names = ", ".join(map(str, found.returned)) if isinstance(found.returned, Mapping) else ""
    return f"It is sent while mParticle waits for the audience's settings.{f' It keeps {names}.' if names else ''}"


def _of_queued(
    integration: Integration, request: QueuedRequest, calls: CallPreviewer, empty: RequestPreview
) -> RequestPreview:
    try:
        return _of_plan(plan_of(integration, request), calls, empty)
    except SettingError:
        if elements(request) or request.unreadable:
            raise
        # A keep-alive may come without any settings.
        return replace(empty, summary="It is answered without a call: it has nothing to send.")


def _of_plan(plan: Plan, calls: CallPreviewer, empty: RequestPreview) -> RequestPreview:
    merged_calls = merged(plan.waiting)
    of_items = tuple(calls.of_items(plan, merged_calls, call) for call in merged_calls)
    return replace(
        empty,
        summary=_summary(plan, of_items),
        left_out=_left_out(plan),
        undeliverable=tuple(_undeliverable(plan)),
        calls=of_items,
        problems=tuple(_unreadable(plan.request)),
    )


def _summary(plan: Plan, calls: Sequence[CallPreview]) -> str:
    request, items = plan.request, sum(isinstance(each, Item) for each in plan.planned)
    number, (singular, plural) = len(elements(request)), _ELEMENTS[type(request)]
    if not plan.planned:
        return f"No items, so no call: it has {counted(number, singular, plural) if number else f'no {plural}'}."
    further = sum(len(call.sent[1:]) for call in calls)
    more = f" and {further} more from their answers" if further else ""
    held = f"{counted(number, singular, plural)}, {counted(items, 'item')}, {counted(len(calls), 'call')}{more}."
    return f"{held} {_way(request, calls)}" if calls else held


def _way(request: QueuedRequest, calls: Sequence[CallPreview]) -> str:
    """Say who sends the calls and when: what the processors of these requests do by default."""
    if isinstance(request, AudienceMembershipChangeRequest):
        return "The worker sends them, in order for each user."
    if isinstance(request, DsrProcessingRequest) or len(calls) > 1 or calls[0].is_exchange:
        return "The worker sends them."
    return "It is sent while mParticle waits (EventMode=forward)."


def _left_out(plan: Plan) -> str:
    """Name the elements that no item covers. An erasure's items mostly cover none: it is one thing as a whole."""
    covered: set[Origin] = {origin for each in plan.planned for origin in each.covers}
    if isinstance(plan.request, DsrProcessingRequest) and plan.planned and not covered:
        return ""
    return by_type(plan.request, elements(plan.request) - covered)


def _undeliverable(plan: Plan) -> Iterator[str]:
    for refused in plan.refused:
        yield f"{labels(plan.request, plan.planned[refused.position].covers)}: {refused.reason}"
    for pending in plan.pending:
        if isinstance(pending.outcome, Rejected):
            covered = labels(plan.request, pending.item.covers) or "an item that covers no element"
            yield f"{covered}: {pending.outcome.reason}"


def _unreadable(request: QueuedRequest) -> Iterator[str]:
    for each in request.unreadable:
        yield f"{each.count} of its elements cannot be read: {each.reason}"
