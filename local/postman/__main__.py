"""`make postman`: writes docs/postman_collection.json."""

import json
import sys

import yaml

from local.isolation import ROOT, LocalCloudError
from local.postman.collection import collection
from local.postman.examples import examples_of
from local.rooms import Room

OPENAPI = ROOT / "docs" / "openapi.yaml"
COLLECTION = ROOT / "docs" / "postman_collection.json"


def main() -> int:
    """Write the collection with your own messages, and return the exit status."""
    try:
        made = collection(yaml.safe_load(OPENAPI.read_text()), examples_of(Room.of()))
    except LocalCloudError as error:
        print(f"The collection cannot be made: {error}", file=sys.stderr)
        return 2
    COLLECTION.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")
    print(f"Wrote {COLLECTION.relative_to(ROOT)}. Import it into Postman, and enter the variables of the collection.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
