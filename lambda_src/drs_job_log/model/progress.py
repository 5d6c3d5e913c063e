"""The progress of jobs and executions, derived from their events.

The result is deterministic: the order of the events and repeated events do not change it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from drs_job_log.model.events import JOB_ENDS, SERVER_FAILURES, format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from drs_job_log.model.events import JobLogEvent

# If the last job ended this long ago, no further wave is expected.
_NEXT_WAVE_GRACE: Final = timedelta(minutes=15)

# For this time after a job's end, its last events may still be in the queue or unlinked.
_INFLIGHT_GRACE: Final = timedelta(minutes=2)

# States of a server in ascending order of finality. Of two events with the same time, the more final one applies.
_STATES: Final = ("PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING", "SKIPPED", "LAUNCHED", "FAILED", "TERMINATED")
_FINALITY: Final[Mapping[str | None, int]] = {state: place for place, state in enumerate((None, *_STATES))}
ACTIVE_STATES: Final = frozenset({"PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING"})

# Job type → the state of a server for which the job succeeded. DRS uses the same values for launchStatus. Jobs of
# other types, such as CREATE_CONVERTED_SNAPSHOT, launch nothing: a server succeeds unless it fails.
GOALS: Final[Mapping[str, str]] = {"LAUNCH": "LAUNCHED", "TERMINATE": "TERMINATED"}

# Event type → the new state of the server that the event names. Other events do not change the state.
STATE_AFTER_EVENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("SNAPSHOT_STARTED", "SNAPSHOT_COMPLETED", "USING_PREVIOUS_SNAPSHOT"), "SNAPSHOT"),
    **dict.fromkeys(("CONVERSION_STARTED", "CONVERSION_IN_PROGRESS", "CONVERSION_COMPLETED"), "CONVERSION"),
    "SERVER_LAUNCHING": "LAUNCHING",
    "SERVER_LAUNCHED": "LAUNCHED",
    **dict.fromkeys(SERVER_FAILURES, "FAILED"),
    "SERVER_SKIPPED": "SKIPPED",
}

# After these event types, no further event is expected for a server.
FINAL_STEPS: Final = SERVER_FAILURES | {"SERVER_LAUNCHED", "SERVER_SKIPPED"}

# State of a server → its key in the API's summary.
SUMMARY_KEYS: Final[Mapping[str, str]] = {state: state.lower() for state in _STATES} | {
    "SNAPSHOT": "converting",
    "CONVERSION": "converting",
}

# Outcome in the detail of a job's end → status of the job.
_STATUS_OF_OUTCOME: Final[Mapping[str | None, str]] = {
    "SUCCEEDED": "COMPLETED",
    "PARTIAL": "PARTIAL",
    "FAILED": "FAILED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgress:
    """A source server in its newest job.

    Attributes
    ----------
    state
        PENDING, SNAPSHOT, CONVERSION, LAUNCHING, LAUNCHED, FAILED, SKIPPED or TERMINATED.
    since
        When the server entered the state.
    error
        DRS's error text. Present only if the state is FAILED.
    """

    source_server_id: str
    server_name: str | None
    state: str
    ec2_instance_id: str | None
    job_id: str
    since: datetime
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """A job.

    Attributes
    ----------
    status
        IN_PROGRESS, COMPLETED, PARTIAL, FAILED or TERMINATED.
    outcome
        COMPLETED, PARTIAL or FAILED, derived from the servers. None until an event ends the job. A cancelled job has an
        outcome too.
    ended_at
        When the job ended. For a cancelled job that has not ended yet, when it was cancelled. Otherwise None.
    """

    job_id: str
    status: str
    outcome: str | None
    is_drill: bool | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an execution or a job: servers in the order of their IDs, jobs in the order of their starts."""

    servers: Sequence[ServerProgress]
    jobs: Sequence[JobProgress]

    @property
    def status(self) -> str:
        """NO_EVENTS without jobs, IN_PROGRESS while a job runs, else the common status or, if they differ, PARTIAL."""
        statuses = {job.status for job in self.jobs}
        if not statuses:
            return "NO_EVENTS"
        return "IN_PROGRESS" if "IN_PROGRESS" in statuses else combined_status(statuses)

    @property
    def summary(self) -> dict[str, int]:
        """The number of servers by state. The numbers add up to ``totalServers``."""
        counts = Counter(SUMMARY_KEYS[server.state] for server in self.servers)
        return {"totalServers": len(self.servers)} | {key: counts[key] for key in dict.fromkeys(SUMMARY_KEYS.values())}

    @property
    def ended_at(self) -> datetime | None:
        """When the last job ended. None while a job runs."""
        ends = [job.ended_at for job in self.jobs]
        return None if None in ends else max((end for end in ends if end), default=None)

    @property
    def has_ended(self) -> bool:
        """Whether there is a job, and every job has an event that ends it."""
        return bool(self.jobs) and all(job.outcome for job in self.jobs)

    def is_idle(self, now: datetime) -> bool:
        """Whether the last job ended so long ago that no further wave is expected."""
        return self.ended_at is not None and now - self.ended_at >= _NEXT_WAVE_GRACE

    def is_complete(self, now: datetime) -> bool:
        """Whether every job ended so long ago that no event is still in the queue or unlinked."""
        return self.has_ended and self.ended_at is not None and now - self.ended_at >= _INFLIGHT_GRACE


def combined_status(statuses: Iterable[str]) -> str:
    """Return the common status of the parts, or PARTIAL if they differ. No part may be in progress."""
    first, *others = set(statuses)
    return "PARTIAL" if others else first


def progress_of(events: Iterable[JobLogEvent]) -> Progress:
    """Derive the progress from the events of one or more jobs, in any order."""
    events_by_job: dict[str, list[JobLogEvent]] = {}
    for event in events:
        events_by_job.setdefault(event.job_id, []).append(event)
    return combine(map(job_state_of, events_by_job.values()))


def job_state_of(events: Iterable[JobLogEvent]) -> JobState:
    """Derive the state of one job from its events, in any order. At least one event is required."""
    first, *others = sorted({(event.timestamp, event.event_id): event for event in events}.values(), key=_order)
    job = JobState(first.job_id, first.timestamp)
    for event in (first, *others):
        job.apply(event)
    return job


def combine(job_states: Iterable[JobState]) -> Progress:
    """Combine the states of jobs into the progress of an execution."""
    jobs = sorted(job_states, key=lambda job: (job.started_at, job.id))
    newest: dict[str, _ServerState] = {}
    names: dict[str, str | None] = {}
    instances: dict[str, str | None] = {}
    for job in jobs:
        for server_id, server in job.servers.items():
            if server_id not in newest or newest[server_id].order < server.order:
                newest[server_id] = server
            names[server_id] = server.name or names.get(server_id)
            instances[server_id] = server.ec2_instance_id or instances.get(server_id)
    return Progress(
        servers=[newest[server_id].progress(names[server_id], instances[server_id]) for server_id in sorted(newest)],
        jobs=[job.progress for job in jobs],
    )


class ServerStep(Protocol):
    """A log item of a job. ``server`` is the ID of its server, ``time`` has the format of ``format_time``."""

    @property
    def event_type(self) -> str: ...

    @property
    def server(self) -> str | None: ...

    @property
    def time(self) -> str: ...


def stalled_servers(
    unfinished: Mapping[str, str | None], steps: Iterable[ServerStep], stalled_after: timedelta, now: datetime
) -> set[str]:
    """Return the IDs of the stalled servers: those without a new step for ``stalled_after``.

    ``unfinished`` maps the ID of each unfinished server to the time from which it counts, in the format of
    ``format_time``. None: from its first step. ``steps`` are the steps of the job, oldest first.
    """
    newest = dict(unfinished)
    for step in steps:
        if step.event_type in FINAL_STEPS:
            newest.pop(step.server or "", None)
        elif step.server in newest:
            newest[step.server] = step.time
    limit = format_time(now - stalled_after)
    return {server for server, time in newest.items() if time is not None and time < limit}


def _order(event: JobLogEvent) -> tuple[datetime, int, str]:
    """Return the sort key. Events with the same time: the job's start, server events by finality, the job's end."""
    if event.event_type == "JOB_STARTED":
        finality = -1
    elif event.event_type in JOB_ENDS or event.event_type == "JOB_TERMINATED":
        finality = len(_FINALITY)
    else:
        finality = _FINALITY[STATE_AFTER_EVENT.get(event.event_type)]
    return event.timestamp, finality, event.event_id


@dataclass(slots=True)
class _ServerState:
    """A server in one job."""

    id: str
    job: JobState
    since: datetime
    state: str = "PENDING"
    name: str | None = None
    ec2_instance_id: str | None = None
    error: str | None = None

    def set_state(self, state: str | None, time: datetime) -> None:
        if state and state != self.state:
            self.state, self.since, self.error = state, time, None

    @property
    def order(self) -> tuple[bool, datetime, int, str]:
        """Sort key of a server's states in its jobs. The last one is the current state of the server.

        A TERMINATE job that has not terminated the server yet comes first, since it has not changed the server.
        """
        has_not_terminated = self.job.type == "TERMINATE" and self.state == "PENDING"
        return not has_not_terminated, self.since, _FINALITY[self.state], self.job.id

    def progress(self, name: str | None, ec2_instance_id: str | None) -> ServerProgress:
        return ServerProgress(
            source_server_id=self.id,
            server_name=name,
            state=self.state,
            ec2_instance_id=self.ec2_instance_id or ec2_instance_id,
            job_id=self.job.id,
            since=self.since,
            error=self.error,
        )


@dataclass(slots=True)
class JobState:
    """The state of a job after the events that were applied to it."""

    id: str
    started_at: datetime
    type: str | None = None
    is_drill: bool | None = None
    cancelled_at: datetime | None = None
    end: JobLogEvent | None = None
    servers: dict[str, _ServerState] = field(default_factory=dict)

    def apply(self, event: JobLogEvent) -> None:
        """Apply the next event."""
        self.type = _text(event.detail, "jobType") or self.type
        is_drill = event.detail.get("isDrill")
        self.is_drill = is_drill if isinstance(is_drill, bool) else self.is_drill

        if event.source_server_id:
            server = self._server(event.source_server_id, event)
            state = STATE_AFTER_EVENT.get(event.event_type)
            server.set_state(state, event.timestamp)
            server.name = event.source_server_name or server.name
            server.ec2_instance_id = event.ec2_instance_id or server.ec2_instance_id
            if state == "FAILED":
                server.error = event.error or server.error
        match event.event_type:
            case "JOB_STARTED":
                for server_id in _list(event.detail, "sourceServerIDs"):
                    if isinstance(server_id, str):
                        self._server(server_id, event)
            case "JOB_TERMINATED":
                self.cancelled_at = event.timestamp
                self._terminate_active_servers(event)
            case end if end in JOB_ENDS:
                self.end = event
                for server in _list(event.detail, "participatingServers"):
                    self._apply_launch_status(server, event)
                if self.cancelled_at:  # an item after the cancellation may have made a server active again
                    self._terminate_active_servers(event)

    def _terminate_active_servers(self, event: JobLogEvent) -> None:
        """Set the state of active servers to TERMINATED. A cancelled TERMINATE job does not change its servers."""
        for server in self.servers.values():
            if server.state in ACTIVE_STATES and self.type != "TERMINATE":
                server.set_state("TERMINATED", event.timestamp)

    def _apply_launch_status(self, participating_server: Any, end: JobLogEvent) -> None:
        """Apply the ``launchStatus`` of a server at the job's end. The log may lack the event for it."""
        server_id = _text(participating_server, "sourceServerID")
        if not server_id:
            return
        server = self._server(server_id, end)
        status = _text(participating_server, "launchStatus")
        # In a LAUNCH job, TERMINATED is the effect of a later TERMINATE job, which has its own events.
        if status in {"LAUNCHED", "FAILED"} or (status == "TERMINATED" and self.type == "TERMINATE"):
            server.set_state(status, end.timestamp)
        server.ec2_instance_id = server.ec2_instance_id or _text(participating_server, "recoveryInstanceID")

    def _server(self, server_id: str, event: JobLogEvent) -> _ServerState:
        return self.servers.setdefault(server_id, _ServerState(server_id, self, event.timestamp))

    @property
    def outcome(self) -> str | None:
        """The outcome in the end event. If it has none, it is derived from the states of the servers."""
        if self.end is None:
            return None
        if outcome := _STATUS_OF_OUTCOME.get(_text(self.end.detail, "outcome")):
            return outcome
        if self.end.event_type == "JOB_FAILED":
            return "FAILED"
        states = [server.state for server in self.servers.values()]
        goal = GOALS.get(self.type or "LAUNCH")
        succeeded = sum(state == goal if goal else state != "FAILED" for state in states)
        return "COMPLETED" if succeeded == len(states) else "PARTIAL" if succeeded else "FAILED"

    @property
    def progress(self) -> JobProgress:
        outcome = self.outcome
        return JobProgress(
            job_id=self.id,
            status="TERMINATED" if self.cancelled_at else outcome or "IN_PROGRESS",
            outcome=outcome,
            is_drill=self.is_drill,
            started_at=self.started_at,
            ended_at=self.end.timestamp if self.end else self.cancelled_at,
        )


def _text(detail: Any, name: str) -> str | None:
    """Return a string of a detail, or None if the value is not a string. Senders can put any JSON value there."""
    value = detail.get(name) if isinstance(detail, Mapping) else None
    return value if isinstance(value, str) else None


def _list(detail: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of a detail, or an empty list if the value is not a list."""
    value = detail.get(name)
    return value if isinstance(value, list) else []
