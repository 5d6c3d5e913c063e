"""moto in this process, with the module's own tables."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support.functions import ENVIRONMENT

# Before the handlers are imported, since they read their environment then.
os.environ |= ENVIRONMENT | {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}

import json
from dataclasses import dataclass

import boto3
import pytest
from drs_job_log.table import JobLogTable
from moto import mock_aws

from tests.support import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = os.environ["JOB_LOG_EVENTS_TABLE"]
NOTICES = os.environ["NOTICES_TABLE"]
RETENTION = timedelta(days=30)


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBClient]:
    """A client of an in-process DynamoDB that has the module's tables."""
    with mock_aws():
        client = boto3.client("dynamodb")
        tables.create_events(client, TABLE)
        tables.create_notices(client, NOTICES)
        yield client


@pytest.fixture
def store(dynamodb: DynamoDBClient) -> JobLogTable:
    return JobLogTable(dynamodb, TABLE)


@dataclass(frozen=True)
class Subscriber:
    """A queue that a topic delivers to."""

    topic_arn: str
    queue_url: str

    def take(self) -> list[dict[str, Any]]:
        """Take what has come: what was published, in its order."""
        sqs = boto3.client("sqs")
        taken: list[dict[str, Any]] = []
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                taken.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return taken


@pytest.fixture
def subscriber(dynamodb: DynamoDBClient) -> Subscriber:
    """Of a topic for failure notices, in the same in-process AWS."""
    assert dynamodb
    topic = boto3.client("sns").create_topic(Name="failures")["TopicArn"]
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return Subscriber(topic, url)
