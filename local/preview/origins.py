"""Names elements of a request as its JSON has them: ``events[0-2, 5]``."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mparticle_firehose.integration import Origin, subject_identities
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest, QueuedRequest


def labels(request: QueuedRequest, origins: Iterable[Origin]) -> str:
    """Return elements as text, neighbours as a range; the identities of an erasure by their names.

    Indexes do not count nulls, as everywhere in a mapping.
    """
    if isinstance(request, DsrProcessingRequest):
        names = [*subject_identities(request)]
        return ", ".join(f"{name}.{names[place]}" for name, place, *_ in sorted(set(origins)))
    single: dict[str, list[int]] = defaultdict(list)
    nested: dict[tuple[str, int], list[int]] = defaultdict(list)
    for origin in sorted(set(origins)):
        match origin:
            case (name, place):
                single[name].append(place)
            case (name, place, inner):
                nested[name, place].append(inner)
    of_profiles: dict[tuple[str, str], list[int]] = defaultdict(list)
    for (name, place), inner_places in nested.items():
        of_profiles[name, ranges(inner_places)].append(place)
    return ", ".join(
        [
            *(f"{name}[{ranges(places)}]" for name, places in single.items()),
            *(f"{name}[{ranges(places)}].audiences[{inner}]" for (name, inner), places in of_profiles.items()),
        ]
    )


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as text: ``0-2, 5``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


def by_type(request: QueuedRequest, origins: Iterable[Origin]) -> str:
    """Return elements as text, those of an event request with their types."""
    found = sorted(origins)
    if not isinstance(request, EventProcessingRequest):
        return labels(request, found)
    of_type: dict[str, list[Origin]] = defaultdict(list)
    for origin in found:
        elements = request.events if origin[0] == "events" else request.system_notifications
        of_type[str(elements[origin[1]].type)].append(origin)
    return "; ".join(f"{kind} ({labels(request, some)})" for kind, some in of_type.items())
