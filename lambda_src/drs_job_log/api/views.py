"""The answers of the API: a page of the log, and the progress of the whole log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.parameters import create_token
from drs_job_log.model.events import format_time
from drs_job_log.model.json_text import to_json
from drs_job_log.model.truncate import truncate_to_fit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from drs_job_log.api.execution_log import EventLog
    from drs_job_log.api.parameters import Query
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.progress import Progress

# A Lambda response has at most 6 MB. Lambda encodes the body as a JSON string, which can double its size.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_LOGS_BYTES: Final = 1536 * 1024
_MAX_SERVERS_BYTES: Final = 768 * 1024

_HEADERS: Final = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def execution_view(execution_id: str, status: str, settled: bool, log: EventLog, query: Query) -> dict[str, Any]:
    """Return the answer for an execution. Without events, its status is NO_EVENTS."""
    return {"executionId": execution_id, "status": status, "settled": settled} | _view(log, query, execution_id)


def job_view(job_id: str, log: EventLog, query: Query, now: datetime) -> dict[str, Any]:
    """Return the answer for a job. It is settled soon after the job ends, since no further wave concerns it."""
    return {
        "jobId": job_id,
        "executionId": max(log.execution_ids, default=None),
        "status": log.progress.status,
        "settled": log.progress.is_complete(now) or log.progress.is_idle(now),
    } | _view(log, query, job_id)


def _view(log: EventLog, query: Query, resource_id: str) -> dict[str, Any]:
    """Return the common part of the answers. ``logs`` is a page; the other keys describe the whole log."""
    rest = log.after(query.after, query.since)
    page: list[dict[str, Any]] = []
    size = 0
    for _, event in rest[: query.limit]:
        entry = _log_entry(event)
        size += len(to_json(entry))
        if page and size > _MAX_LOGS_BYTES:
            break
        page.append(entry)
    is_last = len(page) == len(rest)
    return {
        "logs": page,
        "summary": log.progress.summary,
        "servers": _server_entries(log.progress),
        "jobs": [
            {
                "jobId": job.job_id,
                "status": job.status,
                "isDrill": job.is_drill,
                "startedAt": format_time(job.started_at),
                "endedAt": format_time(job.ended_at) if job.ended_at else None,
            }
            for job in log.progress.jobs
        ],
        "nextToken": None if is_last else create_token(rest[len(page) - 1][0], resource_id),
    }


def _log_entry(event: JobLogEvent) -> dict[str, Any]:
    return {
        "eventId": event.event_id,
        "timestamp": format_time(event.timestamp),
        "eventType": event.event_type,
        "jobId": event.job_id,
        "sourceServerId": event.source_server_id,
        "serverName": event.source_server_name,
        "ec2InstanceId": event.ec2_instance_id,
        "message": event.message,
        "error": event.error,
    }


def _server_entries(progress: Progress) -> list[dict[str, Any]]:
    return [
        {
            "sourceServerId": server.source_server_id,
            "serverName": server.server_name,
            "state": server.state,
            "ec2InstanceId": server.ec2_instance_id,
            "jobId": server.job_id,
            "since": format_time(server.since),
            "error": server.error,
        }
        for server in progress.servers
    ]


def log_response(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response for a log. If it exceeds Lambda's limit, the texts of ``servers`` are truncated.

    The pages of ``logs`` contain these texts in full.
    """
    response = json_response(200, body)
    if len(response["body"]) <= _MAX_LOGS_BYTES + _MAX_SERVERS_BYTES:
        return response
    servers = {"servers": body["servers"]}
    truncated = truncate_to_fit(servers, lambda item: len(to_json(item)) <= _MAX_SERVERS_BYTES, servers, "truncated")
    return json_response(200, {**body, "servers": truncated["servers"]})


def json_response(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON response (see ``response``)."""
    return response(status, _HEADERS, to_json(body))


def response(status: int, headers: Mapping[str, str], body: str) -> dict[str, Any]:
    """Return a response in API Gateway's payload format 2.0."""
    return {"statusCode": status, "headers": headers, "body": body}
