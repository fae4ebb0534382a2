import re
from typing import Any

import pytest

from mparticle_firehose.cookie_sync import COOKIE_SYNC_HOST, CookieSync
from mparticle_firehose.errors import ConfigurationError

HERE = f"https://{COOKIE_SYNC_HOST}"


def spelled(value: object) -> str:
    """Return an id that is the same in every process: a function's repr holds an address."""
    return re.sub(r" at 0x[0-9a-f]+", "", ascii(value))


def declared(**fields: Any) -> CookieSync:
    return CookieSync(**({"cookie_name": "sample_id"} | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cookie_name": "__Host-sample"},
        {"cookie_name": "__Secure-sample", "cookie_domain": "sample.example"},
        {"cookie_days": 1, "days_between_syncs": 1},
        {"cookie_days": 400, "days_between_syncs": 400},
        {"id_pattern": "[0-9]{1,20}", "new_id": lambda: "7"},
        {"macro": "%%ID%%"},
        {"macro": "[UID]"},
        {"allowed_hosts": (COOKIE_SYNC_HOST, "sync.sample.example")},
        {"default_redirect": f"{HERE}/v1/sync?ID=${{PARTNER_ID}}"},
        {"answer": "no_content"},
        {"error_parameter": "error"},
        {"opt_out_signals": frozenset()},
    ],
    ids=spelled,
)
def test_a_valid_configuration_is_accepted(fields: dict[str, Any]) -> None:
    assert declared(**fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("cookie_name", name) for name in ("", "a b", "a;b", "a=b", "a,b", "a\r\n", "ä", '"a"')),
        *(
            ("cookie_domain", domain)
            for domain in ("", ".sample.example", "Sample.example", "sample", "a.b;", "127.0.0.1")
        ),
        *(("cookie_days", days) for days in (0, -1, 401)),
        *(("days_between_syncs", days) for days in (0, 391)),
        *(("id_pattern", pattern) for pattern in ("(", "[a-z-]+", ".*")),
        *(("new_id", lambda each=each: each) for each in ("", "short", "x" * 257, "a;b" * 7 + "x", "ä" * 22)),
        *(("redirect_parameter", name) for name in ("", "a&b", "a=b", "a b", "ä")),
        *(("id_parameter", name) for name in ("", "a&b", "[id]")),
        *(("error_parameter", name) for name in ("", "a&b", "ID", "id")),
        *(("macro", macro) for macro in ("", "a&b", "a+b", "%41", "a#b", "a\\b", "ä", "a\n", " a")),
        *(
            ("allowed_hosts", hosts)
            for hosts in (
                (),
                ("*.mparticle.com",),
                ("a.example:443",),
                ("A.example",),
                ("a.example.",),
                ("https://a.b",),
            )
        ),
        *(
            ("allowed_hosts", (COOKIE_SYNC_HOST, host))
            for host in ("", "localhost", "10.0.0.1", "[::1]", "u@a.example")
        ),
        *(("default_redirect", url) for url in ("", "/", "http://" + COOKIE_SYNC_HOST, "https://evil.example/")),
        ("default_redirect", f"{HERE}/?{'x' * 2_048}"),
        ("answer", "nothing"),
    ],
    ids=lambda value: spelled(value)[:40],
)
def test_an_invalid_or_unsafe_field_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"(^|; ){field}: "):
        declared(**{field: value})


def test_a_host_cookie_has_no_domain() -> None:
    with pytest.raises(ConfigurationError, match="cookie_domain: must be None"):
        declared(cookie_name="__Host-sample", cookie_domain="sample.example")


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        declared(cookie_name="a;b", cookie_days=0, id_pattern="(", macro="", answer="x", allowed_hosts=())

    named = re.findall(r"(?:^|; )(\w+):", str(raised.value))
    assert named == [
        "cookie_name",
        "cookie_days",
        "days_between_syncs",
        "id_pattern",
        "macro",
        "answer",
        "allowed_hosts",
    ]
