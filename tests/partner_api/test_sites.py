import pytest

from mparticle_firehose.partner_api.sites import Site, sites_of

SITES = {"eu": "https://api.eu.example.com/api", "auth": "https://login.example.com:8443"}


def test_a_deployment_calls_its_own_site_and_those_of_the_integration() -> None:
    assert sites_of(SITES, "https://api.example.com/v1") == {
        "": Site("https://api.example.com/v1"),
        "eu": Site("https://api.eu.example.com/api"),
        "auth": Site("https://login.example.com:8443"),
    }


@pytest.mark.parametrize("local", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "host.docker.internal:8080"])
def test_on_this_machine_every_site_leads_to_one_server_which_sees_path_and_host(local: str) -> None:
    assert sites_of(SITES, f"http://{local}/v1") == {
        "": Site(f"http://{local}/v1"),
        "eu": Site(f"http://{local}/api", "api.eu.example.com"),
        "auth": Site(f"http://{local}", "login.example.com:8443"),
    }


@pytest.mark.parametrize("url", ["https://127.0.0.1:8080", "https://localhost", "http://api.example.com"])
def test_no_other_address_redirects_the_sites(url: str) -> None:
    assert sites_of(SITES, url)["eu"] == Site("https://api.eu.example.com/api")
