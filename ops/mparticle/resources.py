"""What the Platform API returns. Names that a customer has chosen, and values of settings, are never shown.

mParticle's documentation and examples spell things differently from one resource to the next: a list with or without an
envelope, ids as numbers or text, fields in camel or snake case, times without a zone. All are read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mparticle_firehose.integration import Answer
from ops.mparticle.errors import NotFoundError, PlatformError, stated_errors


def _id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _moment(value: object) -> datetime | None:
    """Return a time in UTC, which is also meant where no zone is given; None if it cannot be read."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _list(value: object) -> object:
    return () if value is None else value


Id = Annotated[str, Field(min_length=1), BeforeValidator(_id)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]


class _Resource(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Workspace(_Resource):
    """A workspace of the account."""

    id: Id
    name: str = Field(default="", repr=False)


class ServiceSetting(_Resource):
    """A setting of a module, as mParticle has it. What it does not tell is None."""

    name: str
    type: str | None = None
    is_required: bool | None = None
    description: str | None = Field(default=None, repr=False)


class Service(_Resource):
    """A module that customers of the account can connect."""

    name: str
    settings: Annotated[tuple[ServiceSetting, ...], BeforeValidator(_list)] = ()


class ServiceConfiguration(_Resource):
    """A module's configuration in a workspace."""

    id: Id
    name: str = Field(default="", repr=False)


class SettingValue(_Resource):
    """A setting of a connection. A confidential value is starred."""

    name: str
    value: Any = Field(default=None, repr=False)


class AppPlatformService(_Resource):
    """A module's connection to a platform of an app."""

    name: str
    account: str | None = Field(default=None, repr=False)
    is_active: bool | None = Field(default=None, validation_alias=AliasChoices("isActive", "is_active"))
    is_visible: bool | None = Field(default=None, validation_alias=AliasChoices("isVisible", "is_visible"))
    settings: Annotated[tuple[SettingValue, ...], BeforeValidator(_list)] = ()


class ConnectedOutput(_Resource):
    """A module that an audience is connected to."""

    provider_name: str | None = None


class Audience(_Resource):
    """An audience. Its size, in users, is None while mParticle has not calculated it."""

    id: Id
    name: str = Field(default="", repr=False)
    size: int | None = None
    status: str | None = None
    added_last_24_hours: int | None = None
    dropped_last_24_hours: int | None = None
    created_on: Moment = None
    connected_outputs: Annotated[tuple[ConnectedOutput, ...], BeforeValidator(_list)] = ()


class Feed(_Resource):
    """A partner's feed in a workspace. `os` is its platform, ``Unknown`` if it is bound to none."""

    id: Id
    name: str | None = Field(default=None, repr=False)
    module_name: str | None = None
    os: str | None = None
    is_debug: bool | None = None
    created_on: Moment = None


def read_list[R: _Resource](model: type[R], answer: Answer) -> tuple[R, ...]:
    """Read a list, with or without an envelope.

    Raises:
        PlatformError: it is none, or states errors; the message names field and rule.
    """
    found = _data(answer)
    if not isinstance(found, list):
        raise PlatformError("mParticle's answer is no list of entities")
    return tuple(_read(model, entity, f"[{index}]") for index, entity in enumerate(found))


def read_one[R: _Resource](model: type[R], answer: Answer) -> R:
    """Read one entity, alone or in a list, with or without an envelope.

    Raises:
        NotFoundError: the list is empty.
        PlatformError: it is none, or states errors; the message names field and rule.
    """
    found = _data(answer)
    entities = found if isinstance(found, list) else [found]
    if not entities:
        raise NotFoundError("not found, or not in this account")
    return _read(model, entities[0], "entity")


def _data(answer: Answer) -> object:
    body = answer.body
    if not (isinstance(body, Mapping) and "data" in body):
        return body
    if errors := stated_errors(answer):
        raise PlatformError(f"mParticle states errors: {errors}")
    return [] if body["data"] is None else body["data"]


def _read[R: _Resource](model: type[R], entity: object, name: str) -> R:
    try:
        return model.model_validate(entity)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"])
        raise PlatformError(f"mParticle's answer cannot be read: {name}{path}: {problem['msg']}") from None
