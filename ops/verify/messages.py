"""Tries what mParticle sends once it is live: keep-alives, events, audiences and erasures."""

from collections.abc import Iterator, Mapping
from typing import Any

from mparticle_firehose.protocol import AudienceSubscriptionResponse, EventType
from ops.verify.findings import Finding, Result, failed, not_checked, ok, warning
from ops.verify.replies import Kind
from ops.verify.trial import ResponseError, Trial, parsed

EVENTS, MEMBERSHIPS = "event_processing_request", "audience_membership_change_request"
_SUBSCRIPTIONS, _ERASURE = "audience_subscription_request", "dsr_processing_request/erasure"
_NEEDS_AUDIENCE = "needs the audience that was not connected"


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


def try_audiences(trial: Trial) -> Iterator[Finding]:
    """Yield a finding for each step of an audience's life. It is disconnected at the end, whatever happens before."""
    found = trial.samples()
    if f"{MEMBERSHIPS}/keep_alive" not in found:
        return
    yield trial.tried("keep-alive of audiences", found[f"{MEMBERSHIPS}/keep_alive"].content)
    added, kept = _connected(trial, found[f"{_SUBSCRIPTIONS}/add"].content)
    yield added
    if kept is None:
        for name in ("members", "audience changed", "audience disconnected"):
            yield not_checked(name, _NEEDS_AUDIENCE)
        return
    yield _kept(trial, kept)
    connected = trial.with_settings(kept)
    found = connected.samples()
    try:
        members = [each for name, each in found.items() if name.startswith(f"{MEMBERSHIPS}/") and "keep" not in name]
        yield connected.all_tried("members", members, "changes")
        yield connected.tried("audience changed", found[f"{_SUBSCRIPTIONS}/update"].content)
    finally:
        removed = connected.tried("audience disconnected", found[f"{_SUBSCRIPTIONS}/remove"].content)
    yield removed


def try_erasure(trial: Trial) -> Iterator[Finding]:
    """Yield a finding for the erasure of the samples' invented person, if erasures are declared."""
    if erasure := trial.samples().get(_ERASURE):
        yield trial.tried("erasure", erasure.content)


def _connected(trial: Trial, content: Mapping[str, Any]) -> tuple[Finding, Mapping[str, str] | None]:
    """Connect an audience; return also the settings to keep with it, or None if it was not connected."""
    check = "audience connected"
    reply = trial.send(content)
    finding = trial.judged(check, reply, _SUBSCRIPTIONS)
    if reply.kind is not Kind.ANSWERED or finding.result is not Result.OK:
        return finding, None
    try:
        response = parsed(reply, _SUBSCRIPTIONS)
    except ResponseError as error:
        return failed(check, str(error)), None
    settings = response.audience_subscription_settings if isinstance(response, AudienceSubscriptionResponse) else {}
    return finding, {name: value for name, value in settings.items() if value is not None}


def _kept(trial: Trial, kept: Mapping[str, str]) -> Finding:
    """Check that what the integration asks to keep is declared: mParticle sends nothing else along."""
    check = "settings to keep"
    declared = trial.declaration.audience_processing_registration
    known = {each.id for each in declared.audience_subscription_settings} if declared else set()
    if undeclared := sorted(kept.keys() - known):
        return failed(check, f"not declared, so that mParticle does not keep them: {', '.join(undeclared)}")
    empty = sorted(name for name, value in kept.items() if not value)
    if empty:
        return warning(check, f"empty, so that mParticle does not keep them: {', '.join(empty)}")
    return ok(check, ", ".join(kept) or "none")


def _with_unknowns(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with an event of a type that nobody knows yet, and with fields that nobody knows yet."""
    (event,) = content["events"]
    unknown = {"type": "sample_event_of_the_future", "id": content["id"], "timestamp_ms": content["timestamp_ms"]}
    return {
        **content,
        "sample_field_of_the_future": {"nested": [1, None]},
        "events": [{**event, "sample_field_of_the_future": "text"}, {**unknown, "sample_field": {"nested": True}}],
    }
