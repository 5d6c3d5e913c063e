"""The events table: each event once."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from http import HTTPStatus
from itertools import groupby, islice
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from drs_job_log.model.events import (
    ENDINGS,
    InvalidEventError,
    JobLogEvent,
    event_key,
    format_time,
    ledger_key,
    seconds_of,
)
from drs_job_log.model.json_text import to_json
from drs_job_log.model.summary import is_final_of_server, request_part, summary_part
from drs_job_log.model.truncate import truncate_to_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from mypy_boto3_dynamodb import DynamoDBClient

# DynamoDB's limit is 400 KB. The size of an item is estimated, and the estimate is never too low.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
_MAX_ITEM_BYTES: Final = 400 * 1024 - 4096

# DynamoDB allows 32 levels of nesting, including the attribute's value. Deeper values are stored as JSON text.
_MAX_DEPTH: Final = 30

_TRUNCATABLE: Final = frozenset({"Message", "Error", "EventData"})

# The part of EventData that determines the progress.
_PROGRESS_KEYS: Final = (
    *("jobType", "initiatedBy", "isDrill", "sourceServerIDs", "resourceIDs", "resourceID", "actionName"),
    *("participatingServers", "participatingResources", "outcome", "revision"),
    *("account", "region", "createdAt", "rtoMinutes", "state", "requestedBy", "recoveryPlan", "recoveryPlanStep"),
    *("instanceIDs", "checkedAt"),
)

# The part of EventData that the collector compares with the job.
_JOB_FACTS: Final = (
    *("eventType", "sourceServerIDs", "resourceIDs"),
    *("participatingServers", "participatingResources", "outcome", "revision"),
)

# The attributes that queries return: what the API shows, and what determines the progress.
_PROJECTED: Final = (
    *("JobId", "EventKey", "EventId", "EventType", "Timestamp", "Source", "ExecutionId"),
    *("SourceServerId", "SourceServerName", "Ec2InstanceId", "Message", "Error", "Servers"),
    *(f"EventData.{name}" for name in (*_PROGRESS_KEYS, "durationSeconds")),
)


def _projection(*paths: str) -> Mapping[str, Any]:
    """Return the parameters of a query that returns only these attributes."""
    return {
        # Placeholders, since some names are reserved words of DynamoDB.
        "ProjectionExpression": ", ".join("#" + path.replace(".", ".#") for path in paths),
        "ExpressionAttributeNames": {f"#{name}": name for path in paths for name in path.split(".")},
    }


_PROJECTION: Final = _projection(*_PROJECTED)
_PARTICIPANT_PROJECTION: Final = _projection(*_PROJECTED, "EventData.attempt", "EventData.maxAttempts")

# The attributes that the linker needs to find the execution of a job.
_LINK_PROJECTION: Final = _projection(
    *("ExecutionId", "UnlinkedJobId", "Source"),
    *(f"EventData.{name}" for name in ("executionId", "jobType", "launchJobIDs")),
)

# The attributes of an item that are no facts about its event.
_TECHNICAL: Final = frozenset(
    {"LateAt", "LedgerKey", "LedgerMonth", "LedgerServerId", "Servers", "Summary", "TTL", "UnlinkedJobId"}
)

# How many of a job's newest, and then oldest, events are searched for an execution ID. Launch results have none.
_LINK_QUERY_LIMIT: Final = 25

# An event is in LateIndex if the linker linked it, or if it was stored with its execution this long after it happened.
_LATE_ARRIVAL: Final = timedelta(seconds=20)

# The longest expected time until an index contains a written event, including retries of the write and clock skew.
_INDEX_LAG: Final = timedelta(seconds=40)

# How many pages of 1 MB are read of a job to notify a failure. Foreign events can be in any number.
_MAX_PAGES: Final = 10

# The limit of a partition key in bytes.
_MAX_KEY_BYTES: Final = 2048

# Before the month in ``LedgerMonth``: the list of the requests of jobs.
REQUESTS_MONTH: Final = "requests-"

# A detail as an attribute of an item, and as a Python value.
_Detail = tuple[Any, dict[str, Any]]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What some events of a job say about its execution.

    Attributes
    ----------
    execution_id
        The execution of the collector's events: that of the job's tag, else that of a linked event.
    other_execution_id
        The execution of most events of other senders.
    job_type
        The type of the job.
    launch_job_ids
        The jobs that launched the servers of a TERMINATE job.
    is_given_up
        Whether the linker gave up some of these events before.
    """

    execution_id: str | None
    other_execution_id: str | None
    job_type: str | None
    launch_job_ids: Sequence[str]
    is_given_up: bool


class JobLogTable:
    """The events table in DynamoDB. Thread-safe.

    All methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if DynamoDB cannot be
    reached or refuses the request. It is safe to repeat them.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def put(self, event: JobLogEvent, retention: timedelta) -> bool:
        """Store an event until ``retention`` after it happened. Return False if the table already contains it.

        Raises
        ------
        InvalidEventError
            If the event does not fit into an item even when its texts are truncated.
        """
        item = to_item(event, ingested_at=datetime.now(UTC), retention=retention)
        return conditional_write(
            self._client.put_item,
            TableName=self._table_name,
            Item={name: _serialize(value) for name, value in item.items()},
            ConditionExpression="attribute_not_exists(JobId)",
        )

    def stored(self, job_id: str, collector_sources: AbstractSet[str]) -> dict[str, dict[str, Any]]:
        """Return the stored events of a job by their ``EventKey``, with a consistent read.

        The values are the parts of their details that the start and the end of a job have (see ``_JOB_FACTS``). They
        are empty for events of a server, and if the source is not one of ``collector_sources``, those of the collector.
        """
        paths = [f"EventData.{name}" for name in _JOB_FACTS]
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="JobId = :job",
            ExpressionAttributeValues={":job": {"S": job_id}},
            ConsistentRead=True,
            **_projection("EventKey", "Source", "SourceServerId", "Servers", *paths),
        )
        return {
            item["EventKey"]["S"]: with_servers(_value(item.get("EventData", {"M": {}})), item)
            if item["Source"]["S"] in collector_sources and "SourceServerId" not in item
            else {}
            for page in pages
            for item in page["Items"]
        }

    def events_of_job(self, job_id: str, *, consistent: bool = False) -> Iterator[JobLogEvent]:
        """Yield the events of a job, a query at a time. Details contain only the keys that determine the progress."""
        return self._query(
            KeyConditionExpression="JobId = :id",
            ExpressionAttributeValues={":id": {"S": storable(job_id)}},
            ConsistentRead=consistent,
        )

    def endings_of_job(self, job_id: str) -> list[JobLogEvent]:
        """Return the events that end or cancel a job (``ENDINGS``), with a consistent read.

        DynamoDB reads all events of the job, but answers with these only.
        """
        types = {f":type{place}": {"S": event_type} for place, event_type in enumerate(sorted(ENDINGS))}
        events = self._query(
            KeyConditionExpression="JobId = :id",
            FilterExpression=f"#EventType IN ({', '.join(types)})",
            ExpressionAttributeValues={":id": {"S": storable(job_id)}, **types},
            ConsistentRead=True,
        )
        return list(events)

    def events_of_execution(self, execution_id: str) -> Iterator[JobLogEvent]:
        """Yield the events that are linked to an execution in the order of time, as ``events_of_job`` does."""
        return self._query(
            IndexName="ExecutionIdIndex",
            KeyConditionExpression="ExecutionId = :id",
            ExpressionAttributeValues={":id": {"S": execution_id}},
        )

    def items_of(self, execution_id: str | None, job_id: str | None) -> Iterator[dict[str, Any]]:
        """Yield the items of an execution, or else of a job, in the format of the DynamoDB API, in the order of time.

        Items with the same time are in the order of their keys. An item has all attributes.
        """
        if execution_id is None:
            query: dict[str, Any] = {
                "KeyConditionExpression": "JobId = :id",
                "ExpressionAttributeValues": {":id": {"S": storable(job_id)}},
            }
        else:
            query = {
                "IndexName": "ExecutionIdIndex",
                "KeyConditionExpression": "ExecutionId = :id",
                "ExpressionAttributeValues": {":id": {"S": execution_id}},
            }
        pages = self._client.get_paginator("query").paginate(TableName=self._table_name, **query)
        items: Iterator[dict[str, Any]] = (item for page in pages for item in page["Items"])
        for _, of_time in groupby(items, key=lambda item: item["Timestamp"]["S"]):
            yield from sorted(of_time, key=lambda item: (item["JobId"]["S"], item["EventKey"]["S"]))

    def events_of_other_jobs(self, execution_id: str, job_id: str) -> Iterator[JobLogEvent]:
        """Yield the events of an execution without those of one of its jobs."""
        return self._query(
            IndexName="ExecutionIdIndex",
            KeyConditionExpression="ExecutionId = :id",
            FilterExpression="JobId <> :job",
            ExpressionAttributeValues={":id": {"S": execution_id}, ":job": {"S": storable(job_id)}},
        )

    def new_events_of_execution(
        self, execution_id: str, since: datetime, known: Container[tuple[str, str]]
    ) -> list[JobLogEvent]:
        """Return the events of an execution that are not in ``known``.

        ``known`` contains the job ID and ``EventKey`` of all events that the execution had at the time ``since``. Later
        events are found by their ``Timestamp``, and late arrivals by ``LateAt``.
        """
        start = format_time(since - _INDEX_LAG - _LATE_ARRIVAL)
        return [
            event
            for index, time in (("ExecutionIdIndex", "#Timestamp"), ("LateIndex", "LateAt"))
            for event in self._query(
                known,
                IndexName=index,
                KeyConditionExpression=f"ExecutionId = :id AND {time} >= :start",
                ExpressionAttributeValues={":id": {"S": execution_id}, ":start": {"S": start}},
            )
        ]

    def _query(self, known: Container[tuple[str, str]] = (), **query: Any) -> Iterator[JobLogEvent]:
        pages = self._client.get_paginator("query").paginate(TableName=self._table_name, **query, **_PROJECTION)
        details: dict[str, _Detail] = {}
        for page in pages:
            for item in page["Items"]:
                if (item["JobId"]["S"], item["EventKey"]["S"]) not in known:
                    yield from_item(item, details)

    def events_of_participant(self, event: JobLogEvent, since: datetime | None = None) -> list[JobLogEvent]:
        """Return the stored events of the event's server or network in its job, with a consistent read.

        ``since``: only events since this time, which reads less of a large job. Details contain only the keys that
        determine the progress, and the attempts. If the event names no server and no network, there are none. Of a job
        with more than 10 MB of events since then, only the first ones are read. The jobs of DRS have less.
        """
        participant = event.source_server_id or event.resource_id
        if not participant:
            return []
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="JobId = :job AND EventKey >= :since",
            FilterExpression="SourceServerId = :participant OR #EventData.#resourceID = :participant",
            ExpressionAttributeValues={
                ":job": {"S": storable(event.job_id)},
                ":participant": {"S": storable(participant)},
                ":since": {"S": format_time(since) if since else "0"},
            },
            ConsistentRead=True,
            **_PARTICIPANT_PROJECTION,
        )
        details: dict[str, _Detail] = {}
        return [from_item(item, details) for page in islice(pages, _MAX_PAGES) for item in page["Items"]]

    def unlinked(
        self, after: tuple[str, str] | None = None, has_time: Callable[[], bool] = lambda: True
    ) -> tuple[dict[str, list[str]], bool]:
        """Read UnlinkedIndex while time is left: at least one page, and each job as a whole.

        Only a job that has more events than that is returned in part. Return the ``EventKey`` of each event by job ID,
        in the order of the index, and whether the index was read to its end. ``after`` is the job ID and ``EventKey``
        of the event after which to start, which the index need not contain any more.
        """
        position = _index_key(*after) if after else None
        keys: dict[str, list[str]] = {}
        while True:
            start: Any = {"ExclusiveStartKey": position} if position else {}
            page = self._client.scan(TableName=self._table_name, IndexName="UnlinkedIndex", **start)
            for item in page["Items"]:
                keys.setdefault(item["JobId"]["S"], []).append(item["EventKey"]["S"])
            position = page.get("LastEvaluatedKey")
            if not position:
                return keys, True
            if keys and not has_time():
                break
        if len(keys) > 1:
            keys.popitem()  # the next page can contain more events of the last job
        return keys, False

    def unlinked_of_job(self, job_id: str) -> list[str]:
        """Return the ``EventKey`` of each event of a job that has no execution or is in UnlinkedIndex.

        These include the events that the linker gave up. The read is consistent.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="JobId = :job",
            FilterExpression="attribute_not_exists(ExecutionId) OR attribute_exists(UnlinkedJobId)",
            ExpressionAttributeValues={":job": {"S": job_id}},
            ProjectionExpression="EventKey",
            ConsistentRead=True,
        )
        return [item["EventKey"]["S"] for page in pages for item in page["Items"]]

    def facts_of(self, job_id: str, collector_sources: AbstractSet[str]) -> JobFacts:
        """Return what the newest events of a job say about its execution.

        The oldest events are read too if the newest events of the collector have no execution. ``collector_sources``
        are the sources of the collector's events.
        """
        rows: list[dict[str, Any]] = []
        for is_forward in (False, True):
            answer = self._client.query(
                TableName=self._table_name,
                KeyConditionExpression="JobId = :id",
                ExpressionAttributeValues={":id": {"S": job_id}},
                ScanIndexForward=is_forward,
                Limit=_LINK_QUERY_LIMIT,
                **_LINK_PROJECTION,
            )
            rows += map(to_python, answer["Items"])
            facts = _job_facts(rows, collector_sources)
            if facts.execution_id or len(answer["Items"]) < _LINK_QUERY_LIMIT:
                break
        return facts

    def jobs_from(self, after: str | None = None) -> Iterator[tuple[str, list[tuple[JobLogEvent, str | None]]]]:
        """Scan the table, and yield each job with its events and the key that each one has in the ledger, or None.

        ``after``: the job after which to start, in the order of the scan. It need not exist any more.
        """
        scan: dict[str, Any] = {**_projection(*_PROJECTED, "LedgerKey", "LedgerServerId")}
        if after:
            scan["ExclusiveStartKey"] = {"JobId": {"S": after}, "EventKey": {"S": "~"}}  # after each key of the job
        pages = self._client.get_paginator("scan").paginate(TableName=self._table_name, **scan)
        items = (item for page in pages for item in page["Items"])
        for job_id, items_of_job in groupby(items, key=lambda item: item["JobId"]["S"]):
            details: dict[str, _Detail] = {}
            yield (
                job_id,
                [
                    (from_item(item, details), item.get("LedgerKey", item.get("LedgerServerId", {})).get("S"))
                    for item in items_of_job
                ],
            )

    def add_to_ledger(self, event: JobLogEvent, attributes: Mapping[str, Any]) -> bool:
        """Set the attributes of the ledger of a stored event. Return False if it is deleted."""
        return conditional_write(
            self._client.update_item,
            TableName=self._table_name,
            Key={"JobId": {"S": event.job_id}, "EventKey": {"S": event.key}},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in attributes),
            ConditionExpression="attribute_exists(JobId)",
            ExpressionAttributeValues={f":{name}": _serialize(storable(value)) for name, value in attributes.items()},
        )

    def requeue_for_linker(self, job_id: str, key: str) -> None:
        """Add a linked event to UnlinkedIndex, so that the linker processes its job again."""
        conditional_write(
            self._client.update_item,
            TableName=self._table_name,
            Key={"JobId": {"S": job_id}, "EventKey": {"S": key}},
            UpdateExpression="SET UnlinkedJobId = :job",
            ConditionExpression="attribute_exists(JobId)",
            ExpressionAttributeValues={":job": {"S": job_id}},
        )

    def link(self, job_id: str, key: str, execution_id: str) -> bool:
        """Link an event to an execution, unless it has one, and remove it from UnlinkedIndex.

        Return False if the event has an execution and is not in UnlinkedIndex. Nothing is changed then.
        """
        return conditional_write(
            self._client.update_item,
            TableName=self._table_name,
            Key={"JobId": {"S": job_id}, "EventKey": {"S": key}},
            UpdateExpression="SET ExecutionId = if_not_exists(ExecutionId, :id), LateAt = :now REMOVE UnlinkedJobId",
            ConditionExpression=(
                "attribute_exists(UnlinkedJobId) OR (attribute_exists(JobId) AND attribute_not_exists(ExecutionId))"
            ),
            ExpressionAttributeValues={":id": {"S": execution_id}, ":now": {"S": format_time(datetime.now(UTC))}},
        )

    def give_up(self, job_id: str, key: str) -> bool:
        """Remove an event from UnlinkedIndex without linking it. Return False if it is not there."""
        return conditional_write(
            self._client.update_item,
            TableName=self._table_name,
            Key={"JobId": {"S": job_id}, "EventKey": {"S": key}},
            UpdateExpression="REMOVE UnlinkedJobId",
            ConditionExpression="attribute_exists(UnlinkedJobId)",
        )


def _index_key(job_id: str, key: str) -> dict[str, Any]:
    """Return the key of an event in UnlinkedIndex."""
    return {"UnlinkedJobId": {"S": job_id}, "JobId": {"S": job_id}, "EventKey": {"S": key}}


def conditional_write(write: Callable[..., object], **request: Any) -> bool:
    """Make a conditional write. Return False if its condition is not met. Nothing is changed then.

    Raises
    ------
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If DynamoDB cannot be reached, or refuses the request for another reason.
    """
    try:
        write(**request)
    except ClientError as error:
        # By its code: boto3 creates exception classes on first use, and two threads may create two of each.
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _job_facts(rows: Sequence[Mapping[str, Any]], collector_sources: AbstractSet[str]) -> JobFacts:
    own = [row for row in rows if row["Source"] in collector_sources]
    details = [row.get("EventData", {}) for row in own]
    tagged = [row["ExecutionId"] for row in own if "ExecutionId" in row and "executionId" in row.get("EventData", {})]
    linked = [row["ExecutionId"] for row in own if "ExecutionId" in row]
    others = Counter(
        row["ExecutionId"] for row in rows if "ExecutionId" in row and row["Source"] not in collector_sources
    )
    return JobFacts(
        execution_id=next(iter(tagged + linked), None),
        other_execution_id=next((execution_id for execution_id, _ in others.most_common(1)), None),
        job_type=next((detail["jobType"] for detail in details if "jobType" in detail), None),
        launch_job_ids=next((detail["launchJobIDs"] for detail in details if "launchJobIDs" in detail), ()),
        is_given_up=any("ExecutionId" not in row and "UnlinkedJobId" not in row for row in rows),
    )


def keep_items_as_json(client: DynamoDBClient) -> None:
    """Let a client return the items of queries without their parsing by botocore, which takes most of the time.

    The values of an item are the same without it, except binary values, which are base64 text.
    """
    client.meta.events.register("before-parse.dynamodb.Query", _take_items)


def _take_items(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Move the items of an answer from the body, which botocore parses, to the parsed answer."""
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    answer = json.loads(response_dict["body"])
    customized_response_dict["Items"] = answer.pop("Items")
    response_dict["body"] = to_json(answer).encode()


def to_python(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Python values of an item in the format of the DynamoDB API."""
    return {name: _value(value) for name, value in item.items()}


def _value(attribute: Any) -> Any:
    """Return the Python value of an attribute as boto3 does. Faster for the types of events."""
    ((kind, content),) = attribute.items()
    if kind in {"S", "BOOL"}:
        return content
    if kind == "M":
        return {name: _value(part) for name, part in content.items()}
    if kind == "L":
        return [_value(part) for part in content]
    if kind in {"B", "BS"}:
        return content
    return _deserialize(attribute)


def _compressed(servers: list[object]) -> bytes:
    """Return the servers of a job's end as compressed JSON: uncompressed, they are several write units."""
    return gzip.compress(json.dumps(storable(servers), default=float, separators=(",", ":")).encode(), mtime=0)


def with_servers(detail: dict[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail of an event with the servers in ``Servers``. Only the end of a job has this attribute.

    ``item`` has the format of the DynamoDB API.
    """
    if "Servers" not in item:
        return detail
    content = item["Servers"]["B"]
    servers = gzip.decompress(base64.b64decode(content) if isinstance(content, str) else content)
    return {**detail, "participatingServers": json.loads(servers)}


def from_item(item: Mapping[str, Any], details: dict[str, _Detail]) -> JobLogEvent:
    """Return the event of an item in the format of the DynamoDB API. Attributes outside the projection are absent.

    ``details`` has the detail of the previous event of each job. Events with equal details share one.
    """

    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    def shared(name: str) -> str | None:
        # Many events have the same text. Each text is in memory once.
        return intern(item[name]["S"]) if name in item else None

    job_id = intern(item["JobId"]["S"])
    attribute = item.get("EventData", {"M": {}})
    if duration := attribute["M"].get("durationSeconds"):
        # It differs between events whose other details are equal.
        attribute = {"M": {name: value for name, value in attribute["M"].items() if name != "durationSeconds"}}
    previous, detail = details.get(job_id, (None, {}))
    if attribute != previous:
        detail = _value(attribute)
        details[job_id] = attribute, detail
    detail = with_servers(detail, item)
    time, event_id = item["Timestamp"]["S"], item["EventId"]["S"]
    return JobLogEvent(
        job_id=job_id,
        event_id=event_id,
        event_type=intern(item["EventType"]["S"]),
        timestamp=datetime.fromisoformat(time),  # the format of format_time
        source=intern(item["Source"]["S"]),
        is_foreign=item["EventKey"]["S"] != event_key(time, event_id),
        detail=detail,
        execution_id=shared("ExecutionId"),
        source_server_id=shared("SourceServerId"),
        source_server_name=shared("SourceServerName"),
        resource_id=str(detail["resourceID"]) if detail.get("resourceID") else None,
        ec2_instance_id=shared("Ec2InstanceId"),
        message=text("Message"),
        error=text("Error"),
        duration_seconds=seconds_of(_value(duration)) if duration else None,
    )


def event_of(item: Mapping[str, Any], details: dict[str, _Detail]) -> JobLogEvent:
    """Return the event of a whole item as queries return it (see ``from_item``). Its detail has less than the item."""
    detail = item.get("EventData", {"M": {}})["M"]
    kept = {name: detail[name] for name in (*_PROGRESS_KEYS, "durationSeconds") if name in detail}
    return from_item({**item, "EventData": {"M": kept}}, details)


def stored_facts(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an item without those for indexes, the linker and the expiry.

    The servers of a job's end are in its ``EventData``. Numbers are int or float.
    """
    values = to_python({name: value for name, value in item.items() if name not in _TECHNICAL})
    detail = with_servers(values.get("EventData", {}), item)
    return {name: _plain(value) for name, value in {**values, **({"EventData": detail} if detail else {})}.items()}


def _plain(value: Any) -> Any:
    """Return a value with int or float instead of Decimal."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
    return value


def to_item(event: JobLogEvent, *, ingested_at: datetime, retention: timedelta) -> dict[str, Any]:
    """Return the item of an event, as Python values. Unknown attributes are absent.

    Raises
    ------
    InvalidEventError
        If the item exceeds 400 KB even when its texts are truncated.
    """
    is_late = event.execution_id is not None and ingested_at - event.timestamp > _LATE_ARRIVAL
    ledger = ledger_attributes(event)
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
        "EventData": without_servers(event.detail) if "Servers" in ledger else event.detail,
        "Truncated": True if event.detail.get("truncated") is True else None,
        "IngestedAt": format_time(ingested_at),
        "TTL": int(event.timestamp.timestamp() + retention.total_seconds()),
        **ledger,
    }
    item = {name: storable(value) for name, value in attributes.items() if value is not None}
    fitting = truncate_to_fit(item, _fits_item, _TRUNCATABLE, "Truncated")
    if fitting is not item and not _fits_item(fitting):
        raise InvalidEventError("detail has too many parts for an item of 400 KB, even with truncated texts")
    return fitting


def ledger_attributes(event: JobLogEvent) -> dict[str, Any]:
    """Return the attributes that add an event to the ledger. Empty if it has no summary of its job or its server.

    The request of a job does not state when DRS created the job. It therefore has a list of its own, by its time.
    """
    if is_final_of_server(event) and is_partition_key(event.source_server_id):
        return {"LedgerServerId": event.source_server_id}
    if request := request_part(event):
        time = format_time(event.timestamp)
        key = ledger_key(time, event.job_id)
        return (
            {"LedgerMonth": REQUESTS_MONTH + key[: len("2025-11")], "LedgerKey": key, "Summary": request} if key else {}
        )
    part = summary_part(event)
    key = ledger_key(part["createdAt"], event.job_id) if part else None
    if part is None or key is None:
        return {}
    servers = event.detail.get("participatingServers")
    return {"LedgerMonth": key[: len("2025-11")], "LedgerKey": key, "Summary": part} | (
        {"Servers": _compressed(servers)} if isinstance(servers, list) else {}
    )


def without_servers(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail of a job's end without the servers that ``Servers`` has."""
    return {name: value for name, value in detail.items() if name != "participatingServers"}


def is_partition_key(value: str | None) -> bool:
    """Whether a value can be the partition key of the table or an index."""
    return value is not None and 0 < len(value.encode(errors="backslashreplace")) <= _MAX_KEY_BYTES


def storable(value: Any, depth: int = 0) -> Any:
    """Convert a JSON value to one that DynamoDB can store."""
    match value:
        case str():
            # An unpaired surrogate has no UTF-8 form, so it becomes an escape sequence.
            return value.encode(errors="backslashreplace").decode()
        case bool() | None | bytes():
            return value
        case int() | float() | Decimal():
            return _number(Decimal(str(value)) if isinstance(value, float) else value)
        case Mapping() | list() if depth == _MAX_DEPTH:
            return storable(json.dumps(value, default=str, ensure_ascii=False))
        case Mapping():
            return {storable(key): storable(part, depth + 1) for key, part in value.items()}
        case _:
            return [storable(part, depth + 1) for part in value]


def _number(value: int | Decimal) -> Decimal | str:
    """Return the number, or a string if it exceeds DynamoDB's 38 digits or range."""
    try:
        number = DYNAMODB_CONTEXT.create_decimal(value)
    except DecimalException:
        return str(value)
    if not number:
        return Decimal(0)
    return number if -130 <= number.adjusted() <= 125 else str(value)


def _fits_item(item: dict[str, Any]) -> bool:
    return _size(item) <= _MAX_ITEM_BYTES


def _size(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case dict():
            return 3 + sum(1 + len(key.encode()) + _size(part) for key, part in value.items())
        case list():
            return 3 + sum(1 + _size(part) for part in value)
        case bytes():
            return len(value)
        case Decimal():
            return len(value.as_tuple().digits) // 2 + 3
        case _:
            return 1
