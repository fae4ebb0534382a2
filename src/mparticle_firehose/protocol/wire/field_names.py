"""The protocol's own vocabulary, to tell it from what a message's sender made up."""

from collections.abc import Iterator

from mparticle_firehose.protocol.wire.model import Model


def field_names() -> frozenset[str]:
    """Return the name of every field of every model, as it is written."""
    fields = (field for model in _descendants(Model) for field in model.model_fields.items())
    return frozenset(info.alias or name for name, info in fields)


def _descendants(model: type[Model]) -> Iterator[type[Model]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)
