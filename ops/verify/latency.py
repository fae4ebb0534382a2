"""Measures how long calls take, from this machine: warm ones one after the other, and cold ones in a burst."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

from local.samples import Sample
from ops.verify.audiences import MEMBERSHIPS
from ops.verify.findings import Finding, failed, not_checked, ok, warning
from ops.verify.messages import EVENTS
from ops.verify.replies import Kind, Reply
from ops.verify.trial import Trial, encoded

WARM, COLD = "warm latency", "cold latency"
_UNTIMED = 3
"""Calls before the first that is measured: they open the connection and start an environment."""


@dataclass(frozen=True)
class Measured:
    """Milliseconds of calls."""

    values: Sequence[float]

    def percentile(self, share: float) -> float:
        """Return the value below or at which this share of the calls is."""
        ordered = sorted(self.values)
        return ordered[max(ceil(share * len(ordered)) - 1, 0)]

    @property
    def described(self) -> str:
        """The median, the 99th percentile and the longest."""
        p50, p99 = self.percentile(0.5), self.percentile(0.99)
        return f"p50 {p50:.0f}, p99 {p99:.0f}, longest {max(self.values):.0f} ms"


def measure_warm(trial: Trial, calls: int) -> Iterator[Finding]:
    """Yield the latency of calls one after the other, each a new request with one event.

    The network is in the figures. If they are too long, what the function alone took decides: as it logs it, or over
    HTTPS the figure without one round trip. In the local cloud it may be this machine that is too slow, unless not
    even the fastest call kept to the limit.
    """
    if not calls:
        return
    if trial.lacks_token:
        yield not_checked(WARM, "needs mParticle's token: set HTTP_TOKEN")
        return
    name = _measured_name(trial)
    if name is None:
        yield not_checked(WARM, "the registration declares neither events nor audiences")
        return
    for _ in range(_UNTIMED):
        trial.send(trial.samples()[name].content)
    requests = [encoded(trial.samples()[name].content) for _ in range(calls)]
    replies: list[Reply] = []
    for each in requests:
        reply = trial.send_bytes(each)
        if reply.kind is not Kind.ANSWERED:
            yield failed(WARM, f"call {len(replies) + 1} of {calls}: {reply.described}")
            return
        replies.append(reply)
    yield _judged(trial, replies, name.rpartition("/")[2])


def _judged(trial: Trial, replies: Sequence[Reply], of: str) -> Finding:
    limit = trial.target.latency_limit_ms
    whole = Measured([each.milliseconds for each in replies])
    seen = f"{whole.described} of {len(replies)} calls with {of}, the network from here included; limit {limit} ms"
    if whole.percentile(0.99) <= limit:
        return ok(WARM, seen)
    if trial.target.is_local:
        if (fastest := min(whole.values)) > limit:
            return failed(WARM, f"{seen}. Even the fastest took {fastest:.0f} ms, so that it is not a busy machine's")
        return warning(WARM, f"{seen}. This may be a busy machine's: measure on AWS")
    alone = [each.function_ms for each in replies if each.function_ms is not None]
    if len(alone) == len(replies) and Measured(alone).percentile(0.99) <= limit:
        p99 = Measured(alone).percentile(0.99)
        return warning(WARM, f"{seen}. Without the network p99 is {p99:.0f} ms: measure from the pod's region")
    return failed(WARM, seen)


def measure_cold(trial: Trial, burst: int) -> Iterator[Finding]:
    """Yield how long new environments take to start: a burst of calls at once starts as many as are missing.

    The deployment is not changed for it. Only the log line of a call tells that it met a new environment.
    """
    if not burst:
        return
    keep_alive = trial.keep_alive()
    if keep_alive is None:
        yield not_checked(COLD, "the registration declares neither events nor audiences")
        return
    replies = _at_once(trial, keep_alive, burst)
    cold = [each for each in replies if each.is_cold]
    if not cold:
        yield not_checked(COLD, f"no start was logged among {burst} calls at once; over HTTPS no log can be read")
        return
    whole = Measured([each.milliseconds for each in cold])
    seen = (
        f"{len(cold)} of {burst} calls at once started an environment: {whole.described}, the network and the start "
        "included"
    )
    limit = trial.target.latency_limit_ms
    yield ok(COLD, seen) if whole.percentile(0.99) <= limit else warning(COLD, f"{seen}; these few may be slower")


def _at_once(trial: Trial, sample: Sample, burst: int) -> list[Reply]:
    body = encoded(sample.content)
    with ThreadPoolExecutor(burst) as threads:
        return list(threads.map(lambda _: trial.target.send(body), range(burst)))


def _measured_name(trial: Trial) -> str | None:
    """Return the sample that is measured: one event, or what comes nearest in an integration without events."""
    found = trial.samples()
    names = (
        f"{EVENTS}/custom_event",
        *(name for name in found if name.startswith(f"{EVENTS}/") and not name.endswith("/keep_alive")),
        f"{EVENTS}/keep_alive",
        f"{MEMBERSHIPS}/keep_alive",
    )
    return next((name for name in names if name in found), None)
