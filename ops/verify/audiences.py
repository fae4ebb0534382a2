"""Tries the life of an audience: connected, with members that join and leave, changed and disconnected."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from mparticle_firehose.protocol import AudienceSubscriptionResponse
from ops.interrupts import Uninterrupted
from ops.verify.findings import Finding, Result, failed, not_checked, ok, warning
from ops.verify.replies import Kind
from ops.verify.trial import ResponseError, Trial, encoded, parsed

MEMBERSHIPS = "audience_membership_change_request"
SUBSCRIPTIONS = "audience_subscription_request"
_NEEDS_AUDIENCE = "needs the audience that was not connected"


class AudienceTrial:
    """One audience of a deployment.

    Members' changes are queued: they must reach the partner before the audience is gone, or they become dead letters.
    """

    def __init__(self, trial: Trial, uninterrupted: Uninterrupted = nullcontext) -> None:
        """Take the trial, and what delays an interrupt."""
        self._trial = trial
        self._uninterrupted = uninterrupted
        self._connected: Trial | None = None

    def connect(self) -> Iterator[Finding]:
        """Yield a finding for the keep-alive and for each step until members have left."""
        found = self._trial.samples()
        if f"{MEMBERSHIPS}/keep_alive" not in found:
            return
        yield self._trial.tried("keep-alive of audiences", found[f"{MEMBERSHIPS}/keep_alive"].content)
        with self._uninterrupted():  # an audience whose answer is lost could not be disconnected
            added, kept = _connected(self._trial, found[f"{SUBSCRIPTIONS}/add"].content)
            if kept is not None:
                self._connected = self._trial.with_settings(kept)
        yield added
        if kept is None or self._connected is None:
            for name in ("members", "audience changed", "audience disconnected"):
                yield not_checked(name, _NEEDS_AUDIENCE)
            return
        yield _kept(self._trial, kept)
        found = self._connected.samples()
        members = [each for name, each in found.items() if name.startswith(f"{MEMBERSHIPS}/") and "keep" not in name]
        yield self._connected.all_tried("members", members, "changes")
        yield self._connected.tried("audience changed", found[f"{SUBSCRIPTIONS}/update"].content)

    def disconnect(self) -> Iterator[Finding]:
        """Yield whether the audience can be disconnected."""
        if self._connected:
            yield self._connected.tried("audience disconnected", self._end(self._connected))
            self._connected = None

    def close(self) -> None:
        """Disconnect the audience at once, if it still is connected because the trial was interrupted."""
        if self._connected:
            self._connected.target.send(encoded(self._end(self._connected)))
            self._connected = None

    def _end(self, connected: Trial) -> Mapping[str, Any]:
        return connected.samples()[f"{SUBSCRIPTIONS}/remove"].content


def _connected(trial: Trial, content: Mapping[str, Any]) -> tuple[Finding, Mapping[str, str] | None]:
    """Connect an audience; return also the settings to keep with it, or None if it was not connected."""
    check = "audience connected"
    reply = trial.ask(content)
    finding = trial.judged(check, reply, SUBSCRIPTIONS)
    if reply.kind is not Kind.ANSWERED or finding.result not in {Result.OK, Result.WARNING}:
        return finding, None
    try:
        response = parsed(reply, SUBSCRIPTIONS)
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
