"""Replaces secrets in what is shown by the names of the settings that hold them."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from local.confidential_settings import confidential_ids, settings_in
from mparticle_firehose.integration import Auth, Basic, DeploymentSecret, Integration, Secret
from mparticle_firehose.integration.auth import secrets_of

_UNNAMED = "<credential>"
_MIN_PART = 4
"""A shorter secret is masked where it is a whole value: it would be found by chance inside of others."""

_SECRET_HEADER = re.compile(r"auth|cookie|credential|key|pass|secret|signature|token", re.IGNORECASE)


class Mask:
    """What must not be shown of one request.

    The names of settings are the partner's own, so that they may be shown.
    """

    def __init__(self, settings: Mapping[str, str], confidential: frozenset[str] | None) -> None:
        """Take the settings of the request, and which of them are secret; None if that is not known: all are then."""
        self._names: dict[str, str] = {}
        self._secrets: dict[str, str] = {}
        for name, value in settings.items():
            self._names[value.strip()] = f"<{name}>"
            if confidential is None or name in confidential:
                self._add(value)

    def hide(self, auth: Auth | None) -> None:
        """Mask the texts of a credential from now on, wherever they are; a user name only if there is no password."""
        has_username = isinstance(auth, Basic) and auth.password != ""
        for secret in secrets_of(auth)[has_username:]:
            if isinstance(secret, str):
                self._add(secret)

    def name(self, secret: Secret) -> str:
        """Return the name of a secret: of the deployment's own, or of the setting that holds it."""
        if isinstance(secret, DeploymentSecret):
            return f"<{secret.name}>"
        return self._names.get(secret.strip(), _UNNAMED) if secret else ""

    def is_secret(self, text: str) -> bool:
        """Return whether a whole text is a secret."""
        return text in self._secrets

    def text(self, text: str) -> str:
        """Return a text in which each secret is replaced by its name."""
        if self.is_secret(text):
            return self._secrets[text]
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= _MIN_PART:
                text = text.replace(secret, self._secrets[secret])
        return text

    def header(self, name: str, value: Secret) -> str:
        """Return a header's value. What seems to be a credential by its name is never shown."""
        if isinstance(value, DeploymentSecret):
            return self.name(value)
        masked = self.text(value)
        return "<masked>" if masked == value and _SECRET_HEADER.search(name) else masked

    def _add(self, secret: str) -> None:
        for form in {secret, secret.strip(), quote(secret, safe="", errors="replace")} - {""}:
            self._secrets[form] = self.name(secret)


def mask_of(integration: Integration, content: Mapping[str, object]) -> Mask:
    """Return the mask of a request: the registration says which of its settings are secret."""
    settings = {name: value for group in settings_in(content) for name, value in group.items()}
    texts = {name: str(value) for name, value in settings.items() if value is not None}
    try:
        return Mask(texts, confidential_ids(integration.registration()))
    except Exception:  # noqa: BLE001  the integration's own code, whose fault is reported elsewhere
        return Mask(texts, None)
