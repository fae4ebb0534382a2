import pytest

from tests.conftest import Queues
from tests.ops.environment import Environment


@pytest.fixture
def env(queues: Queues) -> Environment:
    return Environment(queues)
