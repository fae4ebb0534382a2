import pytest

from mparticle_firehose.config import Settings
from mparticle_firehose.errors import ConfigurationError

COMPLETE = {
    "PARTNER_API_URL": "https://api.example.com/",
    "MEMBERSHIP_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/membership.fifo",
    "EVENT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/event",
    "MEMBERSHIP_DLQ_URL": "https://sqs.us-east-1.amazonaws.com/1/membership-dlq.fifo",
    "EVENT_DLQ_URL": "https://sqs.us-east-1.amazonaws.com/1/event-dlq",
    "SUSPENSION_TABLE": "suspensions",
    "LEDGER_TABLE": "ledger",
}


def test_settings_come_from_the_environment_with_defaults_for_what_is_tunable() -> None:
    settings = Settings.from_env({**COMPLETE, "PATH": "/bin"})

    assert settings.partner_api_url == "https://api.example.com"
    assert settings.suspension_table == "suspensions"
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
    ],
)
def test_an_unusable_value_is_refused_by_name_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: ") as caught:
        Settings.from_env({**COMPLETE, variable: value})

    assert "canary-secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1", "http://host.docker.internal:9"])
def test_plain_http_is_for_this_machine_only(url: str) -> None:
    assert Settings.from_env({**COMPLETE, "PARTNER_API_URL": url}).partner_api_url == url
