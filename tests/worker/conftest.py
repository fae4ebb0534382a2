import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from tests.conftest import Queues
from tests.worker.bench import Bench, build


@pytest.fixture
def bench(queues: Queues, dynamodb: DynamoDBClient) -> Bench:
    return build(queues, dynamodb)
