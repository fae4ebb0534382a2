"""AWS sessions without the user's accounts. Apart from `isolation`, because importing boto3 takes long."""

import os

import boto3
import botocore.session
from botocore.config import Config

from local.isolation import CREDENTIALS, REGION


def isolated_session() -> boto3.Session:
    """Return a session with dummy credentials that reads neither the user's AWS files nor AWS_PROFILE."""
    session = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
        botocore_session=session,
    )


def client_config() -> Config:
    """Return settings of a client that uses no proxy and does not retry."""
    return Config(proxies={}, connect_timeout=5, read_timeout=90, retries={"total_max_attempts": 1})
