"""The lists of executions and jobs, newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice, repeat
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.parameters import create_list_token
from drs_job_log.model.entries import (
    format_optional,
    full_counts,
    requested_by,
    rpo_entry,
    rto_entry,
    seconds_between,
    with_total,
)
from drs_job_log.model.events import format_time, ledger_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from drs_job_log.api.history import History, Recovery
    from drs_job_log.api.parameters import ListQuery
    from drs_job_log.ledger import ServerLaunch
    from drs_job_log.model.summary import JobSummary

    # A job in the order of the list, and the entry at its place. Without an entry, the job is at another place.
    Candidate = tuple[JobSummary, dict[str, Any] | None]

# The limits of one request: its time in seconds, and the number of jobs that it examines. It scans more jobs if most
# of them need no further request.
MAX_SECONDS: Final = 3.0
MAX_EXAMINED: Final = 1_000
MAX_SCANNED: Final = 5_000

# How many jobs are read at a time, after those that can fill the page.
_CHUNK: Final = 25

# How many launches of a server are searched. Jobs without an end are searched among those created within this time.
_MAX_LAUNCHES: Final = 500
_LAUNCHES_PER_REQUEST: Final = 100
_MAX_AGE_WITHOUT_END: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """Finds the jobs and executions that launch a server.

    Attributes
    ----------
    launched_by
        The IDs of the jobs in which the server reached its end.
    candidates
        The executions of these jobs and of jobs without an end, which may name the server. For a job without an
        execution, its own ID.
    """

    server_id: str
    launched_by: Collection[str]
    candidates: Collection[str]

    def may_match(self, job: JobSummary) -> bool:
        """Whether the execution of a job, or the job if it has none, may launch the server."""
        return (job.execution_id or job.job_id) in self.candidates

    def matches(self, history: History, jobs: Iterable[JobSummary]) -> bool:
        """Whether one of the jobs launches the server."""
        return any(job.job_id in self.launched_by or history.names_server(job, self.server_id) for job in jobs)


def executions_view(history: History, query: ListQuery) -> dict[str, Any]:
    """Return a page of executions, and of jobs without an execution, each at the place of its first job."""
    return _page("executions", history, query, _executions(history, query))


def jobs_view(history: History, query: ListQuery) -> dict[str, Any]:
    """Return a page of jobs."""
    of_server = _filter(history, query)

    def entry(job: JobSummary) -> dict[str, Any] | None:
        is_listed = of_server is None or (of_server.may_match(job) and of_server.matches(history, [job]))
        return _job_entry(history, job) if is_listed and not job.is_plan else None

    return _page("jobs", history, query, ((job, entry(job)) for job in jobs_on_page(history, query)))


def _page(name: str, history: History, query: ListQuery, candidates: Iterable[Candidate]) -> dict[str, Any]:
    """Return the answer with the first entries that match the query, within the limits of one request."""
    end = monotonic() + MAX_SECONDS
    max_examined = MAX_EXAMINED if query.server_id is None else MAX_SCANNED
    entries: list[dict[str, Any]] = []
    last: JobSummary | None = None
    has_more = False
    for examined, (job, entry) in enumerate(candidates):
        if len(entries) == query.limit or examined >= max_examined or (last and monotonic() > end):
            has_more = True
            break
        last = job
        if entry and _matches(entry, query):
            entries.append(entry)
    token = create_list_token(last.created_at, last.job_id, query.list_id) if last and has_more else None
    return {"now": format_time(history.now), name: entries, "nextToken": token}


def _matches(entry: dict[str, Any], query: ListQuery) -> bool:
    return query.status in {None, entry["status"]} and query.is_drill in {None, entry["isDrill"]}


def jobs_on_page(history: History, query: ListQuery) -> Iterator[JobSummary]:
    """Yield the jobs of the list after the position of the page."""
    if query.after is None:
        return history.ledger.jobs(query.earliest, query.latest)
    before = ledger_key(format_time(query.after.time), query.after.id)
    return history.ledger.jobs(query.earliest, min(query.latest, query.after.time), before)


def _executions(history: History, query: ListQuery) -> Iterator[Candidate]:
    """Yield each job, with its execution if it is the first job of the execution."""
    of_server = _filter(history, query)
    jobs = iter(jobs_on_page(history, query))
    listed: set[str] = set()
    for size in chain([query.limit + 1], repeat(_CHUNK)):
        chunk = list(islice(jobs, size))
        if not chunk:
            return
        matching = {job.job_id: job for job in chunk if of_server is None or of_server.may_match(job)}
        history.read(job.execution_id for job in matching.values() if job.execution_id)
        for job in matching.values():
            if job.execution_id:
                history.jobs_of(job.execution_id, job)
        for job in chunk:
            recovery = _recovery_at(history, job, listed) if job.job_id in matching else None
            if recovery and (of_server is None or of_server.matches(history, recovery.jobs)):
                yield job, _execution_entry(history, recovery)
            else:
                yield job, None


def _recovery_at(history: History, job: JobSummary, listed: set[str]) -> Recovery | None:
    """Return the execution at the place of a job, or the job if it has none.

    ``listed``: the executions so far. The index of executions can lack some jobs, so the first one can be another job.
    """
    if job.execution_id is None:
        return history.recovery_of_job(job)
    if job.execution_id in listed or history.jobs_of(job.execution_id, job)[0].job_id != job.job_id:
        return None
    listed.add(job.execution_id)
    return history.execution(job.execution_id)


def _filter(history: History, query: ListQuery) -> _Filter | None:
    """Return the filter by the server of the query. None: each job matches."""
    if query.server_id is None:
        return None
    launches: list[ServerLaunch] = []
    before = history.now + timedelta(days=1)  # clocks differ
    while len(launches) < _MAX_LAUNCHES:
        batch = history.ledger.launches_of_server(query.server_id, _LAUNCHES_PER_REQUEST, before)
        launches += batch
        ends = [launch.server.ended_at for launch in batch if launch.server.ended_at]
        if len(batch) < _LAUNCHES_PER_REQUEST or min(ends) < query.earliest:
            break
        before = min(ends)
    recent = history.ledger.jobs(history.now - _MAX_AGE_WITHOUT_END, history.now)
    without_end = [job for job in islice(recent, MAX_EXAMINED) if job.end_key is None]
    return _Filter(
        server_id=query.server_id,
        launched_by={launch.job_id for launch in launches},
        candidates={
            *(launch.execution_id or launch.job_id for launch in launches),
            *(job.execution_id or job.job_id for job in without_end),
        },
    )


def _execution_entry(history: History, recovery: Recovery) -> dict[str, Any]:
    return {
        "executionId": recovery.execution_id,
        "jobId": None if recovery.execution_id else recovery.jobs[0].job_id,
        **recovery_entry(history, recovery),
        "requestedBy": requested_by(recovery.jobs),
        "jobs": [{"jobId": job.job_id, "status": job.status} for job in recovery.jobs],
        "accounts": recovery.accounts,
        "regions": recovery.regions,
    }


def recovery_entry(history: History, recovery: Recovery) -> dict[str, Any]:
    """Return the totals of an execution."""
    return {
        "status": recovery.status.word,
        "settled": recovery.status.settled,
        "isDrill": recovery.is_drill,
        "startedAt": format_time(recovery.started_at),
        "endedAt": format_optional(recovery.ended_at),
        "durationSeconds": recovery.seconds(history.now),
        "counts": with_total(recovery.counts),
        "rto": rto_entry(recovery.rto),
        "rpo": rpo_entry(recovery.rpo),
    }


def _job_entry(history: History, job: JobSummary) -> dict[str, Any]:
    job = history.job(job)
    return {
        "jobId": job.job_id,
        "executionId": job.execution_id,
        "jobType": job.job_type,
        "initiatedBy": job.initiated_by,
        "requestedBy": job.requested_by,
        "status": job.status,
        "isDrill": job.is_drill,
        "startedAt": format_time(job.created_at),
        "endedAt": format_optional(job.ended_at),
        "durationSeconds": seconds_between(job.created_at, job.ended_at or history.now),
        "counts": full_counts(job),
        "rpo": rpo_entry(history.rpo([job], is_running=job.is_running)),
        "account": job.account,
        "region": job.region,
    }
