"""The notification as an SNS message: subject, text and attributes."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from drs_job_log.model.events import JobLogEvent, format_time, job_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

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

# The maximum number of characters of an error in a collecting message.
_MAX_LISTED_ERROR: Final = 300

# SNS accepts 256 KB for text and attributes. A character has at most four bytes.
_MAX_MESSAGE_BYTES: Final = 100_000
_MAX_ATTRIBUTE_VALUES: Final = 4_000

_LABEL_WIDTH: Final = 12

# Line breaks and tabs would let a text imitate another field of the message.
_SPACES: Final = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")

# Noncharacters: an SQS queue that subscribes to the topic rejects them.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NONCHARACTERS: Final = frozenset("\ufffe\uffff")

# Control characters, format characters (for example those that reverse the direction of a text) and lone surrogates.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs"})

# IDs that an HTTP API finds in a path. It decodes the path before it matches the routes.
_PATH_ID: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True)
class Report:
    """A notice with its event, which has the details from other events."""

    event: JobLogEvent
    notice: Notice


def to_message(report: Report, settings: NotificationSettings, now: datetime) -> dict[str, Any]:
    """Return the arguments of SNS Publish for one notice: Subject, Message and MessageAttributes."""
    event, notice = report.event, report.notice
    id_ = _one_line(event.source_server_id or event.resource_id or "")
    name = _name(event)
    summary = _one_line(_summary(event, notice, name))
    error = None if notice == "resolved" else _indented(event.error) or "not known yet. See the log"
    fields = {
        "Notice": notice,
        _participant_kind(event): f"{name} ({id_})" if event.source_server_name and id_ else name,
        **_job_fields(event),
        "Event": f"{_one_line(event.event_type)} at {format_time(event.timestamp)}",
        "Source": _one_line(event.source),
        "Account": _account(event),
        "Error": error,
        "Viewer": _viewer(event, settings),
        "Runbook": settings.runbook_url,
    }
    return {
        "Subject": _subject(f"[{_shortened(settings.name)}] {_job(event)}: ", summary, name, id_, _age(event, now)),
        "Message": "\n".join([f"{summary[:_MAX_TEXT]}.", "", *_lines(fields)]),
        "MessageAttributes": _attributes(event),
    }


def to_collected_message(reports: Sequence[Report], settings: NotificationSettings, now: datetime) -> dict[str, Any]:
    """Return the arguments of SNS Publish for several notices: one list for each job, notice and error."""
    kinds = {_job(report.event) for report in reports}
    counts = ", ".join(f"{number} {notice}" for notice, number in Counter(one.notice for one in reports).most_common())
    oldest = min((report.event for report in reports), key=lambda event: event.timestamp)
    age = f" ({text})" if (text := _age(oldest, now)) else ""
    prefix = f"[{_shortened(settings.name)}] {kinds.pop() if len(kinds) == 1 else 'Drill or recovery'}: "
    by_job: dict[str, list[Report]] = {}
    for report in reports:
        by_job.setdefault(report.event.job_id, []).append(report)
    sections = [line for of_job in by_job.values() for line in ["", *_section(of_job, settings)]]
    lists = "\n".join(sections).encode(errors="replace")
    is_cut = len(lists) > _MAX_MESSAGE_BYTES
    return {
        "Subject": f"{prefix}{counts}{age}"[:_MAX_SUBJECT],
        "Message": "\n".join(
            [
                f"{len(reports)} notices: {counts}.",
                lists[:_MAX_MESSAGE_BYTES].decode(errors="ignore"),
                *(["", "The list is not complete. See the log."] if is_cut else []),
                "",
                *_lines({"Runbook": settings.runbook_url}),
            ]
        ),
        "MessageAttributes": _collected_attributes(reports),
    }


def _section(reports: Sequence[Report], settings: NotificationSettings) -> list[str]:
    """Return the lines of one job: its fields, then the servers of each notice and error."""
    newest = max((report.event for report in reports), key=lambda event: event.timestamp)
    servers: dict[tuple[str, str | None], list[str]] = {}
    for report in reports:
        event, name = report.event, _name(report.event)
        id_ = _one_line(event.source_server_id or event.resource_id or "")
        error = None if report.notice == "resolved" else _one_line(event.error or "not known yet. See the log")
        servers.setdefault((report.notice, error), []).append(f"{name} ({id_})" if id_ not in {"", name} else name)
    lines = _lines(_job_fields(newest) | {"Account": _account(newest), "Viewer": _viewer(newest, settings)})
    for (notice, error), names in servers.items():
        lines += [f"{notice} ({len(names)}):", *([f"  {error[:_MAX_LISTED_ERROR]}"] if error else [])]
        lines += [f"  - {name}" for name in sorted(names)]
    return lines


def _job_fields(event: JobLogEvent) -> dict[str, str]:
    return {
        "Job": f"{_one_line(event.job_id)} ({_job(event).lower()})",
        "Execution": _one_line(event.execution_id or "not known yet"),
    }


def _account(event: JobLogEvent) -> str:
    return _one_line(" ".join(str(event.detail[name]) for name in ("account", "region") if event.detail.get(name)))


def _viewer(event: JobLogEvent, settings: NotificationSettings) -> str:
    """Return the URL of the viewer for the execution of an event, or for its job."""
    id_ = event.execution_id or event.job_id
    if _PATH_ID.fullmatch(id_):
        path = f"/{'executions' if event.execution_id else 'jobs'}/{id_}"
    else:
        path = f"/viewer/page?{'executionId' if event.execution_id else 'jobId'}={_quoted(id_)}"
    return f"{settings.viewer_url}{path}" if settings.viewer_url else f"{path} of the viewer"


def _lines(fields: Mapping[str, str | None]) -> list[str]:
    return [f"{name + ':':{_LABEL_WIDTH}}{value[:_MAX_TEXT]}" for name, value in fields.items() if value]


def _name(event: JobLogEvent) -> str:
    name = event.source_server_name or event.source_server_id or event.resource_id
    return _one_line(name or "(the event does not name the server)")


def _job(event: JobLogEvent) -> str:
    """Return the kind of the job, for example "Drill"."""
    if event.detail.get("initiatedBy"):
        return job_label(event.detail["initiatedBy"])
    return {"True": "Drill", "False": "Recovery"}.get(str(event.detail.get("isDrill")), "Drill or recovery")


def _participant_kind(event: JobLogEvent) -> str:
    return "Network" if event.resource_id and not event.source_server_id else "Server"


def _summary(event: JobLogEvent, notice: Notice, name: str) -> str:
    kind = _participant_kind(event)
    if notice == "resolved":
        return f"{kind} {name} {'launched' if kind == 'Server' else 'recovered'} after an earlier failure"
    if notice == "error":
        return f"{kind} {name}: the error of the failure is known now"
    return event.message or f"{kind} {name}: {event.event_type}"


def _age(event: JobLogEvent, now: datetime) -> str:
    age = now - event.timestamp
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


def _attributes(event: JobLogEvent) -> Mapping[str, Any]:
    """Return the attributes for filter policies. At most ten, the limit for raw delivery to a queue."""
    values = _attribute_values(event) | {
        "eventId": event.event_id,
        "timestamp": format_time(event.timestamp),
        "serverName": event.source_server_name,
    }
    texts = {name: _one_line(value)[:_MAX_ATTRIBUTE] for name, value in values.items() if value}
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items() if text}


def _collected_attributes(reports: Sequence[Report]) -> Mapping[str, Any]:
    """Return the attributes of a collecting message. A filter policy matches if one of several values matches."""
    found: dict[str, dict[str, None]] = {}
    for report in reports:
        for name, value in _attribute_values(report.event).items():
            if value and (text := _one_line(value)[:_MAX_ATTRIBUTE]):
                found.setdefault(name, {})[text] = None
    return {name: _attribute(list(texts)) for name, texts in found.items()}


def _attribute(texts: Sequence[str]) -> Mapping[str, str]:
    """Return an attribute with one value, or with as many of several values as fit."""
    if len(texts) == 1:
        return {"DataType": "String", "StringValue": texts[0]}
    sizes = accumulate(len(text) for text in texts)
    fitting = [text for text, size in zip(texts, sizes, strict=True) if size <= _MAX_ATTRIBUTE_VALUES]
    return {"DataType": "String.Array", "StringValue": json.dumps(fitting, ensure_ascii=False)}


def _attribute_values(event: JobLogEvent) -> dict[str, str | None]:
    is_drill = event.detail.get("isDrill")
    return {
        "eventType": event.event_type,
        "jobId": event.job_id,
        "executionId": event.execution_id,
        "isDrill": str(is_drill).lower() if isinstance(is_drill, bool) else None,
        "sourceServerId": event.source_server_id,
        "resourceId": None if event.source_server_id else event.resource_id,
        "account": _text(event.detail.get("account")),
        "region": _text(event.detail.get("region")),
    }


def _quoted(id_: str) -> str:
    return quote(id_, safe="", errors="backslashreplace")


def _text(value: object) -> str | None:
    return str(value) if value else None


def _one_line(text: str) -> str:
    """Return a text as one line, without characters that a reader cannot see."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if character in _NONCHARACTERS or unicodedata.category(character) in _INVISIBLE
        else character
        for character in _SPACES.sub(" ", text)
    ).strip()


def _indented(text: str | None) -> str | None:
    """Return a text whose further lines are indented, so that they cannot imitate another field."""
    lines = [_one_line(line) for line in (text or "").splitlines()]
    return f"\n{' ' * _LABEL_WIDTH}".join(line for line in lines if line) or None
