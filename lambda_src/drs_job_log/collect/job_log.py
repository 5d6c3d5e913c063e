"""Converts a DRS job and its log to items, and each item to the detail of a "DRS Job Log" event.

Pure functions of what the DRS API returns and of what the events table contains.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.collect.event_messages import end_message, event_message
from drs_job_log.model.events import (
    EVENT_TYPES,
    JOB_ENDS,
    InvalidEventError,
    event_key,
    format_time,
    is_drill,
    is_job_end,
    parse_time,
    revision_of,
    stored_end_type,
    time_of_key,
)
from drs_job_log.model.json_text import to_json
from drs_job_log.model.progress import MAX_RTO_MINUTES, OUTCOMES, JobState, job_state_of
from drs_job_log.model.steps import FINAL_SERVER_EVENTS, STEP_EVENTS, step_seconds
from drs_job_log.model.summary import SUMMARY_EVENTS, summary_entry
from drs_job_log.model.truncate import truncate_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_drs.type_defs import JobLogTypeDef, JobTypeDef, ParticipatingServerTypeDef

    from drs_job_log.collect.plans import PlanLink
    from drs_job_log.model.progress import Participant

# Stored types of the log items that are about the whole job.
_JOB_ITEMS: Final = frozenset({"JOB_STARTED", "JOB_TERMINATED", "JOB_END"})

# DRS logs JOB_END about 26 ms after endDateTime. If one of them is missing, the other one is enough after this time.
_END_GRACE: Final = timedelta(minutes=10)

# This long after the end of a job, a launchStatus that is not final does not change any more.
_STATUS_GRACE: Final = timedelta(seconds=30)

# Ages of an ended job at which its log is read again, since DRS can add items late.
LATE_READS: Final = (_STATUS_GRACE, _END_GRACE)

# EventBridge accepts 256 KB. Above this size, the end of a job has only _KEPT_KEYS of its servers, with short texts.
_MAX_SERVERS_BYTES: Final = 160 * 1024
_SHORT_TEXT_BYTES: Final = 200
_KEPT_KEYS: Final = (
    *("sourceServerID", "launchStatus", "recoveryInstanceID", "ec2InstanceID"),
    *("state", "startedAt", "endedAt", "stepSeconds", "error"),
)

# The tag of a job with its recovery time objective in minutes.
RTO_TAG: Final = "RtoMinutes"

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
_NETWORK_KEYS: Final = ("sourceNetworkID", "sourceVpc", "targetVpc", "stackName")

# Created once, since each pass encodes each item of each log.
_encode_identity: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class JobLogItem:
    """One item of a job's log, or an item that the module derives.

    Attributes
    ----------
    timestamp, time
        When it happened. ``time`` has the format of ``format_time``.
    event_type
        The stored event type.
    detail
        ``eventData`` with the keys of the DRS API, and facts about the job at its start and end.
    key
        The ``EventKey`` of its event.
    """

    timestamp: datetime
    time: str
    event_id: str
    event_type: str
    detail: Mapping[str, Any]
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", event_key(self.time, self.event_id))

    @property
    def source(self) -> str:
        """Empty: the source is that of the collector."""
        return ""

    @property
    def is_from_collector(self) -> bool:
        """True."""
        return True

    @property
    def is_foreign(self) -> bool:
        """False."""
        return False

    @property
    def source_server_id(self) -> str | None:
        """The ID of its server."""
        return self.detail.get("sourceServerID")

    @property
    def source_server_name(self) -> None:
        """The name of its server, which the log does not contain."""
        return None

    @property
    def resource_id(self) -> str | None:
        """The ID of its resource: the source network of a network recovery."""
        return self.detail.get("resourceID")

    @property
    def ec2_instance_id(self) -> str | None:
        """The ID of the launched instance."""
        return self.detail.get("targetInstanceID")

    @property
    def error(self) -> str | None:
        """The error text of DRS."""
        return self.detail.get("rawError")


@dataclass(frozen=True, slots=True)
class JobLog:
    """The items of a job, oldest first, without repetition, and the state of the job.

    ``is_complete``: the job has ended, and DRS confirmed it. Only a late item can follow. ``log_items``: the items
    without the derived ones, in the order of DRS.
    """

    items: Sequence[JobLogItem]
    is_complete: bool
    state: JobState
    log_items: Sequence[JobLogItem]


def read_log(job: JobTypeDef, log_items: Sequence[JobLogItem], now: datetime) -> JobLog:
    """Return the items of a job: the items of its log and, after its end, derived items for unlogged outcomes.

    ``log_items`` is the whole log (see ``to_item``), read after ``job``. The result is deterministic. While the job
    runs, it contains fewer items. The result contains the end of the job only after DRS confirmed it twice: with the
    item JOB_END, which is the last item, and with the status COMPLETED, which makes each ``launchStatus`` final. After
    ``_END_GRACE``, one confirmation is enough.
    """
    items = {item.key: _with_listed(item, job) for item in log_items}
    ends = [item for item in items.values() if item.event_type == "JOB_END"]
    logged_end = min((end.timestamp for end in ends), default=None)
    job_end = end_time_of(job)
    is_completed = job.get("status") == "COMPLETED"
    # A COMPLETED job can have neither JOB_END nor endDateTime. Its newest item is then the best known end.
    newest = max((item.timestamp for item in items.values()), default=_time(job.get("creationDateTime")))
    stated_ends = [time for time in (job_end, logged_end) if time]
    known_ends = stated_ends or ([newest] if newest and is_completed else [])
    is_grace_over = any(now - time >= _END_GRACE for time in known_ends)
    is_complete = is_completed and (is_grace_over or (logged_end is not None and job_end is not None))
    end_time = next(iter(known_ends), None)

    for end in ends:
        del items[end.key]
    if is_complete and end_time:
        items |= {item.key: item for item in _unlogged_outcomes(job, items.values(), end_time, now)}
        ends = ends or [_item(job, end_time, "JOB_END", {}, is_derived=True)]
    elif not is_grace_over:
        ends = []
    if is_completed:
        ends = [replace(end, detail={**end.detail, **_participants(job)}) for end in ends]
    state = _state(job, [*items.values(), *(replace(end, event_type="JOB_COMPLETED") for end in ends)], now)
    for end in ends:
        final = _with_outcome(end, job, state) if is_completed else replace(end, event_type="JOB_COMPLETED")
        items[final.key] = final
    return JobLog(sorted(items.values(), key=attrgetter("time")), is_complete, state, log_items)


def extend_log(log: JobLog, log_items: Sequence[JobLogItem]) -> JobLog | None:
    """Return the log of a running job with the items that were added to ``log.log_items``. ``log`` becomes invalid.

    The state is derived from the added items only. DRS must list the same servers and resources as before. Return None,
    and change nothing, if all items are necessary: if an added item is not newer than those before, occurs twice, or is
    about the job.
    """
    known = len(log.log_items)
    added = sorted(log_items[known:], key=attrgetter("time"))
    newest = log.items[-1].time if log.items else ""
    if (
        log.is_complete
        or log.state.cancelled_at
        or log_items[:known] != log.log_items
        or len({item.key for item in added}) < len(added)
        or any(item.time <= newest or item.event_type in _JOB_ITEMS for item in added)
    ):
        return None
    log.state.extend(added)
    return JobLog([*log.items, *added], False, log.state, log_items)


def stalled_items(job: JobTypeDef, log: JobLog, stalled_after: timedelta, now: datetime) -> list[JobLogItem]:
    """Return a derived item for each server or resource that stalled: it has no new item for ``stalled_after``.

    The item has the time at which it stalled, so that every instance of the function derives the same item.
    """
    all_stalled = log.state.stalled(stalled_after, now)
    if not all_stalled or job.get("status") == "COMPLETED":
        return []
    final = {
        server["sourceServerID"]
        for server in _servers(job)
        if server.get("launchStatus") in {"LAUNCHED", "FAILED", "TERMINATED"}
    }
    return [
        _item(
            job,
            stalled.active_at + stalled_after,
            "SERVER_STALLED",
            {"sourceServerID" if stalled.id in log.state.servers else "resourceID": stalled.id},
            is_derived=True,
            identity=[stalled.id],
        )
        for stalled in all_stalled
        if stalled.id not in final
    ]


def linked_items(job: JobTypeDef, log: JobLog, link: PlanLink | None) -> list[JobLogItem]:
    """Return a derived item that states which step of a recovery plan started the job.

    With its event, the linker links the events of the job that were sent before the link was known.
    """
    start = next((item for item in log.items if item.event_type == "JOB_STARTED"), None)
    if start is None or link is None:
        return []
    return [_item(job, start.timestamp, "JOB_LINKED", {"stepIndex": link.step_index}, is_derived=True)]


def corrections(job: JobTypeDef, log: JobLog, published: Mapping[str, Mapping[str, Any]]) -> list[JobLogItem]:
    """Return derived items for facts that changed after the collector published them.

    SERVERS_ADDED: DRS named servers or resources of the job after its start. JOB_END with a ``revision``: a
    ``launchStatus`` or an item changed the outcome or the state of a server after the job's end.

    ``published`` maps the keys of published events to their details, at least those of the job's start and end.
    """
    return [*_added_participants(job, log, published), *_corrected_end(job, log, published)]


def published_ends(published: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the published ends of a job by key, in order. Of two with the same revision, the last one applies."""
    return {
        key: detail
        for key, detail in sorted(published.items())
        if is_job_end(detail.get("eventType", ""), detail) and detail["eventType"] != "JOB_DELETED"
    }


def deletion(job: JobTypeDef, keys: Collection[str]) -> JobLogItem:
    """Return the derived item of a job that was deleted while it ran. ``keys``: the keys of its stored events.

    Nobody knows when the job was deleted. The item has the time of the job's last stored event, so that every instance
    of the function derives the same item.
    """
    time = time_of_key(max(keys)) if keys else parse_time("creationDateTime", job.get("creationDateTime"))
    return _item(job, time, "JOB_DELETED", {}, is_derived=True)


def timings(job: JobTypeDef, log: JobLog, ends: Collection[JobLogItem]) -> dict[str, dict[str, Any]]:
    """Return the keys of the details of items that depend on earlier items, by the key of the item.

    ``durationSeconds``: at the end of a step, and of a LAUNCH job. ``stepSeconds``: at the final event of a server
    (``FINAL_SERVER_EVENTS``). ``createdAt``: if DRS does not state the creation of the job, the time of its first item.
    They depend on no later item, so that each instance sends the same event.
    ``ends`` are the items that are requested.
    """
    details: dict[str, dict[str, Any]] = {}
    times: dict[str, dict[str, datetime]] = {}
    requested = {item.key for item in ends}
    servers = {item.source_server_id for item in ends}
    for item in log.items if ends else ():
        if (server := item.source_server_id) not in servers:
            continue
        of_server = times.setdefault(server or "", {})
        is_logged = "state" not in item.detail  # a derived item has the time of the job's end, not of the step's
        if is_logged and item.event_type in STEP_EVENTS:
            of_server[item.event_type] = item.timestamp
        if item.key not in requested:
            continue
        detail: dict[str, Any] = {}
        start = of_server.get(_STEP_STARTS.get(item.event_type, ""))
        if start and is_logged:
            detail["durationSeconds"] = (item.timestamp - start).total_seconds()
        elif (
            item.event_type in JOB_ENDS
            and job.get("type") == "LAUNCH"
            and (created := _time(job.get("creationDateTime")))
        ):
            detail["durationSeconds"] = (item.timestamp - created).total_seconds()
        if server and item.event_type in FINAL_SERVER_EVENTS:
            detail["stepSeconds"] = step_seconds(of_server) or None
        details[item.key] = detail
    if _time(job.get("creationDateTime")) is None:
        for item in ends:
            if item.event_type in SUMMARY_EVENTS:
                details.setdefault(item.key, {})["createdAt"] = format_time(log.state.started_at)
    return details


def to_detail(
    item: JobLogItem,
    job: JobTypeDef,
    names: Mapping[str, str],
    timing: Mapping[str, Mapping[str, Any]],
    execution_id_tag: str,
    *,
    launches: Sequence[JobTypeDef] = (),
    links: Mapping[str, PlanLink] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the detail of the item's "DRS Job Log" event. Unknown values are absent.

    ``names`` maps server IDs to names. ``timing``: see ``timings``. ``launches`` are the jobs that launched what a
    TERMINATE job terminates. TerminateRecoveryInstances takes no tags, so the job has the execution of these jobs.
    ``links``: the jobs that recovery plans started, by ID.
    """
    initiated_by = job.get("initiatedBy")

    def execution_id(one: JobTypeDef) -> str | None:
        link = links.get(one["jobID"])
        return execution_of(one, execution_id_tag) or (link.execution_id if link else None)

    inherited = {execution_id(launch) for launch in launches}
    own = execution_id(job) or (inherited.pop() if len(inherited) == 1 else None)
    link = links.get(job["jobID"])
    server = item.source_server_id
    name = names.get(server or "")
    arn = job.get("arn", "").split(":")  # arn:PARTITION:drs:REGION:ACCOUNT:job/ID
    region, account = arn[3:5] if len(arn) > 4 else (None, None)
    values = {
        **{_DETAIL_KEYS.get(key, key): value for key, value in item.detail.items()},
        "jobID": job["jobID"],
        "jobType": job.get("type"),
        "initiatedBy": initiated_by,
        "account": account,
        "region": region,
        "eventType": item.event_type,
        "eventId": item.event_id,
        "logDateTime": item.time,
        "executionId": own,
        "recoveryPlanStep": link.step_index if link and link.execution_id == own else None,
        "isDrill": is_drill(job.get("type"), initiated_by),
        "launchJobIDs": sorted(launch["jobID"] for launch in launches) or None,
        "sourceServerName": name,
        **_summary_keys(item, job),
        **timing.get(item.key, {}),
        "message": item.detail.get("message") or event_message(item, initiated_by, name or server),
    }
    if "participatingServers" in values:  # the end of a job names the servers whose names became known late
        values["participatingServers"] = [
            server | ({"sourceServerName": names[id_]} if (id_ := server.get("sourceServerID", "")) in names else {})
            for server in values["participatingServers"]
        ]
    return {key: value for key, value in values.items() if value is not None}


def _summary_keys(item: JobLogItem, job: JobTypeDef) -> dict[str, Any]:
    """Return what the events about the whole job state for its summary."""
    if item.event_type not in SUMMARY_EVENTS:
        return {}
    created = _time(job.get("creationDateTime"))
    return {"createdAt": format_time(created) if created else None, "rtoMinutes": rto_minutes_of(job)}


def rto_minutes_of(job: JobTypeDef) -> int | None:
    """Return the recovery time objective in the job's tag ``RtoMinutes``. None without the tag, or if it is invalid."""
    text = job.get("tags", {}).get(RTO_TAG, "")
    return int(text) if re.fullmatch("[0-9]{1,5}", text) and 1 <= int(text) <= MAX_RTO_MINUTES else None


def has_invalid_rto(job: JobTypeDef) -> bool:
    """Whether the job has a tag ``RtoMinutes`` that is not a whole number from 1 to ``MAX_RTO_MINUTES``."""
    return RTO_TAG in job.get("tags", {}) and rto_minutes_of(job) is None


def execution_of(job: JobTypeDef, execution_id_tag: str) -> str | None:
    """Return the execution ID in the job's tag, or None."""
    return job.get("tags", {}).get(execution_id_tag) or None


def server_ids(job: JobTypeDef) -> list[str]:
    """Return the IDs of the servers that DRS lists in the job."""
    return [server["sourceServerID"] for server in _servers(job)]


def resource_ids(job: JobTypeDef) -> list[str]:
    """Return the IDs of the resources that DRS lists in the job."""
    return [resource["resourceID"] for resource in _resources(job) if resource["resourceID"]]


def named_servers(job: JobTypeDef, items: Iterable[JobLogItem]) -> set[str]:
    """Return the IDs of the servers of the job and of those that only its log names."""
    return {*server_ids(job), *(item.source_server_id for item in items if item.source_server_id)}


def ended_before(job: JobTypeDef, time: datetime) -> bool:
    """Whether the job ended before a time."""
    ended = _time(job.get("endDateTime") or job.get("creationDateTime"))
    return job.get("status") == "COMPLETED" and ended is not None and ended < time


def creation_time_of(job: JobTypeDef) -> datetime | None:
    """Return the time at which the job was created, or None if DRS does not state it."""
    return _time(job.get("creationDateTime"))


def end_time_of(job: JobTypeDef) -> datetime | None:
    """Return the time at which the job ended, or None if DRS does not state it."""
    return _time(job.get("endDateTime"))


def _servers(job: JobTypeDef) -> Iterator[ParticipatingServerTypeDef]:
    return (server for server in job.get("participatingServers", []) if server.get("sourceServerID"))


def _resources(job: JobTypeDef) -> list[dict[str, Any]]:
    """Return the resources of the job. The ID of a resource is the only member of a union."""
    return [
        {**resource, "resourceID": next(iter(resource.get("participatingResourceID", {}).values()), None)}
        for resource in job.get("participatingResources", [])
    ]


def _time(text: str | None) -> datetime | None:
    """Parse a time of the DRS API. None if it is missing or invalid."""
    try:
        return parse_time("time", text)
    except InvalidEventError:
        return None


def _state(job: JobTypeDef, items: Sequence[JobLogItem], now: datetime) -> JobState:
    created = _time(job.get("creationDateTime"))
    time = created or min((item.timestamp for item in items), default=now)
    # Before its first item, the job has the servers that DRS lists.
    has_start = any(item.event_type == "JOB_STARTED" for item in items)
    listed = [] if has_start else [_with_listed(_item(job, time, "JOB_START", {}), job)]
    return job_state_of(job["jobID"], [*listed, *items], job_type=job.get("type"), started_at=time)


def to_item(job: JobTypeDef, log_item: JobLogTypeDef) -> JobLogItem:
    """Convert a log item. If it has no time, which the API allows, it has the time of the job's creation.

    Of the job, the result depends only on its ID and its creation, so that it can be kept while the job runs.

    Raises
    ------
    drs_job_log.model.events.InvalidEventError
        If neither the item nor the job has a time.
    """
    time = _time(log_item.get("logDateTime")) or parse_time("creationDateTime", job.get("creationDateTime"))
    data: Mapping[str, Any] = log_item.get("eventData", {})
    extras: list[Any] = []
    if network := data.get("eventResourceData", {}).get("sourceNetworkData"):
        extras += [network.get(key) for key in _NETWORK_KEYS]
        data = {**data, "resourceID": network.get("sourceNetworkID")}
    if "attemptCount" in data:
        extras.append(data["attemptCount"])
    return _item(job, time, log_item.get("event") or "UNKNOWN", data, identity=extras)


def _item(
    job: JobTypeDef,
    timestamp: datetime,
    event: str,
    data: Mapping[str, Any],
    *,
    is_derived: bool = False,
    identity: Sequence[Any] = (),
) -> JobLogItem:
    """Return an item whose ID is a digest of its identity. ``identity``: values in addition to those of ``data``."""
    time = format_time(timestamp)
    parts = [job["jobID"], time, event, [data.get(key) for key in _IDENTITY_KEYS], is_derived, *identity]
    event_id = hashlib.sha256(_encode_identity(parts).encode()).hexdigest()[:32]
    return JobLogItem(timestamp, time, event_id, EVENT_TYPES.get(event, event), data)


def _with_listed(item: JobLogItem, job: JobTypeDef) -> JobLogItem:
    """Return the start of the job with the servers and resources that DRS lists now. Other items are unchanged."""
    if item.event_type != "JOB_STARTED":
        return item
    resources = resource_ids(job)
    listed = {"sourceServerIDs": server_ids(job)} | ({"resourceIDs": resources} if resources else {})
    return replace(item, detail={**item.detail, **listed})


def _unlogged_outcomes(
    job: JobTypeDef, items: Collection[JobLogItem], end_time: datetime, now: datetime
) -> list[JobLogItem]:
    """Return a derived item for each outcome of a server or resource that is not in the log."""
    if job.get("type") != "LAUNCH":
        return []
    state = _state(job, list(items), now)
    is_status_final = now - end_time >= _STATUS_GRACE

    def has_failed(participants: Mapping[str, Participant], id_: str, status: str | None) -> bool:
        known = participants.get(id_)
        if status == "FAILED":
            return known is None or known.state != "FAILED"
        is_under_way = known is None or known.is_active
        return is_under_way and is_status_final and status not in {"LAUNCHED", "TERMINATED"}

    derived = []
    for server in _servers(job):
        server_id, status = server["sourceServerID"], server.get("launchStatus")
        is_launched = server_id in state.servers and state.servers[server_id].state == "LAUNCHED"
        event = "LAUNCH_END" if status == "LAUNCHED" and not is_launched else None
        if has_failed(state.servers, server_id, status):
            event = "LAUNCH_FAILED"
        if event:
            outcome = _item(job, end_time, event, {"sourceServerID": server_id}, is_derived=True)
            # Not part of the identity, since DRS may set them later.
            mutable = {"state": status or "PENDING", "targetInstanceID": server.get("recoveryInstanceID")}
            derived.append(replace(outcome, detail={**outcome.detail, **mutable}))
        derived += _failed_actions(job, server, end_time)
    for resource in _resources(job):
        resource_id, status = resource["resourceID"], resource.get("launchStatus")
        known = state.resources.get(resource_id or "")
        event = (
            "DEPLOY_NETWORK_CONFIGURATION_END" if status == "LAUNCHED" and known and known.state == "FAILED" else None
        )
        if resource_id and has_failed(state.resources, resource_id, status):
            event = "NETWORK_RECOVERY_FAIL"
        if event:
            data = {"resourceID": resource_id, "state": status or "PENDING"}
            derived.append(_item(job, end_time, event, data, is_derived=True, identity=[resource_id]))
    return derived


def _failed_actions(job: JobTypeDef, server: ParticipatingServerTypeDef, end_time: datetime) -> Iterator[JobLogItem]:
    """Yield an item for each post-launch action of a server that failed."""
    runs = server.get("launchActionsStatus", {}).get("runs", [])
    for place, run in enumerate(runs):
        if run.get("status") != "FAILED":
            continue
        action = run.get("action", {})
        data = {
            "sourceServerID": server["sourceServerID"],
            "actionName": action.get("name") or action.get("actionCode"),
            "actionID": action.get("actionId"),
            "runID": run.get("runId"),
            "rawError": run.get("failureReason"),
        }
        identity = [run.get("runId") or place]
        identified = {"sourceServerID": server["sourceServerID"]}
        item = _item(job, end_time, "LAUNCH_ACTION_FAILED", identified, is_derived=True, identity=identity)
        yield replace(item, detail=data)


def _participants(job: JobTypeDef) -> dict[str, Any]:
    """Return the servers and resources of the job as DRS lists them."""
    resources = _resources(job)
    return {"participatingServers": list(job.get("participatingServers", []))} | (
        {"participatingResources": resources} if resources else {}
    )


def _with_outcome(end: JobLogItem, job: JobTypeDef, state: JobState) -> JobLogItem:
    """Return JOB_END with the outcome of the job and with the state of each server and resource."""
    outcome = OUTCOMES[state.outcome or "COMPLETED"]
    listed = set(server_ids(job))
    servers: list[dict[str, Any]] = [
        *(
            {**server, **_server_entry(state.servers, server.get("sourceServerID"))}
            for server in job.get("participatingServers", [])
        ),
        # Servers that only the log names.
        *(
            {"sourceServerID": one.id, **summary_entry(one)}
            for one in state.counted
            if one.id in state.servers and one.id not in listed
        ),
    ]
    if len(to_json(servers)) > _MAX_SERVERS_BYTES:
        servers = [
            truncate_texts({key: server[key] for key in _KEPT_KEYS if key in server}, _SHORT_TEXT_BYTES)
            for server in servers
        ]
    resources = [{**resource, **_state_entry(state.resources, resource["resourceID"])} for resource in _resources(job)]
    detail = {
        **end.detail,
        "outcome": outcome,
        "participatingServers": servers,
        **({"participatingResources": resources} if resources else {}),
        "message": end_message(job.get("initiatedBy"), state),
    }
    return replace(end, event_type=stored_end_type(outcome), detail=detail)


def _server_entry(servers: Mapping[str, Participant], id_: str | None) -> dict[str, Any]:
    server = servers.get(id_ or "")
    return summary_entry(server) if server else {}


def _state_entry(participants: Mapping[str, Participant], id_: str | None) -> dict[str, str]:
    participant = participants.get(id_ or "")
    return {"state": participant.state} if participant else {}


def _added_participants(
    job: JobTypeDef, log: JobLog, published: Mapping[str, Mapping[str, Any]]
) -> Iterator[JobLogItem]:
    """Yield SERVERS_ADDED if the published start of a running job does not list all of its servers and resources."""
    start = next((item for item in log.items if item.event_type == "JOB_STARTED"), None)
    if start is None or start.key not in published or log.is_complete:
        return
    added = {}
    for name in ("sourceServerIDs", "resourceIDs"):
        listed = {id_ for detail in published.values() for id_ in detail.get(name, [])}
        if missing := sorted(set(start.detail.get(name, [])) - listed):
            added[name] = missing
    if added:
        yield _item(job, start.timestamp, "SERVERS_ADDED", added, is_derived=True, identity=[added])


def _corrected_end(job: JobTypeDef, log: JobLog, published: Mapping[str, Mapping[str, Any]]) -> Iterator[JobLogItem]:
    """Yield a corrected end if the newest published end of the job has another outcome or another state of a server."""
    if not log.is_complete:
        return
    end = next((item for item in log.items if is_job_end(item.event_type, item.detail)), None)
    if end is None or end.key not in published:
        return
    ends = {revision_of(detail): detail for detail in published_ends(published).values()}
    revision = max(ends, default=0)
    newest = ends.get(revision, {})
    log.state.keep_terminated(_published_states(newest))
    end = _with_outcome(end, job, log.state)
    states = {one.id: one.state for one in log.state.counted}
    if newest.get("outcome") == end.detail["outcome"] and all(
        states.get(id_, state) == state for id_, state in _published_states(newest)
    ):
        return
    detail = {**end.detail, "revision": revision + 1, "message": f"Corrected: {end.detail['message']}"}
    identity = ["revision", revision + 1, end.detail["outcome"], states]
    item = _item(job, end.timestamp, "JOB_END", {}, is_derived=True, identity=identity)
    yield replace(item, event_type=end.event_type, detail=detail)


def _published_states(detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the ID and state of each server and resource in a published end. Ends of older versions have no states."""
    for name, id_name in (("participatingServers", "sourceServerID"), ("participatingResources", "resourceID")):
        for participant in detail.get(name, []):
            status = participant.get("launchStatus")
            state = participant.get("state") or (status if status in {"LAUNCHED", "FAILED"} else None)
            if participant.get(id_name) and state:
                yield participant[id_name], state
