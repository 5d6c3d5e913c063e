"""The content of a report: its summary, and its servers. Pure functions: the same events give the same content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.entries import (
    format_optional,
    requested_by,
    rpo_entry,
    seconds_between,
    started_at,
)
from drs_job_log.model.events import format_time
from drs_job_log.model.failures import shape_of
from drs_job_log.model.progress import combine
from drs_job_log.model.rpo import rpo_of_progress, rpo_of_server
from drs_job_log.model.rto import is_launch, rto_of_progress
from drs_job_log.model.steps import STEPS
from drs_job_log.model.summary import summary_of
from drs_job_log.model.waves import waves_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from drs_job_log.link.status import Status
    from drs_job_log.model.plans import PlanProgress
    from drs_job_log.model.progress import JobProgress, JobState, Progress, ServerProgress
    from drs_job_log.model.rto import Rto
    from drs_job_log.model.summary import JobSummary

# The version of summary.json (docs/evidence.schema.json). A change that a reader must know increases it.
VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """An execution that has settled, or a job without an execution.

    Attributes
    ----------
    execution_id
        None for a job without an execution.
    states
        The states of its jobs, and of its recovery plan, by their IDs.
    event_count, last_event_at
        The number of its events, and the time of the newest one.
    """

    execution_id: str | None
    states: Mapping[str, JobState]
    progress: Progress
    status: Status
    event_count: int
    last_event_at: datetime

    @property
    def id(self) -> str:
        """The ID of the execution or, without one, of the job."""
        return self.execution_id or min(self.states)

    @property
    def summaries(self) -> dict[str, JobSummary]:
        """The summaries of its jobs by ID."""
        return {id_: summary_of(state, self.execution_id) for id_, state in self.states.items() if not state.plan}

    @property
    def started_at(self) -> datetime:
        """When its recovery plan started, or when its first job was created."""
        return started_at(self.progress) or self.last_event_at


def recovery_summary(
    recovery: Recovery, now: datetime, *, rto_minutes: int | None, rpo_minutes: int | None
) -> dict[str, Any]:
    """Return the summary of a recovery without ``revision``, ``supersedes`` and ``files``.

    The shape is that of docs/evidence.schema.json. ``now`` does not change the summary of a recovery that has settled.
    """
    progress, summaries = recovery.progress, recovery.summaries
    collected = [summaries[id_] for id_, state in recovery.states.items() if id_ in summaries and state.is_collected]
    jobs = collected or list(summaries.values())
    rto = rto_of_progress(progress, jobs, rto_minutes, now, None, is_running=False)
    rpo = rpo_of_progress(progress, jobs, rpo_minutes, is_running=False)
    plan = progress.plan
    return {
        "version": VERSION,
        "id": recovery.id,
        "executionId": recovery.execution_id,
        "jobId": None if recovery.execution_id else recovery.id,
        "name": plan.name if plan else None,
        "status": recovery.status.word,
        "statusReason": recovery.status.reason,
        "isDrill": _is_drill(progress),
        "startedAt": format_time(recovery.started_at),
        "endedAt": format_optional(progress.decided_at),
        "durationSeconds": seconds_between(recovery.started_at, progress.decided_at),
        "requestedBy": requested_by(jobs),
        "accounts": sorted({job.account for job in progress.jobs if job.account}),
        "regions": sorted({job.region for job in progress.jobs if job.region}),
        "rto": _rto(rto) if rto else None,
        "rpo": rpo_entry(rpo),
        "counts": progress.summary,
        "waves": [_wave(wave) for wave in waves_of(progress, summaries)],
        "jobs": [_job(job, summaries[job.job_id]) for job in progress.jobs],
        "recoveryPlan": _plan(plan) if plan else None,
        "eventCount": recovery.event_count,
        "lastEventAt": format_time(recovery.last_event_at),
    }


def server_lines(recovery: Recovery) -> Iterator[dict[str, Any]]:
    """Yield each server of each job that launches it: by wave, then by ID."""
    summaries = recovery.summaries
    waves = {id_: wave["number"] for wave in waves_of(recovery.progress, summaries) for id_ in wave["jobIds"]}
    newest = {(server.job_id, server.source_server_id): server for server in recovery.progress.servers}
    launches = [job for job in recovery.progress.jobs if is_launch(summaries[job.job_id])]
    for job in sorted(launches, key=lambda job: (waves.get(job.job_id, 0), job.started_at, job.job_id)):
        for of_job in combine([recovery.states[job.job_id]]).servers:
            # Only the combined progress knows the termination of the instance.
            server = newest.get((job.job_id, of_job.source_server_id), of_job)
            yield _server(server, job, recovery.execution_id, waves.get(job.job_id))


def _rto(rto: Rto) -> dict[str, Any]:
    return {"targetMinutes": rto.target_minutes, "actualSeconds": rto.actual_seconds, "result": rto.result}


def _is_drill(progress: Progress) -> bool | None:
    drills = [*(job.is_drill for job in progress.jobs), progress.plan.is_drill if progress.plan else None]
    return next((is_drill for is_drill in drills if is_drill is not None), None)


def _wave(wave: Mapping[str, Any]) -> dict[str, Any]:
    counts = wave["counts"]
    return {
        "number": wave["number"],
        "name": wave.get("name"),
        "status": wave.get("stepStatus") or wave["status"],
        "jobIds": wave["jobIds"],
        "startedAt": wave["startedAt"],
        "endedAt": wave["endedAt"],
        "waitMinutes": wave.get("waitMinutes"),
        "attempt": wave.get("attempt"),
        "servers": counts["totalServers"],
        "launched": counts["launched"],
        "failed": counts["failed"],
    }


def _job(job: JobProgress, summary: JobSummary) -> dict[str, Any]:
    return {
        "jobId": job.job_id,
        "jobType": job.job_type,
        "initiatedBy": job.initiated_by,
        "isDrill": job.is_drill,
        "requestedBy": job.requested_by,
        "status": job.status,
        "createdAt": format_time(summary.created_at),
        "endedAt": format_optional(job.ended_at),
        "account": job.account,
        "region": job.region,
    }


def _plan(plan: PlanProgress) -> dict[str, Any]:
    return {
        "name": plan.name,
        "planArn": plan.plan_arn,
        "executionArn": plan.arn,
        "status": plan.status,
        "error": plan.error,
    }


def _server(server: ServerProgress, job: JobProgress, execution_id: str | None, wave: int | None) -> dict[str, Any]:
    created_at = server.job_created_at or job.started_at
    ended_at = server.since
    return {
        "executionId": execution_id,
        "jobId": job.job_id,
        "wave": wave,
        "isDrill": job.is_drill,
        "account": job.account,
        "region": job.region,
        "sourceServerId": server.source_server_id,
        "serverName": server.server_name,
        "state": server.state,
        "jobCreatedAt": format_time(created_at),
        "endedAt": format_time(ended_at),
        "seconds": seconds_between(created_at, ended_at),
        **{f"{step}Seconds": server.step_seconds.get(step) for step in STEPS},
        "ec2InstanceId": server.ec2_instance_id,
        "terminatedAt": format_optional(server.terminated_at),
        "pointInTime": format_optional(server.point_in_time),
        "rpoSeconds": rpo_of_server(server) if server.state == "LAUNCHED" else None,
        "error": server.error,
        "errorShape": shape_of(server.error, server.server_name).text if server.state == "FAILED" else None,
        "failedActions": [{"name": action.name, "error": action.error} for action in server.failed_actions],
    }
