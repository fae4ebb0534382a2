"""What mParticle gets to know of this integration, without AWS.

``python -m local.registration`` prints it; ``check`` compares it with the committed one and fails when the difference
would break live customers; ``accept`` makes it the committed one.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.isolation import ROOT
from local.registration.changes import VOLATILE, Difference, consequence, differences
from mparticle_firehose.protocol import Serializer
from partner.registration import registration

COMMITTED = ROOT / "registration.json"

type Json = dict[str, object]


def declared() -> Json:
    """Return the registration as mParticle receives it."""
    return Serializer().dump(registration())


def check(committed: Path, now: Mapping[str, object]) -> int:
    """Compare the committed registration with the declared one, say what differs, and return the exit status.

    Args:
        committed: the file that `accept` wrote.
        now: what the code declares.

    Returns:
        0 when nothing differs or only what leaves live customers as they are; otherwise 1.
    """
    try:
        before = json.loads(committed.read_text())
    except (OSError, ValueError) as error:
        return _refuse(f"{committed.name} cannot be read ({error}); `make registration-accept` writes it anew.")
    if not isinstance(before, dict):
        return _refuse(f"{committed.name} is not a registration; `make registration-accept` writes it anew.")
    found = differences(before, now)
    harmless = [difference for difference in found if consequence(difference) is None]
    breaking = [difference for difference in found if consequence(difference) is not None]
    _list(f"Differs from {committed.name}, and leaves live customers as they are:", harmless)
    _list(f"Differs from {committed.name}, and BREAKS LIVE CUSTOMERS:", breaking)
    if breaking:
        return _refuse("If that is agreed with mParticle and the customers, accept it: make registration-accept")
    print(f"The registration is {'compatible with' if harmless else 'that of'} {committed.name}.")
    if harmless:
        print("Record it once mParticle has it, so that later changes are compared with it: make registration-accept")
    return 0


def accept(committed: Path, now: Mapping[str, object]) -> None:
    """Make the declared registration the committed one, without what is new each time it is asked for."""
    kept = {name: value for name, value in now.items() if name not in VOLATILE}
    committed.write_text(_text(kept) + "\n")
    print(f"Wrote {committed.name}: commit it, so that the reviewers see what changes.")


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
    match parser.parse_args().action:
        case "check":
            return check(COMMITTED, declared())
        case "accept":
            accept(COMMITTED, declared())
        case _:
            print(_text(declared()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
