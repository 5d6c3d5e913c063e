"""Executions and jobs as the lists show them: from the ledger, and those without an outcome from their events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from drs_job_log.link.status import Status, TableAnswer, ask, is_recent, progress_of_jobs, status_of
from drs_job_log.model.comparison import counts_of, deciding_jobs, newest_servers
from drs_job_log.model.entries import seconds_between, started_at
from drs_job_log.model.rpo import is_over, rpo_of, rpo_seconds
from drs_job_log.model.rto import is_launch, rto_of
from drs_job_log.model.summary import server_summaries_of, summary_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.api.execution_log import EventLog, EventLogCache
    from drs_job_log.ledger import Ledger, ServerLaunch
    from drs_job_log.link.executions_table import ExecutionsTable
    from drs_job_log.model.progress import JobState, Progress
    from drs_job_log.model.rpo import Rpo
    from drs_job_log.model.rto import Rto
    from drs_job_log.model.summary import JobSummary, ServerSummary

# boto3's clients have 10 connections.
_THREADS: Final = 10

# DRS ends the execution of a recovery plan after 24 hours. A retry can add the time of one step.
_MAX_PLAN_AGE: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """An execution, or a job without one.

    Attributes
    ----------
    execution_id
        None for a job without an execution.
    jobs
        Its jobs in the order of their creation, at least one without a plan.
    plan
        The execution of the recovery plan that starts the jobs.
    counts
        The number of servers by state.
    ended_at
        When the last job ended that decides the status. None while it runs.
    """

    execution_id: str | None
    jobs: Sequence[JobSummary]
    status: Status
    counts: Mapping[str, int]
    started_at: datetime
    ended_at: datetime | None
    rto: Rto | None
    rpo: Rpo | None
    plan: JobSummary | None = None

    @property
    def _parts(self) -> Sequence[JobSummary]:
        return [*self.jobs, *([self.plan] if self.plan else [])]

    @property
    def is_drill(self) -> bool | None:
        """Whether it is a drill. None if it is not known."""
        return next((job.is_drill for job in self._parts if job.is_drill is not None), None)

    @property
    def accounts(self) -> list[str]:
        """The accounts of its jobs."""
        return sorted({job.account for job in self._parts if job.account})

    @property
    def regions(self) -> list[str]:
        """The Regions of its jobs."""
        return sorted({job.region for job in self._parts if job.region})

    def seconds(self, now: datetime) -> float | None:
        """Return its duration in seconds until now or until its end."""
        return seconds_between(self.started_at, self.ended_at or now)


class History:
    """Reads executions and jobs for one request. Not thread-safe.

    All methods raise what those of ``Ledger`` and ``JobLogTable`` raise.

    Parameters
    ----------
    rto_minutes, rpo_minutes
        The recovery time and the recovery point objective of the module in minutes, or None.
    """

    def __init__(  # noqa: PLR0917
        self,
        ledger: Ledger,
        logs: EventLogCache,
        executions_table: ExecutionsTable | None,
        rto_minutes: int | None,
        rpo_minutes: int | None,
        now: datetime,
    ) -> None:
        self.ledger = ledger
        self.now = now
        self._logs = logs
        self._executions_table = executions_table
        self._rto_minutes = rto_minutes
        self._rpo_minutes = rpo_minutes
        self._jobs: dict[str, list[JobSummary]] = {}  # by execution ID, as the ledger has them
        self._answers: dict[str, TableAnswer] = {}
        self._recoveries: dict[str, Recovery] = {}
        self._servers: dict[str, list[ServerSummary]] = {}  # by job ID
        self._folded: dict[tuple[str, str], tuple[Mapping[str, JobState], Progress, bool]] = {}

    def read(self, execution_ids: Iterable[str]) -> None:
        """Read these executions from the ledger in parallel, so that ``execution`` needs no request for them."""
        new = [id_ for id_ in dict.fromkeys(execution_ids) if id_ not in self._jobs]
        if not new:
            return
        with ThreadPoolExecutor(min(_THREADS, len(new))) as threads:
            for id_, (jobs, answer) in zip(new, threads.map(self._read, new), strict=True):
                self._jobs[id_], self._answers[id_] = jobs, answer

    def _read(self, execution_id: str) -> tuple[list[JobSummary], TableAnswer]:
        jobs = self.ledger.jobs_of_execution(execution_id)
        # Otherwise, the executions table does not change the status.
        asks = self._executions_table is not None and bool(jobs) and is_recent(progress_of_jobs(jobs), self.now)
        return jobs, ask(self._executions_table, execution_id) if asks else TableAnswer()

    def jobs_of(self, execution_id: str, known: JobSummary | None = None) -> list[JobSummary]:
        """Return the jobs of an execution as the ledger has them, in the order of their creation.

        ``known``: a job of the execution that the index of executions may not contain yet.
        """
        self.read([execution_id])
        jobs = self._jobs[execution_id]
        if known and all(job.job_id != known.job_id for job in jobs):
            jobs = self._jobs[execution_id] = sorted([*jobs, known], key=lambda job: job.position)
            self._recoveries.pop(execution_id, None)
        return jobs

    def execution(self, execution_id: str) -> Recovery | None:
        """Return an execution. None if the ledger has no job of it."""
        if execution_id not in self._recoveries:
            jobs = self.jobs_of(execution_id)
            if not jobs:
                return None
            self._recoveries[execution_id] = self._recovery(execution_id, jobs)
        return self._recoveries[execution_id]

    def job(self, job: JobSummary) -> JobSummary:
        """Return the job, with what its events state if its end states no outcome."""
        if job.end_key:
            return job
        states, _, _ = self._fold(job)
        return _live(job, states)

    def recovery_of_job(self, job: JobSummary) -> Recovery:
        """Return a job as if it had no execution."""
        return self._recovery(None, [job])

    def jobs_of_launches(self, launches: Sequence[ServerLaunch]) -> dict[str, JobSummary]:
        """Return the jobs of launches by job ID, as far as the ledger has them."""
        self.read(launch.execution_id for launch in launches if launch.execution_id)
        found = {
            job.job_id: job
            for launch in launches
            if launch.execution_id
            for job in self.jobs_of(launch.execution_id)
            if job.job_id == launch.job_id
        }
        rest = [launch.job_id for launch in launches if launch.job_id not in found]
        if rest:
            with ThreadPoolExecutor(min(_THREADS, len(rest))) as threads:
                found |= {job.job_id: job for job in threads.map(self.ledger.job, rest) if job}
        return found

    def servers(self, jobs: Iterable[JobSummary]) -> dict[str, list[ServerSummary]]:
        """Return the servers of each job by job ID: from its end, or from its events if its end states no outcome."""
        jobs = list(jobs)
        new = [job for job in jobs if job.job_id not in self._servers]
        servers = self.ledger.servers_of(new)
        for job in new:
            if job.job_id not in servers:
                states, _, _ = self._fold(job)
                servers[job.job_id] = server_summaries_of(states[job.job_id]) if job.job_id in states else []
        self._servers |= servers
        return {job.job_id: self._servers[job.job_id] for job in jobs}

    def rpo(self, jobs: Iterable[JobSummary], *, is_running: bool) -> Rpo | None:
        """Return the recovery point objective of an execution or a job. None without a LAUNCH job. See ``rpo_of``.

        The servers of one job are read only if one of them is over the objective.
        """
        launches = sorted((job for job in jobs if is_launch(job)), key=lambda job: job.position)
        if not launches:
            return None
        achieved: list[float | None]
        if len(launches) == 1 and not is_over(launches[0].rpo_seconds, self._rpo_minutes):
            (job,) = launches
            achieved = [None] * (job.counts.get("launched", 0) - job.points)
            achieved += [] if job.rpo_seconds is None else [job.rpo_seconds]
        else:
            servers = self.servers(launches)
            newest = {
                server.source_server_id: (job.created_at, server) for job in launches for server in servers[job.job_id]
            }
            achieved = [
                rpo_seconds(created_at, server.point_in_time)
                for created_at, server in newest.values()
                if server.state == "LAUNCHED"
            ]
        return rpo_of(achieved, self._rpo_minutes, is_running=is_running)

    def names_server(self, job: JobSummary, server_id: str) -> bool:
        """Whether the events of a job name a server. False if its end states the outcome: the ledger knows more."""
        if job.end_key:
            return False
        states, _, _ = self._fold(job)
        return job.job_id in states and server_id in states[job.job_id].servers

    def _recovery(self, execution_id: str | None, parts: Sequence[JobSummary]) -> Recovery:
        """``parts``: the jobs, and the execution of the recovery plan that starts them."""
        answer = self._answers.get(execution_id or "", TableAnswer())
        is_read = True
        of_log: Progress | None = None
        if undecided := [part for part in parts if part.end_key is None or self._can_continue(part)]:
            # The log of the execution decides, as it does for its own route.
            states, of_log, is_read = self._fold(undecided[0])
            parts = [_live(part, states) for part in parts]
        jobs = [part for part in parts if not part.is_plan]
        plan = next((part for part in parts if part.is_plan), None)
        counts = self._counts(deciding_jobs(jobs))
        progress = of_log if of_log and (of_log.jobs or of_log.plan) else progress_of_jobs(parts, counts)
        status = status_of(progress, answer, self.now)
        if execution_id is None:  # no further wave concerns a job
            status = status._replace(settled=progress.is_complete(self.now) or progress.is_idle(self.now))
        is_running = status.word == "IN_PROGRESS"
        return Recovery(
            execution_id=execution_id,
            jobs=jobs,
            status=status._replace(settled=status.settled and is_read),
            counts=counts,
            started_at=started_at(progress_of_jobs(parts)) or parts[0].created_at,
            ended_at=None if is_running else progress.decided_at,
            rto=rto_of(jobs, self._rto_minutes, self.now, is_running=is_running, counts=counts),
            plan=plan,
            rpo=self.rpo(jobs, is_running=is_running),
        )

    def _can_continue(self, part: JobSummary) -> bool:
        """Whether this is a recovery plan that failed a short time ago. A person can retry or skip the failed step."""
        return part.is_plan and part.status == "FAILED" and self.now - part.created_at < _MAX_PLAN_AGE

    def _counts(self, jobs: Sequence[JobSummary]) -> Mapping[str, int]:
        """Return the number of servers by state. A server in several jobs counts once."""
        if not jobs:
            return {}
        if len(jobs) > 1:
            return counts_of(newest_servers(jobs, self.servers(jobs)).values())
        (job,) = jobs
        return job.counts or ({"pending": job.server_count} if job.is_running else {})

    def _fold(self, job: JobSummary) -> tuple[Mapping[str, JobState], Progress, bool]:
        """Return the states of the jobs in the log of the job's execution, or in its own log, and the progress.

        The last value is whether the log was read to its end.
        """
        key = ("execution", job.execution_id) if job.execution_id else ("job", job.job_id)
        if key not in self._folded:
            log: EventLog
            if job.execution_id:
                log = self._logs.of_execution(job.execution_id, self.now)
            else:
                log = self._logs.of_job(job.job_id, self.now)
            self._folded[key] = dict(log.job_states), log.progress, log.unread is None
        return self._folded[key]


def _live(job: JobSummary, states: Mapping[str, JobState]) -> JobSummary:
    """Return a job without an outcome as its events describe it. ``states``: the states of jobs by their IDs."""
    if job.end_key or job.job_id not in states:
        return job
    summary = summary_of(states[job.job_id], job.execution_id)
    return replace(
        summary,
        created_at=job.created_at,  # as in the ledger, which decides the place in the list
        server_count=max(summary.server_count, job.server_count),
        requested_by=summary.requested_by or job.requested_by,  # kept longer than the other events
    )
