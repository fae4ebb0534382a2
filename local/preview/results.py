"""What a preview finds out, as values."""

from dataclasses import dataclass

from local.preview.shown_call import ShownCall


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCall:
    """One HTTP request.

    Attributes:
        shown: what is sent; None if it cannot be sent.
        status: what the fake API answers; None if it does not.
        problems: the rules that it breaks.
    """

    shown: ShownCall | None = None
    status: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPreview:
    """What carries some items, or connects an audience: a call, or an exchange of several.

    Attributes:
        endpoint: its name.
        carries: its items, and the elements of the request that they cover; empty for a subscription.
        notes: what else is known of it, such as why its items are not in another call.
        is_exchange: whether there may be several calls, each made from the answers before.
        sent: the calls, as far as the fake API's answers lead.
        end: why there are no more calls, if an exchange has not come to its own end.
        returned: what an exchange returns at its own end.
        problems: what fails between its calls.
    """

    endpoint: str
    carries: str = ""
    notes: tuple[str, ...] = ()
    is_exchange: bool = False
    sent: tuple[SentCall, ...] = ()
    end: str = ""
    returned: object = None
    problems: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether an exchange has come to its own end."""
        return self.is_exchange and not self.end and not self.problems

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Its problems and those of its calls."""
        return (*(problem for call in self.sent for problem in call.problems), *self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPreview:
    """What a request becomes.

    Attributes:
        name: of its file.
        kind: its type on the wire.
        summary: what becomes of it, in a sentence or two.
        left_out: elements of which the mapping makes nothing.
        undeliverable: elements that become dead letters, each with the reason.
        calls: what is sent.
        problems: the rules that it breaks as a whole, and failures of the user's code.
        is_offered: whether mParticle sends such requests to this integration.
    """

    name: str
    kind: str
    summary: str = ""
    left_out: str = ""
    undeliverable: tuple[str, ...] = ()
    calls: tuple[CallPreview, ...] = ()
    problems: tuple[str, ...] = ()
    is_offered: bool = True

    @property
    def all_problems(self) -> tuple[str, ...]:
        """The request's problems and those of its calls."""
        return (*self.problems, *(problem for call in self.calls for problem in call.all_problems))


def counted(number: int, word: str, words: str = "") -> str:
    """Return a number with its word, in the plural unless it is one."""
    return f"{number} {word if number == 1 else words or word + 's'}"
