"""A deployment that answers as it is told to: by its alias, through a client of Lambda, and over HTTP."""

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from local.rooms import Room
from mparticle_firehose.errors import FirehoseError, MalformedRequestError
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    AudienceMembershipChangeResponse,
    AudienceSubscriptionRequest,
    AudienceSubscriptionResponse,
    DsrProcessingRequest,
    DsrProcessingResponse,
    EventProcessingRequest,
    EventProcessingResponse,
    ModuleRegistrationResponse,
    Response,
    Serializer,
)

TOKEN = "canary-token"
ALIAS = "arn:aws:lambda:us-east-1:111122223333:function:canary-function:production"
RESPONSES: Mapping[type, Callable[[], Response]] = {
    EventProcessingRequest: EventProcessingResponse,
    AudienceSubscriptionRequest: AudienceSubscriptionResponse,
    AudienceMembershipChangeRequest: AudienceMembershipChangeResponse,
    DsrProcessingRequest: DsrProcessingResponse,
}
ROOM = Room.of("tests/sample")

PATHS = ("/", "/registration", "/events", "/audiences", "/dsr")

type Fault = Callable[[bytes], object]
"""Returns what is answered instead, raises, or returns None to leave the answer as it is."""


class Crash(Exception):  # noqa: N818  what it is
    """The process of the function ends."""


class Ended(Exception):  # noqa: N818  as above
    """The runtime says so of the function, by the type and the text of an error."""


class Hang(Exception):  # noqa: N818  what it is
    """The function does not answer in time."""


def declaration(**changed: object) -> ModuleRegistrationResponse:
    """Return the registration of the sample integration, changed."""
    return ROOM.integration().declaration().model_copy(update=changed)


@dataclass
class FakeDeployment:
    """Answers requests.

    Attributes:
        registered: its registration.
        fault: looks at every request first.
        kept: settings that it asks to keep with an audience.
        requests: what it got, as JSON; what was none is left out.
    """

    registered: ModuleRegistrationResponse = field(default_factory=declaration)
    fault: Fault = lambda _: None
    kept: Mapping[str, str] = field(default_factory=lambda: {"segmentId": "seg-1"})
    requests: list[Any] = field(default_factory=list)

    def answer(self, body: bytes) -> object:
        with suppress(ValueError):
            self.requests.append(json.loads(body))
        planned = self.fault(body)
        return self._answer(body) if planned is None else planned

    def _answer(self, body: bytes) -> object:
        serializer = Serializer()
        request = serializer.parse(body)
        response: Response = RESPONSES[type(request)]() if type(request) in RESPONSES else self.registered
        if isinstance(request, AudienceSubscriptionRequest) and request.action == "add":
            response = AudienceSubscriptionResponse(audience_subscription_settings=dict(self.kept))
        return serializer.dump(response)

    def of_type(self, kind: str) -> list[Any]:
        """Return the requests of a type."""
        return [each for each in self.requests if isinstance(each, dict) and each.get("type") == kind]


def grant(principal: object, *, action: str = "lambda:InvokeFunction", **condition: object) -> dict[str, object]:
    """Return a statement of a resource policy."""
    named = {"Condition": {"StringEquals": condition}} if condition else {}
    return {
        "Sid": "canary-sid",
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": ALIAS,
        **named,
    }


MPARTICLE = [grant({"AWS": "arn:aws:iam::338661164609:root"}), grant({"AWS": "457804467337"})]


@dataclass
class FakeLambda:
    """A client of Lambda.

    Attributes:
        deployment: what is invoked.
        statements: of the alias's policy.
        of_function: of the policy of the function without a qualifier.
        concurrency: the account's limit; all of it is unreserved.
        reserved: the function's own.
        denied: operations that the caller may not use.
        log: the end of the log of an invocation.
        seconds: how long an invocation takes.
        refused: the code with which Lambda refuses to invoke it.
    """

    deployment: FakeDeployment = field(default_factory=FakeDeployment)
    statements: list[dict[str, object]] = field(default_factory=lambda: MPARTICLE)
    of_function: list[dict[str, object]] = field(default_factory=list)
    concurrency: int = 3_000
    reserved: int | None = None
    denied: frozenset[str] = frozenset()
    log: str = ""
    seconds: float = 0.0
    refused: str = ""

    def invoke(self, *, FunctionName: str, Payload: bytes, LogType: str) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName.startswith("arn:"), LogType) == (True, "Tail")
        self._check("Invoke")
        if self.refused:
            raise refusal(self.refused, "Invoke")
        time.sleep(self.seconds)
        log = {"LogResult": base64.b64encode(self.log.encode()).decode()}
        try:
            return {**log, "Payload": io.BytesIO(json.dumps(self.deployment.answer(Payload)).encode())}
        except Hang:
            raise ReadTimeoutError(endpoint_url="https://lambda.example") from None
        except Crash:
            content: dict[str, object] = {
                "errorType": "Runtime.ExitError",
                "errorMessage": "RequestId: canary Error: exited",
            }
        except Ended as error:
            content = dict(zip(("errorType", "errorMessage"), error.args, strict=True))
        except Exception as error:  # noqa: BLE001  as the runtime does
            content = {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": ["canary"]}
        return {**log, "FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(content).encode())}

    def get_policy(self, *, FunctionName: str, Qualifier: str = "") -> dict[str, str]:  # noqa: N803
        assert FunctionName == "canary-function"
        self._check("GetPolicy")
        statements = self.statements if Qualifier else self.of_function
        if not statements:
            raise refusal("ResourceNotFoundException", "GetPolicy")
        return {"Policy": json.dumps({"Statement": statements})}

    def get_account_settings(self) -> dict[str, Any]:
        self._check("GetAccountSettings")
        free = self.concurrency - (self.reserved or 0)
        return {"AccountLimit": {"ConcurrentExecutions": self.concurrency, "UnreservedConcurrentExecutions": free}}

    def get_function_concurrency(self, *, FunctionName: str) -> dict[str, int]:  # noqa: N803
        assert FunctionName == "canary-function"
        self._check("GetFunctionConcurrency")
        return {} if self.reserved is None else {"ReservedConcurrentExecutions": self.reserved}

    def _check(self, operation: str) -> None:
        if operation in self.denied:
            raise refusal("AccessDeniedException", operation)


def refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "canary-message"}}, operation)


@dataclass(frozen=True)
class Rules:
    """How an endpoint answers: what a right one does, with changes as faults.

    Attributes:
        open: whether every request is accepted without a token.
        closed: whether the registration needs a token too.
        unknown_token: the status of a wrong token.
        answered: the status of an erasure that is acknowledged.
        unknown_path, wrong_method, too_large, malformed, not_delivered: statuses.
        code: of what was not delivered.
        redirects: whether every answer is one.
        paths: those that there are.
        no_token: the status without a token.
    """

    open: bool = False
    closed: bool = False
    unknown_token: int = 403
    answered: int = 200
    unknown_path: int = 404
    wrong_method: int = 405
    too_large: int = 413
    malformed: int = 400
    not_delivered: int = 503
    code: str = "not_delivered"
    redirects: bool = False
    paths: tuple[str, ...] = PATHS
    no_token: int = 401


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait for an acknowledgement
    deployment: FakeDeployment
    rules: Rules

    def do_GET(self) -> None:
        self._reply(self.rules.wrong_method, {"error": {"code": "method_not_allowed"}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(*self._answer(body))

    def _answer(self, body: bytes) -> tuple[int, object]:
        if refused := self._refused(body):
            status, code = refused
            return status, {"error": {"code": code}}
        answered = self.rules.answered if b"dsr_processing_request" in body else 200
        try:
            return answered, self.deployment.answer(body)
        except MalformedRequestError:
            return self.rules.malformed, {"error": {"code": "malformed"}}
        except FirehoseError:
            return self.rules.not_delivered, {"error": {"code": self.rules.code}}

    def _refused(self, body: bytes) -> tuple[int, str] | None:
        rules, given = self.rules, self.headers.get("Authorization")
        is_free = rules.open or (not rules.closed and b"module_registration_request" in body)
        refusals = {
            (307, "redirect"): rules.redirects,
            (rules.too_large, "too_large"): len(body) > 6 * 1024 * 1024,
            (rules.unknown_path, "unknown_path"): self.path not in rules.paths,
            (rules.no_token, "no_token"): not is_free and not given,
            (rules.unknown_token, "unknown_token"): not is_free and given != f"Token {TOKEN}",
        }  # fmt: skip
        return next((refusal for refusal, applies in refusals.items() if applies), None)

    def _reply(self, status: int, content: object) -> None:
        body = b"" if status == 204 else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def endpoint(deployment: FakeDeployment, **rules: Any) -> Iterator[str]:
    """Serve a deployment on this machine, and yield its base URL."""
    handler = type("Handler", (_Handler,), {"deployment": deployment, "rules": replace(Rules(), **rules)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
