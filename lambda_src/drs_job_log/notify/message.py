"""The notification as an SNS message: subject, text and attributes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from drs_job_log.model.events import JobLogEvent, format_time, job_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drs_job_log.config import NotificationSettings
    from drs_job_log.notify.decision import Notice

# The maximum number of characters of each text, so that a phone can show the message. The log has the whole text.
_MAX_TEXT: Final = 2000

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_MAX_SUBJECT: Final = 99
_MAX_ATTRIBUTE: Final = 1000

# Parts of the subject that can be longer than this are shortened, so that the subject contains all parts.
_MAX_PART: Final = 30

# The subject contains the age of an event that is older. Such an event was delayed, and is not news.
_OLD: Final = timedelta(minutes=10)

# Characters that XML does not allow. An SQS queue that subscribes to the topic rejects them.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_INVALID_CHARACTERS: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_message(
    event: JobLogEvent, settings: NotificationSettings, *, notice: Notice = "failed", now: datetime | None = None
) -> dict[str, Any]:
    """Return the arguments of SNS Publish for an event: Subject, Message and MessageAttributes."""
    job = _job(event)
    id_ = event.source_server_id or event.resource_id
    name = event.source_server_name or id_ or "(the event does not name the server)"
    summary = _summary(event, notice, name)
    path = f"executions/{_quoted(event.execution_id)}" if event.execution_id else f"jobs/{_quoted(event.job_id)}"
    fields = {
        "Notice": notice,
        _subject_kind(event): f"{name} ({id_})" if event.source_server_name and id_ else name,
        "Job": f"{event.job_id} ({job.lower()})",
        "Execution": event.execution_id or "not known yet",
        "Event": f"{event.event_type} at {format_time(event.timestamp)}",
        "Account": " ".join(str(event.detail[name]) for name in ("account", "region") if event.detail.get(name)),
        "Error": None if notice == "resolved" else event.error or "not known yet. See the log",
        "Viewer": f"{settings.viewer_url}/{path}" if settings.viewer_url else f"/{path} of the viewer",
        "Runbook": settings.runbook_url,
    }
    lines = [f"{name + ':':12}{value[:_MAX_TEXT]}" for name, value in fields.items() if value]
    return {
        "Subject": _subject(f"[{_shortened(settings.name)}] {job}: ", summary, name, id_, _age(event, now)),
        "Message": _valid("\n".join([f"{summary[:_MAX_TEXT]}.", "", *lines])),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in _attributes(event).items()
        },
    }


def _job(event: JobLogEvent) -> str:
    """Return the kind of the job, for example "Drill"."""
    if event.detail.get("initiatedBy"):
        return job_label(event.detail["initiatedBy"])
    return {"True": "Drill", "False": "Recovery"}.get(str(event.detail.get("isDrill")), "Drill or recovery")


def _subject_kind(event: JobLogEvent) -> str:
    return "Network" if event.resource_id and not event.source_server_id else "Server"


def _summary(event: JobLogEvent, notice: Notice, name: str) -> str:
    kind = _subject_kind(event)
    if notice == "resolved":
        return f"{kind} {name} {'launched' if kind == 'Server' else 'recovered'} after an earlier failure"
    if notice == "error":
        return f"{kind} {name}: the error of the failure is known now"
    return event.message or f"{kind} {name}: {event.event_type}"


def _age(event: JobLogEvent, now: datetime | None) -> str:
    age = (now or datetime.now(UTC)) - event.timestamp
    if age <= _OLD:
        return ""
    minutes = int(age.total_seconds() // 60)
    if minutes < 2 * 60:
        return f"{minutes} min ago"
    if minutes < 2 * 24 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} d ago"


def _subject(prefix: str, summary: str, name: str, id_: str | None, age: str) -> str:
    """Return one line of ASCII, which SNS requires. It always contains the server and the age."""
    # A name without ASCII letters would be a row of question marks.
    server = _ascii(_shortened(name if name.isascii() or not id_ else id_))
    text = _ascii(summary.replace(name, server))
    suffix = f" ({age})" if age else ""
    room = _MAX_SUBJECT - len(prefix) - len(suffix)
    if server not in text[:room]:
        text = f"{server}: {text}"
    return f"{prefix}{text[:room]}{suffix}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_PART else f"{text[: _MAX_PART - 3]}..."


def _ascii(text: str) -> str:
    return re.sub(r"[^ -~]+", " ", text.encode("ascii", "replace").decode())


def _attributes(event: JobLogEvent) -> Mapping[str, str]:
    """Return the attributes for filter policies. At most ten, the limit for raw delivery to a queue."""
    is_drill = event.detail.get("isDrill")
    values = {
        "eventType": event.event_type,
        "eventId": event.event_id,
        "jobId": event.job_id,
        "executionId": event.execution_id,
        "timestamp": format_time(event.timestamp),
        "isDrill": str(is_drill).lower() if isinstance(is_drill, bool) else None,
        "sourceServerId": event.source_server_id,
        "resourceId": None if event.source_server_id else event.resource_id,
        "serverName": event.source_server_name,
        "account": event.detail.get("account"),
        "region": event.detail.get("region"),
    }
    texts = {name: _valid(str(value))[:_MAX_ATTRIBUTE] for name, value in values.items() if value}
    return {name: text for name, text in texts.items() if text}


def _quoted(id_: str) -> str:
    return quote(id_, safe="", errors="backslashreplace")


def _valid(text: str) -> str:
    return _INVALID_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)
