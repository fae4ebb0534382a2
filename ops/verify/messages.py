"""Tries what mParticle sends once it is live: keep-alives, events and erasures."""

from collections.abc import Iterator, Mapping
from typing import Any

from mparticle_firehose.protocol import EventType
from ops.verify.findings import Finding
from ops.verify.trial import Trial

EVENTS = "event_processing_request"
_ERASURE = "dsr_processing_request/erasure"


def try_events(trial: Trial) -> Iterator[Finding]:
    """Yield a finding for the keep-alive, the declared types alone and together, and what is unknown."""
    found = trial.samples()
    if f"{EVENTS}/keep_alive" not in found:
        return
    yield trial.tried("keep-alive of events", found[f"{EVENTS}/keep_alive"].content)
    kinds = [found[f"{EVENTS}/{kind}"] for kind in EventType if f"{EVENTS}/{kind}" in found]
    yield trial.all_tried("event types", kinds, "declared types")
    if several := found.get(f"{EVENTS}/all_events"):
        yield trial.tried("all types in one", several.content)
    notifications = [each for name, each in found.items() if name.endswith("_consent_state")]
    if notifications:
        yield trial.all_tried("system notifications", notifications, "declared notifications")
    if eventless := found.get(f"{EVENTS}/no_events"):
        yield trial.tried("request without events", eventless.content)
    if kinds:
        yield trial.tried("unknown event and fields", _with_unknowns(kinds[0].content))


def try_erasure(trial: Trial) -> Iterator[Finding]:
    """Yield a finding for the erasure of the samples' invented person, if erasures are declared."""
    if erasure := trial.samples().get(_ERASURE):
        yield trial.tried("erasure", erasure.content)


def _with_unknowns(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with an event of a type that nobody knows yet, and with fields that nobody knows yet."""
    (event,) = content["events"]
    unknown = {"type": "sample_event_of_the_future", "id": content["id"], "timestamp_ms": content["timestamp_ms"]}
    return {
        **content,
        "sample_field_of_the_future": {"nested": [1, None]},
        "events": [{**event, "sample_field_of_the_future": "text"}, {**unknown, "sample_field": {"nested": True}}],
    }
