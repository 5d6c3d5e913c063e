"""The estimate of a running execution or job: reads the earlier launches of its servers from the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from drs_job_log.errors import collect_errors
from drs_job_log.model.estimate import ExecutionEstimate, PlannedWave, ServerEstimate, ServerTiming, estimate
from drs_job_log.model.steps import current_step, step_seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.ledger import Ledger, ServerLaunch
    from drs_job_log.model.estimate import PastSteps
    from drs_job_log.model.plans import PlanProgress
    from drs_job_log.model.progress import JobState, Participant

# The launches of a server that an estimate uses.
_LAUNCHES: Final = 10

# The jobs of the ledger that are the basis for servers without earlier launches: the newest ones in this period.
_LEDGER_JOBS: Final = 20
_LEDGER_PERIOD: Final = timedelta(days=90)

# What was read is valid for this time. Launches of other executions end in the meantime.
_MAX_AGE: Final = timedelta(minutes=10)

# After a failed read, for example while DynamoDB creates an index.
_RETRY_AFTER: Final = timedelta(minutes=1)

# An execution is estimated again after this time. Longer than the poll interval of the viewer, because an estimate of
# many servers takes longer than the rest of the answer.
_ESTIMATE_AGE: Final = timedelta(seconds=10)

# The servers that one request of the API reads: a poll must stay fast. The next request continues. There is no estimate
# until all servers are read.
_MAX_READS: Final = 10

# The jobs of a wave are created within this time.
_WAVE_START: Final = timedelta(minutes=1)

# Earlier executions with the same number of servers in common, of which the most recent one has the planned waves.
_CANDIDATES: Final = 10

# An environment of the function keeps the launches of so many servers, and the estimates of so many executions.
_MAX_SERVERS: Final = 5_000
_MAX_ESTIMATES: Final = 100

Value = TypeVar("Value")
Estimate = TypeVar("Estimate", bound=ServerEstimate)


@dataclass(frozen=True, slots=True)
class _Read(Generic[Value]):
    """A value, and when it was read."""

    at: datetime
    value: Value


@dataclass(slots=True)
class _Wave:
    """The servers that start together. ``ended_at``: None while one of their jobs runs."""

    created_at: datetime
    ended_at: datetime | None
    servers: set[str]


class Estimator:
    """Estimates executions, and keeps what it read between requests. Not thread-safe."""

    def __init__(self, ledger: Ledger, stalled_after: timedelta, max_reads: int = _MAX_READS) -> None:
        """``max_reads``: the number of servers whose launches one call reads."""
        self._ledger = ledger
        self._stalled_after = stalled_after
        self._max_reads = max_reads
        self._launches: dict[str, _Read[Sequence[ServerLaunch]]] = {}
        self._all_launches: _Read[Sequence[PastSteps]] | None = None
        self._estimates: dict[str, _Read[ExecutionEstimate]] = {}
        self._failed_at: dict[str, datetime] = {}

    def estimate(
        self, key: str, states: Mapping[str, JobState], now: datetime, planned_waves: int | None = None
    ) -> ExecutionEstimate:
        """Return the estimate of an execution or a job. It is empty if it has ended, and while the history is read.

        ``key`` identifies the execution or job. ``states``: the states of its jobs and of its recovery plan by ID.
        ``planned_waves``: the number of waves, if it is known. A recovery plan states its steps, and does not need it.
        It never raises: the log is useful without an estimate.
        """
        plan = next((state.plan for state in states.values() if state.plan), None)
        launches = [state for state in states.values() if state.type == "LAUNCH"]
        jobs = sorted(launches, key=lambda job: (_created(job), job.id))
        started = _waves((_created(job), job.ended_at or job.cancelled_at, job.servers) for job in jobs)
        missing = (planned_waves or 0) - len(started) if jobs and not plan else 0
        is_running = any(job.ended_at is None and job.cancelled_at is None for job in jobs)
        steps, waiting_until = _steps(plan, {job.id for job in jobs}) if plan else ([], None)
        if not (is_running or missing > 0 or steps or waiting_until):
            return ExecutionEstimate()
        known = self._estimates.get(key)
        if known and now - known.at < _ESTIMATE_AGE:
            active = {server.id for job in jobs for server in job.servers.values() if server.is_active}
            servers = {id_: _not_past(one, now) for id_, one in known.value.servers.items() if id_ in active}
            return replace(_not_past(known.value, now), servers=servers)
        if key in self._failed_at and now - self._failed_at[key] < _RETRY_AFTER:
            return ExecutionEstimate()
        failures: dict[str, str] = {}
        found = None
        with collect_errors(failures, key, "No estimate"):
            found = self._estimate(jobs, missing, steps, waiting_until, now)
        if failures:
            _keep(self._failed_at, key, now)
        if found is None:
            return ExecutionEstimate()
        _keep(self._estimates, key, _Read(now, found))
        return found

    def _estimate(
        self,
        jobs: Sequence[JobState],
        missing: int,
        steps: Sequence[PlannedWave],
        waiting_until: datetime | None,
        now: datetime,
    ) -> ExecutionEstimate | None:
        """Return the estimate with ``missing`` further waves or ``steps`` of a recovery plan, which can wait now.

        None if not all servers are read yet.
        """
        own_jobs = {job.id for job in jobs}
        timings = [_timing(job, server) for job in jobs for server in job.servers.values()]
        started = {timing.server_id for timing in timings}
        if not self._read(started, now):
            return None
        planned = self._planned(started, own_jobs, missing) if missing > 0 else steps
        servers = started.union(*(wave.server_ids for wave in planned))
        if not self._read(servers, now):
            return None
        return estimate(
            timings,
            {server: self._past(server, own_jobs) for server in servers},
            self._all(own_jobs, now),
            planned,
            now=now,
            stalled_after=self._stalled_after,
            waiting_until=waiting_until,
        )

    def _read(self, servers: Collection[str], now: datetime) -> bool:
        """Read launches of these servers that are not known or old. Return whether all are known then."""
        known = {server: self._launches[server] for server in servers if server in self._launches}
        if len(self._launches) > _MAX_SERVERS:
            self._launches = dict(known)
        new = sorted(server for server in servers if server not in known)
        old = sorted(server for server, launches in known.items() if now - launches.at >= _MAX_AGE)
        found = self._ledger.launches_of_servers([*new, *old][: self._max_reads], _LAUNCHES)
        self._launches |= {server: _Read(now, launches) for server, launches in found.items()}
        return all(server in self._launches for server in servers)

    def _past(self, server: str, own_jobs: set[str]) -> list[PastSteps]:
        """Return the steps of the earlier successful launches of a server, the newest first."""
        return [
            launch.server.step_seconds
            for launch in self._launches[server].value
            if launch.server.state == "LAUNCHED" and launch.job_id not in own_jobs and launch.server.step_seconds
        ]

    def _all(self, own_jobs: set[str], now: datetime) -> Sequence[PastSteps]:
        """Return the steps of the newest successful launches in the ledger."""
        if not self._all_launches or now - self._all_launches.at >= _MAX_AGE:
            recent = self._ledger.jobs(now - _LEDGER_PERIOD, now)
            ended = (job for job in recent if job.end_key and job.counts.get("launched") and job.job_id not in own_jobs)
            servers = self._ledger.servers_of(islice(ended, _LEDGER_JOBS))
            steps = [
                server.step_seconds
                for of_job in servers.values()
                for server in of_job
                if server.state == "LAUNCHED" and server.step_seconds
            ]
            self._all_launches = _Read(now, steps)
        return self._all_launches.value

    def _planned(self, started: Collection[str], own_jobs: Collection[str], missing: int) -> list[PlannedWave]:
        """Return the waves that have not started, with the servers that they had in the execution before this one.

        That is the earlier execution with most servers in common.
        """
        earlier = Counter(
            launch.execution_id
            for server in started
            for launch in self._launches[server].value
            if launch.execution_id and launch.job_id not in own_jobs
        )
        if not earlier:
            return [PlannedWave()] * missing
        # Of several with the same number of servers, the most recent one.
        ids = [id_ for id_, count in earlier.items() if count == max(earlier.values())]
        executions = (self._ledger.jobs_of_execution(id_) for id_ in ids[:_CANDIDATES])
        before = max(
            ([job for job in of_execution if job.job_type == "LAUNCH"] for of_execution in executions),
            key=lambda jobs: jobs[-1].position if jobs else "",
        )
        servers = self._ledger.servers_of(before)
        waves = _waves(
            (job.created_at, job.ended_at, [one.source_server_id for one in servers.get(job.job_id, ())])
            for job in before
        )
        planned = [
            PlannedWave(server_ids=sorted(wave.servers.difference(started)), pauses=_pauses(previous, wave))
            for previous, wave in pairwise(waves)
            if wave.servers.difference(started)
        ]
        return [*planned[-missing:], *[PlannedWave()] * (missing - len(planned))]


def _keep(values: dict[str, Value], key: str, value: Value) -> None:
    """Set the value of an execution. Forget that of the execution that was set first, if there are too many."""
    values.pop(key, None)
    values[key] = value
    if len(values) > _MAX_ESTIMATES:
        del values[next(iter(values))]


def _created(job: JobState) -> datetime:
    return job.created_at or job.started_at


def _steps(plan: PlanProgress, job_ids: Collection[str]) -> tuple[list[PlannedWave], datetime | None]:
    """Return the steps of a recovery plan that start no known job yet, and when its running wait ends.

    A plan that failed waits for a person, and a cancelled one starts no further step: both have none.
    """
    if plan.status not in {"CREATED", "IN_PROGRESS"}:
        return [], None
    planned = [
        PlannedWave(
            server_ids=sorted(server.source_server_id for server in step.servers),
            wait_seconds=None if step.wait_minutes is None else 60.0 * step.wait_minutes,
        )
        for step in plan.steps
        if step.status == "NOT_STARTED"
        or (step.status == "EXECUTING" and not any(server.job_id in job_ids for server in step.servers))
    ]
    return planned, next((step.waiting_until for step in plan.steps if step.waiting_until), None)


def _waves(jobs: Iterable[tuple[datetime, datetime | None, Iterable[str]]]) -> list[_Wave]:
    """Return the waves of jobs, of which the creation, the end and the servers are given, the oldest job first.

    A wave can have a job in each of several accounts. A job that launches only servers of earlier jobs is a retry.
    """
    waves: list[_Wave] = []
    seen: set[str] = set()
    for created_at, ended_at, servers in jobs:
        new = set(servers) - seen
        seen |= new
        if waves and created_at - waves[-1].created_at < _WAVE_START:
            wave = waves[-1]
            wave.servers |= new
            wave.ended_at = max(wave.ended_at, ended_at) if wave.ended_at and ended_at else None
        elif new:
            waves.append(_Wave(created_at, ended_at, new))
    return waves


def _pauses(previous: _Wave, wave: _Wave) -> list[float]:
    """Return the seconds between the end of a wave and the start of the next one. Empty if it did not end before."""
    if previous.ended_at is None or previous.ended_at > wave.created_at:
        return []
    return [(wave.created_at - previous.ended_at).total_seconds()]


def _not_past(estimate: Estimate, now: datetime) -> Estimate:
    """Return an estimate of some seconds ago, with ``now`` instead of the times that have passed since."""
    if not (estimate.expected_end and estimate.earliest_end and estimate.latest_end) or estimate.earliest_end >= now:
        return estimate
    return replace(
        estimate,
        expected_end=max(estimate.expected_end, now),
        earliest_end=now,
        latest_end=max(estimate.latest_end, now),
    )


def _timing(job: JobState, server: Participant) -> ServerTiming:
    step, since = (current_step(server.step_times) if server.is_active else None) or (None, None)
    return ServerTiming(
        server_id=server.id,
        started_at=_created(job),
        seconds=step_seconds(server.step_times),
        step=step,
        step_started_at=since,
        ended_at=None if server.is_active else server.since,
    )
