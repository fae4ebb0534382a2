"""Credentials: how each is sent, that none is shown, and whose fault a refused token is."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import Auth, Basic, Bearer, DeploymentSecret, Header, InBody, OAuth2, Query
from mparticle_firehose.integration.auth import basic_credentials, belongs_to_deployment, check_header_names

CLIENT_ID, CLIENT_SECRET = DeploymentSecret("client_id"), DeploymentSecret("client_secret")
REFRESHED = OAuth2.refresh_token(
    "canary-token", path="/oauth/token", client_id=CLIENT_ID, client_secret=CLIENT_SECRET, more={"scope": "write"}
)


@pytest.mark.parametrize(
    "auth",
    [
        Bearer("canary-token"),
        Basic("canary-user", "canary-pass"),
        Header("Api-Key", "canary-key", prefix="Key "),
        Query("api_key", "canary-key"),
        InBody("canary-key", "canary-secret"),
        REFRESHED,
        OAuth2(site="", path="/token", form=(), client=Basic("canary-user", "canary-pass")),
    ],
    ids=lambda auth: type(auth).__name__,
)
def test_no_credential_is_shown_and_equal_ones_are_the_same(auth: Auth) -> None:
    assert "canary" not in repr(auth)
    assert len({auth, auth}) == 1


def test_a_secret_of_the_deployment_shows_its_name_only() -> None:
    assert repr(CLIENT_SECRET) == "DeploymentSecret(name='client_secret')"
    assert "client_secret" not in repr(Bearer(CLIENT_SECRET))


@pytest.mark.parametrize(
    ("username", "password", "credentials"),
    [("s", "k", "czpr"), ("key", "", "a2V5Og=="), ("ü", "p:w", "w7w6cDp3")],
    ids=["both", "without a password", "UTF-8 and a colon in the password"],
)
def test_basic_credentials_are_joined_by_a_colon_and_encoded(username: str, password: str, credentials: str) -> None:
    assert basic_credentials(username, password) == credentials


@given(st.text(st.characters(codec="utf-8", exclude_characters=":")), st.text(st.characters(codec="utf-8")))
def test_basic_credentials_can_be_read_again(username: str, password: str) -> None:
    decoded = base64.b64decode(basic_credentials(username, password)).decode()

    assert decoded.partition(":") == (username, ":", password)


FRAMEWORKS = ["Host", "CONTENT-LENGTH", "connection", "Transfer-Encoding", "User-Agent", "Idempotency-Key"]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\n", "ä", *FRAMEWORKS, "correlation-id"])
def test_a_header_that_is_none_or_the_frameworks_own_is_refused(name: str) -> None:
    with pytest.raises(IntegrationError, match=r"^header_name: ") as caught:
        Header(name, "canary-key")

    assert caught.value.rule == "header_name"
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["Authorization", "Accept", "Content-Type", "X-UA-Appkey", "developer-token"])
def test_a_header_that_is_the_partners_own_is_taken(name: str) -> None:
    check_header_names([name])

    assert Header(name, "canary-key").name == name


@given(st.text())
def test_no_name_of_a_header_raises_anything_else(name: str) -> None:
    try:
        check_header_names([name])
    except IntegrationError as error:
        assert error.rule == "header_name"  # noqa: PT017  the other branch is fine, too
    else:
        assert name.isascii()
        assert name.isprintable()
        assert " " not in name


def test_a_refresh_token_is_exchanged_with_the_clients_id_and_secret() -> None:
    assert REFRESHED.form == (
        ("grant_type", "refresh_token"),
        ("refresh_token", "canary-token"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("scope", "write"),
    )
    assert (REFRESHED.site, REFRESHED.path, REFRESHED.client) == ("", "/oauth/token", None)


def test_client_credentials_are_sent_as_they_are() -> None:
    auth = OAuth2.client_credentials(path="/t", client_id="canary-id", client_secret="canary-secret", site="id")

    assert auth.site == "id"
    assert auth.form == (
        ("grant_type", "client_credentials"),
        ("client_id", "canary-id"),
        ("client_secret", "canary-secret"),
    )


def test_a_refused_client_is_the_customers_fault_only_if_its_secret_is_the_customers() -> None:
    of_deployment = OAuth2.client_credentials(path="/t", client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    of_customer = OAuth2.client_credentials(path="/t", client_id="canary-id", client_secret="canary-secret")

    assert of_deployment.customers_fault == {"invalid_grant"}
    assert of_customer.customers_fault == {"invalid_grant", "invalid_client"}
    assert REFRESHED.customers_fault == {"invalid_grant"}


OF_DEPLOYMENT = [
    Bearer(CLIENT_SECRET),
    Basic(CLIENT_ID),
    Basic(CLIENT_ID, CLIENT_SECRET),
    Header("Api-Key", CLIENT_SECRET),
    Query("key", CLIENT_SECRET),
    OAuth2.client_credentials(path="/t", client_id="public-id", client_secret=CLIENT_SECRET, more={"scope": "write"}),
    OAuth2(site="", path="/t", form=(("grant_type", "client_credentials"),), client=Basic(CLIENT_ID, CLIENT_SECRET)),
]
OF_CUSTOMER = [
    None,
    Bearer("canary-token"),
    Basic("canary-user", CLIENT_SECRET),
    Basic(CLIENT_ID, "canary-pass"),
    Header("Api-Key", "canary-key"),
    Query("key", "canary-key"),
    InBody("canary-key"),
    REFRESHED,
    OAuth2.client_credentials(path="/t", client_id=CLIENT_ID, client_secret="canary-secret"),
    OAuth2(site="", path="/t", form=(), client=Basic("canary-user", "canary-pass")),
]


@pytest.mark.parametrize("auth", OF_DEPLOYMENT, ids=lambda auth: type(auth).__name__)
def test_a_credential_of_secrets_of_the_deployment_is_no_customers(auth: Auth) -> None:
    assert belongs_to_deployment(auth)


@pytest.mark.parametrize("auth", OF_CUSTOMER, ids=lambda auth: type(auth).__name__)
def test_a_credential_with_a_secret_of_a_customer_is_theirs(auth: Auth | None) -> None:
    assert not belongs_to_deployment(auth)


def test_basic_credentials_cannot_carry_half_a_surrogate_pair() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        basic_credentials("canary-user", "\ud83d")
