"""Google Ads: a job in three calls, with partial failures in the second; and the newer single call."""

from collections.abc import Sequence

from mparticle_firehose.integration import (
    Answer,
    Delivered,
    DeploymentSecret,
    Endpoint,
    Exchange,
    Json,
    JsonObject,
    OAuth2,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Target,
    index_in,
)
from tests.rooms.judging import room

ROOM = room(
    {
        "ads": "https://googleads.googleapis.com/v23",
        "manager": "https://datamanager.googleapis.com/v1",
        "token": "https://oauth2.googleapis.com",
    }
)
HEADERS = {"developer-token": DeploymentSecret("google_developer_token")}


def access(refresh_token: str, site: str = "manager", **parameters: str) -> Target:
    auth = OAuth2.refresh_token(
        refresh_token,
        site="token",
        path="/token",
        client_id=DeploymentSecret("google_client_id"),
        client_secret=DeploymentSecret("google_client_secret"),
    )
    return Target(site=site, auth=auth, parameters=parameters)


def upload(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    """Make a job, give it its operations, and run it: only then is anything delivered."""
    job: JsonObject = {
        "type": "CUSTOMER_MATCH_USER_LIST",
        "customerMatchUserListMetadata": {"userList": target["list"]},
    }
    path = f"/customers/{target['customer']}/offlineUserDataJobs:create"
    made = yield PartnerCall(path=path, headers=HEADERS, body=Json({"job": job}))
    name = made.text("resourceName")
    if not name:
        return Retry("no_job")
    operations: JsonObject = {
        "operations": [{str(body["verb"]): {"userIdentifiers": [{"hashedEmail": body["email"]}]}} for body in bodies],
        "enablePartialFailure": True,
    }
    added = yield PartnerCall(path=f"/{name}:addOperations", headers=HEADERS, body=Json(operations))
    outcome = by_partial_failure(bodies, added)
    yield PartnerCall(path=f"/{name}:run", headers=HEADERS, known=outcome.failures)
    return outcome


def by_partial_failure(bodies: Sequence[JsonObject], answer: Answer) -> Delivered:
    details = answer.each("partialFailureError", "details")
    elements = [
        element
        for detail in details
        for error in detail.each("errors")
        for element in error.each("location", "fieldPathElements")
        if element.text("fieldName") == "operations"
    ]
    places = [index_in(element.at("index"), len(bodies)) for element in elements]
    return Delivered({at: Rejected("invalid_member") for at in places if at is not None}, places.count(None))


def by_concurrency(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    errors = [error for detail in answer.each("error", "details") for error in detail.each("errors")]
    if any(error.text("errorCode", "databaseError") == "CONCURRENT_MODIFICATION" for error in errors):
        return Retry("concurrent_modification")
    return None


def _ingest(name: str, verb: str) -> Endpoint:
    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        members = [{"userData": {"userIdentifiers": [{"emailAddress": body["email"]}]}} for body in bodies]
        body: JsonObject = {"destinations": [{"productDestinationId": target["list"]}], "audienceMembers": members}
        return PartnerCall(path=f"/audienceMembers:{verb}", body=Json(body))

    return Endpoint(name=name, call=call, max_items=10_000, across_requests=True, lane="audience")


UPLOAD = Endpoint(name="upload", call=upload, judge=by_concurrency, max_items=10_000, across_requests=True)
JOIN, LEAVE = _ingest("join", "ingest"), _ingest("leave", "remove")
ENDPOINTS = (UPLOAD, JOIN, LEAVE)
