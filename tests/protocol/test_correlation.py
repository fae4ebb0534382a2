"""The fields that identify a request in log lines, queue attributes and keys."""

import pytest

from mparticle_firehose.protocol import AnyRequest, Serializer, correlation, work_id

serializer = Serializer()

ID = "5a3c1e70-0000-4000-8000-000000000001"


def parsed(kind: str, **fields: object) -> AnyRequest:
    return serializer.parse({"type": kind, "mpid": "canary-pii", **fields})


@pytest.mark.parametrize(
    "kind",
    [
        "event_processing_request",
        "audience_subscription_request",
        "audience_membership_change_request",
        "dsr_processing_request",
    ],
)
def test_a_request_is_identified_by_its_type_account_and_id(kind: str) -> None:
    request = parsed(kind, id=ID, account={"account_id": 4242, "account_settings": {"token": "canary-secret"}})

    assert correlation(request) == {"message_type": kind, "account_id": "4242", "request_id": ID}


@pytest.mark.parametrize("malformed", [None, "", "canary-pii"])
def test_a_request_without_a_usable_id_is_identified_by_its_type_and_account(malformed: str | None) -> None:
    request = parsed("event_processing_request", id=malformed, account={"account_id": 4242})

    assert correlation(request) == {"message_type": "event_processing_request", "account_id": "4242"}


def test_a_registration_request_has_no_account() -> None:
    assert correlation(parsed("module_registration_request", id=ID)) == {
        "message_type": "module_registration_request",
        "request_id": ID,
    }
    assert correlation(parsed("module_registration_request")) == {"message_type": "module_registration_request"}


def test_the_work_of_a_request_is_identified_by_its_id_or_else_its_time() -> None:
    assert work_id(parsed("event_processing_request", id=ID, timestamp_ms=7)) == ID
    assert work_id(parsed("event_processing_request", id="canary-pii", timestamp_ms=7)) == "7"
