"""boto3 clients of a local cloud."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from local.aws_session import client_config, isolated_session
from local.isolation import REGION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


def local_client(service: str, endpoint: str, region: str = REGION) -> Any:
    """Return an untyped client with dummy credentials."""
    make: Any = isolated_session().client
    return make(service, endpoint_url=endpoint, region_name=region, config=client_config())


class Clients(ABC):
    """Clients of the services at one endpoint, in one region."""

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """The URL of every service."""

    @property
    def region(self) -> str:
        """The AWS region."""
        return REGION

    @cached_property
    def sqs(self) -> "SQSClient":
        """A client of SQS."""
        return cast("SQSClient", self.client("sqs"))

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """A client of DynamoDB."""
        return cast("DynamoDBClient", self.client("dynamodb"))

    @cached_property
    def s3(self) -> "S3Client":
        """A client of S3."""
        return cast("S3Client", self.client("s3"))

    @cached_property
    def functions(self) -> "LambdaClient":
        """A client of Lambda."""
        return cast("LambdaClient", self.client("lambda"))

    def client(self, service: str) -> Any:
        """Return a client of another service; making one takes long."""
        if service not in self._clients:
            self._clients[service] = local_client(service, self.endpoint, self.region)
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}
