"""What must hold for the queues and functions, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import importlib
import re
from typing import Any

import annotated_types
from pydantic import BaseModel

from local.build import deployment_settings
from mparticle_firehose.config import FeedSettings, Resources, Settings
from mparticle_firehose.feed.events_api import CALL_SECONDS as EVENTS_API_SECONDS
from mparticle_firehose.queues.time_limits import MAX_AGE_SECONDS
from mparticle_firehose.worker.backlogs import MIN_BULK_QUEUE_AGE_SECONDS, WORKER_TIMEOUT_SECONDS
from mparticle_firehose.worker.worker import CALL_SECONDS
from tests.deployment.template_reading import (
    ALIAS,
    Check,
    Node,
    conditions,
    functions,
    of_type,
    problems,
    published,
    queues,
    references,
    walk,
)

LIBRARIES = {"AWS_ENDPOINT_URL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
"""Variables that boto3 and Powertools read."""

SQS_SECONDS = 6
"""The longest time of two attempts of one call to SQS, as the handler's client is configured."""

AVERAGE_A_SECOND, PEAK_A_SECOND = 2_000, 10_000
"""The rates of mParticle's requests."""

CONCURRENCY = {
    "MembershipDelivery": "MembershipConcurrency",
    "BulkDelivery": "BulkConcurrency",
    "EventDelivery": "EventConcurrency",
}
"""The parameter of the MaximumConcurrency of the worker's event source mappings."""

FEED_DELIVERY, FEED_CONCURRENCY = "FeedDelivery", "FeedConcurrency"
"""The mapping of the feed's function, and that parameter of it."""

FEED_QUEUES = {"FeedQueue", "FeedDeadLetterQueue"}

POLLERS = ("EventMinimumPollers", "EventMaximumPollers")
"""The parameters of the event pollers, which take the place of EventConcurrency."""

ERASURE_CONCURRENCY = 5
"""That of the erasures' mapping, which no parameter changes."""

WINDOW = "EventBatchWindowSeconds"


# --- queues ---------------------------------------------------------------------------------------------------------


def fifo_queues_are_in_high_throughput_mode(template: Node) -> list[str]:
    wanted = {
        "ContentBasedDeduplication": False,
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    }
    return [
        f"{name}: {key} is {queue.get(key)}"
        for name, queue in queues(template).items()
        if queue.get("FifoQueue")
        for key, value in wanted.items()
        if queue.get(key) != value
    ]


def every_queue_has_its_own_dead_letter_queue(template: Node) -> list[str]:
    found: list[str] = []
    working = {name: queue for name, queue in queues(template).items() if "RedrivePolicy" in queue}
    for name, queue in working.items():
        letters = _letters_of(queue)
        dead = queues(template)[letters]
        arns = [_arn(each) for each in working.values() if _letters_of(each) == letters]
        allowed = {"redrivePermission": "byQueue", "sourceQueueArns": arns}
        found += problems(
            (dead.get("FifoQueue") == queue.get("FifoQueue"), f"{name}: its dead-letter queue is of another type"),
            (dead.get("RedriveAllowPolicy") == allowed, f"{name}: its dead-letter queue accepts other sources"),
            (
                dead["QueueName"]["Fn::Sub"].endswith(".fifo") == bool(queue.get("FifoQueue")),
                f"{name}: the name does not fit the type",
            ),
        )
    shared = sorted(name for name, queue in working.items() if _letters_of(queue) == "MembershipDeadLetterQueue")
    return found + problems(
        (len(working) == 5, "five queues"),
        (len(queues(template)) == 9, "four for letters"),
        (shared == ["BulkQueue", "MembershipQueue"], f"the letters of {shared} are together"),
    )


def _letters_of(queue: Node) -> str:
    name: str = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    return name


def _arn(queue: Node) -> Node:
    name = queue["QueueName"]["Fn::Sub"]
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"}


def the_bulk_queue_is_as_the_membership_queue(template: Node) -> list[str]:
    """What is forwarded must be kept, encrypted and delivered as before."""
    membership, bulk = ({**queues(template)[name], "QueueName": ""} for name in ("MembershipQueue", "BulkQueue"))
    first, second = (_mappings(template)[name] for name in ("MembershipDelivery", "BulkDelivery"))
    own = {"EventSourceArn": None, "ScalingConfig": None}
    return problems(
        (membership == bulk, "the queues differ"),
        ({**first, **own} == {**second, **own}, "the mappings differ"),
        (second["EventSourceArn"] == {"Fn::GetAtt": ["BulkQueue", "Arn"]}, "the mapping is of another queue"),
    )


def forwarding_waits_for_what_it_relies_on(template: Node) -> list[str]:
    """An account closes later than the longest batch ends, and none opens while the release before may deliver."""
    timeout = functions(template)["WorkerFunction"]["Timeout"]
    minutes = [
        (10 if kind == "Linear" else 1) * int(number)
        for value in template["Parameters"]["DeploymentType"]["AllowedValues"]
        for kind, number in re.findall(r"^(Linear|Canary)10Percent(?:Every)?(\d+)Minutes?$", value)
    ]
    return problems(
        (timeout <= WORKER_TIMEOUT_SECONDS, f"a batch may take {timeout} s"),
        (60 * max(minutes) + timeout < MIN_BULK_QUEUE_AGE_SECONDS, f"a deployment may take {max(minutes)} minutes"),
    )


def queues_have_the_longest_retention_and_the_largest_messages_of_sqs(template: Node) -> list[str]:
    return [
        name
        for name, queue in queues(template).items()
        if (queue.get("MessageRetentionPeriod"), queue.get("MaximumMessageSize")) != (14 * 24 * 3600, 1024 * 1024)
    ]


def max_receive_count_is_above_the_workers_attempts(template: Node) -> list[str]:
    attempts = template["Parameters"]["MaxAttempts"]["MaxValue"]
    return [
        name
        for name, queue in queues(template).items()
        if "RedrivePolicy" in queue and queue["RedrivePolicy"]["maxReceiveCount"] <= attempts
    ]


def no_message_is_moved_by_sqs_while_it_may_wait(template: Node) -> list[str]:
    """A message that fails all the time is received as often as the shortest maximum of a wait allows."""
    shortest = template["Parameters"]["RetryCapSeconds"]["MinValue"]
    return [
        name
        for name, queue in queues(template).items()
        if "RedrivePolicy" in queue and queue["RedrivePolicy"]["maxReceiveCount"] * shortest < MAX_AGE_SECONDS
    ]


def visibility_timeouts_are_six_times_the_workers_timeout(template: Node) -> list[str]:
    """And the longest window longer, as AWS recommends, if the mapping of the queue has one."""
    found = []
    for mapping_name, mapping in _mappings(template).items():
        seconds = functions(template)[_receiver(mapping_name)]["Timeout"]
        name = mapping["EventSourceArn"]["Fn::GetAtt"][0]
        collecting, at_once = _with_and_without_window(queues(template)[name].get("VisibilityTimeout", 30))
        window = mapping.get("MaximumBatchingWindowInSeconds", 0)
        window = window if isinstance(window, int) else template["Parameters"][WINDOW]["MaxValue"]
        found += problems(
            (
                at_once >= 6 * seconds + (window if at_once == collecting else 0),
                f"{name}: VisibilityTimeout is {at_once}",
            ),
            (collecting >= 6 * seconds + window, f"{name}: VisibilityTimeout is {collecting} with a window"),
        )
    return found


def _with_and_without_window(value: Any) -> tuple[Any, Any]:
    """Return a value with and without a window, in which events are collected."""
    match value:
        case {"Fn::If": ["CollectsEvents", collecting, at_once]}:
            return collecting, at_once
    return value, value


def _receiver(mapping: str) -> str:
    return "FeedFunction" if mapping == FEED_DELIVERY else "WorkerFunction"


def each_queue_has_its_function_which_reports_failures_by_message(template: Node) -> list[str]:
    found: list[str] = []
    mappings = _mappings(template)
    sources = sorted(mapping["EventSourceArn"]["Fn::GetAtt"][0] for mapping in mappings.values())
    for name, mapping in mappings.items():
        alias = {"Ref": f"{_receiver(name)}Alias{ALIAS}"}
        most = _without_pollers(mapping.get("ScalingConfig", {})).get("MaximumConcurrency")
        found += problems(
            (mapping["FunctionName"] == alias, f"{name}: does not invoke the alias"),
            (mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"], f"{name}: repeats whole batches"),
            (most == _max_concurrency(name), f"{name}: MaximumConcurrency is {most}"),
        )
    wanted = sorted(name for name, queue in queues(template).items() if "RedrivePolicy" in queue)
    feed = mappings.get(FEED_DELIVERY, {}).get("EventSourceArn")
    return found + problems(
        (sources == wanted, f"messages are received from {sources}"),
        (feed == {"Fn::GetAtt": ["FeedQueue", "Arn"]}, f"the feed's function receives from {feed}"),
    )


def _without_pollers(scaling: Node) -> Node:
    match scaling:
        case {"Fn::If": ["HasEventPollers", {"Ref": "AWS::NoValue"}, dict(without)]}:
            return without
    return scaling


def _max_concurrency(mapping: str) -> object:
    parameters = {**CONCURRENCY, FEED_DELIVERY: FEED_CONCURRENCY}
    return {"Ref": parameters[mapping]} if mapping in parameters else ERASURE_CONCURRENCY


def erasures_have_a_way_of_their_own(template: Node) -> list[str]:
    """No other message is in their queue, and no window delays them."""
    mapping = _mappings(template).get("ErasureDelivery", {})
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    users = sorted(name for name, value in variables.items() if value == {"Ref": "ErasureQueue"})
    return problems(
        (mapping.get("EventSourceArn") == {"Fn::GetAtt": ["ErasureQueue", "Arn"]}, "another queue's mapping"),
        ("MaximumBatchingWindowInSeconds" not in mapping, "erasures wait for others"),
        (mapping.get("BatchSize") == 10, "batches of another size"),
        (users == ["ERASURE_QUEUE_URL"], f"the queue is {users}"),
        (not queues(template).get("ErasureQueue", {}).get("FifoQueue"), "erasures wait for each other"),
    )


def the_worker_may_send_waiting_messages_again(template: Node) -> list[str]:
    """To the standard queues that it empties, and to the bulk queue. Lambda must not take that for a loop.

    The handler has no reason to.
    """
    loops = {name: function.get("RecursiveLoop") for name, function in published(template).items()}
    statements = of_type(template, "AWS::IAM::Role")["WorkerRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    sent = [references(it) for it in statements if it.get("Action") == "sqs:SendMessage"]
    unsent = {"MembershipQueue"}
    return problems(
        (
            loops == {"HandlerFunction": None, "WorkerFunction": "Allow", "FeedFunction": "Allow"},
            f"RecursiveLoop is {loops}",
        ),
        (sent == [set(queues(template)) - unsent - FEED_QUEUES], f"the worker sends to {sent}"),
    )


def concurrency_is_what_lambda_accepts_for_sqs(template: Node) -> list[str]:
    parameters = {name: template["Parameters"][name] for name in (*CONCURRENCY.values(), FEED_CONCURRENCY)}
    limits = {name: (it["Type"], it["MinValue"], it["MaxValue"]) for name, it in parameters.items()}
    return [f"{name}: {found}" for name, found in limits.items() if found != ("Number", 2, 1000)]


def batches_are_as_large_as_lambda_accepts(template: Node) -> list[str]:
    """Ten from a FIFO queue. From a standard queue more than ten only with a window of at least a second."""
    memberships, bulk, events = (_mappings(template)[name] for name in CONCURRENCY)
    feed = _mappings(template)[FEED_DELIVERY]
    parameter = template["Parameters"][WINDOW]
    collects = {"Fn::Not": [{"Fn::Equals": [{"Ref": WINDOW}, "0"]}]}
    return problems(
        ((memberships.get("BatchSize"), bulk.get("BatchSize")) == (10, 10), "more than ten from a FIFO queue"),
        ("MaximumBatchingWindowInSeconds" not in memberships | bulk, "a FIFO queue has no window"),
        (events.get("MaximumBatchingWindowInSeconds") == {"Ref": WINDOW}, "the window is not what the parameter says"),
        (events.get("BatchSize") == {"Fn::If": ["CollectsEvents", 100, 10]}, f"BatchSize is {events.get('BatchSize')}"),
        (template["Conditions"]["CollectsEvents"] == collects, "larger batches without a window"),
        ((feed.get("BatchSize"), feed.get("MaximumBatchingWindowInSeconds")) == (100, 1), "the feed has other batches"),
        ((parameter["Default"], parameter["MinValue"], parameter["MaxValue"]) == (0, 0, 300), f"{parameter}"),
    )


def queued_events_are_delivered_as_fast_as_mparticle_sends_them(template: Node) -> list[str]:
    """Assume ten messages a batch, and 40 ms for each call to the partner. The queue holds what comes at the peak."""
    parameter = template["Parameters"]["EventConcurrency"]
    by_default, at_most = (parameter[name] * 10 / (10 * 0.040 + 0.1) for name in ("Default", "MaxValue"))
    return problems(
        (by_default >= AVERAGE_A_SECOND, f"{by_default} a second are delivered by default, {AVERAGE_A_SECOND} come"),
        (at_most >= PEAK_A_SECOND, f"{at_most} a second can be delivered, {PEAK_A_SECOND} come"),
    )


def _mappings(template: Node) -> dict[str, Node]:
    return of_type(template, "AWS::Lambda::EventSourceMapping")


def reserved_concurrency_never_throttles_the_worker(template: Node) -> list[str]:
    """CloudFormation cannot add two parameters, so `make build` does, with the same numbers."""
    defaults = {name: template["Parameters"][name]["Default"] for name in (*CONCURRENCY.values(), *POLLERS)}
    parameter = template["Parameters"]["WorkerReservedConcurrency"]
    return problems(
        (defaults == dict(deployment_settings.DEFAULTS), f"`make build` assumes other defaults than {defaults}"),
        (deployment_settings.ERASURE_CONCURRENCY == ERASURE_CONCURRENCY, "`make build` assumes other erasures"),
        ((parameter["Type"], parameter["Default"]) == ("Number", 0), "some are reserved by default"),
        (all(name in parameter["Description"] for name in defaults), "the sum is not described"),
    )


# --- functions ------------------------------------------------------------------------------------------------------


def every_setting_that_the_code_reads_is_set(template: Node) -> list[str]:
    """All functions have the same variables; the feed's function also has what only it reads."""
    variables = set(template["Globals"]["Function"]["Environment"]["Variables"])
    read = _aliases(Settings) | _aliases(Resources) | LIBRARIES
    own = {name: _own_variables(function) for name, function in published(template).items()}
    feed = {name for name in _aliases(FeedSettings) if name.startswith("FEED_")}
    wanted = {name: feed if name == "FeedFunction" else set() for name in own}
    return [f"{name} is set or read, but not both" for name in sorted(variables ^ read)] + [
        f"{function}: {sorted(own[function] ^ names)}" for function, names in wanted.items() if own[function] != names
    ]


def _aliases(settings: type[BaseModel]) -> set[str]:
    return {field.alias for field in settings.model_fields.values() if field.alias}


def _own_variables(function: Node) -> set[str]:
    return set(function.get("Environment", {}).get("Variables", {}))


def parameters_accept_what_the_code_accepts(template: Node) -> list[str]:
    """Compare the limits and the default of each parameter with those of the setting that it fills."""
    found: list[str] = []
    variables = {
        **template["Globals"]["Function"]["Environment"]["Variables"],
        **functions(template)["FeedFunction"]["Environment"]["Variables"],
    }
    for field in (*Settings.model_fields.values(), *FeedSettings.model_fields.values()):
        parameter = template["Parameters"].get(variables.get(field.alias, {}).get("Ref"), {})
        if parameter.get("Type") == "Number":
            limits = {type(item): item for item in field.metadata}
            low, high = limits[annotated_types.Ge], limits[annotated_types.Le]
            code = (field.default, low.ge, high.le)
            code = (code[0], 2, code[2]) if field.alias == "FEED_CONCURRENCY" else code  # the minimum of Lambda for SQS
            here = (parameter["Default"], parameter["MinValue"], parameter["MaxValue"])
            found += problems((code == here, f"{field.alias}: the code has {code}, the template {here}"))
    return found


def every_handler_exists(template: Node) -> list[str]:
    found = []
    for name, function in functions(template).items():
        module, _, entry = function["Handler"].rpartition(".")
        try:
            exists = callable(getattr(importlib.import_module(module), entry, None))
        except ImportError:
            exists = False
        found += problems((exists, f"{name}: there is no {function['Handler']}"))
    return found


def function_timeouts_are_longer_than_the_calls_in_them(template: Node) -> list[str]:
    parameter, over_http = (template["Parameters"][f"{name}DeadlineMs"] for name in ("Handler", "Http"))
    handler, worker = (functions(template)[name]["Timeout"] for name in ("HandlerFunction", "WorkerFunction"))
    feed = functions(template)["FeedFunction"]["Timeout"]
    return problems(
        (handler > parameter["MaxValue"] / 1000 + SQS_SECONDS, "the handler times out before it has queued"),
        (worker >= 2 * CALL_SECONDS, "the worker times out before the partner has answered"),
        (feed >= 2 * EVENTS_API_SECONDS, "the feed's function times out before mParticle has answered"),
        (parameter["Default"] < 200, "the default deadline is beyond mParticle's limit"),
        (over_http["Default"] < 100, "the default deadline is beyond mParticle's limit over HTTPS"),
        (
            over_http["MaxValue"] <= parameter["MaxValue"],
            "the handler may time out before it has queued a request over HTTPS",
        ),
    )


def the_functions_share_one_build(template: Node) -> list[str]:
    """SAM builds a function separately if one of these differs from the other's."""
    entries = [it for it in template["Resources"].values() if it["Type"] == "AWS::Serverless::Function"]
    builds = [
        (it.get("Metadata"), *map(it["Properties"].get, ("CodeUri", "Runtime", "Architectures"))) for it in entries
    ]
    return problems((builds[1:] == builds[:-1], "each function is built separately"))


def functions_are_released_with_snapshots(template: Node) -> list[str]:
    shared = template["Globals"]["Function"]
    found = problems(
        (shared.get("SnapStart") == {"ApplyOn": {"Ref": "SnapStart"}}, "SnapStart is not what the parameter says"),
        (template["Parameters"]["SnapStart"]["Default"] == "PublishedVersions", "no snapshot by default"),
        (shared["Runtime"] == "python3.13", "another runtime than the one that is tested"),
    )
    for name, function in published(template).items():
        released = (function.get("AutoPublishAlias"), function.get("AutoPublishAliasAllProperties"))
        found += problems((released == (ALIAS, True), f"{name}: changes are not published"))
    return found


def a_parameter_that_changes_makes_a_new_version(template: Node) -> list[str]:
    """Compare the parameters that a function depends on with those in the configuration that its version names.

    One too few, and the alias keeps the old value; one too many, and CloudFormation fails: Lambda publishes no version
    that equals the last one.
    """
    found = []
    for name, function in published(template).items():
        own = {key: value for key, value in function.items() if key not in _NOT_IN_A_VERSION}
        needed = _decided_by(template, [own, template["Globals"]])
        named = _decided_by(template, _configurations_named_by(template, function))
        found += [f"{name}: {parameter}" for parameter in sorted(needed ^ named)]
    return found


def _configurations_named_by(template: Node, function: Node) -> list[object]:
    """Return what the configurations of AppConfig hold whose numbers are in the description of a function's version."""
    named = references(function.get("VersionDescription"))
    return [it.get("Content") for name, it in of_type(template, _CONFIGURATION).items() if name in named]


def _decided_by(template: Node, node: object) -> set[str]:
    """Return the parameters that a value depends on, directly or through conditions."""
    found, seen = references(node), conditions(node)
    while new := {name for condition in seen for name in _within(template, condition)} - seen:
        seen |= new
    found |= {name for condition in seen for name in references(template["Conditions"][condition])}
    return found & set(template["Parameters"])


def _within(template: Node, condition: str) -> set[str]:
    found = walk(template["Conditions"][condition])
    return {part["Condition"] for _, part in found if isinstance(part, dict) and "Condition" in part}


_CONFIGURATION = "AWS::AppConfig::HostedConfigurationVersion"
_NOT_IN_A_VERSION = {
    "VersionDescription", "DeploymentPreference", "ProvisionedConcurrencyConfig", "ReservedConcurrentExecutions",
    "Role",
}  # fmt: skip


def a_version_has_room_for_all_parameter_values(template: Node) -> list[str]:
    """Compare the longest texts with the limits of Lambda and AppConfig.

    The configuration must also have room for parameters that the template does not have yet: as many, and with values
    as long, as CloudFormation allows. The description may name no parameter at all.
    """
    found = []
    for name, function in published(template).items():
        description = function.get("VersionDescription")
        length = _max_bytes(template, description)
        found += problems(
            (not _decided_by(template, description), f"{name}: the description names parameters"),
            (length <= MAX_DESCRIPTION_LENGTH, f"{name}: the description may have {length} characters"),
        )
    further = (MAX_PARAMETERS - len(template["Parameters"])) * MAX_VALUE_BYTES
    for name, configuration in of_type(template, _CONFIGURATION).items():
        size = _max_bytes(template, configuration["Content"]) + further
        found += problems((size <= MAX_CONFIGURATION_BYTES, f"{name}: the content may have {size} bytes"))
    return found + problems((further >= 10 * MAX_VALUE_BYTES, "the next ten parameters are not counted"))


MAX_DESCRIPTION_LENGTH = 256
"""Characters of the description of a version of a Lambda function."""

MAX_CONFIGURATION_BYTES = 1_000_000
"""Of a configuration that AppConfig hosts: AWS says 1 MB."""

MAX_PARAMETERS = 200
"""Of a template of CloudFormation."""

MAX_VALUE_BYTES = 4_096
"""Of the value of a parameter. A Number has no fewer: CloudFormation keeps the text, leading zeros included."""

_CONFIGURATION_NUMBER_BYTES = len("1234567|1234567|2147483647")
"""What a reference to a configuration gives: its number, at most after two ids of seven characters."""


def _max_bytes(template: Node, value: object) -> int:
    """Return how many bytes a text may have."""
    match value:
        case {"Fn::If": [_, one, other]}:
            return max(_max_bytes(template, one), _max_bytes(template, other))
        case {"Fn::Join": [",", dict(values)]}:
            return _max_bytes(template, values)
        case {"Fn::Sub": str(text)}:
            return _max_bytes(template, {"Fn::Sub": [text, {}]})
        case {"Fn::Sub": [str(text), dict(own)]}:
            named = [own.get(name, {"Ref": name}) for name in re.findall(r"\$\{(\w+)\}", text)]
            return len(re.sub(r"\$\{\w+\}", "", text).encode()) + sum(_max_bytes(template, it) for it in named)
        case {"Ref": str(name)}:
            return _max_bytes_of(template, name)
    return len(str(value).encode())


def _max_bytes_of(template: Node, name: str) -> int:
    if name in template["Parameters"]:
        return _max_value_bytes(template["Parameters"][name])
    known = template["Resources"][name]["Type"] == _CONFIGURATION
    return _CONFIGURATION_NUMBER_BYTES if known else MAX_CONFIGURATION_BYTES


def _max_value_bytes(parameter: Node) -> int:
    """Return how many bytes a parameter's value may have, as far as the template limits it."""
    if "AllowedValues" in parameter:
        return max(len(str(value).encode()) for value in parameter["AllowedValues"])
    return min(4 * int(parameter.get("MaxLength", MAX_VALUE_BYTES)), MAX_VALUE_BYTES)


CHECKS: tuple[Check, ...] = (
    fifo_queues_are_in_high_throughput_mode,
    every_queue_has_its_own_dead_letter_queue,
    the_bulk_queue_is_as_the_membership_queue,
    forwarding_waits_for_what_it_relies_on,
    queues_have_the_longest_retention_and_the_largest_messages_of_sqs,
    max_receive_count_is_above_the_workers_attempts,
    no_message_is_moved_by_sqs_while_it_may_wait,
    visibility_timeouts_are_six_times_the_workers_timeout,
    each_queue_has_its_function_which_reports_failures_by_message,
    erasures_have_a_way_of_their_own,
    the_worker_may_send_waiting_messages_again,
    concurrency_is_what_lambda_accepts_for_sqs,
    batches_are_as_large_as_lambda_accepts,
    queued_events_are_delivered_as_fast_as_mparticle_sends_them,
    reserved_concurrency_never_throttles_the_worker,
    every_setting_that_the_code_reads_is_set,
    parameters_accept_what_the_code_accepts,
    every_handler_exists,
    function_timeouts_are_longer_than_the_calls_in_them,
    the_functions_share_one_build,
    functions_are_released_with_snapshots,
    a_parameter_that_changes_makes_a_new_version,
    a_version_has_room_for_all_parameter_values,
)
