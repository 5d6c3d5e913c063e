"""The comparison of two executions: their totals, steps, servers and failures. "Other" is the one to compare with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drs_job_log.model.progress import SUMMARY_KEYS
from drs_job_log.model.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.model.summary import JobSummary, ServerSummary

    # Execution ID → the number of servers that it has in common with another one, and when the last of them ended.
    Candidates = Mapping[str, tuple[int, datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """The durations of a step in an execution, in seconds. ``count``: how many servers ended the step."""

    count: int
    median: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepComparison:
    """A step in both executions. None: no server ended the step."""

    step: str
    this: StepFigures | None
    other: StepFigures | None

    @property
    def difference(self) -> float | None:
        """The difference of the medians in seconds. Positive: this execution is slower."""
        return self.this.median - self.other.median if self.this and self.other else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerComparison:
    """A server in both executions."""

    this: ServerSummary
    other: ServerSummary

    def steps(self) -> dict[str, tuple[float | None, float | None]]:
        """Return the seconds of each step in this and in the other execution. Steps without any are absent."""
        both = {step: (self.this.step_seconds.get(step), self.other.step_seconds.get(step)) for step in STEPS}
        return {step: seconds for step, seconds in both.items() if seconds != (None, None)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison of two executions. All lists are in the order of the server IDs.

    Attributes
    ----------
    steps
        Each step of ``STEPS``.
    servers
        The servers in both.
    new_failures
        The servers that failed in this execution, but not in the other one, which need not have them.
    resolved_failures
        The servers of this execution that are launched, and failed in the other one: their summaries in the other one.
    only_in_this, only_in_other
        The servers in one of the executions.
    """

    steps: Sequence[StepComparison]
    servers: Sequence[ServerComparison]
    new_failures: Sequence[ServerSummary]
    resolved_failures: Sequence[ServerSummary]
    only_in_this: Sequence[ServerSummary]
    only_in_other: Sequence[ServerSummary]


def compare(this: Mapping[str, ServerSummary], other: Mapping[str, ServerSummary]) -> Comparison:
    """Return the comparison of two executions, from their servers by ID (see ``newest_servers``)."""
    both = sorted(this.keys() & other.keys())
    return Comparison(
        steps=[
            StepComparison(step=step, this=_figures(this.values(), step), other=_figures(other.values(), step))
            for step in STEPS
        ],
        servers=[ServerComparison(this=this[id_], other=other[id_]) for id_ in both],
        new_failures=[
            this[id_]
            for id_ in sorted(this)
            if this[id_].state == "FAILED" and (id_ not in other or other[id_].state != "FAILED")
        ],
        resolved_failures=[
            other[id_] for id_ in both if this[id_].state == "LAUNCHED" and other[id_].state == "FAILED"
        ],
        only_in_this=[this[id_] for id_ in sorted(this.keys() - other.keys())],
        only_in_other=[other[id_] for id_ in sorted(other.keys() - this.keys())],
    )


def deciding_jobs(jobs: Iterable[JobSummary]) -> list[JobSummary]:
    """Return the jobs that decide the result of an execution.

    A TERMINATE job does not change the result of a launch. Its servers count only if the execution has no other job.
    """
    jobs = list(jobs)
    return [job for job in jobs if job.job_type != "TERMINATE"] or jobs


def newest_servers(
    jobs: Iterable[JobSummary], servers_by_job: Mapping[str, Sequence[ServerSummary]]
) -> dict[str, ServerSummary]:
    """Return each server of an execution in the newest of its jobs that decide."""
    return {
        server.source_server_id: server
        for job in sorted(deciding_jobs(jobs), key=lambda job: job.position)
        for server in servers_by_job.get(job.job_id, ())
    }


def counts_of(servers: Iterable[ServerSummary]) -> dict[str, int]:
    """Return the number of servers by state, with the keys of the API's summary."""
    return dict(Counter(SUMMARY_KEYS[server.state] for server in servers))


def best_candidate(candidates: Candidates) -> str | None:
    """Return the execution with the most servers in common, and of several, the most recent one. None without any."""
    return max(candidates, key=lambda id_: (*candidates[id_], id_), default=None)


def _figures(servers: Iterable[ServerSummary], step: str) -> StepFigures | None:
    seconds = [server.step_seconds[step] for server in servers if step in server.step_seconds]
    return StepFigures(count=len(seconds), median=_median(seconds), max=max(seconds)) if seconds else None


def _median(values: Sequence[float]) -> float:
    """Return the median. Without the module statistics, whose import makes a cold start slower."""
    in_order = sorted(values)
    middle = len(in_order) // 2
    return in_order[middle] if len(in_order) % 2 else (in_order[middle - 1] + in_order[middle]) / 2
