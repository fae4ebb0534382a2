"""No word on the wire is taken for something else: unions by type, and enumerations, in the whole package."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, get_args

import pytest
from pydantic import TypeAdapter

from mparticle_firehose import protocol
from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import Serializer, enums, json_text, json_value
from mparticle_firehose.protocol.wire import unions
from mparticle_firehose.protocol.wire.fields import OptionalOpenEnum, snake_case
from mparticle_firehose.protocol.wire.reading import Reading
from mparticle_firehose.protocol.wire.unions import BRANCH, ByType

serializer = Serializer()


def unions_in(annotation: Any) -> Iterator[ByType]:
    yield from (each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, ByType))
    for argument in get_args(annotation):
        yield from unions_in(argument)


MODULES = [import_module(f"{protocol.__name__}.{each.name}") for each in iter_modules(protocol.__path__)]
UNIONS = {
    union._kind: union  # noqa: SLF001
    for module in MODULES
    for value in vars(module).values()
    for union in unions_in(value)
}
ENUMERATIONS = {
    name: each
    for name, each in vars(enums).items()
    if isinstance(each, type) and issubclass(each, StrEnum) and each is not StrEnum
}
MARKERS = [str(value) for name, value in vars(unions).items() if name.isupper()]
WORDS = [
    *("unknown", "raw", "other", "", " ", "null", "none", "not-an-object", "~", "~unknown", "~null", "type", "missing"),
    *(str(word) for each in ENUMERATIONS.values() for word in each),
    *MARKERS,
]


def read(union: ByType, value: object) -> tuple[Any, Counter[str]]:
    reading = Reading()
    return TypeAdapter(Annotated[Any, union]).validate_python(value, context=reading), reading.unrecognized


def test_every_union_of_the_protocol_is_found() -> None:
    assert sorted(UNIONS) == [
        "authentication_type",
        "event_type",
        "runtime_environment_type",
        "setting_type",
        "system_notification_type",
    ]
    assert {BRANCH, str(unions._UNKNOWN)} <= {*MARKERS}  # noqa: SLF001


@pytest.mark.parametrize("kind", sorted(UNIONS))
def test_every_type_of_a_union_selects_its_model(kind: str) -> None:
    union = UNIONS[kind]
    models = {str(word): model for word, model in union._models.items()}  # noqa: SLF001

    found = {word: (type(model), counts) for word in models for model, counts in [read(union, {"type": word})]}

    assert found == {word: (model, Counter()) for word, model in models.items()}


@pytest.mark.parametrize("kind", sorted(UNIONS))
def test_every_other_word_is_counted_as_an_unknown_type_and_kept(kind: str) -> None:
    union = UNIONS[kind]
    others = [word for word in WORDS if word not in {*map(str, union._models)}]  # noqa: SLF001

    for word in others:
        model, counts = read(union, {"type": word})
        assert (type(model), model.type, counts) == (union._unknown, word, Counter({kind: 1}))  # noqa: SLF001


@pytest.mark.parametrize("kind", sorted(UNIONS))
def test_a_type_that_is_no_text_is_counted_as_an_unknown_type(kind: str) -> None:
    odd: list[Any] = [None, 7, 1.5, True, [], {}, ["error"]]

    for source in ({}, *({"type": each} for each in odd)):
        model, counts = read(UNIONS[kind], source)
        assert (type(model), counts) == (UNIONS[kind]._unknown, Counter({kind: 1}))  # noqa: SLF001


@pytest.mark.parametrize("name", sorted(ENUMERATIONS))
def test_every_word_reads_as_a_member_of_an_enumeration_or_is_counted_and_kept(name: str) -> None:
    enumeration = ENUMERATIONS[name]
    adapter: TypeAdapter[Any] = TypeAdapter(OptionalOpenEnum[enumeration])  # type: ignore[misc, valid-type]

    for word in WORDS:
        reading = Reading()
        members = {str(member): member for member in enumeration}
        expected = members.get(word, word) if word.strip() else None
        assert adapter.validate_python(word, context=reading) == expected
        assert reading.unrecognized == Counter({snake_case(name): int(bool(word.strip()) and word not in members)})


def test_the_path_of_an_error_has_a_star_for_every_key_of_a_customer() -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        serializer.parse({"type": "event_processing_request", "account": {"account_settings": {"~unknown": []}}})

    assert refusal.value.problems == (("account.account_settings.*", "must be text"),)


REPEATED = {
    "event": ('"events":[{"type":"session_start","name":"n","type":"custom_event"}]', "SessionStartEvent"),
    "event-nested": ('"events":[{"type":"session_start","x":{"type":"y"},"type":"error"}]', "SessionStartEvent"),
    "event-with-escapes": ('"events":[{"type":"session_start","\\u0074ype":"custom_event"}]', "SessionStartEvent"),
    "unknown-first": ('"events":[{"type":"hologram","type":"custom_event"}]', "UnknownEvent"),
    "number-first": ('"events":[{"type":7,"type":"custom_event"}]', "UnknownEvent"),
}


@pytest.mark.parametrize(("events", "model"), REPEATED.values(), ids=REPEATED)
def test_the_first_of_several_types_selects_the_model_here_and_in_the_worker(events: str, model: str) -> None:
    request: Any = serializer.parse(f'{{"type":"event_processing_request",{events}}}')
    queued: Any = serializer.parse(json_text(request.source))

    assert [type(event).__name__ for event in (*request.events, *queued.events)] == [model, model]
    assert queued == request


def test_the_first_of_several_types_says_what_a_message_is() -> None:
    request = serializer.parse(b'{"type":"dsr_processing_request","type":"event_processing_request"}')

    assert (request.type, request.source) == ("dsr_processing_request", {"type": "dsr_processing_request"})


def test_the_last_of_any_other_repeated_field_counts() -> None:
    request: Any = serializer.parse(
        '{"type":"event_processing_request","mpid":"1","mpid":"2","user_attributes":{"type":"a","type":"b"},'
        '"user_identities":[{"type":"email","type":"customer","encoding":"raw","value":"v"}]}'
    )

    assert (request.mpid, request.user_attributes) == ("2", {"type": "b"})
    assert [identity.type for identity in request.user_identities] == ["customer"]
    assert request == serializer.parse(json_text(request.source))


def test_an_object_without_a_repeated_type_is_a_plain_dict() -> None:
    assert type(json_value('{"x":1,"type":"a"}')) is dict
