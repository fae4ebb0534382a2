"""Scripted faults: how the next requests to a path are treated."""

from collections.abc import Mapping
from typing import Literal, TypedDict

SUCCESSES = range(200, 300)


class Behaviour(TypedDict, total=False):
    """How one request is treated. What is left out stays as usual.

    Attributes:
        status: of the answer. A success applies the call as usual first; any other status applies nothing.
        body: JSON of the answer; bytes are sent as they are, None is an empty body.
        headers: of the answer, beside the usual ones.
        retry_after: value of the Retry-After header: seconds, or an HTTP date as text.
        delay: seconds to wait before the call is processed.
        drip: seconds between the bytes of the body.
        lost: how the connection ends instead of an answer.
        applied: whether the call takes effect although its answer is lost.
        partial: whether the call is taken save for its first item, as the fake API does it, see `fake_api`.
        name: what a list of calls shows it as.
    """

    status: int
    body: object
    headers: Mapping[str, str]
    retry_after: float | str
    delay: float
    drip: float
    lost: Literal["hang", "reset"]
    applied: bool
    partial: bool
    name: str


type Step = int | Literal["hang", "reset", "apply_then_reset"] | Behaviour

_NAMED_STEPS: dict[str, Behaviour] = {
    "hang": {"lost": "hang"},
    "reset": {"lost": "reset"},
    "apply_then_reset": {"lost": "reset", "applied": True},
}


def behaviour_of(step: Step) -> Behaviour:
    """Return what a step of a script stands for."""
    if isinstance(step, str):
        return _NAMED_STEPS[step]
    return {"status": step} if isinstance(step, int) else step
