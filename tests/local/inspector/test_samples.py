"""The page has requests to begin with: some that fit the registration, and the room's own files."""

import json
from dataclasses import replace
from typing import override
from uuid import UUID

from local.inspector.app import Call
from local.inspector.samples import Samples
from local.rooms import Room
from mparticle_firehose.integration import Integration
from mparticle_firehose.protocol import REQUEST_MODELS, EventType
from tests.conftest import EVENTS, SAMPLE


def test_there_is_one_for_each_type_of_request_and_of_event_and_one_for_each_file() -> None:
    samples = Samples(SAMPLE).show(Call())
    names = [str(sample["name"]) for sample in samples]

    assert len(set(names)) == len(names)
    assert {f"event_processing_request/{kind}" for kind in EventType} <= set(names)
    assert {str(sample["type"]) for sample in samples} == set(REQUEST_MODELS)
    files = [sample for sample in samples if sample["group"] == "Files in events/"]
    assert {str(sample["name"]) for sample in files} == {f"file/{path.stem}" for path in EVENTS.glob("*.json")}
    assert all(sample["title"] and sample["offered"] is True for sample in samples)


def test_each_time_they_have_new_ids() -> None:
    first, second = ({UUID(str(content["id"])) for content in _contents(generated=True)} for _ in range(2))

    assert not first & second
    assert len(first) > 20


def test_they_have_the_settings_of_the_files_which_the_fake_api_accepts() -> None:
    tokens = {
        json.dumps(account["account_settings"])
        for content in _contents(generated=True)
        if isinstance(account := content.get("account"), dict)
    }
    in_files = json.loads((EVENTS / "event_processing_request.json").read_text())["account"]["account_settings"]

    assert tokens == {json.dumps(in_files)}


class WithoutErasures(Room):
    """The sample's room, whose integration takes no erasures."""

    @override
    def integration(self) -> Integration:
        whole = SAMPLE.integration()
        declared = whole.registration().model_copy(update={"dsr_processing_registration": None})
        return replace(whole, erasures=None, registration=lambda: declared)


def test_a_file_of_a_part_that_the_integration_lacks_is_not_offered() -> None:
    room = WithoutErasures(SAMPLE.partner, SAMPLE.fake_api_folder, SAMPLE.events, SAMPLE.registration)

    not_offered = {str(sample["type"]) for sample in Samples(room).show(Call()) if not sample["offered"]}
    assert not_offered == {"dsr_processing_request"}


def _contents(*, generated: bool) -> list[dict[str, object]]:
    found = []
    for sample in Samples(SAMPLE).show(Call()):
        content = sample["content"]
        assert isinstance(content, dict)
        if (sample["group"] != "Files in events/") is generated:
            found.append(content)
    return found
