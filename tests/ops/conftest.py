from collections.abc import Iterator

import pytest

from tests.conftest import Queues
from tests.ops.environment import Environment
from tests.ops.mparticle_account import Account, running_account


@pytest.fixture
def env(queues: Queues) -> Environment:
    return Environment(queues)


@pytest.fixture
def account() -> Iterator[Account]:
    with running_account() as running:
        yield running
