"""The events that the collector sends for an execution of a scripted plan, without DRS, bus and queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from drs_job_log.collect import plans as collected
from drs_job_log.model.events import parse

from tests.support import played
from tests.support.envelopes import dumps, job_log
from tests.support.plans import PlayedPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from drs_job_log.model.events import JobLogEvent

    from tests.support.plans import Action, Plan, State

# The collector looks this often, in the time of the script.
_PASS: Final = timedelta(seconds=20)

REGION: Final = "us-east-1"


def events(
    plan: Plan,
    *,
    created: datetime,
    now: datetime,
    actions: Sequence[Action] = (),
    mode: str = "DRILL",
    execution_id: str = "rpe-1",
    names: Mapping[str, str] | None = None,
) -> list[JobLogEvent]:
    """Return the events of an execution that started at ``created``, and of its jobs, until ``now``.

    ``names``: the names of servers by their IDs.
    """
    execution = PlayedPlan(execution_id, plan, mode, {}, REGION, created, list(actions))
    found: dict[str, JobLogEvent] = {}
    steps_of_jobs: dict[str, int] = {}
    elapsed = timedelta()
    while True:
        state = execution.state(elapsed)
        for event in _events_of_plan(execution, state, elapsed):
            found.setdefault(event.event_id, event)
        for number, step in enumerate(state.steps, 1):
            steps_of_jobs |= dict.fromkeys(step.jobs.values(), number)
        if elapsed >= now - created:
            break
        elapsed = min(elapsed + _PASS, now - created)
    of_jobs = [
        event
        for job in state.jobs
        for event in _events_of_job(execution, job.id, steps_of_jobs[job.id])
        if event.timestamp <= now
    ]
    return [
        replace(event, source_server_name=(names or {}).get(event.source_server_id or ""))
        for event in (*found.values(), *of_jobs)
    ]


def _events_of_plan(execution: PlayedPlan, state: State, elapsed: timedelta) -> list[JobLogEvent]:
    def date(after: timedelta) -> str:
        return (execution.began + after).isoformat()

    steps = {step["stepIndex"]: step for step in execution.described_steps(state, date)}
    derived = collected.events_of(
        execution.described(state, date), steps, execution.plan.name, execution.began + elapsed
    )
    return [parse(dumps(job_log({**detail, "logDateTime": time.isoformat()}))) for time, detail in derived.values()]


def _events_of_job(execution: PlayedPlan, job_id: str, step: int) -> list[JobLogEvent]:
    (job,) = (job for job in execution.state(timedelta(days=3)).jobs if job.id == job_id)
    details = played.details(job.script, job_id, created=execution.began + job.after, execution_id=execution.id)
    place = {"recoveryPlanStep": step, "account": execution.arn.split(":")[4], "region": execution.region}
    return [parse(dumps(job_log(detail | place))) for detail in details]
