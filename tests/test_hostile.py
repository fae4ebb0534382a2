"""Whatever comes, handler and worker stay within their promises: bodies that are hostile at random places.

Real requests are changed at random: values of any type and size, numbers that no type holds, lone surrogates, control
characters, names that nobody expects, names that come twice, deep nesting. Each value and name that is put in is
a canary.
"""

import io
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import MalformedRequestError, RefusedError, SettingError
from mparticle_firehose.firehose import Firehose
from mparticle_firehose.integration import (
    Answer,
    Endpoint,
    Header,
    Integration,
    Item,
    Json,
    Outcome,
    PartnerCall,
    Rejected,
    Target,
    header_setting,
)
from mparticle_firehose.partner_api.encoding import Label, UnsendableError, encode
from mparticle_firehose.protocol import Account, AudienceMembershipChangeRequest, EventProcessingRequest
from tests.conftest import EVENTS, Context
from tests.conftest import Json as JsonDict
from tests.endpoint.http_events import encoded, function_url_event, http_api_event
from tests.planted import leaks
from tests.sample.partner.integration import INTEGRATION

fuzzed = settings(
    max_examples=120,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SQS = "https://sqs.us-east-1.amazonaws.com/1/"
MEMBERSHIPS, EVENT_QUEUE, ERASURES = f"{SQS}memberships.fifo", f"{SQS}events", f"{SQS}erasures"
LETTERS = (f"{SQS}membership-letters.fifo", f"{SQS}event-letters", f"{SQS}erasure-letters")
ENVIRON = {
    "PARTNER_API_URL": "https://partner.test",
    "MEMBERSHIP_QUEUE_URL": MEMBERSHIPS,
    "BULK_QUEUE_URL": f"{SQS}bulk.fifo",
    "EVENT_QUEUE_URL": EVENT_QUEUE,
    "MEMBERSHIP_DLQ_URL": LETTERS[0],
    "EVENT_DLQ_URL": LETTERS[1],
    "ERASURE_QUEUE_URL": ERASURES,
    "ERASURE_DLQ_URL": LETTERS[2],
    "SUSPENSION_TABLE": "suspensions",
    "LEDGER_TABLE": "ledger",
    "LARGE_BODY_BUCKET": "large-bodies",
    "HTTP_TOKEN_SOURCE": "off",
    "HANDLER_DEADLINE_MS": "3000",
    "HTTP_DEADLINE_MS": "3000",
}
SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json"))}
ROUTES = {
    "module": "/registration",
    "event": "/events",
    "audience": "/audiences",
    "dsr": "/dsr",
}


# --- an integration that sends each element by its place, so that what arrived can be counted


ELEMENTS = Endpoint(
    name="elements",
    call=lambda _target, bodies: PartnerCall(path="/elements", body=Json(list(bodies))),
    max_items=100_000,
    max_bytes=1 << 30,
)


def target(account: Account) -> Target:
    return Target(auth=Header("X-Key", header_setting(account, "token")))


def events(request: EventProcessingRequest) -> Iterator[Item]:
    whose = target(request.account)
    for kind, elements in {"events": request.events, "system_notifications": request.system_notifications}.items():
        for place in range(len(elements)):
            yield Item(endpoint=ELEMENTS, target=whose, body={"place": place}, covers=((kind, place),))


def memberships(request: AudienceMembershipChangeRequest) -> Iterator[Item]:
    whose = target(request.account)
    for user, profile in enumerate(request.user_profiles):
        for place, audience in enumerate(profile.audiences):
            body = {"place": [user, place]}
            if audience.model_fields_set or audience.model_extra:  # else it stands for one that is elsewhere
                yield Item(endpoint=ELEMENTS, target=whose, body=body, covers=(("user_profiles", user, place),))


COUNTING = replace(INTEGRATION, events=events, memberships=memberships)


def elements_in(message: JsonDict) -> int:
    """Return how many events, notifications and changes a request holds; an erasure is one.

    An empty change stands for one that is in another letter.
    """
    match str(message.get("type")):
        case "audience_membership_change_request":
            profiles = listed(message, "user_profiles")
            return sum(each != {} for profile in profiles for each in listed(profile, "audiences"))
        case "event_processing_request":
            return len(listed(message, "events")) + len(listed(message, "system_notifications"))
        case kind:
            return int(kind == "dsr_processing_request")


def listed(message: JsonDict, name: str) -> list[Any]:
    elements = message.get(name)
    return [each for each in elements if each is not None] if isinstance(elements, list) else []


# --- doubles


@dataclass
class Partner:
    """Takes everything that can be encoded, and counts elements."""

    taken: int = 0

    def ask(self, call: PartnerCall, deadline: Deadline, *, identity: str, correlation_id: str) -> Answer | Outcome:
        try:
            request = encode(call, str, Label(identity, correlation_id))
        except UnsendableError as error:
            return Rejected(error.reason)
        body = json.loads(request.body or b"null")
        self.taken += len(body) if isinstance(body, list) else call.path == "/forget"
        return Answer(status=200, body={"segment": "s1"})


REFUSED_BY_SQS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass
class Sqs:
    """Queues in memory."""

    queues: dict[str, list[JsonDict]] = field(default_factory=lambda: defaultdict(list))

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> JsonDict:  # noqa: N803  as boto3
        assert 1 <= len(Entries) <= 10
        for entry in Entries:
            attributes = entry.get("MessageAttributes", {})
            assert not REFUSED_BY_SQS.search(entry["MessageBody"])
            assert len(attributes) <= 10
            assert all(told["StringValue"] for told in attributes.values())
            assert not leaks(str({**entry, "MessageBody": ""}))
            self.queues[QueueUrl].append(entry)
        return {}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> JsonDict:  # noqa: N803
        assert all(0 <= entry["VisibilityTimeout"] <= 43_200 for entry in Entries)
        return {}


class DynamoDb:
    """Empty tables that keep nothing, because no message comes twice here."""

    def get_item(self, **arguments: Any) -> JsonDict:
        assert not leaks(str(arguments))
        return {}

    put_item = delete_item = update_item = get_item

    def batch_get_item(self, *, RequestItems: Any) -> JsonDict:  # noqa: N803  as boto3
        assert not leaks(str(RequestItems))
        return {"Responses": {}, "UnprocessedKeys": {}}

    def batch_write_item(self, *, RequestItems: Any) -> JsonDict:  # noqa: N803
        assert not leaks(str(RequestItems))
        return {"UnprocessedItems": {}}


class Bench:
    """Both functions in memory. What they print is read as CloudWatch does: as UTF-8."""

    def __init__(self, integration: Integration = COUNTING, **environ: str) -> None:
        self.partner, self.sqs = Partner(), Sqs()
        self.firehose = Firehose(integration, {**ENVIRON, **environ})
        vars(self.firehose).update(
            partner=self.partner,
            _sqs=self.sqs,
            _worker_sqs=self.sqs,
            _short_client=DynamoDb(),
            _ledger_client=DynamoDb(),
        )

    def handle(self, event: object) -> JsonDict:
        context: Any = Context(60_000)
        return self._quietly(lambda: self.firehose.handler(event, context))

    def work(self, *records: JsonDict) -> list[str]:
        """Deliver a batch; return the ids of the messages that come again."""
        context: Any = Context(60_000)
        answer = self._quietly(lambda: self.firehose.worker({"Records": list(records)}, context))
        assert list(answer) == ["batchItemFailures"]
        failed = [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]
        assert set(failed) <= {record["messageId"] for record in records}
        return failed

    def drain(self) -> None:
        """Let the worker deliver what is queued."""
        for queue in (MEMBERSHIPS, EVENT_QUEUE, ERASURES):
            entries = self.sqs.queues.pop(queue, [])
            records = [record(f"m{number}", entry, queue) for number, entry in enumerate(entries)]
            assert not records or self.work(*records) == []

    @property
    def letters(self) -> list[str]:
        return [entry["MessageBody"] for queue in LETTERS for entry in self.sqs.queues[queue]]

    @property
    def found(self) -> int:
        """Elements that were delivered, or are in a dead letter."""
        return self.partner.taken + sum(elements_or_none(body) for body in self.letters)

    @staticmethod
    def _quietly(act: Callable[[], JsonDict]) -> JsonDict:
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding="utf-8", write_through=True)
        try:
            with redirect_stdout(stream), redirect_stderr(stream):
                return act()
        finally:
            output = written.getvalue().decode()
            assert not leaks(output)
            assert all(line.startswith("{") for line in output.split("\n") if line)


def record(name: str, entry: Mapping[str, Any], queue: str) -> JsonDict:
    """Return a queued message as the event source mapping hands it over."""
    told = {
        key: {"stringValue": value["StringValue"], "dataType": "String"}
        for key, value in entry.get("MessageAttributes", {}).items()
    }
    group = {"MessageGroupId": entry["MessageGroupId"]} if "MessageGroupId" in entry else {}
    if queue.endswith(".fifo"):
        group["SequenceNumber"] = "1"
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000)), **group}
    return {
        "messageId": name,
        "eventSourceARN": f"arn:aws:sqs:us-east-1:1:{queue.removeprefix(SQS)}",
        "receiptHandle": "r",
        "body": entry["MessageBody"],
        "attributes": attributes,
        "messageAttributes": told,
    }


@pytest.fixture(autouse=True)
def _logged_here(log_to_this_test: None) -> None:
    """Write log lines to the standard output of the moment."""


# --- hostile bodies


RAW = "raw-json:"
"""What a text begins with whose rest is put into the JSON as it is, without quotes."""

NUMBERS = ["1e999", "-1e999", "-0", "-0.0", "1e-999", "9" * 400, "0." + "1" * 400, "1E+400", "12345678901234567890.5"]
WORDS = ["NaN", "Infinity", "-Infinity", "null", "true", "[]", "{}", '""', "[null]", "[[]]", '{"":null}']
NESTED = ["[" * depth + "]" * depth for depth in (20, 500, 3_000)] + ['{"a":' * 500 + "1" + "}" * 500]
TEXTS = [
    "canary-text",
    "canary-\ud800",
    "canary-\udfff\ud800",
    "canary-\x00\x01\x1f\x7f",
    "canary-\u2028\ufffe",
    "canary-'\"\\%s{}",
    "canary-" + "x" * 5_000,
    "",
    " ",
    "NaN",
    "1e999",
]
hostile_values: st.SearchStrategy[Any] = st.sampled_from(
    [RAW + literal for literal in NUMBERS + WORDS + NESTED] + TEXTS + [-1, 2**63, 2**70, 0.1, True, None]
)
hostile_names = st.sampled_from(
    ["canary-name", "canary-\ud800", "canary-\x00", "", "type", "canary-" + "n" * 300, "id"]
)


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key of each value in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from nodes(inner)


def change(draw: DrawFn, message: JsonDict) -> None:
    """Change a request at one place."""
    places = list(nodes(message))
    if not places:
        return
    container, key = places[draw(st.integers(0, len(places) - 1))]
    match draw(st.sampled_from(["replace", "replace", "add", "remove", "repeat"])):
        case "replace":
            container[key] = draw(hostile_values)
        case "remove":
            del container[key]
        case "add" if isinstance(container, dict):
            container[draw(hostile_names)] = draw(hostile_values)
        case "repeat" if isinstance(container, list):
            container += [container[key]] * draw(st.integers(1, 3))


def text_of(message: JsonDict) -> str:
    """Return the JSON of a request, with what is raw in it as it is."""
    text = json.dumps(message)
    for literal in NUMBERS + WORDS + NESTED:
        text = text.replace(json.dumps(RAW + literal), literal)
    return text


@st.composite
def bodies(draw: DrawFn, kinds: Sequence[str] = tuple(SAMPLES)) -> str:
    """Draw the text of a request that is hostile at one to four places, and may have names that come twice."""
    message = json.loads(json.dumps(SAMPLES[draw(st.sampled_from(kinds))]))
    for _ in range(draw(st.integers(1, 4))):
        change(draw, message)
    text = text_of(message)
    name = draw(st.sampled_from(["", "", "", "events", "user_profiles", "account", "type", "canary-twice"]))
    value = draw(st.sampled_from(["null", "[]", '"canary-value"', "1e999"]))
    return f'{{"{name}":{value},{text[1:]}' if name and len(text) > 2 else text


def loaded(text: str) -> Any:
    """Return what Lambda's runtime makes of a request's text; None if it hands over nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


# --- the properties


FIELD_OF_ANOTHER_TYPE = f'{{"events":1e999,{json.dumps(SAMPLES["dsr_processing_request"])[1:]}'
NAME_OF_A_SETTING = json.dumps(
    {
        **SAMPLES["audience_membership_change_request"],
        "account": {"account_id": 4242, "account_settings": {"token": "canary-secret", "canary-name": []}},
    }
)


@fuzzed
@given(bodies())
@example(FIELD_OF_ANOTHER_TYPE)
@example(NAME_OF_A_SETTING)
def test_the_handler_acknowledges_only_what_it_has_delivered_or_stored(text: str) -> None:
    bench, message = Bench(), loaded(text)
    error = refusal(bench, message)
    if error:
        assert isinstance(error, MalformedRequestError | SettingError | RefusedError)
        assert not leaks(f"{error!r} {error} {error.__cause__!r}")
        return
    bench.drain()

    assert bench.found == elements_in(message)


def refusal(bench: Bench, message: object) -> Exception | None:
    """Return the error with which a request is refused."""
    try:
        bench.handle(message)
    except Exception as error:  # noqa: BLE001  any is looked at
        return error
    return None


@fuzzed
@given(bodies(), st.sampled_from([function_url_event, http_api_event, encoded(function_url_event)]), st.booleans())
@example(FIELD_OF_ANOTHER_TYPE, function_url_event, True)
@example(NAME_OF_A_SETTING, function_url_event, False)
def test_an_http_answer_is_never_500_and_200_only_for_what_is_delivered_or_stored(
    text: str, shape: Callable[..., JsonDict], by_route: bool
) -> None:
    bench, message = Bench(), loaded(text)
    kind = str(message.get("type", "")).split("_", maxsplit=1)[0] if isinstance(message, dict) else ""
    path = ROUTES.get(kind, "/") if by_route else "/"
    answer = bench.handle(shape("POST", path, text.encode(), {"Content-Type": "application/json"}))

    assert not leaks(str(answer["headers"]))
    assert answer["statusCode"] in {200, 400, 404, 413, 415, 422}
    if answer["statusCode"] == 200:
        bench.drain()
        assert bench.found == elements_in(message)
    else:
        assert not leaks(answer["body"])


QUEUED = ["event_processing_request", "event_processing_request_web", "audience_membership_change_request"]
hostile_attributes = st.dictionaries(
    st.sampled_from(["settled", "place", "first_at", "redriven_at", "reason", "canary-attribute"]),
    st.sampled_from(["", "canary-x", "1", "-1", "0-99999999", "1,2,3", "9" * 400, "a.b.c", "1e999"]),
    max_size=3,
)


def hostile_record(name: str, text: str, attributes: Mapping[str, str], group: str | None) -> JsonDict:
    body = REFUSED_BY_SQS.sub("", text)  # what no queue can hold
    entry: JsonDict = {"MessageBody": body, "MessageAttributes": {k: {"StringValue": v} for k, v in attributes.items()}}
    return record(name, {**entry, "MessageGroupId": group}, MEMBERSHIPS) if group else record(name, entry, EVENT_QUEUE)


@fuzzed
@given(
    st.lists(st.tuples(bodies(QUEUED) | st.text(max_size=20), hostile_attributes), min_size=1, max_size=4),
    st.booleans(),
)
def test_the_worker_raises_nothing_and_loses_nothing(
    drawn: Sequence[tuple[str, Mapping[str, str]]], is_fifo: bool
) -> None:
    bench = Bench()
    group = "4242.0" if is_fifo else None
    records = [hostile_record(f"m{n}", text, told, group) for n, (text, told) in enumerate(drawn)]

    failed = bench.work(*records)

    done = [text for n, (text, _) in enumerate(drawn) if f"m{n}" not in failed]
    if any({"settled", "redriven_at"} & told.keys() for _, told in drawn):
        return  # what has been settled or replaced before is left out
    unread = sum(1 for text in done if not isinstance(loaded(text), dict))
    assert len(bench.letters) >= unread
    assert bench.found >= sum(elements_or_none(text) for text in done)


def elements_or_none(text: str) -> int:
    """Return how many elements a text holds, as far as it is a request at all."""
    try:
        return elements_in(json.loads(text))
    except (ValueError, RecursionError, AttributeError, TypeError):
        return 0


@pytest.mark.parametrize("name", QUEUED)
def test_the_count_is_of_everything_and_notices_a_loss(name: str) -> None:
    """The control."""
    whole, lossy = Bench(), Bench()
    for bench in (whole, lossy):
        bench.handle(SAMPLES[name])
    lossy.sqs.queues.clear()
    lossy.partner.taken -= 1
    for bench in (whole, lossy):
        bench.drain()

    assert whole.found == elements_in(SAMPLES[name]) > 0
    assert lossy.found < whole.found


# --- time


def many(message: JsonDict, name: str, size: int) -> JsonDict:
    return {**message, name: message[name][:1] * size}


GROWING: dict[str, Callable[[int], str]] = {
    "events": lambda size: json.dumps(many(SAMPLES["event_processing_request"], "events", size)),
    "profiles": lambda size: json.dumps(many(SAMPLES["audience_membership_change_request"], "user_profiles", size)),
    "names": lambda size: json.dumps(
        {**SAMPLES["event_processing_request"], "user_attributes": {f"canary-{n}": "canary" for n in range(size * 8)}}
    ),
    "unknown": lambda size: json.dumps(
        {**SAMPLES["event_processing_request"], **{f"canary-{n}": [n] for n in range(size * 8)}}
    ),
    "text": lambda size: json.dumps({**SAMPLES["event_processing_request"], "mpid": "canary" * size * 200}),
    "digits": lambda size: json.dumps(SAMPLES["event_processing_request"])[:-1] + f',"n":{"9" * size * 100}}}',
    "surrogates": lambda size: json.dumps({**SAMPLES["event_processing_request"], "mpid": "\ud800" * size * 200}),
    "broken": lambda size: json.dumps(many(SAMPLES["event_processing_request"], "events", size))[:-2],
    "wrong": lambda size: json.dumps({**SAMPLES["event_processing_request"], "events": [7] * size * 8}),
}


REFUSED = frozenset({"broken", "digits", "wrong"})


@pytest.mark.parametrize("name", GROWING)
def test_eight_times_the_body_takes_about_eight_times_as_long(name: str) -> None:
    def seconds(size: int) -> float:
        event = function_url_event("POST", "/", GROWING[name](size).encode(), {"Content-Type": "application/json"})
        times = []
        for _ in range(3):
            bench = Bench()
            started = time.process_time()
            status = bench.handle(event)["statusCode"]
            times.append(time.process_time() - started)
            assert status in ({200, 400} if name in REFUSED else {200})
        return min(times)

    seconds(8)
    small, large = seconds(16), seconds(128)

    assert large < 24 * max(small, 0.002), "a quadratic step would take 64 times as long"
