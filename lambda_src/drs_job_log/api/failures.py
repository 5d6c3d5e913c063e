"""The failures of servers in a period, grouped by the shape of their errors."""

from __future__ import annotations

from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.lists import MAX_SCANNED, MAX_SECONDS, jobs_on_page
from drs_job_log.api.parameters import create_list_token
from drs_job_log.api.progress_entries import hint_entry
from drs_job_log.model.events import format_time
from drs_job_log.model.failures import failures_of, group_failures

if TYPE_CHECKING:
    from drs_job_log.api.history import History
    from drs_job_log.api.parameters import ListQuery
    from drs_job_log.model.failures import Failure, FailureGroup, Shape
    from drs_job_log.model.summary import JobSummary

# How many jobs are read at a time.
_CHUNK: Final = 200


def failures_view(history: History, query: ListQuery) -> dict[str, Any]:
    """Return the groups of failures in the newest jobs of the period, until there are ``limit`` groups.

    The page after it has the failures in older jobs.
    """
    end = monotonic() + MAX_SECONDS
    jobs = jobs_on_page(history, query)
    failures: list[Failure] = []
    shapes: set[Shape] = set()
    examined = 0
    last: JobSummary | None = None
    has_more = True

    def is_full() -> bool:
        return len(shapes) >= query.limit or (last is not None and monotonic() > end)

    while has_more and examined < MAX_SCANNED and not is_full():
        chunk = list(islice(jobs, _CHUNK))
        servers = history.ledger.servers_of(job for job in chunk if _may_have_failures(job))
        has_more = len(chunk) == _CHUNK
        for job in chunk:
            if is_full():
                has_more = True
                break
            last = job
            if job.end_key is None and not job.is_plan:  # one at a time: all its events are read
                servers |= history.servers([job])
            of_job = failures_of(job, servers.get(job.job_id, ()))
            failures += of_job
            shapes |= {failure.shape for failure in of_job}
        examined += len(chunk)
    token = create_list_token(last.created_at, last.job_id, query.list_id) if last and has_more else None
    return {
        "now": format_time(history.now),
        "failures": [_entry(group) for group in group_failures(failures)],
        "nextToken": token,
    }


def _may_have_failures(job: JobSummary) -> bool:
    return job.counts.get("failed", 0) > 0 or (not job.counts and job.status in {"FAILED", "PARTIAL"})


def _entry(group: FailureGroup) -> dict[str, Any]:
    shape, newest = group.shape, group.newest
    return {
        "shape": shape.text,
        "service": shape.service,
        "operation": shape.operation,
        "code": shape.code,
        "hint": hint_entry(newest.error),
        "count": group.count,
        "serverCount": len(group.servers),
        "servers": group.listed_servers,
        "executionCount": len(group.executions),
        "executions": group.listed_executions,
        "newest": {
            "error": newest.error,
            "time": format_time(newest.time),
            "jobId": newest.job_id,
            "executionId": newest.execution_id,
            "sourceServerId": newest.source_server_id,
            "serverName": newest.server_name,
        },
    }
