"""What holds for every example: it is complete, small, marked, and knows nothing but the seam."""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.isolation import ROOT
from local.rooms import Room
from mparticle_firehose.integration import Item
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest, Serializer
from tests.growth import MAX_GROWTH, growth
from tests.planted import leaks

EXAMPLES = [folder.parent.name for folder in sorted(Path(__file__).parent.glob("*/partner"))]
SEAM = (
    "mparticle_firehose.errors",
    "mparticle_firehose.feed",
    "mparticle_firehose.integration",
    "mparticle_firehose.protocol",
)
FORBIDDEN = {"aws_lambda_powertools", "boto3", "botocore", "urllib3", "partner", "examples", "tests", "local"}
MAX_LINES, MAX_LINES_OF_FEED = 450, 100

pytestmark = pytest.mark.parametrize("example", EXAMPLES)


def imports(source: Path) -> Iterator[str]:
    """Yield the modules that a file imports absolutely."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            of_package = node.module == "mparticle_firehose"
            yield from (f"{node.module}.{each.name}" if of_package else str(node.module) for each in node.names)


def is_allowed(module: str) -> bool:
    return module in SEAM or module.partition(".")[0] not in FORBIDDEN | {"mparticle_firehose"}


def test_its_declaration_is_valid_and_can_be_written(example: str) -> None:
    declaration = Room.of(f"examples/{example}").integration().declaration()

    assert Serializer().parse_response(Serializer().dumps(declaration)) == declaration


def test_it_imports_the_seam_and_nothing_else_of_the_framework(example: str) -> None:
    sources = list(Room.of(f"examples/{example}").partner.glob("*.py"))

    assert len(sources) > 3
    assert [(path.name, name) for path in sources for name in imports(path) if not is_allowed(name)] == []


def test_it_is_small_enough_to_be_read_at_once(example: str) -> None:
    sources = [*Room.of(f"examples/{example}").partner.glob("*.py")]
    has_feed = any(path.name == "feed.py" for path in sources)

    lines = sum(len(path.read_text().splitlines()) for path in sources)
    assert lines <= MAX_LINES + MAX_LINES_OF_FEED * has_feed


def test_its_requests_can_be_read_and_their_secrets_and_people_are_marked(example: str) -> None:
    requests = sorted(Room.of(f"examples/{example}").events.glob("*.json"))

    parsed = [Serializer().parse(json.loads(path.read_text())) for path in requests]

    assert sum(isinstance(request, EventProcessingRequest) for request in parsed) >= 1
    assert len({request.id for request in parsed}) == len(parsed)
    with_accounts = [path for path in requests if "account" in json.loads(path.read_text())]
    assert [path.name for path in with_accounts if not leaks(path.read_text())] == []


def test_it_accepts_no_registration_yet_and_says_how_it_is_run(example: str) -> None:
    folder = ROOT / "examples" / example

    assert json.loads((folder / "registration.json").read_text()) == {}
    assert f"make run PARTNER=examples/{example}" in (folder / "README.md").read_text()


def of_one_user(example: str, size: int) -> Callable[[], object]:
    """Return the mapping of a user with so many changes and four times as many identities; the last are used."""
    room = Room.of(f"examples/{example}")
    message = json.loads((room.events / "audience_membership_change_request.json").read_text())
    [user, *_] = [each for each in message["user_profiles"] if each["user_identities"] and each["audiences"]]
    others = [{"type": "other", "encoding": "raw", "value": str(number)} for number in range(4 * size)]
    profile = {
        **user,
        "user_identities": [*others, *user["user_identities"]],
        "audiences": user["audiences"][:1] * size,
    }
    request = Serializer().parse({**message, "user_profiles": [profile]})
    memberships = room.integration().memberships
    assert isinstance(request, AudienceMembershipChangeRequest)
    assert memberships
    assert all(isinstance(each, Item) for each in memberships(request))
    return lambda: [*memberships(request)]


def test_a_users_memberships_take_time_in_proportion_to_their_number_however_many_identities_there_are(
    example: str,
) -> None:
    assert growth(of_one_user(example, 500), of_one_user(example, 2_000)) < MAX_GROWTH
