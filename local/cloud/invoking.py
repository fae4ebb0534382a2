"""Sends a message to a running cloud."""

import json

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud.running import Running
from local.isolation import LocalCloudError
from local.run.messages import Message


def invoke(running: Running, message: Message) -> int:
    """Invoke the alias with one message, print the response, and return the exit status: 1 for an error.

    Raises:
        LocalCloudError: the cloud does not take it.
    """
    try:
        response = running.client("lambda").invoke(
            FunctionName=running.outputs["HandlerAliasArn"], Payload=message.payload
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise LocalCloudError(f"the emulator refused it ({code}): is a deployment under way? Try again") from None
    except BotoCoreError as error:
        raise LocalCloudError(f"the emulator does not answer ({type(error).__name__}): see `make logs`") from None
    print(json.dumps(json.loads(response["Payload"].read()), indent=2, ensure_ascii=False))
    return 1 if "FunctionError" in response else 0
