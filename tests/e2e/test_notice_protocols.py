"""What the subscribers of each protocol get of a notice, on the embedded AWS. It does not send e-mails and SMS."""

from __future__ import annotations

import io
import json
import queue
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from drs_job_log.notify.chat import to_chat
from drs_job_log.notify.document import to_document
from drs_job_log.notify.message import to_publish
from drs_job_log.notify.notice import KINDS

from tests.support.ministack import MiniStack
from tests.support.notices import CHAT_SCHEMA, SCHEMA, SETTINGS, TIME, notice_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text()), validate_formats=True)
CHAT = jsonschema_rs.Draft202012Validator(json.loads(CHAT_SCHEMA.read_text()))

# Sends what it gets to a queue.
FUNCTION = """
import os
import boto3

def handler(event, context):
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=record["Sns"]["Message"])
"""


class Topic:
    """A topic on the embedded AWS with subscribed queues."""

    def __init__(self, stack: MiniStack) -> None:
        self.stack = stack
        self.sns, self.sqs = stack.client("sns"), stack.client("sqs")
        self.arn = self.sns.create_topic(Name="failures")["TopicArn"]

    def queue(self, name: str) -> tuple[str, str]:
        """Create a queue. Return its URL and its ARN."""
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    def subscribe(self, protocol: str, endpoint: str, **attributes: str) -> None:
        self.sns.subscribe(TopicArn=self.arn, Protocol=protocol, Endpoint=endpoint, Attributes=attributes)

    def publish(self, *kinds: str) -> None:
        self.sns.publish(TopicArn=self.arn, **to_publish([notice_of(kind) for kind in kinds], SETTINGS, TIME))

    def receive(self, url: str) -> list[str]:
        """Receive and delete the messages of a queue."""
        found: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def wait(self, url: str) -> str:
        """Receive one message of a queue, at most 20 seconds later."""
        (message,) = self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return str(message["Body"])


@pytest.fixture(scope="module")
def stack() -> Iterator[MiniStack]:
    with MiniStack() as stack:
        yield stack


@pytest.fixture
def topic(stack: MiniStack) -> Topic:
    stack.reset()
    return Topic(stack)


@pytest.fixture
def posted() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """Yield the address of an HTTP server and what it gets."""
    received: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def test_a_queue_gets_the_document(topic: Topic) -> None:
    (url, arn), (raw_url, raw_arn) = topic.queue("queue"), topic.queue("raw")
    topic.subscribe("sqs", arn)
    topic.subscribe("sqs", raw_arn, RawMessageDelivery="true")

    for kind in KINDS:
        topic.publish(kind)

    raw = [json.loads(text) for text in topic.receive(raw_url)]
    wrapped = [json.loads(json.loads(text)["Message"]) for text in topic.receive(url)]
    for document in raw:
        DOCUMENT.validate(document)
    assert raw == wrapped
    assert [one for document in raw for one in document["notices"]] == [
        to_document(notice_of(kind), SETTINGS) for kind in KINDS
    ]


def test_an_http_subscriber_gets_the_chat_notification(
    topic: Topic, posted: tuple[str, queue.Queue[dict[str, Any]]]
) -> None:
    address, received = posted
    topic.subscribe("http", address)
    topic.sns.confirm_subscription(TopicArn=topic.arn, Token=received.get(timeout=20)["Token"])

    for kind in KINDS:
        topic.publish(kind)
        chat = json.loads(received.get(timeout=20)["Message"])
        CHAT.validate(chat)
        assert chat == to_chat([notice_of(kind)], SETTINGS)


def test_a_function_gets_the_document(topic: Topic) -> None:
    url, _ = topic.queue("queue")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    function = topic.stack.client("lambda").create_function(
        FunctionName="subscriber",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/subscriber",
        Handler="index.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=20,
        Environment={"Variables": {"QUEUE_URL": url}},
    )
    topic.subscribe("lambda", function["FunctionArn"])

    topic.publish("failed", "settled")

    document = json.loads(topic.wait(url))
    DOCUMENT.validate(document)
    assert [notice["kind"] for notice in document["notices"]] == ["failed", "settled"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"kind": ["settled", "at_risk"]}, [("settled",), ("at_risk",), ("failed", "settled")]),
        ({"kind": ["settled"], "outcome": ["PARTIAL"], "isDrill": ["true"]}, [("settled",), ("failed", "settled")]),
        ({"isDrill": ["false"]}, []),
    ],
)
def test_a_filter_policy_selects_notices(
    topic: Topic, policy: dict[str, list[str]], expected: list[tuple[str, ...]]
) -> None:
    url, arn = topic.queue("queue")
    topic.subscribe("sqs", arn, FilterPolicy=json.dumps(policy), RawMessageDelivery="true")

    for kinds in (("started",), ("settled",), ("failed",), ("at_risk",), ("failed", "settled")):
        topic.publish(*kinds)

    documents = [json.loads(text) for text in topic.receive(url)]
    assert [tuple(notice["kind"] for notice in document["notices"]) for document in documents] == expected
