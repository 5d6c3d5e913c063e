"""Converts a DRS job and its log to items, and each item to the detail of a "DRS Job Log" event.

Pure functions of what the DRS API returns.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.collect.event_messages import event_message, format_server_count, job_label
from drs_job_log.model.events import (
    EVENT_TYPES,
    JOB_ENDS,
    SERVER_FAILURES,
    InvalidEventError,
    event_key,
    format_time,
    parse_time,
    time_of_key,
)
from drs_job_log.model.progress import ACTIVE_STATES, FINAL_STEPS, GOALS, STATE_AFTER_EVENT, SUMMARY_KEYS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from mypy_boto3_drs.type_defs import JobLogTypeDef, JobTypeDef, ParticipatingServerTypeDef

# DRS logs JOB_END about 26 ms after endDateTime. If one of them is missing, the other one is enough after this time.
_END_GRACE: Final = timedelta(minutes=10)

_STEPS: Final = FINAL_STEPS | {
    *("SNAPSHOT_STARTED", "SNAPSHOT_COMPLETED"),
    *("CONVERSION_STARTED", "CONVERSION_COMPLETED", "SERVER_LAUNCHING"),
}

# End of a step → its start.
_STEP_STARTS: Final[Mapping[str, str]] = {
    "SNAPSHOT_COMPLETED": "SNAPSHOT_STARTED",
    "CONVERSION_COMPLETED": "CONVERSION_STARTED",
    "SERVER_LAUNCHED": "SERVER_LAUNCHING",
}

# Key in eventData → key in the detail. Other keys are not renamed.
# https://docs.aws.amazon.com/drs/latest/APIReference/API_JobLogEventData.html
_DETAIL_KEYS: Final[Mapping[str, str]] = {
    "targetInstanceID": "ec2InstanceID",
    "rawError": "error",
    "attemptCount": "attempt",
    "maxAttemptsCount": "maxAttempts",
}

# The keys of eventData that are part of an item's identity. Not all keys: botocore drops keys that its model lacks, so
# that a newer botocore would change the identity.
_IDENTITY_KEYS: Final = ("sourceServerID", "conversionServerID", "targetInstanceID", "rawError")

# Created once, since each pass encodes each item of each log.
_encode_identity: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class JobLogItem:
    """One item of a job's log, or an item that is derived at the job's end.

    Attributes
    ----------
    time
        In the format of ``format_time``.
    event_type
        The stored event type.
    data
        ``eventData`` with the keys of the DRS API.
    """

    time: str
    event_id: str
    event_type: str
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The ``EventKey`` of its event."""
        return event_key(self.time, self.event_id)

    @property
    def server(self) -> str | None:
        """The ID of its server."""
        return self.data.get("sourceServerID")


@dataclass(frozen=True, slots=True)
class JobLog:
    """The items of a job, oldest first, without repetition. ``is_complete``: no further item is expected."""

    items: Sequence[JobLogItem]
    is_complete: bool


def read_log(job: JobTypeDef, log_items: Sequence[JobLogTypeDef], now: datetime) -> JobLog:
    """Return the items of a job: the items of its log and, after its end, derived items for unlogged outcomes.

    ``log_items`` is the whole log, read after ``job``. The result is deterministic. While the job runs, it contains
    fewer items. The result contains the end of the job only after DRS confirmed it twice: with the item JOB_END, which
    is the last item, and with the status COMPLETED, which makes each ``launchStatus`` final. After ``_END_GRACE``, one
    confirmation is enough.

    Raises
    ------
    drs_job_log.model.events.InvalidEventError
        If neither an item nor its job has a time.
    """
    items = {item.key: item for item in (_to_item(job, log_item) for log_item in log_items)}
    ends = [item for item in items.values() if item.event_type == "JOB_END"]
    logged_end = min((end.time for end in ends), default=None)
    job_end = _time(job.get("endDateTime"))
    grace_limit = format_time(now - _END_GRACE)
    is_completed = job.get("status") == "COMPLETED"
    is_grace_over = any(time is not None and time <= grace_limit for time in (job_end, logged_end))
    is_complete = is_completed and (is_grace_over or (logged_end is not None and job_end is not None))

    end_time = job_end or logged_end
    if is_complete and end_time:
        derived = _unlogged_outcomes(job, list(items.values()), end_time)
        if not ends:
            derived.append(_item(job, end_time, "JOB_END", {}, is_derived=True))
        items |= {item.key: item for item in derived}
    elif not is_grace_over:
        for end in ends:
            del items[end.key]

    def with_end_type(item: JobLogItem) -> JobLogItem:
        if item.event_type != "JOB_END":
            return item
        return _with_outcome(item, job, items.values()) if is_completed else replace(item, event_type="JOB_COMPLETED")

    return JobLog(sorted(map(with_end_type, items.values()), key=attrgetter("time")), is_complete)


def durations(job: JobTypeDef, log: JobLog) -> dict[str, float]:
    """Return the durations of completed steps, and of the job if it is a LAUNCH job that ended.

    Keys: the key of the item that ends the step or the job. Values: seconds.
    """
    starts: dict[str, str] = {}
    newest: dict[tuple[str | None, str], str] = {}
    for item in log.items:
        newest[item.server, item.event_type] = item.time
        step_start = newest.get((item.server, _STEP_STARTS.get(item.event_type, "")))
        if step_start and "state" not in item.data:  # a derived item has the time of the job's end, not of the step's
            starts[item.key] = step_start
        elif (
            item.event_type in JOB_ENDS
            and job.get("type") == "LAUNCH"
            and (created := _time(job.get("creationDateTime")))
        ):
            starts[item.key] = created
    return {key: (time_of_key(key) - parse_time("time", start)).total_seconds() for key, start in starts.items()}


def to_detail(
    item: JobLogItem, job: JobTypeDef, names: Mapping[str, str], seconds: Mapping[str, float], execution_id_tag: str
) -> dict[str, Any]:
    """Return the detail of the item's "DRS Job Log" event. Unknown values are absent.

    ``names`` maps server IDs to names. ``seconds`` maps item keys to durations (see ``durations``).
    """
    initiated_by = job.get("initiatedBy")
    name = names.get(item.server or "")
    arn = job.get("arn", "").split(":")  # arn:PARTITION:drs:REGION:ACCOUNT:job/ID
    region, account = arn[3:5] if len(arn) > 4 else (None, None)
    values = {
        **{_DETAIL_KEYS.get(key, key): value for key, value in item.data.items()},
        "jobID": job["jobID"],
        "jobType": job.get("type"),
        "initiatedBy": initiated_by,
        "account": account,
        "region": region,
        "eventType": item.event_type,
        "eventId": item.event_id,
        "logDateTime": item.time,
        "executionId": job.get("tags", {}).get(execution_id_tag) or None,
        "isDrill": initiated_by == "START_DRILL" if initiated_by and job.get("type") == "LAUNCH" else None,
        "sourceServerName": name,
        "durationSeconds": seconds.get(item.key),
        "sourceServerIDs": server_ids(job) if item.event_type == "JOB_STARTED" else None,
        "message": item.data.get("message") or event_message(item.event_type, item.data, job, name or item.server),
    }
    return {key: value for key, value in values.items() if value is not None}


def unfinished_servers(job: JobTypeDef) -> dict[str, str | None]:
    """Return the servers of a running job without a final ``launchStatus``, with the time of the job's creation."""
    if job.get("status") == "COMPLETED":
        return {}
    created = _time(job.get("creationDateTime"))
    return {
        server["sourceServerID"]: created
        for server in _servers(job)
        if server.get("launchStatus") not in {"LAUNCHED", "FAILED", "TERMINATED"}
    }


def servers_by_state(job: JobTypeDef, log: JobLog) -> Counter[str]:
    """Return the number of servers of a LAUNCH job by state, with the keys of the API's summary."""
    if job.get("type") != "LAUNCH":
        return Counter()
    states = dict.fromkeys(server_ids(job), "PENDING")
    for item in log.items:
        if item.server and (state := STATE_AFTER_EVENT.get(item.event_type)):
            states[item.server] = state
        elif item.event_type == "JOB_TERMINATED":  # active servers do not continue
            states = {server: "TERMINATED" if state in ACTIVE_STATES else state for server, state in states.items()}
    return Counter(SUMMARY_KEYS[state] for state in states.values())


def server_ids(job: JobTypeDef) -> list[str]:
    """Return the IDs of the job's servers."""
    return [server["sourceServerID"] for server in _servers(job)]


def ended_before(job: JobTypeDef, time: datetime) -> bool:
    """Whether the job ended before a time."""
    ended = _time(job.get("endDateTime") or job.get("creationDateTime"))
    return job.get("status") == "COMPLETED" and ended is not None and ended < format_time(time)


def _servers(job: JobTypeDef) -> Iterator[ParticipatingServerTypeDef]:
    return (server for server in job.get("participatingServers", []) if server.get("sourceServerID"))


def _time(text: str | None) -> str | None:
    """Convert a time of the DRS API to the format of ``format_time``. None if it is missing or invalid."""
    try:
        return format_time(parse_time("time", text))
    except InvalidEventError:
        return None


def _to_item(job: JobTypeDef, log_item: JobLogTypeDef) -> JobLogItem:
    """Convert a log item. If it has no time, which the API allows, use the time of the job's creation."""
    time = _time(log_item.get("logDateTime")) or format_time(
        parse_time("creationDateTime", job.get("creationDateTime"))
    )
    return _item(job, time, log_item.get("event") or "UNKNOWN", log_item.get("eventData", {}))


def _item(job: JobTypeDef, time: str, event: str, data: Mapping[str, Any], *, is_derived: bool = False) -> JobLogItem:
    """Return an item whose ID is a digest of its identity."""
    identity = _encode_identity([job["jobID"], time, event, [data.get(key) for key in _IDENTITY_KEYS], is_derived])
    event_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return JobLogItem(time, event_id, EVENT_TYPES.get(event, event), data)


def _unlogged_outcomes(job: JobTypeDef, items: Sequence[JobLogItem], end_time: str) -> list[JobLogItem]:
    """Return a derived item for each server whose final ``launchStatus`` (LAUNCHED or FAILED) is not in the log."""
    if job.get("type") != "LAUNCH":
        return []
    in_order = sorted(items, key=attrgetter("time"))
    newest_step = {item.server: item.event_type for item in in_order if item.event_type in _STEPS}
    launched = {item.server for item in items if item.event_type == "SERVER_LAUNCHED"}
    outcomes = []
    for server in _servers(job):
        server_id, status = server["sourceServerID"], server.get("launchStatus")
        if status == "LAUNCHED" and server_id not in launched:
            event = "LAUNCH_END"
        elif status == "FAILED" and newest_step.get(server_id) not in SERVER_FAILURES:
            event = "LAUNCH_FAILED"
        else:
            continue
        outcome = _item(job, end_time, event, {"sourceServerID": server_id}, is_derived=True)
        # Not part of the identity, since DRS may set them later.
        mutable = {"state": status, "targetInstanceID": server.get("recoveryInstanceID")}
        outcomes.append(replace(outcome, data={**outcome.data, **mutable}))
    return outcomes


def _with_outcome(end: JobLogItem, job: JobTypeDef, items: Collection[JobLogItem]) -> JobLogItem:
    """Return JOB_END with the outcome of the job, derived from the number of servers that succeeded."""
    goal = GOALS.get(job.get("type", ""))
    launched = {item.server for item in items if item.event_type == "SERVER_LAUNCHED"}
    failed = {item.server for item in items if item.event_type in SERVER_FAILURES} - launched
    servers = job.get("participatingServers", [])

    def has_succeeded(server: ParticipatingServerTypeDef) -> bool:
        server_id, status = server.get("sourceServerID"), server.get("launchStatus")
        if goal == "LAUNCHED" and server_id in launched:  # another job may have terminated it since
            return status != "FAILED"
        if goal and status:
            return status == goal
        return goal != "LAUNCHED" and status != "FAILED" and server_id not in failed

    # Servers that only the log names count too, unless DRS lists a server without its ID.
    if all(server.get("sourceServerID") for server in servers):
        logged = {item.server for item in items if item.server}
        servers = servers + [{"sourceServerID": server_id} for server_id in sorted(logged - set(server_ids(job)))]
    count = sum(map(has_succeeded, servers))
    outcome = "SUCCEEDED" if count == len(servers) else "PARTIAL" if count else "FAILED"
    reached_goal = "done" if goal is None else goal.lower()
    kept_keys = ("sourceServerID", "launchStatus", "recoveryInstanceID")
    data = {
        **end.data,
        "outcome": outcome,
        "participatingServers": [{key: server[key] for key in kept_keys if key in server} for server in servers],  # type: ignore[literal-required]
        "message": f"{job_label(job)} ended: {count} of {format_server_count(len(servers))} {reached_goal}",
    }
    return replace(end, event_type="JOB_FAILED" if outcome == "FAILED" else "JOB_COMPLETED", data=data)
