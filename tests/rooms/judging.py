"""What every room needs: a room without a registration, items, and outcomes that can be compared."""

from collections.abc import Mapping, Sequence

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Exchange,
    Integration,
    Item,
    JsonObject,
    NetworkFault,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Split,
    Suspend,
    Target,
    Verdict,
)
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.protocol import ModuleRegistrationResponse

NOW = 2_000_000_000.0
"""When every answer of these tests arrives."""


NAMES: Mapping[type[Outcome], str] = {
    Delivered: "ok",
    Rejected: "reject",
    Suspend: "suspend",
    Alone: "alone",
    Split: "split",
}


def unregistered() -> ModuleRegistrationResponse:
    """Stand in for the registration: the rooms show how calls are made and judged."""
    raise NotImplementedError


def room(
    sites: Mapping[str, str],
    *,
    retry_policy: Mapping[int | NetworkFault, Verdict] | None = None,
    wait_headers: tuple[str, ...] = ("Retry-After",),
) -> Integration:
    """Return a partner of whom only the API is known."""
    return Integration(
        registration=unregistered, sites=sites, retry_policy=retry_policy or {}, wait_headers=wait_headers
    )


def answered(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer as the client hands it over: header names in lower case."""
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    return Answer(status=status, body=body, headers=lowered, received_at=NOW)


def policy_of(partner: Integration) -> RetryPolicy:
    """Return the table that counts for a partner."""
    return RetryPolicy(partner.retry_policy, partner.wait_headers)


def judged(partner: Integration, endpoint: Endpoint, bodies: Sequence[JsonObject], answer: Answer) -> Outcome:
    """Return what the endpoint's judge says, or else the table."""
    outcome = endpoint.judge(bodies, answer)
    return policy_of(partner).judge(answer) if outcome is None else outcome


def kinds(outcome: Outcome, count: int) -> list[str]:
    """Return the outcome of each item. An item that is refused alone, or too large alone, is rejected."""
    if isinstance(outcome, Delivered):
        return [_kind(outcome.failures.get(index, Delivered())) for index in range(count)]
    refused_alone = count == 1 and isinstance(outcome, Alone | Split)
    return ["reject" if refused_alone else _kind(outcome)] * count


def _kind(outcome: Outcome) -> str:
    if isinstance(outcome, Retry):
        return "retry" if outcome.after is None else f"retry({outcome.after:g})"
    return NAMES[type(outcome)]


def items(
    endpoint: Endpoint,
    target: Target,
    bodies: Sequence[JsonObject],
    *,
    keys: Sequence[str] = (),
    users: Sequence[str] = (),
) -> list[Item]:
    """Return one item for each body, of an event each, with its key and its user if there are any."""
    return [
        Item(
            endpoint=endpoint,
            target=target,
            body=body,
            covers=(("events", index),),
            key=keys[index] if keys else "",
            user=users[index] if users else None,
        )
        for index, body in enumerate(bodies)
    ]


def call_of(endpoint: Endpoint, target: Target, *bodies: JsonObject) -> PartnerCall:
    """Return the only call, or the first one of an exchange."""
    made = endpoint.call(target, bodies)
    return made if isinstance(made, PartnerCall) else next(made)


def chain_of(endpoint: Endpoint, target: Target, *bodies: JsonObject) -> Exchange[Outcome]:
    """Return the exchange that an endpoint makes of these bodies."""
    made = endpoint.call(target, bodies)
    assert not isinstance(made, PartnerCall)
    return made


def ended[T](chain: Exchange[T], answer: Answer) -> T:
    """Return what an exchange comes to after its last answer."""
    try:
        chain.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("the exchange wants another call")
