"""What belongs to a request is put together, whoever sent it and in whatever order it is reported."""

import json
import time

from local.inspector.calls import MAX_NAMED_REQUESTS
from local.partner.listener import Reply
from mparticle_firehose.delivery import asking
from tests.local.inspector.reports import ID, START, World, event_request

LOG = {"timestamp": "2027-01-15T08:00:00.004+00:00", "level": "INFO", "service": "s"}


def line(message: str, **fields: object) -> str:
    return json.dumps({**LOG, "message": message, **fields})


def delivered_line(*numbers: int) -> str:
    named = {"event_processing_request": [ID.format(number) for number in numbers]}
    return line("delivered", messages=3, duration_ms=5, **({"delivered": named} if numbers else {}))


def http_event(body: str | None = None, method: str = "POST", path: str = "/events") -> dict[str, object]:
    event: dict[str, object] = {"version": "2.0", "rawPath": path, "requestContext": {"http": {"method": method}}}
    return event if body is None else {**event, "body": body}


def test_the_credentials_of_a_call_for_a_token_are_not_shown() -> None:
    world = World()
    running = world.invoke(event_request())
    call = world.call(ID.format(1), refresh_token="canary-secret")
    call.reply, call.status, call.milliseconds = Reply(200, {"access_token": "canary-secret"}), 200, 1
    world.follower.receive(call)
    world.answer(running)

    [step] = world.steps("call")
    assert (step["body"], step["answer"]) == (
        {"refresh_token": "(13 characters)"},
        {"access_token": "(13 characters)"},
    )


def test_a_request_of_somebody_else_is_a_trace_with_its_answer() -> None:
    world = World()
    world.handle(event_request(), {"type": "event_processing_response"}, ms=12.34)

    assert world.only() == {
        "id": "t1",
        "request_id": ID.format(1),
        "type": "event_processing_request",
        "title": "Event: custom event",
        "route": "other",
        "at": "2027-01-15T08:00:00.001+00:00",
        "request": event_request(),
        "answer": {"type": "event_processing_response"},
        "failed": False,
        "status": None,
        "milliseconds": 12.3,
        "answer_offset_ms": 1.0,
        "limit_ms": 200,
        "is_cold": False,
        "is_slow": False,
        "state": "done",
        "steps": [],
        "steps_left_out": 0,
    }


def test_a_request_over_https_has_a_status_and_half_the_time() -> None:
    world = World()
    world.handle(http_event(json.dumps(event_request())), {"statusCode": 202, "body": '{"a": 1}'}, ms=150)

    trace = world.only()
    assert (trace["request"], trace["answer"]) == (event_request(), {"a": 1})
    assert (trace["status"], trace["failed"], trace["limit_ms"], trace["is_slow"]) == (202, False, 100, True)


def test_a_request_over_https_without_a_message_is_shown_as_what_it_asks() -> None:
    world = World()
    world.handle(http_event(method="GET", path="/health"), {"statusCode": 503, "body": ""})

    trace = world.only()
    assert (trace["title"], trace["type"]) == ("GET /health", "")
    assert (trace["request"], trace["status"]) == ({"method": "GET", "path": "/health"}, 503)
    assert trace["state"] == "failed"


def test_a_request_that_is_no_object_is_shown_as_it_is() -> None:
    world = World()
    world.handle([1], {"errorType": "MalformedRequestError"}, failed=True)

    assert (world.only()["request"], world.only()["state"]) == ([1], "failed")


def test_a_request_runs_until_it_is_answered() -> None:
    world = World()
    number = world.invoke(event_request())
    assert world.only()["state"] == "running"

    world.answer(number, {"errorType": "E"}, failed=True)

    assert (world.only()["state"], world.only()["answer"]) == ("failed", {"errorType": "E"})


def test_the_page_s_own_request_is_the_one_that_is_invoked() -> None:
    world = World()
    first = world.follower.begin(event_request(1), "alias")
    second = world.follower.begin(event_request(2), "https")
    world.handle(http_event(json.dumps(event_request(2))), {"statusCode": 200, "body": "{}"})

    assert [(trace["id"], trace["route"], trace["state"]) for trace in world.shown()] == [
        (first.id, "alias", "running"),
        (second.id, "https", "done"),
    ]


def test_equal_requests_are_answered_one_by_one() -> None:
    world = World()
    for _ in range(2):
        world.follower.begin(event_request(), "alias")
    world.handle(event_request())

    assert [trace["state"] for trace in world.shown()] == ["done", "running"]


def test_a_request_that_could_not_be_sent_has_failed_unless_it_was_invoked() -> None:
    world = World()
    lost = world.follower.begin(event_request(1), "alias")
    invoked = world.follower.begin(event_request(2), "alias")
    number = world.invoke(event_request(2))
    for trace in (lost, invoked):
        world.follower.fail(trace, "It could not be sent.", 429)
    world.answer(number)

    assert [(each["state"], each["status"]) for each in world.shown()] == [("failed", 429), ("done", None)]
    assert world.shown()[0]["answer"] == {"error": "It could not be sent."}


def test_a_queued_message_waits_until_the_worker_has_delivered_it() -> None:
    world = World()
    number = world.invoke(event_request())
    world.send("m-1", event_request(), account_id="7")
    world.answer(number)
    assert world.only()["state"] == "waiting"

    world.finish(world.take("m-1", receive_count=3), log=delivered_line(1))

    assert world.only()["state"] == "done"
    assert world.steps("queued") == [
        {
            "kind": "queued",
            "at": "2027-01-15T08:00:00.002+00:00",
            "offset_ms": 1.0,
            "queue": "event",
            "group": "g",
            "attributes": {"request_id": ID.format(1), "account_id": "7"},
            "body": event_request(),
            "bytes": len(json.dumps(event_request())),
            "is_duplicate": False,
        }
    ]
    assert world.steps("delivery") == [
        {
            "kind": "delivery",
            "at": "2027-01-15T08:00:00.004+00:00",
            "offset_ms": 3.0,
            "function": "worker",
            "queue": "event",
            "messages": 1,
            "receive_count": 3,
            "outcome": "done",
            "milliseconds": 5,
        }
    ]


def test_a_message_that_comes_again_waits_on() -> None:
    world = World()
    world.handle(event_request())
    world.send("m-1", event_request())
    world.finish(world.take("m-1"), again=["m-1"])
    assert world.only()["state"] == "waiting"

    world.finish(world.take("m-1", receive_count=2), failed=True)

    assert world.only()["state"] == "waiting"
    assert [step["outcome"] for step in world.steps("delivery")] == ["again", "failed"]


def test_a_message_that_is_sent_to_its_queue_anew_comes_again() -> None:
    world = World()
    world.handle(event_request())
    world.send("m-1", event_request())
    number = world.take("m-1")
    world.send("m-2", event_request(), resent="{}")
    world.finish(number)

    assert (world.only()["state"], world.steps("delivery")[0]["outcome"]) == ("waiting", "again")

    world.finish(world.take("m-2"))

    assert (world.only()["state"], world.steps("delivery")[1]["outcome"]) == ("done", "done")


def test_a_batch_of_several_requests_is_in_the_trace_of_each_with_its_own_messages() -> None:
    world = World()
    for number in (1, 2):
        world.handle(event_request(number))
        world.send(f"m-{number}", event_request(number))
    world.send("m-3", event_request(2))
    logged = "\n".join([line("retried later", request_id=ID.format(2)), delivered_line(), '{"_aws": {}}'])
    world.finish(world.take("m-1", "m-2", "m-3", "of nobody"), again=["m-3"], log=logged)

    first, second = world.shown()
    assert [step["messages"] for trace in (first, second) for step in trace["steps"] if "messages" in step] == [1, 2]
    assert (first["state"], second["state"]) == ("done", "waiting")
    logs = [[step["fields"] for step in trace["steps"] if step["kind"] == "log"] for trace in (first, second)]
    ended = {"messages": 3, "duration_ms": 5}
    assert logs == [[ended], [{"request_id": ID.format(2)}, ended]]


def test_the_line_of_an_invocation_is_in_the_traces_of_the_requests_that_it_has_delivered() -> None:
    world = World()
    for number in (1, 2, 3):
        world.handle(event_request(number))
        world.send(f"m-{number}", event_request(number))
    printed = json.dumps({"message": "printed by a mapping", "delivered": 3})
    logged = "\n".join([printed, line("retried later", request_id=ID.format(2)), delivered_line(1, 3)])
    world.finish(world.take("m-1", "m-2", "m-3"), again=["m-2"], log=logged)

    logs = [[step["message"] for step in trace["steps"] if step["kind"] == "log"] for trace in world.shown()]
    assert [sorted(each) for each in logs] == [
        ["delivered", "printed by a mapping"],
        ["printed by a mapping", "retried later"],
        ["delivered", "printed by a mapping"],
    ]


def test_a_message_that_sqs_takes_for_a_repetition_is_not_waited_for() -> None:
    world = World()
    for _ in range(2):
        world.handle(event_request())
        world.send("m-1", event_request())

    repeated = world.shown()[1]
    assert (repeated["state"], repeated["steps"][0]["is_duplicate"]) == ("done", True)
    assert world.shown()[0]["state"] == "waiting"


def test_a_dead_letter_is_dead_until_it_is_sent_back_or_deleted() -> None:
    world = World()
    world.handle(event_request())
    world.send("m-1", event_request())
    number = world.take("m-1")
    world.send("letter", event_request(), "membership-dead-letter.fifo", reason="http_422")
    world.finish(number)
    assert world.only()["state"] == "dead"
    [step] = world.steps("dead_letter")
    assert (step["queue"], step["reason"]) == ("membership-dead-letter.fifo", "http_422")

    world.send("m-2", event_request(), redriven_at="1")
    world.report("deleted", queue="x", message_ids=["letter"])
    assert world.only()["state"] == "waiting"
    world.report("deleted", queue="x", message_ids=["m-2"])

    assert world.only()["state"] == "done"


def test_what_sqs_moves_itself_is_a_dead_letter() -> None:
    world = World()
    world.handle(event_request())
    world.send("m-1", event_request())
    world.report("moved", queue="mparticle-firehose-event-dead-letter", message_ids=["m-1", "unknown"])

    assert world.only()["state"] == "dead"
    assert [step["reason"] for step in world.steps("dead_letter")] == ["too many receives"]


def test_a_call_is_shown_at_once_and_again_when_it_is_answered() -> None:
    world = World()
    world.handle(event_request())
    version = world.traces.version
    request = world.call(ID.format(1), {"status": 500, "name": "status_500"})
    assert world.steps("call") == [
        {
            "kind": "call",
            "at": "2027-01-15T08:00:00.002+00:00",
            "offset_ms": 1.0,
            "method": "POST",
            "site": "api.example",
            "path": "/track?a=b",
            "headers": {"Correlation-Id": ID.format(1), "X-Sample-Token": "(10 characters)", "Host": "api.example"},
            "body": {"events": 1},
            "attempt": 1,
            "fault": "status_500",
            "status": None,
            "lost": None,
            "answer": None,
            "milliseconds": None,
        }
    ]
    assert world.traces.version > version

    world.reply(request, 500)

    [step] = world.steps("call")
    assert (step["status"], step["answer"], step["milliseconds"]) == (500, {"taken": True}, 1.3)


def test_a_fault_that_did_not_apply_to_a_call_is_not_shown_at_it() -> None:
    world = World()
    world.handle(event_request())
    request = world.call(ID.format(1), {"partial": True, "name": "partial"})
    request.behaviour = {}
    world.reply(request, 200)

    assert [step["fault"] for step in world.steps("call")] == [None]


def test_the_same_call_again_is_a_further_attempt() -> None:
    world = World()
    world.handle(event_request())
    for body in (1, 1, 2):
        world.call(ID.format(1), events=body)

    assert [step["attempt"] for step in world.steps("call")] == [1, 2, 1]


def test_a_lost_answer_is_known_when_it_is_lost_and_a_hanging_call_at_once() -> None:
    world = World()
    world.handle(event_request())
    hanging = world.call(ID.format(1), {"lost": "hang"})
    lost = world.call(ID.format(1), {"lost": "reset", "applied": True}, events=2)
    assert [step["lost"] for step in world.steps("call")] == ["hang", None]

    world.reply(lost, None)

    assert [step["lost"] for step in world.steps("call")] == ["hang", "reset"]
    assert hanging.milliseconds is None


def test_a_call_that_merges_requests_is_in_the_trace_of_each() -> None:
    world = World()
    for number in (1, 2, 3):
        world.handle(event_request(number))
    world.reply(world.call(f"{ID.format(1)} {ID.format(3)}"))

    assert [[step["status"] for step in trace["steps"]] for trace in world.shown()] == [[202], [], [202]]


def test_a_call_that_merges_more_requests_than_it_names_is_in_the_trace_of_all_in_its_batch() -> None:
    world = World()
    for number in range(1, 8):
        world.handle(event_request(number))
        world.send(f"m-{number}", event_request(number))
    world.take(*(f"m-{number}" for number in range(1, 7)))
    named = " ".join(ID.format(number) for number in range(1, MAX_NAMED_REQUESTS + 1))
    world.call(named)

    calls = [sum(step["kind"] == "call" for step in trace["steps"]) for trace in world.shown()]
    assert calls == [1, 1, 1, 1, 1, 1, 0]
    assert asking._MAX_CORRELATED_REQUESTS == MAX_NAMED_REQUESTS  # noqa: SLF001  what the calls name


def test_a_call_that_is_seen_before_its_request_is_reported_belongs_to_it() -> None:
    world = World()
    world.now = time.time()
    request = world.call(ID.format(1))
    world.handle(event_request())
    world.reply(request)

    assert [step["status"] for step in world.steps("call")] == [202]


def test_a_call_without_a_label_belongs_to_the_only_invocation_that_runs() -> None:
    world = World()
    world.invoke(event_request(1))
    world.call("")
    world.invoke(event_request(2))
    world.call("", events=2)

    assert [len(trace["steps"]) for trace in world.shown()] == [1, 0]


def test_a_request_without_an_id_is_known_by_its_time() -> None:
    world = World()
    request = {"type": "event_processing_request", "timestamp_ms": 17, "events": []}
    world.handle(request)
    world.send("m-1", request)
    world.call("17")

    assert [step["kind"] for step in world.only()["steps"]] == ["queued", "call"]
    assert world.only()["request_id"] is None


def test_an_answer_of_a_new_environment_is_a_cold_start() -> None:
    world = World()
    world.handle(event_request(1), log=line("answered", ColdStarts=1))
    world.handle(event_request(2), log=line("answered"))

    assert [trace["is_cold"] for trace in world.shown()] == [True, False]


def test_log_lines_have_their_time_and_their_fields() -> None:
    world = World()
    world.handle(event_request(), log=f"{line('answered', message_type='x')}\nTraceback\n")

    answered, other = sorted(world.steps("log"), key=lambda step: str(step["message"]) != "answered")
    assert (answered["message"], answered["fields"], answered["at"]) == (
        "answered",
        {"message_type": "x"},
        "2027-01-15T08:00:00.002+00:00",  # not after the end
    )
    assert (other["message"], other["level"], world.now > START) == ("Traceback", "INFO", True)


def test_the_line_of_an_invocation_shows_its_metrics_as_fields() -> None:
    world = World()
    metrics = {"Timestamp": int(START * 1000) + 1, "CloudWatchMetrics": [{"Metrics": [{"Name": "EventsForwarded"}]}]}
    ended = {"message": "answered", "service": "s", "EventsForwarded": 2, "duration_ms": 1.5, "_aws": metrics}
    world.handle(event_request(), log=f"{json.dumps(ended)}\n{json.dumps({'QueueAge': [1, 2], '_aws': metrics})}\n")

    [step] = world.steps("log")
    assert (step["message"], step["level"], step["fields"]) == (
        "answered", "INFO", {"EventsForwarded": 2, "duration_ms": 1.5},
    )  # fmt: skip
    assert step["at"] == "2027-01-15T08:00:00.001+00:00"


def test_what_happens_after_the_traces_were_removed_is_forgotten() -> None:
    world = World()
    number = world.invoke(event_request())
    world.send("m-1", event_request())
    assert world.traces.clear() == 1
    world.answer(number)
    world.finish(world.take("m-1"))
    world.call(ID.format(1))

    assert world.shown() == []
