"""The answers of the API: a page of the log, and the progress of the whole log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.parameters import create_token
from drs_job_log.api.progress_entries import progress_entries
from drs_job_log.model.events import format_time, revision_of
from drs_job_log.model.json_text import to_json

if TYPE_CHECKING:
    from drs_job_log.api.execution_log import EventLog
    from drs_job_log.api.parameters import Query
    from drs_job_log.model.events import JobLogEvent

# A Lambda response has at most 6 MB. Lambda encodes the body as a JSON string, which can double its size.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_BODY_BYTES: Final = 2816 * 1024
_MAX_LOGS_BYTES: Final = 1536 * 1024


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


def job_view(job_id: str, log: EventLog, query: Query) -> dict[str, Any]:
    """Return the answer for a job. It is settled soon after the job ends, since no further wave concerns it.

    The time is that of the read: a cached log may lack events after it.
    """
    now = log.read_at
    return {
        "jobId": job_id,
        "executionId": log.execution_id,
        "status": log.progress.status,
        "settled": log.unread is None and (log.progress.is_complete(now) or log.progress.is_idle(now)),
    } | _view(log, query, job_id)


def _view(log: EventLog, query: Query, resource_id: str) -> dict[str, Any]:
    """Return the common part of the answers. ``logs`` is a page; the other keys describe the whole log."""
    rest = log.after(query.after, query.since, query.limit + 1)
    page: list[dict[str, Any]] = []
    page_size = 0
    for _, event in rest[: query.limit]:
        entry = _log_entry(event)
        size = len(to_json(entry))
        if page and page_size + size > _MAX_LOGS_BYTES:
            break
        page.append(entry)
        page_size += size
    position = rest[len(page) - 1][0] if page else query.after
    # A log that takes several requests to read gets more events with each of them.
    has_more = len(page) < len(rest) or (log.is_partial and not log.is_full)
    # A page can exceed its limit if it has one event.
    entries = progress_entries(log.progress, _MAX_BODY_BYTES - min(page_size, _MAX_LOGS_BYTES))
    return {
        "readAt": format_time(log.read_at),
        "logs": page,
        "summary": log.progress.summary,
        **entries,
        "truncated": entries["truncated"] or log.is_partial,
        "nextToken": create_token(position, resource_id) if has_more else None,
    }


def _log_entry(event: JobLogEvent) -> dict[str, Any]:
    return {
        "eventId": event.event_id,
        "timestamp": format_time(event.timestamp),
        "eventType": event.event_type,
        "source": event.source,
        "jobId": event.job_id,
        "sourceServerId": event.source_server_id,
        "serverName": event.source_server_name,
        "resourceId": event.resource_id,
        "ec2InstanceId": event.ec2_instance_id,
        "message": event.message,
        "error": event.error,
        "revision": revision_of(event.detail) or None,
    }
