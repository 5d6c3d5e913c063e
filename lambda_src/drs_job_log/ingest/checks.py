"""Checks of executions that no event triggers: whether one settled, or exceeds its objective.

A check is a delayed message of the ingest queue. The start and the end of a LAUNCH job begin a series of checks each. A
series ends when nothing more can be reported. SQS keeps its next check, and moves it to the dead-letter queue if it
fails, so that no execution is forgotten without an alarm.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError

from drs_job_log.link.status import TableAnswer, ask, status_of
from drs_job_log.model.digest import digest
from drs_job_log.model.events import is_job_end
from drs_job_log.model.json_text import to_json
from drs_job_log.model.plans import PLAN_ENDS, PLAN_TYPE
from drs_job_log.model.progress import combine, job_state_of
from drs_job_log.model.rpo import rpo_of_progress
from drs_job_log.model.rto import rto_of_progress
from drs_job_log.model.summary import summary_of
from drs_job_log.notify.executions import Recovery
from drs_job_log.table import conditional_write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.estimates import Estimator
    from drs_job_log.link.executions_table import ExecutionsTable
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.progress import JobState
    from drs_job_log.notify.executions import ExecutionNotifier
    from drs_job_log.table import JobLogTable

# Starts a timer: sends the message to the ingest queue after the delay.
Schedule = Callable[[str, timedelta], None]

FIRST_DELAY: Final = timedelta(seconds=10)
_START_INTERVAL: Final = timedelta(seconds=20)

# An end is reported within two minutes of being true.
_INTERVAL: Final = timedelta(minutes=1)

# Shorter than the threshold of the alarm queue-age (alarms.tf): AWS does not document whether the age of a message
# includes its delay.
_MAX_DELAY: Final = timedelta(minutes=3)

# How long the notice of the start waits for CloudTrail to state who started the job, and for the linker to find its
# execution in the executions table.
_REQUEST_GRACE: Final = timedelta(minutes=1)
_LINK_GRACE: Final = timedelta(minutes=3)

# A job that runs is watched for a day, or for twice its objective if this is longer.
_MIN_WATCH: Final = timedelta(days=1)

# An execution that is not settled this long after the end of its last LAUNCH job is not checked any more: it has a
# TERMINATE job that does not end.
_MAX_WAIT: Final = timedelta(days=2)

logger = Logger(child=True)

_PREFIX: Final = '{"check":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check of the execution of a job.

    ``phase``: whether the start or an end of the job began the series. ``series``: identifies it in the job.
    ``number``: its place in the series.
    """

    job_id: str
    phase: Literal["start", "end"]
    series: str
    number: int

    def to_message(self) -> str:
        """Return the message for the ingest queue."""
        return to_json({"check": asdict(self)})


def check_of(message: str) -> Check | None:
    """Return the check of a message from ``Check.to_message``. None for another message."""
    if not message.startswith(_PREFIX):
        return None
    return Check(**json.loads(message)["check"])


class ExecutionChecks:
    """Begins and makes the checks. Thread-safe.

    Its methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if AWS cannot be
    reached or refuses a request, and the errors of ``ExecutionNotifier``. It is safe to repeat them.
    """

    def __init__(
        self,
        *,
        table: JobLogTable,
        executions_table: ExecutionsTable | None,
        estimator: Estimator,
        notifier: ExecutionNotifier,
        progress: CheckProgress,
        schedule: Schedule,
        rto_minutes: int | None,
        rpo_minutes: int | None,
    ) -> None:
        self._table = table
        self._executions_table = executions_table
        self._estimator = estimator
        self._estimating = Lock()
        self._notifier = notifier
        self._progress = progress
        self._schedule = schedule
        self._rto_minutes = rto_minutes
        self._rpo_minutes = rpo_minutes

    def begin(self, event: JobLogEvent) -> None:
        """Begin a series of checks if an event starts or ends a LAUNCH job, changes its end, or ends a recovery plan.

        It must be an event of the collector.

        A repeated event begins the same series: a check that was made before ends (see ``make``).
        """
        if not event.is_from_collector or event.detail.get("jobType") not in {"LAUNCH", PLAN_TYPE}:
            return
        if event.event_type == "LAUNCH_ACTION_FAILED":
            # DRS can state it after the end. All of a minute have one series.
            series = f"actions {datetime.now(UTC):%Y-%m-%dT%H:%M}"
            check = Check(job_id=event.job_id, phase="end", series=series, number=0)
        elif is_job_end(event.event_type, event.detail) or event.event_type in PLAN_ENDS:
            check = Check(job_id=event.job_id, phase="end", series=event.key, number=0)
        elif event.event_type == "JOB_STARTED":
            check = Check(job_id=event.job_id, phase="start", series=event.key, number=0)
        else:
            return
        self._schedule(check.to_message(), FIRST_DELAY)

    def make(self, check: Check, now: datetime) -> None:
        """Make a check, and schedule the next one of its series. Nothing, if the check was made before."""
        if self._progress.is_made(check):
            return
        try:
            delay = self._make(check, now)
        except IdempotencyAlreadyInProgressError:
            # A check of another job of the execution reports the same fact.
            self._schedule(check.to_message(), _START_INTERVAL)
            return
        if delay:
            self._schedule(replace(check, number=check.number + 1).to_message(), delay)
        self._progress.set_made(check, now)

    def _make(self, check: Check, now: datetime) -> timedelta | None:
        """Report what is due. Return the time until the next check. None: no event, or nothing more, is expected."""
        states, execution_id, event_count = self._read(check.job_id)
        own = states.get(check.job_id)
        if own is None:
            return None  # its events expired
        if not any(state.is_collected and state.type == "LAUNCH" for state in states.values()):
            return None  # a recovery plan that started no job. Its own events are notified
        recovery = self._recovery(states, execution_id, event_count, now)
        is_started = self._notifier.is_started(recovery)
        if not is_started and (recovery.is_settled or not self._waits_for_details(recovery, own, now)):
            self._notifier.started(recovery)
            is_started = True
        if recovery.is_settled:
            if check.phase == "end":
                self._notifier.settled(recovery)
            # If this end corrects another one, the index can still lack a further correction.
            return _INTERVAL if check.phase == "end" and check.number == 0 else None
        self._notifier.continued(recovery)
        if check.phase == "end":
            return self._after_end(recovery, own, now)
        is_watching = own.ended_at is None and self._watch(recovery, own, now)
        return _INTERVAL if is_started and is_watching else None if is_started else _START_INTERVAL

    def _after_end(self, recovery: Recovery, own: JobState, now: datetime) -> timedelta | None:
        """Return the time until the next check of an execution that did not settle after the end of a job."""
        running = [job.job_id for job in recovery.jobs if job.ended_at is None]
        # The end of a job that runs begins its own checks. The index can lag, so the events of the job decide.
        if any(not self._has_ended(job_id) for job_id in running):
            return None
        self._notifier.at_risk(recovery)
        if recovery.progress.plan and recovery.progress.plan.is_running:
            return _MAX_DELAY  # its end begins its own checks
        if now - (recovery.ended_at or own.ended_at or now) >= _MAX_WAIT:
            logger.error("The execution does not settle. Its end is not reported", execution=recovery.key)
            return None
        idle_at = recovery.progress.idle_at
        if self._executions_table or recovery.execution_id is None or idle_at is None:
            return _INTERVAL
        return min(idle_at - now, _MAX_DELAY)  # only the time decides

    def _watch(self, recovery: Recovery, own: JobState, now: datetime) -> bool:
        """Report what is at risk in a running execution. Return whether more can be reported while the job runs."""
        # A job whose servers are launched, or that has none, never exceeds its objective, and may never end.
        target = timedelta(minutes=recovery.rto.target_minutes) if recovery.rto else timedelta(0)
        if now - own.started_at >= max(_MIN_WATCH, 2 * target):
            return False
        return any([self._notifier.at_risk(recovery), self._notifier.slow(recovery)])

    def _waits_for_details(self, recovery: Recovery, own: JobState, now: datetime) -> bool:
        """Whether the start of an execution can soon be reported with more details."""
        age = now - own.started_at
        if recovery.execution_id is None and self._is_linked_later and age < _LINK_GRACE:
            return True
        return not any(job.requested_by for job in recovery.jobs) and age < _REQUEST_GRACE

    @property
    def _is_linked_later(self) -> bool:
        """Whether the linker searches the executions table for a job without an execution."""
        settings = self._executions_table.settings if self._executions_table else None
        return settings is not None and bool(settings.job_id_index or settings.allow_scan)

    def _read(self, job_id: str) -> tuple[dict[str, JobState], str | None, int]:
        """Return the states of the jobs of an execution by ID, its ID, and the number of its events.

        The events of the job itself are read consistently. A job without an execution stands for itself.
        """
        own = list(self._table.events_of_job(job_id, consistent=True))
        linked = [event for event in own if event.execution_id and not event.is_foreign]
        # The collector knows the tag of the job. A launch result of AWS was linked to the same execution, or later.
        by_collector = [event for event in linked if event.is_from_collector]
        execution_id = next((event.execution_id for event in (*by_collector, *linked)), None)
        others = self._table.events_of_other_jobs(execution_id, job_id) if execution_id else ()
        by_job: dict[str, list[JobLogEvent]] = {}
        for event in (*others, *own):
            by_job.setdefault(event.job_id, []).append(event)
        states = {id_: job_state_of(id_, of_job) for id_, of_job in by_job.items()}
        return states, execution_id, sum(map(len, by_job.values()))

    def _recovery(
        self, states: Mapping[str, JobState], execution_id: str | None, event_count: int, now: datetime
    ) -> Recovery:
        progress = combine(states.values())
        launches = {state.id for state in states.values() if state.is_collected and state.type == "LAUNCH"}
        jobs = [job for job in progress.jobs if job.job_id in launches]
        answer = ask(self._executions_table, execution_id) if execution_id else TableAnswer()
        if execution_id:
            status, is_settled, _ = status_of(progress, answer, now)
        else:
            # The linker can still find the execution.
            is_settled = progress.is_idle(now) or (progress.is_complete(now) and not self._is_linked_later)
            status = progress.status
        planned = answer.planned_waves if status == "IN_PROGRESS" else None
        with self._estimating:
            estimate = self._estimator.estimate(execution_id or jobs[0].job_id, states, now, planned)
        summaries = [summary_of(states[job.job_id], execution_id) for job in jobs]
        is_running = status == "IN_PROGRESS"
        return Recovery(
            execution_id=execution_id,
            progress=progress,
            jobs=jobs,
            event_count=event_count,
            status=status,
            is_settled=is_settled,
            estimate=estimate,
            rto=rto_of_progress(
                progress, summaries, self._rto_minutes, now, estimate.latest_end, is_running=is_running
            ),
            rpo=rpo_of_progress(progress, summaries, self._rpo_minutes, is_running=is_running),
            now=now,
        )

    def _has_ended(self, job_id: str) -> bool:
        return any(is_job_end(event.event_type, event.detail) for event in self._table.endings_of_job(job_id))


class CheckProgress:
    """Keeps, in the notifications table, the last check of each series that was made.

    Its methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if the table cannot
    be reached. It is safe to repeat them.
    """

    def __init__(self, client: DynamoDBClient, table_name: str, lifetime: timedelta) -> None:
        self._client = client
        self._table_name = table_name
        self._lifetime = lifetime

    def is_made(self, check: Check) -> bool:
        """Whether a check, or a later one of its series, was made."""
        answer = self._client.get_item(TableName=self._table_name, Key=_key(check), ConsistentRead=True)
        made = answer.get("Item", {}).get("LastCheck", {}).get("N")
        return made is not None and int(made) >= check.number

    def set_made(self, check: Check, now: datetime) -> None:
        """Record that a check was made, unless a later one was."""
        conditional_write(
            self._client.update_item,
            TableName=self._table_name,
            Key=_key(check),
            UpdateExpression="SET LastCheck = :number, expiration = :expiration",
            ConditionExpression="attribute_not_exists(LastCheck) OR LastCheck < :number",
            ExpressionAttributeValues={
                ":number": {"N": str(check.number)},
                ":expiration": {"N": str(int((now + self._lifetime).timestamp()))},
            },
        )


def _key(check: Check) -> dict[str, dict[str, str]]:
    # A digest, since a job ID can be as long as a key.
    return {"id": {"S": f"check#{digest(to_json([check.job_id, check.phase, check.series]))}"}}
