"""SNS against a real server of its protocol (moto), and against ones that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from activities.adapters.notify.sns import SnsMessenger, SnsSettings
from domain.errors import ConfigurationError, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.notifications import SnsChannel
from tests.notifications.builders import NOW, TOPIC, outgoing_message
from tests.web.server import HostileServer, Reply, hang, raw, reply

SECRET = "canary-b7c1f0aa93"
SECRETS = {"sns_access_key": SecretStr("AKIATEST"), "sns_secret_key": SecretStr(SECRET)}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(endpoint: str, service: str) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key=SECRET,
    )


def topic(endpoint: str, name: str) -> SnsChannel:
    attributes = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
    made = client(endpoint, "sns").create_topic(Name=name, Attributes=attributes)
    return SnsChannel.model_validate({**TOPIC, "topic_arn": made["TopicArn"]})


async def send(endpoint: str, channel: SnsChannel, **changes: Any) -> str:
    values: dict[str, Any] = {"connect_seconds": 1.0, "read_seconds": 1.0}
    settings = SnsSettings.model_validate({"endpoint": endpoint, **values})
    return await SnsMessenger(settings, changes.pop("secrets", SECRETS)).send(
        channel, outgoing_message(**changes), now=NOW
    )


async def test_topic_when_published_to_then_subscribers_get_subject_text_and_attributes(endpoint: str) -> None:
    channel = topic(endpoint, "stonks")
    queues = client(endpoint, "sqs")
    queue = queues.create_queue(QueueName="seen")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client(endpoint, "sns").subscribe(TopicArn=channel.topic_arn, Protocol="sqs", Endpoint=arn)

    receipt = await send(endpoint, channel)

    (found,) = queues.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(found["Body"])
    assert body["MessageId"] == receipt
    assert body["Subject"] == "[stonks paper] URGENT Approval needed: buy AAPL"
    assert "https://stonks.example.com/inbox" in body["Message"]
    assert body["MessageAttributes"]["severity"]["Value"] == "urgent"
    assert body["MessageAttributes"]["notification_id"]["Value"] == "0123456789abcdef01234567"


async def test_topic_when_the_subject_is_long_or_foreign_then_it_is_made_to_fit(endpoint: str) -> None:
    channel = topic(endpoint, "long")
    named = {"symbol": "ÄÖÜ" * 60, "side": "buy"}

    assert await send(endpoint, channel, body=named)

    seen = httpx.get(f"{endpoint}/moto-api/data.json", trust_env=False).json()
    assert "long" in json.dumps(seen)


async def test_fifo_topic_when_published_to_twice_then_the_second_is_known_by_its_id(endpoint: str) -> None:
    channel = topic(endpoint, "stonks.fifo")
    queues = client(endpoint, "sqs")
    queue = queues.create_queue(QueueName="seen.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client(endpoint, "sns").subscribe(TopicArn=channel.topic_arn, Protocol="sqs", Endpoint=arn)

    await send(endpoint, channel)
    await send(endpoint, channel)

    found = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert len(found) == 1


async def refusal(endpoint: str, channel: SnsChannel, **changes: Any) -> StonksError:
    with pytest.raises(StonksError) as raised:
        await send(endpoint, channel, **changes)
    assert SECRET not in str(raised.value)
    return raised.value


async def test_topic_when_it_does_not_exist_then_the_refusal_is_final(endpoint: str) -> None:
    error = await refusal(endpoint, SnsChannel.model_validate({**TOPIC, "topic_arn": TOPIC["topic_arn"] + "-gone"}))

    assert isinstance(error, VendorRejected)
    assert error.fields["code"] in ("NotFound", "NotFoundException")


async def test_topic_when_a_key_is_missing_then_it_is_named(endpoint: str) -> None:
    error = await refusal(endpoint, SnsChannel.model_validate(TOPIC), secrets={"sns_access_key": SecretStr("A")})

    assert isinstance(error, ConfigurationError)
    assert error.fields["name"] == "sns_secret_key"


def answer(status: int, code: str) -> Reply:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{SECRET}</Message></Error>"
    body = f"<ErrorResponse>{error}</ErrorResponse>".encode()
    return reply(status, body, [("Content-Type", "text/xml")])


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(500, "InternalFailure"), VendorUnavailable),
        (answer(503, "ServiceUnavailable"), VendorUnavailable),
        (answer(400, "Throttling"), VendorThrottled),
        (answer(429, "Throttled"), VendorThrottled),
        (answer(403, "InvalidClientTokenId"), ConfigurationError),
        (answer(400, "InvalidParameter"), VendorRejected),
        (reply(301, headers=[("Location", "http://127.0.0.1:1/")]), VendorUnavailable),
        (reply(200, b"no xml at all"), VendorUnavailable),
        (raw(b"nonsense\r\n\r\n"), VendorUnavailable),
        (hang, VendorUnavailable),
    ],
    ids=["500", "503", "throttling", "429", "token", "parameter", "redirect", "no-xml", "nonsense", "hang"],
)
async def test_topic_when_the_server_misbehaves_then_it_is_asked_once_and_the_error_says_what_to_do(
    given: Reply, kind: type[StonksError]
) -> None:
    async with HostileServer() as server:
        server.replies["/"] = given
        error = await refusal(f"http://127.0.0.1:{server.port}", SnsChannel.model_validate(TOPIC))

    assert type(error) is kind, error
    assert len(server.requests) == 1


async def test_topic_when_nobody_listens_then_it_is_tried_again_later() -> None:
    async with HostileServer() as server:
        port = server.port
    assert isinstance(await refusal(f"http://127.0.0.1:{port}", SnsChannel.model_validate(TOPIC)), VendorUnavailable)


async def test_topic_when_the_server_is_slow_then_the_event_loop_goes_on() -> None:
    async with HostileServer() as server:
        server.replies["/"] = hang
        waiting = asyncio.create_task(refusal(f"http://127.0.0.1:{server.port}", SnsChannel.model_validate(TOPIC)))
        while not server.requests:
            await asyncio.sleep(0.01)
        assert not waiting.done()
        assert isinstance(await waiting, VendorUnavailable)
