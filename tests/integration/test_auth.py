import pytest

from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.integration import Auth, Basic, Bearer, Header


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (Bearer("canary-token"), ("Authorization", "Bearer canary-token")),
        (Basic("canary-user", "canary:pass"), ("Authorization", "Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5OnBhc3M=")),
        (Basic("canary-key"), ("Authorization", "Basic Y2FuYXJ5LWtleTo=")),
        (Header("Api-Key", "canary-key"), ("Api-Key", "canary-key")),
    ],
    ids=["bearer", "basic", "basic-without-password", "header"],
)
def test_each_kind_is_one_header_and_hides_its_secret(auth: Auth, header: tuple[str, str]) -> None:
    assert auth.header() == header
    assert "canary" not in repr(auth)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "Content-Type", "accept", "IDEMPOTENCY-KEY", "Host"])
def test_a_header_that_is_none_or_the_frameworks_own_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="must be a header that the framework does not set") as caught:
        Header(name, "canary-key")

    assert "canary" not in str(caught.value)
