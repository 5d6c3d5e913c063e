"""The table job-log-events: every event once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeSerializer
from botocore.exceptions import ClientError

from drs_job_log.events import InvalidEventError, JobLogEvent, format_time
from drs_job_log.fitting import fitted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Of the 400 KB that DynamoDB allows; sizes here are estimated, from above.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
_MAX_ITEM_BYTES: Final = 400 * 1024 - 4096

# DynamoDB nests 32 levels, the attribute's own value included; what is deeper is kept as its JSON.
_MAX_DEPTH: Final = 30

_CUTTABLE: Final = frozenset({"Message", "Error", "EventData"})

_serialize = TypeSerializer().serialize


class JobLogStore:
    """Events in DynamoDB.

    Parameters
    ----------
    client
        May be shared between threads.
    table_name
        Of the table job-log-events.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def put(self, event: JobLogEvent, retention: timedelta) -> bool:
        """Store an event: True if it is new, False if the table had it already and nothing changed.

        It is kept for ``retention`` after it happened.

        Raises
        ------
        InvalidEventError
            Where it does not fit into an item, even with its texts cut.
        botocore.exceptions.ClientError
            Where DynamoDB refuses; trying again is safe.
        """
        item = to_item(event, ingested_at=datetime.now(UTC), retention=retention)
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item={name: _serialize(value) for name, value in item.items()},
                ConditionExpression="attribute_not_exists(JobId)",
            )
        except ClientError as error:
            # By its code: the client makes its exception classes at first use, and two threads may make two of each.
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def keys(self, job_id: str) -> set[str]:
        """The ``EventKey`` of every stored event of a job.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            Where DynamoDB cannot be reached or refuses.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="JobId = :job",
            ExpressionAttributeValues={":job": {"S": job_id}},
            ProjectionExpression="EventKey",
            ConsistentRead=True,
        )
        return {item["EventKey"]["S"] for page in pages for item in page["Items"]}


def to_item(event: JobLogEvent, *, ingested_at: datetime, retention: timedelta) -> dict[str, Any]:
    """The item of an event; attributes that are not known are absent.

    Raises
    ------
    InvalidEventError
        Where it is over DynamoDB's 400 KB, even with its texts cut.
    """
    attributes = {
        "JobId": event.job_id,
        "EventKey": event.key,
        "Timestamp": format_time(event.timestamp),
        "EventId": event.event_id,
        "EventType": event.event_type,
        "Source": event.source,
        "ExecutionId": event.execution_id,
        "UnlinkedJobId": event.job_id if event.execution_id is None else None,
        "SourceServerId": event.source_server_id,
        "SourceServerName": event.source_server_name,
        "Ec2InstanceId": event.ec2_instance_id,
        "Message": event.message,
        "Error": event.error,
        "EventData": event.detail,
        "Truncated": True if event.detail.get("truncated") is True else None,
        "IngestedAt": format_time(ingested_at),
        "TTL": int(event.timestamp.timestamp() + retention.total_seconds()),
    }
    item = {name: _storable(value) for name, value in attributes.items() if value is not None}
    item = fitted(item, _fits, _CUTTABLE, "Truncated")
    if not _fits(item):
        raise InvalidEventError("detail has too many parts for an item of 400 KB, even with its texts cut")
    return item


def _storable(value: Any, depth: int = 0) -> Any:
    """The value as DynamoDB can hold it."""
    match value:
        case str():
            # Half a surrogate pair, left where somebody cut an emoji in two, has no UTF-8: it is written out.
            return value.encode(errors="backslashreplace").decode()
        case bool() | None:
            return value
        case int() | Decimal():
            return _number(value)
        case Mapping() | list() if depth == _MAX_DEPTH:
            return _storable(json.dumps(value, default=str, ensure_ascii=False))
        case Mapping():
            return {_storable(key): _storable(part, depth + 1) for key, part in value.items()}
        case _:
            return [_storable(part, depth + 1) for part in value]


def _number(value: int | Decimal) -> Decimal | str:
    """The number, or its text where it has more than DynamoDB's 38 digits or a magnitude out of its range."""
    try:
        number = DYNAMODB_CONTEXT.create_decimal(value)
    except DecimalException:
        return str(value)
    if not number:
        return Decimal(0)
    return number if -130 <= number.adjusted() <= 125 else str(value)


def _fits(item: dict[str, Any]) -> bool:
    return _size(item) <= _MAX_ITEM_BYTES


def _size(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case dict():
            return 3 + sum(1 + len(key.encode()) + _size(part) for key, part in value.items())
        case list():
            return 3 + sum(1 + _size(part) for part in value)
        case Decimal():
            return len(value.as_tuple().digits) // 2 + 3
        case _:
            return 1
