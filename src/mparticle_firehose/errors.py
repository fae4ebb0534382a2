"""The error tree: each class is a decision for the caller.

No message carries a value from a request: values are personal data and secrets. Messages name fields, settings and
rules only.
"""

import traceback
from pathlib import PurePath


class FirehoseError(Exception):
    """Whatever this package raises on purpose."""


class ConfigurationError(FirehoseError):
    """The deployment is wrong: an environment variable or the registration must be changed."""


class IntegrationError(ConfigurationError):
    """The integration breaks a rule of the seam. It shows when the integration is loaded, or in its first test.

    Attributes:
        rule: its name.
    """

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        super().__init__(f"{rule}: {text}")


class RegistrationError(ConfigurationError):
    """The registration breaks a rule of mParticle's; the message names the rule."""


class MalformedRequestError(FirehoseError):
    """The message can never be processed as it is: repeating it is pointless.

    Attributes:
        problems: one ``(field path, rule)`` pair for each thing that is wrong.
    """

    def __init__(self, *problems: tuple[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{path}: {rule}" if path else rule for path, rule in problems))


class UnsupportedMessageError(MalformedRequestError):
    """The message's ``type`` is unknown, or the integration does not offer it."""


class FeedError(FirehoseError):
    """What was to be sent to mParticle breaks a rule of the Events API: it must be put together differently.

    Attributes:
        problems: one ``(field path, rule)`` pair for each thing that is wrong. A name that a customer chose, such as an
            attribute's, is ``*`` in a path.
    """

    def __init__(self, *problems: tuple[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{path}: {rule}" for path, rule in problems))


class SettingError(FirehoseError):
    """A customer's setting is missing or unusable.

    Attributes:
        setting: the setting's id, never its value.
    """

    def __init__(self, setting: str, rule: str, kind: str = "account setting") -> None:
        self.setting = setting
        super().__init__(f"{kind} {setting!r} {rule}")


class DeliveryError(FirehoseError):
    """The work was neither delivered nor stored: the call must fail, so that mParticle repeats it."""


class PartnerUnavailableError(DeliveryError):
    """The partner could not do it now, and its answer is needed in the response, so that it cannot wait in a queue."""


class RefusedError(FirehoseError):
    """The partner will not do what was asked, for a reason outside the message: repeating it is pointless."""


class UnexpectedError(FirehoseError):
    """An exception that this package does not raise on purpose; see described()."""


def described(error: BaseException) -> str:
    """Return what an unexpected error is and where it was raised, without its text: that may quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-3:]]
    return f"{type(error).__name__} in {' > '.join(places)}" if places else type(error).__name__
