"""`verify` over HTTPS: the token, paths, methods, sizes, and which errors mParticle repeats."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mparticle_firehose.endpoint.errors import FeedSecretUnavailableError, TokenNotKnownYetError
from mparticle_firehose.endpoint.responses import ERROR_STATUSES
from mparticle_firehose.errors import DeliveryError, PartnerUnavailableError, UnsupportedMessageError
from ops.stack import StackError
from ops.verify.failing_partner import Failing
from ops.verify.findings import Finding, Result
from ops.verify.https_target import HttpsTarget
from ops.verify.replies import RETRIED_STATUSES
from ops.verify.run import Wanted, verify
from tests.ops.fake_deployment import PATHS, ROOM, TOKEN, FakeDeployment, declaration, endpoint
from tests.partner_api.test_tls import Accepting, certificate

KEY = {"token": "canary-key"}


def verified(
    deployment: FakeDeployment | None = None,
    *,
    token: str = TOKEN,
    is_local: bool = True,
    failing: Failing | None = None,
    **rules: Any,
) -> dict[str, Finding]:
    """Return the findings by the names of their checks."""
    with endpoint(deployment or FakeDeployment(), **rules) as url:
        target = HttpsTarget(url, token, is_local=is_local)
        wanted = Wanted(settings=KEY, calls=3, settle_seconds=0, sleep=lambda _: None, failing=failing)
        done = verify(target, ROOM, wanted, lambda _: None)
        target.close()
    return {each.check: each for each in done.findings}


def problems(found: dict[str, Finding]) -> dict[str, str]:
    return {name: each.seen for name, each in found.items() if each.result is Result.FAILED}


def test_a_right_endpoint_passes_every_check_that_this_machine_allows() -> None:
    found = verified()

    assert problems(found) == {}
    assert [name for name, each in found.items() if each.result is Result.NOT_CHECKED] == [
        "TLS", "dead letters", "statuses of passing errors",
    ]  # fmt: skip
    assert {"without a token", "with a wrong token", "base URL", "unknown path", "wrong method", "too large",
            "redirects", "statuses of lasting errors", "warm latency"} <= found.keys()  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "check", "reason"),
    [
        ({"open": True}, "without a token", "a request is accepted with 200: anyone who finds the URL can send data"),
        ({"closed": True}, "registration", "needs a token, which mParticle makes only after the import (401)"),
        ({"unknown_token": 500}, "with a wrong token", "must be refused with 401, and is crashed, status 500"),
        ({"unknown_path": 200}, "unknown path", "status 200"),
        ({"wrong_method": 500}, "wrong method", "status 500"),
        ({"too_large": 503}, "too large", "status 503"),
        ({"too_large": 429}, "too large", "status 429"),
        ({"no_token": 403}, "without a token", "must be refused with 401, and is"),
        ({"paths": PATHS[1:]}, "base URL", "refused, status 404: unknown_path"),
        ({"redirects": True}, "redirects", "307: mParticle is not known to follow any"),
        ({"malformed": 503}, "malformed input", "a list, a text, null, no type, a null type,"),
        ({"malformed": 500}, "statuses of lasting errors", "malformed with 500"),
    ],
    ids=[
        "open", "registration-closed", "wrong-token", "path", "method", "large", "large-repeated", "no-token",
        "base-url", "redirects", "repeated", "statuses",
    ],
)  # fmt: skip
def test_what_mparticle_would_not_take_fails_with_its_reason(rules: dict[str, Any], check: str, reason: str) -> None:
    assert problems(verified(**rules))[check].startswith(reason)


def test_what_is_no_json_must_not_be_repeated() -> None:
    def fault(body: bytes) -> None:
        if body == b'{"type": "event_proc':
            raise DeliveryError("canary")

    assert problems(verified(FakeDeployment(fault=fault)))["malformed input"] == (
        "broken JSON: status 503, after which mParticle repeats it"
    )


@pytest.mark.parametrize(("status", "result"), [(503, Result.OK), (429, Result.OK), (422, Result.FAILED)])
def test_an_error_that_passes_must_be_repeated(status: int, result: Result) -> None:
    state = {"failed": False}

    def once(body: bytes) -> None:
        if b"dsr_processing_request" in body and not state["failed"]:
            state["failed"] = True
            raise DeliveryError("canary")

    found = verified(FakeDeployment(fault=once), not_delivered=status)

    assert found["statuses of passing errors"].result is result
    assert "canary" not in " ".join(each.seen for each in found.values())


@pytest.mark.parametrize(("status", "is_success"), [(200, True), (202, True), (201, False), (204, False)])
def test_mparticle_takes_200_and_202_for_success(status: int, *, is_success: bool) -> None:
    assert ("erasure" not in problems(verified(answered=status))) is is_success


CODES_OF_PASSING_ERRORS = {
    *(each.code for each in ERROR_STATUSES.values() if each.status in RETRIED_STATUSES),
    TokenNotKnownYetError(seconds=1).code,
} - {ERROR_STATUSES[FeedSecretUnavailableError].code}  # the path of the feed is not tried


@pytest.mark.parametrize("code", sorted(CODES_OF_PASSING_ERRORS))
def test_whatever_passes_must_have_a_status_that_mparticle_repeats(code: str) -> None:
    def fault(body: bytes) -> None:
        if b"dsr_processing_request" in body:
            raise DeliveryError("canary")

    found = verified(FakeDeployment(fault=fault), not_delivered=422, code=code)

    assert problems(found)["statuses of passing errors"].startswith(f"{code} with 422: mParticle does not repeat it")


@pytest.mark.parametrize(
    ("rules", "result", "reason"),
    [
        ({}, Result.OK, "1, each with a status that mParticle repeats"),
        ({"not_delivered": 500}, Result.OK, "1, each with a status that mParticle repeats"),
        ({"not_delivered": 400}, Result.FAILED, "not_delivered with 400: mParticle does not repeat it, and the data"),
        ({"not_delivered": 422, "code": "of_its_own"}, Result.FAILED, "of_its_own with 422: mParticle does not"),
    ],
)
def test_an_audience_that_the_partner_cannot_connect_now_must_be_repeated(
    rules: dict[str, Any], result: Result, reason: str
) -> None:
    down = {"now": False}
    deployment = FakeDeployment(fault=lambda body: _unavailable() if down["now"] and b'"add"' in body else None)

    @contextmanager
    def failing() -> Iterator[bool]:
        down["now"] = True
        yield True
        down["now"] = False

    found = verified(deployment, failing=failing, **rules)

    assert found["statuses of passing errors"].result is result
    assert found["statuses of passing errors"].seen.startswith(reason)
    assert found["audience connected"].result is Result.OK


def _unavailable() -> None:
    raise PartnerUnavailableError("canary")


@pytest.mark.parametrize(("token", "fails"), [("", True), (TOKEN, False), (TOKEN, True)])
def test_where_no_request_failed_for_a_while_the_status_is_not_checked(token: str, *, fails: bool) -> None:
    found = verified(token=token, failing=lambda: nullcontext(fails))  # which this deployment never notices

    assert found["statuses of passing errors"].result is Result.NOT_CHECKED


def test_without_the_token_the_rest_is_not_checked() -> None:
    found = verified(token="")

    assert problems(found) == {}
    of_messages = ("keep-alive of events", "event types", "audience connected", "malformed input", "warm latency")
    assert {name: found[name].result for name in of_messages} == dict.fromkeys(of_messages, Result.NOT_CHECKED)
    assert found["erasure"].seen == "needs mParticle's token: set HTTP_TOKEN"
    assert found["registration"].result is Result.OK


def test_a_token_that_the_endpoint_refuses_fails() -> None:
    assert problems(verified(token="canary-other"))["erasure"] == (
        "refused without a valid token, status 403: unknown_token"
    )


def test_the_messages_go_to_the_paths_of_their_types() -> None:
    deployment = FakeDeployment(registered=declaration(dsr_processing_registration=None))

    assert "erasure" not in verified(deployment)
    assert deployment.of_type("audience_subscription_request")[0]["action"] == "add"


@pytest.mark.parametrize(
    "lacking",
    [
        ("event_processing_registration",),
        ("event_processing_registration", "audience_processing_registration"),
    ],
    ids=["audiences-and-erasures", "erasures"],
)
def test_an_endpoint_is_asked_for_nothing_that_it_does_not_declare(lacking: tuple[str, ...]) -> None:
    fewer = declaration(permissions=None, **dict.fromkeys(lacking))
    kinds = {"event": "event_processing_request", "audience": "audience_", "dsr": "dsr_processing_request"}
    refused = [kinds[each.partition("_")[0]].encode() for each in lacking]
    deployment = FakeDeployment(registered=fewer, fault=lambda body: _unsupported(body, refused))

    assert list(problems(verified(deployment))) == ["registration as here"]  # which has more


def _unsupported(body: bytes, refused: list[bytes]) -> None:
    if any(b'"type": "' + each in body or b'"type":"' + each in body for each in refused):
        raise UnsupportedMessageError(("type", "canary"))


@contextmanager
def over_tls(file: Path, version: ssl.TLSVersion) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.maximum_version = version
    with HTTPServer(("127.0.0.1", 0), Accepting) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that trusts nobody hangs up
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_the_version_of_tls_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion, name: str
) -> None:
    trusted = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with over_tls(trusted, version) as url:
        assert HttpsTarget(url, TOKEN, is_local=True).tls_version() == name


@pytest.mark.parametrize("call", [HttpsTarget.tls_version, lambda target: target.send(b"{}")], ids=["tls", "send"])
def test_a_certificate_that_nobody_trusts_ends_the_trial(tmp_path: Path, call: Callable[[HttpsTarget], object]) -> None:
    with (
        over_tls(certificate(tmp_path, "127.0.0.1"), ssl.TLSVersion.TLSv1_3) as url,
        pytest.raises(StackError, match="the endpoint cannot be reached"),
    ):
        call(HttpsTarget(url, TOKEN, is_local=True))


def test_an_endpoint_that_is_not_there_ends_the_trial() -> None:
    with endpoint(FakeDeployment()) as url:
        pass

    with pytest.raises(StackError, match="the endpoint cannot be reached: NewConnectionError"):
        HttpsTarget(url, TOKEN, is_local=True).send(b"{}")
