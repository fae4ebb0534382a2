"""Tries what nobody should send: each must get a clear error, and the next valid request an answer."""

from collections.abc import Iterator, Mapping

from local.samples import Sample
from mparticle_firehose.integration import JsonObject
from ops.verify.audiences import MEMBERSHIPS
from ops.verify.findings import Finding, failed, not_checked, ok
from ops.verify.messages import EVENTS
from ops.verify.replies import RETRIED_STATUSES, Kind, Reply
from ops.verify.trial import Trial, by_reason, encoded

CHECK, AFTERWARDS = "malformed input", "valid after malformed"

_NULLS = dict.fromkeys(
    ("id", "timestamp_ms", "account", "user_identities", "user_attributes", "runtime_environment", "events")
)
_CASES: Mapping[str, bytes] = {
    "a list": encoded([{"type": EVENTS}]),
    "a text": encoded("sample"),
    "null": b"null",
    "no type": encoded({"account": {"account_id": 4242}}),
    "a null type": encoded({"type": None}),
    "an unknown type": encoded({"type": "sample_request_of_the_future"}),
    "a response": encoded({"type": "event_processing_response", "timestamp_ms": 1}),
    "an account that is a list": encoded({"type": EVENTS, "account": [], "events": []}),
}
_NULL_CASES: Mapping[str, JsonObject] = {
    "nulls instead of fields": {"type": EVENTS, **_NULLS},
    "nulls in lists": {"type": EVENTS, "events": [None], "user_identities": [None]},
    "null profiles": {"type": MEMBERSHIPS, "user_profiles": [None, {"audiences": [None]}]},
}
"""mParticle's Java SDK reads these, so that they may be answered as well."""
_TEXT_CASES: Mapping[str, bytes] = {"broken JSON": b'{"type": "event_proc', "no UTF-8": b"\xff\xfe\x00", "nothing": b""}
"""Lambda itself refuses these when it is invoked; over HTTPS they arrive."""

_FEW = ("an unknown type",)
"""Of an alias in the local cloud, which starts the function anew after each error: that takes seconds. Over HTTPS no
error ends an invocation, so that all are tried there too."""


def try_malformed(trial: Trial, *, over_https: bool) -> Iterator[Finding]:
    """Yield whether malformed input is refused clearly, and whether a valid request is answered afterwards."""
    if trial.lacks_token:
        yield not_checked(CHECK, "needs mParticle's token: set HTTP_TOKEN")
        return
    few = trial.target.is_local and not over_https
    refused = {name: _CASES[name] for name in _FEW} if few else _CASES
    samples = trial.samples()
    nulls = {name: encoded(_of_customer(content, samples)) for name, content in _NULL_CASES.items()}
    cases = {**refused, **nulls, **(_TEXT_CASES if over_https else {})}
    replies = {name: trial.send_bytes(body) for name, body in cases.items()}
    problems = {name: _problem(reply, may_be_answered=name in _NULL_CASES) for name, reply in replies.items()}
    if wrong := {name: problem for name, problem in problems.items() if problem}:
        yield failed(CHECK, by_reason(wrong))
    else:
        kinds = "1 kind" if len(refused) == 1 else f"{len(cases) - len(_NULL_CASES)} kinds"
        yield ok(CHECK, f"{kinds} refused with a clear error; nulls instead of values cause none")
    if keep_alive := trial.keep_alive():
        yield trial.tried(AFTERWARDS, keep_alive.content)


def _of_customer(content: JsonObject, samples: Mapping[str, Sample]) -> JsonObject:
    """Return a request with an account: what is acknowledged for a customer without settings becomes a dead letter."""
    keep_alive = samples.get(f"{content['type']}/keep_alive")
    return {**keep_alive.content, **content} if keep_alive else content


def _problem(reply: Reply, *, may_be_answered: bool) -> str:
    if reply.status in RETRIED_STATUSES:
        return f"status {reply.status}, after which mParticle repeats it"
    if reply.kind is Kind.MALFORMED or (reply.kind is Kind.ANSWERED and may_be_answered):
        return ""
    return reply.described
