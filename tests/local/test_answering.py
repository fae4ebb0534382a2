"""A fake API is asked without HTTP, under the same contract."""

import pytest

from local.partner.answering import answer_to, conclude
from local.partner.contract import ContractError
from mparticle_firehose.integration import (
    Answer,
    Auth,
    Basic,
    Bearer,
    DeploymentSecret,
    Exchange,
    Form,
    Header,
    Json,
    NdJson,
    OAuth2,
    PartnerCall,
    Query,
    Target,
)
from tests.local.partner_api import BoxesApi

TEA = Json({"items": [{"name": "tea"}]})
FILL = PartnerCall(method="PUT", path="/boxes/b1", body=TEA, auth=Bearer("canary-t"))
OAUTH = OAuth2.refresh_token("canary-r", path="/token", client_id="c", client_secret=DeploymentSecret("secret"))


def call(path: str, auth: Auth, method: str = "POST") -> PartnerCall:
    return PartnerCall(method=method, path=path, auth=auth)


def test_a_call_takes_effect_and_is_answered() -> None:
    api = BoxesApi()

    assert answer_to(api, FILL) == Answer(status=201, body={"box": "b1"})
    assert api.boxes == {"b1": ["tea"]}


@pytest.mark.parametrize(
    ("path", "auth"),
    [
        ("/twice", Bearer(DeploymentSecret("token"))),
        ("/by-user", Basic("canary-jane", "canary-password")),
        ("/by-key", Header("Box-Key", "canary-key")),
        ("/twice", OAUTH),
    ],
    ids=["bearer", "basic", "header", "oauth2"],
)
def test_the_credential_is_the_calls_or_its_targets(path: str, auth: Auth) -> None:
    without = PartnerCall(path=path)

    assert answer_to(BoxesApi(), PartnerCall(path=path, auth=auth)).succeeded
    assert answer_to(BoxesApi(), without, target=Target(auth=auth)).succeeded
    with pytest.raises(ContractError, match=r"must be (present|a .* credential)"):
        answer_to(BoxesApi(), without)


def test_a_form_needs_no_credential_where_the_document_asks_for_none() -> None:
    api = BoxesApi()
    form = Form({"grant_type": "refresh_token", "refresh_token": "canary-r"})

    answer_to(api, PartnerCall(path="/token", body=form), host="login.boxes.example")

    assert api.calls == [("token", {})]


@pytest.mark.parametrize("body", [Json(["a", ""]), NdJson(["a", ""])], ids=["array", "lines"])
def test_lines_are_checked_like_an_array_and_compression_is_not_seen(body: Json | NdJson) -> None:
    call = PartnerCall(method="PUT", path="/labels", body=body, auth=Bearer("canary-t"), gzip=True)

    with pytest.raises(ContractError, match=r"^\[1\]: must not be empty$"):
        answer_to(BoxesApi(), call)


def test_parameters_of_the_query_and_of_the_credential_are_sent() -> None:
    api = BoxesApi()

    answer_to(api, PartnerCall(method="GET", path="/boxes/b1", query={"limit": "2"}))
    with pytest.raises(ContractError, match="key: is not part of the API"):
        answer_to(api, PartnerCall(method="GET", path="/boxes/b1", auth=Query("key", "canary-key")))

    assert api.calls == [("look", {"box": "b1", "limit": "2"})]


@pytest.mark.parametrize(
    ("broken", "host", "rule"),
    [
        (PartnerCall(method="PUT", path="/labels", body=Json([""]), auth=OAUTH), "", r"\[0\]: must not be empty"),
        (PartnerCall(path="/by-key", auth=Header("Box-Key", "k")), "login.boxes.example", "host: does not offer"),
    ],
    ids=["schema", "host"],
)
def test_a_call_that_breaks_a_rule_is_not_answered(broken: PartnerCall, host: str, rule: str) -> None:
    api = BoxesApi()

    with pytest.raises(ContractError, match=rule):
        answer_to(api, broken, host=host)
    assert api.calls == []


def chain() -> Exchange[int]:
    first = yield PartnerCall(path="/twice")
    second = yield PartnerCall(path="/by-key", auth=Header("Box-Key", "k"))
    return first.status + second.status


def test_an_exchange_is_carried_to_its_end() -> None:
    assert conclude(BoxesApi(), chain(), target=Target(auth=Bearer("canary-t"))) == 408


def test_an_answer_that_an_exchange_does_not_accept_fails_the_test() -> None:
    class Full(BoxesApi):
        def apply(self, operation: str, parameters: object, body: object) -> tuple[int, object]:
            return 409, None

    def accepting() -> Exchange[int]:
        return (yield PartnerCall(path="/by-key", auth=Header("Box-Key", "k"), accept=frozenset({409}))).status

    assert conclude(Full(), accepting()) == 409
    with pytest.raises(AssertionError, match="is answered 409"):
        conclude(Full(), chain(), target=Target(auth=Bearer("canary-t")))
