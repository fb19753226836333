"""Amazon SNS through boto3, one attempt a call: attempts are counted by Temporal and nobody else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError
from pydantic import Field, SecretStr

from activities.adapters.notify.secrets import require_secret
from domain.errors import ConfigurationError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.model import Model
from domain.notifications import EmailChannel, OutgoingMessage, SnsChannel, WebhookChannel

ACCESS_KEY, SECRET_KEY = "sns_access_key", "sns_secret_key"
LONGEST_SUBJECT = 99
LONGEST_MESSAGE_BYTES = 200_000
"""Below the 256 KiB that a message with its attributes may have."""
THROTTLED_SECONDS = 30.0
_THROTTLED = frozenset(("Throttled", "Throttling", "ThrottlingException", "TooManyRequestsException"))
_CREDENTIALS = frozenset(
    (
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "AuthorizationError",
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "ExpiredToken",
        "IncompleteSignature",
        "MissingAuthenticationToken",
    )
)
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")


class SnsSettings(Model):
    endpoint: str = ""
    """Empty: Amazon's own for the topic's region."""
    connect_seconds: Annotated[float, Field(gt=0)] = 5.0
    read_seconds: Annotated[float, Field(gt=0)] = 15.0


class SnsMessenger:
    """Fulfils `activities.ports.Messenger`. The keys are the secrets `sns_access_key` and `sns_secret_key`."""

    def __init__(self, settings: SnsSettings, secrets: Mapping[str, SecretStr]) -> None:
        self._settings = settings
        self._secrets = secrets
        self._client = lru_cache(maxsize=8)(self._made)

    async def send(
        self, channel: EmailChannel | SnsChannel | WebhookChannel, message: OutgoingMessage, *, now: datetime
    ) -> str:
        """Publish to the topic; returns the MessageId.

        Raises:
            ConfigurationError: a key is missing or refused.
            VendorRejected: there is no such topic, or the message is refused.
            VendorThrottled, VendorUnavailable: later; where the answer was lost, the topic may have the message.
        """
        assert isinstance(channel, SnsChannel)
        region = channel.topic_arn.split(":")[3]
        client = self._client(
            region, require_secret(self._secrets, ACCESS_KEY), require_secret(self._secrets, SECRET_KEY)
        )
        try:
            answer = await asyncio.to_thread(client.publish, **_request(channel.topic_arn, message))
        except ClientError as error:
            raise _refused(error, channel.topic_arn) from None
        except EndpointConnectionError:
            raise VendorUnavailable("SNS_UNREACHABLE", "It is tried again", region=region) from None
        except (BotoCoreError, ResponseParserError) as error:
            raise VendorUnavailable(
                "SNS_UNAVAILABLE", "It is tried again", region=region, what=type(error).__name__
            ) from None
        return str(answer["MessageId"])

    def _made(self, region: str, access_key: str, secret_key: str) -> Any:
        session = boto3.session.Session(
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
        )
        return session.client(
            "sns",
            endpoint_url=self._settings.endpoint or None,
            config=Config(
                connect_timeout=self._settings.connect_seconds,
                read_timeout=self._settings.read_seconds,
                retries={"total_max_attempts": 1, "mode": "standard"},
                proxies={},
                ignore_configured_endpoint_urls=True,  # of the environment: the settings alone say where to
                max_pool_connections=8,
            ),
        )


def _request(topic_arn: str, message: OutgoingMessage) -> dict[str, Any]:
    said = message.message
    request: dict[str, Any] = {
        "TopicArn": topic_arn,
        "Subject": _NOT_PRINTABLE.sub("?", message.subject)[:LONGEST_SUBJECT],
        "Message": message.text.encode()[:LONGEST_MESSAGE_BYTES].decode(errors="ignore"),
        "MessageAttributes": {
            "event": {"DataType": "String", "StringValue": said.event},
            "severity": {"DataType": "String", "StringValue": said.severity.value},
            "notification_id": {"DataType": "String", "StringValue": message.notification_id},
        },
    }
    if topic_arn.endswith(".fifo"):
        request |= {"MessageDeduplicationId": message.notification_id, "MessageGroupId": said.event}
    return request


def _refused(
    error: ClientError, topic_arn: str
) -> ConfigurationError | VendorRejected | VendorThrottled | VendorUnavailable:
    code = str(error.response.get("Error", {}).get("Code", ""))[:80]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED or status == 429:
        return VendorThrottled("SNS_THROTTLED", retry_after_seconds=THROTTLED_SECONDS, code=code)
    if code in _CREDENTIALS or status in (401, 403):
        hint = "Check the keys and that their policy allows sns:Publish on the topic"
        return ConfigurationError("SNS_CREDENTIALS_REFUSED", hint, topic=topic_arn, code=code)
    if status >= 500 or not status:
        return VendorUnavailable("SNS_UNAVAILABLE", "It is tried again", code=code, status=status)
    return VendorRejected("SNS_REFUSED", "Check the channel's topic_arn", topic=topic_arn, code=code, status=status)
