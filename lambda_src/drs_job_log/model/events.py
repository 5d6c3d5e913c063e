"""The event: one typed entry of a DRS job log, with its vocabulary, identity and time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.identity import one_line, requester, short_identity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

# DRS event name → stored event type. A name that is not listed is stored unchanged. LAUNCH_END occurs in real logs,
# although no AWS enum lists it. https://docs.aws.amazon.com/drs/latest/APIReference/API_JobLog.html
EVENT_TYPES: Final[Mapping[str, str]] = {
    "JOB_START": "JOB_STARTED",
    "JOB_CANCEL": "JOB_TERMINATED",
    "SNAPSHOT_START": "SNAPSHOT_STARTED",
    "SNAPSHOT_END": "SNAPSHOT_COMPLETED",
    "SNAPSHOT_FAIL": "SNAPSHOT_FAILED",
    "CONVERSION_START": "CONVERSION_STARTED",
    "CONVERSION_END": "CONVERSION_COMPLETED",
    "CONVERSION_FAIL": "CONVERSION_FAILED",
    "LAUNCH_START": "SERVER_LAUNCHING",
    "LAUNCH_END": "SERVER_LAUNCHED",
    "LAUNCH_FAILED": "SERVER_LAUNCH_FAILED",
}

# Event types that end a job. The end of a cancelled job is JOB_TERMINATED with an outcome: see ``is_job_end``.
JOB_ENDS: Final = frozenset({"JOB_COMPLETED", "JOB_FAILED", "JOB_DELETED"})

# Event types that end or cancel a job.
ENDINGS: Final = JOB_ENDS | {"JOB_TERMINATED"}

# Outcome in the detail of JOB_END → stored event type. Other outcomes, and none, give JOB_COMPLETED.
_END_TYPES: Final[Mapping[str, str]] = {"FAILED": "JOB_FAILED", "TERMINATED": "JOB_TERMINATED"}

# Event types that report a failed server.
SERVER_FAILURES: Final = frozenset(
    {"SNAPSHOT_FAILED", "USING_PREVIOUS_SNAPSHOT_FAILED", "CONVERSION_FAILED", "SERVER_LAUNCH_FAILED"}
)

# Event types that report a failed resource of a network recovery.
RESOURCE_FAILURES: Final = frozenset(
    {"DEPLOY_NETWORK_CONFIGURATION_FAILED", "UPDATE_NETWORK_CONFIGURATION_FAILED", "NETWORK_RECOVERY_FAIL"}
)

FAILURES: Final = SERVER_FAILURES | RESOURCE_FAILURES

# initiatedBy → name of the job in a sentence. https://docs.aws.amazon.com/drs/latest/APIReference/API_Job.html
_JOB_LABELS: Final[Mapping[object, str]] = {
    "START_DRILL": "Drill",
    "START_RECOVERY": "Recovery",
    "FAILBACK": "Failback",
    "TERMINATE_RECOVERY_INSTANCES": "Termination",
    "CREATE_NETWORK_RECOVERY": "Network recovery",
    "UPDATE_NETWORK_RECOVERY": "Network update",
    "ASSOCIATE_NETWORK_RECOVERY": "Network association",
}

# https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-drs.html
_LAUNCH_RESULT_TYPES: Final[Mapping[str, str]] = {
    "RECOVERY_LAUNCH_SUCCEEDED": "SERVER_LAUNCHED",
    "RECOVERY_LAUNCH_FAILED": "SERVER_LAUNCH_FAILED",
}

# datetime.fromisoformat also accepts a date alone or a week date. This pattern requires a date and a time of day.
_ISO_8601: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?", re.ASCII)

# The source of the collector's events if the inputs ``name`` and ``event_source`` have their defaults.
EVENT_SOURCE: Final = "drs.job-log"

# The source of launch results and requests. EventBridge rejects sources that begin with "aws." from all other senders.
AWS_SOURCE: Final = "aws.drs"

# The type of the event that states who requested a job.
JOB_REQUESTED: Final = "JOB_REQUESTED"

# The type of the test events that the collector sends for a smoke test.
SMOKE_TEST: Final = "SMOKE_TEST"

# The type of the event that states which instances of a drill are not terminated some hours after it.
DRILL_INSTANCES_LEFT: Final = "DRILL_INSTANCES_LEFT"

# DynamoDB limits in bytes: partition key 2,048, sort key 1,024.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MAX_PARTITION_KEY_BYTES: Final = 2048
_MAX_SORT_KEY_BYTES: Final = 1024


# The lists of IDs in a detail, and the maximum number of their elements. A DRS job has at most 200 servers.
# https://docs.aws.amazon.com/general/latest/gr/drs.html
_LISTS: Final = ("sourceServerIDs", "resourceIDs", "participatingServers", "participatingResources", "launchJobIDs")
MAX_LIST_LENGTH: Final = 1000

# A longer duration is an error of the sender.
_MAX_SECONDS: Final = 1e9

# Clocks differ, and an event can become older than the retention period while it waits in the queue.
_TIME_TOLERANCE: Final = timedelta(days=1)


class InvalidEventError(ValueError):
    """The event is invalid, so a retry cannot store it. The message names the invalid part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLogEvent:
    """One event of a DRS job.

    Attributes
    ----------
    timestamp
        When it happened: an aware time in UTC.
    source
        The source of the EventBridge envelope.
    is_foreign
        Whether neither the collector nor AWS sent the event.
    detail
        The whole detail of the envelope. ``isDrill`` is a bool.
    resource_id
        The ID of a resource that the job recovers: the source network of a network recovery.
    duration_seconds
        The duration of the step or the job that the event ends.
    """

    job_id: str
    event_id: str
    event_type: str
    timestamp: datetime
    source: str
    detail: Mapping[str, Any]
    execution_id: str | None = None
    source_server_id: str | None = None
    source_server_name: str | None = None
    resource_id: str | None = None
    ec2_instance_id: str | None = None
    message: str | None = None
    error: str | None = None
    duration_seconds: float | None = None
    is_foreign: bool = False

    @property
    def key(self) -> str:
        """The ``EventKey`` of the event."""
        return event_key(format_time(self.timestamp), self.event_id, self.source if self.is_foreign else None)

    @property
    def is_from_collector(self) -> bool:
        """Whether the collector sent the event."""
        return not self.is_foreign and self.source != AWS_SOURCE


def event_key(time: str, event_id: str, foreign_source: str | None = None) -> str:
    """Return the ``EventKey``, which identifies an event in its job and sorts the events of the job by time.

    ``time`` has the format of ``format_time``. The key of a foreign event contains its source. Its sender can therefore
    not take the key of an event of the collector or of AWS before they do. A source contains no "#".
    """
    return f"{time}#{event_id}" + ("" if foreign_source is None else f"#{foreign_source}")


def ledger_key(created_at: str, job_id: str) -> str | None:
    """Return the ``LedgerKey`` of a job, which sorts jobs by their creation. None if it is too long for a key.

    ``created_at`` has the format of ``format_time``.
    """
    key = f"{created_at}#{job_id}"
    return key if len(key.encode(errors="backslashreplace")) <= _MAX_SORT_KEY_BYTES else None


def stored_end_type(outcome: object) -> str:
    """Return the event type of a job's end with this outcome. None: the outcome is not known."""
    return _END_TYPES.get(outcome, "JOB_COMPLETED") if isinstance(outcome, str) else "JOB_COMPLETED"


def is_job_end(event_type: str, detail: Mapping[str, Any]) -> bool:
    """Whether an event ends its job. JOB_TERMINATED without an outcome is the cancellation of a job that still runs."""
    return event_type in JOB_ENDS or (event_type == "JOB_TERMINATED" and "outcome" in detail)


def revision_of(detail: Mapping[str, Any]) -> int:
    """Return the number of the correction in the detail of a corrected end. 0 for the first end of a job."""
    match detail.get("revision"):
        case int() | Decimal() as revision:  # DynamoDB returns a Decimal
            return int(revision)
    return 0


def job_label(initiated_by: object) -> str:
    """Return the name of a job in a sentence, for example "Drill", from its ``initiatedBy``. "Job" if it is unknown."""
    return _JOB_LABELS.get(initiated_by, "Job") if isinstance(initiated_by, str) else "Job"


def is_drill(job_type: object, initiated_by: object) -> bool | None:
    """Return whether a job is a drill, from what DRS states about it. None if it launches nothing or is not known."""
    return initiated_by == "START_DRILL" if initiated_by and job_type == "LAUNCH" else None


def is_request(event_type: str, source: str) -> bool:
    """Whether an event states who requested its job. Only AWS can: EventBridge rejects its source from others."""
    return event_type == JOB_REQUESTED and source == AWS_SOURCE


def requested_by(event: JobLogEvent) -> str | None:
    """Return who requested the job, as ``requester`` does. None if the event does not state it."""
    value = event.detail.get("requestedBy") if is_request(event.event_type, event.source) else None
    return value if isinstance(value, str) else None


def time_of_key(key: str) -> datetime:
    """Return the time in an ``EventKey``."""
    return parse_time("EventKey", key.partition("#")[0])


def parse(body: str, collector_sources: AbstractSet[str] = frozenset({EVENT_SOURCE})) -> JobLogEvent:
    """Parse the JSON text of an EventBridge event.

    Its type is "DRS Job Log", "DRS Source Server Launch Result", or "AWS API Call via CloudTrail" for a job.

    ``collector_sources`` are the sources of the collector's events, now and before.

    Raises
    ------
    InvalidEventError
        If the text is not such an event, if the API call created no job, if an identifier, the event type or the time
        is missing or invalid, or if a list of the detail is too long.
    """
    try:
        # Decimal keeps all digits of a fraction. NaN and Infinity become strings, since DynamoDB has no such numbers.
        envelope = json.loads(body, parse_float=Decimal, parse_constant=str)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidEventError(f"the body is not valid JSON: {error}") from error
    if not isinstance(envelope, dict) or not isinstance(envelope.get("detail"), dict):
        raise InvalidEventError("the body must be an EventBridge event: an object whose detail is an object")

    match envelope.get("detail-type"):
        case "DRS Job Log":
            detail = envelope["detail"]
        case "DRS Source Server Launch Result":
            detail = _launch_result_detail(envelope)
        case "AWS API Call via CloudTrail":
            detail = _request_detail(envelope)
        case other:
            raise InvalidEventError(
                "detail-type must be 'DRS Job Log', 'DRS Source Server Launch Result' or "
                f"'AWS API Call via CloudTrail', not {other!r:.100}"
            )

    for name in _LISTS:
        if isinstance(ids := detail.get(name), list) and len(ids) > MAX_LIST_LENGTH:
            raise InvalidEventError(f"detail.{name} must have at most {MAX_LIST_LENGTH} elements, not {len(ids)}")
    source = _optional_text(envelope.get("source")) or ""
    timestamp = parse_time("detail.logDateTime or time", _first_given(detail.get("logDateTime"), envelope.get("time")))
    is_foreign = source not in {*collector_sources, AWS_SOURCE}
    rest_of_key = event_key(format_time(timestamp), "", source if is_foreign else None)
    event_id = _identifier(
        "detail.eventId or id",
        _first_given(detail.get("eventId"), envelope.get("id")),
        _MAX_SORT_KEY_BYTES - len(rest_of_key.encode(errors="backslashreplace")),
    )
    return JobLogEvent(
        job_id=_identifier("detail.jobID", detail.get("jobID"), _MAX_PARTITION_KEY_BYTES),
        event_id=event_id,
        event_type=_stored_type(detail),
        timestamp=timestamp,
        source=source,
        is_foreign=is_foreign,
        detail=_with_bool_is_drill(detail),
        execution_id=(
            None
            if _first_given(detail.get("executionId")) is None
            else _identifier("detail.executionId", detail["executionId"], _MAX_PARTITION_KEY_BYTES)
        ),
        source_server_id=_optional_text(detail.get("sourceServerID")),
        source_server_name=_optional_text(detail.get("sourceServerName")),
        resource_id=_optional_text(detail.get("resourceID")),
        ec2_instance_id=_optional_text(detail.get("ec2InstanceID")),
        message=_optional_text(detail.get("message")),
        error=_optional_text(detail.get("error")),
        duration_seconds=seconds_of(detail.get("durationSeconds")),
    )


def require_plausible_time(event: JobLogEvent, now: datetime, retention: timedelta) -> None:
    """Check that an event happened within the retention period and not in the future, with a tolerance of a day.

    An event in the future would hide the events after it. DynamoDB never deletes an item that expired years ago.

    Raises
    ------
    InvalidEventError
        If the time of the event is outside these limits.
    """
    earliest, latest = now - retention - _TIME_TOLERANCE, now + _TIME_TOLERANCE
    if not earliest <= event.timestamp <= latest:
        raise InvalidEventError(
            f"detail.logDateTime or time must be between {format_time(earliest)} (retention_days and a day ago) and "
            f"{format_time(latest)} (in a day), not {format_time(event.timestamp)}"
        )


def parse_time(name: str, value: object) -> datetime:
    """Parse an ISO 8601 date and time into an aware time in UTC. A time without an offset is in UTC.

    DRS sends ``2022-12-07T19:15:39.204086+00:00``. Its documentation shows ``…Z``. ``name`` is for the error message.

    Raises
    ------
    InvalidEventError
        If the value is not such a time.
    """
    try:
        if not isinstance(value, str) or not _ISO_8601.fullmatch(value):
            raise ValueError
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidEventError(
            f"{name} must be an ISO 8601 time like 2025-11-28T20:30:15Z, not {value!r:.100}"
        ) from None


def format_time(time: datetime) -> str:
    """Format an aware time in UTC with a fixed width, so that it sorts as text: ``2025-11-28T20:30:15.000000Z``."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def seconds_of(value: object) -> float | None:
    """Return a duration in a detail in seconds. None if it is not a number, negative or longer than 30 years."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    return float(value) if 0 <= value < _MAX_SECONDS else None


def _launch_result_detail(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail of a launch result, with the keys of a "DRS Job Log" detail added.

    The server is in ``resources[0]`` (``arn:…:source-server/s-…``), not in the detail.
    """
    detail = envelope["detail"]
    resources = envelope.get("resources") or [""]
    _, is_server, server_id = str(resources[0]).rpartition(":source-server/")
    state = detail.get("state")
    return {
        **detail,
        "jobID": detail.get("job-id"),
        "eventType": _LAUNCH_RESULT_TYPES.get(str(state), state),
        "sourceServerID": server_id if is_server else None,
        "isDrill": detail.get("is-drill"),
        "account": envelope.get("account"),
        "region": envelope.get("region"),
    }


def _request_detail(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail of the API call that created a job, with the keys of a "DRS Job Log" detail.

    It has nothing else of the call: its parameters and tags are sensitive, and its access key and address not needed.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    """
    call, source = envelope["detail"], envelope.get("source")
    if source != AWS_SOURCE:
        raise InvalidEventError(f"the source of an API call must be {AWS_SOURCE!r}, not {source!r:.100}")
    response = call.get("responseElements")
    job = response.get("job") if isinstance(response, dict) else None
    if not isinstance(job, dict):
        raise InvalidEventError(
            f"detail.responseElements.job must be an object: the call {call.get('eventName')!r:.100} created no job "
            f"(errorCode: {call.get('errorCode')!r:.100})"
        )
    identity = call.get("userIdentity")
    job_type, initiated_by = one_line(job.get("type")), one_line(job.get("initiatedBy"))
    requested = requester(identity)
    by = f" by {short_identity(requested)}" if requested else ""
    values = {
        "jobID": job.get("jobID"),
        "eventType": JOB_REQUESTED,
        "eventId": call.get("eventID"),
        "eventName": one_line(call.get("eventName")),
        "logDateTime": call.get("eventTime"),
        "account": one_line(envelope.get("account")),
        "region": one_line(envelope.get("region")),
        "jobType": job_type,
        "initiatedBy": initiated_by,
        "isDrill": is_drill(job_type, initiated_by),
        "requestedBy": requested,
        "requestedByType": one_line(identity.get("type")) if isinstance(identity, dict) else None,
        "message": f"{job_label(initiated_by)} requested{by}",
    }
    return {name: value for name, value in values.items() if value is not None}


def _stored_type(detail: Mapping[str, Any]) -> str:
    name = detail.get("eventType")
    if not isinstance(name, str) or not name:
        raise InvalidEventError(f"detail.eventType must be a non-empty string, not {name!r:.100}")
    if name == "JOB_END":
        return stored_end_type(detail.get("outcome"))
    return EVENT_TYPES.get(name, name)


def _first_given(*values: object) -> object:
    """Return the first value that is neither None nor an empty string. None if there is none."""
    return next((value for value in values if value is not None and value != ""), None)


def _identifier(name: str, value: object, max_bytes: int) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidEventError(f"{name} must be a non-empty string, not {value!r:.100}")
    if len(value.encode(errors="backslashreplace")) > max_bytes:
        raise InvalidEventError(f"{name} must be at most {max_bytes} bytes long to fit into a key of the table")
    return value


def _optional_text(value: object) -> str | None:
    """Return the string, or None if it is absent or empty. Other values become JSON strings, so that none is lost."""
    given = _first_given(value)
    return given if given is None or isinstance(given, str) else json.dumps(given, default=str, ensure_ascii=False)


def _with_bool_is_drill(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the detail with ``isDrill`` as a bool. DRS sends "TRUE" or "FALSE"."""
    bools = {"true": True, "false": False}
    value = detail.get("isDrill")
    return {**detail, "isDrill": bools.get(value.lower(), value)} if isinstance(value, str) else detail
