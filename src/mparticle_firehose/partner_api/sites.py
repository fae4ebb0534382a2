"""The base URLs that a deployment calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mparticle_firehose.config import PLAINTEXT_HOSTS


@dataclass(frozen=True, slots=True)
class Site:
    """One base URL.

    Attributes:
        url: without a trailing slash.
        host: the Host header, if it is not the URL's own.
    """

    url: str
    host: str | None = None


def sites_of(integration_sites: Mapping[str, str], partner_api_url: str) -> dict[str, Site]:
    """Return the sites by name; ``""`` is the deployment's own.

    If the deployment calls a server on this machine, as in the local cloud, all sites lead there. Each keeps its path,
    and its own host as the Host header, by which the server can tell them apart.

    Args:
        integration_sites: as `Integration.sites`.
        partner_api_url: PARTNER_API_URL.
    """
    own = urlsplit(partner_api_url)
    is_local = own.scheme == "http" and own.hostname in PLAINTEXT_HOSTS
    sites = {"": Site(partner_api_url)}
    for name, url in integration_sites.items():
        parts = urlsplit(url)
        sites[name] = Site(f"http://{own.netloc}{parts.path}", parts.netloc) if is_local else Site(url)
    return sites
