"""How far an execution is: the fold of its events.

Pure: knows no AWS client. The same events, in any order and with any repeats, give the same progress.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.events import JOB_ENDS, SERVER_FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from drs_job_log.events import JobLogEvent

# So long after the last job's end nobody starts another wave.
_BETWEEN_WAVES: Final = timedelta(minutes=15)

# So long after a job's end others of its events may still be in the queue, or wait for their link.
_ON_THE_WAY: Final = timedelta(minutes=2)

# States of a server, from the least final to the most: of two events of the same moment, the more final counts.
_STATES: Final = ("PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING", "SKIPPED", "LAUNCHED", "FAILED", "TERMINATED")
_FINALITY: Final[Mapping[str | None, int]] = {state: place for place, state in enumerate((None, *_STATES))}
UNDER_WAY: Final = frozenset({"PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING"})

# What a job is for; one of any other type launches nothing, and its servers are done unless they failed.
_GOALS: Final[Mapping[str | None, str]] = {None: "LAUNCHED", "LAUNCH": "LAUNCHED", "TERMINATE": "TERMINATED"}

# What an event makes of the server that it names. Any other event only names it.
STATE_AFTER: Final[Mapping[str, str]] = {
    **dict.fromkeys(("SNAPSHOT_STARTED", "SNAPSHOT_COMPLETED", "USING_PREVIOUS_SNAPSHOT"), "SNAPSHOT"),
    **dict.fromkeys(("CONVERSION_STARTED", "CONVERSION_IN_PROGRESS", "CONVERSION_COMPLETED"), "CONVERSION"),
    "SERVER_LAUNCHING": "LAUNCHING",
    "SERVER_LAUNCHED": "LAUNCHED",
    **dict.fromkeys(SERVER_FAILURES, "FAILED"),
    "SERVER_SKIPPED": "SKIPPED",
}

# The summary's names for the states.
COUNTED_AS: Final[Mapping[str, str]] = {state: state.lower() for state in _STATES} | {
    "SNAPSHOT": "converting",
    "CONVERSION": "converting",
}

# What the collector says of a job's end, as the status of the job.
_OUTCOMES: Final[Mapping[str | None, str]] = {"SUCCEEDED": "COMPLETED", "PARTIAL": "PARTIAL", "FAILED": "FAILED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgress:
    """A source server: its state, in which job, since when. ``error`` only where the state is FAILED."""

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
        What its servers came to: COMPLETED, PARTIAL or FAILED; None before its end was told. Of a cancelled job too.
    ended_at
        When it ended or, until that is told, was cancelled.
    """

    job_id: str
    status: str
    outcome: str | None
    is_drill: bool | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution, or a job, is. Servers by their ids; jobs by their starts.

    Attributes
    ----------
    status
        NO_EVENTS where there are none, else IN_PROGRESS while a job is, else that of its jobs where they agree, else
        PARTIAL.
    """

    servers: Sequence[ServerProgress]
    jobs: Sequence[JobProgress]

    @property
    def status(self) -> str:
        statuses = {job.status for job in self.jobs}
        if not statuses:
            return "NO_EVENTS"
        return "IN_PROGRESS" if "IN_PROGRESS" in statuses else agreed(statuses)

    @property
    def summary(self) -> dict[str, int]:
        """How many servers are in which state; together they are ``totalServers``."""
        counted = Counter(COUNTED_AS[server.state] for server in self.servers)
        return {"totalServers": len(self.servers)} | {
            name: counted[name] for name in dict.fromkeys(COUNTED_AS.values())
        }

    @property
    def ended_at(self) -> datetime | None:
        """When the last job ended; None while one is running."""
        ends = [job.ended_at for job in self.jobs]
        return None if None in ends else max((end for end in ends if end), default=None)

    @property
    def has_ended(self) -> bool:
        """Whether the end of each of its jobs was told, and there is one."""
        return bool(self.jobs) and all(job.outcome for job in self.jobs)

    def is_quiet(self, now: datetime) -> bool:
        """Whether every job ended so long ago that no other wave will follow."""
        return self.ended_at is not None and now - self.ended_at >= _BETWEEN_WAVES

    def is_complete(self, now: datetime) -> bool:
        """Whether the end of each of its jobs was told, so long ago that nothing else of them is on its way."""
        return self.has_ended and self.ended_at is not None and now - self.ended_at >= _ON_THE_WAY


def agreed(statuses: Iterable[str]) -> str:
    """The status of what has parts with these, none of them in progress: theirs where they agree, else PARTIAL."""
    one, *others = set(statuses)
    return "PARTIAL" if others else one


def fold(events: Iterable[JobLogEvent]) -> Progress:
    """The progress that the events tell, in whatever order they come."""
    of_jobs: dict[str, list[JobLogEvent]] = {}
    for event in events:
        of_jobs.setdefault(event.job_id, []).append(event)
    return combine(map(fold_job, of_jobs.values()))


def fold_job(events: Iterable[JobLogEvent]) -> FoldedJob:
    """What the events of one job, one at least, tell of it, in whatever order they come."""
    first, *others = sorted({(event.timestamp, event.event_id): event for event in events}.values(), key=_order)
    job = FoldedJob(first.job_id, first.timestamp)
    for event in (first, *others):
        job.see(event)
    return job


def combine(folded: Iterable[FoldedJob]) -> Progress:
    """The progress of an execution of these jobs."""
    jobs = sorted(folded, key=lambda job: (job.started_at, job.id))
    newest: dict[str, _Server] = {}
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


def _order(event: JobLogEvent) -> tuple[datetime, int, str]:
    """By time; at the same time a job's start, then its servers' events by how final they are, then its end."""
    if event.event_type == "JOB_STARTED":
        finality = -1
    elif event.event_type in JOB_ENDS or event.event_type == "JOB_TERMINATED":
        finality = len(_FINALITY)
    else:
        finality = _FINALITY[STATE_AFTER.get(event.event_type)]
    return event.timestamp, finality, event.event_id


@dataclass(slots=True)
class _Server:
    """A server in one job."""

    id: str
    job: FoldedJob
    since: datetime
    state: str = "PENDING"
    name: str | None = None
    ec2_instance_id: str | None = None
    error: str | None = None

    def become(self, state: str | None, time: datetime) -> None:
        if state and state != self.state:
            self.state, self.since, self.error = state, time, None

    @property
    def order(self) -> tuple[bool, datetime, int, str]:
        """Which of a server's jobs tells its state: the newest, but a job that is to terminate it only once it has."""
        is_yet_to_terminate = self.job.type == "TERMINATE" and self.state == "PENDING"
        return not is_yet_to_terminate, self.since, _FINALITY[self.state], self.job.id

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
class FoldedJob:
    """A job, as far as its events were seen."""

    id: str
    started_at: datetime
    type: str | None = None
    is_drill: bool | None = None
    cancelled_at: datetime | None = None
    end: JobLogEvent | None = None
    servers: dict[str, _Server] = field(default_factory=dict)

    def see(self, event: JobLogEvent) -> None:
        """Take the next event."""
        self.type = _text(event.detail, "jobType") or self.type
        is_drill = event.detail.get("isDrill")
        self.is_drill = is_drill if isinstance(is_drill, bool) else self.is_drill

        if event.source_server_id:
            server = self._server(event.source_server_id, event)
            state = STATE_AFTER.get(event.event_type)
            server.become(state, event.timestamp)
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
                self._cancel_servers(event)
            case end if end in JOB_ENDS:
                self.end = event
                for said in _list(event.detail, "participatingServers"):
                    self._see_launch_status(said, event)
                if self.cancelled_at:  # what DRS logged of a server after that did not go on either
                    self._cancel_servers(event)

    def _cancel_servers(self, event: JobLogEvent) -> None:
        """Servers under way go no further; those that were to be terminated stay what they are."""
        for server in self.servers.values():
            if server.state in UNDER_WAY and self.type != "TERMINATE":
                server.become("TERMINATED", event.timestamp)

    def _see_launch_status(self, said: Any, end: JobLogEvent) -> None:
        """What DRS said of a server at the job's end, where that is more than the log told."""
        server_id = _text(said, "sourceServerID")
        if not server_id:
            return
        server = self._server(server_id, end)
        status = _text(said, "launchStatus")
        # TERMINATED after a launch is the doing of another job, which has events of its own.
        if status in {"LAUNCHED", "FAILED"} or (status == "TERMINATED" and self.type == "TERMINATE"):
            server.become(status, end.timestamp)
        server.ec2_instance_id = server.ec2_instance_id or _text(said, "recoveryInstanceID")

    def _server(self, server_id: str, event: JobLogEvent) -> _Server:
        return self.servers.setdefault(server_id, _Server(server_id, self, event.timestamp))

    @property
    def outcome(self) -> str | None:
        """What the end says or, where it does not, how many servers reached what the job is for."""
        if self.end is None:
            return None
        if said := _OUTCOMES.get(_text(self.end.detail, "outcome")):
            return said
        if self.end.event_type == "JOB_FAILED":
            return "FAILED"
        states = [server.state for server in self.servers.values()]
        goal = _GOALS.get(self.type)
        reached = sum(state == goal if goal else state != "FAILED" for state in states)
        return "COMPLETED" if reached == len(states) else "PARTIAL" if reached else "FAILED"

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
    """A text of a detail, which may come from anybody; None where it is none."""
    value = detail.get(name) if isinstance(detail, Mapping) else None
    return value if isinstance(value, str) else None


def _list(detail: Mapping[str, Any], name: str) -> list[Any]:
    """A list of a detail, empty where it is none."""
    value = detail.get(name)
    return value if isinstance(value, list) else []
