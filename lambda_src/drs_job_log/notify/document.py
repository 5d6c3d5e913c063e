"""The JSON document of notices for programs. Its schema is docs/notification.schema.json."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, TypeVar

from drs_job_log.model import known_errors
from drs_job_log.model.digest import digest
from drs_job_log.model.events import format_time
from drs_job_log.notify.texts import lines_of, one_line, report_url, runbook_of, viewer_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from drs_job_log.config import NotificationSettings
    from drs_job_log.model.rpo import Rpo
    from drs_job_log.model.rto import Rto
    from drs_job_log.notify.notice import Notice, NoticeServer

_T = TypeVar("_T")

VERSION: Final = "1.0"

# An event of EventBridge has at most 256 KB.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_MAX_NOTICE_BYTES: Final = 200_000

# The maximum number of servers and of characters of each text, tried in this order until the document fits.
_LIMITS: Final = ((500, 2000), (100, 500), (20, 200), (1, 100))

_MAX_ID: Final = 256


def to_document(notice: Notice, settings: NotificationSettings) -> dict[str, Any]:
    """Return the JSON object of one notice, ``#/$defs/notice`` of the schema, with explicit nulls.

    Each text is one line without control characters and other invisible characters. Only ``error`` has lines. If the
    object would be larger than 200 KB, lists and texts are cut and ``isComplete`` is false.
    """
    for servers, characters in _LIMITS:
        document = _document(notice, settings, servers, characters)
        if json_size(document) <= _MAX_NOTICE_BYTES:
            break
    return document


def to_documents(notices: Sequence[Notice], settings: NotificationSettings, max_bytes: int) -> str:
    """Return the JSON text of one or several notices that has at most ``max_bytes`` bytes as a JSON string.

    If lists or texts of notices are cut, ``isComplete`` of these is false. If notices are left out, that of the whole
    document is. One notice always fits into 20 KB.
    """
    documents: list[dict[str, Any]] = []
    for servers, characters in _LIMITS:
        documents = [_document(notice, settings, servers, characters) for notice in notices]
        text = _envelope(documents, len(notices), settings)
        if json_size(text) <= max_bytes:
            return text
    room = max_bytes - json_size(_envelope([], len(notices), settings))
    fitting = 0
    for document in documents:
        room -= json_size(_text(document)) + 1
        if room < 0:
            break
        fitting += 1
    return _envelope(documents[:fitting], len(notices), settings)


def json_size(value: object) -> int:
    """Return the number of bytes of a value as JSON text."""
    return len(_text(value).encode())


def _text(value: object) -> str:
    # Not ASCII: in a message of SNS, an escaped character has seven bytes. No text has invalid Unicode.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _envelope(documents: Sequence[dict[str, Any]], count: int, settings: NotificationSettings) -> str:
    return _text(
        {
            "version": VERSION,
            "module": one_line(settings.name),
            "noticeCount": count,
            "isComplete": len(documents) == count,
            "notices": documents,
        }
    )


class _Limits:
    """Cuts texts and lists. ``is_complete``: whether nothing was cut."""

    def __init__(self, servers: int, characters: int) -> None:
        self._servers = servers
        self._characters = characters
        self.is_complete = True

    def text(self, text: str | None) -> str | None:
        return self._cut(one_line(text or "")) or None

    def error(self, text: str | None) -> str | None:
        return self._cut("\n".join(lines_of(text))) or None

    def items(self, items: Sequence[_T]) -> Sequence[_T]:
        self.is_complete &= len(items) <= self._servers
        return items[: self._servers]

    def _cut(self, text: str) -> str:
        self.is_complete &= len(text) <= self._characters
        return text[: self._characters]


def _document(notice: Notice, settings: NotificationSettings, servers: int, characters: int) -> dict[str, Any]:
    limits = _Limits(servers, characters)
    document = {
        "kind": notice.kind,
        "label": one_line(notice.label),
        "summary": limits.text(notice.summary) or "",
        "time": format_time(notice.time),
        "noticeId": _id(notice.notice_id),
        "executionId": limits.text(notice.execution_id),
        "jobId": limits.text(notice.job_id),
        "jobIds": [limits.text(id_) or "" for id_ in limits.items(notice.job_ids)],
        "initiatedBy": limits.text(notice.initiated_by),
        "isDrill": notice.is_drill,
        "account": limits.text(notice.account),
        "region": limits.text(notice.region),
        "eventType": limits.text(notice.event_type),
        "eventId": limits.text(notice.event_id),
        "source": limits.text(notice.source),
        "outcome": limits.text(notice.outcome),
        "previousOutcome": limits.text(notice.previous_outcome),
        "revision": notice.revision,
        "requestedBy": limits.text(notice.requested_by),
        "error": limits.error(notice.error),
        "hint": _hint(notice.error),
        "counts": dict(notice.counts),
        "servers": [_server(server, limits) for server in limits.items(notice.servers)],
        "serverCount": len(notice.servers),
        "startedAt": _time(notice.started_at),
        "durationSeconds": _seconds(notice.duration_seconds),
        "expectedEnd": _time(notice.expected_end),
        "latestEnd": _time(notice.latest_end),
        "rto": _rto(notice.rto),
        "rpo": _rpo(notice.rpo),
        "links": {
            "viewer": viewer_url(notice, settings),
            "report": report_url(notice, settings),
            "runbook": runbook_of(notice, settings),
        },
    }
    return document | {"isComplete": limits.is_complete}


def _server(server: NoticeServer, limits: _Limits) -> dict[str, Any]:
    return {
        "id": limits.text(server.id),
        "name": limits.text(server.name),
        "type": server.type,
        "state": limits.text(server.state),
        "error": limits.error(server.error),
        "hint": _hint(server.error),
        "detail": limits.text(server.detail),
    }


def _id(text: str) -> str:
    """Return an ID that is safe to show. A long or unusual ID is replaced by its digest, so that it stays unique."""
    if text and len(text) <= _MAX_ID and one_line(text) == text:
        return text
    return digest(text)


def _hint(error: str | None) -> dict[str, str] | None:
    hint = known_errors.hint_of(error)
    return {"cause": hint.cause, "firstStep": hint.first_step, "source": hint.source} if hint else None


def _rto(rto: Rto | None) -> dict[str, Any] | None:
    if rto is None:
        return None
    return {
        "targetMinutes": rto.target_minutes,
        "actualSeconds": _seconds(rto.actual_seconds),
        "result": rto.result,
    }


def _rpo(rpo: Rpo | None) -> dict[str, Any] | None:
    if rpo is None:
        return None
    return {
        "targetMinutes": rpo.target_minutes,
        "seconds": _seconds(rpo.seconds),
        "result": rpo.result,
        "serversOver": rpo.servers_over,
    }


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None or not math.isfinite(seconds) else round(seconds, 3)


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
