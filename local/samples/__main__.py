"""`make samples`: writes into events/ what mParticle could send to an integration with this registration."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from local.failures import exit_status
from local.preview.faults import told_in_a_sentence
from local.preview.results import counted
from local.rooms import Room
from local.run.messages import messages_in
from local.samples import Sample, samples, values_in
from mparticle_firehose.protocol import EventType


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the samples, and return the exit status: 0, or 2 if they could not be made."""
    parser = argparse.ArgumentParser(prog="make samples", description="Write requests that fit the registration.")
    parser.add_argument("--partner", metavar="FOLDER", default="", help="an example, or a folder laid out like one")
    folder = parser.parse_args(arguments).partner
    out, problems = Console(highlight=False), Console(stderr=True, highlight=False)
    return exit_status(lambda: _write(Room.of(folder), out), problems, "Interrupted.")


def _write(room: Room, out: Console) -> int:
    room.events.mkdir(exist_ok=True)
    settings = values_in(message.content for message in messages_in(room.events))
    with told_in_a_sentence(room):
        declaration = room.integration().declaration()
    made = samples(declaration, settings=settings)
    new = [(path, sample) for path, sample in _places(room.events, made) if not path.exists()]
    for path, sample in new:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(sample.content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        out.print(f"✓ {path.relative_to(room.events.parent)}", markup=False, soft_wrap=True)
    kept = len(made) - len(new)
    stay = f"; {kept} {'file was there already, and stays' if kept == 1 else 'files were there already, and stay'}"
    out.print(f"Wrote {counted(len(new), 'request')}{stay if kept else ''}.")
    return 0


def _places(events: Path, made: Iterable[Sample]) -> Iterator[tuple[Path, Sample]]:
    """Yield the file of each sample. A single event is apart in types/, if another sample has all types of them."""
    made = list(made)
    has_all = any(sample.name.endswith("/all_events") for sample in made)
    for sample in made:
        name = sample.name.rpartition("/")[2]
        is_apart = has_all and sample.group == "Events" and name in list(EventType)
        yield (events / "types" / f"{name}.json" if is_apart else events / f"{_file(sample)}.json"), sample


def _file(sample: Sample) -> str:
    return sample.name.replace("/", "_")


if __name__ == "__main__":
    sys.exit(main())
