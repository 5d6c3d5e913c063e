"""The records of the reports in the events table: where the files of each revision are, and their digests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeSerializer

from drs_job_log.model.digest import digest
from drs_job_log.model.events import format_time
from drs_job_log.table import conditional_write, is_partition_key, storable, to_python

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from mypy_boto3_dynamodb import DynamoDBClient

EVIDENCE_WRITTEN: Final = "EVIDENCE_WRITTEN"

_REVISION: Final = "revision#"

_serialize = TypeSerializer().serialize


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A revision of a report.

    Attributes
    ----------
    id
        The ID of the execution or, without one, of the job.
    folder
        The key of the folder, with "/" at its end.
    revision
        From 1.
    files
        The digest and the size of each file by its name, as in summary.json, and those of summary.json.
    """

    id: str
    folder: str
    revision: int
    files: Mapping[str, Mapping[str, Any]]


class Records:
    """The records in the events table. Thread-safe.

    All methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if DynamoDB cannot be
    reached or refuses the request. It is safe to repeat them.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def newest(self, id_: str) -> Record | None:
        """Return the newest record of an execution or a job. None without one."""
        answer = self._client.query(
            TableName=self._table_name,
            # A sender can name its job as a record. The keys of its events begin with a time.
            KeyConditionExpression="JobId = :id AND begins_with(EventKey, :revision)",
            ExpressionAttributeValues={":id": {"S": _partition(id_)}, ":revision": {"S": _REVISION}},
            ScanIndexForward=False,
            Limit=1,
            ConsistentRead=True,
        )
        for item in map(to_python, answer["Items"]):
            files = {name: {**file, "bytes": int(file["bytes"])} for name, file in item["Files"].items()}
            return Record(id=id_, folder=item["Folder"], revision=int(item["Revision"]), files=files)
        return None

    def put(self, record: Record, *, source: str, now: datetime, retention: timedelta) -> bool:
        """Store a record. Return False if there is one of this revision."""
        key = f"{_REVISION}{record.revision:06}"
        # The attributes of an event too, so that each row of the table has them.
        item: dict[str, Any] = {
            "JobId": _partition(record.id),
            "EventKey": key,
            "EventId": key,
            "EventType": EVIDENCE_WRITTEN,
            "Timestamp": format_time(now),
            "Source": source,
            "Folder": record.folder,
            "Revision": record.revision,
            "Files": {name: dict(file) for name, file in record.files.items()},
            "TTL": int((now + retention).timestamp()),
        }
        return conditional_write(
            self._client.put_item,
            TableName=self._table_name,
            Item={name: _serialize(value) for name, value in item.items()},
            ConditionExpression="attribute_not_exists(JobId)",
        )


def _partition(id_: str) -> str:
    """Return the partition key of the records of an execution or a job. A long ID is replaced by its digest."""
    key = str(storable(f"evidence#{id_}"))
    return key if is_partition_key(key) else f"evidence#{digest(id_)}"
