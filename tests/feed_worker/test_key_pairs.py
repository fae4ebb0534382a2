"""Whose key pair is used, when it is read, and what happens if it cannot be."""

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mparticle_firehose.errors import ConfigurationError, MalformedRequestError
from mparticle_firehose.feed import Environment
from mparticle_firehose.feed.events_api import PARTNER_FEED_URL, FeedCredentials, Pod
from mparticle_firehose.feed_worker.key_pairs import (
    MAX_ACCOUNTS,
    MAX_OUTAGE_SECONDS,
    MIN_REREAD_SECONDS,
    MISSING_SECONDS,
    PAUSE_SECONDS,
    KeyPair,
    KeyPairError,
    KeyPairs,
)
from tests.conftest import Clock, TelemetryDouble

REFRESH_SECONDS = 300.0
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "canary-message"}}, "GetParameter")
SILENT = EndpointConnectionError(endpoint_url="https://canary.example.com")
OLD: Any = {"key": "canary-key-old", "secret": "canary-secret-old"}
NEW: Any = {"key": "canary-key-new", "secret": "canary-secret-new"}
IOS: Any = {"key": "canary-key-ios", "secret": "canary-secret-ios"}
WEB: Any = {"key": "canary-key-web", "secret": "canary-secret-web"}
PRODUCTION = {"environment": "production"}


@dataclass
class Store:
    """SSM and Secrets Manager: texts by name, and what was read."""

    texts: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    seconds: float = 0.0
    reads: list[str] = field(default_factory=list)

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]:  # noqa: N803  as boto3
        assert WithDecryption
        return {"Parameter": {"Value": self._text(Name, "ParameterNotFound")}}

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803  as boto3
        return {"SecretString": self._text(SecretId, "ResourceNotFoundException")}

    def _text(self, name: str, absent: str) -> str:
        self.reads.append(name)
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        if name not in self.texts:
            raise ClientError({"Error": {"Code": absent}}, "Get")
        return self.texts[name]


class Bench:
    """Key pairs of a store, on a clock."""

    def __init__(self, source: str = "/feed") -> None:
        self.store, self.clock, self.telemetry = Store(), Clock(), TelemetryDouble()
        self.pairs = KeyPairs(
            client=self.store,
            source=source,
            refresh_seconds=REFRESH_SECONDS,
            default_url=PARTNER_FEED_URL,
            telemetry=self.telemetry,
            clock=self.clock,
        )

    def put(self, account_id: int = 42, **fields: Any) -> None:
        self.put_text(json.dumps(PRODUCTION | fields), account_id)

    def put_text(self, text: str, account_id: int = 42) -> None:
        self.store.texts[f"/feed/{account_id}"] = text

    def found(self, account_id: int = 42, platform: str = "") -> KeyPair:
        pair = self.pairs.pair(account_id, platform)
        assert pair
        return pair

    def key(self, account_id: int = 42, platform: str = "") -> str | None:
        pair = self.pairs.pair(account_id, platform)
        return pair.credentials.key if pair else None

    def problem(self, account_id: int = 42) -> str:
        with pytest.raises(KeyPairError) as caught:
            self.pairs.pair(account_id, "")
        return str(caught.value)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_a_pair_comes_from_the_parameter_of_its_account(bench: Bench) -> None:
    bench.put(**OLD)

    assert bench.found() == KeyPair(
        FeedCredentials(OLD["key"], OLD["secret"]), Environment.PRODUCTION, PARTNER_FEED_URL, is_partner_feed=True
    )
    assert bench.store.reads == ["/feed/42"]


def test_a_pair_may_be_in_a_secret_of_secrets_manager() -> None:
    bench = Bench("secretsmanager:feed/keys")
    bench.store.texts["feed/keys/42"] = json.dumps(PRODUCTION | OLD)

    assert bench.key() == OLD["key"]


def test_no_account_gets_the_pair_of_another(bench: Bench) -> None:
    bench.put(42, **OLD)
    bench.put(43, **NEW)

    assert [bench.key(42), bench.key(43), bench.key(4)] == [OLD["key"], NEW["key"], None]


@pytest.mark.parametrize(
    ("stored", "keys"),
    [
        (OLD, ["old", "old", "old"]),
        (OLD | {"platforms": {"ios": IOS}}, ["old", "ios", "old"]),
        ({"platforms": {"ios": IOS}}, ["ios", "ios", "ios"]),
        ({"platforms": {"ios": IOS, "web": WEB}}, [None, "ios", "web"]),
    ],
    ids=["unbound", "both", "one platform", "two platforms"],
)
def test_a_platform_has_its_own_pair_else_that_of_all_else_the_only_one(
    stored: dict[str, Any], keys: list[str | None], bench: Bench
) -> None:
    bench.put(**stored)

    found = [bench.key(platform=platform) for platform in ("", "ios", "web")]

    assert found == [key and f"canary-key-{key}" for key in keys]


@pytest.mark.parametrize(
    ("url", "is_partners"),
    [
        (PARTNER_FEED_URL, True),
        (f"{PARTNER_FEED_URL}/", True),
        (None, True),
        (Pod.EU1, False),
        ("http://127.0.0.1:9/v2", False),
    ],
)
def test_a_pair_is_of_a_partners_feed_unless_it_has_another_url(
    url: str | None, is_partners: bool, bench: Bench
) -> None:
    bench.put(**OLD, base_url=url)

    assert bench.found().base_url == (url or PARTNER_FEED_URL).rstrip("/")
    assert bench.found().is_partner_feed is is_partners


@pytest.mark.parametrize(
    ("url", "is_partners"), [("http://127.0.0.1:9/s2s/v2", True), (Pod.EU1, False), ("http://127.0.0.1:9/v2", False)]
)
def test_the_deployments_own_url_may_be_of_either(url: str, is_partners: bool, bench: Bench) -> None:
    bench.pairs.default_url = url
    bench.put(**OLD)

    assert (bench.found().base_url, bench.found().is_partner_feed) == (url, is_partners)


def test_a_default_url_that_cannot_be_used_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="base_url: must have no query"):
        KeyPairs(
            client=bench.store,
            source="/feed",
            refresh_seconds=1,
            default_url="https://x/v2?a",
            telemetry=bench.telemetry,
        )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be a JSON object"),
        ("canary-secret", "must be a JSON object"),
        ("[]", "must be an object"),
        ('"canary"', "must be an object"),
        ("{}", "environment: is required"),
        ('{"a":' * 10_000, "must be a JSON object"),
    ],
    ids=range(6),
)
def test_a_text_that_is_no_key_pair_is_refused(text: str, problem: str, bench: Bench) -> None:
    bench.put_text(text)

    assert bench.problem() == problem


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (OLD | {"environment": None}, "environment: must be production or development"),
        (OLD | {"environment": "canary"}, "environment: must be production or development"),
        ({}, "key: is required without platforms"),
        ({"key": "canary"}, "secret: is required"),
        ({"secret": "canary", "platforms": {"ios": IOS}}, "key: is required"),
        ({"key": 7, "secret": "canary"}, "key: must be text"),
        (OLD | {"canary-secret": 1}, "*: is no field of a key pair"),
        (OLD | {"base_url": "http://canary.example.com"}, "base_url: must start with https:// (http:// only for this"),
        (OLD | {"base_url": ""}, "base_url: must be an absolute URL"),
        (OLD | {"base_url": "https://canary@x.example/v2"}, "base_url: must have no query, fragment or credentials"),
        (OLD | {"key": "canary:x"}, "feed key: must have no colon"),
        (OLD | {"secret": "canary "}, "feed secret: must be printable text"),
        (OLD | {"platforms": {" ": IOS}}, "platforms: every name must not be blank"),
        ({"platforms": {"canary": {"key": "k"}}}, "platforms.*.secret: is required"),
        ({"platforms": {"canary": IOS | {"base_url": "canary"}}}, "platforms.*.base_url: is no field of a key pair"),
        ({"platforms": {"canary": {"key": "canary:", "secret": "s"}}}, "platforms.*: feed key: must have no colon"),
        ({"platforms": [IOS]}, "platforms: must be an object"),
        ({"platforms": {"canary": "x"}}, "platforms.*: must be an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pair_that_breaks_a_rule_is_refused_with_the_rule_and_without_values(
    fields: dict[str, Any], problem: str, bench: Bench
) -> None:
    bench.put(**fields)

    told = bench.problem()

    assert told.startswith(problem)
    assert "canary" not in told


def test_blanks_and_a_byte_order_mark_around_the_json_do_not_matter(bench: Bench) -> None:
    bench.put_text("\ufeff" + json.dumps(PRODUCTION | OLD) + "\n")

    assert bench.key() == OLD["key"]


@pytest.mark.parametrize("account_id", ["42", "../other", 4.2, True, None, 0, -1, 2**63, 10**5000], ids=range(9))
def test_an_account_id_that_is_no_whole_number_is_never_part_of_a_name(account_id: Any, bench: Bench) -> None:
    bench.put(**OLD)
    refused = bench.found()

    for use in (lambda: bench.pairs.pair(account_id, ""), lambda: bench.pairs.reread(account_id, "", refused)):
        with pytest.raises(MalformedRequestError, match=r"^account_id: must be a whole number above zero$"):
            use()
    assert bench.store.reads == ["/feed/42"]


def test_an_id_tells_pairs_and_urls_apart_and_shows_neither(bench: Bench) -> None:
    stored = [OLD, OLD | {"secret": "canary-other"}, OLD | {"base_url": Pod.EU1}, OLD | {"key": "canary-other"}, OLD]
    for account_id, fields in enumerate(stored, start=1):
        bench.put(account_id, **fields)

    pairs = [bench.found(account_id) for account_id in range(1, 6)]

    assert [pair.id == pairs[0].id for pair in pairs] == [True, False, False, False, True]
    assert "canary" not in f"{pairs}{bench.pairs!r}{[pair.id for pair in pairs]}"


# --- when it is read --------------------------------------------------------------------------------------------------


def test_a_pair_is_read_once_and_again_when_the_copy_is_old(bench: Bench) -> None:
    bench.put(**OLD)
    reads = []
    for seconds in (0, REFRESH_SECONDS - 1, 1):
        bench.clock.now += seconds
        bench.key()
        reads.append(len(bench.store.reads))

    assert reads == [1, 1, 2]


def test_a_new_customer_starts_within_half_a_minute(bench: Bench) -> None:
    found = [bench.key()]
    bench.put(**NEW)
    for seconds in (MISSING_SECONDS - 1, 1):
        bench.clock.now += seconds
        found.append(bench.key())

    assert found == [None, None, NEW["key"]]


def test_a_mended_pair_is_used_within_half_a_minute(bench: Bench) -> None:
    bench.put_text("{}")
    bench.problem()
    bench.put(**NEW)
    bench.clock.now += MISSING_SECONDS - 1
    before = bench.problem()
    bench.clock.now += 1

    assert (before, bench.key()) == ("environment: is required", NEW["key"])


def test_a_customer_who_has_left_has_no_pair_when_the_copy_is_old(bench: Bench) -> None:
    bench.put(**OLD)
    found = [bench.key()]
    bench.store.texts.clear()
    bench.clock.now += REFRESH_SECONDS

    assert [*found, bench.key()] == [OLD["key"], None]


def test_only_so_many_accounts_are_kept_and_the_one_not_used_longest_is_forgotten(bench: Bench) -> None:
    for account_id in (*range(1, MAX_ACCOUNTS + 1), 1, MAX_ACCOUNTS + 1):
        bench.key(account_id)
    before = len(bench.store.reads)
    for account_id in (1, 3, MAX_ACCOUNTS + 1, 2):
        bench.key(account_id)

    assert (before, bench.store.reads[before:]) == (MAX_ACCOUNTS + 1, ["/feed/2"])


def test_many_threads_cause_one_read(bench: Bench) -> None:
    bench.put(**OLD)
    bench.store.seconds = 0.02
    together, found = threading.Barrier(8), list[str | None]()

    def use() -> None:
        together.wait(5)
        found.append(bench.key())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (found, len(bench.store.reads)) == ([OLD["key"]] * 8, 1)


# --- after a refusal --------------------------------------------------------------------------------------------------


def test_a_pair_that_was_replaced_is_known_at_once_after_a_refusal(bench: Bench) -> None:
    bench.put(**OLD)
    refused = bench.found()
    bench.put(**NEW)

    assert (bench.key(), bench.pairs.reread(42, "", refused), bench.key()) == (OLD["key"], True, NEW["key"])


def test_a_refused_pair_whose_successor_is_known_needs_no_read(bench: Bench) -> None:
    bench.put(**OLD)
    refused = bench.found()
    bench.put(**NEW)
    bench.clock.now += REFRESH_SECONDS
    bench.key()

    assert (bench.pairs.reread(42, "", refused), len(bench.store.reads)) == (True, 2)
    assert (bench.pairs.reread(42, "", bench.found()), len(bench.store.reads)) == (False, 3)


def test_refusals_read_an_account_once_a_minute_at_most(bench: Bench) -> None:
    bench.put(**OLD)
    refused = bench.found()
    answers = []
    for _ in range(120):
        answers.append(bench.pairs.reread(42, "", refused))
        bench.clock.now += MIN_REREAD_SECONDS / 60

    assert (any(answers), len(bench.store.reads)) == (False, 3)


def test_a_refusal_of_one_account_keeps_no_other_from_being_read(bench: Bench) -> None:
    for account_id in (1, 2):
        bench.put(account_id, **OLD)
    refused = [bench.found(account_id) for account_id in (1, 2)]
    for account_id in (1, 2):
        bench.put(account_id, **NEW)

    assert [bench.pairs.reread(1, "", refused[0]), bench.pairs.reread(2, "", refused[1])] == [True, True]


@pytest.mark.parametrize("error", [THROTTLED, SILENT])
def test_a_refused_pair_has_not_changed_if_it_cannot_be_read(error: Exception, bench: Bench) -> None:
    bench.put(**OLD)
    refused = bench.found()
    bench.put(**NEW)
    bench.store.error = error

    assert (bench.pairs.reread(42, "", refused), bench.key()) == (False, OLD["key"])


@pytest.mark.parametrize("text", [None, "{}"], ids=["missing", "malformed"])
def test_a_refused_pair_without_a_successor_is_no_change(text: str | None, bench: Bench) -> None:
    bench.put(**OLD)
    refused = bench.found()
    bench.store.texts.clear()
    if text:
        bench.put_text(text)

    assert not bench.pairs.reread(42, "", refused)


def test_a_changed_pair_of_another_platform_is_no_change(bench: Bench) -> None:
    bench.put(platforms={"ios": IOS, "web": WEB})
    refused = bench.found(platform="ios")
    bench.put(platforms={"ios": IOS, "web": NEW})

    assert not bench.pairs.reread(42, "ios", refused)


# --- while the source cannot be read ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (THROTTLED, "the source answers ThrottlingException"),
        (SILENT, "the source cannot be read: EndpointConnectionError"),
    ],
)
def test_the_last_pair_outlives_an_outage_of_an_hour_and_no_more(error: Exception, problem: str, bench: Bench) -> None:
    bench.put(**OLD)
    bench.key()
    bench.store.error = error
    bench.clock.now += REFRESH_SECONDS + MAX_OUTAGE_SECONDS - 1
    last = bench.key()
    warnings = bench.telemetry.warnings
    bench.clock.now += 1

    assert last == OLD["key"]
    assert warnings == [{"event": "key pair not refreshed", "account_id": 42, "reason": problem}]
    assert bench.problem() in {problem, "the source did not answer a moment ago"}


def test_a_pair_is_refreshed_soon_after_the_outage(bench: Bench) -> None:
    bench.put(**OLD)
    bench.key()
    bench.put(**NEW)
    bench.store.error = THROTTLED
    bench.clock.now += REFRESH_SECONDS
    found = [bench.key()]
    bench.store.error = None
    for seconds in (PAUSE_SECONDS - 1, 1):
        bench.clock.now += seconds
        found.append(bench.key())

    assert found == [OLD["key"], OLD["key"], NEW["key"]]


def test_a_pair_that_was_never_known_cannot_be_used_in_an_outage_but_soon_after_it(bench: Bench) -> None:
    bench.put(**OLD)
    bench.store.error = THROTTLED
    problem = bench.problem()
    bench.store.error = None
    bench.clock.now += PAUSE_SECONDS

    assert (problem, bench.key()) == ("the source answers ThrottlingException", OLD["key"])


def test_a_source_that_does_not_answer_is_left_alone_for_all_accounts(bench: Bench) -> None:
    bench.put(1, **OLD)
    bench.key(1)
    bench.store.error = SILENT
    bench.clock.now += REFRESH_SECONDS
    problems = [bench.problem(account_id) for account_id in range(2, 100)]

    assert (bench.key(1), len(bench.store.reads)) == (OLD["key"], 2)
    assert set(problems[1:]) == {"the source did not answer a moment ago"}


def test_an_account_whose_parameter_is_refused_does_not_hold_up_others(bench: Bench) -> None:
    bench.store.error = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetParameter")
    bench.problem(1)
    bench.store.error = None
    bench.put(2, **OLD)

    assert bench.key(2) == OLD["key"]
