"""The failure notification as an SNS message: subject, text and attributes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from drs_job_log.model.events import JobLogEvent, format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drs_job_log.config import NotificationSettings

# The maximum number of characters of each text, so that a phone can show the message. The log has the whole text.
_MAX_TEXT: Final = 2000

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_MAX_SUBJECT: Final = 99
_MAX_ATTRIBUTE: Final = 1000

# Characters that XML does not allow. An SQS queue that subscribes to the topic rejects them.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_INVALID_CHARACTERS: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_message(event: JobLogEvent, settings: NotificationSettings) -> dict[str, Any]:
    """Return the arguments of SNS Publish for a failed server: Subject, Message and MessageAttributes."""
    is_drill = event.detail.get("isDrill")
    kind = "drill" if is_drill is True else "recovery" if is_drill is False else "drill or recovery"
    server = event.source_server_name or event.source_server_id or "(the event does not name the server)"
    summary = event.message or f"Server {server}: {event.event_type}"
    path = f"executions/{_quoted(event.execution_id)}" if event.execution_id else f"jobs/{_quoted(event.job_id)}"
    fields = {
        "Server": f"{server} ({event.source_server_id})" if event.source_server_name else server,
        "Job": f"{event.job_id} ({kind})",
        "Execution": event.execution_id or "not known yet",
        "Event": f"{event.event_type} at {format_time(event.timestamp)}",
        "Account": " ".join(str(event.detail[name]) for name in ("account", "region") if event.detail.get(name)),
        "Error": event.error or "not known yet. See the log",
        "Viewer": f"{settings.viewer_url}/{path}" if settings.viewer_url else f"/{path} of the viewer",
        "Runbook": settings.runbook_url,
    }
    lines = [f"{name + ':':12}{value[:_MAX_TEXT]}" for name, value in fields.items() if value]
    subject = f"[{settings.name}] {kind.capitalize()}: {summary}".encode("ascii", "replace").decode()
    return {
        # SNS allows one line of ASCII.
        "Subject": re.sub(r"[^ -~]+", " ", subject)[:_MAX_SUBJECT],
        "Message": _valid("\n".join([f"{summary[:_MAX_TEXT]}.", "", *lines])),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in _attributes(event).items()
        },
    }


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
