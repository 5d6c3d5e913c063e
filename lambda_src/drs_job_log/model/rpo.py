"""The recovery point objective (RPO): how old the data of the launched servers was, and its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from drs_job_log.model.rto import is_launch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from drs_job_log.model.progress import Progress, ServerProgress
    from drs_job_log.model.summary import JobSummary

RpoResult = Literal["MET", "MISSED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpo:
    """The recovery point objective of an execution or a job.

    Attributes
    ----------
    target_minutes
        The objective in minutes. None without an objective.
    seconds
        The largest achieved RPO of the launched servers whose recovery point is known. None if none is known.
    result
        MISSED: the data of a launched server was older than the objective. MET: the execution ended, and the data of
        no launched server was older. None in other cases, for example if a recovery point is not known. A server that
        is not launched does not count here: the recovery time objective reports it.
    servers_over
        The number of launched servers whose data was older. None without an objective.
    """

    target_minutes: int | None
    seconds: float | None
    result: RpoResult | None
    servers_over: int | None


def rpo_seconds(created_at: datetime | None, point: datetime | None) -> float | None:
    """Return the achieved RPO of a server in seconds: the creation of its job minus its recovery point.

    The RPO is the time between the last recovery point and the interruption of the service.
    https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/disaster-recovery-dr-objectives.html
    Assumption: the creation of the job stands for the time of the failure, which DRS does not know. 0 if the point is
    newer: a person can select a point, and DRS can take the snapshot after the creation. None without a point.
    """
    return None if point is None or created_at is None else max((created_at - point).total_seconds(), 0.0)


def is_over(seconds: float | None, target_minutes: int | None) -> bool:
    """Whether an achieved RPO is larger than the objective. False if one of them is not known."""
    return seconds is not None and target_minutes is not None and seconds > 60 * target_minutes


def rpo_of(achieved: Iterable[float | None], target_minutes: int | None, *, is_running: bool) -> Rpo | None:
    """Return the RPO of an execution or a job. None if there is neither an objective nor a known recovery point.

    ``achieved``: the achieved RPO of each launched server in seconds, None if its recovery point is not known.
    """
    values = list(achieved)
    known = [seconds for seconds in values if seconds is not None]
    if target_minutes is None:
        return Rpo(target_minutes=None, seconds=max(known), result=None, servers_over=None) if known else None
    over = sum(is_over(seconds, target_minutes) for seconds in known)
    has_met = bool(known) and len(known) == len(values) and not is_running
    return Rpo(
        target_minutes=target_minutes,
        seconds=max(known, default=None),
        result="MISSED" if over else "MET" if has_met else None,
        servers_over=over,
    )


def rpo_of_progress(
    progress: Progress, jobs: Sequence[JobSummary], target_minutes: int | None, *, is_running: bool
) -> Rpo | None:
    """Return the RPO of an execution or a job whose progress is known. None without a LAUNCH job. See ``rpo_of``."""
    launches = {job.job_id for job in jobs if is_launch(job)}
    achieved = [
        rpo_of_server(server) for server in progress.servers if server.job_id in launches and server.state == "LAUNCHED"
    ]
    return rpo_of(achieved, target_minutes, is_running=is_running) if launches else None


def rpo_of_server(server: ServerProgress) -> float | None:
    """Return the achieved RPO of a server in seconds. See ``rpo_seconds``."""
    return rpo_seconds(server.job_created_at, server.point_in_time)
