"""The events that the collector sends for scripted jobs, without DRS, bus and queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from drs_job_log.collect.job_log import read_log, timings, to_detail, to_item
from drs_job_log.collect.recovery_points import launched_in, with_points
from drs_job_log.model.events import JobLogEvent, format_time, parse

from tests.support.envelopes import dumps, job_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.scripts import Script

START = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)


def details(
    script: Script, job_id: str, *, created: datetime = START, execution_id: str | None = "exec-1"
) -> list[dict[str, Any]]:
    """Return the event details of a complete job, oldest first."""
    job: Any = {
        "jobID": job_id,
        "type": script.type,
        "initiatedBy": script.initiated_by,
        "creationDateTime": created.isoformat(),
        "status": "STARTED" if script.end is None else "COMPLETED",
        "tags": {} if execution_id is None else {"ExecutionId": execution_id},
        "participatingServers": [
            {"sourceServerID": server} | ({"launchStatus": status} if status else {})
            for server in script.servers
            for status in [script.statuses.get(server, "PENDING")]
        ],
        "participatingResources": [
            {"participatingResourceID": {"sourceNetworkID": id_}, "launchStatus": status}
            for id_, status in script.resources.items()
        ],
    }
    if script.end is not None:
        job["endDateTime"] = (created + script.end).isoformat()
    points = {
        server: format_time(created + after) for server, after in script.recovery_points.items() if after is not None
    }
    items: Any = [
        {"event": step.event, "logDateTime": (created + step.after).isoformat(), "eventData": step.data}
        for step in script.steps
    ]
    return details_of(job, items, now=created + timedelta(days=1), points=points)


def details_of(
    job: Any, items: Sequence[Any], *, now: datetime, points: Mapping[str, str] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Return the event details of a job and its log items, as the DRS API returns them, oldest first.

    ``points``: the recovery points by server ID.
    """
    log = read_log(job, [to_item(job, item) for item in items], now)
    sent = [with_points(item, points) if launched_in(item) else item for item in log.items]
    return [to_detail(item, job, {}, timings(job, log, log.items), "ExecutionId") for item in sent]


def events(script: Script, job_id: str, **options: Any) -> list[JobLogEvent]:
    """Return the events of a complete job, oldest first. For the options, see ``details``."""
    return [parse(dumps(job_log(detail))) for detail in details(script, job_id, **options)]


def events_of(job: Any, items: Sequence[Any], *, now: datetime) -> list[JobLogEvent]:
    """Return the events of a job and its log items. For the parameters, see ``details_of``."""
    return [parse(dumps(job_log(detail))) for detail in details_of(job, items, now=now)]


def events_of_short_job(
    items: Sequence[tuple[str, float, dict[str, Any]]], created: datetime, *, job_id: str = "drsjob-1", **job: Any
) -> list[JobLogEvent]:
    """Return the events of a LAUNCH job of exec-1 that ended after 10 minutes.

    ``items`` are the event, the seconds after the start, and eventData. ``job`` are further keys of the job.
    """
    defaults = {
        "jobID": job_id,
        "type": "LAUNCH",
        "initiatedBy": "START_DRILL",
        "creationDateTime": created.isoformat(),
        "status": "COMPLETED",
        "endDateTime": (created + timedelta(minutes=10)).isoformat(),
        "tags": {"ExecutionId": "exec-1"},
    }
    log_items = [
        {"event": event, "logDateTime": (created + timedelta(seconds=seconds)).isoformat(), "eventData": data}
        for event, seconds, data in items
    ]
    return events_of(defaults | job, log_items, now=created + timedelta(hours=1))
