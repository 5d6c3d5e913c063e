"""An in-process AWS (moto) with the tables of the module."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support.functions import ENVIRONMENT

# The handlers read their environment when they are imported, so it must be set first.
os.environ |= ENVIRONMENT | {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}

import json
from dataclasses import dataclass

import boto3
import pytest
from drs_job_log.collect.drs_client import DrsClient
from drs_job_log.config import Target
from drs_job_log.table import JobLogTable
from moto import mock_aws
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from tests.support import executions, tables
from tests.support.drs import DrsServer, Simulator
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = os.environ["JOB_LOG_EVENTS_TABLE"]
NOTIFICATIONS_TABLE = os.environ["NOTICES_TABLE"]
RETENTION = timedelta(days=30)


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBClient]:
    """A client of an in-process DynamoDB that contains the tables of the module."""
    with mock_aws():
        client = boto3.client("dynamodb")
        tables.create_events(client, TABLE)
        tables.create_notices(client, NOTIFICATIONS_TABLE)
        boto3.client("sqs").create_queue(QueueName="drs-job-log-ingest")  # for timers
        yield client


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> JobLogTable:
    return JobLogTable(dynamodb, TABLE)


@dataclass(frozen=True)
class Subscriber:
    """A queue that is subscribed to a topic."""

    topic_arn: str
    queue_url: str

    def take(self) -> list[dict[str, Any]]:
        """Return and forget all published messages, in order. ``Message`` is the text that e-mail subscribers get.

        Read from moto's data: each receive request of moto takes a time proportional to the square of the messages.
        """
        region, account, _ = self.topic_arn.split(":")[3:]
        queue = sqs_backends[account][region].get_queue(self.queue_url.rpartition("/")[2])
        topic = sns_backends[account][region].topics[self.topic_arn]  # moto has no subscribers by e-mail
        published = {id_: json.loads(text) for id_, text, *_ in topic.sent_notifications}
        received = []
        for message in queue._messages:
            notification = json.loads(message.body)
            parts = published[notification["MessageId"]]
            assert notification["Message"] == parts["default"]
            received.append(notification | {"Message": parts["email"], "Document": json.loads(parts["default"])})
        queue._messages.clear()
        return received


@pytest.fixture
def subscriber(dynamodb: DynamoDBClient) -> Subscriber:
    """The subscriber of a topic for failure notifications, in the same in-process AWS."""
    assert dynamodb
    topic = boto3.client("sns").create_topic(Name="failures")["TopicArn"]
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return Subscriber(topic, url)


@pytest.fixture(scope="module")
def server() -> Iterator[DrsServer]:
    with DrsServer() as server:
        yield server


@pytest.fixture
def make_pipeline(
    dynamodb: DynamoDBClient,
    table: JobLogTable,
    subscriber: Subscriber,
    server: DrsServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Pipeline]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
    # The simulated jobs are hours old. Their notices are sent at once nevertheless.
    monkeypatch.setattr("drs_job_log.notify.notifier._MAX_NEWS_AGE", timedelta(days=1))

    def make(*, names: dict[str, str] | None = None, **settings: Any) -> Pipeline:
        """Return the module. With ``settings``, there is an executions table, which the module updates."""
        environment = {"FAILURE_TOPIC_ARN": subscriber.topic_arn}
        if settings:
            executions.create(dynamodb, "ExecutionId")
            environment |= {
                "EXECUTION_HISTORY_TABLE": "history",
                "EXECUTION_HISTORY_SETTINGS": json.dumps({"updateStatus": True} | settings),
            }
        drs = DrsClient(Target())
        server.simulator = Simulator(names=dict(names or {}))
        return Pipeline(server.simulator, drs, table, environment)

    return make


@pytest.fixture
def pipeline(make_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return make_pipeline()
