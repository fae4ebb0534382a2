"""Readers of mParticle's data that every mapping needs."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import (
    PartnerCall,
    changes,
    changes_by_user,
    choice_setting,
    header_setting,
    identity,
    iso_time,
    known,
    named_identities,
    number,
    path_segment,
    plain,
    subject_identities,
)
from mparticle_firehose.integration.calls import encoded_json
from mparticle_firehose.integration.mapping import has_hashed_subject
from mparticle_firehose.protocol import (
    Account,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    IdentityEncoding,
    UserIdentity,
    UserIdentityType,
)
from tests.conftest import Json, load_event, parsed

IDENTITIES = st.lists(
    st.builds(
        lambda kind, encoding, value: UserIdentity.model_validate(
            {"type": kind, "encoding": encoding, "value": f"{encoding} {value}"}
        ),
        st.sampled_from(["email", "customer"]),
        st.sampled_from([*map(str, IdentityEncoding), "unheard_of"]),
        st.integers(0, 9),
    ),
    max_size=6,
)


@given(IDENTITIES)
def test_an_identity_is_the_first_of_its_type_and_never_a_hash(identities: list[UserIdentity]) -> None:
    raw = [each.value for each in identities if each.type == "email" and each.value.startswith("raw ")]

    assert identity(identities, UserIdentityType.EMAIL) == next(iter(raw), None)


def test_a_hash_alone_is_no_identity() -> None:
    hashed = UserIdentity.model_validate({"type": "email", "encoding": "sha256", "value": "ab"})

    assert identity([hashed], UserIdentityType.EMAIL) is None


RAW, OTHER_RAW, HASH, MD5 = (
    UserIdentity.model_validate({"type": "email", "encoding": encoding, "value": value})
    for encoding, value in [("raw", "a@b"), ("raw", "c@d"), ("sha256", "ab"), ("md5", "cd")]
)


@pytest.mark.parametrize(
    ("identities", "named"),
    [
        ([RAW, HASH], {"email": "a@b", "email_sha256": "ab"}),
        ([HASH, RAW], {"email": "a@b", "email_sha256": "ab"}),
        ([HASH], {"email_sha256": "ab"}),
        ([HASH, MD5], {"email_sha256": "ab", "email_md5": "cd"}),
        ([RAW, OTHER_RAW], {"email": "a@b"}),
        ([], {}),
    ],
    ids=["raw-first", "hash-first", "hash-only", "two-hashes", "two-raw", "none"],
)
def test_a_hash_is_named_as_one(identities: list[UserIdentity], named: Json) -> None:
    assert named_identities(identities) == named


def test_an_encoding_that_nobody_knows_is_a_hash() -> None:
    odd = UserIdentity.model_validate({"type": "email", "encoding": "rot13", "value": "n@o"})

    assert named_identities([odd], [RAW]) == {"email_rot13": "n@o", "email": "a@b"}


@pytest.mark.parametrize(
    ("kinds", "extension", "named", "has_hash"),
    [
        ({"email": ("raw", "a@b")}, {"email": ("sha256", "ab")}, {"email_sha256": "ab", "email": "a@b"}, True),
        ({"email": ("sha256", "ab")}, {"email": ("raw", "a@b")}, {"email": "a@b", "email_sha256": "ab"}, True),
        ({"email": ("sha256", "ab")}, {}, {"email_sha256": "ab"}, True),
        ({"email": (None, "a@b")}, {"mpid": ("raw", "1")}, {"mpid": "1", "email": "a@b"}, False),
    ],
    ids=["hash-in-extension", "raw-in-extension", "hash-only", "raw-only"],
)
def test_whom_to_forget_is_never_named_by_a_hash_alone(
    kinds: Json, extension: Json, named: Json, has_hash: bool
) -> None:
    def sent(identities: Json) -> Json:
        return {kind: {"encoding": encoding, "value": value} for kind, (encoding, value) in identities.items()}

    content = {"opendsr.mparticle.com": {"subject_identities": sent(extension)}}
    request = parsed(
        DsrProcessingRequest, load_event("dsr_processing_request", subject_identities=sent(kinds), extensions=content)
    )

    assert subject_identities(request) == named
    assert has_hashed_subject(request) is has_hash


@pytest.mark.parametrize("value", ["7", "aud-1", "a b", "a:b,c;d", "...", "~x", "ü"])
def test_an_id_is_one_segment_of_a_path(value: str) -> None:
    segment = path_segment(value, "listId")

    assert unquote(segment) == value
    assert PartnerCall(path=f"/lists/{segment}").path.count("/") == 2


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ".",
        "..",
        "%2e%2e",
        "%2E.",
        "a/b",
        "/",
        "\\",
        "..\\..",
        "a?b",
        "a#b",
        "a\r\nb",
        "\0",
        "\x7f",
        "\u2028",
        "\ud800",
        ".. ",
        " ..",
        ". ",
        "\uff0e\uff0e",
        "\u2025",
        "a\uff0fb",
    ],
    ids=ascii,
)
def test_what_is_no_id_is_refused_by_setting_and_rule(value: str) -> None:
    with pytest.raises(SettingError) as caught:
        path_segment(value, "listId")

    rule = "must be an id: not blank, . or .., and without slashes, backslashes, ?, #, % and control characters"
    assert str(caught.value) == f"setting 'listId' {rule}"


@given(st.text(st.characters(exclude_categories=())))
def test_no_segment_leaves_its_place(value: str) -> None:
    try:
        segment = path_segment(value, "listId")
    except SettingError:
        return
    assert not {*"/?#\\ "} & {*unquote(segment)} - {" "}
    assert unquote(segment) not in {"", ".", ".."}


@given(st.decimals())
@example(Decimal("sNaN"))
def test_a_number_is_one_that_json_has_or_none(amount: Decimal) -> None:
    found = number(amount)

    assert (found is None) is not (amount.is_finite() and isfinite(float(amount)))
    encoded_json(found)


@given(st.decimals(-(10**9), 10**9, places=2, allow_nan=False))
def test_a_price_is_exact(amount: Decimal) -> None:
    assert Decimal(str(number(amount))) == amount


@given(st.integers(-(10**17), 10**17))
def test_a_whole_amount_is_a_whole_number(amount: int) -> None:
    found = number(Decimal(amount))

    assert (found, type(found)) == (amount, int)


@pytest.mark.parametrize("amount", ["1.00000000000000000001", "9007199254740993.5", "1E+18", "1E-400"])
def test_an_amount_that_is_whole_only_as_a_float_is_a_float(amount: str) -> None:
    found = number(Decimal(amount))

    assert (found, type(found)) == (float(amount), float)


@pytest.mark.parametrize("amount", ["1E+999999", "-1E+999999", "1E-999999", "1E+308"])
def test_an_amount_beyond_all_numbers_costs_neither_time_nor_an_error(amount: str) -> None:
    encoded_json(number(Decimal(amount)))


@given(st.integers())
def test_no_time_raises(milliseconds: int) -> None:
    assert iso_time(milliseconds).endswith("Z")


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001  UTC, as they are
def test_a_time_is_the_moment_in_utc(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    milliseconds = (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001  as above

    assert iso_time(milliseconds) == f"{moment.isoformat(timespec='milliseconds')}Z"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_466_456_299_032, "2016-06-20T20:58:19.032Z"),
        (10**30, "9999-12-31T23:59:59.999Z"),
        (-(10**30), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_outside_the_calendar_is_the_nearest_in_it(milliseconds: int, text: str) -> None:
    assert iso_time(milliseconds) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_a_plain_value_has_json_however_deep_its_amounts_are(value: object) -> None:
    encoded_json(plain(value))


@given(st.none() | st.booleans() | st.integers() | st.text())
def test_a_plain_value_stays_what_it_is(value: object) -> None:
    assert plain(value) is value


def test_plain_amounts_are_numbers_in_their_places() -> None:
    value: dict[str, Any] = {"price": Decimal("1.50"), "items": (Decimal(2), "x")}

    assert json.loads(encoded_json(plain(value))) == {"price": 1.5, "items": [2, "x"]}


def test_what_mparticle_does_not_say_is_left_out() -> None:
    assert known(a=0, b=None, c="", d={}, e=[], f=False) == {"a": 0, "c": "", "e": [], "f": False}


def test_changes_are_in_the_requests_order_without_those_that_ask_for_nothing() -> None:
    profiles = [
        {"audiences": [{"audience_id": 1, "action": "add"}, {"audience_id": 2}]},
        {"audiences": [{"audience_id": 3, "action": "delete"}, None, {"audience_id": 4, "action": "add"}]},
    ]
    request = AudienceMembershipChangeRequest.model_validate({"user_profiles": profiles})

    assert [(change.origin, change.audience.audience_id) for change in changes(request)] == [
        (("user_profiles", 0, 0), 1),
        (("user_profiles", 1, 0), 3),
        (("user_profiles", 1, 1), 4),
    ]
    assert [change.profile for change in changes(request)] == [request.user_profiles[at] for at in (0, 1, 1)]


def test_changes_by_user_are_those_of_each_user_also_of_one_without() -> None:
    audiences = [{"audience_id": 1, "action": "add"}, {"audience_id": 2}, {"audience_id": 3, "action": "delete"}]
    profiles = [{"mpid": "1", "audiences": audiences}, {"mpid": "2"}, {"mpid": "1", "audiences": audiences[:1]}]
    request = AudienceMembershipChangeRequest.model_validate({"user_profiles": profiles})

    of_users = [*changes_by_user(request)]

    assert [(user.mpid, [each.audience.audience_id for each in of_user]) for user, of_user in of_users] == [
        ("1", [1, 3]),
        ("2", []),
        ("1", [1]),
    ]
    assert [each for _, of_user in of_users for each in of_user] == [*changes(request)]


def test_a_change_shows_nothing_of_the_user() -> None:
    profile = {
        "user_identities": [{"type": "email", "encoding": "raw", "value": "canary-email"}],
        "audiences": [{"audience_id": 1, "audience_name": "canary-name", "action": "add"}],
    }
    request = AudienceMembershipChangeRequest.model_validate({"user_profiles": [profile]})

    assert "canary" not in repr([*changes(request)])


def test_subjects_are_whom_opendsr_names_and_mparticle_adds() -> None:
    request = DsrProcessingRequest.model_validate(
        {
            "subject_identities": {"email": {"value": "canary-email", "encoding": "raw"}},
            "extensions": {
                "opendsr.mparticle.com": {
                    "subject_identities": {
                        "mpid": {"value": "canary-mpid", "encoding": "raw"},
                        "email": {"value": "canary-email", "encoding": "raw"},
                    }
                }
            },
        }
    )

    assert subject_identities(request) == {"email": "canary-email", "mpid": "canary-mpid"}


@given(st.text())
def test_a_header_setting_can_be_sent_or_is_a_settings_error(value: str) -> None:
    try:
        found = header_setting(Account(account_settings={"key": value}), "key")
    except SettingError as error:
        assert error.setting == "key"  # noqa: PT017  the other branch is fine, too
    else:
        assert found == value.strip()
        assert all("!" <= character <= "~" for character in found)


@pytest.mark.parametrize("value", [None, "", " ", "canary-ä", "canary a", "canary\n-b"])
def test_a_key_that_no_header_can_carry_is_a_settings_error_without_the_key(value: str | None) -> None:
    with pytest.raises(SettingError, match=r"^account setting 'key' ") as caught:
        header_setting(Account(account_settings={"key": value}), "key")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "us", "canary-site"])
def test_a_choice_that_is_none_is_a_settings_error(value: str | None) -> None:
    with pytest.raises(SettingError, match=r"^account setting 'region' ") as caught:
        choice_setting(Account(account_settings={"region": value}), "region", {"US": "us"})

    assert "canary" not in str(caught.value)


def test_a_choice_stands_for_its_value() -> None:
    assert choice_setting(Account(account_settings={"region": " US "}), "region", {"US": 1}) == 1
