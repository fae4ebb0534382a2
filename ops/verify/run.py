"""All checks of a deployment, in the order in which mParticle gets to them."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from local.rooms import Room
from mparticle_firehose.protocol import ModuleRegistrationResponse
from ops.interrupts import Uninterrupted
from ops.verify.access import MPARTICLE_ACCOUNTS, check_access
from ops.verify.alias_target import AliasTarget
from ops.verify.arn import FunctionArn, check_arn, check_region
from ops.verify.audiences import AudienceTrial
from ops.verify.capacity import Load, check_capacity
from ops.verify.dead_letters import CountLetters, LetterTrial
from ops.verify.failing_partner import Failing, try_failing_partner
from ops.verify.findings import Finding, failed, not_checked
from ops.verify.handled import handled_types
from ops.verify.https_rules import statuses, try_https
from ops.verify.https_target import HttpsTarget
from ops.verify.latency import measure_cold, measure_warm
from ops.verify.malformed import try_malformed
from ops.verify.messages import try_erasure, try_events
from ops.verify.registration import Imported, try_registration
from ops.verify.settings import known_settings
from ops.verify.trial import MAX_SILENT, SilentError, Sleep, Trial, encoded

_REGION_IN_HOST = re.compile(r"[a-z0-9]+\.(?:execute-api|lambda-url)\.([a-z0-9-]+)\.(?:amazonaws\.com|on\.aws)")

ANSWERS = "answers"

type Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for.

    Attributes:
        accounts: mParticle's.
        load: requests a second to be ready for.
        calls: how many warm calls are measured; 0 for none.
        burst: how many calls at once look for cold starts; 0 for none.
        settings: values by id.
        settle_seconds: how long what is queued may take to reach the partner.
        sleep: waits for it, and before a request is repeated.
        letters: counts dead letters; None where nobody can.
        failing: lets the partner fail; None where nobody can.
        uninterrupted: delays an interrupt.
    """

    accounts: Sequence[str] = MPARTICLE_ACCOUNTS
    load: Load = field(default_factory=Load)
    calls: int = 100
    burst: int = 0
    settings: Mapping[str, str]
    settle_seconds: float = 10.0
    sleep: Sleep = time.sleep
    letters: CountLetters | None = None
    failing: Failing | None = None
    uninterrupted: Uninterrupted = nullcontext


@dataclass(frozen=True)
class Verified:
    """What came of it.

    Attributes:
        findings: one for each check.
        declaration: the registration that the deployment answered, or the local one.
    """

    findings: tuple[Finding, ...]
    declaration: ModuleRegistrationResponse


def verify(target: AliasTarget | HttpsTarget, room: Room, wanted: Wanted, progress: Progress) -> Verified:
    """Try a deployment.

    Raises:
        StackError: it cannot be called at all.
        ClientError: AWS refuses the first call.
    """
    progress("the registration")
    integration = room.integration()
    local = integration.declaration()
    settings = known_settings(local, wanted.settings, room, is_local=target.is_local).values
    imported = try_registration(target, local, handled_types(integration, local, settings))
    known = known_settings(imported.declaration, wanted.settings, room, is_local=target.is_local)
    trial = Trial(
        target=target,
        declaration=imported.declaration,
        settings=known.values,
        invented=known.invented,
        lacks_token=isinstance(target, HttpsTarget) and not target.token,
        sleep=wanted.sleep,
    )
    findings: list[Finding] = []
    audience = AudienceTrial(trial, wanted.uninterrupted)
    try:
        for name, checks in _checks(trial, imported, audience, wanted):
            progress(name)
            for finding in checks:
                findings.append(finding)  # noqa: PERF402  what was found stays so if the next check ends the trial
    except SilentError:
        findings.append(
            failed(ANSWERS, f"{MAX_SILENT} requests in a row were not answered in time; the rest is untried")
        )
    finally:
        audience.close()
    return Verified(tuple(findings), imported.declaration)


def _checks(
    trial: Trial, imported: Imported, audience: AudienceTrial, wanted: Wanted
) -> Iterator[tuple[str, Iterator[Finding]]]:
    target, letters = trial.target, LetterTrial(trial, wanted.letters)
    if isinstance(target, AliasTarget):
        yield "permissions and concurrency", _of_account(target, wanted)
    yield "the registration", iter(imported.findings)
    yield "events", try_events(trial)
    while_failing = try_failing_partner(trial, wanted.failing) if isinstance(target, HttpsTarget) else None
    yield "audiences", audience.connect()
    yield "malformed input", try_malformed(trial, over_https=isinstance(target, HttpsTarget))
    if isinstance(target, HttpsTarget):
        yield "HTTPS", _of_endpoint(target, trial)
    yield "latency", measure_warm(trial, wanted.calls)
    yield "cold starts", measure_cold(trial, wanted.burst)
    yield "what is queued", _settled(wanted)
    yield "the end of the audience", audience.disconnect()
    yield "erasures", try_erasure(trial)
    if wanted.letters:
        yield "what is queued", _settled(wanted)
    yield "dead letters", letters.compare()
    if isinstance(target, HttpsTarget):
        yield "statuses", statuses(target, while_failing)


def _settled(wanted: Wanted) -> Iterator[Finding]:
    """Wait until what is queued has reached the partner.

    Before the audience and the person end: what arrives afterwards may become a dead letter. Before dead letters are
    counted: what fails later is not among them.
    """
    wanted.sleep(wanted.settle_seconds)
    yield from ()


def _of_account(target: AliasTarget, wanted: Wanted) -> Iterator[Finding]:
    arn = FunctionArn.read(target.arn)
    yield from check_arn(arn)
    yield from check_access(target.client, arn, wanted.accounts)
    if target.is_local:
        yield not_checked("concurrency", "the local cloud has no quotas")
    else:
        yield from check_capacity(target.client, arn, wanted.load)


def _of_endpoint(target: HttpsTarget, trial: Trial) -> Iterator[Finding]:
    if match := _REGION_IN_HOST.fullmatch(str(urlsplit(target.url).hostname)):
        yield check_region(match.group(1))
    elif not target.is_local:
        yield not_checked("region", "a domain of your own does not tell it")
    keep_alive = trial.keep_alive()
    yield from try_https(target, encoded(keep_alive.content) if keep_alive else None)
