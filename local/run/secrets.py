"""Which deployment secrets the calls for sample requests need."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from local.isolation import LocalCloudError
from local.run.expected import expected_calls
from local.run.messages import Message
from mparticle_firehose.integration import DeploymentSecret, Integration, OAuth2, PartnerCall, Secret
from mparticle_firehose.partner_api.encoding import UnsendableError, encode


def check_secrets(integration: Integration, messages: Iterable[Message], known: Iterable[str]) -> None:
    """Check that the local cloud has the deployment secrets of the calls, as far as they need no answers.

    Args:
        integration: makes the calls.
        messages: what they are made for.
        known: names of the secrets in ``deployment_secret.json``.

    Raises:
        LocalCloudError: it lacks some: their calls would wait, and nothing else would say why.
    """
    needed = {name for message in messages for name in _needed(integration, message.content)}
    if missing := sorted(needed - set(known)):
        raise LocalCloudError(
            f"calls need deployment secrets that are missing: {', '.join(missing)}. "
            "Put invented values into deployment_secret.json, in the folder that has the folder fake_api"
        )


def _needed(integration: Integration, content: Mapping[str, object]) -> Iterator[str]:
    try:
        calls = expected_calls(integration, content)
    except Exception:  # noqa: BLE001  the user's own code may raise anything, which the run itself tells
        return
    for call in calls:
        yield from _secrets_of(call)


def _secrets_of(call: PartnerCall) -> set[str]:
    found: set[str] = set()

    def noted(secret: Secret) -> str:
        if isinstance(secret, str):
            return secret
        found.add(secret.name)
        return "known"

    auth = call.auth
    if isinstance(auth, OAuth2):
        client = (auth.client.username, auth.client.password) if auth.client else ()
        found |= {each.name for each in (*dict(auth.form).values(), *client) if isinstance(each, DeploymentSecret)}
        auth = None
    with suppress(UnsendableError):
        encode(replace(call, auth=auth), noted)
    return found
