"""What a DRS job and its log say: facts, and each as the detail of a "DRS Job Log" event.

Pure: knows no AWS client.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.events import (
    JOB_ENDS,
    SERVER_FAILURES,
    VOCABULARY,
    InvalidEventError,
    format_time,
    parse_time,
    time_of,
)
from drs_job_log.progress import COUNTED_AS, STATE_AFTER, UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from mypy_boto3_drs.type_defs import JobLogTypeDef, JobTypeDef, ParticipatingServerTypeDef

# JOB_END is logged some 26 ms after the job's end. For so long the collector waits for the one after the other.
SETTLING: Final = timedelta(minutes=10)

# After these, nothing more is to come for a server.
_LAST_STEPS: Final = SERVER_FAILURES | {"SERVER_LAUNCHED", "SERVER_SKIPPED"}
_STEPS: Final = _LAST_STEPS | {
    *("SNAPSHOT_STARTED", "SNAPSHOT_COMPLETED"),
    *("CONVERSION_STARTED", "CONVERSION_COMPLETED", "SERVER_LAUNCHING"),
}

# The launchStatus that a job of this type is for. Other types, such as CREATE_CONVERTED_SNAPSHOT, launch nothing: their
# servers reached their goal unless they FAILED.
_GOALS: Final[Mapping[str, str]] = {"LAUNCH": "LAUNCHED", "TERMINATE": "TERMINATED"}

# From https://docs.aws.amazon.com/drs/latest/APIReference/API_JobLogEventData.html. What is not here keeps its name.
_DETAIL_NAMES: Final[Mapping[str, str]] = {
    "targetInstanceID": "ec2InstanceID",
    "rawError": "error",
    "attemptCount": "attempt",
    "maxAttemptsCount": "maxAttempts",
}

_UNDERTAKINGS: Final[Mapping[str | None, str]] = {
    "START_DRILL": "Drill",
    "START_RECOVERY": "Recovery",
    "FAILBACK": "Failback",
    "TERMINATE_RECOVERY_INSTANCES": "Termination",
}

# What a step began with, by what it ends with.
_BEGINNINGS: Final[Mapping[str, str]] = {
    "SNAPSHOT_COMPLETED": "SNAPSHOT_STARTED",
    "CONVERSION_COMPLETED": "CONVERSION_STARTED",
    "SERVER_LAUNCHED": "SERVER_LAUNCHING",
}

# What makes an item this item, beside its job, time and event.
_IDENTIFYING: Final = ("sourceServerID", "conversionServerID", "targetInstanceID", "rawError")

# Made once: it writes every item of every log at each pass.
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_MESSAGES: Final[Mapping[str, str]] = {
    "CLEANUP_START": "Removing the earlier instance of server {server}",
    "CLEANUP_END": "Earlier instance of server {server} removed",
    "CLEANUP_FAIL": "Earlier instance of server {server} not removed",
    "SNAPSHOT_STARTED": "Taking a snapshot of server {server}",
    "SNAPSHOT_COMPLETED": "Snapshot of server {server} taken",
    "SNAPSHOT_FAILED": "Snapshot of server {server} failed",
    "USING_PREVIOUS_SNAPSHOT": "Using an earlier snapshot of server {server}",
    "USING_PREVIOUS_SNAPSHOT_FAILED": "No earlier snapshot of server {server} could be used",
    "CONVERSION_STARTED": "Converting server {server}",
    "CONVERSION_COMPLETED": "Server {server} converted",
    "CONVERSION_FAILED": "Conversion of server {server} failed",
    "SERVER_LAUNCHING": "Launching server {server}",
    "SERVER_LAUNCHED": "Server {server} launched",
    "SERVER_LAUNCH_FAILED": "Server {server} failed to launch",
    "SERVER_SKIPPED": "Server {server} skipped",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One item of a job's log, or what the job's end adds to it.

    ``time`` is as ``format_time`` writes it, ``event_type`` as stored. ``data`` is what DRS said, by the API's names.
    """

    time: str
    event_id: str
    event_type: str
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The ``EventKey`` of its row in the table."""
        return f"{self.time}#{self.event_id}"

    @property
    def server(self) -> str | None:
        """Id of the server it is about."""
        return self.data.get("sourceServerID")


@dataclass(frozen=True, slots=True)
class JobLog:
    """All that can be told of a job now, oldest first, each once. ``is_complete`` when nothing more will come."""

    facts: Sequence[Fact]
    is_complete: bool


def read_log(job: JobTypeDef, items: Sequence[JobLogTypeDef], now: datetime) -> JobLog:
    """The facts of a job: what its log says, and at its end what DRS says of its servers and did not log.

    ``items`` is the whole log, read after ``job``. Whoever reads, and whenever, gets the same facts, or fewer while the
    job runs. The end is told when there are two witnesses: the item JOB_END, behind which none comes any more, and the
    status COMPLETED, with which DRS says how the servers fared. One alone is believed after ``SETTLING``.

    Raises
    ------
    drs_job_log.events.InvalidEventError
        Where neither an item nor its job has a time.
    """
    facts = {fact.key: fact for fact in (_logged(job, item) for item in items)}
    ends = [fact for fact in facts.values() if fact.event_type == "JOB_END"]
    end_logged = min((end.time for end in ends), default=None)
    ended = _time(job.get("endDateTime"))
    settled = format_time(now - SETTLING)
    is_completed = job.get("status") == "COMPLETED"
    is_settled = any(time is not None and time <= settled for time in (ended, end_logged))
    is_complete = is_completed and (is_settled or (end_logged is not None and ended is not None))

    end_time = ended or end_logged
    if is_complete and end_time:
        added = _silent_outcomes(job, list(facts.values()), end_time)
        if not ends:
            added.append(_fact(job, end_time, "JOB_END", {}, added=True))
        facts |= {fact.key: fact for fact in added}
    elif not is_settled:
        for end in ends:
            del facts[end.key]

    def told(fact: Fact) -> Fact:
        if fact.event_type != "JOB_END":
            return fact
        return _with_outcome(fact, job, facts.values()) if is_completed else replace(fact, event_type="JOB_COMPLETED")

    return JobLog(sorted(map(told, facts.values()), key=attrgetter("time")), is_complete)


def durations(job: JobTypeDef, log: JobLog) -> dict[str, float]:
    """How many seconds each step took that the log has the end of, and the job if it was a launch, by the end's key."""
    ends: dict[str, str] = {}
    newest: dict[tuple[str | None, str], str] = {}
    for fact in log.facts:
        newest[fact.server, fact.event_type] = fact.time
        began = newest.get((fact.server, _BEGINNINGS.get(fact.event_type, "")))
        if began and "state" not in fact.data:  # which has what was told by the job's end only
            ends[fact.key] = began
        elif (
            fact.event_type in JOB_ENDS
            and job.get("type") == "LAUNCH"
            and (created := _time(job.get("creationDateTime")))
        ):
            ends[fact.key] = created
    return {key: (time_of(key) - parse_time("time", began)).total_seconds() for key, began in ends.items()}


def to_detail(
    fact: Fact, job: JobTypeDef, names: Mapping[str, str], seconds: Mapping[str, float], execution_id_tag: str
) -> dict[str, Any]:
    """The detail of a fact's "DRS Job Log" event; what is not known is absent.

    ``names`` of servers by their ids, ``seconds`` that ended with a fact by its key (see ``durations``).
    """
    initiated_by = job.get("initiatedBy")
    name = names.get(fact.server or "")
    arn = job.get("arn", "").split(":")  # arn:PARTITION:drs:REGION:ACCOUNT:job/ID
    region, account = arn[3:5] if len(arn) > 4 else (None, None)
    values = {
        **{_DETAIL_NAMES.get(key, key): value for key, value in fact.data.items()},
        "jobID": job["jobID"],
        "jobType": job.get("type"),
        "initiatedBy": initiated_by,
        "account": account,
        "region": region,
        "eventType": fact.event_type,
        "eventId": fact.event_id,
        "logDateTime": fact.time,
        "executionId": job.get("tags", {}).get(execution_id_tag) or None,
        "isDrill": initiated_by == "START_DRILL" if initiated_by and job.get("type") == "LAUNCH" else None,
        "sourceServerName": name,
        "durationSeconds": seconds.get(fact.key),
        "sourceServerIDs": server_ids(job) if fact.event_type == "JOB_STARTED" else None,
        "message": fact.data.get("message") or _message(fact, job, name or fact.server),
    }
    return {key: value for key, value in values.items() if value is not None}


def stalled_servers(job: JobTypeDef, log: JobLog, after: timedelta, now: datetime) -> set[str]:
    """Ids of the servers of a running job that are not done and had no item for longer than ``after``."""
    if job.get("status") == "COMPLETED":
        return set()
    created = _time(job.get("creationDateTime"))
    newest = {
        server["sourceServerID"]: created
        for server in _servers(job)
        if server.get("launchStatus") not in {"LAUNCHED", "FAILED", "TERMINATED"}
    }
    for fact in log.facts:
        if fact.event_type in _LAST_STEPS:
            newest.pop(fact.server or "", None)
        elif fact.server in newest:
            newest[fact.server] = fact.time
    limit = format_time(now - after)
    return {server for server, time in newest.items() if time is not None and time < limit}


def server_counts(job: JobTypeDef, log: JobLog) -> Counter[str]:
    """How many servers of a launch are in which state, by the names of the API's summary."""
    if job.get("type") != "LAUNCH":
        return Counter()
    states = dict.fromkeys(server_ids(job), "PENDING")
    for fact in log.facts:
        if fact.server and (state := STATE_AFTER.get(fact.event_type)):
            states[fact.server] = state
        elif fact.event_type == "JOB_TERMINATED":  # those under way go no further
            states = {server: "TERMINATED" if state in UNDER_WAY else state for server, state in states.items()}
    return Counter(COUNTED_AS[state] for state in states.values())


def server_ids(job: JobTypeDef) -> list[str]:
    """Ids of the servers of a job."""
    return [server["sourceServerID"] for server in _servers(job)]


def ended_before(job: JobTypeDef, start: datetime) -> bool:
    """Whether a job was over before ``start``."""
    ended = _time(job.get("endDateTime") or job.get("creationDateTime"))
    return job.get("status") == "COMPLETED" and ended is not None and ended < format_time(start)


def _servers(job: JobTypeDef) -> Iterator[ParticipatingServerTypeDef]:
    return (server for server in job.get("participatingServers", []) if server.get("sourceServerID"))


def _time(text: str | None) -> str | None:
    """A time of the API, with the fraction that it lacks when it is zero; None where it is none."""
    try:
        return format_time(parse_time("time", text))
    except InvalidEventError:
        return None


def _logged(job: JobTypeDef, item: JobLogTypeDef) -> Fact:
    """An item of the log. One without a time, which nobody has seen yet, gets the one that its job began at."""
    time = _time(item.get("logDateTime")) or format_time(parse_time("creationDateTime", job.get("creationDateTime")))
    return _fact(job, time, item.get("event") or "UNKNOWN", item.get("eventData", {}))


def _fact(job: JobTypeDef, time: str, event: str, data: Mapping[str, Any], *, added: bool = False) -> Fact:
    """A fact with its identity: a digest of what makes the item this item.

    Not of all its data: botocore drops what its model lacks, and a newer one would make another fact of it.
    """
    identity = _canonical([job["jobID"], time, event, [data.get(name) for name in _IDENTIFYING], added])
    event_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return Fact(time, event_id, VOCABULARY.get(event, event), data)


def _silent_outcomes(job: JobTypeDef, facts: Sequence[Fact], ended: str) -> list[Fact]:
    """What DRS says of the servers of a job that ended, and did not log: a launch or, worse, a failure."""
    if job.get("type") != "LAUNCH":
        return []
    in_order = sorted(facts, key=attrgetter("time"))
    newest_step = {fact.server: fact.event_type for fact in in_order if fact.event_type in _STEPS}
    launched = {fact.server for fact in facts if fact.event_type == "SERVER_LAUNCHED"}
    outcomes = []
    for server in _servers(job):
        server_id, status = server["sourceServerID"], server.get("launchStatus")
        if status == "LAUNCHED" and server_id not in launched:
            event = "LAUNCH_END"
        elif status == "FAILED" and newest_step.get(server_id) not in SERVER_FAILURES:
            event = "LAUNCH_FAILED"
        else:
            continue
        outcome = _fact(job, ended, event, {"sourceServerID": server_id}, added=True)
        known_later = {"state": status, "targetInstanceID": server.get("recoveryInstanceID")}  # hence not its identity
        outcomes.append(replace(outcome, data={**outcome.data, **known_later}))
    return outcomes


def _with_outcome(end: Fact, job: JobTypeDef, facts: Collection[Fact]) -> Fact:
    """JOB_END as what it was: how many servers reached what the job was for."""
    goal = _GOALS.get(job.get("type", ""))
    launched = {fact.server for fact in facts if fact.event_type == "SERVER_LAUNCHED"}
    failed = {fact.server for fact in facts if fact.event_type in SERVER_FAILURES} - launched
    servers = job.get("participatingServers", [])

    def reached(server: ParticipatingServerTypeDef) -> bool:
        server_id, status = server.get("sourceServerID"), server.get("launchStatus")
        if goal == "LAUNCHED" and server_id in launched:  # and perhaps terminated by another job since
            return status != "FAILED"
        if goal and status:
            return status == goal
        return goal != "LAUNCHED" and status != "FAILED" and server_id not in failed

    # A server that only the log names counts too, as long as all others can be told from it.
    if all(server.get("sourceServerID") for server in servers):
        logged = {fact.server for fact in facts if fact.server}
        servers = servers + [{"sourceServerID": server_id} for server_id in sorted(logged - set(server_ids(job)))]
    count = sum(map(reached, servers))
    outcome = "SUCCEEDED" if count == len(servers) else "PARTIAL" if count else "FAILED"
    done = "done" if goal is None else goal.lower()
    said = ("sourceServerID", "launchStatus", "recoveryInstanceID")
    data = {
        **end.data,
        "outcome": outcome,
        "participatingServers": [{key: server[key] for key in said if key in server} for server in servers],  # type: ignore[literal-required]
        "message": f"{_undertaking(job)} ended: {count} of {_counted(servers)} {done}",
    }
    return replace(end, event_type="JOB_FAILED" if outcome == "FAILED" else "JOB_COMPLETED", data=data)


def _message(fact: Fact, job: JobTypeDef, server: str | None) -> str:
    """What a person would write of the fact."""
    match fact.event_type:
        case "JOB_STARTED":
            return f"{_undertaking(job)} of {_counted(server_ids(job))} started"
        case "JOB_TERMINATED":
            return f"{_undertaking(job)} cancelled"
        case "JOB_COMPLETED":  # by the log alone; DRS's status has not followed
            return f"{_undertaking(job)} ended"
        case known if known in _MESSAGES and server:
            message = _MESSAGES[known].format(server=server)
        case other:
            message = other.replace("_", " ").capitalize() + (f": server {server}" if server else "")
    attempt, attempts = fact.data.get("attemptCount"), fact.data.get("maxAttemptsCount")
    return f"{message} (attempt {attempt} of {attempts})" if attempt and attempts else message


def _undertaking(job: JobTypeDef) -> str:
    return _UNDERTAKINGS.get(job.get("initiatedBy"), "Job")


def _counted(servers: Sequence[object]) -> str:
    return "1 server" if len(servers) == 1 else f"{len(servers)} servers"
