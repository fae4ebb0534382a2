"""All edge cases that are known of mParticle's APIs for partners, and where it is tested what becomes of each.

A test that is deleted or renamed must not take its case with it unnoticed. In brackets is the row of a table of tests.
"""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from local.isolation import ROOT

_EDGES = "tests/feed/test_edge_cases.py"
REFUSED = f"{_EDGES}::test_it_is_refused_before_anything_is_sent"
BECOMES = f"{_EDGES}::test_it_becomes"
ANSWER = f"{_EDGES}::test_an_answer_becomes"
API = "tests/feed/test_events_api.py::test_"
UPLOADS = "tests/feed/test_uploads.py::test_"
WORKER = "tests/feed_worker/test_feed_worker.py::test_"
PACE = "tests/feed_worker/test_pace.py::test_"
PAIRS = "tests/feed_worker/test_key_pairs.py::test_"
FUNCTION = "tests/test_feed_function.py::test_"
ERASED = "tests/tables/test_erased_people.py::test_"
LOOP = "tests/processors/test_feed_loop.py::test_"
SEND = "tests/ops/test_feed_send.py::test_"
PLATFORM = "tests/ops/test_platform_api.py::test_"
VERIFY = "tests/ops/test_mparticle_commands.py::test_"

CASES: dict[str, tuple[str, ...]] = {
    # what a batch says
    "no environment": (f"{REFUSED}[no environment]",),
    "unknown environment": (f"{REFUSED}[unknown environment]",),
    "time in seconds, as float or text": (
        f"{REFUSED}[time in seconds]", f"{REFUSED}[time as float]", f"{REFUSED}[time as text]",
    ),
    "three minutes ahead": (
        f"{BECOMES}[three minutes in the future]", f"{WORKER}a_time_slightly_ahead_is_the_same_in_each_repetition",
    ),
    "a day ahead": (f"{REFUSED}[a day in the future]",),
    "no time": (f"{REFUSED}[no time]",),
    "unsubscribe": (f"{BECOMES}[unsubscribe]", f"{WORKER}certain_events_go_singly_before_the_others"),
    "consent in a partner's feed": (f"{REFUSED}[consent in a partner's feed]",),
    "another vendor's identity": (f"{REFUSED}[another vendor's identity]",),
    "hash of an address": (
        f"{REFUSED}[only the hash of an address]",
        "tests/feed/test_identities.py::test_a_hash_is_never_sent_as_if_it_were_the_identity",
    ),
    "blank or null identity": (f"{BECOMES}[blank identity beside another]", f"{REFUSED}[only blank identities]"),
    "only an unknown address": (
        "tests/feed/test_mapping.py::"
        "test_a_mapping_may_leave_out_people_for_whom_the_customer_wants_no_new_profile",
    ),
    "mpid as text": (f"{REFUSED}[mpid as text]", f"{BECOMES}[negative mpid]"),
    "mpid 0": (f"{REFUSED}[only an mpid of 0]", f"{BECOMES}[mpid 0 beside an identity]"),
    "customerid of the SDKs": (f"{REFUSED}[customerid]",),
    "schema_version": (f"{REFUSED}[schema_version]",),
    "attribute that is a list or object": (
        f"{REFUSED}[attribute that is a list]", f"{BECOMES}[user attribute that is a list]",
    ),
    "long value": (f"{REFUSED}[value of 5,000 characters]",),
    "long name": (f"{REFUSED}[event's name of 300 characters]", f"{REFUSED}[attribute's name of 300 characters]"),
    "NaN, Decimal, datetime": (
        *(f"{REFUSED}[{row}]" for row in ("NaN", "infinite amount", "attribute that is a datetime")),
        *(f"{BECOMES}[{row}]" for row in ("Decimal", "moment with a zone")),
    ),
    "attribute set and deleted": (f"{REFUSED}[attribute that is set and deleted]",),
    "attribute that is null": (f"{BECOMES}[attribute that is null]",),
    "attribute that is false or 0": (f"{BECOMES}[false and 0]",),
    "event's name with an id": ("tests/feed/test_mapping.py::test_a_name_that_holds_an_id_is_refused",),
    "mParticle's own attribute": (f"{REFUSED}[mParticle's own attribute]",),
    "advertising id that is zero or empty": (
        f"{BECOMES}[all-zero advertising id]", f"{BECOMES}[empty advertising id]",
        f"{WORKER}an_identity_that_mparticle_could_not_use_is_dropped_and_counted",
    ),
    "IP address that is not public": (f"{BECOMES}[127.0.0.1]", f"{BECOMES}[10.1.2.3]", f"{BECOMES}[public ip]"),
    "end of a session without its start": (f"{REFUSED}[session that only ends]",),
    "commerce event of two shapes": (f"{REFUSED}[two shapes of commerce]",),
    "remove_from_wishlist": (f"{REFUSED}[remove_from_wishlist]",),
    # requests
    "bad batch in a bulk request": (
        f"{SEND}an_event_that_mparticle_drops_in_bulk_is_not_seen",
        f"{WORKER}what_breaks_a_rule_is_put_aside_with_field_and_rule_and_without_values",
        "tests/feed/test_encoding.py::test_what_is_valid_is_sent_by_the_published_rules",
    ),
    "event of 130 KB": (f"{REFUSED}[an event of 130 KB]",),
    "100 batches of 3 KB": (f"{BECOMES}[100 batches of 3 KB]",),
    "no batches": (f"{_EDGES}::test_no_batches_are_no_request",),
    "message of 150 events": (f"{WORKER}of_more_events_than_a_request_takes_the_guilty_one_is_put_aside_alone",),
    "user several times in a batch of messages": (f"{WORKER}events_of_one_user_are_not_merged",),
    "31 days old": (f"{BECOMES}[31 days old]", f"{WORKER}old_events_go_the_historical_way_beside_young_ones"),
    "old and new events in a message": (f"{_EDGES}::test_old_and_new_batches_of_one_message_go_two_ways",),
    "historical without events": (f"{REFUSED}[historical without events]",),
    "base URL with a slash or a query": (
        f"{_EDGES}::test_a_slash_at_the_end_of_the_base_url_does_not_matter", f"{REFUSED}[base URL with a query]",
    ),
    "base URL without TLS": (f"{REFUSED}[base URL without TLS]",),
    # answers
    "400 to a hundred batches": (
        f"{UPLOADS}one_bad_batch_in_a_hundred_takes_about_fifteen_requests",
        f"{WORKER}the_guilty_one_of_many_is_put_aside_alone",
    ),
    "400 without a body, or without JSON": (f"{ANSWER}[400 without a body]", f"{ANSWER}[400 that is not JSON]"),
    "400 with null or unknown errors": (f"{ANSWER}[400 with null errors]", f"{ANSWER}[400 with an unknown code]"),
    "400 that quotes an address": (f"{FUNCTION}what_mparticle_says_of_a_refused_event_is_neither_logged_nor_kept",),
    "429 at once": (
        f"{ANSWER}[429 at once]",
        f"{WORKER}after_a_429_it_waits_as_long_as_it_is_asked_and_for_its_backoff[at-once]",
    ),
    "429 without a wait": (
        f"{ANSWER}[429 without a wait]",
        f"{WORKER}after_a_429_it_waits_as_long_as_it_is_asked_and_for_its_backoff[not-said]",
    ),
    "429 until a date": (f"{ANSWER}[429 with a date]", f"{ANSWER}[429 with a date that has passed]"),
    "429 for a day": (
        f"{ANSWER}[429 for a day]",
        f"{WORKER}after_a_429_it_waits_as_long_as_it_is_asked_and_for_its_backoff[a-day]",
    ),
    "429 with an unreadable wait": (
        f"{ANSWER}[soon]", f"{WORKER}after_a_429_it_waits_as_long_as_it_is_asked_and_for_its_backoff[unreadable]",
    ),
    "limit that was exceeded, in quotes or unknown": (
        f"{ANSWER}[429 of the feed, in quotes]", f"{ANSWER}[429 of a limit that is new]",
        f"{ANSWER}[429 of a limit with a long name]", f"{ANSWER}[429 of something unreadable]",
    ),
    "rate that grows too fast": (f"{PACE}after_acceleration_the_rate_stays_for_a_minute_and_then_grows",),
    "one customer throttled": (f"{WORKER}a_429_stops_its_key_pair_and_no_other",),
    "percentage that is no number": (f"{ANSWER}[much]", f"{ANSWER}[101 percent used]", f"{ANSWER}[92.5 percent used]"),
    "503 for hours": (
        f"{WORKER}an_outage_of_six_hours_costs_no_event", f"{WORKER}a_host_that_is_down_is_left_alone_for_a_while",
    ),
    "redirect to another host": (f"{API}a_redirect_is_not_followed",),
    "answer that is huge or drips": (
        f"{API}a_hostile_answer_is_an_outcome", f"{API}a_dripping_answer_is_cut_off",
    ),
    "wrong pod": (f"{ANSWER}[403, perhaps of another pod]",),
    "batch that a data plan blocks": (f"{SEND}an_event_that_mparticle_drops_in_bulk_is_not_seen",),
    # repetitions
    "timeout after sending": (f"{WORKER}what_fails_comes_again_and_arrives_once",),
    "worker that dies before it deletes": (
        f"{WORKER}a_worker_that_dies_between_two_steps_neither_loses_nor_doubles",
    ),
    "letter of 70 days ago": (
        "tests/deployment/template_checks_delivery.py::queues_have_the_longest_retention_and_the_largest_messages_of_sqs",
    ),
    "event in two messages": (f"{WORKER}an_event_that_is_delivered_twice_in_two_messages_arrives_once",),
    "equal ids of different users": (f"{WORKER}equal_ids_of_different_users_or_customers_are_different_events",),
    "feed connected to the partner's own output": (
        f"{LOOP}own_events_are_left_out_and_the_others_go_on",
        f"{LOOP}a_request_with_nothing_else_is_acknowledged_and_nothing_is_sent",
    ),
    "erasure while events wait": (
        f"{WORKER}events_about_an_erased_person_are_dropped_also_those_that_wait",
        f"{FUNCTION}an_erased_person_is_left_out_from_the_erasure_on",
        f"{ERASED}a_person_is_forgotten_after_70_days_although_the_tables_own_expiry_is_late",
    ),
    # key pairs
    "disconnected feed": (
        f"{WORKER}a_refused_key_pair_waits_for_a_quarter_of_an_hour_and_is_never_given_up",
        f"{WORKER}what_waits_for_ten_days_is_put_aside",
    ),
    "rotated key pair": (
        f"{WORKER}a_rotated_key_pair_is_read_again_at_once",
        f"{PAIRS}a_pair_is_read_once_and_again_when_the_copy_is_old",
    ),
    "key with a colon, secret in any script": (
        f"{REFUSED}[key with a colon]", f"{_EDGES}::test_a_secret_in_any_script_is_sent_as_utf_8",
    ),
    "no key pair": (
        f"{WORKER}without_a_key_pair_events_wait_and_arrive_when_there_is_one",
        "tests/deployment/template_checks_feed.py::the_feeds_alarms_watch_queues_function_and_key_pairs",
    ),
    "e-mail's event and a platform's feed": (
        f"{PAIRS}a_platform_has_its_own_pair_else_that_of_all_else_the_only_one",
        f"{WORKER}a_platform_has_its_own_key_pair",
    ),
    # the Platform API
    "token endpoint that is slow or fails": (
        f"{PLATFORM}fetching_a_token_is_tried_three_times_with_pauses",
        f"{PLATFORM}a_slow_token_endpoint_is_given_up",
        f"{PLATFORM}a_failed_renewal_uses_the_token_to_its_end_and_not_beyond",
    ),
    "token without a lifetime": (f"{PLATFORM}a_token_without_a_usable_lifetime_lasts_five_minutes",),
    "401 for a new token": (f"{PLATFORM}a_401_for_a_new_token_ends_with_what_to_check",),
    "504 to a read": (f"{PLATFORM}an_unavailable_api_is_asked_again_three_times",),
    "504 to a creation": (f"{PLATFORM}nothing_is_created_changed_or_deleted",),
    "list or envelope": (f"{PLATFORM}all_spellings_of_an_answer_are_read[list-or-envelope]",),
    "names and ids in two spellings": (
        f"{PLATFORM}all_spellings_of_an_answer_are_read[camel-or-snake-case]",
        f"{PLATFORM}all_spellings_of_an_answer_are_read[one-entity]",
    ),
    "time without a zone": (
        f"{PLATFORM}a_time_without_a_zone_is_utc", f"{VERIFY}a_module_as_registered_is_shown_without_names_and_values",
    ),
    "422 with several errors": (f"{PLATFORM}a_422_shows_every_error_and_masks_their_values",),
    "secret on the command line": (
        f"{VERIFY}no_option_takes_a_credential", f"{SEND}a_credential_on_the_command_line_is_refused_and_not_shown",
    ),
    "feed that must be created": (f"{VERIFY}each_difference_is_a_line_with_what_to_do[no-feed]",),
    "starred value of a setting": (f"{VERIFY}what_may_differ_is_no_difference[starred]",),
}  # fmt: skip


@cache
def names_in(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the functions and the texts of a file."""
    nodes = list(ast.walk(ast.parse((ROOT / file).read_text())))
    functions = frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))
    texts = frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return functions, texts


def missing(test: str) -> Iterator[str]:
    file, _, named = test.partition("::")
    function, _, row = named.removesuffix("]").partition("[")
    functions, texts = names_in(file)
    if function not in functions or (row and row not in texts):
        yield test


@pytest.mark.parametrize("case", CASES)
def test_the_tests_of_a_case_exist(case: str) -> None:
    assert [test for named in CASES[case] for test in missing(named)] == []


@pytest.mark.parametrize("test", [f"{REFUSED}_twice", f"{REFUSED}[no such row]"], ids=["test", "row"])
def test_a_test_that_does_not_exist_is_noticed(test: str) -> None:
    assert list(missing(test)) == [test]


def test_no_case_is_forgotten() -> None:
    assert len(CASES) >= 83
