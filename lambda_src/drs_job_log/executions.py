"""The platform's execution history table: which execution a job belongs to, and how the execution stands."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal

from boto3.dynamodb.types import TypeDeserializer

from drs_job_log.events import format_time
from drs_job_log.progress import agreed, fold
from drs_job_log.store import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.store import JobLogStore

# What a status must not be for an execution to be going on: those of public tables, and what others call the same.
_TERMINAL: Final = frozenset(
    {
        *("COMPLETED", "PARTIAL", "FAILED", "CANCELLED"),
        *("CANCELED", "TERMINATED", "SUCCEEDED", "ABORTED", "TIMED_OUT", "TIMEOUT", "ERROR"),
    }
)

# Whoever else changes the record at the same time does so a few times, not for ever.
_ATTEMPTS: Final = 5

_deserialize = TypeDeserializer().deserialize

Finish = Literal["FINISHED", "UNCHANGED", "MISSING"]


class HistoryError(RuntimeError):
    """The table is not as the settings say, or not to be had: it says what to mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySettings:
    """How the table is to be read and written: see the input ``execution_history``."""

    execution_id_attribute: str = "ExecutionId"
    waves_attribute: str = "Waves"
    wave_count_attribute: str = "TotalWaves"
    job_id_attribute: str = "JobId"
    status_attribute: str = "Status"
    end_time_attribute: str = "EndTime"
    end_time_format: str = "ISO8601"
    job_id_index: str | None = None
    allow_scan: bool = False
    update_status: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An execution in the table or, where it has a range key, a part of one.

    Attributes
    ----------
    key
        Its primary key.
    status
        As it stands there; None where there is none.
    waves
        The ids of each wave's jobs: none where the wave has none yet.
    wave_count
        How many waves it is going to have: 0 where it does not say, infinite where what it says is no number.
    unchanged
        Its status and its waves, for the condition that they are still as they were read. This and ``key`` are as
        DynamoDB's API takes them.
    """

    key: Mapping[str, Any]
    status: str | None
    waves: Sequence[frozenset[str]]
    wave_count: float
    unchanged: Mapping[str, Any]

    @property
    def job_ids(self) -> frozenset[str]:
        """The ids of all jobs that it names."""
        return frozenset[str]().union(*self.waves)

    @property
    def names_every_job(self) -> bool:
        """Whether all of its waves are there, each with a job."""
        return len(self.waves) >= max(self.wave_count, 1) and all(self.waves)


def read_settings(text: str) -> HistorySettings:
    """Settings from a JSON object with the names of ``HistorySettings`` in camel case.

    Raises
    ------
    ValueError
        Where it is no such object.
    """
    try:
        given = json.loads(text).items()
        return HistorySettings(**{re.sub("[A-Z]", lambda m: "_" + m[0].lower(), key): value for key, value in given})
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"EXECUTION_HISTORY_SETTINGS must be a JSON object of settings, not {text!r:.200}") from error


def history_from(environment: Mapping[str, str], make_client: Callable[[], DynamoDBClient]) -> ExecutionHistory | None:
    """The table that the environment names; None where it names none, and no client is made.

    Raises
    ------
    ValueError
        Where ``EXECUTION_HISTORY_SETTINGS`` are none.
    """
    table_name = environment.get("EXECUTION_HISTORY_TABLE")
    if not table_name:
        return None
    return ExecutionHistory(
        make_client(), table_name, read_settings(environment.get("EXECUTION_HISTORY_SETTINGS", "{}"))
    )


class ExecutionHistory:
    """The table, read and, where its settings allow it, written."""

    def __init__(self, client: DynamoDBClient, table_name: str, settings: HistorySettings) -> None:
        self.settings = settings
        self._client = client
        self._table_name = table_name
        self._key_schemas: Mapping[str | None, Sequence[str]] | None = None
        self._scanned_up_to: Mapping[str, Any] | None = None

    def find_by_index(self, job_id: str) -> str | None:
        """The execution of a job by ``job_id_index``; None where it has none, or more than one.

        Raises
        ------
        HistoryError
            Where the table has no such index, or the index lacks the execution's id.
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            Where DynamoDB cannot be reached or refuses. So do all methods.
        """
        hash_key, *_ = self._keys(self.settings.job_id_index)
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            IndexName=str(self.settings.job_id_index),
            KeyConditionExpression="#job = :job",
            ProjectionExpression="#execution",
            ExpressionAttributeNames={"#job": hash_key, "#execution": self.settings.execution_id_attribute},
            ExpressionAttributeValues={":job": {"S": job_id}},
        )
        items = [item for page in pages for item in page["Items"]]
        executions = {execution for item in items for execution in self._execution_id(item)}
        if items and not executions:
            raise HistoryError(
                f"job_id_index must be an index that projects {self.settings.execution_id_attribute}; "
                f"{self.settings.job_id_index} of {self._table_name} does not"
            )
        return executions.pop() if len(executions) == 1 else None

    def find_by_scan(self, job_ids: Collection[str], seconds_left: Callable[[], float]) -> dict[str, str]:
        """The executions of those jobs that it finds while there is time; the next scan goes on where this one ended.

        A job that it finds in more than one execution, it leaves out.
        """
        settings = self.settings
        attributes = (settings.execution_id_attribute, settings.waves_attribute, settings.job_id_attribute)
        names = {f"#{place}": name for place, name in enumerate(dict.fromkeys(attributes))}
        found: dict[str, set[str]] = {}
        while seconds_left() > 0:
            position: Any = {"ExclusiveStartKey": self._scanned_up_to} if self._scanned_up_to else {}
            page = self._client.scan(
                TableName=self._table_name,
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
                **position,
            )
            for item in page["Items"]:
                named = frozenset[str]().union(*_waves(_plain(item), settings))
                for job_id in named.intersection(job_ids):
                    found.setdefault(job_id, set()).update(self._execution_id(item))
            self._scanned_up_to = page.get("LastEvaluatedKey")
            if not self._scanned_up_to:
                break
        return {job_id: executions.pop() for job_id, executions in found.items() if len(executions) == 1}

    def is_over(self, execution_id: str) -> bool | None:
        """Whether the platform calls the execution over; None where it does not know it."""
        status = self.settings.status_attribute
        items = self._query(execution_id, ProjectionExpression="#status", names={"#status": status})
        return all(_is_terminal(_plain(item).get(status)) for item in items) if items else None

    def records(self, execution_id: str) -> list[Record]:
        """The records of an execution, as they are now."""
        settings = self.settings
        keys = self._keys(None)
        if keys[0] != settings.execution_id_attribute:
            raise HistoryError(
                f"execution_id_attribute must be the partition key of {self._table_name}, which is {keys[0]}, "
                f"not {settings.execution_id_attribute}"
            )
        records = []
        for item in self._query(execution_id, ConsistentRead=True, names={}):
            plain = _plain(item)
            watched = (settings.status_attribute, settings.waves_attribute)
            records.append(
                Record(
                    key={name: item[name] for name in keys},
                    status=plain.get(settings.status_attribute),
                    waves=_waves(plain, settings),
                    wave_count=_count(plain.get(settings.wave_count_attribute)),
                    unchanged={name: item.get(name) for name in watched},
                )
            )
        return records

    def set_status(self, record: Record, status: str, ended_at: datetime) -> bool:
        """Set the status and the end time of a record; False where it is not as it was read, and nothing changed."""
        in_seconds = self.settings.end_time_format == "EPOCH_SECONDS"
        to = {
            self.settings.status_attribute: {"S": status},
            self.settings.end_time_attribute: (
                {"N": str(int(ended_at.timestamp()))} if in_seconds else {"S": format_time(ended_at)}
            ),
        }
        # An update makes what is not there: hence the key.
        conditions = ["attribute_exists(#key)"]
        names = {"#key": next(iter(record.key))}
        values = {}
        for place, (name, value) in enumerate(record.unchanged.items()):
            names[f"#was{place}"] = name
            conditions.append(f"#was{place} = :was{place}" if value else f"attribute_not_exists(#was{place})")
            if value:
                values[f":was{place}"] = value
        for place, (name, value) in enumerate(to.items()):
            names[f"#to{place}"] = name
            values[f":to{place}"] = value
        return changed(
            self._client.update_item,
            TableName=self._table_name,
            Key=record.key,
            UpdateExpression="SET #to0 = :to0, #to1 = :to1",
            ConditionExpression=" AND ".join(conditions),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def _query(self, execution_id: str, *, names: Mapping[str, str], **options: Any) -> list[Mapping[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="#id = :id",
            ExpressionAttributeNames={"#id": self.settings.execution_id_attribute, **names},
            ExpressionAttributeValues={":id": {"S": execution_id}},
            **options,
        )
        return [item for page in pages for item in page["Items"]]

    def _execution_id(self, item: Mapping[str, Any]) -> set[str]:
        """The execution that an item is of: none where it has no such text."""
        value = item.get(self.settings.execution_id_attribute, {}).get("S")
        return {value} if value else set()

    def _keys(self, index: str | None) -> Sequence[str]:
        """Names of the key attributes of an index, or of the table: the partition key first."""
        if self._key_schemas is None:
            table = self._client.describe_table(TableName=self._table_name)["Table"]
            schemas: list[tuple[str | None, Any]] = [(None, table["KeySchema"])]
            schemas += [(index["IndexName"], index["KeySchema"]) for index in table.get("GlobalSecondaryIndexes", [])]
            self._key_schemas = {
                name: [key["AttributeName"] for key in sorted(schema, key=itemgetter("KeyType"))]  # HASH, RANGE
                for name, schema in schemas
            }
        if index not in self._key_schemas:
            raise HistoryError(f"job_id_index must be a global secondary index of {self._table_name}, not {index}")
        return self._key_schemas[index]


def finish(history: ExecutionHistory, store: JobLogStore, execution_id: str, job_id: str) -> Finish:
    """Set the execution's status if this job was the last one to end; once, and never over a terminal status.

    Both tables are read as they are now, after the job's end was stored: of two jobs that end at the same time, the one
    that is stored later sees the other. MISSING: the table does not have the execution, or not with this job.

    Raises
    ------
    HistoryError
        Where the table is not as its settings say, or others change the record time and again.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        Where DynamoDB cannot be reached or refuses; trying again is safe.
    """
    for _ in range(_ATTEMPTS):
        records = [record for record in history.records(execution_id) if job_id in record.job_ids]
        if not records:
            return "MISSING"
        results = [_finish(history, store, record) for record in records]
        if None not in results:
            return "FINISHED" if "FINISHED" in results else "UNCHANGED"
    raise HistoryError(f"the record of {execution_id} was changed by others each time that its status was to be set")


def _finish(history: ExecutionHistory, store: JobLogStore, record: Record) -> Finish | None:
    """As ``finish``, for one record; None where it changed meanwhile."""
    if _is_terminal(record.status) or not record.names_every_job:
        return "UNCHANGED"
    progress = fold(chain.from_iterable(store.events_of_job(job, consistent=True) for job in sorted(record.job_ids)))
    outcomes = [job.outcome for job in progress.jobs if job.outcome]
    if len(outcomes) < len(record.job_ids) or progress.ended_at is None:
        return "UNCHANGED"
    return "FINISHED" if history.set_status(record, agreed(outcomes), progress.ended_at) else None


def _is_terminal(status: object) -> bool:
    return str(status).upper() in _TERMINAL


def _waves(item: Mapping[str, Any], settings: HistorySettings) -> list[frozenset[str]]:
    """The ids of the jobs of each wave that an item names. An item without waves is one, by its own attribute."""
    name = settings.job_id_attribute
    waves = item.get(settings.waves_attribute)
    parts = [{name: item.get(name)}] if waves is None else _parts(waves, name)
    return [frozenset(_job_ids(wave, name)) for wave in parts]


def _parts(waves: Any, job_id_attribute: str) -> list[Any]:
    """Each wave of what holds them: a list, a map of waves by their names, either within a map, or JSON of these."""
    match _parsed(waves):
        case list() as listed:
            return listed
        case dict() as named if job_id_attribute not in named:
            parts = [part for part in map(_parsed, named.values()) if isinstance(part, list | dict)]
            waves = [wave for part in parts for wave in (part if isinstance(part, list) else [part])]
            return [wave for wave in waves if isinstance(wave, dict)] or [named]
        case dict() as wave:
            return [wave]
    return []


def _job_ids(value: Any, job_id_attribute: str) -> Iterator[str]:
    """The texts that stand under the attribute's name, at any depth, but none below one that has it."""
    match _parsed(value):
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


def _parsed(value: Any) -> Any:
    """The value or, where it is the JSON text of a list or map, that."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _count(value: Any) -> float:
    """A number of waves; infinite where it cannot be read, since then nobody knows that all are there."""
    if value is None:
        return 0
    try:
        return int(value)
    except (TypeError, ValueError):
        return math.inf


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _deserialize(value) for name, value in item.items()}
