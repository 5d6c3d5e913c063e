"""Scripts of recovery plans, and their executions. tests/support/drs.py simulates the operations.

Nobody has seen a real execution. The sources are:

- the names, enums and limits: the service model of botocore
- the ARNs of plans and executions: the service authorization reference
- what a step, a retry, a skip, a cancel and the limit of 24 hours do: the user guide,
  https://docs.aws.amazon.com/drs/latest/userguide/recovery-plans.html (how-it-works, monitoring, retry, skip, cancel)

Assumptions of this simulator, which no source states:

- The validation takes 2 s. A job begins 1 s after its step. A step ends at the end of its last job.
- One job launches all servers of a step. The user guide says "a recovery job for every server", and also that the
  recovery of all servers of a step is one request. ``ServerStep.servers_per_job`` makes more jobs.
- The jobs have no tags, and START_DRILL or START_RECOVERY as ``initiatedBy``: the model has no value for plans.
- A retry replaces the ``jobID`` of the failed servers only. A retried OPTIONAL server is launched again too.
- A step has ``attempt`` 1 before it starts, since the model requires a positive number.
- A failed validation of a step sets no ``jobID``.
- A CRITICAL server has no ``impactLevel``. The model says that this is the default, and requires no value.
- The codes and texts of ``errorDetail``, except the message of a COMPLETED execution with skipped steps. A COMPLETED
  step names its failed OPTIONAL servers there.
- ``completedAt`` of a FAILED execution is the failure, and a retry or a skip removes it.
- A WAIT step that runs when the execution is cancelled continues until its end, as a server step does.
- A step that starts after the limit of the execution, for example in a late retry, has no limit.
- The format of all IDs, and the ARN of a step.
- A TIMED_OUT step cannot be skipped. The page about skips says that it can, the page about executions that it cannot.

The status TIMED_OUT of an execution is in the user guide, but not in the model of botocore 1.43.106.

Not simulated: StartRecoveryPlanExecution with its recovery points, other changes of a step than a skip, and the
conflict of two plans with the same server.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.support import scripts
from tests.support.scripts import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from tests.support.scripts import Script

_VALIDATION: Final = timedelta(seconds=2)
_INITIATION: Final = timedelta(seconds=1)
_NEVER: Final = timedelta.max

# The statuses of an execution that continues without a person. In all other statuses, the plan can be started again.
ACTIVE: Final = frozenset({"CREATED", "IN_PROGRESS", "CANCELLING"})
_RUNNING: Final = frozenset({"EXECUTING", "WAITING"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStep:
    """A step that launches servers.

    Attributes
    ----------
    attempts
        What happens in each attempt; further attempts succeed. A function returns the script of a job, as
        ``scripts.launch`` does, from its servers and ``drill``. A text is the error of the validation, which starts no
        job.
    """

    name: str
    critical: Sequence[str] = ()
    optional: Sequence[str] = ()
    attempts: Sequence[Callable[..., Script] | str] = ()
    servers_per_job: int = 100

    @property
    def servers(self) -> list[str]:
        return [*self.critical, *self.optional]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep:
    """A step that pauses the plan. It cannot be the first step."""

    name: str
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The script of a plan. ``invalid`` is the error of the validation before the first step."""

    name: str
    steps: Sequence[ServerStep | WaitStep]
    invalid: str | None = None
    limit: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Action:
    """What a person did, ``after`` the start of the execution in the time of the script. ``step`` is 1-based."""

    after: timedelta
    name: Literal["retry", "skip", "cancel"]
    step: int = 0


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job that the execution started, ``after`` its own start."""

    id: str
    after: timedelta
    script: Script


@dataclass(slots=True)
class StepState:
    """The state of a step. ``jobs`` are the latest job IDs of its servers."""

    status: str = "NOT_STARTED"
    updated: timedelta = timedelta()
    attempt: int = 1
    jobs: dict[str, str] = field(default_factory=dict)
    error: Mapping[str, str] | None = None


@dataclass(slots=True)
class State:
    """The state of an execution."""

    status: str
    steps: list[StepState]
    jobs: list[PlannedJob]
    completed: timedelta | None = None
    error: Mapping[str, str] | None = None


@dataclass(slots=True)
class PlayedPlan:
    """An execution that follows its plan. ``began`` is a time of the simulator's ``clock``."""

    id: str
    plan: Plan
    mode: str
    tags: dict[str, str]
    region: str
    began: datetime
    actions: list[Action] = field(default_factory=list)

    @property
    def arn(self) -> str:
        return f"arn:aws:drs:{self.region}:{ACCOUNT}:recovery-plan-execution/{self.id}"

    @property
    def plan_arn(self) -> str:
        """The ARN of the plan. Names of plans are unique in a Region of an account."""
        return f"arn:aws:drs:{self.region}:{ACCOUNT}:recovery-plan/rp-{_hex(self.plan.name)}"

    def step_arn(self, number: int) -> str:
        return f"{self.arn}/step/{number}"

    def state(self, now: timedelta) -> State:
        """Return the state at a time after the start, in the time of the script.

        It is a function of the plan, the actions until then, and this time.
        """
        cancelled = self._acted(now, "cancel")
        state = State("IN_PROGRESS", [StepState() for _ in self.plan.steps], [])
        ready = _NEVER if self.plan.invalid else _VALIDATION  # when the next step starts
        for number, (step, played) in enumerate(zip(self.plan.steps, state.steps, strict=True), 1):
            skipped = self._acted(now, "skip", number)
            if min(skipped, cancelled) < _NEVER and min(skipped, cancelled) <= ready:
                played.status, played.updated = "SKIPPED", min(skipped, cancelled)
            elif ready <= now:
                if isinstance(step, WaitStep):
                    ready = self._wait(step, played, ready, now)
                else:
                    ready = self._recover(number, state, ready, now)
        self._conclude(state, cancelled, now)
        return state

    def _acted(self, now: timedelta, name: str, step: int = 0, since: timedelta = timedelta()) -> timedelta:
        """Return when a person first did this, ``since`` a time until now. ``_NEVER`` if nobody did."""
        done = (a.after for a in self.actions if (a.name, a.step) == (name, step) and since <= a.after <= now)
        return min(done, default=_NEVER)

    def _wait(self, step: WaitStep, played: StepState, begins: timedelta, now: timedelta) -> timedelta:
        """Play a WAIT step, and return when the next step can start."""
        played.status, played.updated = "WAITING", begins
        end = begins + timedelta(minutes=step.minutes)
        if self._times_out(played, begins, end, now):
            return _NEVER
        if end <= now:
            played.status, played.updated = "COMPLETED", end
        return end

    def _recover(self, number: int, state: State, begins: timedelta, now: timedelta) -> timedelta:
        """Play the attempts of a server step, and return when the next step can start."""
        step, played = self.plan.steps[number - 1], state.steps[number - 1]
        missing = step.servers
        for attempt in itertools.count(1):
            played.status, played.updated, played.attempt, played.error = "EXECUTING", begins, attempt, None
            outcome = step.attempts[attempt - 1] if attempt <= len(step.attempts) else scripts.launch
            if isinstance(outcome, str):
                end, error = begins, _error("VALIDATION_FAILED", outcome)
            else:
                jobs = self._jobs(number, attempt, missing, outcome, begins + _INITIATION)
                for job in jobs:
                    if job.after <= now:
                        state.jobs.append(job)
                        played.jobs |= dict.fromkeys(job.script.servers, job.id)
                end = max(_NEVER if job.script.end is None else job.after + job.script.end for job in jobs)
                missing = [s for job in jobs for s in job.script.servers if job.script.statuses.get(s) == "FAILED"]
                error = _error("SERVERS_FAILED", f"not recovered: {', '.join(missing)}") if missing else None
            if self._times_out(played, begins, end, now) or end > now:
                return end if played.status == "EXECUTING" else _NEVER
            is_failed = isinstance(outcome, str) or not set(missing).isdisjoint(step.critical)
            played.status, played.updated, played.error = "FAILED" if is_failed else "COMPLETED", end, error
            if not is_failed:
                return end
            skipped = self._acted(now, "skip", number)
            # Not the retry that began this attempt: an attempt without a job ends when it begins.
            begins = self._acted(now, "retry", number, since=max(end, begins + timedelta.resolution))
            if skipped < begins:
                played.status, played.updated = "SKIPPED", skipped
                return skipped
            if begins == _NEVER:
                return _NEVER
        raise AssertionError("unreachable")

    def _times_out(self, played: StepState, begins: timedelta, end: timedelta, now: timedelta) -> bool:
        """Return whether the running step reached the limit of the execution, and mark it then."""
        if not begins < self.plan.limit < end or now < self.plan.limit:
            return False
        played.status, played.updated = "TIMED_OUT", self.plan.limit
        played.error = _error("TIMED_OUT", "The execution reached its time limit")
        return True

    def _jobs(
        self, number: int, attempt: int, servers: Sequence[str], launch: Callable[..., Script], after: timedelta
    ) -> list[PlannedJob]:
        size = self.plan.steps[number - 1].servers_per_job
        return [
            PlannedJob(
                f"drsjob-{_hex(f'{self.id} {number} {attempt} {start}')}",
                after,
                launch(servers[start : start + size], drill=self.mode == "DRILL"),
            )
            for start in range(0, len(servers), size)
        ]

    def _conclude(self, state: State, cancelled: timedelta, now: timedelta) -> None:
        """Set the status of the execution, its end and its error."""
        statuses = {step.status for step in state.steps}
        if cancelled < _NEVER:
            state.status = "CANCELLING" if statuses & _RUNNING else "CANCELLED"
        elif now < _VALIDATION:
            state.status = "CREATED"
        elif self.plan.invalid:
            state.status, state.error = "FAILED", _error("VALIDATION_FAILED", self.plan.invalid)
        elif failure := statuses & {"FAILED", "TIMED_OUT"}:
            (state.status,) = failure
            state.error = next(step.error for step in state.steps if step.status == state.status)
        elif statuses <= {"COMPLETED", "SKIPPED"}:
            state.status = "COMPLETED"
            if "SKIPPED" in statuses:
                text = "Completed with skipped steps. View execution details for more information."
                state.error = _error("SKIPPED_STEPS", text)
        if state.status not in ACTIVE:
            state.completed = max(step.updated for step in state.steps)
            if state.status != "CANCELLED":
                state.completed = max(state.completed, _VALIDATION)

    # -----------------------------------------------------------------------------------------------------------------
    # Shapes of the DRS API. ``date`` formats a time after the start.
    # -----------------------------------------------------------------------------------------------------------------

    def described(self, state: State, date: Callable[[timedelta], str]) -> dict[str, Any]:
        """Return a RecoveryPlanExecution."""
        return {
            "recoveryPlanExecutionArn": self.arn,
            "recoveryPlanArn": self.plan_arn,
            "mode": self.mode,
            "status": state.status,
            "startedAt": date(timedelta()),
            "tags": self.tags,
            **({} if state.completed is None else {"completedAt": date(state.completed)}),
            **({} if state.error is None else {"errorDetail": dict(state.error)}),
        }

    def described_steps(self, state: State, date: Callable[[timedelta], str]) -> list[dict[str, Any]]:
        """Return each RecoveryPlanExecutionStep."""
        return [
            {
                "recoveryPlanExecutionStepArn": self.step_arn(number),
                "stepIndex": number,
                "stepName": step.name,
                "status": played.status,
                "configuration": self._configuration(step, played),
                "attempt": played.attempt,
                "createdAt": date(timedelta()),
                "updatedAt": date(played.updated),
                **({} if played.error is None else {"errorDetail": dict(played.error)}),
            }
            for number, (step, played) in enumerate(zip(self.plan.steps, state.steps, strict=True), 1)
        ]

    def _configuration(self, step: ServerStep | WaitStep, played: StepState) -> dict[str, Any]:
        if isinstance(step, WaitStep):
            return {"waitStepConfiguration": {"waitDurationMinutes": step.minutes}}
        servers = [
            {
                "serverArn": f"arn:aws:drs:{self.region}:{ACCOUNT}:source-server/{server}",
                **({"impactLevel": "OPTIONAL"} if server in step.optional else {}),
                **({"jobID": played.jobs[server]} if server in played.jobs else {}),
            }
            for server in step.servers
        ]
        return {"executionServerStepConfiguration": {"servers": servers}}

    def described_plan(self, date: Callable[[timedelta], str]) -> dict[str, Any]:
        """Return the RecoveryPlan."""
        created = date(-timedelta(days=1))
        return {
            "recoveryPlanArn": self.plan_arn,
            "name": self.plan.name,
            "status": "ACTIVE",
            "createdAt": created,
            "updatedAt": created,
        }


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _hex(text: str) -> str:
    """Return 17 hexadecimal digits, as the IDs of DRS have."""
    return hashlib.sha256(text.encode()).hexdigest()[:17]
