"""What happened: one typed event of the DRS job log, its vocabulary, identity and time.

Pure: knows no AWS client.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# DRS's names, LAUNCH_END (in real logs, in no AWS enum) included, and what they are stored as. A name that is not here
# is stored unchanged.
# https://docs.aws.amazon.com/drs/latest/APIReference/API_JobLog.html
VOCABULARY: Final[Mapping[str, str]] = {
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

# Stored names of a job's end. A cancelled job (JOB_TERMINATED) gets one too, a moment later.
JOB_ENDS: Final = frozenset({"JOB_COMPLETED", "JOB_FAILED"})

# Stored names of what a server's recovery ends with where it fails.
SERVER_FAILURES: Final = frozenset({"SNAPSHOT_FAILED", "CONVERSION_FAILED", "SERVER_LAUNCH_FAILED"})

# https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-drs.html
_LAUNCH_STATES: Final[Mapping[str, str]] = {
    "RECOVERY_LAUNCH_SUCCEEDED": "SERVER_LAUNCHED",
    "RECOVERY_LAUNCH_FAILED": "SERVER_LAUNCH_FAILED",
}

# A date and a time of day, where fromisoformat also takes a date alone or a week. Without an offset it is UTC, as all
# times of DRS are.
_ISO_8601: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?", re.ASCII)

# DynamoDB's limits for a partition key and, beside the time and "#", for the event's part of the sort key, in bytes.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MAX_PARTITION_KEY: Final = 2048
_MAX_EVENT_ID: Final = 1024 - len("2025-11-28T20:30:15.000000Z#")


class InvalidEventError(ValueError):
    """The event cannot be stored, and never will be: it says which part is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLogEvent:
    """One fact of a DRS job.

    ``timestamp`` is aware and in UTC. ``detail`` is the whole detail as it came, with ``isDrill`` made a bool.
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
    ec2_instance_id: str | None = None
    message: str | None = None
    error: str | None = None

    @property
    def key(self) -> str:
        """Identity within the job, which also orders the job's events in time."""
        return f"{format_time(self.timestamp)}#{self.event_id}"


def parse(body: str) -> JobLogEvent:
    """Read an EventBridge envelope, "DRS Job Log" or "DRS Source Server Launch Result", from its JSON text.

    Raises
    ------
    InvalidEventError
        Where the text is no such envelope, or what identifies the event is missing, too long or no time.
    """
    try:
        # Decimal keeps every digit of a fraction; NaN and Infinity, which no table takes as numbers, stay texts.
        envelope = json.loads(body, parse_float=Decimal, parse_constant=str)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidEventError(f"the body is not JSON that can be read: {error}") from error
    if not isinstance(envelope, dict) or not isinstance(envelope.get("detail"), dict):
        raise InvalidEventError("the body is not an EventBridge event: an object whose detail is an object")

    match envelope.get("detail-type"):
        case "DRS Job Log":
            detail = envelope["detail"]
        case "DRS Source Server Launch Result":
            detail = _launch_result(envelope)
        case other:
            raise InvalidEventError(
                f"detail-type must be 'DRS Job Log' or 'DRS Source Server Launch Result', not {other!r:.100}"
            )

    return JobLogEvent(
        job_id=_identifier("detail.jobID", detail.get("jobID"), _MAX_PARTITION_KEY),
        event_id=_identifier("detail.eventId or id", _given(detail.get("eventId"), envelope.get("id")), _MAX_EVENT_ID),
        event_type=_stored_type(detail),
        timestamp=parse_time("detail.logDateTime or time", _given(detail.get("logDateTime"), envelope.get("time"))),
        source=_text(envelope.get("source")) or "",
        detail=_with_is_drill(detail),
        execution_id=(
            None
            if _given(detail.get("executionId")) is None
            else _identifier("detail.executionId", detail["executionId"], _MAX_PARTITION_KEY)
        ),
        source_server_id=_text(detail.get("sourceServerID")),
        source_server_name=_text(detail.get("sourceServerName")),
        ec2_instance_id=_text(detail.get("ec2InstanceID")),
        message=_text(detail.get("message")),
        error=_text(detail.get("error")),
    )


def parse_time(name: str, value: object) -> datetime:
    """Read an ISO 8601 date and time (``2022-12-07T19:15:39.204086+00:00``, ``…Z``, no offset: UTC) into UTC.

    Raises
    ------
    InvalidEventError
        Where it is none; ``name`` says where it stood.
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
    """Write an aware time as UTC of fixed width, which sorts as time: ``2025-11-28T20:30:15.000000Z``."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def time_of(key: str) -> datetime:
    """The time in an ``EventKey``."""
    return parse_time("EventKey", key.partition("#")[0])


def _launch_result(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The detail of a launch result, with the keys of a job log event added.

    The server stands in ``resources[0]``, ``arn:…:source-server/s-…``, not in the detail.
    """
    detail = envelope["detail"]
    resources = envelope.get("resources") or [""]
    _, is_server, server_id = str(resources[0]).rpartition(":source-server/")
    state = detail.get("state")
    return {
        **detail,
        "jobID": detail.get("job-id"),
        "eventType": _LAUNCH_STATES.get(str(state), state),
        "sourceServerID": server_id if is_server else None,
        "isDrill": detail.get("is-drill"),
        "account": envelope.get("account"),
        "region": envelope.get("region"),
    }


def _stored_type(detail: Mapping[str, Any]) -> str:
    name = detail.get("eventType")
    if not isinstance(name, str) or not name:
        raise InvalidEventError(f"detail.eventType must be a text that is not empty, not {name!r:.100}")
    if name == "JOB_END":
        return "JOB_FAILED" if detail.get("outcome") == "FAILED" else "JOB_COMPLETED"
    return VOCABULARY.get(name, name)


def _given(*values: object) -> object:
    """The first value that is given: neither null nor an empty text."""
    return next((value for value in values if value is not None and value != ""), None)


def _identifier(name: str, value: object, most: int) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidEventError(f"{name} must be a text that is not empty, not {value!r:.100}")
    if len(value.encode(errors="backslashreplace")) > most:
        raise InvalidEventError(f"{name} must be at most {most} bytes long to fit a key of the table")
    return value


def _text(value: object) -> str | None:
    """An optional text. What came as something else is shown as JSON rather than lost; empty is absent."""
    given = _given(value)
    return given if given is None or isinstance(given, str) else json.dumps(given, default=str, ensure_ascii=False)


def _with_is_drill(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """DRS sends ``isDrill`` as "TRUE" or "FALSE", others as a bool: kept as a bool."""
    known = {"true": True, "false": False}
    value = detail.get("isDrill")
    return {**detail, "isDrill": known.get(value.lower(), value)} if isinstance(value, str) else detail
