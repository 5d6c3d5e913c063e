"""The status of an execution: from its jobs, and from the executions table if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.link.executions_table import ExecutionsTableError
from drs_job_log.model.plans import PlanProgress
from drs_job_log.model.progress import JobProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from drs_job_log.link.executions_table import ExecutionsTable, ExecutionState
    from drs_job_log.model.summary import JobSummary

# Orchestrators sometimes never end an execution. If its last job ended this long ago, the log decides.
_MAX_TIME_TO_FINISH: Final = timedelta(days=1)

logger = Logger(child=True)


class Status(NamedTuple):
    """The status of an execution, whether it is settled, and why it is not the one in the executions table."""

    word: str
    settled: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """What the executions table answered.

    Attributes
    ----------
    state
        What it says about the execution. None if it does not contain it, or if there was no answer.
    reason
        Why there was no answer. None if there was one, or if there is no executions table.
    is_failed
        Whether the table could not be read at the moment.
    """

    state: ExecutionState | None = None
    reason: str | None = None
    is_failed: bool = False

    @property
    def planned_waves(self) -> int | None:
        """The number of planned waves. None if it is not known."""
        return self.state.planned_waves if self.state else None


def ask(executions_table: ExecutionsTable | None, execution_id: str) -> TableAnswer:
    """Ask the executions table about an execution. It never raises: the log is useful without the answer."""
    if not executions_table:
        return TableAnswer()
    try:
        return TableAnswer(executions_table.state(execution_id))
    except ExecutionsTableError as error:  # the executions table logged it
        return TableAnswer(reason=f"The executions table is not usable: {error}")
    except (BotoCoreError, ClientError):
        logger.exception("Executions table not read", execution_id=execution_id)
        return TableAnswer(reason="The executions table cannot be read at the moment.", is_failed=True)


def status_of(progress: Progress, answer: TableAnswer, now: datetime) -> Status:
    """Return the status of an execution. ``answer``: what the executions table says about it.

    Between two waves, all known jobs have ended. The recovery plan, or the executions table, states whether a further
    wave follows. Without them, the time since the last job's end decides.
    """
    of_jobs = Status(progress.status, progress.is_idle(now), answer.reason or progress.reason)
    if not progress.jobs:
        return of_jobs._replace(reason=progress.reason)
    if answer.is_failed:
        return of_jobs._replace(settled=False)
    if answer.state is None:
        return of_jobs
    if answer.state.is_over:
        return Status(progress.status, progress.is_complete(now), progress.reason)
    if is_recent(progress, now):
        return Status("IN_PROGRESS", False)
    return Status(
        progress.status,
        progress.is_complete(now) or progress.is_idle(now),
        "The executions table says that the execution runs, but its last job ended more than a day ago. "
        "The status is that of the jobs.",
    )


def is_recent(progress: Progress, now: datetime) -> bool:
    """Whether the executions table can still decide the status: a job runs, or the last one ended within a day."""
    return progress.decided_at is None or now - progress.decided_at <= _MAX_TIME_TO_FINISH


def progress_of_jobs(jobs: Iterable[JobSummary], counts: Mapping[str, int] | None = None) -> Progress:
    """Return the progress of an execution from the summaries of its jobs, and of its recovery plan if it has one.

    It has no servers. ``counts``: their number by state, which the outcome of a recovery plan depends on.
    """
    jobs = list(jobs)
    plan = next((job for job in jobs if job.is_plan), None)
    return Progress(
        [],
        [
            JobProgress(
                job_id=job.job_id,
                job_type=job.job_type,
                initiated_by=job.initiated_by,
                status=job.status,
                outcome=job.status if job.end_key else None,
                is_drill=job.is_drill,
                created_at=job.created_at,
                started_at=job.created_at,
                ended_at=job.ended_at,
                account=job.account,
                region=job.region,
                resources=(),
            )
            for job in jobs
            if not job.is_plan
        ],
        plan=_plan_of(plan) if plan else None,
        plan_counts=counts,
    )


def _plan_of(summary: JobSummary) -> PlanProgress:
    """Return the execution of a recovery plan from its summary. It has no steps."""
    statuses = {"PARTIAL": "COMPLETED", "TERMINATED": "CANCELLED"}
    return PlanProgress(
        execution_id=summary.job_id,
        name=None,
        arn=None,
        plan_arn=None,
        is_drill=summary.is_drill,
        status=statuses.get(summary.status, summary.status),
        started_at=summary.created_at,
        ended_at=summary.ended_at,
        steps=(),
        has_skipped_steps=summary.status == "PARTIAL",
        error=None,
    )
