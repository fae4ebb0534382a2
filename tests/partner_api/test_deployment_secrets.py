import json
import threading

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import (
    Answer,
    Auth,
    Basic,
    Bearer,
    DeploymentSecret,
    Form,
    Header,
    InBody,
    Json,
    OAuth2,
    Outcome,
    PartnerCall,
    Query,
    Retry,
    Verdict,
)
from mparticle_firehose.partner_api.deployment_secrets import (
    MAX_OUTAGE_SECONDS,
    PAUSE_SECONDS,
    DeploymentSecrets,
    SecretUnavailableError,
    is_the_deployments,
)
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from tests.partner_api.doubles import Bench, Clock, ParameterStore, Partner, Reply, TelemetryDouble

OLD, NEW = "canary-app-key-old", "canary-app-key-new"
APP_KEY = DeploymentSecret("app_key")
REFRESH_SECONDS = 300.0
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "canary-message"}}, "GetParameter")


class TestReading:
    """When the source is read, and what of it is used."""

    def setup_method(self) -> None:
        self.store = ParameterStore(json.dumps({"app_key": OLD}))
        self.telemetry = TelemetryDouble()
        self.clock = Clock()
        self.secrets = DeploymentSecrets(self.store, "/firehose/partner", REFRESH_SECONDS, self.telemetry, self.clock)

    def problem(self, secret: DeploymentSecret = APP_KEY) -> str:
        with pytest.raises(SecretUnavailableError) as caught:
            self.secrets.reveal(secret)
        return caught.value.problem

    def test_a_text_is_itself_and_needs_no_source(self) -> None:
        assert self.secrets.reveal("text") == "text"
        assert self.store.reads == 0

    def test_the_source_is_read_once_and_again_when_the_copy_is_old(self) -> None:
        reads = []
        for seconds in (0, REFRESH_SECONDS - 1, 1):
            self.clock.now += seconds
            self.secrets.reveal(APP_KEY)
            reads.append(self.store.reads)

        assert reads == [1, 1, 2]

    def test_blanks_around_a_secret_and_a_byte_order_mark_are_left_out(self) -> None:
        self.store.text = "\ufeff" + json.dumps({"app_key": f" {OLD}\n", "port": 1})

        assert self.secrets.reveal(APP_KEY) == OLD

    def test_a_secret_of_secrets_manager_is_read_by_its_arn(self) -> None:
        class Manager:
            def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803  as boto3
                assert SecretId == "arn:aws:secretsmanager:eu-central-1:1:secret:partner"
                return {"SecretString": json.dumps({"app_key": OLD})}

        secrets = DeploymentSecrets(
            Manager(), "arn:aws:secretsmanager:eu-central-1:1:secret:partner", REFRESH_SECONDS, self.telemetry
        )

        assert secrets.reveal(APP_KEY) == OLD

    def test_a_rotated_secret_is_read_at_once_if_the_old_one_is_in_doubt(self) -> None:
        self.secrets.reveal(APP_KEY)
        self.store.text = json.dumps({"app_key": NEW})
        self.clock.now += PAUSE_SECONDS
        before = self.secrets.reveal(APP_KEY)
        self.secrets.doubt()

        assert (before, self.secrets.reveal(APP_KEY)) == (OLD, NEW)

    def test_many_doubts_cause_few_reads(self) -> None:
        for _ in range(1_000):
            self.secrets.reveal(APP_KEY)
            self.secrets.doubt()
            self.clock.now += PAUSE_SECONDS / 500

        assert self.store.reads == 2

    def test_a_field_that_is_new_in_the_source_is_found(self) -> None:
        self.secrets.reveal(APP_KEY)
        self.store.text = json.dumps({"app_key": OLD, "other": NEW})
        self.clock.now += PAUSE_SECONDS

        assert self.secrets.reveal(DeploymentSecret("other")) == NEW

    @pytest.mark.parametrize("value", [1, None, ["x"], {"a": "b"}, "\ud800"], ids=str)
    def test_a_field_that_is_missing_or_no_text_is_unavailable(self, value: object) -> None:
        self.store.text = json.dumps({"app_key": OLD, "other": value})

        assert self.problem(DeploymentSecret("other")) == "is no text in the source"
        assert self.problem(DeploymentSecret("missing")) == "is no text in the source"
        assert self.store.reads == 1

    @pytest.mark.parametrize("text", ["", OLD, f'"{OLD}"', f'["{OLD}"]', '{"a":' * 100_000], ids=range(5))
    def test_a_source_that_is_no_json_object_is_unavailable(self, text: str) -> None:
        self.store.text = text

        assert self.problem() == "the source is no JSON object"

    def test_a_source_that_cannot_be_read_is_named_by_its_error_only(self) -> None:
        self.store.error = DENIED
        problems = [self.problem()]
        self.clock.now += 1
        self.store.error = EndpointConnectionError(endpoint_url="https://canary.example.com")
        problems.append(self.problem())

        assert problems == [
            "the source answers AccessDeniedException",
            "the source cannot be read: EndpointConnectionError",
        ]

    def test_a_deployment_without_a_source_has_no_secrets(self) -> None:
        self.secrets = DeploymentSecrets(None, None, REFRESH_SECONDS, self.telemetry, self.clock)

        assert self.problem() == "the deployment has no source of secrets"

    def test_while_nothing_is_known_the_source_is_asked_every_second(self) -> None:
        self.store.error = DENIED
        for _ in range(300):
            self.problem()
            self.clock.now += 0.01

        assert self.store.reads == 3

    def test_the_last_copy_outlives_an_outage_of_an_hour_and_no_more(self) -> None:
        self.secrets.reveal(APP_KEY)
        self.store.error = DENIED
        self.clock.now += REFRESH_SECONDS + MAX_OUTAGE_SECONDS - PAUSE_SECONDS

        assert self.secrets.reveal(APP_KEY) == OLD
        assert self.telemetry.warnings == [
            {"event": "deployment secrets not refreshed", "reason": "the source answers AccessDeniedException"}
        ]

        self.clock.now += PAUSE_SECONDS
        assert self.problem() == "the source answers AccessDeniedException"

    def test_what_is_forgotten_is_read_again(self) -> None:
        self.secrets.reveal(APP_KEY)
        self.secrets.forget()
        self.secrets.reveal(APP_KEY)

        assert self.store.reads == 2

    def test_nothing_shows_the_secrets(self) -> None:
        self.secrets.reveal(APP_KEY)

        assert "canary" not in repr(self.secrets)

    def test_many_threads_cause_one_read(self) -> None:
        together = threading.Barrier(8)
        found: list[str] = []

        def reveal() -> None:
            together.wait(5)
            found.append(self.secrets.reveal(APP_KEY))

        threads = [threading.Thread(target=reveal) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (found, self.store.reads) == ([OLD] * 8, 1)


def ask(bench: Bench, call: PartnerCall) -> Answer | Outcome:
    return bench.client.ask(call, Deadline.after(5), identity="k1", correlation_id="r1")


def client_credentials(secret: str | DeploymentSecret) -> OAuth2:
    return OAuth2.client_credentials(path="/token", client_id="c", client_secret=secret)


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (Bearer(APP_KEY), True),
        (Bearer("t"), False),
        (Basic("site", APP_KEY), True),
        (Basic(APP_KEY, "key"), True),
        (Basic("site", "key"), False),
        (Header("X-Key", APP_KEY), True),
        (Header("X-Key", "k"), False),
        (Query("key", APP_KEY), True),
        (Query("key", "k"), False),
        (InBody("k"), False),
        (None, False),
        (client_credentials(APP_KEY), True),
        (client_credentials("the customer's"), False),
        (OAuth2(site="", path="/t", form=(("grant_type", "client_credentials"),), client=Basic("c", APP_KEY)), True),
        (OAuth2.refresh_token("the customer's", path="/t", client_id="c", client_secret=APP_KEY), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whose_credential_it_is(auth: Auth | None, expected: bool) -> None:
    assert is_the_deployments(auth) is expected


CALLS_WITH_A_SECRET = {
    "bearer": PartnerCall(path="/x", auth=Bearer(APP_KEY)),
    "header": PartnerCall(path="/x", headers={"developer-token": APP_KEY}),
    "query": PartnerCall(path="/x", query={"app": APP_KEY}),
    "form": PartnerCall(path="/x", body=Form({"app": APP_KEY})),
    "json": PartnerCall(path="/x", body=Json({"app": [APP_KEY]})),
}


@pytest.mark.parametrize("name", CALLS_WITH_A_SECRET)
def test_a_secret_is_sent_from_wherever_it_stands(name: str) -> None:
    with Partner() as partner:
        bench = Bench(partner.url, ParameterStore(json.dumps({"app_key": OLD})))
        answer = ask(bench, CALLS_WITH_A_SECRET[name])

    assert isinstance(answer, Answer)
    (received,) = partner.received
    assert OLD in f"{received.target} {dict(received.headers)} {received.body!r}"


@pytest.mark.parametrize("name", CALLS_WITH_A_SECRET)
def test_without_the_secret_a_call_waits_and_somebody_is_told(name: str) -> None:
    with Partner() as partner:
        bench = Bench(partner.url, ParameterStore(error=DENIED))
        outcome = ask(bench, CALLS_WITH_A_SECRET[name])

    assert outcome == Retry("deployment_secret_unavailable")
    assert partner.received == []
    assert bench.telemetry.counts == {"DeploymentSecretUnavailable": 1}
    assert bench.telemetry.warnings == [
        {
            "event": "deployment secret unavailable",
            "field": "app_key",
            "reason": "the source answers AccessDeniedException",
        }
    ]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "auth", [Bearer(APP_KEY), Basic("s", APP_KEY), Header("X-Key", APP_KEY), Query("k", APP_KEY)], ids=repr
)
def test_no_customer_is_suspended_for_the_deployments_own_credential(status: int, auth: Auth) -> None:
    with Partner(lambda _: Reply(status)) as partner:
        bench = Bench(partner.url, ParameterStore(json.dumps({"app_key": OLD})))
        outcome = ask(bench, PartnerCall(path="/x", auth=auth))

    assert outcome == Retry("deployment_secret_refused")
    assert bench.telemetry.counts == {"DeploymentSecretRefused": 1}
    assert bench.telemetry.warnings == [{"event": "deployment secret refused", "reason": f"http_{status}"}]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (PartnerCall(path="/x", auth=Bearer("the customer's")), 401),
        (PartnerCall(path="/x", auth=Bearer("the customer's"), headers={"developer-token": APP_KEY}), 401),
        (PartnerCall(path="/x", auth=Bearer(APP_KEY)), 404),
        (PartnerCall(path="/x", auth=Bearer(APP_KEY), accept=frozenset({403})), 403),
    ],
    ids=["customer", "ambiguous", "no-refusal", "accepted"],
)
def test_any_other_answer_is_left_to_the_table(call: PartnerCall, status: int) -> None:
    with Partner(lambda _: Reply(status)) as partner:
        bench = Bench(partner.url, ParameterStore(json.dumps({"app_key": OLD})))
        answer = ask(bench, call)

    assert isinstance(answer, Answer)
    assert answer.status == status
    assert bench.telemetry.counts == {}


def test_a_status_that_refuses_no_credential_at_this_partner_is_left_to_the_table() -> None:
    with Partner(lambda _: Reply(403)) as partner:
        policy = RetryPolicy({403: Verdict.REJECTED})
        bench = Bench(partner.url, ParameterStore(json.dumps({"app_key": OLD})), policy=policy)

        assert isinstance(ask(bench, PartnerCall(path="/x", auth=Bearer(APP_KEY))), Answer)


def test_a_rotated_credential_is_used_after_the_old_one_was_refused() -> None:
    with Partner(lambda request: Reply(200 if NEW in request.headers["Authorization"] else 401)) as partner:
        bench = Bench(partner.url, ParameterStore(json.dumps({"app_key": OLD})))
        call = PartnerCall(path="/x", auth=Bearer(APP_KEY))
        first = ask(bench, call)
        bench.store.text = json.dumps({"app_key": NEW})
        bench.clock.now += PAUSE_SECONDS
        second = ask(bench, call)

    assert first == Retry("deployment_secret_refused")
    assert isinstance(second, Answer)
