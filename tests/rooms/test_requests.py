"""What the calls look like: method, path, query, headers, credential and body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest

from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import (
    Auth,
    Basic,
    Bearer,
    DeploymentSecret,
    Endpoint,
    Header,
    InBody,
    JsonObject,
    OAuth2,
    Secret,
    Target,
    choice_setting,
    header_setting,
)
from mparticle_firehose.integration.auth import basic_credentials
from mparticle_firehose.protocol import Account
from tests.rooms import (
    airship,
    amplitude,
    braze,
    customerio,
    facebook,
    google_ads,
    hubspot,
    iterable,
    klaviyo,
    mixpanel,
    new_relic,
    onesignal,
    sailthru,
    segment,
    split_io,
    tiktok,
)
from tests.rooms.judging import call_of

A, B = {"email": "a@x.io"}, {"email": "b@x.io"}
E1, E2 = {"id": "1"}, {"id": "2"}


@dataclass(frozen=True)
class Request:
    """A call that an endpoint makes of these bodies, and what it must be."""

    endpoint: Endpoint
    target: Target
    bodies: Sequence[JsonObject]
    line: str
    body: str = ""
    query: Mapping[str, Secret] = field(default_factory=dict)
    headers: Mapping[str, Secret] = field(default_factory=dict)
    gzip: bool = False
    accept: frozenset[int] = frozenset()

    def __str__(self) -> str:
        return self.line


ITERABLE = iterable.access("canary-key", list="7")
AIRSHIP = {"X-UA-Appkey": "canary-app", "Accept": "application/vnd.urbanairship+json; version=3"}
REQUESTS = [
    Request(
        iterable.TRACK,
        ITERABLE,
        [A, B],
        "POST /api/events/trackBulk",
        '{"events":[{"email":"a@x.io"},{"email":"b@x.io"}]}',
    ),
    Request(
        iterable.JOIN, ITERABLE, [A], "POST /api/lists/subscribe", '{"listId":7,"subscribers":[{"email":"a@x.io"}]}'
    ),
    Request(
        iterable.LEAVE,
        ITERABLE,
        [A],
        "POST /api/lists/unsubscribe",
        '{"listId":7,"subscribers":[{"email":"a@x.io"}],"channelUnsubscribe":false}',
    ),
    Request(
        iterable.PURCHASE, ITERABLE, [{"user": A}], "POST /api/commerce/trackPurchase", '{"user":{"email":"a@x.io"}}'
    ),
    Request(
        braze.TRACK,
        braze.access("canary-key"),
        [braze.tracked("events", name="e"), braze.tracked("attributes", vip=True), braze.tracked("events", name="f")],
        "POST /users/track",
        '{"attributes":[{"vip":true}],"events":[{"name":"e"},{"name":"f"}]}',
    ),
    Request(
        braze.ERASE,
        braze.access("canary-key", kind="email_addresses"),
        [{"value": "a@x.io"}],
        "POST /users/delete",
        '{"email_addresses":["a@x.io"]}',
        accept=frozenset({404}),
    ),
    Request(
        customerio.BATCH,
        customerio.access("s", "k"),
        [E1, E2],
        "POST /api/v2/batch",
        '{"batch":[{"id":"1"},{"id":"2"}]}',
    ),
    Request(
        customerio.ADD,
        customerio.access("s", "k", segment="4", id_type="email"),
        [E1],
        "POST /api/v1/segments/4/add_customers",
        '{"ids":["1"]}',
        query={"id_type": "email"},
    ),
    Request(
        customerio.SUPPRESS,
        customerio.access("s", "k"),
        [{"id": "a/b?c@x.io"}],
        "POST /api/v1/customers/a%2Fb%3Fc%40x.io/suppress",
    ),
    Request(
        hubspot.UPSERT,
        hubspot.access("canary-token"),
        [A],
        "POST /crm/v3/objects/contacts/batch/upsert",
        '{"inputs":[{"id":"a@x.io","idProperty":"email","properties":{"email":"a@x.io"},"objectWriteTraceId":"0"}]}',
    ),
    Request(
        hubspot.FORGET,
        hubspot.access("canary-token"),
        [A],
        "POST /crm/v3/objects/contacts/gdpr-delete",
        '{"objectId":"a@x.io","idProperty":"email"}',
        accept=frozenset({404}),
    ),
    Request(
        klaviyo.EVENTS,
        klaviyo.access("canary-key"),
        [E1],
        "POST /event-bulk-create-jobs",
        '{"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":[{"id":"1"}]}}}}',
        headers={"revision": "2026-04-15"},
    ),
    Request(
        klaviyo.LEAVE,
        klaviyo.access("canary-key", list="L"),
        [{"id": "P1"}],
        "DELETE /lists/L/relationships/profiles",
        '{"data":[{"type":"profile","id":"P1"}]}',
        headers={"revision": "2026-04-15"},
    ),
    Request(
        amplitude.EVENTS,
        amplitude.access("canary-key"),
        [E1],
        "POST /2/httpapi",
        '{"api_key":"canary-key","events":[{"id":"1"}]}',
    ),
    Request(
        amplitude.MEMBERS,
        amplitude.cohort_access("canary-key", "canary-secret", "c"),
        [{"id": "u", "operation": "ADD"}, {"id": "v", "operation": "REMOVE"}],
        "POST /api/3/cohorts/membership",
        '{"cohort_id":"c","skip_invalid_ids":true,"memberships":[{"ids":["u"],"id_type":"BY_NAME","operation":"ADD"},'
        '{"ids":["v"],"id_type":"BY_NAME","operation":"REMOVE"}]}',
    ),
    Request(
        mixpanel.IMPORT,
        mixpanel.import_access("canary-user", "canary-secret", "9"),
        [E1, E2],
        "POST /import",
        '[{"id":"1"},{"id":"2"}]',
        query={"strict": "1", "project_id": "9"},
        gzip=True,
    ),
    Request(
        mixpanel.ENGAGE,
        mixpanel.engage_access("canary-token"),
        [{"$distinct_id": "u"}],
        "POST /engage",
        '[{"$token":"canary-token","$distinct_id":"u"}]',
        query={"verbose": "1"},
    ),
    Request(segment.BATCH, segment.access("canary-key"), [E1], "POST /batch", '{"batch":[{"id":"1"}]}'),
    Request(facebook.CONVERSIONS, facebook.access(pixel="5"), [E1], "POST /5/events", '{"data":[{"id":"1"}]}'),
    Request(
        facebook.REMOVE,
        facebook.access(audience="6"),
        [{"email": facebook.hashed(" A@x.io")}],
        "DELETE /6/users",
        f'{{"payload":{{"schema":["EMAIL_SHA256"],"data":[["{facebook.hashed("a@x.io")}"]]}}}}',
    ),
    Request(
        tiktok.MEMBERS,
        tiktok.access("canary-token", action="add", advertiser="1"),
        [{"id": "h", "audience": "2"}],
        "POST /segment/mapping/",
        '{"advertiser_ids":["1"],"action":"add","id_schema":["EMAIL_SHA256"],'
        '"batch_data":[[{"id":"h","audience_ids":["2"]}]]}',
    ),
    Request(
        google_ads.UPLOAD,
        google_ads.access("canary-token", site="ads", customer="1", list="l"),
        [A],
        "POST /customers/1/offlineUserDataJobs:create",
        '{"job":{"type":"CUSTOMER_MATCH_USER_LIST","customerMatchUserListMetadata":{"userList":"l"}}}',
        headers={"developer-token": DeploymentSecret("google_developer_token")},
    ),
    Request(
        google_ads.LEAVE,
        google_ads.access("canary-token", list="l"),
        [A],
        "POST /audienceMembers:remove",
        '{"destinations":[{"productDestinationId":"l"}],'
        '"audienceMembers":[{"userData":{"userIdentifiers":[{"emailAddress":"a@x.io"}]}}]}',
    ),
    Request(
        onesignal.ERASE,
        onesignal.access("canary-key", "app", "u"),
        [{}],
        "DELETE /apps/app/users/by/external_id/u",
        accept=frozenset({404}),
    ),
    Request(
        airship.EVENTS,
        airship.access("canary-token", "canary-app"),
        [E1, E2],
        "POST /api/custom-events",
        '[{"id":"1"},{"id":"2"}]',
        headers=AIRSHIP,
    ),
    Request(
        airship.TAGS,
        airship.access("canary-token", "canary-app"),
        [{"user": "u", "verb": "add", "tag": "vip"}],
        "POST /api/named_users/tags",
        '{"audience":{"named_user_id":["u"]},"add":{"mparticle":["vip"]}}',
        headers=AIRSHIP,
    ),
    Request(
        split_io.UPLOAD,
        split_io.access("canary-key", environment="e", segment="s"),
        [{"key": "u", "made_at": 1}],
        "PUT /segments/e/s/uploadKeys",
        '{"keys":["u"],"comment":"mParticle"}',
        query={"replace": "false"},
    ),
    Request(split_io.EVENTS, split_io.events_access("canary-key"), [E1], "POST /events", '[{"id":"1"}]'),
    Request(
        new_relic.EVENTS,
        new_relic.access("canary-key", "11"),
        [E1],
        "POST /v1/accounts/11/events",
        '[{"id":"1"}]',
        gzip=True,
    ),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_each_call_is_what_the_partner_documents(request_: Request) -> None:
    call = call_of(request_.endpoint, request_.target, *request_.bodies)

    assert f"{call.method} {call.path}" == request_.line
    assert (call.body.encoded().decode() if call.body else "") == request_.body
    assert (call.query, call.headers) == (request_.query, request_.headers)
    assert (call.gzip, call.accept) == (request_.gzip, request_.accept)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_nothing_secret_or_personal_is_in_what_could_be_logged(request_: Request) -> None:
    call = call_of(request_.endpoint, request_.target, *request_.bodies)
    shown = f"{request_.target!r} {call!r} {request_.endpoint!r}"

    assert not [value for value in ("canary-", "x.io", "external_id/u", "czpr") if value in shown]


@pytest.mark.parametrize(
    ("target", "auth"),
    [
        (iterable.access("canary-key"), Header("Api-Key", "canary-key")),
        (braze.access("canary-key"), Bearer("canary-key")),
        (braze.partner_access("canary-secret", "us-01", "c"), InBody("canary-secret")),
        (customerio.access("s", "k"), Basic("s", "k")),
        (klaviyo.access("canary-key"), Header("Authorization", "canary-key", "Klaviyo-API-Key ")),
        (amplitude.cohort_access("canary-key", "canary-secret", "c"), Basic("canary-key", "canary-secret")),
        (segment.access("canary-key"), Basic("canary-key", "")),
        (facebook.access(), Bearer(DeploymentSecret("facebook_system_user"))),
        (tiktok.access("canary-token"), Header("Access-Token", "canary-token")),
        (onesignal.access("canary-key", "a", "u"), Header("Authorization", "canary-key", "Key ")),
        (sailthru.access("canary-key", "canary-secret"), InBody("canary-key", "canary-secret")),
        (new_relic.access("canary-key", "1"), Header("Api-Key", "canary-key")),
        (
            hubspot.access("canary-token"),
            OAuth2(
                site="hubspot",
                path="/oauth/v3/token",
                form=(
                    ("grant_type", "refresh_token"),
                    ("refresh_token", "canary-token"),
                    ("client_id", DeploymentSecret("hubspot_client_id")),
                    ("client_secret", DeploymentSecret("hubspot_client_secret")),
                ),
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_partner_gets_its_credential_as_it_wants_it(target: Target, auth: Auth) -> None:
    assert target.auth == auth


def test_c6_basic_credentials_are_joined_by_a_colon() -> None:
    assert basic_credentials("s", "k") == "czpr"


@pytest.mark.parametrize(
    ("event_id", "ulid"),
    [
        ("00000000-0000-0000-0000-000000000001", "00000000000000000000000001"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
        ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "1Z4M2E0KW9879SM3030QM2RCR1"),
    ],
)
def test_an_events_uuid_is_a_ulid_of_the_same_bits(event_id: str, ulid: str) -> None:
    assert customerio.ulid(event_id) == ulid


def test_a_form_is_signed_with_the_secret_and_its_values_in_order() -> None:
    call = call_of(sailthru.USER, sailthru.access("key", "secret"), {"id": "u"})

    assert call.body is not None
    assert call.body.content_type == "application/x-www-form-urlencoded"
    assert parse_qsl(call.body.encoded().decode()) == [
        ("api_key", "key"),
        ("format", "json"),
        ("json", '{"id":"u"}'),
        ("sig", "eed467fdccd66db7356b980ef7ed7eff"),
    ]


def test_a_region_that_is_not_on_the_list_is_a_settings_error_before_any_call() -> None:
    regions = {"US": "us", "EU": "eu"}

    assert choice_setting(Account(account_settings={"region": "EU"}), "region", regions) == "eu"
    with pytest.raises(SettingError, match="account setting 'region' must be one of US, EU") as caught:
        choice_setting(Account(account_settings={"region": "canary-host.example"}), "region", regions)
    assert "canary" not in str(caught.value)


def test_a_key_that_was_pasted_with_blanks_is_the_key() -> None:
    account = Account(account_settings={"key": " canary-key\n"})

    assert header_setting(account, "key") == "canary-key"
