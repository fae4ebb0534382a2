"""What mParticle gets to know of this integration, without AWS.

``python -m local.registration`` prints it. ``accept`` writes it to registration.json, which you do when customers go
live. From then on ``check`` compares the two and fails if the difference would break live customers. Until then, with
``{}`` in registration.json, there is nothing to compare with.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.registration.changes import VOLATILE, Difference, consequence, differences
from local.rooms import Room
from local.signals import end_quietly_in_pipes
from mparticle_firehose.protocol import Serializer

type Json = dict[str, object]


def declared(room: Room) -> Json:
    """Return the registration as mParticle receives it."""
    return Serializer().dump(room.integration().declaration())


def check(accepted: Path, now: Mapping[str, object]) -> int:
    """Compare the accepted registration with the declared one, print what differs, and return the exit status.

    Args:
        accepted: the file that `accept` wrote.
        now: what the code declares.

    Returns:
        1 if a difference would break live customers or the file cannot be read; otherwise 0.
    """
    try:
        before = json.loads(accepted.read_text())
    except (OSError, ValueError) as error:
        return _refuse(f"{accepted.name} cannot be read ({error}); `make registration-accept` writes it anew.")
    if not isinstance(before, dict):
        return _refuse(f"{accepted.name} is not a registration; `make registration-accept` writes it anew.")
    if not before:
        print("No registration is accepted yet. Once customers are live, run: make registration-accept")
        return 0
    found = differences(before, now)
    harmless = [difference for difference in found if consequence(difference) is None]
    breaking = [difference for difference in found if consequence(difference) is not None]
    _list(f"Differs from {accepted.name}, and leaves live customers as they are:", harmless)
    _list(f"Differs from {accepted.name}, and BREAKS LIVE CUSTOMERS:", breaking)
    if breaking:
        return _refuse("If that is agreed with mParticle and the customers, accept it: make registration-accept")
    print(f"The registration is {'compatible with' if harmless else 'that of'} {accepted.name}.")
    if harmless:
        print("Record it once mParticle has it, so that later changes are compared with it: make registration-accept")
    return 0


def accept(accepted: Path, now: Mapping[str, object]) -> None:
    """Write the declared registration, without the fields that differ each time."""
    kept = {name: value for name, value in now.items() if name not in VOLATILE}
    accepted.write_text(_text(kept) + "\n")
    print(f"Wrote {accepted.name}: commit it, so that the reviewers see what changes.")


def _list(heading: str, found: Sequence[Difference]) -> None:
    if found:
        print(heading)
    for difference in found:
        because = consequence(difference)
        print(f"  - {difference.path}: {difference.kind}{f'; {because}' if because else ''}")


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


def _text(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def main() -> int:
    """Print, check or accept, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.registration", description="The registration for mParticle.")
    parser.add_argument("action", nargs="?", choices=["print", "check", "accept"], default="print")
    room = Room.of()
    match parser.parse_args().action:
        case "check":
            return check(room.registration, declared(room))
        case "accept":
            accept(room.registration, declared(room))
        case _:
            end_quietly_in_pipes()
            print(_text(declared(room)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
