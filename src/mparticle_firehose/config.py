"""Settings of one deployment, read once from the environment variables that the template sets."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self, override
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mparticle_firehose.errors import ConfigurationError

PLAINTEXT_HOSTS = frozenset({"127.0.0.1", "::1", "localhost", "host.docker.internal"})
"""This machine, as itself and as a container on it: the only hosts that may be called without TLS."""


def _without_plaintext(url: str) -> str:
    """Refuse a URL over which customers' keys and identities would leave this machine unencrypted."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("must be an absolute URL")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in PLAINTEXT_HOSTS):
        return url.rstrip("/")
    raise ValueError("must start with https:// (http:// only for this machine itself)")


def _absolute(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError("must be the queue's URL, not its name or ARN")
    return url


def _token_source(source: str) -> str:
    if source == VERIFICATION_OFF or _is_stored(source):
        return source
    raise ValueError(f"must be a secret's ARN, a parameter's name that starts with /, or {VERIFICATION_OFF}")


def _secret_source(source: str) -> str:
    if _is_stored(source):
        return source
    raise ValueError("must be a secret's ARN, or a parameter's name that starts with /")


def _credential_prefix(source: str) -> str:
    if source.startswith(("/", SECRET_PREFIX)) and not source.endswith("/"):
        return source
    raise ValueError(
        f"must be the prefix of parameters' names, which starts with /, or {SECRET_PREFIX} and that of secrets"
    )


def _is_stored(source: str) -> bool:
    return source.startswith("/") or ":secretsmanager:" in source


def _service(source: str) -> Literal["ssm", "secretsmanager"]:
    return "ssm" if source.startswith("/") else "secretsmanager"


SECRET_PREFIX = "secretsmanager:"  # noqa: S105  how a source begins
"""How FEED_CREDENTIALS begins if customers' key pairs are in Secrets Manager."""

VERIFICATION_OFF = "off"
"""What HTTP_TOKEN_SOURCE must say before the endpoint answers requests without a token."""

RENAMED: Mapping[str, str] = MappingProxyType({"MOST_ATTEMPTS": "MAX_ATTEMPTS"})
"""Variables that had another name in the last release: old name to new name. Both work for one release."""

QueueUrl = Annotated[str, AfterValidator(_absolute)]


class _FromEnvironment(BaseModel):
    """Fields that are read from the environment variables that their aliases name."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the fields.

        Raises:
            ConfigurationError: naming every variable that is missing or wrong.
        """
        if problems := cls.problems(environ):
            raise ConfigurationError("; ".join(problems))
        return cls.model_validate(cls._given(environ))

    @classmethod
    def problems(cls, environ: Mapping[str, str]) -> list[str]:
        """Return a problem for every variable that is missing or wrong. A blank variable counts as missing."""
        try:
            cls.model_validate(cls._given(environ))
        except ValidationError as error:
            old_names = {new: old for old, new in RENAMED.items() if old in environ and new not in environ}
            found = [(str(problem["loc"][0]), problem["msg"]) for problem in error.errors(include_input=False)]
            return [f"{old_names.get(name, name)}: {message}" for name, message in found]
        return []

    @classmethod
    def _given(cls, environ: Mapping[str, str]) -> dict[str, str]:
        renamed = {new: environ[old] for old, new in RENAMED.items() if old in environ}
        known = {**renamed, **{name: value for name, value in environ.items() if value.strip()}}
        names = [field.alias for field in cls.model_fields.values() if field.alias]
        return {name: known[name] for name in names if known.get(name, "").strip()}


class Resources(_FromEnvironment):
    """The queues, tables and the bucket of a deployment.

    Attributes:
        membership_queue_url: FIFO queue of audience membership changes, and with ``EVENT_ORDER=user`` of events.
        bulk_queue_url: FIFO queue of what the worker forwards from it, because its account has a backlog.
        event_queue_url: standard queue of events that the partner could not take in the call.
        erasure_queue_url: standard queue of erasures.
        membership_dlq_url: FIFO queue of what is in the membership queue and can never be delivered.
        event_dlq_url: queue of what is in the event queue and can never be delivered.
        erasure_dlq_url: queue of erasures that can never be delivered.
        suspension_table: DynamoDB table of accounts whose credentials the partner refuses.
        ledger_table: DynamoDB table of attempts, circuit breakers and newest changes.
        large_body_bucket: S3 bucket of bodies that are larger than SQS takes.
    """

    membership_queue_url: QueueUrl = Field(alias="MEMBERSHIP_QUEUE_URL")
    bulk_queue_url: QueueUrl = Field(alias="BULK_QUEUE_URL")
    event_queue_url: QueueUrl = Field(alias="EVENT_QUEUE_URL")
    erasure_queue_url: QueueUrl = Field(alias="ERASURE_QUEUE_URL")
    membership_dlq_url: QueueUrl = Field(alias="MEMBERSHIP_DLQ_URL")
    event_dlq_url: QueueUrl = Field(alias="EVENT_DLQ_URL")
    erasure_dlq_url: QueueUrl = Field(alias="ERASURE_DLQ_URL")
    suspension_table: str = Field(alias="SUSPENSION_TABLE")
    ledger_table: str = Field(alias="LEDGER_TABLE")
    large_body_bucket: str = Field(alias="LARGE_BODY_BUCKET")

    @override
    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the resources.

        Raises:
            ConfigurationError: naming every variable that is missing or wrong. Under the SAM CLI, which sets logical
                names instead of URLs, it says how to get a local cloud.
        """
        if problems := cls.problems(environ):
            hint = " (`make up` starts a local cloud that has them)" if runs_under_sam_cli(environ) else ""
            raise ConfigurationError("; ".join(problems) + hint)
        return cls.model_validate(cls._given(environ))


class _Retries(_FromEnvironment):
    retry_base_seconds: float = Field(2.0, alias="RETRY_BASE_SECONDS", ge=0.1, le=3_600)
    retry_cap_seconds: float = Field(900.0, alias="RETRY_CAP_SECONDS", ge=864, le=43_200)
    max_attempts: int = Field(100, alias="MAX_ATTEMPTS", ge=1, le=900)


class Settings(_Retries):
    """What a deployment decides. Each field is read from the environment variable that its alias names.

    Attributes:
        partner_api_url: base of the partner's API, without a trailing slash.
        handler_deadline_ms: milliseconds from the start of a request to the last moment a partner call may take;
            mParticle expects an answer within 200 ms for 99 % of calls.
        http_deadline_ms: the same for requests over HTTPS; mParticle expects those answers within 100 ms.
        event_mode: ``forward`` sends events to the partner in the call and queues what it does not take in time;
            ``queue`` acknowledges as soon as they are queued and leaves the partner to the worker.
        event_order: ``none`` lets an event overtake one of the same user that was queued before it; ``user`` keeps the
            order of each user's events: all of them are queued, in the membership queue and in its groups of users,
            and ``event_mode`` is ignored.
        deployment_secret_source: where the deployment's own secrets at the partner are: the ARN of a Secrets Manager
            secret, or the name of an SSM SecureString, which starts with a slash; None if there are none.
        deployment_secret_refresh_seconds: how long these secrets are used before the source is asked again.
        http_token_source: where the tokens are that mParticle authorises its HTTPS requests with: the ARN of a Secrets
            Manager secret, or the name of an SSM SecureString, which starts with a slash. ``off`` lets requests in
            without a token. Without a source nothing but the registration is answered.
        http_token_refresh_seconds: how long tokens are used before the source is asked again.
        cookie_sync: whether ``GET /cookie-sync`` is answered.
        erasure_key_source: as of `FeedSettings`; None if there is no feed.
        feed_webhook_secret_source: where the secrets are that the partner signs its webhooks with, as a secret's ARN or
            a parameter's name. None if ``POST /feed`` is not answered. They are used as long as tokens are.
        feed_queue_url: as of `FeedSettings`; None if there is no feed. It is used for ``POST /feed`` only, and not
            checked here: mParticle's requests must not fail for it.
        membership_shards: groups that an account's users are spread over. Each keeps its users' order and is worked
            on by one worker at a time; ten or fewer make one SendMessageBatch of any ordinary request.
        backlog_threshold: visible messages of the membership queue from which on an account's messages may be forwarded
            to the bulk queue; 0 forwards none.
        retry_base_seconds: seconds that a failed message waits at most before its second attempt; the bound doubles
            with each further one.
        retry_cap_seconds: seconds that it waits at most before any attempt, unless the partner says how long to wait.
            That wait is kept, up to the twelve hours of SQS. No less than a thousandth of the ten days that a message
            may wait: SQS moves it by itself at the queues' maxReceiveCount of 1,000.
        max_attempts: how often the delivery of a queued message is tried before it is dead-lettered. Well under the
            queues' maxReceiveCount of 1,000, which also counts receives in which a message waited behind another.
    """

    partner_api_url: Annotated[str, AfterValidator(_without_plaintext)] = Field(alias="PARTNER_API_URL")
    handler_deadline_ms: int = Field(150, alias="HANDLER_DEADLINE_MS", ge=20, le=3_000)
    http_deadline_ms: int = Field(60, alias="HTTP_DEADLINE_MS", ge=20, le=3_000)
    event_mode: Literal["forward", "queue"] = Field("forward", alias="EVENT_MODE")
    event_order: Literal["none", "user"] = Field("none", alias="EVENT_ORDER")
    deployment_secret_source: Annotated[str, AfterValidator(_secret_source)] | None = Field(
        None, alias="DEPLOYMENT_SECRET_SOURCE"
    )
    deployment_secret_refresh_seconds: int = Field(300, alias="DEPLOYMENT_SECRET_REFRESH_SECONDS", ge=10, le=86_400)
    http_token_source: Annotated[str, AfterValidator(_token_source)] | None = Field(None, alias="HTTP_TOKEN_SOURCE")
    http_token_refresh_seconds: int = Field(300, alias="HTTP_TOKEN_REFRESH_SECONDS", ge=10, le=86_400)
    cookie_sync: Literal["on", "off"] = Field("off", alias="COOKIE_SYNC")
    erasure_key_source: Annotated[str, AfterValidator(_secret_source)] | None = Field(
        None, alias="FEED_ERASURE_KEY_SOURCE"
    )
    feed_webhook_secret_source: Annotated[str, AfterValidator(_secret_source)] | None = Field(
        None, alias="FEED_WEBHOOK_SECRET_SOURCE"
    )
    feed_queue_url: str | None = Field(None, alias="FEED_QUEUE_URL")
    membership_shards: int = Field(10, alias="MEMBERSHIP_SHARDS", ge=1, le=1_000)
    backlog_threshold: int = Field(20_000, alias="MEMBERSHIP_BACKLOG_THRESHOLD", ge=0, le=100_000)

    @property
    def token_service(self) -> Literal["ssm", "secretsmanager"] | None:
        """The AWS service that has the tokens; None if no service is called."""
        if self.http_token_source is None or self.http_token_source == VERIFICATION_OFF:
            return None
        return _service(self.http_token_source)

    @property
    def deployment_secret_service(self) -> Literal["ssm", "secretsmanager"] | None:
        """The AWS service that has the deployment's secrets; None if there are none."""
        return _service(self.deployment_secret_source) if self.deployment_secret_source else None

    @property
    def erasure_key_service(self) -> Literal["ssm", "secretsmanager"] | None:
        """The AWS service that has the secret which hashes erased people's identities; None if there is no feed."""
        return _service(self.erasure_key_source) if self.erasure_key_source else None

    @property
    def feed_secret_service(self) -> Literal["ssm", "secretsmanager"] | None:
        """The AWS service that has the secrets of webhooks; None if there are none."""
        return _service(self.feed_webhook_secret_source) if self.feed_webhook_secret_source else None

    @override
    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        In a deployment the resources are checked as well, so that a mistake shows with the first request of any kind.
        Under the SAM CLI they are checked when a request needs one.

        Raises:
            ConfigurationError: naming every variable that is missing or wrong.
        """
        problems = cls.problems(environ)
        if not runs_under_sam_cli(environ):
            problems += Resources.problems(environ)
        if problems:
            raise ConfigurationError("; ".join(problems))
        return cls.model_validate(cls._given(environ))


class FeedSettings(_Retries):
    """What the feed's function needs of a deployment, and nothing else does.

    Attributes:
        queue_url: standard queue of the partner's events.
        dlq_url: queue of what can never be delivered to mParticle.
        ledger_table: as of `Resources`.
        credentials: where customers' key pairs are. ``/a/prefix``: in the SSM SecureString ``/a/prefix/<account id>``.
            ``secretsmanager:a/prefix``: in the secret ``a/prefix/<account id>``.
        refresh_seconds: how long a key pair is used before it is read again.
        url: base URL of mParticle's Events API for key pairs that name none.
        batches_per_second: how many batches go to mParticle with one key pair, from all environments together.
        concurrency: how many environments there are at most.
        erasure_key_source: the secret with which the identities of erased people are hashed, as a secret's ARN.
        retry_base_seconds: as of `Settings`.
        retry_cap_seconds: as of `Settings`.
        max_attempts: as of `Settings`.
    """

    queue_url: QueueUrl = Field(alias="FEED_QUEUE_URL")
    dlq_url: QueueUrl = Field(alias="FEED_DLQ_URL")
    ledger_table: str = Field(alias="LEDGER_TABLE")
    credentials: Annotated[str, AfterValidator(_credential_prefix)] = Field(alias="FEED_CREDENTIALS")
    refresh_seconds: int = Field(300, alias="FEED_REFRESH_SECONDS", ge=10, le=86_400)
    url: Annotated[str, AfterValidator(_without_plaintext)] = Field(
        "https://inbound.mparticle.com/s2s/v2", alias="FEED_URL"
    )
    batches_per_second: int = Field(240, alias="FEED_BATCHES_PER_SECOND", ge=1, le=10_000)
    concurrency: int = Field(2, alias="FEED_CONCURRENCY", ge=1, le=1_000)
    erasure_key_source: Annotated[str, AfterValidator(_secret_source)] = Field(alias="FEED_ERASURE_KEY_SOURCE")

    @property
    def credential_service(self) -> Literal["ssm", "secretsmanager"]:
        """The AWS service that has the key pairs."""
        return _service(self.credentials)

    @property
    def erasure_key_service(self) -> Literal["ssm", "secretsmanager"]:
        """The AWS service that has the secret which hashes erased people's identities."""
        return _service(self.erasure_key_source)


class ArchiveSettings(_FromEnvironment):
    """What the function that archives dead letters needs of a deployment.

    Attributes:
        membership_dlq_url: as of `Resources`.
        event_dlq_url: as of `Resources`.
        erasure_dlq_url: as of `Resources`.
        feed_dlq_url: as of `FeedSettings`; None if there is no feed.
        large_body_bucket: the private bucket, which also has the archive.
        dead_letter_archive_days: how old a letter is that is archived. Below ten days, at which an alarm tells of
            letters that SQS will delete.
    """

    membership_dlq_url: QueueUrl = Field(alias="MEMBERSHIP_DLQ_URL")
    event_dlq_url: QueueUrl = Field(alias="EVENT_DLQ_URL")
    erasure_dlq_url: QueueUrl = Field(alias="ERASURE_DLQ_URL")
    feed_dlq_url: QueueUrl | None = Field(None, alias="FEED_DLQ_URL")
    large_body_bucket: str = Field(alias="LARGE_BODY_BUCKET")
    dead_letter_archive_days: int = Field(7, alias="DEAD_LETTER_ARCHIVE_DAYS", ge=1, le=9)


def runs_under_sam_cli(environ: Mapping[str, str]) -> bool:
    """Return whether `sam local` runs the function. The SAM CLI sets the variable in its containers."""
    return environ.get("AWS_SAM_LOCAL") == "true"
