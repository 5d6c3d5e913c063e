"""Parts of the answers that several routes have."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.comparison import deciding_jobs
from drs_job_log.model.events import format_time
from drs_job_log.model.progress import SUMMARY_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drs_job_log.model.estimate import ServerEstimate
    from drs_job_log.model.progress import Progress
    from drs_job_log.model.rpo import Rpo
    from drs_job_log.model.rto import Rto
    from drs_job_log.model.summary import JobSummary

_COUNTS: Final = tuple(dict.fromkeys(SUMMARY_KEYS.values()))


def format_optional(time: datetime | None) -> str | None:
    """Format a time, or return None."""
    return format_time(time) if time else None


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds between two times. None if one of them is not known."""
    return max((end - start).total_seconds(), 0.0) if start and end else None


def started_at(progress: Progress) -> datetime | None:
    """Return when the recovery plan started, or when the first job was created.

    TERMINATE jobs count only if there is no other job.
    """
    if progress.plan:
        return progress.plan.started_at
    deciding = [job for job in progress.jobs if job.job_type != "TERMINATE"] or progress.jobs
    return min((job.created_at or job.started_at for job in deciding), default=None)


def requested_by(jobs: Iterable[JobSummary]) -> str | None:
    """Return who requested the first of some jobs of which this is known. TERMINATE jobs count as in ``started_at``."""
    in_order = sorted(deciding_jobs(jobs), key=lambda job: (job.created_at, job.job_id))
    return next((job.requested_by for job in in_order if job.requested_by), None)


def with_total(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of servers by state with all keys, and their sum in ``totalServers``."""
    return {"totalServers": sum(counts.values())} | {name: counts.get(name, 0) for name in _COUNTS}


def full_counts(job: JobSummary) -> dict[str, int]:
    """Return the numbers of servers of a job by state (see ``with_total``). Before its first event, all are pending."""
    counts = {name: count for name, count in job.counts.items() if name in _COUNTS}
    return with_total({"pending": job.server_count} if not counts and job.is_running else counts)


def estimate_entry(estimate: ServerEstimate | None) -> dict[str, Any] | None:
    """Return when an execution or a server is expected to end, or None."""
    if estimate is None or not estimate.expected_end or not estimate.earliest_end or not estimate.latest_end:
        return None
    return {
        "expectedEnd": _rounded(estimate.expected_end),
        "earliestEnd": _rounded(estimate.earliest_end),
        "latestEnd": _rounded(estimate.latest_end),
        "basis": estimate.basis,
    }


def _rounded(time: datetime) -> str:
    """Round a time up to ten seconds: an answer must not change without a reason, and an estimate is not more exact."""
    return format_time(datetime.fromtimestamp(math.ceil(time.timestamp() / 10) * 10, UTC))


def rto_entry(rto: Rto | None) -> dict[str, Any] | None:
    """Return the recovery time objective, or None."""
    if rto is None:
        return None
    return {
        "targetMinutes": rto.target_minutes,
        "actualMinutes": None if rto.actual_seconds is None else round(rto.actual_seconds / 60, 1),
        "actualSeconds": rto.actual_seconds,
        "result": rto.result,
    }


def rpo_entry(rpo: Rpo | None) -> dict[str, Any] | None:
    """Return the recovery point objective, or None."""
    if rpo is None:
        return None
    return {
        "targetMinutes": rpo.target_minutes,
        "seconds": rpo.seconds,
        "result": rpo.result,
        "serversOver": rpo.servers_over,
    }
