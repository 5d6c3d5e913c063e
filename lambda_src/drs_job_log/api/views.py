"""The answers of the API: a page of the log, and the progress of the whole log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.parameters import create_token
from drs_job_log.model.events import format_time, revision_of
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
_MAX_PROGRESS_BYTES: Final = 768 * 1024

_HEADERS: Final = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def execution_view(  # noqa: PLR0917
    execution_id: str, status: str, settled: bool, log: EventLog, query: Query, status_reason: str | None = None
) -> dict[str, Any]:
    """Return the answer for an execution. Without events, its status is NO_EVENTS."""
    return {
        "executionId": execution_id,
        "status": status,
        "settled": settled,
        "statusReason": status_reason,
    } | _view(log, query, execution_id)


def job_view(job_id: str, log: EventLog, query: Query, now: datetime) -> dict[str, Any]:
    """Return the answer for a job. It is settled soon after the job ends, since no further wave concerns it."""
    return {
        "jobId": job_id,
        "executionId": log.execution_id,
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
        "jobs": _job_entries(log.progress),
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
        "resourceId": event.resource_id,
        "ec2InstanceId": event.ec2_instance_id,
        "message": event.message,
        "error": event.error,
        "revision": revision_of(event.detail) or None,
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
            "stalledAt": _format_optional(server.stalled_at),
            "terminatedAt": _format_optional(server.terminated_at),
            "failedActions": [{"name": action.name, "error": action.error} for action in server.failed_actions],
        }
        for server in progress.servers
    ]


def _job_entries(progress: Progress) -> list[dict[str, Any]]:
    return [
        {
            "jobId": job.job_id,
            "jobType": job.job_type,
            "initiatedBy": job.initiated_by,
            "status": job.status,
            "isDrill": job.is_drill,
            "startedAt": format_time(job.started_at),
            "endedAt": _format_optional(job.ended_at),
            "resources": [
                {
                    "resourceId": resource.resource_id,
                    "state": resource.state,
                    "since": format_time(resource.since),
                    "error": resource.error,
                }
                for resource in job.resources
            ],
        }
        for job in progress.jobs
    ]


def _format_optional(time: datetime | None) -> str | None:
    return format_time(time) if time else None


def log_response(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response for a log. If it exceeds Lambda's limit, the texts of servers and jobs are truncated.

    The pages of ``logs`` contain these texts in full.
    """
    response = json_response(200, body)
    if len(response["body"]) <= _MAX_LOGS_BYTES + _MAX_PROGRESS_BYTES:
        return response
    progress = {name: body[name] for name in ("servers", "jobs")}
    truncated = truncate_to_fit(progress, lambda item: len(to_json(item)) <= _MAX_PROGRESS_BYTES, progress, "truncated")
    return json_response(200, {**body, **{name: truncated[name] for name in progress}})


def json_response(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON response (see ``response``)."""
    return response(status, _HEADERS, to_json(body))


def response(status: int, headers: Mapping[str, str], body: str) -> dict[str, Any]:
    """Return a response in API Gateway's payload format 2.0."""
    return {"statusCode": status, "headers": headers, "body": body}
