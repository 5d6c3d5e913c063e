"""The recovery time objective (RTO) of an execution: its target, what was reached, and the result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from drs_job_log.model.progress import SUMMARY_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from drs_job_log.model.progress import Progress
    from drs_job_log.model.summary import JobSummary

RtoResult = Literal["MET", "MISSED", "AT_RISK"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rto:
    """The recovery time objective of an execution.

    Attributes
    ----------
    target_minutes
        The objective in minutes.
    actual_seconds
        From the creation of the first LAUNCH job until the last server was launched. None until one is launched.
    result
        MET, MISSED or AT_RISK. None while the execution runs and nothing is known against the objective.
    """

    target_minutes: int
    actual_seconds: float | None
    result: RtoResult | None


def rto_of(
    jobs: Sequence[JobSummary],
    target_minutes: int | None,
    now: datetime,
    latest_estimated_end: datetime | None = None,
    *,
    is_running: bool | None = None,
    counts: Mapping[str, int] | None = None,
) -> Rto | None:
    """Return the recovery time objective of an execution. None without an objective or without a LAUNCH job.

    Parameters
    ----------
    jobs
        The jobs of the execution. Running jobs need the counts of their servers.
    target_minutes
        The objective of the module in minutes. The smallest objective in a tag of the LAUNCH jobs overrides it.
    latest_estimated_end
        The latest end that an estimate expects. None without an estimate.
    is_running
        Whether the execution runs. It can run between two waves. None: it runs while one of its LAUNCH jobs runs.
    counts
        The number of servers by their state in the whole execution, with the keys of the API's summary. A server that
        a later job of the execution launched is launched. None: the states in each job decide.
    """
    launches = [job for job in jobs if is_launch(job)]
    tagged = [job.rto_minutes for job in launches if job.rto_minutes and job.rto_minutes > 0]
    target = min(tagged, default=target_minutes)
    if target is None or not launches:
        return None
    start = min(job.created_at for job in launches)
    last_launch = max((job.last_launched_at for job in launches if job.last_launched_at), default=None)
    actual = None if last_launch is None else last_launch - start
    if is_running is None:
        is_running = any(job.is_running for job in launches)
    result = _result(
        is_running=is_running,
        is_launched=_is_launched(launches, counts),
        has_servers=any(job.server_count for job in launches),
        actual=actual,
        elapsed=now - start,
        expected=latest_estimated_end - start if latest_estimated_end else None,
        target=timedelta(minutes=target),
    )
    return Rto(target_minutes=target, actual_seconds=None if actual is None else actual.total_seconds(), result=result)


def rto_of_progress(
    progress: Progress,
    jobs: Sequence[JobSummary],
    target_minutes: int | None,
    now: datetime,
    latest_estimated_end: datetime | None,
    *,
    is_running: bool,
) -> Rto | None:
    """Return the recovery time objective of an execution whose progress is known. See ``rto_of``."""
    launches = {job.job_id for job in jobs if is_launch(job)}
    counts = Counter(SUMMARY_KEYS[server.state] for server in progress.servers if server.job_id in launches)
    return rto_of(jobs, target_minutes, now, latest_estimated_end, is_running=is_running, counts=counts)


def is_launch(job: JobSummary) -> bool:
    """Whether a job launches servers. A job of an unknown type does: only events of AWS itself state no type."""
    return job.job_type in {"LAUNCH", None}


def _is_launched(launches: Sequence[JobSummary], counts: Mapping[str, int] | None) -> bool:
    """Whether all servers are launched."""
    if counts is None:
        return all(job.status == "COMPLETED" or _has_only_launched(job.counts) for job in launches)
    return all(job.status == "COMPLETED" for job in launches) or _has_only_launched(counts)


def _has_only_launched(counts: Mapping[str, int]) -> bool:
    states = {name for name, count in counts.items() if count} - {"totalServers"}
    return states == {"launched"}


def _result(
    *,
    is_running: bool,
    is_launched: bool,
    has_servers: bool,
    actual: timedelta | None,
    elapsed: timedelta,
    expected: timedelta | None,
    target: timedelta,
) -> RtoResult | None:
    is_late = actual is not None and actual > target
    if is_running:
        # If all servers of the known jobs were launched in time, only a further wave can miss the objective.
        if is_late or (elapsed > target and has_servers and not is_launched):
            return "MISSED"
        return "AT_RISK" if expected and expected > target else None
    if actual is None and is_launched:
        return None  # a network recovery launches no servers
    return "MET" if is_launched and not is_late else "MISSED"
