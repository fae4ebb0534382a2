"""Previews of single calls: what they carry, what is sent, and whether the fake API takes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.partner.fake_api import FakeApi
from local.preview.faults import fault
from local.preview.masking import Mask
from local.preview.origins import labels, ranges
from local.preview.results import CallPreview
from local.preview.shown_call import shown_call
from local.preview.splits import reason_apart
from local.run.expected import FirstCall, first_call
from mparticle_firehose.delivery.merging import Call
from mparticle_firehose.delivery.plan import Plan
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.integration import Integration, Item, PartnerCall
from mparticle_firehose.partner_api.encoding import UnsendableError


@dataclass(frozen=True)
class CallPreviewer:
    """Previews the calls of one request.

    Attributes:
        integration: the user's.
        api: checks the calls; None if there is none.
        mask: what is not shown.
        folders: of the user's code.
    """

    integration: Integration
    api: FakeApi | None
    mask: Mask
    folders: Sequence[Path]

    def of_items(self, plan: Plan, calls: Sequence[Call], call: Call) -> CallPreview:
        """Return the preview of a call that carries items of a plan.

        Args:
            plan: of the request.
            calls: all calls of the plan.
            call: one of them.
        """
        known = CallPreview(endpoint=call.endpoint.name, carries=_carried(plan, call), notes=tuple(_notes(calls, call)))
        try:
            first = first_call(self.integration, call)
        except FirehoseError as error:
            return replace(known, problems=(f"cannot be made: {error}",))
        except Exception as error:  # noqa: BLE001  the user's own code may raise anything
            return replace(known, problems=(f"your code fails: {self.mask.text(fault(error, self.folders))}",))
        if first is None:
            return replace(known, notes=(*known.notes, "the exchange ends without a call"))
        return self.sent(first, known)

    def sent(self, first: FirstCall, known: CallPreview) -> CallPreview:
        """Return the preview of a call that is made without an answer, with what is known of it already."""
        known, call = replace(known, is_exchange=first.is_exchange), first.call
        if call.site and call.site not in self.integration.sites:
            return replace(known, problems=(f"site: {call.site!r} is not one of Integration.sites",))
        try:
            shown = shown_call(self.integration, call, self.mask)
        except UnsendableError as error:
            return replace(known, problems=(f"cannot be sent: {error.reason}",))
        answered, problems = self._checked(call)
        return replace(known, notes=(*known.notes, *answered), shown=shown, problems=problems)

    def _checked(self, call: PartnerCall) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what the fake API answers, and the rule that the call breaks."""
        if self.api is None:
            return (), ()
        host = urlsplit(self.integration.sites.get(call.site or "", "")).netloc
        try:
            status = answer_to(self.api, call, host=host).status
        except ContractError as error:
            return (), (f"the fake API refuses it: {error.rule}",)
        except Exception as error:  # noqa: BLE001  the fake API is the user's own code
            return (), (f"the fake API fails: {self.mask.text(fault(error, self.folders))}",)
        return (f"the fake API answers {status}",), ()


def _carried(plan: Plan, call: Call) -> str:
    """Name the items in a call by their positions from one on, and the elements of the request that they carry."""
    pending = [each for item in call.items for each in (item, *item.riders)]
    numbers = sorted(each.position + 1 for each in pending)
    total = sum(isinstance(each, Item) for each in plan.planned)
    covered = labels(plan.request, (origin for each in pending for origin in each.item.covers))
    state = "" if all(each.item.covers for each in pending) else "what covers no element"
    return f"{len(numbers)} of {total} items ({ranges(numbers)}): {' and '.join(filter(None, (covered, state)))}"


def _notes(calls: Sequence[Call], call: Call) -> Iterator[str]:
    if reason := reason_apart(calls, call):
        yield reason
    if call.after:
        numbers = ranges(sorted(number + 1 for number in call.after))
        yield f"sent after call {numbers}: earlier items of its users or keys"
    if riders := sum(len(each.riders) for each in call.items):
        yield f"{riders} items share the place of an equal one with their key"
    if call.endpoint.across_requests:
        yield "may also carry items of other requests"
