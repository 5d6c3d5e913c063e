"""The SNS message of notices: one text for each protocol, the subject and the attributes.

The size budget: SNS accepts 256 KB for all texts and attributes together, with the escapes of JSON. The e-mail text has
at most 80 KB, each of the two chat texts and all attributes about 40 KB, also if each character has four bytes. The
document has the rest, at least 60 KB. Each part leaves out what does not fit, and says so.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.notify.chat import to_chat
from drs_job_log.notify.document import json_size, to_documents
from drs_job_log.notify.email_text import label_counts, to_email
from drs_job_log.notify.texts import job_kind, one_line, server_name, server_of, summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from drs_job_log.config import NotificationSettings
    from drs_job_log.notify.notice import Notice

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_MAX_BYTES: Final = 262_144
_MAX_SUBJECT: Final = 99
_MAX_ATTRIBUTE: Final = 1000

# With raw delivery, SNS discards a message with more attributes.
# https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
_MAX_ATTRIBUTES: Final = 10

# The maximum size of an attribute with several values.
_MAX_VALUES_BYTES: Final = 4_000

# Parts of the subject that can be longer than this are shortened, so that the subject contains all parts.
_MAX_PART: Final = 30

# The subject contains the age of an event that is older. Such an event was delayed, and is not news.
_OLD: Final = timedelta(minutes=10)


def to_publish(notices: Sequence[Notice], settings: NotificationSettings, now: datetime) -> dict[str, Any]:
    """Return the arguments of SNS Publish for one notice, or for several that are sent together.

    Subject, Message, MessageStructure and MessageAttributes. The protocols ``email``, ``sms``, ``http`` and ``https``
    have texts of their own. All others, for example ``sqs``, ``lambda`` and ``firehose``, get ``default``: the document
    of ``docs/notification.schema.json``. It is there once and not for each protocol, because of the size limit.

    Raises
    ------
    ValueError
        If there is no notice.
    """
    if not notices:
        raise ValueError("a message needs a notice")
    subject = _subject(notices, settings, now)
    attributes = _attributes(notices[0]) if len(notices) == 1 else _collected_attributes(notices)
    chat = _text(to_chat(notices, settings))
    texts = {"email": to_email(notices, settings), "sms": subject, "http": chat, "https": chat}
    room = _MAX_BYTES - json_size({"default": ""} | texts) - json_size(attributes)
    return {
        "Subject": subject,
        "Message": _text({"default": to_documents(notices, settings, room)} | texts),
        "MessageStructure": "json",
        "MessageAttributes": attributes,
    }


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _subject(notices: Sequence[Notice], settings: NotificationSettings, now: datetime) -> str:
    """Return one line of ASCII, which SNS requires. Of one server, it always contains the server and the age."""
    kinds = {job_kind(notice) for notice in notices}
    kind = kinds.pop() if len(kinds) == 1 else "Drill or recovery"
    prefix = _ascii(f"[{_shortened(settings.name)}] {f'{kind}: ' if kind else ''}")
    age = _age(now - min(notice.time for notice in notices))
    suffix = f" ({age})" if age else ""
    room = _MAX_SUBJECT - len(prefix) - len(suffix)
    if len(notices) > 1:
        text = _ascii(", ".join(f"{number} {label}" for label, number in label_counts(notices)))
    else:
        text = _summary(notices[0], room)
    return f"{prefix}{text[:room]}{suffix}"


def _summary(notice: Notice, room: int) -> str:
    server = server_of(notice)
    if server is None:
        return _ascii(summary_of(notice))
    name, id_ = server_name(server), one_line(server.id or "")
    # A name without ASCII letters would be a row of question marks.
    shown = _ascii(_shortened(name if name.isascii() or not id_ else id_))
    text = _ascii(summary_of(notice).replace(name, shown))
    return text if shown in text[:room] else f"{shown}: {text}"


def _age(age: timedelta) -> str:
    if age <= _OLD:
        return ""
    minutes = int(age.total_seconds() // 60)
    if minutes < 2 * 60:
        return f"{minutes} min ago"
    if minutes < 2 * 24 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} d ago"


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_PART else f"{text[: _MAX_PART - 3]}..."


def _ascii(text: str) -> str:
    return re.sub(r"[^ -~]+", " ", text.encode("ascii", "replace").decode())


def _attributes(notice: Notice) -> dict[str, Any]:
    """Return the attributes for filter policies: those with a value, at most ten."""
    server = server_of(notice)
    values = _attribute_values(notice) | {
        "serverName": server and server.name,
        "eventId": notice.event_id,
    }
    texts = {name: one_line(value)[:_MAX_ATTRIBUTE] for name, value in values.items() if value}
    known = [(name, text) for name, text in texts.items() if text]
    return {name: {"DataType": "String", "StringValue": text} for name, text in known[:_MAX_ATTRIBUTES]}


def _collected_attributes(notices: Sequence[Notice]) -> dict[str, Any]:
    """Return the attributes of a collecting message. A filter policy matches if one of several values matches."""
    found: dict[str, dict[str, None]] = {}
    for notice in notices:
        for name, value in _attribute_values(notice).items():
            if value and (text := one_line(value)[:_MAX_ATTRIBUTE]):
                found.setdefault(name, {})[text] = None
    return {name: _attribute(list(texts)) for name, texts in found.items()}


def _attribute(texts: Sequence[str]) -> Mapping[str, str]:
    """Return an attribute with one value, or with as many of several values as fit."""
    if len(texts) == 1:
        return {"DataType": "String", "StringValue": texts[0]}
    room = _MAX_VALUES_BYTES
    fitting: list[str] = []
    for text in texts:
        room -= json_size(text) + 1
        if room < 0:
            break
        fitting.append(text)
    return {"DataType": "String.Array", "StringValue": json.dumps(fitting, ensure_ascii=False)}


def _attribute_values(notice: Notice) -> dict[str, str | None]:
    """Return the values of the attributes of all messages, the most useful ones first."""
    server = server_of(notice)
    is_network = bool(server and server.type == "Network")
    return {
        "kind": notice.kind,
        "eventType": notice.event_type,
        "executionId": notice.execution_id,
        "jobId": notice.job_id,
        "isDrill": None if notice.is_drill is None else str(notice.is_drill).lower(),
        "outcome": notice.outcome,
        "account": notice.account,
        "region": notice.region,
        "sourceServerId": server.id if server and not is_network else None,
        "resourceId": server.id if server and is_network else None,
    }
