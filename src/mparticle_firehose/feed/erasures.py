"""Whom an erasure is about, and whom a batch is about, as pairs that can be compared."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from mparticle_firehose.feed.batch import Batch
from mparticle_firehose.feed.fields import is_zero_id
from mparticle_firehose.feed.identities import DEVICE_FIELDS, USER_FIELDS
from mparticle_firehose.protocol import DsrIdentity, DsrIdentityType, DsrProcessingRequest, IdentityEncoding

_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        **USER_FIELDS,
        **DEVICE_FIELDS,
        DsrIdentityType.CONTROLLER_CUSTOMER_ID: "customer_id",
        DsrIdentityType.ANDROID_ADVERTISING_ID: "android_advertising_id",
    }
)
"""Types of identities in erasures, and their names in the Events API. Other types have the same name in both."""

_DEVICE_FIELDS = tuple(dict.fromkeys(DEVICE_FIELDS.values()))
_MPID = "mpid"
_RAW = frozenset({IdentityEncoding.RAW, None})


def erased_identities(request: DsrProcessingRequest) -> list[tuple[str, str]]:
    """Return the identities of the person to erase: the name of the field of a batch, and the value.

    Hashes, and ids of devices that are blank or all zero, are left out: they would be nobody's or everybody's.
    """
    raw = [(_name(kind), each.value) for kind, each in _subject(request) if each.encoding in _RAW]
    return [(name, _canonical(name, value)) for name, value in raw if not _is_unset(name, value)]


def identities_in(batch: Batch) -> list[tuple[str, str]]:
    """Return the identities of a batch's user and device as `erased_identities` has them.

    Those of the partner are left out: no erasure names them.
    """
    users = [(name, value) for name, value in batch.user_identities or () if value is not None]
    devices = [(name, getattr(batch.device_info, name, None)) for name in _DEVICE_FIELDS]
    mpid = [] if batch.mpid is None else [(_MPID, str(batch.mpid))]
    return [*users, *((name, value) for name, value in devices if value is not None), *mpid]


def _subject(request: DsrProcessingRequest) -> Iterator[tuple[str, DsrIdentity]]:
    extension = request.extensions.mparticle if request.extensions else None
    yield from request.subject_identities.items()
    yield from extension.subject_identities.items() if extension else ()


def _name(kind: str) -> str:
    kind = kind.strip().lower()
    return _FIELDS.get(kind, kind)


def _is_unset(name: str, value: str) -> bool:
    return is_zero_id(value) if name in _DEVICE_FIELDS else not value.strip()


def _canonical(name: str, value: str) -> str:
    """Return mParticle's id of a user as a number has it, and everything else unchanged."""
    if name != _MPID:
        return value
    try:
        return str(int(value))
    except ValueError:
        return value
