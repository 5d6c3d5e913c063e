"""The table job-log-events: every event once."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from drs_job_log.events import SERVER_FAILURES, InvalidEventError, JobLogEvent, format_time, parse_time
from drs_job_log.fitting import fitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

# Of the 400 KB that DynamoDB allows; sizes here are estimated, from above.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
_MAX_ITEM_BYTES: Final = 400 * 1024 - 4096

# DynamoDB nests 32 levels, the attribute's own value included; what is deeper is kept as its JSON.
_MAX_DEPTH: Final = 30

_CUTTABLE: Final = frozenset({"Message", "Error", "EventData"})

# What is read of an event: what the API answers, and of its detail what tells progress.
_READ: Final = (
    *("JobId", "EventId", "EventType", "Timestamp", "Source", "ExecutionId"),
    *("SourceServerId", "SourceServerName", "Ec2InstanceId", "Message", "Error"),
    *(f"EventData.{name}" for name in ("jobType", "isDrill", "sourceServerIDs", "participatingServers", "outcome")),
)
_PROJECTION: Final[Mapping[str, Any]] = {
    # By placeholders: some of the names are words that DynamoDB keeps for itself.
    "ProjectionExpression": ", ".join("#" + path.replace(".", ".#") for path in _READ),
    "ExpressionAttributeNames": {f"#{name}": name for path in _READ for name in path.split(".")},
}

# So many of a job's events are asked for their link, from either end: beside those of its log stand launch results,
# which come late and never have one.
_ASKED: Final = 25

# An event that comes to the table, or to its execution, so long after it happened is found by when it came.
_LATE: Final = timedelta(seconds=20)

# What was put so long before an execution was read may not have been in its index then: tries of the put and another
# clock included.
_BEHIND: Final = timedelta(seconds=40)

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


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
        return changed(
            self._client.put_item,
            TableName=self._table_name,
            Item={name: _serialize(value) for name, value in item.items()},
            ConditionExpression="attribute_not_exists(JobId)",
        )

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

    def events_of_job(self, job_id: str, *, consistent: bool = False) -> list[JobLogEvent]:
        """The events of a job; of each detail only what tells progress.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            Where DynamoDB cannot be reached or refuses. So do the methods below.
        """
        return self._events(
            KeyConditionExpression="JobId = :id",
            ExpressionAttributeValues={":id": {"S": job_id}},
            ConsistentRead=consistent,
        )

    def events_of_execution(self, execution_id: str) -> list[JobLogEvent]:
        """The events that are linked to an execution, as ``events_of_job``."""
        return self._events(
            IndexName="ExecutionIdIndex",
            KeyConditionExpression="ExecutionId = :id",
            ExpressionAttributeValues={":id": {"S": execution_id}},
        )

    def new_events_of_execution(
        self, execution_id: str, since: datetime, known: Container[tuple[str, str]]
    ) -> list[JobLogEvent]:
        """The events that an execution has beside those ``known``, which are all that it had at a time ``since``.

        Known ones are given by job and ``EventKey``. What happened since is found by its time, and what came to the
        execution since, however long ago it happened, by when it came.
        """
        start = format_time(since - _BEHIND - _LATE)
        return [
            event
            for index, time in (("ExecutionIdIndex", "#Timestamp"), ("LateIndex", "LateAt"))
            for event in self._events(
                known,
                IndexName=index,
                KeyConditionExpression=f"ExecutionId = :id AND {time} >= :start",
                ExpressionAttributeValues={":id": {"S": execution_id}, ":start": {"S": start}},
            )
        ]

    def _events(self, known: Container[tuple[str, str]] = (), **query: Any) -> list[JobLogEvent]:
        pages = self._client.get_paginator("query").paginate(TableName=self._table_name, **query, **_PROJECTION)
        return [
            from_item(item)
            for page in pages
            for item in page["Items"]
            if (item["JobId"]["S"], f"{item['Timestamp']['S']}#{item['EventId']['S']}") not in known
        ]

    def completed(self, event: JobLogEvent) -> JobLogEvent:
        """A server's event with what it lacks and others of the server's events in this job know.

        DRS's own launch results know neither name nor execution nor error.
        """
        if not event.source_server_id or event.source_server_name:
            return event
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="JobId = :job",
            FilterExpression="SourceServerId = :server",
            ExpressionAttributeValues={
                ":job": {"S": _storable(event.job_id)},
                ":server": {"S": _storable(event.source_server_id)},
            },
            ScanIndexForward=False,
            **_PROJECTION,
        )
        known = event
        for other in (from_item(item) for page in pages for item in page["Items"]):
            is_failure = other.event_type in SERVER_FAILURES
            known = replace(
                known,
                source_server_name=known.source_server_name or other.source_server_name,
                execution_id=known.execution_id or other.execution_id,
                error=known.error or (other.error if is_failure else None),
            )
            if known.source_server_name and known.execution_id and known.error:
                break
        return known

    def unlinked(self) -> dict[str, list[str]]:
        """The ``EventKey`` of every event that has no execution, by job."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table_name, IndexName="UnlinkedIndex")
        keys: dict[str, list[str]] = {}
        for page in pages:
            for item in page["Items"]:
                keys.setdefault(item["JobId"]["S"], []).append(item["EventKey"]["S"])
        return keys

    def execution_of(self, job_id: str) -> str | None:
        """The execution that others of a job's events are linked to, as far as its newest and its first tell."""
        for is_forward in (False, True):
            answer = self._client.query(
                TableName=self._table_name,
                KeyConditionExpression="JobId = :id",
                ExpressionAttributeValues={":id": {"S": job_id}},
                ProjectionExpression="ExecutionId",
                ScanIndexForward=is_forward,
                Limit=_ASKED,
            )
            for item in answer["Items"]:
                if "ExecutionId" in item:
                    return item["ExecutionId"]["S"]
            if len(answer["Items"]) < _ASKED:
                break
        return None

    def revisit(self, job_id: str, key: str) -> None:
        """Have the linker come to an event though it is linked: put it among the unlinked ones."""
        changed(
            self._client.update_item,
            TableName=self._table_name,
            Key={"JobId": {"S": job_id}, "EventKey": {"S": key}},
            UpdateExpression="SET UnlinkedJobId = :job",
            ConditionExpression="attribute_exists(JobId)",
            ExpressionAttributeValues={":job": {"S": job_id}},
        )

    def link(self, job_id: str, key: str, execution_id: str) -> bool:
        """Take an event from the unlinked ones, linked to its execution: to this one, unless it has one already.

        False if it is not among them any more, or gone, and nothing changed.
        """
        return changed(
            self._client.update_item,
            TableName=self._table_name,
            Key={"JobId": {"S": job_id}, "EventKey": {"S": key}},
            UpdateExpression="SET ExecutionId = if_not_exists(ExecutionId, :id), LateAt = :now REMOVE UnlinkedJobId",
            ConditionExpression="attribute_exists(UnlinkedJobId)",
            ExpressionAttributeValues={":id": {"S": execution_id}, ":now": {"S": format_time(datetime.now(UTC))}},
        )


def changed(write: Callable[..., object], **request: Any) -> bool:
    """Make a conditional write: False where its condition does not hold and nothing changed.

    Raises
    ------
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        Where DynamoDB cannot be reached, or refuses for another reason.
    """
    try:
        write(**request)
    except ClientError as error:
        # By its code: the client makes its exception classes at first use, and two threads may make two of each.
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def from_item(item: Mapping[str, Any]) -> JobLogEvent:
    """The event of an item, as DynamoDB's API gives it; what was not asked for is absent."""

    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    return JobLogEvent(
        job_id=item["JobId"]["S"],
        event_id=item["EventId"]["S"],
        event_type=item["EventType"]["S"],
        timestamp=parse_time("Timestamp", text("Timestamp")),
        source=item["Source"]["S"],
        detail=_deserialize(item["EventData"]) if "EventData" in item else {},
        execution_id=text("ExecutionId"),
        source_server_id=text("SourceServerId"),
        source_server_name=text("SourceServerName"),
        ec2_instance_id=text("Ec2InstanceId"),
        message=text("Message"),
        error=text("Error"),
    )


def to_item(event: JobLogEvent, *, ingested_at: datetime, retention: timedelta) -> dict[str, Any]:
    """The item of an event; attributes that are not known are absent.

    Raises
    ------
    InvalidEventError
        Where it is over DynamoDB's 400 KB, even with its texts cut.
    """
    is_late = event.execution_id is not None and ingested_at - event.timestamp > _LATE
    attributes = {
        "JobId": event.job_id,
        "EventKey": event.key,
        "Timestamp": format_time(event.timestamp),
        "EventId": event.event_id,
        "EventType": event.event_type,
        "Source": event.source,
        "ExecutionId": event.execution_id,
        "UnlinkedJobId": event.job_id if event.execution_id is None else None,
        "LateAt": format_time(ingested_at) if is_late else None,
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
    fit = fitted(item, _fits, _CUTTABLE, "Truncated")
    if fit is not item and not _fits(fit):
        raise InvalidEventError("detail has too many parts for an item of 400 KB, even with its texts cut")
    return fit


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
