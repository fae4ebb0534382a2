"""The values of settings that a trial sends, and those that nobody knows."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.confidential_settings import confidential_ids
from local.rooms import Room
from local.run.messages import messages_in
from local.samples import values_in
from mparticle_firehose.protocol import ModuleRegistrationResponse
from ops.stack import StackError

FROM_INPUT = "-"

type ReadSecret = Callable[[str], str]


@dataclass(frozen=True)
class KnownSettings:
    """Values by id, and what they lack.

    Attributes:
        values: from the options, and from the integration's own sample requests.
        invented: ids of confidential settings without a value, which the samples invent.
    """

    values: Mapping[str, str]
    invented: tuple[str, ...]


def known_settings(
    declaration: ModuleRegistrationResponse, given: Mapping[str, str], room: Room, *, is_local: bool
) -> KnownSettings:
    """Return the values to send.

    What the options do not give comes from the requests in the integration's ``events``. Confidential ones do so in the
    local cloud only, whose fake API accepts them: a real API refuses what is invented.

    Raises:
        LocalCloudError: one of those requests is not JSON.
    """
    own = values_in(message.content for message in messages_in(room.events))
    if is_local:
        return KnownSettings({**own, **given}, ())
    secret = confidential_ids(declaration)
    shared = {
        each.id: own[each.id]
        for each in declaration.settings()
        if each.visible and each.id in own and each.id not in secret
    }
    ids = dict.fromkeys(each.id for each in declaration.settings() if each.id)
    return KnownSettings({**shared, **given}, tuple(name for name in ids if name in secret and name not in given))


def given_settings(
    options: Iterable[str], file: Path | None, declaration: ModuleRegistrationResponse, read_secret: ReadSecret
) -> dict[str, str]:
    """Return the settings that the command line gives, directly, on standard input or in a file.

    Args:
        options: ``ID=VALUE``, or ``ID=-`` for the next line of standard input.
        file: a JSON object of texts; None for none.
        declaration: the local registration.
        read_secret: asks for a value by the setting's id.

    Raises:
        StackError: the registration has no such setting, a confidential one is on the command line, or the file is not
            a JSON object of texts.
    """
    found = dict(_in_file(file)) if file else {}
    confidential = confidential_ids(declaration)
    for option in options:
        name, separator, value = option.partition("=")
        if not separator:
            raise StackError("write --setting ID=VALUE, or ID=- to give the value on standard input")
        if value != FROM_INPUT and name in confidential:
            raise StackError(f"{name} is confidential: write --setting {name}=- and give it on standard input")
        found[name] = read_secret(name) if value == FROM_INPUT else value
    if unknown := sorted(found.keys() - declaration.setting_ids()):
        raise StackError(f"the registration has no setting {', '.join(unknown)}")
    return found


def _in_file(file: Path) -> Mapping[str, str]:
    try:
        content = json.loads(file.read_text())
    except OSError as error:
        raise StackError(f"{file.name} cannot be read: {error.strerror}") from None
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise StackError(f"{file.name} must be a JSON object of texts")
    return content
