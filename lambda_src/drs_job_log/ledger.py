"""The ledger: the summaries of jobs and servers in the events table, which are kept for ``history_days``. Read-only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.events import format_time, parse_time
from drs_job_log.model.summary import (
    JobSummary,
    ServerSummary,
    SummaryRow,
    job_summary,
    server_summaries,
    server_summary_of_event,
)
from drs_job_log.table import REQUESTS_MONTH, from_item, is_partition_key, storable, to_python, with_servers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

# Rows in one request of a list. A job normally has two.
_ROWS_PER_REQUEST: Final = 200

# The longest expected time between the creation of a job and the time of its request in CloudTrail, which has whole
# seconds and is when the call ended.
_REQUEST_WINDOW: Final = timedelta(minutes=10)

# boto3's clients have 10 connections.
_THREADS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLaunch:
    """A server in one job."""

    job_id: str
    execution_id: str | None
    job_type: str | None
    is_drill: bool | None
    account: str | None
    region: str | None
    server: ServerSummary


class Ledger:
    """The ledger in the events table. Thread-safe.

    All methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if DynamoDB cannot be
    reached or refuses the request. It is safe to repeat them. The code of the error is ValidationException if an index
    does not exist yet: an update of the module creates the indexes after the functions.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name
        self._threads = ThreadPoolExecutor(_THREADS)

    def jobs(self, earliest: datetime, latest: datetime, before: str | None = None) -> Iterator[JobSummary]:
        """Yield the jobs that were created from ``earliest`` to ``latest``, the newest first, a request at a time.

        ``before``: only jobs after this position in the list (``JobSummary.position``).
        """
        lowest = format_time(earliest)
        highest = before or format_time(latest) + "~"  # sorts after each job of this time
        if highest < lowest:
            return  # DynamoDB rejects such a query
        requests: _Requests | None = None
        for month in _months(earliest, latest):
            rows = self._rows_of_month(month, lowest, highest)
            for position, rows_of_job in groupby(rows, key=lambda row: row[0]):
                if position != before:
                    job = job_summary(row for _, row in rows_of_job)
                    if requests is None:
                        requests = _Requests(self._requests(earliest, job.created_at))
                    yield replace(job, requested_by=requests.of(job))

    def _requests(self, earliest: datetime, latest: datetime) -> Iterator[tuple[str, SummaryRow | None]]:
        """Yield the ``LedgerKey`` and the row of each request of the jobs that were created in a period, newest first.

        They are read as needed. After a month, yield a value that sorts before its keys, and no row.
        """
        earliest, latest = earliest - _REQUEST_WINDOW, latest + _REQUEST_WINDOW
        for month in _months(earliest, latest):
            yield from self._rows_of_month(REQUESTS_MONTH + month, format_time(earliest), format_time(latest) + "~")
            yield month, None

    def _rows_of_month(self, month: str, lowest: str, highest: str) -> Iterator[tuple[str, SummaryRow]]:
        return self._rows(
            IndexName="LedgerIndex",
            KeyConditionExpression="LedgerMonth = :month AND LedgerKey BETWEEN :lowest AND :highest",
            ExpressionAttributeValues={
                ":month": {"S": month},
                ":lowest": {"S": lowest},
                ":highest": {"S": highest},
            },
            ScanIndexForward=False,
        )

    def jobs_of_execution(self, execution_id: str) -> list[JobSummary]:
        """Return the jobs of an execution in the order of their creation."""
        rows = self._rows(
            IndexName="ExecutionLedgerIndex",
            KeyConditionExpression="ExecutionId = :id",
            ExpressionAttributeValues={":id": {"S": execution_id}},
        )
        return sorted(_summaries(row for _, row in rows), key=lambda job: job.position)

    def job(self, job_id: str) -> JobSummary | None:
        """Return a job. None if it is not in the ledger. All its events are read, so it is for a few jobs only."""
        rows = self._rows(
            KeyConditionExpression="JobId = :id",
            FilterExpression="attribute_exists(LedgerKey)",
            ExpressionAttributeValues={":id": {"S": storable(job_id)}},
        )
        return next(iter(_summaries(row for _, row in rows)), None)

    def launches_of_server(self, server_id: str, limit: int, before: datetime | None = None) -> list[ServerLaunch]:
        """Return the newest launches of a server, the newest first. ``before``: only launches that ended before it."""
        if not is_partition_key(server_id):
            return []  # only an event of another sender can have such an ID
        last = format_time(before) if before else "~"  # sorts after each time
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            IndexName="ServerLedgerIndex",
            KeyConditionExpression="LedgerServerId = :id AND #time < :last",
            ExpressionAttributeNames={"#time": "Timestamp"},
            ExpressionAttributeValues={":id": {"S": server_id}, ":last": {"S": last}},
            ScanIndexForward=False,
            PaginationConfig={"PageSize": 2 * limit},
        )
        launches: dict[str, ServerLaunch] = {}
        for item in (item for page in pages for item in page["Items"]):
            event = from_item(item, {})
            summary = to_python(item.get("Summary", {"M": {}})["M"])
            if event.job_id not in launches and len(launches) == limit:
                break
            server = server_summary_of_event(event, summary)
            newest = launches.get(event.job_id)
            # The collector corrects the end of a server with a launch of the same time.
            if newest and (newest.server.ended_at != server.ended_at or server.state != "LAUNCHED"):
                continue
            launches[event.job_id] = ServerLaunch(
                job_id=event.job_id,
                execution_id=event.execution_id,
                job_type=event.detail.get("jobType"),
                is_drill=event.detail.get("isDrill"),
                account=event.detail.get("account"),
                region=event.detail.get("region"),
                server=server,
            )
        return list(launches.values())

    def launches_of_servers(
        self, server_ids: Iterable[str], limit: int, before: datetime | None = None
    ) -> dict[str, list[ServerLaunch]]:
        """Return the newest launches of each server, by its ID. See ``launches_of_server``."""
        ids = list(server_ids)
        launches = self._threads.map(lambda server_id: self.launches_of_server(server_id, limit, before), ids)
        return dict(zip(ids, launches, strict=True))

    def servers_of(self, jobs: Iterable[JobSummary]) -> dict[str, list[ServerSummary]]:
        """Return the servers of each job that has ended, by job ID."""
        ended = [job for job in jobs if job.end_key]
        return {
            job.job_id: servers for job, servers in zip(ended, self._threads.map(self._servers, ended), strict=True)
        }

    def _servers(self, job: JobSummary) -> list[ServerSummary]:
        # A query, not GetItem: the API has this permission, and its client parses the answer faster.
        answer = self._client.query(
            TableName=self._table_name,
            KeyConditionExpression="JobId = :job AND EventKey = :key",
            ExpressionAttributeValues={":job": {"S": job.job_id}, ":key": {"S": job.end_key or ""}},
            ProjectionExpression="Servers, EventData.participatingServers",
        )
        return [
            server
            for item in answer["Items"]
            for server in server_summaries(with_servers(to_python(item.get("EventData", {"M": {}})["M"]), item))
        ]

    def _rows(self, **query: Any) -> Iterator[tuple[str, SummaryRow]]:
        """Yield the position of each row's job, and the row."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name, PaginationConfig={"PageSize": _ROWS_PER_REQUEST}, **query
        )
        for item in (to_python(item) for page in pages for item in page["Items"]):
            yield (
                item["LedgerKey"],
                SummaryRow(
                    job_id=item["JobId"],
                    key=item["EventKey"],
                    event_type=item["EventType"],
                    time=parse_time("Timestamp", item["Timestamp"]),
                    execution_id=item.get("ExecutionId"),
                    part=item["Summary"],
                ),
            )


class _Requests:
    """Finds who requested the jobs of a list that is read the newest first. ``rows``: see ``Ledger._requests``."""

    def __init__(self, rows: Iterator[tuple[str, SummaryRow | None]]) -> None:
        self._rows = rows
        self._reached = "~"
        self._by_job: dict[str, str] = {}

    def of(self, job: JobSummary) -> str | None:
        """Return who requested a job. Read no more requests than those around its creation, and after it."""
        earliest = format_time(job.created_at - _REQUEST_WINDOW)
        while self._reached >= earliest and (read := next(self._rows, None)):
            self._reached, row = read
            if row:
                self._by_job[row.job_id] = row.part["requestedBy"]  # of several requests, the first one counts
        return self._by_job.get(job.job_id)


def _summaries(rows: Iterable[SummaryRow]) -> list[JobSummary]:
    """Return the summary of each job from all its rows. A job of which only the request is known has none."""
    by_job: dict[str, list[SummaryRow]] = {}
    for row in rows:
        by_job.setdefault(row.job_id, []).append(row)
    return [job_summary(of_job) for of_job in by_job.values() if any("createdAt" in row.part for row in of_job)]


def _months(earliest: datetime, latest: datetime) -> Iterator[str]:
    """Yield the values of ``LedgerMonth`` in a period, the newest first."""
    year, month = latest.year, latest.month
    while (year, month) >= (earliest.year, earliest.month):
        yield f"{year:04}-{month:02}"
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
