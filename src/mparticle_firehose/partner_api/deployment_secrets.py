"""The deployment's own secrets at the partner, such as an OAuth client secret: read when a call needs one, and kept."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mparticle_firehose.deadline import Clock
from mparticle_firehose.integration import Auth, Basic, DeploymentSecret, Retry, Secret
from mparticle_firehose.integration.auth import belongs_to_deployment
from mparticle_firehose.secret_source import SecretSourceError, parameter_text, secret_text
from mparticle_firehose.services import SECRET_REFUSED, SECRET_UNAVAILABLE, Telemetry

UNAVAILABLE = Retry(SECRET_UNAVAILABLE)
"""The outcome of a call that needs a secret which is not known."""

REFUSED = Retry(SECRET_REFUSED)
"""The outcome of a call whose credential is the deployment's own, and refused."""

MAX_OUTAGE_SECONDS = 3_600.0
"""How long the secrets stay in use after they should have been read again, if their source cannot be read."""

PAUSE_SECONDS = 5.0
"""Between two reads of the source while secrets are known: refused credentials must not cause a read each."""

_SHORT_PAUSE_SECONDS = 1.0
"""The same while none is known."""

_LONG_AGO = float("-inf")
_BYTE_ORDER_MARK = "\ufeff"


class SecretUnavailableError(Exception):
    """A deployment secret is not known, or cannot be used.

    Attributes:
        field: its name in the JSON object, which the integration gave it.
        problem: why, without values.
    """

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"deployment secret {field!r}: {problem}")


@dataclass(slots=True)
class DeploymentSecrets:
    """The secrets, read when one is first needed, and again after ``refresh_seconds`` or when they are in doubt.

    Several threads may use it.

    Attributes:
        client: of Secrets Manager or SSM, as boto3 has it; None if there is no source.
        source: the ARN of a secret, or the name of a SecureString, which starts with a slash; None if there is none.
            It holds one JSON object whose values are texts.
        refresh_seconds: how old the secrets may be.
        telemetry: reports that they cannot be read, or are refused.
        clock: seconds that never go backwards.
    """

    client: Any = field(repr=False)
    source: str | None = field(repr=False)
    refresh_seconds: float
    telemetry: Telemetry = field(repr=False)
    clock: Clock = field(default=time.monotonic, repr=False)
    _known: Mapping[str, str] = field(default_factory=dict, init=False, repr=False)
    _problem: str = field(default="have not been read", init=False)
    _read_at: float = field(default=_LONG_AGO, init=False)
    _asked_at: float = field(default=_LONG_AGO, init=False)
    _in_doubt: bool = field(default=False, init=False)
    _reading: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def reveal(self, secret: Secret) -> str:
        """Return the text of a secret.

        It takes as long as the client's timeouts allow if the source must be read.

        Raises:
            SecretUnavailableError: it is not known.
        """
        if not isinstance(secret, DeploymentSecret):
            return secret
        if (text := self._current().get(secret.name)) is not None:
            return text
        self._in_doubt = True  # the field may be a new one
        if (text := self._current().get(secret.name)) is not None:
            return text
        raise SecretUnavailableError(secret.name, "is no text in the source" if self._known else self._problem)

    def doubt(self) -> None:
        """Read the source again before the next use, but not more often than every PAUSE_SECONDS."""
        self._in_doubt = True

    def forget(self) -> None:
        """Forget the secrets: they may be too old."""
        with self._reading:
            self._known, self._read_at, self._asked_at = {}, _LONG_AGO, _LONG_AGO

    def unavailable(self, error: SecretUnavailableError) -> Retry:
        """Report that a call needs a secret which is not known, and return the call's outcome."""
        self.telemetry.count("DeploymentSecretUnavailable")
        self.telemetry.warn("deployment secret unavailable", {"field": error.field, "reason": error.problem})
        return UNAVAILABLE

    def refused(self, reason: str) -> None:
        """Report that the partner refuses a credential of the deployment. Its copy here may be out of date.

        Args:
            reason: a name without values, such as ``http_401``.
        """
        self.doubt()
        self.telemetry.count("DeploymentSecretRefused")
        self.telemetry.warn("deployment secret refused", {"reason": reason})

    def _current(self) -> Mapping[str, str]:
        """Return the secrets, read anew if it is time. While another thread reads them, the last ones are used."""
        if self._reading.acquire(blocking=not self._known):
            try:
                if self._is_due():
                    self._read()
            finally:
                self._reading.release()
        return self._known

    def _is_due(self) -> bool:
        fresh_until = _LONG_AGO if self._in_doubt else self._read_at + self.refresh_seconds
        pause = PAUSE_SECONDS if self._known else _SHORT_PAUSE_SECONDS
        return self.clock() >= max(fresh_until, self._asked_at + pause)

    def _read(self) -> None:
        self._asked_at = self.clock()
        self._in_doubt = False
        try:
            self._known, self._problem, self._read_at = _texts_in(self._text()), "", self._asked_at
        except SecretSourceError as error:
            self._keep_last(str(error))

    def _keep_last(self, problem: str) -> None:
        self._problem = problem
        if self._known:
            self.telemetry.warn("deployment secrets not refreshed", {"reason": problem})
        if self._asked_at >= self._read_at + self.refresh_seconds + MAX_OUTAGE_SECONDS:
            self._known = {}

    def _text(self) -> str:
        if self.client is None or self.source is None:
            raise SecretSourceError("the deployment has no source of secrets")
        return (parameter_text if self.source.startswith("/") else secret_text)(self.client, self.source)


def is_the_deployments(auth: Auth | None) -> bool:
    """Return whether a refused credential may be the deployment's fault, so that no customer may be suspended for it.

    So it is if one half of a Basic credential is the deployment's: nobody can tell which half is refused.
    """
    if isinstance(auth, Basic):
        return isinstance(auth.username, DeploymentSecret) or isinstance(auth.password, DeploymentSecret)
    return belongs_to_deployment(auth)


def _texts_in(text: str) -> Mapping[str, str]:
    """Return the texts of a JSON object, without the blanks around them that pasting leaves.

    Raises:
        SecretSourceError: it is no JSON object; nothing of it is said.
    """
    try:
        fields = json.loads(text.removeprefix(_BYTE_ORDER_MARK))
    except (ValueError, RecursionError):
        raise SecretSourceError("the source is no JSON object") from None
    if not isinstance(fields, dict):
        raise SecretSourceError("the source is no JSON object")
    return {name: value.strip() for name, value in fields.items() if isinstance(value, str) and _is_utf8(value)}


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
