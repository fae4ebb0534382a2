"""What a preview finds out, as values."""

from dataclasses import dataclass

from local.preview.shown_call import ShownCall


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPreview:
    """One call that a request becomes.

    Attributes:
        endpoint: its name.
        carries: its items, and the elements of the request that they cover; empty for a subscription.
        notes: what else is known of it, such as why its items are not in another call.
        is_exchange: whether further calls follow, which need its answer.
        shown: what is sent; None if there is nothing that can be sent.
        problems: the rules that it breaks.
    """

    endpoint: str
    carries: str = ""
    notes: tuple[str, ...] = ()
    is_exchange: bool = False
    shown: ShownCall | None = None
    problems: tuple[str, ...] = ()


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
        return (*self.problems, *(problem for call in self.calls for problem in call.problems))


def counted(number: int, word: str, words: str = "") -> str:
    """Return a number with its word, in the plural unless it is one."""
    return f"{number} {word if number == 1 else words or word + 's'}"
