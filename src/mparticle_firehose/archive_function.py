"""The function that archives dead letters, once an hour. It loads no partner's code."""

import os
import time
from collections.abc import Mapping
from typing import Any

from mparticle_firehose.aws_client import AwsClient, s3_settings
from mparticle_firehose.config import ArchiveSettings
from mparticle_firehose.deadline import Deadline, Invocation
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.letter_archive.archive import LetterArchive
from mparticle_firehose.letter_archive.archiving import Archiving, run_all
from mparticle_firehose.queues.dead_letters import ERASURE, EVENT, FEED, MEMBERSHIP
from mparticle_firehose.reporting import reported, telemetry

_DAY = 86_400
_SPARE_SECONDS = 10.0  # of the function's timeout, to delete what is expired and to write the log

# Nobody waits for a response, and objects have megabytes.
_PATIENT: Mapping[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 15,
    "retries": {"mode": "standard", "total_max_attempts": 4},
}


def handler(_event: Mapping[str, Any], context: Invocation) -> None:
    """Archive letters: what the template names as the handler. See `run`."""
    run(os.environ, context)


def run(environ: Mapping[str, str], invocation: Invocation, *, wait_seconds: int = 1) -> None:
    """Archive letters, and delete what has been in the archive long enough.

    Args:
        environ: the environment variables of the deployment.
        invocation: says how much time there is.
        wait_seconds: how long SQS looks for further letters.

    Raises:
        ConfigurationError: an environment variable is missing or wrong.
        DeliveryError: a queue or the archive cannot be used. The next run continues.
    """
    with reported("letters archived") as report:
        report.facts["message_type"] = "letter_archive"
        settings = ArchiveSettings.from_env(environ)
        sqs, s3 = AwsClient("sqs", _PATIENT), AwsClient("s3", s3_settings(_PATIENT, environ))
        archive = LetterArchive(s3, settings.large_body_bucket)
        archiving = Archiving(
            sqs=sqs,
            archive=archive,
            min_age_seconds=settings.dead_letter_archive_days * _DAY,
            clock=time.time,
            wait_seconds=wait_seconds,
        )
        counts, failures = run_all(archiving, _queues(settings), Deadline.of_invocation(invocation, _SPARE_SECONDS))
        for queue, its in counts.items():
            telemetry.count("LettersArchived", its.archived)
            report.facts[queue] = {"archived": its.archived, "kept": its.kept, "complete": its.is_complete}
        report.facts["expired_objects"] = archive.delete_expired(time.time())
        if failures:
            raise DeliveryError("; ".join(failures))


def _queues(settings: ArchiveSettings) -> Mapping[str, str]:
    """Return the dead-letter queues, those with the fewest letters first: the others get the time that is left."""
    urls = {
        ERASURE: settings.erasure_dlq_url,
        FEED: settings.feed_dlq_url,
        MEMBERSHIP: settings.membership_dlq_url,
        EVENT: settings.event_dlq_url,
    }
    return {queue: url for queue, url in urls.items() if url}
