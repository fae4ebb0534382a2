"""Tries what holds over HTTPS only: the token, paths, methods, sizes, statuses, and TLS."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from mparticle_firehose.protocol import EventProcessingRequest, ModuleRegistrationRequest, Serializer
from ops.verify.findings import Finding, failed, not_checked, ok
from ops.verify.https_target import HttpsTarget, path_of
from ops.verify.replies import RETRIED_STATUSES, Kind, Reply

_OF_EVENTS = Serializer().dumps(EventProcessingRequest())
_OF_REGISTRATION = Serializer().dumps(ModuleRegistrationRequest())
_WRONG_TOKEN = "sample-token-that-nobody-has"  # noqa: S105  as it says
_TOO_LARGE = 11 * 1024 * 1024
"""More than API Gateway takes (10 MB) and more than Lambda takes (6 MB)."""

_CLIENT_ERRORS = frozenset(range(400, 500)) - RETRIED_STATUSES
_REDIRECTS = range(300, 400)
_TEMPORARY = frozenset({"not_delivered", "tokens_unavailable", "misconfigured", "token_not_known_yet", "unexpected"})
"""Codes of errors that pass: mParticle must repeat these requests."""


def try_https(target: HttpsTarget, keep_alive: bytes | None) -> Iterator[Finding]:
    """Yield a finding for each rule, except those about all replies, see `statuses`.

    Args:
        target: what is called.
        keep_alive: a request that it answers and that does nothing; None if it declares neither events nor audiences.
    """
    body = keep_alive or _OF_EVENTS
    yield _tls(target)
    yield _refused(target, "without a token", body, "", frozenset({401}))
    yield _refused(target, "with a wrong token", body, _WRONG_TOKEN, frozenset({401, 403, 429}))
    if target.token:
        yield _base_url(target, keep_alive or _OF_REGISTRATION)
    path = target.ask("POST", "/sample-path-that-nobody-has", body, token=target.token)
    yield _with_status("unknown path", path, frozenset({404}))
    yield _with_status("wrong method", target.ask("GET", "/events", token=target.token), frozenset({405}))
    large = target.ask("POST", "/events", b" " * _TOO_LARGE, token=target.token)
    yield _with_status("too large", large, _CLIENT_ERRORS)


def statuses(target: HttpsTarget, while_failing: Reply | None) -> Iterator[Finding]:
    """Yield what the statuses of all replies so far say: which were redirects, and which mParticle repeats.

    Args:
        target: what was called.
        while_failing: the reply to a request that needed the partner, which failed; None if that was not tried.
    """
    replies = [each for each in target.replies if each.status is not None]
    redirects = {str(each.status) for each in replies if each.status in _REDIRECTS}
    if redirects:
        yield failed("redirects", f"{', '.join(sorted(redirects))}: mParticle is not known to follow any")
    else:
        yield ok("redirects", f"none in {len(replies)} replies")
    yield _lasting([each for each in replies if each.reason and each.reason not in _TEMPORARY])
    yield _temporary([each for each in replies if each.reason in _TEMPORARY or _failed(each, while_failing)])


def _failed(reply: Reply, while_failing: Reply | None) -> bool:
    """Return whether this is the reply to the request that needed the partner: it must be repeated."""
    return reply is while_failing and reply.kind not in {Kind.ANSWERED, Kind.UNAUTHORIZED}


def _lasting(replies: list[Reply]) -> Finding:
    check = "statuses of lasting errors"
    wrong = {f"{each.reason} with {each.status}" for each in replies if each.status in RETRIED_STATUSES}
    if wrong:
        return failed(check, f"{', '.join(sorted(wrong))}: mParticle repeats what can never succeed")
    return ok(check, f"{len(replies)} refusals, none with a status that mParticle repeats")


def _temporary(replies: list[Reply]) -> Finding:
    check = "statuses of passing errors"
    if not replies:
        return not_checked(check, "nothing failed for a while during these trials")
    wrong = {f"{each.reason} with {each.status}" for each in replies if each.status not in RETRIED_STATUSES}
    if wrong:
        return failed(check, f"{', '.join(sorted(wrong))}: mParticle does not repeat it, and the data are lost")
    return ok(check, f"{len(replies)}, each with a status that mParticle repeats")


def _tls(target: HttpsTarget) -> Finding:
    if urlsplit(target.url).scheme != "https":
        return not_checked("TLS", "the local cloud serves plain HTTP")
    return ok("TLS", f"{target.tls_version()}, with a valid certificate")


def _refused(target: HttpsTarget, check: str, body: bytes, token: str, expected: frozenset[int]) -> Finding:
    reply = target.ask("POST", path_of(body), body, token=token)
    if reply.kind is Kind.ANSWERED:
        return failed(check, f"a request is accepted with {reply.status}: anyone who finds the URL can send data")
    if reply.status in expected:
        return ok(check, f"refused with {reply.status}")
    return failed(check, f"must be refused with 401, and is {reply.described}")


def _base_url(target: HttpsTarget, body: bytes) -> Finding:
    reply = target.ask("POST", "/", body, token=target.token)
    if reply.kind is Kind.ANSWERED:
        return ok("base URL", "takes every kind of request as well")
    return failed("base URL", reply.described)


def _with_status(check: str, reply: Reply, expected: frozenset[int]) -> Finding:
    if reply.status in expected:
        return ok(check, f"refused with {reply.status}")
    return failed(check, f"status {reply.status}" if reply.status else reply.described)
