"""How fast the worker is: the real one, with its AWS and HTTP clients, logs and metrics, on `bench.loopback`."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bench.benchmark import Target
from bench.harness import interleaved, ratios, seconds_per_call, spread
from bench.in_process import CONTEXT
from bench.inputs import Json
from bench.loopback import PARTNER, Loopback
from local.isolation import LocalCloudError
from mparticle_firehose.firehose import Firehose

SEND = "AmazonSQS.SendMessageBatch"


def throughput(firehose: Firehose, loopback: Loopback, batches: Sequence[Json], work: int, rounds: int) -> Json:
    """Return how fast the worker delivers batches.

    Args:
        firehose: whose worker it is.
        loopback: its services.
        batches: what Lambda hands over.
        work: memberships or requests in all of them.
        rounds: how often each subject is measured.
    """
    deliver_all = partial(deliver, firehose, batches)
    bodies = [record["body"] for batch in batches for record in batch["Records"]]
    subjects = {
        "worker": partial(seconds_per_call, deliver_all),
        "cpu": partial(seconds_per_call, deliver_all, clock=time.process_time),
        "json": partial(seconds_per_call, partial(reencode, bodies)),
    }
    samples, calls = counted(subjects, "worker", loopback, rounds)
    return {
        "worker / s": spread([work / seconds for seconds in samples["worker"]]),
        "worker / CPU s": spread([work / seconds for seconds in samples["cpu"]]),
        "worker × json": ratios(samples["worker"], samples["json"]),
        "partner calls / 1000": calls[PARTNER] / 2 * 1000 / work,
    }


def rate_target(text: str, row: Mapping[str, Any], minimum: int) -> Target:
    """Compare the rate by the clock of what `throughput` returns, and say the one by processor time beside it."""
    rate, by_cpu = row["worker / s"]["median"], row["worker / CPU s"]["median"]
    return Target(text, f"{rate:,.0f}/s ({by_cpu:,.0f} a CPU second)", rate >= minimum)


def counted(
    subjects: Mapping[str, Callable[[], float]], first: str, loopback: Loopback, rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Measure after a first call of one subject; return the samples, and how often a round called each operation."""
    subjects[first]()
    loopback.taken()
    samples = interleaved(subjects, rounds)
    return samples, {PARTNER: 0, SEND: 0, **{name: calls / rounds for name, calls in loopback.taken().items()}}


def reencode(payloads: Sequence[bytes | str]) -> None:
    """Do what is the baseline of what is read and written."""
    for payload in payloads:
        json.dumps(json.loads(payload))


def deliver(firehose: Firehose, batches: Sequence[Json]) -> None:
    """Deliver batches.

    Raises:
        LocalCloudError: not everything was delivered.
    """
    responses: list[dict[str, Any]] = [firehose.worker(batch, CONTEXT) for batch in batches]
    if any(response["batchItemFailures"] for response in responses):
        raise LocalCloudError("the worker did not deliver everything")
