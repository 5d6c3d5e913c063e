"""The progress of jobs and executions, derived from their events. This is the only state machine of the module.

The result is deterministic: the order of the events and repeated events do not change it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol

from drs_job_log.model.events import (
    DRILL_INSTANCES_LEFT,
    RESOURCE_FAILURES,
    SERVER_FAILURES,
    InvalidEventError,
    is_job_end,
    is_request,
    parse_time,
    revision_of,
)
from drs_job_log.model.plans import partial_reason, plan_of, plan_outcome
from drs_job_log.model.steps import STEP_EVENTS, step_seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.plans import PlanProgress

# If the last job ended this long ago, no further wave is expected.
_NEXT_WAVE_GRACE: Final = timedelta(minutes=15)

# For this time after a job's end, its last events may still be in the queue or unlinked.
_INFLIGHT_GRACE: Final = timedelta(minutes=2)

# The longest recovery time objective: 30 days.
MAX_RTO_MINUTES: Final = 43_200

# States of a server in ascending order of finality. Of two events with the same time, the more final one applies.
_STATES: Final = (
    *("PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING"),
    *("SKIPPED", "COMPLETED", "LAUNCHED", "FAILED", "TERMINATED"),
)
_FINALITY: Final[Mapping[str | None, int]] = {state: place for place, state in enumerate((None, *_STATES))}
ACTIVE_STATES: Final = frozenset({"PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING"})

# Job type → the state of a server for which the job succeeded. DRS uses the same values for launchStatus. Jobs of
# other types, such as CREATE_CONVERTED_SNAPSHOT, launch nothing: a server succeeds unless it fails.
_GOALS: Final[Mapping[str, str]] = {"LAUNCH": "LAUNCHED", "TERMINATE": "TERMINATED"}

# Event type → the new state of the resource that the event names. Without a name, of all resources of the job.
_RESOURCE_STATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("DEPLOY_NETWORK_CONFIGURATION_START", "UPDATE_NETWORK_CONFIGURATION_START"), "LAUNCHING"),
    **dict.fromkeys(("DEPLOY_NETWORK_CONFIGURATION_END", "UPDATE_NETWORK_CONFIGURATION_END"), "LAUNCHED"),
    **dict.fromkeys(RESOURCE_FAILURES, "FAILED"),
}

# Event type → the new state of the server that the event names. Other events do not change the state.
_SERVER_STATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("SNAPSHOT_STARTED", "SNAPSHOT_COMPLETED", "USING_PREVIOUS_SNAPSHOT"), "SNAPSHOT"),
    **dict.fromkeys(("CONVERSION_STARTED", "CONVERSION_IN_PROGRESS", "CONVERSION_COMPLETED"), "CONVERSION"),
    "SERVER_LAUNCHING": "LAUNCHING",
    "SERVER_LAUNCHED": "LAUNCHED",
    **dict.fromkeys(SERVER_FAILURES, "FAILED"),
    "SERVER_SKIPPED": "SKIPPED",
}

_STATE_AFTER_EVENT: Final[Mapping[str, str]] = {**_RESOURCE_STATES, **_SERVER_STATES}

# A network recovery updates the launch templates of servers that it does not launch.
_NETWORK_STEPS: Final = _RESOURCE_STATES.keys() | {
    *("UPDATE_LAUNCH_TEMPLATE_START", "UPDATE_LAUNCH_TEMPLATE_END", "UPDATE_LAUNCH_TEMPLATE_FAILED")
}

# State of a server → its key in the API's summary.
SUMMARY_KEYS: Final[Mapping[str, str]] = {state: state.lower() for state in _STATES} | {
    "SNAPSHOT": "converting",
    "CONVERSION": "converting",
}

# Outcome of a job → outcome in the detail of the event that ends it.
OUTCOMES: Final[Mapping[str, str]] = {
    "COMPLETED": "SUCCEEDED",
    "PARTIAL": "PARTIAL",
    "FAILED": "FAILED",
    "TERMINATED": "TERMINATED",
}


class ProgressEvent(Protocol):
    """An event as the state machine reads it: a ``JobLogEvent``, or an item of the collector."""

    @property
    def event_id(self) -> str: ...
    @property
    def event_type(self) -> str: ...
    @property
    def timestamp(self) -> datetime: ...
    @property
    def detail(self) -> Mapping[str, Any]: ...
    @property
    def source_server_id(self) -> str | None: ...
    @property
    def source_server_name(self) -> str | None: ...
    @property
    def resource_id(self) -> str | None: ...
    @property
    def ec2_instance_id(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def source(self) -> str: ...
    @property
    def is_foreign(self) -> bool: ...
    @property
    def is_from_collector(self) -> bool: ...


def _has_collector_events(events: Collection[ProgressEvent]) -> bool:
    """Whether the collector reads the job of these events.

    Earlier versions stored foreign events as those of the collector are stored. If the same sender also sent an event
    to this version, its source is not that of the collector.
    """
    foreign_sources = {event.source for event in events if event.is_foreign}
    return any(event.is_from_collector and event.source not in foreign_sources for event in events)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAction:
    """A post-launch action that failed. ``error`` is the ``failureReason`` of DRS."""

    name: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgress:
    """A source server in the newest job that launches it, or in a TERMINATE job if no other job names it.

    Attributes
    ----------
    state
        PENDING, SNAPSHOT, CONVERSION, LAUNCHING, SKIPPED, COMPLETED, LAUNCHED, FAILED or TERMINATED.
    since
        When the server entered the state.
    error
        DRS's error text. Present only if the state is FAILED.
    stalled_at
        When the server stalled. None if it has a newer event or its job has ended.
    terminated_at
        When a TERMINATE job terminated the launched instance. None if none did.
    step_seconds
        The duration of each step that has ended (``STEPS``), in seconds.
    point_in_time
        The recovery point of a launched server: the time of its data. None if it is not known.
    job_created_at
        When its job was created, or else the time of the first event of the job.
    """

    source_server_id: str
    server_name: str | None
    state: str
    ec2_instance_id: str | None
    job_id: str
    since: datetime
    error: str | None
    stalled_at: datetime | None
    terminated_at: datetime | None
    failed_actions: Sequence[FailedAction]
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    point_in_time: datetime | None = None
    job_created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceProgress:
    """A resource of a job, such as the source network of a network recovery. The attributes are those of a server."""

    resource_id: str
    state: str
    since: datetime
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillInstances:
    """The instances of a drill that were not terminated at the time of a check. They can be terminated since then."""

    instance_ids: Sequence[str]
    checked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """A job.

    Attributes
    ----------
    status
        IN_PROGRESS, COMPLETED, PARTIAL, FAILED or TERMINATED.
    outcome
        COMPLETED, PARTIAL, FAILED or TERMINATED, derived from the servers and resources. None until an event ends the
        job.
    ended_at
        When the job ended. For a cancelled job that has not ended yet, when it was cancelled. Otherwise None.
    created_at
        When the job was created. None if no event states it.
    requested_by
        Who requested the job, for example an ARN. None if AWS does not report it.
    plan_step
        The step of the recovery plan that started the job, from 1. None for another job.
    drill_instances
        What the newest check of its drill instances found. None if none found any.
    """

    job_id: str
    job_type: str | None
    initiated_by: str | None
    status: str
    outcome: str | None
    is_drill: bool | None
    started_at: datetime
    ended_at: datetime | None
    resources: Sequence[ResourceProgress]
    created_at: datetime | None = None
    account: str | None = None
    region: str | None = None
    requested_by: str | None = None
    plan_step: int | None = None
    drill_instances: DrillInstances | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an execution or a job: servers in the order of their IDs, jobs in the order of their starts.

    Attributes
    ----------
    plan
        The execution of a recovery plan that starts the jobs. Then it decides the status.
    plan_counts
        The number of servers by state, if ``servers`` does not have them.
    """

    servers: Sequence[ServerProgress]
    jobs: Sequence[JobProgress]
    plan: PlanProgress | None = None
    plan_counts: Mapping[str, int] | None = None

    @property
    def status(self) -> str:
        """NO_EVENTS without jobs, IN_PROGRESS while a job or the recovery plan runs, else what they reached.

        Without a recovery plan, this is the common status of the jobs or, if they differ, PARTIAL.
        """
        statuses = {job.status for job in self._decisive_jobs}
        if "IN_PROGRESS" in statuses or (self.plan and self.plan.is_running):
            return "IN_PROGRESS"
        if self.plan:
            return plan_outcome(self.plan, *self._launched_by_plan) or "IN_PROGRESS"
        return _combined_status(statuses) if statuses else "NO_EVENTS"

    @property
    def outcome(self) -> str | None:
        """The common outcome of the jobs, or PARTIAL if they differ. None unless all jobs and the plan have ended."""
        if not self.has_ended:
            return None
        if self.plan:
            return plan_outcome(self.plan, *self._launched_by_plan)
        return _combined_status(job.outcome for job in self._decisive_jobs if job.outcome)

    @property
    def reason(self) -> str | None:
        """Why the status differs from the one that DRS states for the recovery plan. None if it does not."""
        return partial_reason(self.plan, *self._launched_by_plan) if self.plan else None

    @property
    def _launched_by_plan(self) -> tuple[int, int]:
        """The number of servers of the jobs of the plan, and of those that are launched."""
        counts = self.summary if self.plan_counts is None else self.plan_counts
        counted = {key: count for key, count in counts.items() if key != "totalServers"}
        return sum(counted.values()), counted.get("launched", 0)

    @property
    def _decisive_jobs(self) -> Sequence[JobProgress]:
        """The jobs that decide the status. A TERMINATE job cleans up, and does not change the result of a recovery."""
        return [job for job in self.jobs if job.job_type != "TERMINATE"] or self.jobs

    @property
    def summary(self) -> dict[str, int]:
        """The number of servers by state. The numbers add up to ``totalServers``."""
        counts = Counter(SUMMARY_KEYS[server.state] for server in self.servers)
        return {"totalServers": len(self.servers)} | {key: counts[key] for key in dict.fromkeys(SUMMARY_KEYS.values())}

    @property
    def ended_at(self) -> datetime | None:
        """When the last job or the recovery plan ended. None while one runs."""
        return self._last_end(self.jobs)

    @property
    def decided_at(self) -> datetime | None:
        """When the last job ended that decides the status, or the recovery plan. None while one of them runs."""
        return self._last_end(self._decisive_jobs)

    def _last_end(self, jobs: Sequence[JobProgress]) -> datetime | None:
        ends = [job.ended_at for job in jobs] + ([self.plan.ended_at] if self.plan else [])
        return None if None in ends else max((end for end in ends if end), default=None)

    @property
    def has_ended(self) -> bool:
        """Whether there is a job or a recovery plan, and each of them has an event that ends it."""
        has_plan_ended = self.plan is None or not self.plan.is_running
        return bool(self.jobs or self.plan) and has_plan_ended and all(job.outcome for job in self.jobs)

    @property
    def idle_at(self) -> datetime | None:
        """When no further wave is expected, if none starts before. None while a job runs."""
        return self.ended_at + _NEXT_WAVE_GRACE if self.ended_at else None

    def is_idle(self, now: datetime) -> bool:
        """Whether no further wave is expected: the last job ended long ago, or the recovery plan cannot continue."""
        if self.plan and self.plan.is_final:
            return self.is_complete(now)
        return self.idle_at is not None and now >= self.idle_at

    def is_complete(self, now: datetime) -> bool:
        """Whether every job ended so long ago that no event is still in the queue or unlinked."""
        return self.has_ended and self.ended_at is not None and now - self.ended_at >= _INFLIGHT_GRACE


def _combined_status(statuses: Iterable[str]) -> str:
    """Return the common status of the parts, or PARTIAL if they differ. No part may be in progress."""
    first, *others = set(statuses)
    return "PARTIAL" if others else first


def progress_of(events: Iterable[JobLogEvent]) -> Progress:
    """Derive the progress from the events of one or more jobs, in any order."""
    events_by_job: dict[str, list[JobLogEvent]] = {}
    for event in events:
        events_by_job.setdefault(event.job_id, []).append(event)
    return combine(job_state_of(job_id, events) for job_id, events in events_by_job.items())


def job_state_of(
    job_id: str, events: Iterable[ProgressEvent], *, job_type: str | None = None, started_at: datetime | None = None
) -> JobState:
    """Derive the state of one job from its events, in any order.

    If the collector reads the job, events of other senders change no state. Otherwise, all events decide. A job starts
    with its first event that is not a request.

    ``job_type`` and ``started_at`` are known facts about the job. Without ``started_at``, at least one event is
    required.
    """
    events = list(events)
    is_collected = _has_collector_events(events)
    deciding = {
        (event.timestamp, event.event_id, event.source): event
        for event in events
        if not (is_collected and event.is_foreign)
    }
    in_order = sorted(deciding.values(), key=_order)
    logged = [event for event in in_order if not _is_request(event)] or in_order
    job = JobState(job_id, started_at or logged[0].timestamp, job_type, is_collected)
    for event in in_order:
        job._apply(event)
    job._close()
    job.plan = plan_of(in_order)
    return job


def is_decided_by(endings: Collection[ProgressEvent]) -> bool:
    """Whether the events that end or cancel a job (``ENDINGS``) are sufficient for its outcome.

    They are if the newest end is one of the collector with an outcome: it contains the state of each server and
    resource. The outcome with and without the other events is then the same, unless an event is newer than the end. For
    such an event, the collector sends a corrected end.
    """
    if not _has_collector_events(endings):
        return False
    newest = max((event for event in endings if not event.is_foreign), key=_order).detail
    listed = [*_list(newest, "participatingServers"), *_list(newest, "participatingResources")]
    has_states = "participatingServers" in newest and all(_text(one, "state") in _STATES for one in listed)
    return has_states and "outcome" in newest


def combine(job_states: Iterable[JobState]) -> Progress:
    """Combine the states of jobs into the progress of an execution."""
    states = sorted(job_states, key=lambda job: (job.started_at, job.id))
    jobs = [job for job in states if not job.plan]
    newest: dict[str, Participant] = {}
    terminated: dict[str, datetime] = {}
    names: dict[str, str | None] = {}
    instances: dict[str, str | None] = {}
    for job in jobs:
        for server_id, server in job.servers.items():
            if server_id not in newest or newest[server_id].order < server.order:
                newest[server_id] = server
            if job.type == "TERMINATE" and server.state == "TERMINATED":
                terminated[server_id] = max(server.since, terminated.get(server_id, server.since))
            names[server_id] = server.name or names.get(server_id)
            instances[server_id] = server.ec2_instance_id or instances.get(server_id)

    def progress(server: Participant) -> ServerProgress:
        terminated_at = terminated.get(server.id)
        return ServerProgress(
            source_server_id=server.id,
            server_name=names[server.id],
            state=server.state,
            ec2_instance_id=server.ec2_instance_id or instances[server.id],
            job_id=server.job.id,
            since=server.since,
            error=server.error,
            stalled_at=server.stalled_at if server.is_active else None,
            # An earlier termination concerns the instance of an earlier launch.
            terminated_at=terminated_at if terminated_at and terminated_at >= server.since else None,
            failed_actions=list(server.failed_actions.values()),
            step_seconds=step_seconds(server.step_times),
            point_in_time=server.point_in_time,
            job_created_at=server.job.created_at or server.job.started_at,
        )

    return Progress(
        servers=[progress(newest[server_id]) for server_id in sorted(newest)],
        jobs=[job.progress for job in jobs],
        plan=next((state.plan for state in reversed(states) if state.plan), None),
    )


def _order(event: ProgressEvent) -> tuple[int, datetime, int, str]:
    """Return the sort key. Events with the same time: the job's start, server events by finality, the job's end.

    A corrected end has the time of the end that it corrects, and follows all other events: the collector knew them. A
    request precedes all other events: the collector knows more about the job.
    """
    revision = finality = 0
    if _is_request(event):
        revision = -1
    elif event.event_type == "JOB_STARTED":
        finality = -1
    elif event.event_type == "JOB_TERMINATED" or is_job_end(event.event_type, event.detail):
        finality, revision = len(_FINALITY), revision_of(event.detail)
    else:
        finality = _FINALITY[_STATE_AFTER_EVENT.get(event.event_type)]
    return revision, event.timestamp, finality, event.event_id


def _is_request(event: ProgressEvent) -> bool:
    return is_request(event.event_type, event.source)


@dataclass(slots=True)
class Participant:
    """A server or a resource in one job.

    Attributes
    ----------
    active_at
        The time of its newest event.
    first_at
        The time of its first event. None if no event names it.
    step_times
        The time of its newest event of each type in ``STEP_EVENTS``. An event that the module derived at the end of the
        job has the time of the end, and is not among them.
    launch_status
        The ``launchStatus`` at the end of the job.
    point_in_time
        Its recovery point, as the end of the job states it.
    is_certain
        Whether DRS lists it in the job, or an event changes its state. An event may also only mention it.
    """

    id: str
    job: JobState
    since: datetime
    active_at: datetime
    state: str = "PENDING"
    first_at: datetime | None = None
    step_times: dict[str, datetime] = field(default_factory=dict)
    name: str | None = None
    ec2_instance_id: str | None = None
    launch_status: str | None = None
    point_in_time: datetime | None = None
    is_certain: bool = False
    stalled_at: datetime | None = None
    failed_actions: dict[str, FailedAction] = field(default_factory=dict)
    _error_of_state: str | None = None
    _newest_error: str | None = None

    def apply(self, event: ProgressEvent, state: str | None) -> None:
        """Apply the next event that names the participant. ``state`` is its new state, or None."""
        self.name = event.source_server_name or self.name
        self.ec2_instance_id = event.ec2_instance_id or self.ec2_instance_id
        match event.event_type:
            case "SERVER_STALLED":
                self.stalled_at = event.timestamp
                return
            case "LAUNCH_ACTION_FAILED":
                name = _text(event.detail, "actionName")
                self.failed_actions[event.event_id] = FailedAction(name=name, error=event.error)
                return
        self.first_at = self.first_at or event.timestamp
        self.active_at, self.stalled_at = max(self.active_at, event.timestamp), None
        if event.event_type in STEP_EVENTS and "state" not in event.detail:
            self.step_times[event.event_type] = event.timestamp
        self._newest_error = event.error or self._newest_error
        if state:
            self.is_certain = True
            self.set_state(state, event.timestamp)
            self._error_of_state = event.error or self._error_of_state

    def set_state(self, state: str, time: datetime, error: str | None = None) -> None:
        if state != self.state:
            self.state, self.since, self._error_of_state = state, time, error

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def error(self) -> str | None:
        """The error of the failure. If it has none, the newest error of any event: LAUNCH_END can have one."""
        return (self._error_of_state or self._newest_error) if self.state == "FAILED" else None

    @property
    def logged_error(self) -> str | None:
        """The newest error of its events, if it failed. Unlike ``error``, never a reason that the module states."""
        return self._newest_error if self.state == "FAILED" else None

    @property
    def order(self) -> tuple[bool, bool, datetime, int, str]:
        """Sort key of a server's states in its jobs. The last one is the current state of the server.

        A TERMINATE job comes first: it does not change the result of the launch. Then, a job that only other senders
        report comes first: it does not hide a state that the collector reports.
        """
        return self.job.type != "TERMINATE", self.job.is_collected, self.since, _FINALITY[self.state], self.job.id


@dataclass(slots=True)
class JobState:
    """The state of a job after its events. ``job_state_of`` creates it."""

    id: str
    started_at: datetime
    type: str | None = None
    is_collected: bool = False
    initiated_by: str | None = None
    is_drill: bool | None = None
    created_at: datetime | None = None
    account: str | None = None
    region: str | None = None
    rto_minutes: int | None = None
    requested_by: str | None = None
    drill_instances: DrillInstances | None = None
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    servers: dict[str, Participant] = field(default_factory=dict)
    resources: dict[str, Participant] = field(default_factory=dict)
    # The execution of a recovery plan, whose events are stored like those of a job. It is then no job.
    plan: PlanProgress | None = None
    plan_step: int | None = None  # the step of a recovery plan that started the job
    _stored_outcome: str | None = None
    _unnamed: list[str] = field(default_factory=list)  # states of participants without an ID
    _has_failure: bool = False  # without a participant

    def extend(self, events: Iterable[ProgressEvent]) -> None:
        """Apply further events of the same sender to a job that has not ended and is not cancelled.

        Each of them must be newer than all earlier events. The result is then that of ``job_state_of`` for all events.
        """
        for event in sorted(events, key=_order):
            self._apply(event)
        self._close()

    def _apply(self, event: ProgressEvent) -> None:
        """Apply the next event."""
        detail = event.detail
        self._apply_facts(detail)
        if _is_request(event):  # of several requests, the first one counts
            self.requested_by = self.requested_by or _text(detail, "requestedBy")
        if event.is_from_collector:
            self._apply_collected(event)

        state = _STATE_AFTER_EVENT.get(event.event_type)
        if event.event_type == "CLEANUP_FAIL" and self.type == "TERMINATE":
            state = "FAILED"
        participants = self._named_by(event)
        for participant in participants:
            participant.apply(event, state)
        if state == "FAILED" and not participants:
            self._has_failure = True
        match event.event_type:
            case "JOB_STARTED" | "SERVERS_ADDED":
                for participant in self._listed(event, "sourceServerIDs", "resourceIDs"):
                    participant.is_certain = True
            case "JOB_TERMINATED" if "outcome" not in detail:
                self.cancelled_at = event.timestamp
        if is_job_end(event.event_type, detail):
            self._apply_end(event)

    def _apply_facts(self, detail: Mapping[str, Any]) -> None:
        """Apply what each event states about the whole job."""
        match detail.get("jobType"):
            case str() as job_type:
                self.type = job_type
        match detail.get("initiatedBy"):
            case str() as initiated_by:
                self.initiated_by = initiated_by
        match detail.get("isDrill"):
            case bool() as is_drill:
                self.is_drill = is_drill
        match detail.get("recoveryPlanStep"):
            case int() | Decimal() as step:  # DynamoDB returns a Decimal
                self.plan_step = int(step)
        self.account = _text(detail, "account") or self.account
        self.region = _text(detail, "region") or self.region

    def _apply_collected(self, event: ProgressEvent) -> None:
        """Apply what only events of the collector state: the creation of the job, and its drill instances."""
        if "createdAt" in event.detail:
            self._apply_creation(event.detail)
        if event.event_type == DRILL_INSTANCES_LEFT:
            ids = [id_ for id_ in _list(event.detail, "instanceIDs") if isinstance(id_, str)]
            checked_at = _time(event.detail, "checkedAt") or event.timestamp
            self.drill_instances = DrillInstances(instance_ids=ids, checked_at=checked_at)

    def _apply_creation(self, detail: Mapping[str, Any]) -> None:
        """Apply what the events about the whole job state: when it was created, and its recovery time objective."""
        self.created_at = _time(detail, "createdAt") or self.created_at
        match detail.get("rtoMinutes"):
            case bool():
                pass
            case int() | Decimal() as minutes if 1 <= minutes <= MAX_RTO_MINUTES:  # DynamoDB returns a Decimal
                self.rto_minutes = int(minutes)

    def _named_by(self, event: ProgressEvent) -> list[Participant]:
        """Return the server and the resources whose event this is."""
        if event.source_server_id and event.event_type not in _NETWORK_STEPS:
            return [self._participant(self.servers, event.source_server_id, event)]
        if event.resource_id:
            return [self._participant(self.resources, event.resource_id, event)]
        return list(self.resources.values()) if event.event_type in _RESOURCE_STATES else []

    def _listed(self, event: ProgressEvent, servers: str, resources: str) -> Iterator[Participant]:
        for name, participants in ((servers, self.servers), (resources, self.resources)):
            for id_ in _list(event.detail, name):
                if isinstance(id_, str) and id_:
                    yield self._participant(participants, id_, event)

    def _participant(self, participants: dict[str, Participant], id_: str, event: ProgressEvent) -> Participant:
        if id_ not in participants:
            participants[id_] = Participant(id_, self, event.timestamp, event.timestamp)
        return participants[id_]

    def _apply_end(self, end: ProgressEvent) -> None:
        """Apply the ``launchStatus`` of each server and resource. The log may lack the event for it."""
        self.ended_at = end.timestamp
        if end.event_type == "JOB_TERMINATED":
            self.cancelled_at = self.cancelled_at or end.timestamp
        self._stored_outcome = _text(end.detail, "outcome") or ("FAILED" if end.event_type == "JOB_FAILED" else None)
        self._unnamed = []
        for list_name, id_name, participants in (
            ("participatingServers", "sourceServerID", self.servers),
            ("participatingResources", "resourceID", self.resources),
        ):
            for listed in _list(end.detail, list_name):
                status = _text(listed, "launchStatus")
                id_ = _text(listed, id_name)
                if not id_:
                    self._unnamed += [status or "PENDING"] if isinstance(listed, Mapping) else []
                    continue
                participant = self._participant(participants, id_, end)
                participant.is_certain = True
                participant.launch_status = status
                participant.point_in_time = _time(listed, "pointInTime")
                participant.name = _text(listed, "sourceServerName") or participant.name
                participant.ec2_instance_id = participant.ec2_instance_id or _text(listed, "recoveryInstanceID")
                state = _text(listed, "state")
                if state and state in _FINALITY:
                    # The collector derived it from the whole log. Earlier events may still be in the queue.
                    participant.set_state(state, _time(listed, "endedAt") or end.timestamp)
                # In a LAUNCH job, TERMINATED is the effect of a later TERMINATE job, which has its own events.
                elif status in {"LAUNCHED", "FAILED"} or (status == "TERMINATED" and self.type == "TERMINATE"):
                    participant.set_state(status, end.timestamp)

    def _close(self) -> None:
        """Give each participant that is still active its final state, if the job has ended or was cancelled."""
        for participant in self.participants:
            if self.ended_at or self.cancelled_at:
                participant.stalled_at = None
            if not participant.is_active:
                continue
            if self.cancelled_at:
                participant.set_state("SKIPPED" if self.type == "TERMINATE" else "TERMINATED", self.cancelled_at)
            elif self.ended_at:
                participant.set_state(*self._final_state(participant, self.ended_at))

    def _final_state(self, participant: Participant, ended_at: datetime) -> tuple[str, datetime, str | None]:
        status = participant.launch_status
        if not self._counts(participant):
            return "SKIPPED", ended_at, None
        goal = _GOALS.get(self.type or "LAUNCH")
        if goal is None:
            return "COMPLETED", ended_at, None
        if goal == "TERMINATED" and status is None:
            return "TERMINATED", ended_at, None
        if goal == "LAUNCHED" and status == "TERMINATED":
            return "TERMINATED", ended_at, None
        verb = "launch" if goal == "LAUNCHED" else "terminate"
        noun = "server" if participant.id in self.servers else "network"
        reason = f"The job ended and did not {verb} this {noun}."
        if status:
            reason = f"The job did not {verb} this {noun}. Its launch status at the end of the job is {status}."
        # A failure that the log reported before is the better reason.
        return "FAILED", ended_at, participant._newest_error or reason

    def _counts(self, participant: Participant) -> bool:
        """Whether the job is about the participant. Items can mention servers that the job does not launch."""
        return participant.is_certain or not any(other.is_certain for other in self.participants)

    @property
    def participants(self) -> Iterator[Participant]:
        """The servers and resources of the job."""
        return chain(self.servers.values(), self.resources.values())

    @property
    def counted(self) -> list[Participant]:
        """The servers and resources that decide the outcome."""
        return [participant for participant in self.participants if self._counts(participant)]

    def keep_terminated(self, states: Iterable[tuple[str, str]]) -> None:
        """Restore the earlier state of the servers that a later TERMINATE job terminated.

        Their ``launchStatus`` TERMINATED replaces the one that states the result of the launch.
        """
        for id_, state in states:
            participant = self.servers.get(id_)
            if participant and self.type != "TERMINATE" and participant.launch_status == "TERMINATED":
                participant.set_state(state, participant.since)

    def count(self, participants: Collection[str]) -> tuple[int, int]:
        """Return how many of these servers or resources reached the goal of the job, and their total number."""
        states = [one.state for one in self.counted if one.id in participants]
        return sum(map(self._has_succeeded, states)), len(states)

    def _has_succeeded(self, state: str) -> bool:
        goal = _GOALS.get(self.type or "LAUNCH")
        return state == goal if goal else state != "FAILED"

    @property
    def outcome(self) -> str | None:
        """COMPLETED, PARTIAL, FAILED or TERMINATED. None until an event ends the job.

        It is derived from the states of the participants, which may be newer than the outcome that the end states.
        """
        if self.ended_at is None:
            return None
        if self.cancelled_at:
            return "TERMINATED"
        states = [participant.state for participant in self.counted] + self._unnamed
        if not states:
            stored = next((name for name, outcome in OUTCOMES.items() if outcome == self._stored_outcome), None)
            return stored or ("FAILED" if self._has_failure else "COMPLETED")
        succeeded = sum(map(self._has_succeeded, states))
        return "COMPLETED" if succeeded == len(states) else "PARTIAL" if succeeded else "FAILED"

    @property
    def summary(self) -> Counter[str]:
        """The number of servers by state, with the keys of the API's summary."""
        return Counter(SUMMARY_KEYS[server.state] for server in self.servers.values())

    def stalled(self, stalled_after: timedelta, now: datetime) -> list[Participant]:
        """Return the active participants of a running job without a new event for ``stalled_after``."""
        if self.ended_at or self.cancelled_at:
            return []
        return [one for one in self.participants if one.is_active and now - one.active_at > stalled_after]

    @property
    def progress(self) -> JobProgress:
        outcome = self.outcome
        return JobProgress(
            job_id=self.id,
            job_type=self.type,
            initiated_by=self.initiated_by,
            status="TERMINATED" if self.cancelled_at else outcome or "IN_PROGRESS",
            outcome=outcome,
            is_drill=self.is_drill,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at or self.cancelled_at,
            account=self.account,
            region=self.region,
            requested_by=self.requested_by,
            plan_step=self.plan_step,
            drill_instances=self.drill_instances,
            resources=[
                ResourceProgress(resource_id=one.id, state=one.state, since=one.since, error=one.error)
                for one in sorted(self.resources.values(), key=lambda one: one.id)
            ],
        )


def _text(detail: Any, name: str) -> str | None:
    """Return a string of a detail, or None if the value is not a string. Senders can put any JSON value there."""
    value = detail.get(name) if isinstance(detail, Mapping) else None
    return value if isinstance(value, str) else None


def _time(detail: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time of a detail, or None if the value is not a time."""
    try:
        return parse_time(name, detail.get(name))
    except InvalidEventError:
        return None


def _list(detail: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of a detail, or an empty list if the value is not a list."""
    value = detail.get(name)
    return value if isinstance(value, list) else []
