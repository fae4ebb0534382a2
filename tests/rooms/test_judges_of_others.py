"""What the answers of the other twelve partners mean: the outcome of each item of a call."""

import pytest

from tests.rooms import (
    airship,
    amplitude,
    facebook,
    google_ads,
    klaviyo,
    mixpanel,
    new_relic,
    onesignal,
    sailthru,
    segment,
    split_io,
    tiktok,
)
from tests.rooms.judging import NOW, answered, judged, kinds
from tests.rooms.vectors import Vector

KLAVIYO = [
    Vector(
        "K1 the good ones go again",
        klaviyo.ROOM,
        klaviyo.EVENTS,
        3,
        answered(
            400,
            {
                "errors": [
                    {
                        "status": 400,
                        "detail": "x",
                        "source": {"pointer": "/data/attributes/events-bulk-create/data/1/attributes/profile"},
                    }
                ]
            },
        ),
        ["retry(0)", "reject", "retry(0)"],
    ),
    Vector("K1 nothing named", klaviyo.ROOM, klaviyo.EVENTS, 3, answered(400, {"errors": [{}]}), ["alone"] * 3),
    Vector("K3", klaviyo.ROOM, klaviyo.EVENTS, 1, answered(429, None, {"Retry-After": "7"}), ["retry(7)"]),
]

AMPLITUDE = [
    Vector(
        "A1 the good ones go again",
        amplitude.ROOM,
        amplitude.EVENTS,
        4,
        answered(
            400,
            {
                "code": 400,
                "error": "x",
                "events_with_invalid_fields": {"time": [2]},
                "events_with_missing_fields": {"event_type": [0]},
            },
        ),
        ["reject", "retry(0)", "reject", "retry(0)"],
    ),
    Vector("A2", amplitude.ROOM, amplitude.EVENTS, 2, answered(429, {"code": 429, "error": "x"}), ["retry(30)"] * 2),
    *(
        Vector(
            f"A3 {verb}",
            amplitude.ROOM,
            amplitude.MEMBERS,
            [{"id": user, "operation": verb} for user in ("u1", "u2")],
            answered(200, {"cohort_id": "c", "memberships_result": [{"operation": verb, "skipped_ids": ["u2"]}]}),
            outcome,
        )
        for verb, outcome in (("ADD", ["ok", "reject"]), ("REMOVE", ["ok", "ok"]))
    ),
]

MIXPANEL = [
    Vector(
        "M1 a 400 that is a partial success",
        mixpanel.ROOM,
        mixpanel.IMPORT,
        3,
        answered(
            400,
            {
                "code": 400,
                "error": "some data points failed",
                "status": "Bad Request",
                "num_records_imported": 2,
                "failed_records": [{"index": 1, "insert_id": "i1", "field": "properties.time", "message": "x"}],
            },
        ),
        ["ok", "reject", "ok"],
    ),
    Vector(
        "M2",
        mixpanel.ROOM,
        mixpanel.IMPORT,
        3,
        answered(400, {"code": 400, "error": "x", "status": "Bad Request"}),
        ["reject"] * 3,
    ),
    Vector("M3", mixpanel.ROOM, mixpanel.IMPORT, 3, answered(413), ["split"] * 3),
    Vector("a 200 with an error", mixpanel.ROOM, mixpanel.ENGAGE, 2, answered(200, {"error": "x"}), ["reject"] * 2),
]

SEGMENT = [
    Vector("S1", segment.ROOM, segment.BATCH, 2, answered(200, {"success": True}), ["ok"] * 2),
    Vector("S2 of 3", segment.ROOM, segment.BATCH, 3, answered(400), ["split"] * 3),
    Vector("S2 of 1", segment.ROOM, segment.BATCH, 1, answered(400), ["reject"]),
    Vector("S3", segment.ROOM, segment.BATCH, 2, answered(429, None, {"X-RateLimit-Reset": "4"}), ["retry(4)"] * 2),
]


def usage(**minutes: int) -> dict[str, str]:
    accounts = ", ".join(
        f'"{account}": [{{"estimated_time_to_regain_access": {at}}}]' for account, at in minutes.items()
    )
    return {"X-Business-Use-Case-Usage": f"{{{accounts}}}"}


FACEBOOK = [
    *(
        Vector(f"{name} {error}", facebook.ROOM, facebook.CONVERSIONS, count, answered(400, {"error": error}), outcome)
        for name, error, count, outcome in (
            ("F1", {"code": 17, "message": "x"}, 1, ["retry"]),
            ("F2", {"code": 190, "error_subcode": 463}, 1, ["suspend"]),
            ("F3", {"code": 100, "error_subcode": 2804003}, 3, ["alone"] * 3),
            ("F3", {"code": 100, "error_subcode": 2804003}, 1, ["reject"]),
            ("object gone", {"code": 100, "error_subcode": 33}, 3, ["reject"] * 3),
            ("never", {"code": 2650}, 2, ["reject"] * 2),
            ("later", {"code": 1}, 2, ["retry"] * 2),
        )
    ),
    Vector(
        "F4 which one is not told",
        facebook.ROOM,
        facebook.ADD,
        2,
        answered(200, {"num_received": 2, "num_invalid_entries": 1, "invalid_entry_samples": {}}),
        ["ok"] * 2,
    ),
    *(
        Vector(
            f"a wait in minutes: {headers}",
            facebook.ROOM,
            facebook.CONVERSIONS,
            1,
            answered(400, {"error": {"code": 17}}, headers),
            [outcome],
        )
        for headers, outcome in (
            (usage(one=5, two=3), "retry(300)"),
            ({"X-Business-Use-Case-Usage": "["}, "retry"),
            ({"X-Business-Use-Case-Usage": "[" * 30_000}, "retry"),
        )
    ),
]

TIKTOK = [
    Vector(f"{name} {body} for {len(outcome)}", tiktok.ROOM, tiktok.EVENTS, len(outcome), answered(200, body), outcome)
    for name, body, outcome in (
        ("T1", {"code": 0, "message": "OK"}, ["ok"] * 2),
        ("T2", {"code": 40100, "message": "x"}, ["retry(5)"]),
        ("T3", {"code": 40002, "message": "x"}, ["alone"] * 3),
        ("T3", {"code": 40002, "message": "x"}, ["reject"]),
        ("T3", {"code": 40105, "message": "x"}, ["suspend"] * 3),
        ("later", {"code": 50002}, ["retry"] * 3),
        ("a boolean is no code", {"code": False}, ["retry"]),
    )
]

CONCURRENT = {"error": {"details": [{"errors": [{"errorCode": {"databaseError": "CONCURRENT_MODIFICATION"}}]}]}}
GOOGLE_ADS = [
    Vector("G2", google_ads.ROOM, google_ads.UPLOAD, 2, answered(400, CONCURRENT), ["retry"] * 2),
    Vector("G2 another 400", google_ads.ROOM, google_ads.UPLOAD, 2, answered(400, {"error": {}}), ["alone"] * 2),
]

OTHERS = [
    Vector("O2", onesignal.ROOM, onesignal.UPDATE, 1, answered(429, None, {"Retry-After": "3"}), ["retry(3)"]),
    Vector(
        "P1",
        airship.ROOM,
        airship.EVENTS,
        3,
        answered(400, {"ok": False, "error": "x", "details": {"path": "1.body.name"}}),
        ["alone"] * 3,
    ),
    *(
        Vector(f"{name} {status} {body}", sailthru.ROOM, sailthru.USER, 1, answered(status, body, headers), [outcome])
        for name, status, body, headers, outcome in (
            ("L1", 400, {"error": 11, "errormsg": "x"}, {}, "reject"),
            ("L2", 403, {"error": 99, "errormsg": "x"}, {}, "reject"),
            ("L2", 401, {"error": 3}, {}, "suspend"),
            ("L2", 400, {"error": 4}, {}, "suspend"),
            ("L2", 200, {"error": 5}, {}, "suspend"),
            ("L3", 400, {"error": 9}, {}, "retry"),
            ("L3", 500, {"error": 9}, {}, "retry"),
            ("L3", 429, {}, {"X-Rate-Limit-Reset": "20"}, "retry(20)"),
            ("L3", 429, {}, {}, "retry(60)"),
            ("L3", 400, {"error": 43}, {}, "retry(60)"),
        )
    ),
    *(
        Vector(
            f"X2 a segment of {age:g} seconds",
            split_io.ROOM,
            split_io.UPLOAD,
            [{"key": "u", "made_at": int(NOW - age)}],
            answered(404),
            [outcome],
        )
        for age, outcome in ((60, "retry"), (86_400, "reject"))
    ),
    Vector("N1", new_relic.ROOM, new_relic.EVENTS, 1, answered(403, {"success": False, "error": "x"}), ["suspend"]),
    Vector("N2 413", new_relic.ROOM, new_relic.EVENTS, 3, answered(413), ["split"] * 3),
    Vector("N2 400", new_relic.ROOM, new_relic.EVENTS, 3, answered(400), ["alone"] * 3),
    Vector("N3", new_relic.ROOM, new_relic.EVENTS, 3, answered(503, None, {"Retry-After": "9"}), ["retry(9)"] * 3),
]

VECTORS = [*KLAVIYO, *AMPLITUDE, *MIXPANEL, *SEGMENT, *FACEBOOK, *TIKTOK, *GOOGLE_ADS, *OTHERS]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_each_answer_gives_each_item_its_outcome(vector: Vector) -> None:
    outcome = judged(vector.room, vector.endpoint, vector.sent, vector.answer)

    assert kinds(outcome, len(vector.sent)) == vector.outcome
