"""The summary of a job and of each of its servers: what the module keeps of a job for ``history_days``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.events import (
    ENDINGS,
    InvalidEventError,
    JobLogEvent,
    format_time,
    is_job_end,
    ledger_key,
    parse_time,
    requested_by,
    revision_of,
)
from drs_job_log.model.plans import PLAN_ENDS, PLAN_STARTED, PLAN_TYPE
from drs_job_log.model.progress import OUTCOMES, SUMMARY_KEYS
from drs_job_log.model.rpo import rpo_seconds
from drs_job_log.model.steps import FINAL_SERVER_EVENTS, STEPS, step_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from drs_job_log.model.progress import JobState, Participant

# Event types of a job, or of a recovery plan, that have a part of its summary.
SUMMARY_EVENTS: Final = ENDINGS | {"JOB_STARTED", "SERVERS_ADDED", PLAN_STARTED} | PLAN_ENDS

_MAX_ERROR_BYTES: Final = 1024

# Outcome in the detail of a job's end → status of the job.
_STATUSES: Final[Mapping[object, str]] = {outcome: status for status, outcome in OUTCOMES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSummary:
    """What a job did with a server.

    Attributes
    ----------
    state
        The state at the end of the job, see ``ServerProgress``.
    launch_status
        The ``launchStatus`` of DRS.
    started_at, ended_at
        The time of its first event in the job, and when it entered its state. The first one is None if only the final
        event of the server is known.
    step_seconds
        The duration of each step (``STEPS``) that ended, in seconds.
    error
        The first KB of the error text of DRS, if the server failed and DRS stated one.
    point_in_time
        The recovery point of a launched server. None if it is not known.
    """

    source_server_id: str
    server_name: str | None
    state: str
    launch_status: str | None = None
    ec2_instance_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    step_seconds: Mapping[str, float]
    error: str | None = None
    point_in_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """A job.

    Attributes
    ----------
    status
        IN_PROGRESS, COMPLETED, PARTIAL, FAILED or TERMINATED.
    created_at
        When the job was created.
    ended_at
        When it ended. None while it runs.
    counts
        The number of servers by state, with the keys of the API's summary, for example ``launched``. Empty while the
        job runs.
    server_count
        The number of servers.
    last_launched_at
        When the last server became LAUNCHED. None if none did, and while the job runs.
    rpo_seconds
        The largest achieved RPO of its launched servers whose recovery point is known. None if none is known, and
        while the job runs.
    points
        The number of launched servers whose recovery point is known.
    rto_minutes
        The recovery time objective in the job's tag ``RtoMinutes``.
    requested_by
        Who requested the job, for example an ARN. None if AWS does not report it.
    end_key
        The ``EventKey`` of its newest end, whose row has the summaries of its servers. None while the job runs, and if
        its end states no outcome because it was deleted while it ran. Its events then state what it reached.
    """

    job_id: str
    execution_id: str | None
    job_type: str | None
    initiated_by: str | None
    is_drill: bool | None
    status: str
    created_at: datetime
    ended_at: datetime | None
    account: str | None
    region: str | None
    counts: Mapping[str, int]
    server_count: int
    last_launched_at: datetime | None
    rto_minutes: int | None
    end_key: str | None
    requested_by: str | None = None
    rpo_seconds: float | None = None
    points: int = 0

    @property
    def position(self) -> str:
        """Its place in the list of all jobs, see ``Ledger.jobs``."""
        return ledger_key(format_time(self.created_at), self.job_id) or ""

    @property
    def is_running(self) -> bool:
        """Whether the job has not ended."""
        return self.status == "IN_PROGRESS"

    @property
    def is_plan(self) -> bool:
        """Whether this is the execution of a recovery plan, which starts jobs and is none."""
        return self.job_type == PLAN_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """The part of a job's summary that one of its rows has.

    ``part``: what ``summary_part`` or ``request_part`` returned for its event.
    """

    job_id: str
    key: str
    event_type: str
    time: datetime
    execution_id: str | None
    part: Mapping[str, Any]


def created_at_of(event: JobLogEvent) -> datetime | None:
    """Return when the job of an event was created. None if the event does not state it.

    All rows of a job need the same time, which is their place in the ledger, so there is no other time instead.
    """
    try:
        return parse_time("createdAt", event.detail.get("createdAt"))
    except InvalidEventError:
        return None


def is_in_ledger(event: JobLogEvent) -> bool:
    """Whether an event has a part of the summary of its job or of a server, so that it is kept for ``history_days``."""
    has_summary = event.is_from_collector and (event.event_type in SUMMARY_EVENTS or is_final_of_server(event))
    return has_summary or requested_by(event) is not None


def request_part(event: JobLogEvent) -> dict[str, Any] | None:
    """Return the part of its job's summary that the request of a job has, as JSON values. None for another event."""
    requester = requested_by(event)
    return None if requester is None else {"requestedBy": requester}


def summary_part(event: JobLogEvent) -> dict[str, Any] | None:
    """Return the part of its job's summary that an event has, as JSON values. None if it has none."""
    created_at = created_at_of(event)
    if event.event_type not in SUMMARY_EVENTS or not event.is_from_collector or created_at is None:
        return None
    detail = event.detail
    part: dict[str, Any] = {"createdAt": format_time(created_at)} | {
        name: detail[name]
        for name in ("jobType", "initiatedBy", "isDrill", "account", "region", "rtoMinutes", "outcome", "revision")
        if detail.get(name) is not None
    }
    if is_job_end(event.event_type, detail):
        servers = server_summaries(detail)
        launched = [server.ended_at for server in servers if server.state == "LAUNCHED" and server.ended_at]
        part["counts"] = dict(Counter(SUMMARY_KEYS[server.state] for server in servers))
        if launched:
            part["lastLaunchedAt"] = format_time(max(launched))
        if achieved := achieved_rpos(servers, created_at):
            part |= {"rpoSeconds": max(achieved), "points": len(achieved)}
    elif isinstance(listed := detail.get("sourceServerIDs"), list):
        part["serverCount"] = len(listed)
    return part


def achieved_rpos(servers: Iterable[ServerSummary | Participant], created_at: datetime) -> list[float]:
    """Return the achieved RPO of each launched server of a job whose recovery point is known, in seconds."""
    achieved = (rpo_seconds(created_at, server.point_in_time) for server in servers if server.state == "LAUNCHED")
    return [seconds for seconds in achieved if seconds is not None]


def is_final_of_server(event: JobLogEvent) -> bool:
    """Whether an event has the summary of a server: see ``server_summary_of_event``."""
    return event.event_type in FINAL_SERVER_EVENTS and event.is_from_collector and bool(event.source_server_id)


def server_summaries(end: Mapping[str, Any]) -> list[ServerSummary]:
    """Return the summaries of the servers in the detail of a job's end. Ends of earlier versions have no times."""
    listed = end.get("participatingServers")
    return [
        _server_summary(server)
        for server in (listed if isinstance(listed, list) else ())
        if isinstance(server, Mapping) and isinstance(server.get("sourceServerID"), str)
    ]


def server_summary_of_event(event: JobLogEvent, added: Mapping[str, Any]) -> ServerSummary:
    """Return the summary of a server from its final event in a job (``FINAL_SERVER_EVENTS``).

    ``added``: what the linker added to the row of an event of an earlier version, which has no ``stepSeconds``.
    """
    states = {"SERVER_LAUNCHED": "LAUNCHED", "SERVER_SKIPPED": "SKIPPED"}
    return ServerSummary(
        source_server_id=event.source_server_id or "",
        server_name=event.source_server_name,
        state=states.get(event.event_type, "FAILED"),
        ec2_instance_id=event.ec2_instance_id,
        ended_at=event.timestamp,
        step_seconds=_step_seconds(event.detail.get("stepSeconds") or added.get("stepSeconds")),
        error=first_kilobyte(event.error or _text(event.detail.get("error"))),
    )


def job_summary(rows: Iterable[SummaryRow]) -> JobSummary:
    """Return the summary of a job from its rows, of which at least one is not that of a request.

    The rows of a job without an ``end_key`` do not state what its servers reached.
    """
    in_order = sorted(rows, key=lambda row: (revision_of(row.part), row.key))
    part: dict[str, Any] = {}
    server_count = 0
    cancelled_at = end = None
    for row in in_order:
        part |= row.part
        server_count += int(row.part.get("serverCount", 0))
        if row.event_type == "JOB_TERMINATED":
            cancelled_at = cancelled_at or row.time
        if is_job_end(row.event_type, row.part) or row.event_type in PLAN_ENDS:
            end = row
    result = end.part if end else {}  # not of an earlier end, which can state more
    counts = {str(key): int(count) for key, count in result.get("counts", {}).items()}
    return JobSummary(
        job_id=in_order[0].job_id,
        execution_id=next((row.execution_id for row in in_order if row.execution_id), None),
        job_type=part.get("jobType"),
        initiated_by=part.get("initiatedBy"),
        is_drill=part.get("isDrill"),
        status="TERMINATED" if cancelled_at else _status(end),
        created_at=parse_time("createdAt", part["createdAt"]),
        ended_at=end.time if end else cancelled_at,
        account=part.get("account"),
        region=part.get("region"),
        counts=counts,
        server_count=max(server_count, sum(counts.values())),
        last_launched_at=_time(result.get("lastLaunchedAt")),
        rto_minutes=_whole(part.get("rtoMinutes")),
        requested_by=next((row.part["requestedBy"] for row in in_order if "requestedBy" in row.part), None),
        end_key=end.key if end and "outcome" in result else None,
        rpo_seconds=float(result["rpoSeconds"]) if "rpoSeconds" in result else None,
        points=int(result.get("points", 0)),
    )


def summary_of(state: JobState, execution_id: str | None) -> JobSummary:
    """Return the summary of a job from its state, which all its events give. It has no ``end_key``."""
    progress = state.progress
    launched = [server.since for server in state.servers.values() if server.state == "LAUNCHED"]
    created_at = state.created_at or state.started_at
    achieved = achieved_rpos(state.servers.values(), created_at)
    return JobSummary(
        job_id=state.id,
        execution_id=execution_id,
        job_type=state.type,
        initiated_by=state.initiated_by,
        is_drill=state.is_drill,
        status=progress.status,
        created_at=created_at,
        ended_at=progress.ended_at,
        account=state.account,
        region=state.region,
        counts={key: count for key, count in state.summary.items() if count},
        server_count=len(state.servers),
        last_launched_at=max(launched, default=None),
        rto_minutes=state.rto_minutes,
        requested_by=state.requested_by,
        end_key=None,
        rpo_seconds=max(achieved, default=None),
        points=len(achieved),
    )


def server_summaries_of(state: JobState) -> list[ServerSummary]:
    """Return the summaries of the servers of a job from its state, which all its events give."""
    return [
        ServerSummary(
            source_server_id=server.id,
            server_name=server.name,
            state=server.state,
            launch_status=server.launch_status,
            ec2_instance_id=server.ec2_instance_id,
            started_at=server.first_at,
            ended_at=None if server.is_active else server.since,
            step_seconds=step_seconds(server.step_times),
            error=first_kilobyte(server.logged_error),
            point_in_time=server.point_in_time,
        )
        for server in state.servers.values()
    ]


def summary_entry(server: Participant) -> dict[str, Any]:
    """Return what the end of a job states about a server in addition to what DRS lists: see ``ServerSummary``."""
    values = {
        "state": server.state,
        "ec2InstanceID": server.ec2_instance_id,
        "startedAt": format_time(server.first_at) if server.first_at else None,
        "endedAt": None if server.is_active else format_time(server.since),
        "stepSeconds": step_seconds(server.step_times) or None,
        "error": first_kilobyte(server.logged_error),
    }
    return {name: value for name, value in values.items() if value is not None}


def with_summary(event: JobLogEvent, state: JobState) -> JobLogEvent:
    """Return an event of an earlier version with what the collector now states about the job: ``createdAt``, servers.

    ``state``: the state of its job, which all its events give.
    """
    detail = {**event.detail, "createdAt": format_time(state.created_at or state.started_at)}
    if is_job_end(event.event_type, detail):
        listed = detail.get("participatingServers")
        by_id = {
            server["sourceServerID"]: server
            for server in (listed if isinstance(listed, list) else ())
            if isinstance(server, Mapping) and isinstance(server.get("sourceServerID"), str)
        }
        named = ({"sourceServerName": server.name} if server.name else {} for server in state.servers.values())
        detail["participatingServers"] = [
            {"sourceServerID": server.id, **by_id.get(server.id, {}), **name, **summary_entry(server)}
            for server, name in zip(state.servers.values(), named, strict=True)
        ]
    return replace(event, detail=detail)


def first_kilobyte(text: str | None) -> str | None:
    """Return the first KB of a text."""
    return text and text.encode(errors="backslashreplace")[:_MAX_ERROR_BYTES].decode(errors="ignore")


def _server_summary(server: Mapping[str, Any]) -> ServerSummary:
    launch_status = _text(server.get("launchStatus"))
    # Ends of earlier versions have no states, and DRS uses the same words for its status.
    states = (_text(server.get("state")), launch_status)
    return ServerSummary(
        source_server_id=server["sourceServerID"],
        server_name=_text(server.get("sourceServerName")),
        state=next((state for state in states if state and state in SUMMARY_KEYS), "FAILED"),
        launch_status=launch_status,
        ec2_instance_id=_text(server.get("ec2InstanceID")) or _text(server.get("recoveryInstanceID")),
        started_at=_time(server.get("startedAt")),
        ended_at=_time(server.get("endedAt")),
        step_seconds=_step_seconds(server.get("stepSeconds")),
        error=_text(server.get("error")),
        point_in_time=_time(server.get("pointInTime")),
    )


def _status(end: SummaryRow | None) -> str:
    if end is None:
        return "IN_PROGRESS"
    is_failed = end.event_type in {"JOB_FAILED", "JOB_DELETED"}
    return _STATUSES.get(end.part.get("outcome"), "FAILED" if is_failed else "COMPLETED")


def _step_seconds(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    numbers = (int, float, Decimal)  # DynamoDB returns a Decimal
    return {step: float(value[step]) for step in STEPS if isinstance(value.get(step), numbers)}


def _time(value: object) -> datetime | None:
    try:
        return parse_time("time", value)
    except InvalidEventError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None
