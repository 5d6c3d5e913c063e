"""Executions of native DRS recovery plans: their events, and the state that the newest event has.

The events of a plan execution are stored like those of a job. Their ``jobID`` and their ``executionId`` are the ID of
the plan execution. Each event contains all steps, so that one event is sufficient for the state.
https://docs.aws.amazon.com/drs/latest/userguide/recovery-plans.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.events import InvalidEventError, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from drs_job_log.model.progress import ProgressEvent

# ``jobType`` of the events of a plan execution.
PLAN_TYPE: Final = "RECOVERY_PLAN"

PLAN_STARTED: Final = "PLAN_STARTED"

# Status of a step → the event about it. A step that is NOT_STARTED has none.
STEP_EVENTS: Final[Mapping[str, str]] = {
    "EXECUTING": "PLAN_STEP_STARTED",
    "WAITING": "PLAN_STEP_WAITING",
    "COMPLETED": "PLAN_STEP_COMPLETED",
    "FAILED": "PLAN_STEP_FAILED",
    "TIMED_OUT": "PLAN_STEP_TIMED_OUT",
    "SKIPPED": "PLAN_STEP_SKIPPED",
}

# Status of a plan execution → the event that ends it. TIMED_OUT is in the user guide, but not in the model of botocore.
# A person can retry or skip the failed step of a FAILED execution, which then continues.
END_EVENTS: Final[Mapping[str, str]] = {
    "COMPLETED": "PLAN_COMPLETED",
    "FAILED": "PLAN_FAILED",
    "TIMED_OUT": "PLAN_FAILED",
    "CANCELLED": "PLAN_CANCELLED",
}

PLAN_ENDS: Final = frozenset(END_EVENTS.values())
PLAN_EVENTS: Final = PLAN_ENDS | {PLAN_STARTED, *STEP_EVENTS.values()}

# The statuses of a step that failed, and the events about them.
FAILED_STEPS: Final = frozenset({"FAILED", "TIMED_OUT"})
STEP_FAILURES: Final = frozenset(STEP_EVENTS[status] for status in FAILED_STEPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanServer:
    """A server of a step. ``is_critical``: its failure fails the step. ``job_id``: the job that recovers it."""

    source_server_id: str
    is_critical: bool
    job_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """A step of a plan execution.

    Attributes
    ----------
    index
        Its place in the plan, from 1.
    status
        NOT_STARTED, EXECUTING, WAITING, COMPLETED, FAILED, TIMED_OUT or SKIPPED.
    attempt
        1 for the first attempt. None if DRS does not state it.
    since
        When DRS last changed the step. None if DRS does not state it.
    waiting_until
        When the wait of a step that is WAITING ends.
    wait_minutes
        The duration of a step that only waits. None for a step that launches servers.
    """

    index: int
    name: str | None
    status: str
    attempt: int | None
    since: datetime | None
    waiting_until: datetime | None
    wait_minutes: int | None
    servers: Sequence[PlanServer]
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProgress:
    """A plan execution.

    Attributes
    ----------
    status
        CREATED, IN_PROGRESS, COMPLETED, FAILED, TIMED_OUT, CANCELLING or CANCELLED.
    started_at, ended_at
        ``ended_at`` is None while it runs.
    """

    execution_id: str
    name: str | None
    arn: str | None
    plan_arn: str | None
    is_drill: bool | None
    status: str
    started_at: datetime
    ended_at: datetime | None
    steps: Sequence[PlanStep]
    has_skipped_steps: bool
    error: str | None

    @property
    def is_running(self) -> bool:
        """Whether it continues without a person."""
        return self.ended_at is None

    @property
    def servers(self) -> set[str]:
        """The IDs of the servers of all steps."""
        return {server.source_server_id for step in self.steps for server in step.servers}

    @property
    def is_final(self) -> bool:
        """Whether it can never continue. A failed one can, after a retry or a skip of a step."""
        return self.status in {"COMPLETED", "CANCELLED"}


def plan_outcome(plan: PlanProgress, servers: int, launched: int) -> str | None:
    """Return the outcome of a plan execution: COMPLETED, PARTIAL, FAILED or TERMINATED. None while it runs.

    DRS reports COMPLETED although steps were skipped or OPTIONAL servers failed. This is PARTIAL. ``servers`` and
    ``launched``: the number of servers of its jobs, and of those that are launched.
    """
    if plan.is_running:
        return None
    match plan.status:
        case "CANCELLED":
            return "TERMINATED"
        case "COMPLETED":
            return "PARTIAL" if plan.has_skipped_steps or launched < servers else "COMPLETED"
    return "PARTIAL" if launched else "FAILED"


def partial_reason(plan: PlanProgress, servers: int, launched: int) -> str | None:
    """Return why a plan execution that DRS reports as completed is PARTIAL. None if it is not."""
    if plan.status != "COMPLETED" or plan_outcome(plan, servers, launched) != "PARTIAL":
        return None
    parts = []
    if plan.has_skipped_steps:
        skipped = [f'"{step.name or step.index}"' for step in plan.steps if step.status == "SKIPPED"]
        parts.append(f"skipped steps: {', '.join(skipped)}" if skipped else "skipped steps")
    if launched < servers:
        parts.append(f"servers that are not launched: {servers - launched}")
    return f"DRS reports the recovery plan as completed. It has {', and '.join(parts)}."


def plan_of(events: Iterable[ProgressEvent]) -> PlanProgress | None:
    """Return the plan execution that events of the collector describe, in any order. None if there is none.

    The newest event is the one that the collector derived last (``observedAt``), because DRS states the time of a
    change for steps and not for the whole execution.
    """
    of_plan = [event for event in events if event.event_type in PLAN_EVENTS and event.is_from_collector]
    if not of_plan:
        return None
    newest = max(of_plan, key=lambda event: (_text(_plan(event), "observedAt") or "", event.timestamp, event.event_id))
    detail, plan = newest.detail, _plan(newest)
    status = _text(plan, "status") or "IN_PROGRESS"
    ends = [event.timestamp for event in of_plan if event.event_type in PLAN_ENDS]
    is_drill = detail.get("isDrill")
    steps = [_step(step) for step in _mappings(plan, "steps")]
    return PlanProgress(
        execution_id=_text(plan, "executionId") or "",
        name=_text(plan, "name"),
        arn=_text(plan, "executionArn"),
        plan_arn=_text(plan, "planArn"),
        is_drill=is_drill if isinstance(is_drill, bool) else None,
        status=status,
        started_at=_time(plan, "startedAt") or min(event.timestamp for event in of_plan),
        ended_at=max(ends, default=newest.timestamp) if status in END_EVENTS else None,
        steps=steps,
        has_skipped_steps=any(step.status == "SKIPPED" for step in steps),
        error=_text(plan, "error"),
    )


def _plan(event: ProgressEvent) -> Mapping[str, Any]:
    plan = event.detail.get("recoveryPlan")
    return plan if isinstance(plan, Mapping) else {}


def _step(step: Mapping[str, Any]) -> PlanStep:
    return PlanStep(
        index=_number(step, "stepIndex") or 0,
        name=_text(step, "stepName"),
        status=_text(step, "status") or "NOT_STARTED",
        attempt=_number(step, "attempt"),
        since=_time(step, "since"),
        waiting_until=_time(step, "waitingUntil"),
        wait_minutes=_number(step, "waitMinutes"),
        servers=[
            PlanServer(
                source_server_id=_text(server, "sourceServerID") or "",
                is_critical=server.get("impactLevel") != "OPTIONAL",
                job_id=_text(server, "jobID"),
            )
            for server in _mappings(step, "servers")
        ],
        error=_text(step, "error"),
    )


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else None


def _number(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    # DynamoDB returns a Decimal.
    return int(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def _time(values: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return parse_time(name, values.get(name))
    except InvalidEventError:
        return None


def _mappings(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = values.get(name)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
