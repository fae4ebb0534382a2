"""The emulator and the local cloud, each started once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from local.cloud.cloud import LocalCloud
from local.cloud.ministack import MiniStack
from local.mparticle.server import FakeMParticle
from local.rooms import Room
from tests.sample.server import SamplePartner

if TYPE_CHECKING:  # the inspector's web server takes a while to load, and few tests need it
    from local.inspector.inspector import Inspector

SAMPLE = Room.of("tests/sample")


@pytest.fixture(scope="session")
def emulator() -> Iterator[MiniStack]:
    """Start an emulator with nothing deployed in it; each test names queues and tables that no other test has."""
    with MiniStack() as running:
        yield running


@pytest.fixture(scope="session")
def fake_partner() -> Iterator[SamplePartner]:
    """Serve the partner's API for all tests on the local cloud."""
    with SamplePartner() as running:
        yield running


@pytest.fixture(scope="session")
def fake_mparticle() -> Iterator[FakeMParticle]:
    """Serve mParticle's Events API for all tests on the local cloud; each test has key pairs that no other test has."""
    with FakeMParticle() as running:
        yield running


@pytest.fixture(scope="session")
def cloud_inspector(fake_partner: SamplePartner) -> Iterator[Inspector]:
    """Follow what happens in the cloud of all tests."""
    from local.inspector.inspector import Inspector  # noqa: PLC0415  as above

    with Inspector(SAMPLE, fake_partner) as running:
        yield running


@pytest.fixture(scope="session")
def inspector_url(cloud: LocalCloud, cloud_inspector: Inspector) -> str:
    """Serve the inspector of the cloud, and return the URL of its page."""
    return cloud_inspector.serve(cloud, lambda: None)


@pytest.fixture(scope="session")
def cloud(
    fake_partner: SamplePartner, fake_mparticle: FakeMParticle, cloud_inspector: Inspector
) -> Iterator[LocalCloud]:
    """Deploy the real template into the emulator, once for all tests; nobody waits long for what comes again."""
    parameters = {"RetryBaseSeconds": "0.1", "Feed": "on", "FeedUrl": fake_mparticle.partner_feed_url}
    observer = cloud_inspector.observer
    with LocalCloud(fake_partner.url, parameters=parameters, room=SAMPLE, observer=observer) as deployed:
        yield deployed
