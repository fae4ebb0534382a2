"""Brings a running cloud up to date: deploys what has changed, and keeps queues, tables and the fake API's state."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from local.cloud.release import Release
from local.cloud.running import Running
from local.cloud.sources import Sources
from local.isolation import LocalCloudError
from local.preview.faults import told_in_a_sentence
from local.progress import Briefly, Progress
from local.rooms import Room

RELOAD = signal.SIGUSR1
"""The signal upon which the process of the cloud reads the room's code anew."""


def updated(running: Running, partner: str, progress: Progress) -> Running:
    """Deploy what has changed since the last time, and return what is running then.

    Args:
        running: the cloud.
        partner: the folder of the example that is wanted; empty for the user's own integration.
        progress: is told of each step, and whether anything has changed.

    Raises:
        LocalCloudError: the build or the deployment failed, or another example is running.
    """
    if Path(running.room) != Path(partner):
        raise LocalCloudError(
            f"the local cloud is up with {_name(running.room)}, and not with {_name(partner)}: "
            "stop it with `make down`, which also deletes what is in its queues, and start it again"
        )
    room = Room.of(partner)
    sources = Sources.of(room)
    if sources == running.sources:
        progress.done("The local cloud is up, and what is deployed is unchanged")
    if sources.stack != running.sources.stack:
        running = _redeployed(running, room, progress)
    if sources.fake_api != running.sources.fake_api:
        with told_in_a_sentence(room):
            room.fake_api()  # an error in it ends this process and not the other
        progress.done("Loaded the fake API anew; it has forgotten what it knew")
    if sources != running.sources:
        os.kill(running.process, RELOAD)
    return replace(running, sources=sources)


def _redeployed(running: Running, room: Room, progress: Progress) -> Running:
    started = time.monotonic()
    with told_in_a_sentence(room):
        room.integration()
    release = Release(room, running.partner, {}, Briefly(progress))
    outputs = release.deploy(release.build(), running.emulator)
    progress.done(f"Redeployed in {time.monotonic() - started:.1f} s")
    return replace(running, outputs=outputs, deployed_at=time.time())


def _name(room: str) -> str:
    return room or "your own integration"
