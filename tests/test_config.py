from typing import ClassVar

import pytest

from mparticle_firehose.config import Resources, Settings
from mparticle_firehose.errors import ConfigurationError

COMPLETE = {
    "PARTNER_API_URL": "https://api.example.com/",
    "MEMBERSHIP_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/membership.fifo",
    "BULK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/membership-bulk.fifo",
    "EVENT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/event",
    "MEMBERSHIP_DLQ_URL": "https://sqs.us-east-1.amazonaws.com/1/membership-dlq.fifo",
    "EVENT_DLQ_URL": "https://sqs.us-east-1.amazonaws.com/1/event-dlq",
    "ERASURE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/erasure",
    "ERASURE_DLQ_URL": "https://sqs.us-east-1.amazonaws.com/1/erasure-dlq",
    "SUSPENSION_TABLE": "suspensions",
    "LEDGER_TABLE": "ledger",
    "LARGE_BODY_BUCKET": "large-bodies",
}


def test_settings_come_from_the_environment_with_defaults_for_what_is_tunable() -> None:
    settings = Settings.from_env({**COMPLETE, "PATH": "/bin"})

    assert settings.partner_api_url == "https://api.example.com"
    assert (settings.handler_deadline_ms, settings.membership_shards) == (150, 10)


def test_tunables_can_be_set() -> None:
    settings = Settings.from_env({**COMPLETE, "HANDLER_DEADLINE_MS": "90", "MEMBERSHIP_SHARDS": "64"})

    assert (settings.handler_deadline_ms, settings.membership_shards) == (90, 64)


@pytest.mark.parametrize("missing", COMPLETE)
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{missing}: Field required$"):
        Settings.from_env({name: value for name, value in COMPLETE.items() if name != missing})


@pytest.mark.parametrize("missing", COMPLETE)
def test_a_blank_variable_counts_as_missing(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{missing}: Field required$"):
        Settings.from_env({**COMPLETE, missing: "  "})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({**COMPLETE, "EVENT_QUEUE_URL": "", "MEMBERSHIP_SHARDS": "0"})

    assert "EVENT_QUEUE_URL" in str(caught.value)
    assert "MEMBERSHIP_SHARDS" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PARTNER_API_URL", "http://api.example.com/canary-secret"),
        ("PARTNER_API_URL", "api.example.com/canary-secret"),
        ("PARTNER_API_URL", "ftp://api.example.com/canary-secret"),
        ("EVENT_QUEUE_URL", "arn:aws:sqs:us-east-1:1:canary-secret"),
        ("HANDLER_DEADLINE_MS", "canary-secret"),
        ("HANDLER_DEADLINE_MS", "0"),
        ("MEMBERSHIP_SHARDS", "1001"),
        ("RETRY_BASE_SECONDS", "0"),
        ("RETRY_CAP_SECONDS", "863"),
        ("EVENT_ORDER", "canary-secret"),
        ("DEPLOYMENT_SECRET_SOURCE", "canary-secret"),
        ("DEPLOYMENT_SECRET_SOURCE", "off"),
        ("DEPLOYMENT_SECRET_SOURCE", "none"),
        ("DEPLOYMENT_SECRET_REFRESH_SECONDS", "9"),
        ("FEED_ERASURE_KEY_SOURCE", "canary-secret"),
        ("FEED_WEBHOOK_SECRET_SOURCE", "canary-secret"),
        ("FEED_WEBHOOK_SECRET_SOURCE", "off"),
    ],
)
def test_an_unusable_value_is_refused_by_name_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: ") as caught:
        Settings.from_env({**COMPLETE, variable: value})

    assert "canary-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "service"),
    [
        pytest.param("arn:aws:secretsmanager:us-east-1:1:secret:x-AbCdEf", "secretsmanager", id="secret"),
        pytest.param("/partner/secrets", "ssm", id="parameter"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_secrets_of_the_deployment_are_in_the_service_that_their_source_names(
    source: str | None, service: str | None
) -> None:
    settings = Settings.from_env({**COMPLETE, **({"DEPLOYMENT_SECRET_SOURCE": source} if source else {})})

    assert (settings.deployment_secret_source, settings.deployment_secret_service) == (source, service)
    assert settings.deployment_secret_refresh_seconds == 300


@pytest.mark.parametrize(
    ("source", "service"),
    [("arn:aws:secretsmanager:us-east-1:1:secret:x-AbCdEf", "secretsmanager"), ("/feed/erasures", "ssm"), (None, None)],
)
def test_the_key_of_erased_peoples_identities_is_optional(source: str | None, service: str | None) -> None:
    settings = Settings.from_env({**COMPLETE, **({"FEED_ERASURE_KEY_SOURCE": source} if source else {})})

    assert (settings.erasure_key_source, settings.erasure_key_service) == (source, service)


@pytest.mark.parametrize(
    ("source", "service"),
    [("arn:aws:secretsmanager:us-east-1:1:secret:x-AbCdEf", "secretsmanager"), ("/feed/webhook", "ssm"), (None, None)],
)
def test_the_secret_of_webhooks_is_optional(source: str | None, service: str | None) -> None:
    settings = Settings.from_env({**COMPLETE, **({"FEED_WEBHOOK_SECRET_SOURCE": source} if source else {})})

    assert (settings.feed_webhook_secret_source, settings.feed_secret_service) == (source, service)
    assert settings.feed_queue_url is None


@pytest.mark.parametrize(("variables", "order"), [({}, "none"), ({"EVENT_ORDER": "user"}, "user")])
def test_events_are_ordered_only_if_it_is_asked_for(variables: dict[str, str], order: str) -> None:
    assert Settings.from_env({**COMPLETE, **variables}).event_order == order


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1", "http://host.docker.internal:9"])
def test_plain_http_is_for_this_machine_only(url: str) -> None:
    assert Settings.from_env({**COMPLETE, "PARTNER_API_URL": url}).partner_api_url == url


class TestUnderTheSamCli:
    """It sets logical names where a deployment has URLs."""

    ENVIRON: ClassVar = {
        **{name: "MembershipQueue" if name.endswith("_URL") else value for name, value in COMPLETE.items()},
        "PARTNER_API_URL": "https://api.example.com",
        "AWS_SAM_LOCAL": "true",
    }

    def test_settings_can_be_read_without_the_resources(self) -> None:
        assert Settings.from_env(self.ENVIRON).partner_api_url == "https://api.example.com"

    def test_a_logical_name_of_the_feeds_queue_does_not_matter(self) -> None:
        assert Settings.from_env({**self.ENVIRON, "FEED_QUEUE_URL": "FeedQueue"}).feed_queue_url == "FeedQueue"

    def test_a_deployment_needs_the_resources_as_well(self) -> None:
        with pytest.raises(ConfigurationError, match="MEMBERSHIP_QUEUE_URL"):
            Settings.from_env({**self.ENVIRON, "AWS_SAM_LOCAL": ""})

    def test_missing_resources_are_named_with_the_way_to_get_them(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            Resources.from_env(self.ENVIRON)

        queues = ("MEMBERSHIP", "EVENT", "ERASURE")
        names = [f"{queue}_{kind}_URL" for kind in ("QUEUE", "DLQ") for queue in queues]
        names.insert(1, "BULK_QUEUE_URL")
        rule = "Value error, must be the queue's URL, not its name or ARN"
        problems = "; ".join(f"{name}: {rule}" for name in names)
        assert str(caught.value) == f"{problems} (`make up` starts a local cloud that has them)"

    def test_a_wrong_setting_is_refused_at_once(self) -> None:
        with pytest.raises(ConfigurationError, match=r"^HANDLER_DEADLINE_MS: "):
            Settings.from_env({**self.ENVIRON, "HANDLER_DEADLINE_MS": "0"})


@pytest.mark.parametrize(
    ("variables", "attempts"),
    [({"MOST_ATTEMPTS": "7"}, 7), ({"MOST_ATTEMPTS": "7", "MAX_ATTEMPTS": "9"}, 9), ({}, 100)],
    ids=["old name", "both", "neither"],
)
def test_a_renamed_variable_works_under_its_old_name(variables: dict[str, str], attempts: int) -> None:
    assert Settings.from_env({**COMPLETE, **variables}).max_attempts == attempts


def test_a_wrong_value_under_the_old_name_is_named_by_it() -> None:
    with pytest.raises(ConfigurationError, match=r"^MOST_ATTEMPTS: "):
        Settings.from_env({**COMPLETE, "MOST_ATTEMPTS": "x"})
