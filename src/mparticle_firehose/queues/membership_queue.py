"""The queue that keeps each user's membership changes in order."""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    DeviceIdentity,
    EventProcessingRequest,
    PartnerIdentity,
    UserIdentity,
    UserProfile,
    correlation,
    work_id,
)
from mparticle_firehose.queues.sender import MAX_MESSAGE_BYTES, QueueMessage, QueueSender
from mparticle_firehose.queues.splitting import Splitter, encode, present

_MAX_GROUP_ID_LENGTH = 128  # characters, the limit of SQS; mParticle's account ids have no documented maximum
_PROFILES = "user_profiles"


class MembershipQueue:
    """Stores membership requests, split into one message for each group of users."""

    def __init__(self, sender: QueueSender, url: str, *, shards: int) -> None:
        """Take the FIFO queue's URL and the number of groups that an account's users are spread over."""
        self._sender = sender
        self._url = url
        self._shards = shards

    def enqueue(self, request: AudienceMembershipChangeRequest, deadline: Deadline) -> int:
        """Store the request once, also if mParticle repeats it, and return the number of messages.

        Raises:
            DeliveryError: not all of it is stored; repeating the request completes it.
        """
        messages = membership_messages(request, self._shards)
        self._sender.send(self._url, messages, deadline)
        return len(messages)


def membership_messages(
    request: AudienceMembershipChangeRequest, shards: int, limit: int = MAX_MESSAGE_BYTES
) -> list[QueueMessage]:
    """Split a request into messages, each with profiles of one group in their order.

    What cannot be read stays in its place. The worker dead-letters it, because it also tracks the order of the group.

    Args:
        request: what mParticle sent.
        shards: how many groups there are.
        limit: bytes of a message, attributes included. Only what cannot be split is larger.
    """
    if request.is_unreadable:
        return [_unreadable_message(request, shards)]
    attributes = correlation(request)
    splitter = Splitter(request.received, _PROFILES, limit - QueueMessage(body="", attributes=attributes).size)
    groups: dict[int, list[str]] = {}
    profiles = zip(request.user_profiles, present(request.received, _PROFILES), strict=True)
    for profile, source in profiles:
        groups.setdefault(shard(user_key(profile), shards), []).append(encode(source))
    series = [
        [
            QueueMessage(
                body=splitter.copy(chunk),
                attributes=attributes,
                group_id=_group_id(request.account.account_id, group),
                deduplication_id=_deduplication_id(request, number, chunk),
            )
            for number, chunk in enumerate(splitter.chunks(elements))
        ]
        for group, elements in groups.items()
    ]
    return [message for turn in zip_longest(*series) for message in turn if message]


def _unreadable_message(request: AudienceMembershipChangeRequest, shards: int) -> QueueMessage:
    """Return a request as one message of which only the envelope can be read: it names no user."""
    body = encode(request.received)
    return QueueMessage(
        body=body,
        attributes=correlation(request),
        group_id=group_id(request.account.account_id, "", shards),
        deduplication_id=_deduplication_id(request, 0, [body]),
    )


def shard(user: str, shards: int) -> int:
    """Return the group that a user belongs to: the same one in every process."""
    return zlib.crc32(user.encode("utf-8", "surrogatepass")) % shards


def group_id(account_id: int, user: str, shards: int) -> str:
    """Return the message group of an account's user."""
    return _group_id(account_id, shard(user, shards))


def _group_id(account_id: int, group: int) -> str:
    return f"{account_id}.{group}"[-_MAX_GROUP_ID_LENGTH:]


def user_key(profile: UserProfile) -> str:
    """Return a user's identity within an account: the mpid, else the first identity. Personal data."""
    return profile.mpid or _first(profile.user_identities, profile.device_identities, profile.partner_identities)


def request_user(request: EventProcessingRequest) -> str:
    """Return the same of the user of an event request."""
    environment = request.runtime_environment
    devices = environment.identities if environment else ()
    return request.mpid or _first(request.user_identities, devices, request.partner_identities)


def _first(*groups: Iterable[UserIdentity | DeviceIdentity | PartnerIdentity]) -> str:
    return next((f"{identity.type}:{identity.value}" for group in groups for identity in group), "")


def _deduplication_id(request: AudienceMembershipChangeRequest, number: int, chunk: Sequence[str]) -> str:
    """Return the same id for the same part of the same request.

    The content is part of the id: changes that come under an id that was used before are kept. So is the part's number
    in its group: a change may come twice, with another one between.
    """
    digest = hashlib.sha256(f"{work_id(request)}\n{request.account.account_id}\n{number}\n".encode())
    digest.update(",".join(chunk).encode())
    return digest.hexdigest()
