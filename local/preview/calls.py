"""Previews of single calls: what they carry, what is sent, and whether the fake API takes it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from local.partner.answering import answer_to
from local.partner.contract import ContractError
from local.partner.fake_api import FakeApi
from local.preview.faults import fault
from local.preview.masking import Mask
from local.preview.origins import labels, ranges
from local.preview.results import CallPreview, SentCall
from local.preview.shown_call import shown_call
from local.preview.splits import reason_apart
from local.run.expected import Sending, below_host, sending
from mparticle_firehose.delivery.asking import MAX_CALLS_AN_EXCHANGE, OUTCOMES
from mparticle_firehose.delivery.merging import Call
from mparticle_firehose.delivery.plan import Plan
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.integration import Answer, Integration, Item, PartnerCall
from mparticle_firehose.partner_api.encoding import UnsendableError

_NEEDS_ANSWER = "if further calls follow, they need this one's answer"


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
            made = sending(self.integration, call)
        except Exception as error:  # noqa: BLE001  the user's own code may raise anything
            return replace(known, problems=(self._problem(error),))
        found = self._of_sending(made, known)
        if found.has_ended and not isinstance(found.returned, OUTCOMES):
            return replace(found, problems=("the exchange returns no outcome",))
        return found

    def of_subscription(self, made: Sending) -> CallPreview:
        """Return the preview of what connects, changes or disconnects an audience."""
        found = self._of_sending(made, CallPreview(endpoint="subscription"))
        if found.has_ended and not isinstance(found.returned or {}, Mapping):
            return replace(found, problems=("the exchange returns no settings",))
        return found

    def _of_sending(self, made: Sending, known: CallPreview) -> CallPreview:
        """Return what is known of a call or an exchange with what it sends, as far as the fake API's answers lead."""
        found, answer = replace(known, is_exchange=made.is_exchange), None
        for _ in range(MAX_CALLS_AN_EXCHANGE):
            try:
                call = made.calls.send(answer) if answer else next(made.calls)
            except StopIteration as end:
                return replace(found, returned=end.value)
            except Exception as error:  # noqa: BLE001  as above
                return replace(found, problems=(self._problem(error),))
            sent, answer = self._sent(call)
            found = replace(found, sent=(*found.sent, sent))
            if answer is None:
                return replace(found, end=_NEEDS_ANSWER) if made.is_exchange else found
            if not answer.succeeded and answer.status not in call.accept:
                return replace(found, end=f"{answer.status} ends the exchange, which does not accept it")
        return replace(found, problems=(f"the exchange makes more than {MAX_CALLS_AN_EXCHANGE} calls",))

    def _sent(self, call: PartnerCall) -> tuple[SentCall, Answer | None]:
        """Return what is shown of a call, and the answer of the fake API if it gives one."""
        if call.site and call.site not in self.integration.sites:
            return SentCall(problems=(f"site: {self.mask.text(call.site)!r} is not one of Integration.sites",)), None
        try:
            shown = shown_call(self.integration, call, self.mask)
        except UnsendableError as error:
            return SentCall(problems=(f"cannot be sent: {error.reason}",)), None
        if self.api is None:
            return SentCall(shown=shown), None
        host = urlsplit(self.integration.sites.get(call.site or "", "")).netloc
        try:
            answer = answer_to(self.api, below_host(self.integration, call), host=host)
        except ContractError as error:
            return SentCall(shown=shown, problems=(f"the fake API refuses it: {error.rule}",)), None
        except Exception as error:  # noqa: BLE001  the fake API is the user's own code
            problem = f"the fake API fails: {self.mask.text(fault(error, self.folders))}"
            return SentCall(shown=shown, problems=(problem,)), None
        return SentCall(shown=shown, status=answer.status), answer

    def _problem(self, error: Exception) -> str:
        """Say what the user's code has raised."""
        if isinstance(error, FirehoseError):
            return f"cannot be made: {error}"
        return f"your code fails: {self.mask.text(fault(error, self.folders))}"


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
