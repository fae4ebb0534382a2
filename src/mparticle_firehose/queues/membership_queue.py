"""The queue that keeps each user's membership changes in order."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
from mparticle_firehose.queues.sender import MAX_MESSAGE_BYTES, QueueMessage, QueueSender, batches
from mparticle_firehose.queues.splitting import Json, Splitter, encode, present

_MAX_GROUP_ID_LENGTH = 128  # characters, the limit of SQS; mParticle's account ids have no documented maximum
_PROFILES = "user_profiles"

MAX_COPIED_BYTES = 20_000_000
"""Of all copies of what a request has beside its profiles. If they had more, unknown fields are in the first one only.

A request of 6 MB may be nearly all one unknown field, and is split into a hundred messages.
"""


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
        sent = 0
        for batch in batches(membership_messages(request, self._shards)):  # made when they are sent
            self._sender.send(self._url, batch, deadline)
            sent += len(batch)
        return sent


def membership_messages(
    request: AudienceMembershipChangeRequest, shards: int, limit: int = MAX_MESSAGE_BYTES
) -> Iterator[QueueMessage]:
    """Split a request into messages, each with profiles of one group in their order.

    What cannot be read stays in its place. The worker dead-letters it, because it also tracks the order of the group.

    Each message has all fields of the request around its profiles. With a request that has much around them, see
    MAX_COPIED_BYTES, all but the first have the fields only that the protocol knows: nothing else is ever read.

    Args:
        request: what mParticle sent.
        shards: how many groups there are.
        limit: bytes of a message, attributes included. Only what cannot be split is larger.
    """
    if request.is_unreadable:
        yield _unreadable_message(request, shards)
        return
    attributes = correlation(request)
    budget = limit - QueueMessage(body="", attributes=attributes).size
    splitter = Splitter(request.received, _PROFILES, budget)
    groups: dict[int, list[str]] = {}
    profiles = zip(request.user_profiles, present(request.received, _PROFILES), strict=True)
    for profile, source in profiles:
        groups.setdefault(shard(user_key(profile), shards), []).append(encode(source))
    chunks = {group: [*splitter.chunks(elements)] for group, elements in groups.items()}
    is_large = splitter.rest_bytes * sum(map(len, chunks.values())) > MAX_COPIED_BYTES
    for group, number, chunk in _in_turn(chunks):
        yield QueueMessage(
            body=splitter.copy(chunk),
            attributes=attributes,
            group_id=_group_id(request.account.account_id, group),
            deduplication_id=_deduplication_id(request, number, chunk),
        )
        if is_large:
            splitter, is_large = Splitter(_known(request), _PROFILES, budget), False


def _in_turn(chunks: Mapping[int, Sequence[Sequence[str]]]) -> Iterator[tuple[int, int, Sequence[str]]]:
    """Yield the first chunk of each group, then the second of each that has one, and so on, with group and number."""
    for number in range(max(map(len, chunks.values()), default=0)):
        for group, its in chunks.items():
            if number < len(its):
                yield group, number, its[number]


def _known(request: AudienceMembershipChangeRequest) -> Json:
    """Return the fields of a request that the protocol knows, as they came."""
    return {name: value for name, value in request.received.items() if name in type(request).model_fields}


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
