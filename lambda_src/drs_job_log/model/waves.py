"""The waves of an execution: its LAUNCH jobs, or the steps of its recovery plan."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.entries import format_optional, full_counts, with_total
from drs_job_log.model.events import format_time
from drs_job_log.model.rto import is_launch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drs_job_log.model.plans import PlanProgress, PlanStep
    from drs_job_log.model.progress import JobProgress, Progress
    from drs_job_log.model.summary import JobSummary

# The supported number of jobs in an execution is 20. Other senders can report any number.
_MAX_WAVES: Final = 200


def waves_of(progress: Progress, summaries: Mapping[str, JobSummary]) -> list[dict[str, Any]]:
    """Return the LAUNCH jobs in the order of their creation, or the steps of the recovery plan in their order.

    ``summaries``: of all jobs by ID. The entries are those of the API: see docs/openapi.yaml.
    """
    return _steps(progress.plan, progress, summaries) if progress.plan else _waves(progress, summaries)


def _waves(progress: Progress, summaries: Mapping[str, JobSummary]) -> list[dict[str, Any]]:
    return [_wave(number, [job], summaries) for number, job in enumerate(_launches(progress, summaries), 1)][
        :_MAX_WAVES
    ]


def _steps(plan: PlanProgress, progress: Progress, summaries: Mapping[str, JobSummary]) -> list[dict[str, Any]]:
    """Return the steps of a recovery plan with their LAUNCH jobs, in their order."""
    launches = _launches(progress, summaries)
    return [
        {
            **_wave(step.index, _jobs_of_step(step, launches), summaries),
            "name": step.name,
            "kind": "SERVERS" if step.wait_minutes is None else "WAIT",
            "stepStatus": step.status,
            "attempt": step.attempt,
            "waitMinutes": step.wait_minutes,
            "waitingUntil": format_optional(step.waiting_until),
            "criticalServers": [server.source_server_id for server in step.servers if server.is_critical],
            "optionalServers": [server.source_server_id for server in step.servers if not server.is_critical],
            "error": step.error,
        }
        for step in plan.steps
    ]


def _jobs_of_step(step: PlanStep, launches: Sequence[JobProgress]) -> list[JobProgress]:
    """Return the jobs of a step. The step names only the newest job of each server."""
    named = {server.job_id for server in step.servers}
    return [job for job in launches if job.plan_step == step.index or job.job_id in named]


def _launches(progress: Progress, summaries: Mapping[str, JobSummary]) -> list[JobProgress]:
    launches = [job for job in progress.jobs if is_launch(summaries[job.job_id])]
    return sorted(launches, key=lambda job: (summaries[job.job_id].created_at, job.job_id))


def _wave(number: int, jobs: Sequence[JobProgress], summaries: Mapping[str, JobSummary]) -> dict[str, Any]:
    """Return a wave. Its job, and what it states, is the newest of its jobs. The counts are those of all its jobs."""
    newest = jobs[-1] if jobs else None
    counts: Counter[str] = Counter()
    for job in jobs:
        counts.update(full_counts(summaries[job.job_id]))
    return {
        "number": number,
        "jobId": newest.job_id if newest else None,
        "jobIds": [job.job_id for job in jobs],
        "status": newest.status if newest else None,
        "requestedBy": newest.requested_by if newest else None,
        "startedAt": format_time(jobs[0].started_at) if jobs else None,
        "endedAt": format_optional(newest.ended_at) if newest else None,
        "counts": {**with_total({}), **counts},
    }
