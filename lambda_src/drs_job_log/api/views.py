"""The answers of the API: a page of the log, and the progress of the whole log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.parameters import create_token
from drs_job_log.api.progress_entries import progress_entries
from drs_job_log.model.entries import (
    estimate_entry,
    format_optional,
    requested_by,
    rpo_entry,
    rto_entry,
    seconds_between,
    started_at,
)
from drs_job_log.model.estimate import ExecutionEstimate
from drs_job_log.model.events import format_time, revision_of
from drs_job_log.model.json_text import to_json
from drs_job_log.model.rpo import rpo_of_progress
from drs_job_log.model.rto import rto_of_progress
from drs_job_log.model.summary import summary_of
from drs_job_log.model.waves import waves_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from drs_job_log.api.execution_log import EventLog
    from drs_job_log.api.parameters import Query
    from drs_job_log.link.status import Status
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.plans import PlanProgress
    from drs_job_log.model.progress import Progress
    from drs_job_log.model.summary import JobSummary

# A Lambda response has at most 6 MB. Lambda encodes the body as a JSON string, which can double its size.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_BODY_BYTES: Final = 2880 * 1024
_MAX_LOGS_BYTES: Final = 1536 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """What the log does not contain: the time, the objectives of the module in minutes, the estimate."""

    now: datetime
    rto_minutes: int | None = None
    rpo_minutes: int | None = None
    estimate: ExecutionEstimate = field(default_factory=ExecutionEstimate)


def execution_view(  # noqa: PLR0917
    execution_id: str,
    status: Status,
    log: EventLog,
    query: Query,
    options: ViewOptions,
    planned_waves: int | None = None,
) -> dict[str, Any]:
    """Return the answer for an execution. Without events, its status is NO_EVENTS."""
    return {
        "executionId": execution_id,
        "status": status.word,
        "settled": status.settled,
        "statusReason": status.reason,
    } | _view(log, query, execution_id, status.word, options, planned_waves)


def job_view(job_id: str, log: EventLog, query: Query, options: ViewOptions) -> dict[str, Any]:
    """Return the answer for a job. It is settled soon after the job ends, since no further wave concerns it.

    This depends on the time of the read: a cached log may lack events after it.
    """
    read_at = log.read_at
    status = log.progress.status
    return {
        "jobId": job_id,
        "executionId": log.execution_id,
        "status": status,
        "settled": log.unread is None and (log.progress.is_complete(read_at) or log.progress.is_idle(read_at)),
    } | _view(log, query, job_id, status, options)


def _view(  # noqa: PLR0917
    log: EventLog,
    query: Query,
    resource_id: str,
    status: str,
    options: ViewOptions,
    planned_waves: int | None = None,
) -> dict[str, Any]:
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
    states = {job_id: state for job_id, state in log.job_states.items() if not state.plan}
    summaries = {job_id: summary_of(state, None) for job_id, state in states.items()}
    # As for the status of a job, events of other senders decide only without events of the collector.
    collected = [summaries[job_id] for job_id, state in states.items() if state.is_collected]
    facts = _facts(log.progress, collected or list(summaries.values()), status, options)
    plan = log.progress.plan
    waves = waves_of(log.progress, summaries)
    # A page can exceed its limit if it has one event.
    rest_size = _MAX_BODY_BYTES - min(page_size, _MAX_LOGS_BYTES) - len(to_json(waves))
    entries = progress_entries(log.progress, rest_size, options.estimate.servers)
    return {
        "readAt": format_time(log.read_at),
        "now": format_time(options.now),
        **facts,
        "logs": page,
        "summary": log.progress.summary,
        "recoveryPlan": _plan_entry(plan) if plan else None,
        "plannedWaves": len(plan.steps) if plan else planned_waves,
        "waves": waves,
        **entries,
        "truncated": entries["truncated"] or log.is_partial,
        "nextToken": create_token(position, resource_id) if has_more else None,
    }


def _facts(progress: Progress, jobs: Sequence[JobSummary], status: str, options: ViewOptions) -> dict[str, Any]:
    """Return who requested the execution or job, its duration, stalled and slow servers, estimate and objectives."""
    is_running = status == "IN_PROGRESS"
    start = started_at(progress)
    end = options.now if is_running else progress.decided_at
    rto = rto_of_progress(
        progress, jobs, options.rto_minutes, options.now, options.estimate.latest_end, is_running=is_running
    )
    return {
        "requestedBy": requested_by(jobs),
        "durationSeconds": seconds_between(start, end),
        "stalled": sum(server.stalled_at is not None for server in progress.servers),
        "slow": sum(server.is_slow for server in options.estimate.servers.values()),
        "estimate": estimate_entry(options.estimate),
        "rto": rto_entry(rto),
        "rpo": rpo_entry(rpo_of_progress(progress, jobs, options.rpo_minutes, is_running=is_running)),
    }


def _plan_entry(plan: PlanProgress) -> dict[str, Any]:
    return {
        "name": plan.name,
        "arn": plan.plan_arn,
        "executionArn": plan.arn,
        "status": plan.status,
        "isDrill": plan.is_drill,
        "startedAt": format_time(plan.started_at),
        "endedAt": format_optional(plan.ended_at),
        "error": plan.error,
    }


def _log_entry(event: JobLogEvent) -> dict[str, Any]:
    return {
        "eventId": event.event_id,
        "timestamp": format_time(event.timestamp),
        "eventType": event.event_type,
        "source": event.source,
        "account": _text(event.detail.get("account")),
        "region": _text(event.detail.get("region")),
        "jobId": event.job_id,
        "sourceServerId": event.source_server_id,
        "serverName": event.source_server_name,
        "resourceId": event.resource_id,
        "ec2InstanceId": event.ec2_instance_id,
        "message": event.message,
        "error": event.error,
        "durationSeconds": event.duration_seconds,
        "revision": revision_of(event.detail) or None,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
