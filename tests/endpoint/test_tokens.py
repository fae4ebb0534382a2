import itertools
import json
from dataclasses import dataclass, field

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from mparticle_firehose.endpoint.errors import (
    NoTokensError,
    RefusedRequestError,
    TokenNotKnownYetError,
    TokensUnavailableError,
    UnknownTokenError,
)
from mparticle_firehose.endpoint.secret_cache import MAX_OUTAGE_SECONDS, PAUSE_SECONDS
from mparticle_firehose.endpoint.token_source import from_nowhere, from_parameter, from_secret
from mparticle_firehose.endpoint.tokens import MIN_TOKEN_LENGTH, Tokens, tokens_in
from tests.conftest import Clock, TelemetryDouble

OLD, NEW = "canary-token-old", "canary-token-new"
ANOTHER_NAME = "the source's JSON object has another name than 'current' and 'next'"
A_WORD = "the source must hold the token alone, without the word 'token' before it"
A_BLANK = "a token in the source holds a blank: each token must have a line of its own"
NO_TEXT = "a value in the source's JSON object is no text"
BESIDE = "a line of the source looks like a comment, a label or a placeholder"
NO_TOKEN = "a token in the source holds a character that no token has"
REFRESH_SECONDS = 300.0


@dataclass
class Source:
    """A secret's text, and how often it was read."""

    text: str = OLD
    fails: bool = False
    is_deleted: bool = False
    asked: int = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.fails:
            raise TokensUnavailableError("the source answers ThrottlingException")
        if self.is_deleted:
            raise NoTokensError("the source answers ResourceNotFoundException")
        return self.text


@dataclass
class Bench:
    """Tokens with a source and a clock that a test moves."""

    source: Source = field(default_factory=Source)
    clock: Clock = field(default_factory=Clock)
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.source, REFRESH_SECONDS, self.telemetry, self.clock)

    def admits(self, token: str) -> bool:
        return self.status(token) == 200

    def status(self, token: str) -> int:
        try:
            self.tokens.verify(f"Token {token}")
        except RefusedRequestError as error:
            return error.status
        return 200


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "header",
    [f"Token {OLD}", f"Token   {OLD}", f" Token\t{OLD}  ", f"token {OLD}", f"TOKEN {OLD}"],
    ids=["documented", "wide", "tabs", "lower", "upper"],
)
def test_the_header_is_accepted_in_any_spacing(bench: Bench, header: str) -> None:
    bench.tokens.verify(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "Token",
        "Token ",
        OLD,
        f"Bearer {OLD}",
        f"Token{OLD}",
        f"Token {OLD} {OLD}",
        f"Token {OLD},Token x",
    ],
    ids=["none", "empty", "blank", "bare", "bare-blank", "no-scheme", "bearer", "glued", "two", "repeated"],
)
def test_anything_else_is_told_what_is_wanted_and_the_source_is_not_asked(bench: Bench, header: str | None) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        bench.tokens.verify(header)

    assert (caught.value.status, caught.value.headers) == (401, {"WWW-Authenticate": "Token"})
    assert bench.source.asked == 0


@pytest.mark.parametrize(
    "token",
    ["x", OLD[:-1], f"{OLD}x", OLD.upper(), "tökén-é", "\udcff", "\x00", "x" * 100_000],
    ids=["other", "shorter", "longer", "case", "accents", "surrogate", "nul", "huge"],
)
def test_an_unknown_token_is_refused(bench: Bench, token: str) -> None:
    with pytest.raises(UnknownTokenError) as caught:
        bench.tokens.verify(f"Token {token}")

    assert (caught.value.status, caught.value.code) == (403, "unknown_token")


@pytest.mark.parametrize(
    "text",
    [
        f"{OLD}\n{NEW}",
        f"  {NEW}\n\n\t{OLD} \r\n",
        json.dumps({"current": OLD, "next": NEW}),
        json.dumps({"next": NEW, "current": f"{OLD}\n"}),
    ],
    ids=["lines", "blanks", "console", "console-blanks"],
)
def test_two_tokens_are_good_at_a_time(text: str) -> None:
    bench = Bench(Source(text))

    assert [bench.admits(token) for token in (OLD, NEW, "other")] == [True, True, False]


@pytest.mark.parametrize(
    "text",
    [
        f"{OLD}\n",
        json.dumps({"current": OLD}),
        json.dumps({"current": OLD, "next": ""}),
        f"{OLD}\n{OLD}",
        f"\ufeff{OLD}\r\n",
        "\ufeff" + json.dumps({"current": OLD}),
    ],
    ids=["line", "console", "blank-value", "twice", "byte-order-mark", "byte-order-mark-console"],
)
def test_one_token_is_enough(text: str) -> None:
    assert tokens_in(text) == (OLD.encode(),)


@pytest.mark.parametrize("token", ["AZaz09+/=._~-x==", "!#$%&'()*+-./:;<=>?@\\^_`|~"], ids=["base64", "punctuation"])
def test_a_token_is_of_printable_ascii(token: str) -> None:
    assert tokens_in(token) == (token.encode(),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the source holds no token"),
        (" \n ", "the source holds no token"),
        ("{}", "the source holds no token"),
        ('{"current": ""}', "the source holds no token"),
        (f"{OLD}\n{NEW}\nthird", "the source holds more than 2 tokens"),
        ('{"a": "1", "b": "2", "c": "3"}', ANOTHER_NAME),
        (json.dumps({"HTTP_TOKEN": OLD, "environment": "production"}), ANOTHER_NAME),
        (json.dumps({"environment": "production", "current": OLD}), ANOTHER_NAME),
        (json.dumps({"HTTP_TOKEN": OLD}), ANOTHER_NAME),
        (json.dumps({"Current": OLD}), ANOTHER_NAME),
        (json.dumps({"": OLD}), ANOTHER_NAME),
        (f'{{"current": "{OLD}", "current": "{NEW}"}}', "the source's JSON object has a name twice"),
        (f'{{"current": "{OLD}", "current": ""}}', "the source's JSON object has a name twice"),
        (f"{OLD} {NEW}", A_BLANK),
        (f"{OLD}\tproduction", A_BLANK),
        (json.dumps({"current": f"{OLD} {NEW}"}), A_BLANK),
        (json.dumps({"current": f"{OLD}\n{NEW}"}), A_BLANK),
        (f"token: {OLD}", A_BLANK),
        (f"Token {OLD}", A_WORD),
        (f"token\t{OLD}", A_WORD),
        (
            json.dumps({"current": f"Token {OLD}"}),
            A_WORD,
        ),
        (f'{{"current": "{OLD}"', "the source starts like a JSON object and is none"),
        (f'{{"current": "{OLD}"}} and more', "the source starts like a JSON object and is none"),
        ('{"current":' * 100_000, "the source starts like a JSON object and is none"),
        ('{"current": 12345678}', NO_TEXT),
        ('{"current": null}', NO_TEXT),
        ('{"current": true}', NO_TEXT),
        (json.dumps({"current": [OLD, NEW]}), NO_TEXT),
        (json.dumps({"current": {"next": OLD}}), NO_TEXT),
        ('{"current": {}}', NO_TEXT),
        (OLD[: MIN_TOKEN_LENGTH - 1], "a token in the source is shorter than 8 characters"),
        (json.dumps({"current": OLD, "next": "none"}), "a token in the source is shorter than 8 characters"),
        (json.dumps({"username": "admin", "token": OLD}), ANOTHER_NAME),
        (f"#current\n{OLD}", BESIDE),
        (f"#rotated-2026-01\n{OLD}", BESIDE),
        (f"//old-token\n{OLD}", BESIDE),
        (f";a-comment\n{OLD}", BESIDE),
        (f"---------\n{OLD}", BESIDE),
        (f"-----BEGIN-TOKEN-----\n{OLD}", BESIDE),
        (f"current-token:\n{OLD}", BESIDE),
        ("********", BESIDE),
        (json.dumps({"current": OLD, "next": "xxxxxxxx"}), BESIDE),
        (json.dumps([OLD]), NO_TOKEN),
        (json.dumps([OLD, NEW]), NO_TOKEN),
        (json.dumps(OLD), NO_TOKEN),
        (json.dumps({"current": json.dumps({"token": OLD})}), NO_TOKEN),
        (f"{OLD},{NEW}", NO_TOKEN),
        (f"{OLD}\u2028{NEW}", NO_TOKEN),
        (f"{OLD}\x0b{NEW}", NO_TOKEN),
        (f"{OLD}\u00a0{NEW}", NO_TOKEN),
        (f"{OLD}\0", NO_TOKEN),
        (f"{OLD}\x7f", NO_TOKEN),
        (f"{OLD}\u200b", NO_TOKEN),
        (f"{OLD}é", NO_TOKEN),
        (f"{OLD}\udcff", NO_TOKEN),
    ],
    ids=itertools.count(),
)
def test_a_source_without_usable_tokens_closes_the_door_and_says_why(text: str, reason: str) -> None:
    bench = Bench(Source(text))

    with pytest.raises(TokensUnavailableError) as caught:
        bench.tokens.verify("Token x")

    assert str(caught.value) == reason


@pytest.mark.parametrize("presented", ["production", OLD, "environment", "HTTP_TOKEN"])
def test_no_other_value_of_the_secret_becomes_a_token(presented: str) -> None:
    bench = Bench(Source(json.dumps({"HTTP_TOKEN": OLD, "environment": "production"})))

    with pytest.raises(TokensUnavailableError, match=f"^{ANOTHER_NAME}$"):
        bench.tokens.verify(f"Token {presented}")


@pytest.mark.parametrize("value", ["none", "admin", "x"])
def test_what_is_too_short_to_be_a_token_lets_nobody_in(value: str) -> None:
    bench = Bench(Source(json.dumps({"current": OLD, "next": value})))

    for token in (value, OLD):
        with pytest.raises(TokensUnavailableError):
            bench.tokens.verify(f"Token {token}")


def test_the_word_before_the_token_never_becomes_a_token_itself() -> None:
    with pytest.raises(TokensUnavailableError):
        Bench(Source(f"Token {OLD}")).tokens.verify("Token Token")


def test_the_source_is_asked_once_and_again_when_the_answer_is_old(bench: Bench) -> None:
    asked = []
    for seconds in (0, REFRESH_SECONDS - 1, 1):
        bench.clock.now += seconds
        bench.admits(OLD)
        asked.append(bench.source.asked)

    assert asked == [1, 1, 2]


def test_a_token_that_was_taken_back_is_refused_after_the_next_refresh(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.text = NEW
    bench.clock.now += REFRESH_SECONDS

    assert not bench.admits(OLD)


def test_a_new_token_works_at_once(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.text = NEW
    bench.clock.now += 1

    assert bench.admits(NEW)


def test_a_flood_of_unknown_tokens_is_no_flood_of_questions(bench: Bench) -> None:
    bench.admits(OLD)
    for _ in range(1_000):
        bench.clock.now += PAUSE_SECONDS / 500
        bench.admits("wrong")

    assert bench.source.asked == 1 + 2


def test_while_the_source_is_left_alone_an_unknown_token_is_to_come_again(bench: Bench) -> None:
    """It may be mParticle's new one, and mParticle does not repeat after 403."""
    bench.admits(OLD)
    bench.admits("wrong")
    bench.source.text = NEW

    with pytest.raises(TokenNotKnownYetError) as caught:
        bench.tokens.verify(f"Token {NEW}")
    bench.clock.now += float(caught.value.headers["Retry-After"])

    assert (caught.value.status, caught.value.code) == (429, "token_not_known_yet")
    assert bench.admits(NEW)


def test_a_flood_of_unknown_tokens_is_refused_for_good_only_when_the_source_was_asked(bench: Bench) -> None:
    bench.admits(OLD)
    statuses = []
    for _ in range(20):
        statuses.append(bench.status("wrong"))
        bench.clock.now += PAUSE_SECONDS / 10

    assert statuses == [403, *[429] * 9] * 2


def test_a_new_token_that_was_found_leaves_the_next_one_its_question(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.text = NEW

    assert [bench.status(NEW), bench.status("wrong")] == [200, 403]


def test_the_first_request_asks_once_even_with_an_unknown_token(bench: Bench) -> None:
    assert not bench.admits("wrong")
    assert bench.source.asked == 1


def test_the_last_known_tokens_outlive_an_outage_of_an_hour_and_no_more(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.fails = True
    bench.clock.now += REFRESH_SECONDS + MAX_OUTAGE_SECONDS - 1
    assert bench.admits(OLD)
    assert bench.telemetry.warnings == [
        {"event": "tokens not refreshed", "reason": "the source answers ThrottlingException"}
    ]
    bench.clock.now += PAUSE_SECONDS

    with pytest.raises(TokensUnavailableError, match="ThrottlingException"):
        bench.tokens.verify(f"Token {OLD}")


def test_in_an_outage_nobody_can_say_that_a_token_is_wrong(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.fails = True

    with pytest.raises(TokensUnavailableError):
        bench.tokens.verify("Token wrong")


def test_in_an_outage_the_source_is_asked_every_ten_seconds(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.fails = True
    bench.clock.now += REFRESH_SECONDS
    for _ in range(1_000):
        bench.admits(OLD)
        bench.clock.now += PAUSE_SECONDS / 500

    assert bench.source.asked == 1 + 2


def test_a_source_that_comes_back_opens_the_door_within_a_second() -> None:
    bench = Bench(Source(fails=True))
    for _ in range(2):
        with pytest.raises(TokensUnavailableError):
            bench.tokens.verify(f"Token {OLD}")
    assert bench.source.asked == 1
    bench.source.fails = False
    bench.clock.now += 1

    assert bench.admits(OLD)


def test_a_source_that_was_emptied_closes_the_door_and_no_grace_is_given(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.text = ""
    bench.clock.now += REFRESH_SECONDS

    with pytest.raises(TokensUnavailableError, match="holds no token"):
        bench.tokens.verify(f"Token {OLD}")


def test_a_source_that_was_deleted_closes_the_door_and_no_grace_is_given(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.is_deleted = True
    bench.clock.now += REFRESH_SECONDS

    with pytest.raises(TokensUnavailableError, match=r"^the source answers ResourceNotFoundException$"):
        bench.tokens.verify(f"Token {OLD}")
    assert bench.telemetry.warnings == []


def test_a_source_that_was_deleted_in_an_outage_is_found_so(bench: Bench) -> None:
    bench.admits(OLD)
    bench.source.fails = True
    bench.clock.now += REFRESH_SECONDS
    assert bench.admits(OLD)
    bench.source.fails, bench.source.is_deleted = False, True
    bench.clock.now += PAUSE_SECONDS

    with pytest.raises(TokensUnavailableError):
        bench.tokens.verify(f"Token {OLD}")


def test_tokens_do_not_show_themselves(bench: Bench) -> None:
    bench.admits(OLD)

    assert OLD not in repr(bench.tokens)


class TestSources:
    def test_a_secret_is_read(self, aws: None) -> None:
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name="token", SecretString=OLD)["ARN"]

        assert from_secret(client, arn) == OLD

    def test_a_binary_secret_holds_no_text(self, aws: None) -> None:
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name="token", SecretBinary=b"x")["ARN"]

        assert from_secret(client, arn) == ""

    def test_a_secure_string_is_read_decrypted(self, aws: None) -> None:
        client = boto3.client("ssm")
        client.put_parameter(Name="/firehose/token", Value=OLD, Type="SecureString")

        assert from_parameter(client, "/firehose/token") == OLD

    def test_a_missing_secret_is_named_by_its_error_only(self, aws: None) -> None:
        with pytest.raises(NoTokensError, match=r"^the source answers ResourceNotFoundException$"):
            from_secret(boto3.client("secretsmanager"), "arn:aws:secretsmanager:us-east-1:1:secret:canary-secret")

    def test_a_missing_parameter_is_named_by_its_error_only(self, aws: None) -> None:
        with pytest.raises(NoTokensError, match=r"^the source answers ParameterNotFound$"):
            from_parameter(boto3.client("ssm"), "/canary-secret")

    def test_a_secret_that_is_marked_for_deletion_holds_no_tokens(self, aws: None) -> None:
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name="token", SecretString=OLD)["ARN"]
        client.delete_secret(SecretId=arn, RecoveryWindowInDays=7)

        with pytest.raises(NoTokensError, match=r"^the source answers InvalidRequestException$"):
            from_secret(client, arn)

    @pytest.mark.parametrize(
        "code", ["AccessDeniedException", "ThrottlingException", "InternalServiceError", "DecryptionFailure"]
    )
    def test_what_says_nothing_about_the_tokens_takes_none_away(self, aws: None, code: str) -> None:
        client = boto3.client("secretsmanager")
        stub = Stubber(client)
        stub.add_client_error("get_secret_value", code)

        with stub, pytest.raises(TokensUnavailableError, match=code) as caught:
            from_secret(client, "token")

        assert not isinstance(caught.value, NoTokensError)

    def test_a_source_that_cannot_be_reached_is_named_by_the_fault(self) -> None:
        unreachable = boto3.client(
            "ssm", region_name="us-east-1", endpoint_url="http://127.0.0.1:9",
            aws_access_key_id="x", aws_secret_access_key="x", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

        with pytest.raises(TokensUnavailableError, match=r"^the source cannot be read: EndpointConnectionError$"):
            from_parameter(unreachable, "/token")

    def test_without_a_source_there_is_nothing_to_read(self) -> None:
        with pytest.raises(TokensUnavailableError, match="HTTP_TOKEN_SOURCE is not set"):
            from_nowhere()
