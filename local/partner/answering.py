"""Calls a fake API without HTTP: for tests of mappings, judges and exchanges."""

from collections.abc import Mapping
from urllib.parse import urlencode

from local.partner.contract import Contract, ContractError
from local.partner.fake_api import FakeApi
from local.partner.listener import parsed_body
from mparticle_firehose.integration import (
    Answer,
    Auth,
    Basic,
    Bearer,
    Exchange,
    Header,
    OAuth2,
    PartnerCall,
    Query,
    Secret,
    Target,
)
from mparticle_firehose.integration.auth import basic_credentials

_FRAMEWORKS_HEADERS = {"Idempotency-Key": "any", "Correlation-Id": "any"}


def answer_to(api: FakeApi, call: PartnerCall, *, target: Target | None = None, host: str = "") -> Answer:
    """Return the answer of a fake API to a call, which takes effect.

    Args:
        api: the fake API.
        call: what is sent.
        target: the target of the call's items, whose credential it has unless it has one of its own.
        host: the name of the host that it is sent to; empty leaves it unchecked.

    Raises:
        ContractError: the call breaks a rule of the API's; the message names the field and the rule.
    """
    auth = call.auth or (target.auth if target else None)
    headers = {**_FRAMEWORKS_HEADERS, **_shown(call.headers), **_credential(auth)}
    if call.body:
        headers["Content-Type"] = call.body.content_type
    query = {**_shown(call.query), **({auth.name: _text(auth.value)} if isinstance(auth, Query) else {})}
    path = f"{call.path}?{urlencode(query)}" if query else call.path
    return _answer(api, call, path, headers, host)


def conclude[T](api: FakeApi, exchange: Exchange[T], *, target: Target | None = None) -> T:
    """Return what an exchange returns if a fake API answers its calls.

    Raises:
        ContractError: a call breaks a rule of the API's.
        AssertionError: an answer is neither a success nor accepted by its call, which would end the exchange.
    """
    answer: Answer | None = None
    while True:
        try:
            call = exchange.send(answer) if answer else next(exchange)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = answer_to(api, call, target=target)
        if not answer.succeeded and answer.status not in call.accept:
            raise AssertionError(f"{call.method} is answered {answer.status}, which the exchange does not accept")


def _answer(api: FakeApi, call: PartnerCall, path: str, headers: dict[str, str], host: str) -> Answer:
    contract = Contract(api.document)
    operation, located = contract.find(call.method, path, host)
    operation.credentials(headers)
    body = _received(call)
    parameters = operation.check(located, headers, body)
    if rule := next(iter(api.violations(operation.id, parameters, body)), None):
        raise ContractError(422, rule)
    status, content = api.apply(operation.id, parameters, body)
    return Answer(status=status, body=content)


def _received(call: PartnerCall) -> object:
    if call.body is None:
        return None
    return parsed_body(call.body.encoded(), call.body.content_type.partition(";")[0].strip().lower())


def _credential(auth: Auth | None) -> dict[str, str]:
    match auth:
        case Bearer(token):
            return {"Authorization": f"Bearer {_text(token)}"}
        case OAuth2():
            return {"Authorization": "Bearer an-access-token"}
        case Basic(username, password):
            return {"Authorization": f"Basic {basic_credentials(_text(username), _text(password))}"}
        case Header(name, value, prefix):
            return {name: f"{prefix}{_text(value)}"}
    return {}


def _shown(values: Mapping[str, Secret]) -> dict[str, str]:
    return {name: _text(value) for name, value in values.items()}


def _text(secret: Secret) -> str:
    return secret if isinstance(secret, str) else f"<{secret.name}>"
