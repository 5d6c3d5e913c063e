"""The executions table of the orchestrator: finds the execution of a job, and reads and sets its status."""

from __future__ import annotations

import json
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from drs_job_log.model.events import format_time
from drs_job_log.table import conditional_write, to_python

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.config import ExecutionsTableSettings

logger = Logger(child=True)


class ExecutionsTableError(RuntimeError):
    """The table does not match its settings, so a retry does not help. The message states the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """An item of an execution. If the table has a range key, an execution can have several.

    Attributes
    ----------
    key
        The primary key, in the format of the DynamoDB API.
    status
        The status as a Python value, or None if the item has none.
    waves
        The job IDs of each wave. Empty for a wave that has not started.
    wave_count
        The number of planned waves. 0 if the item does not state it, infinite if the value is not a number.
    as_read
        The status, end time and waves as read, in the format of the DynamoDB API. They are the condition for an update.
    """

    key: Mapping[str, Any]
    status: object
    waves: Sequence[frozenset[str]]
    wave_count: float
    as_read: Mapping[str, Any]

    @property
    def job_ids(self) -> frozenset[str]:
        """The IDs of all jobs in the record."""
        return frozenset[str]().union(*self.waves)

    @property
    def names_every_job(self) -> bool:
        """Whether the record contains all planned waves, each with a job."""
        return len(self.waves) >= max(self.wave_count, 1) and all(self.waves)


@dataclass(frozen=True, slots=True)
class ExecutionState:
    """What the records of an execution say.

    Attributes
    ----------
    is_over
        Whether all records have a final status.
    planned_waves
        The number of planned waves. None if a record does not state it.
    """

    is_over: bool
    planned_waves: int | None


class ExecutionsTable:
    """The executions table. It is written only if ``update_status`` is enabled.

    All methods that send requests raise ``ExecutionsTableError`` if the table does not match its settings. Each reason
    is logged once. They raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if DynamoDB
    cannot be reached or refuses the request for another reason.

    Attributes
    ----------
    unfinished
        The jobs for which the scan has not read the whole table yet, with the number of ends that it must still reach.
    """

    def __init__(self, client: DynamoDBClient, settings: ExecutionsTableSettings) -> None:
        self.settings = settings
        self._client = client
        self._key_schemas: Mapping[str | None, Sequence[str]] | None = None
        self._key_types: Mapping[str, str] = {}
        self._scan_position: Mapping[str, Any] | None = None
        self.unfinished: Mapping[str, int] = {}
        self._running = frozenset(map(_normalized, settings.running_statuses))
        self._is_checked = False
        self._query_rejection: str | None = None
        self._logged: set[str] = set()

    @classmethod
    def from_settings(
        cls, settings: ExecutionsTableSettings | None, create_client: Callable[[], DynamoDBClient]
    ) -> Self | None:
        """Return the table, or None without settings. The client is created only if there are settings."""
        return cls(create_client(), settings) if settings else None

    def check(self) -> None:
        """Check that the keys match the settings. If they did not match, read them again.

        Raises
        ------
        ExecutionsTableError
            If ``execution_id_attribute`` is not the partition key or not a string, if the table has no index
            ``job_id_index``, or if another method raised the error before. The reason is logged at each call.
        """
        if self._is_checked:
            if self._logged:
                reason = min(self._logged)
                self._logged.remove(reason)
                raise self._rejection(reason)
            return
        self._key_schemas, self._query_rejection, self._logged = None, None, set()
        self._table_keys()
        if self.settings.job_id_index:
            self._keys(self.settings.job_id_index)
        self._is_checked = True

    def is_final(self, status: object) -> bool:
        """Whether a status ends an execution: any word that does not mean "running". A missing status means running."""
        return status is not None and _normalized(status) not in self._running | {""}

    def find_by_index(self, job_id: str) -> str | None:
        """Return the execution of a job by ``job_id_index``, or None if there is no execution or more than one."""
        hash_key, *_ = self._keys(self.settings.job_id_index)
        items = self._query_pages(
            IndexName=str(self.settings.job_id_index),
            KeyConditionExpression="#job = :job",
            ProjectionExpression="#execution",
            ExpressionAttributeNames={"#job": hash_key, "#execution": self.settings.execution_id_attribute},
            ExpressionAttributeValues={":job": {"S": job_id}},
        )
        executions = {execution for item in items for execution in self._execution_ids(item)}
        if items and not executions:
            raise self._rejection(
                f"job_id_index must be an index that projects {self.settings.execution_id_attribute}; "
                f"{self.settings.job_id_index} of {self.settings.table_name} does not"
            )
        return executions.pop() if len(executions) == 1 else None

    def find_by_scan(self, job_ids: Collection[str], seconds_left: Callable[[], float]) -> dict[str, str]:
        """Scan the whole table for these jobs, until no time is left. Return their executions by job ID.

        The next scan continues where this one ended, and ``unfinished`` are the jobs that it must continue for. A job
        that is in more than one execution is omitted.
        """
        settings = self.settings
        attributes = (settings.execution_id_attribute, settings.waves_attribute, settings.job_id_attribute)
        names = {f"#{place}": name for place, name in enumerate(dict.fromkeys(attributes))}
        found: dict[str, set[str]] = {}
        # A job that is new in the middle of the table is also searched in the part before.
        ends = 2 if self._scan_position else 1
        self.unfinished = {job_id: self.unfinished.get(job_id, ends) for job_id in job_ids}
        while self.unfinished and seconds_left() > 0:
            position: Any = {"ExclusiveStartKey": self._scan_position} if self._scan_position else {}
            with self._rejections():
                page = self._client.scan(
                    TableName=settings.table_name,
                    ProjectionExpression=", ".join(names),
                    ExpressionAttributeNames=names,
                    **position,
                )
            for item in page["Items"]:
                named = frozenset[str]().union(*_waves(to_python(item), settings))
                for job_id in named.intersection(self.unfinished):
                    found.setdefault(job_id, set()).update(self._execution_ids(item))
            self._scan_position = page.get("LastEvaluatedKey")
            if not self._scan_position:
                self.unfinished = {job_id: ends - 1 for job_id, ends in self.unfinished.items() if ends > 1}
        return {job_id: executions.pop() for job_id, executions in found.items() if len(executions) == 1}

    def state(self, execution_id: str) -> ExecutionState | None:
        """Return what the records of an execution say about it. None if the table has no record."""
        status, count = self.settings.status_attribute, self.settings.wave_count_attribute
        names = {"#status": status, "#count": count}
        items = self._query(execution_id, ProjectionExpression=", ".join(names), names=names)
        if not items:
            return None
        records = [to_python(item) for item in items]
        counts = [_wave_count(record.get(count)) for record in records]
        return ExecutionState(
            is_over=all(self.is_final(record.get(status)) for record in records),
            planned_waves=int(sum(counts)) if all(0 < number < math.inf for number in counts) else None,
        )

    def records(self, execution_id: str) -> list[ExecutionRecord]:
        """Return the records of an execution, with a consistent read."""
        settings = self.settings
        keys = self._table_keys()
        records = []
        for item in self._query(execution_id, ConsistentRead=True, names={}):
            values = to_python(item)
            watched = (settings.status_attribute, settings.end_time_attribute, settings.waves_attribute)
            records.append(
                ExecutionRecord(
                    key={name: item[name] for name in keys},
                    status=values.get(settings.status_attribute),
                    waves=_waves(values, settings),
                    wave_count=_wave_count(values.get(settings.wave_count_attribute)),
                    as_read={name: item.get(name) for name in watched},
                )
            )
        return records

    def set_status(self, record: ExecutionRecord, status: str, ended_at: datetime) -> bool:
        """Set the status and end time of a record. If the record has changed, return False."""
        new_values = {
            self.settings.status_attribute: {"S": status},
            self.settings.end_time_attribute: self._end_time(ended_at),
        }
        # Without this condition, UpdateItem would create an item that was deleted meanwhile.
        conditions = ["attribute_exists(#key)"]
        names = {"#key": next(iter(record.key))}
        values = {}
        for place, (name, value) in enumerate(record.as_read.items()):
            names[f"#was{place}"] = name
            conditions.append(f"#was{place} = :was{place}" if value else f"attribute_not_exists(#was{place})")
            if value:
                values[f":was{place}"] = value
        for place, (name, value) in enumerate(new_values.items()):
            names[f"#to{place}"] = name
            values[f":to{place}"] = value
        with self._rejections():
            return conditional_write(
                self._client.update_item,
                TableName=self.settings.table_name,
                Key=record.key,
                UpdateExpression="SET #to0 = :to0, #to1 = :to1",
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )

    def has_end_time(self, record: ExecutionRecord, ended_at: datetime) -> bool:
        """Whether the end time of a record is exactly the one that ``set_status`` sets."""
        return bool(record.as_read[self.settings.end_time_attribute] == self._end_time(ended_at))

    def _end_time(self, ended_at: datetime) -> Mapping[str, Any]:
        in_seconds = self.settings.end_time_format == "EPOCH_SECONDS"
        return {"N": str(int(ended_at.timestamp()))} if in_seconds else {"S": format_time(ended_at)}

    def _query(self, execution_id: str, *, names: Mapping[str, str], **options: Any) -> list[Mapping[str, Any]]:
        """Return the items of an execution. After DynamoDB rejected such a query, send none until ``check``."""
        if self._query_rejection:
            raise ExecutionsTableError(self._query_rejection)
        try:
            return self._query_pages(
                KeyConditionExpression="#id = :id",
                ExpressionAttributeNames={"#id": self.settings.execution_id_attribute, **names},
                ExpressionAttributeValues={":id": {"S": execution_id}},
                **options,
            )
        except ExecutionsTableError as error:
            self._query_rejection = str(error)
            raise

    def _query_pages(self, **query: Any) -> list[Mapping[str, Any]]:
        with self._rejections():
            pages = self._client.get_paginator("query").paginate(TableName=self.settings.table_name, **query)
            return [item for page in pages for item in page["Items"]]

    @contextmanager
    def _rejections(self) -> Iterator[None]:
        """Convert the error of a request that DynamoDB rejects because of the key schema or the settings."""
        try:
            yield
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            raise self._rejection(
                f"DynamoDB rejected a request to {self.settings.table_name}: {error.response['Error'].get('Message')}. "
                "Check that execution_id_attribute is the partition key and that the other settings match the table"
            ) from error

    def _rejection(self, reason: str) -> ExecutionsTableError:
        """Log the reason, unless it is logged, and return the error."""
        if reason not in self._logged:
            self._logged.add(reason)
            logger.error("Executions table rejected", reason=reason)
        return ExecutionsTableError(reason)

    def _table_keys(self) -> Sequence[str]:
        """Return the key attributes of the table, whose partition key must be the execution ID."""
        keys = self._keys(None)
        if keys[0] != self.settings.execution_id_attribute:
            raise self._rejection(
                f"execution_id_attribute must be the partition key of {self.settings.table_name}, which is {keys[0]}, "
                f"not {self.settings.execution_id_attribute}"
            )
        if self._key_types[keys[0]] != "S":
            raise self._rejection(
                f"execution_id_attribute must be a string; {keys[0]} of {self.settings.table_name} has the type "
                f"{self._key_types[keys[0]]}"
            )
        return keys

    def _execution_ids(self, item: Mapping[str, Any]) -> set[str]:
        """Return the execution ID of an item as a set, which is empty if the item has no such string."""
        value = item.get(self.settings.execution_id_attribute, {}).get("S")
        return {value} if value else set()

    def _keys(self, index: str | None) -> Sequence[str]:
        """Return the key attributes of an index, or of the table: the partition key first."""
        if self._key_schemas is None:
            table = self._client.describe_table(TableName=self.settings.table_name)["Table"]
            schemas: list[tuple[str | None, Any]] = [(None, table["KeySchema"])]
            schemas += [(index["IndexName"], index["KeySchema"]) for index in table.get("GlobalSecondaryIndexes", [])]
            self._key_types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
            self._key_schemas = {
                name: [key["AttributeName"] for key in sorted(schema, key=itemgetter("KeyType"))]  # HASH, RANGE
                for name, schema in schemas
            }
        if index not in self._key_schemas:
            raise self._rejection(
                f"job_id_index must be a global secondary index of {self.settings.table_name}, not {index}"
            )
        return self._key_schemas[index]


def _normalized(status: object) -> str:
    """Return a status without case, "_", "-" and spaces: the same word has many spellings."""
    return re.sub(r"[_\-\s]", "", str(status)).casefold()


def _waves(item: Mapping[str, Any], settings: ExecutionsTableSettings) -> list[frozenset[str]]:
    """Return the job IDs of each wave of an item. Without waves, the item itself is one wave."""
    name = settings.job_id_attribute
    waves = item.get(settings.waves_attribute)
    parts = [{name: item.get(name)}] if waves is None else _wave_parts(waves, name)
    return [frozenset(_job_ids(wave, name)) for wave in parts]


def _wave_parts(waves: Any, job_id_attribute: str) -> list[Any]:
    """Return the waves as a list.

    ``waves`` is a list, a map by wave name, a map that contains one of these, or the JSON text of one of these.
    """
    match _parse_json(waves):
        case list() as wave_list:
            return wave_list
        case dict() as wave_map if job_id_attribute not in wave_map:
            parts = [part for part in map(_parse_json, wave_map.values()) if isinstance(part, list | dict)]
            waves = [wave for part in parts for wave in (part if isinstance(part, list) else [part])]
            return [wave for wave in waves if isinstance(wave, dict)] or [wave_map]
        case dict() as wave:
            return [wave]
    return []


def _job_ids(value: Any, job_id_attribute: str) -> Iterator[str]:
    """Yield the job IDs under the attribute at any depth. A map that has the attribute is not searched further."""
    match _parse_json(value):
        case dict() as parts if job_id_attribute in parts:
            named = parts[job_id_attribute]
            listed = named if isinstance(named, list | set) else [named]
            yield from (job_id for job_id in listed if isinstance(job_id, str) and job_id)
        case dict() as parts:
            for part in parts.values():
                yield from _job_ids(part, job_id_attribute)
        case list() as parts:
            for part in parts:
                yield from _job_ids(part, job_id_attribute)


def _parse_json(value: Any) -> Any:
    """Return the list or map of a JSON text. Return any other value unchanged."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _wave_count(value: Any) -> float:
    """Return a number of waves. A value that is not a number gives infinity, so that the record is never complete."""
    if value is None:
        return 0
    try:
        return int(value)
    except (TypeError, ValueError):
        return math.inf
