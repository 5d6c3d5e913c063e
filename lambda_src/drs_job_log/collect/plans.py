"""Recovery plans of one target: reads their executions, links the jobs of their steps, and derives their events."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError, PaginationError

from drs_job_log.collect.drs_client import ThrottledError
from drs_job_log.errors import reason_of
from drs_job_log.model.digest import digest
from drs_job_log.model.events import InvalidEventError, event_key, format_time, parse_time
from drs_job_log.model.json_text import to_json
from drs_job_log.model.plans import END_EVENTS, FAILED_STEPS, PLAN_STARTED, PLAN_TYPE, STEP_EVENTS
from drs_job_log.model.progress import OUTCOMES
from drs_job_log.table import conditional_write

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.config import CollectorSettings
    from drs_job_log.table import JobLogTable

    Execution = Mapping[str, Any]
    Step = Mapping[str, Any]

# Executions are listed about once a minute. At once if a job without an execution appears, or an event tells of one.
_LIST_INTERVAL: Final = timedelta(seconds=50)

# DRS ends an execution after 24 hours. Until then, a person can retry or skip the failed step of a FAILED execution.
_MAX_AGE: Final = timedelta(hours=25)

# If the table does not contain an event this long after it was put on the bus, the event is sent again.
_RESEND_AFTER: Final = timedelta(minutes=5)

# The schedule invokes the collector once a minute.
_SCHEDULE_INTERVAL: Final = timedelta(minutes=1)

# The time of an event is kept for longer than its execution is read.
_TIME_LIFETIME: Final = timedelta(days=5)

_RUNNING: Final = frozenset({"CREATED", "IN_PROGRESS", "CANCELLING"})

# Errors for which everything else continues: of AWS, of a botocore without the operations, and of unexpected responses.
_UNREADABLE: Final = (
    *(BotoCoreError, ClientError, PaginationError, ThrottledError),
    *(AttributeError, KeyError, TypeError, ValueError),
)

_NOT_READ: Final = (
    "Recovery plans not read. The job log continues without them. The role needs drs:GetRecoveryPlan, "
    "drs:GetRecoveryPlanExecution, drs:GetRecoveryPlanExecutionStep, drs:ListRecoveryPlanExecutions and "
    "drs:ListRecoveryPlanExecutionSteps. If you do not use recovery plans, set collector.recovery_plans = false"
)

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class PlanLink:
    """The plan execution of a job, and the step that started the job."""

    execution_id: str
    step_index: int


@dataclass(frozen=True, slots=True)
class PlanEvent:
    """An event of a plan execution: its ``EventKey`` and its detail."""

    key: str
    detail: Mapping[str, Any]


@dataclass(slots=True)
class PlanTracker:
    """The state of a plan execution between passes.

    Attributes
    ----------
    execution, steps
        What DRS returned last. Steps by their index.
    events
        The events that are not known to be stored, by event ID.
    stored
        The IDs of the events in the table, when it was last read. None: it was not read yet.
    emitted
        Keys that were put on the bus, with the time.
    """

    execution: Execution
    name: str | None = None
    steps: dict[int, Step] = field(default_factory=dict)
    events: dict[str, PlanEvent] = field(default_factory=dict)
    stored: set[str] | None = None
    emitted: dict[str, datetime] = field(default_factory=dict)
    is_read: bool = False

    @property
    def is_running(self) -> bool:
        """Whether the execution continues without a person."""
        return self.execution["status"] in _RUNNING

    def is_active(self, now: datetime) -> bool:
        """Whether the execution can change within a minute, or has an event that was not sent."""
        waits = [_waiting_until(step) for step in self.steps.values()]
        is_waiting = any(until and until - now > _SCHEDULE_INTERVAL for until in waits)
        has_unsent = any(event.key not in self.emitted for event in self.events.values())
        return has_unsent or (self.is_running and not is_waiting)


class EventTimes:
    """Keeps the time of each event in the notifications table, so that each instance of the function sends the same.

    DRS states when it last changed a step, and not when the step reached its status.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def fix(self, event_id: str, time: datetime, now: datetime) -> datetime:
        """Return the time of an event: the given one, unless another one was kept before.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
            If DynamoDB cannot be reached or refuses the request. It is safe to repeat the call.
        """
        key = {"id": {"S": f"plan-event#{event_id}"}}
        is_first = conditional_write(
            self._client.put_item,
            TableName=self._table_name,
            Item={
                **key,
                "time": {"S": format_time(time)},
                "expiration": {"N": str(int((now + _TIME_LIFETIME).timestamp()))},
            },
            ConditionExpression="attribute_not_exists(id)",
        )
        if is_first:
            return time
        answer = self._client.get_item(TableName=self._table_name, Key=key, ConsistentRead=True)
        return parse_time("time", answer["Item"]["time"]["S"])


class PlanReader:
    """Reads the plan executions of one target. Not thread-safe.

    Attributes
    ----------
    links
        The executions of the jobs that steps started, by job ID.
    failure
        Why the executions could not be read. None if they could.
    """

    def __init__(self, drs: DrsClient, table: JobLogTable, times: EventTimes, settings: CollectorSettings) -> None:
        self._drs = drs
        self._table = table
        self._times = times
        self._sources = settings.collector_sources
        self._required = settings.only_tagged.items()
        self._lookback = max(settings.lookback, _MAX_AGE)
        self._trackers: dict[str, PlanTracker] = {}
        self._names: dict[str, str | None] = {}
        self._listed_at: datetime | None = None
        self._reasons: list[str] = []
        self.links: dict[str, PlanLink] = {}
        self.failure: str | None = None

    def active(self, now: datetime) -> int:
        """Return the number of executions that the next pass reads: not those that wait for more than a minute."""
        return sum(tracker.is_active(now) for tracker in self._trackers.values())

    def read(self, now: datetime, *, list_now: bool) -> list[tuple[PlanTracker, PlanEvent]]:
        """Read the executions that are due, and return the events to send.

        ``list_now``: list the executions, although it was done less than a minute ago. If they cannot be read, log it
        once, and try again a minute later. Jobs do not depend on it.
        """
        is_due = self._listed_at is None or abs(now - self._listed_at) >= _LIST_INTERVAL
        if not is_due and self.failure:
            return self._unsent(now)
        self._reasons = []
        if is_due or list_now:
            self._listed_at = now
            with self._failures():
                self._list(now)
        for tracker in self._trackers.values():
            if tracker.is_running or not tracker.is_read:
                with self._failures():
                    self._read(tracker, now)
        if self._reasons and self.failure is None:
            logger.warning(_NOT_READ, target=str(self._drs), reason=self._reasons[0])
        self.failure = self._reasons[0] if self._reasons else None
        return self._unsent(now)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Keep the reason if something cannot be read. The other executions do not depend on it."""
        try:
            yield
        except _UNREADABLE as error:
            self._reasons.append(reason_of(error))

    def _list(self, now: datetime) -> None:
        """List the executions. Forget those that are over and stored, and those that DRS does not list any more."""
        trackers: dict[str, PlanTracker] = {}
        for execution in self._drs.plan_executions():
            arn = execution["recoveryPlanExecutionArn"]
            known = self._trackers.get(arn)
            is_recent = now - parse_time("startedAt", execution["startedAt"]) < self._lookback
            if not (is_recent or execution["status"] in _RUNNING or (known and known.events)):
                continue
            tracker = known or PlanTracker(execution)
            # A retry can fail again between two lists, and then changes steps only.
            is_changed = execution["status"] != tracker.execution["status"] or execution["status"] == "FAILED"
            tracker.is_read = tracker.is_read and not is_changed
            tracker.execution = {**tracker.execution, **execution}
            trackers[arn] = tracker
        self._trackers = trackers

    def _read(self, tracker: PlanTracker, now: datetime) -> None:
        """Read an execution and its steps, and derive the events that are not stored."""
        arn = tracker.execution["recoveryPlanExecutionArn"]
        if tracker.stored is None:
            tracker.stored = self._stored(tracker)
        # The steps last, so that the end of the execution comes after the last change of its steps.
        tracker.execution = self._drs.plan_execution(arn)
        if not self._required <= tracker.execution.get("tags", {}).items():
            tracker.is_read = True
            return
        for step in self._drs.plan_steps(arn):
            tracker.steps[step["stepIndex"]] = self._with_details(step, tracker.steps.get(step["stepIndex"]))
        plan_arn = tracker.execution["recoveryPlanArn"]
        if plan_arn not in self._names:
            self._names[plan_arn] = self._drs.plan_name(plan_arn)
        tracker.name = self._names[plan_arn]
        execution_id = execution_id_of(arn)
        for index, step in tracker.steps.items():
            for server in _servers(step):
                if job_id := server.get("jobID"):
                    self.links[job_id] = PlanLink(execution_id, index)
        derived = events_of(tracker.execution, tracker.steps, tracker.name, now)
        for event_id, (time, detail) in derived.items():
            if event_id not in tracker.stored and event_id not in tracker.events:
                fixed = format_time(self._times.fix(event_id, time, now))
                tracker.events[event_id] = PlanEvent(event_key(fixed, event_id), {**detail, "logDateTime": fixed})
        tracker.is_read = True

    def _with_details(self, step: Step, known: Step | None) -> Step:
        """Return a step with its attempt and its time, which the list does not have.

        A retry that failed again can differ in these only.
        """
        is_failed = step["status"] in FAILED_STEPS
        if (
            known
            and not is_failed
            and all(known.get(name) == step.get(name) for name in ("status", "configuration", "errorDetail"))
        ):
            return known
        return self._drs.plan_step(step["recoveryPlanExecutionStepArn"])

    def _stored(self, tracker: PlanTracker) -> set[str]:
        execution_id = execution_id_of(tracker.execution["recoveryPlanExecutionArn"])
        return {key.partition("#")[2] for key in self._table.stored(execution_id, self._sources)}

    def _unsent(self, now: datetime) -> list[tuple[PlanTracker, PlanEvent]]:
        """Return the events to send. Read the table if some were sent and should be stored by now."""
        unsent = []
        for tracker in self._trackers.values():
            sent = [event.key for event in tracker.events.values() if event.key in tracker.emitted]
            if any(now - tracker.emitted[key] >= _RESEND_AFTER for key in sent):
                tracker.stored = self._stored(tracker)
                tracker.events = {id_: event for id_, event in tracker.events.items() if id_ not in tracker.stored}
            unsent += [
                (tracker, event)
                for event in tracker.events.values()
                if event.key not in tracker.emitted or now - tracker.emitted[event.key] >= _RESEND_AFTER
            ]
        return unsent


def execution_id_of(arn: str) -> str:
    """Return the ID in the ARN of a plan execution, which ends with ``recovery-plan-execution/ID``."""
    return arn.rpartition("/")[2]


def events_of(
    execution: Execution, steps: Mapping[int, Step], name: str | None, now: datetime
) -> dict[str, tuple[datetime, dict[str, Any]]]:
    """Return the events that the state of an execution shows, by event ID: the time and the detail of each.

    There is one event for each status and attempt of a step, and for each end of the execution. The ID depends on
    nothing else, so that an event has the same ID whenever it is derived. ``now`` is the time of an event without one.
    """
    arn, status = execution["recoveryPlanExecutionArn"], execution["status"]
    started_at = parse_time("startedAt", execution["startedAt"])
    label = f"Recovery plan {name}" if name else "Recovery plan"
    common = _common(execution, steps, name, now)
    found = {
        _event_id(0, 0, [arn, "started"]): (
            started_at,
            common | {"eventType": PLAN_STARTED, "message": f"{label} started: {_count(len(steps), 'step')}"},
        )
    }
    for index, step in sorted(steps.items()):
        if event_type := STEP_EVENTS.get(step["status"]):
            event_id = _event_id(1, index, [arn, index, step["status"], step.get("attempt")])
            found[event_id] = (
                _time(step.get("updatedAt")) or now,
                common
                | {"eventType": event_type, "stepIndex": index, "stepName": step.get("stepName")}
                | {"message": step_message(step), "error": _error(step), "attempt": step.get("attempt")},
            )
    if event_type := END_EVENTS.get(status):
        skipped = [step for step in steps.values() if step["status"] == "SKIPPED"]
        outcome = {"COMPLETED": "PARTIAL" if skipped else "COMPLETED", "CANCELLED": "TERMINATED"}.get(status, "FAILED")
        # A retry or a skip continues a FAILED execution, which can then end again.
        failed = [
            [index, step.get("attempt")] for index, step in sorted(steps.items()) if step["status"] in FAILED_STEPS
        ]
        found[_event_id(2, 0, [arn, status, failed])] = (
            _time(execution.get("completedAt")) or now,
            common
            | {"eventType": event_type, "createdAt": format_time(started_at), "outcome": OUTCOMES[outcome]}
            | {"message": f"{label} {end_text(status, skipped)}", "error": _error(execution)},
        )
    start = next(iter(found.values()))[1]
    start["createdAt"] = format_time(started_at)
    return {
        event_id: (time, {key: value for key, value in (detail | {"eventId": event_id}).items() if value is not None})
        for event_id, (time, detail) in found.items()
    }


def _event_id(part: int, index: int, identity: Sequence[Any]) -> str:
    """Return the ID of an event. The first digits sort the events of the same time: start, steps, end."""
    return f"{part}-{index:02}-{digest(to_json(identity))}"


def _common(execution: Execution, steps: Mapping[int, Step], name: str | None, now: datetime) -> dict[str, Any]:
    """Return what all events of an execution have: the state of the whole execution."""
    arn: str = execution["recoveryPlanExecutionArn"]
    _, _, _, region, account, *_ = arn.split(":")
    execution_id = execution_id_of(arn)
    plan = {
        "executionId": execution_id,
        "executionArn": arn,
        "planArn": execution["recoveryPlanArn"],
        "name": name,
        "status": execution["status"],
        "startedAt": format_time(parse_time("startedAt", execution["startedAt"])),
        "observedAt": format_time(now),
        "error": _error(execution),
        "steps": [_step(index, step) for index, step in sorted(steps.items())],
    }
    return {
        "jobID": execution_id,
        "jobType": PLAN_TYPE,
        "executionId": execution_id,
        "isDrill": execution.get("mode") == "DRILL",
        "account": account,
        "region": region,
        "recoveryPlan": {key: value for key, value in plan.items() if value is not None},
    }


def _step(index: int, step: Step) -> dict[str, Any]:
    since, until = _time(step.get("updatedAt")), _waiting_until(step)
    values = {
        "stepIndex": index,
        "stepName": step.get("stepName"),
        "status": step["status"],
        "attempt": step.get("attempt"),
        "since": format_time(since) if since else None,
        "waitMinutes": _wait_minutes(step),
        "waitingUntil": format_time(until) if until else None,
        "error": _error(step),
        "servers": [
            {
                "sourceServerID": server["serverArn"].rpartition("/")[2],
                "impactLevel": server.get("impactLevel", "CRITICAL"),  # the default in the service model
                **({"jobID": server["jobID"]} if server.get("jobID") else {}),
            }
            for server in _servers(step)
        ],
    }
    return {key: value for key, value in values.items() if value is not None}


def step_message(step: Step) -> str:
    """Return the sentence about the status of a step."""
    name = f'Step {step["stepIndex"]} "{step.get("stepName", "")}"'
    attempt = f" (attempt {step['attempt']})" if step.get("attempt", 1) > 1 else ""
    minutes = _wait_minutes(step)
    match step["status"]:
        case "EXECUTING" if minutes is None:
            return f"{name} started with {_count(len(list(_servers(step))), 'server')}{attempt}"
        case "WAITING" if minutes is not None:
            return f"{name} waits for {_count(minutes, 'minute')}{attempt}"
        case "FAILED":
            return f"{name} failed{attempt}. A person must retry or skip it"
        case "TIMED_OUT":
            return f"{name} timed out{attempt}"
        case status:
            texts = {"EXECUTING": "started", "WAITING": "waits", "COMPLETED": "completed", "SKIPPED": "was skipped"}
            return f"{name} {texts.get(status, status.lower())}{attempt}"


def end_text(status: str, skipped: Collection[Step]) -> str:
    """Return how an execution ended, as the end of a sentence."""
    names = ", ".join(f'"{step.get("stepName") or step["stepIndex"]}"' for step in skipped)
    match status:
        case "COMPLETED" if skipped:
            return f"completed without {'the steps' if len(skipped) > 1 else 'the step'} {names}"
        case "COMPLETED":
            return "completed"
        case "CANCELLED":
            return "was cancelled"
        case "TIMED_OUT":
            return "timed out"
    return "failed"


def _servers(step: Step) -> Iterator[Mapping[str, Any]]:
    configuration = step.get("configuration", {}).get("executionServerStepConfiguration", {})
    yield from configuration.get("servers", [])


def _wait_minutes(step: Step) -> int | None:
    minutes: int | None = step.get("configuration", {}).get("waitStepConfiguration", {}).get("waitDurationMinutes")
    return minutes


def _waiting_until(step: Step) -> datetime | None:
    """Return when the wait of a step ends. DRS states only when it last changed the step. None if it does not wait."""
    since, minutes = _time(step.get("updatedAt")), _wait_minutes(step)
    return since + timedelta(minutes=minutes) if step["status"] == "WAITING" and since and minutes else None


def _error(values: Mapping[str, Any]) -> str | None:
    """Return the error of a step or an execution. A completed execution with skipped steps has one, too."""
    detail = values.get("errorDetail") or {}
    parts: Sequence[str] = [part for part in (detail.get("code"), detail.get("message")) if part]
    return ": ".join(parts) or None


def _time(value: object) -> datetime | None:
    try:
        return parse_time("time", value)
    except InvalidEventError:
        return None


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
