"""The custom notification of Amazon Q Developer in chat applications, for Slack and Microsoft Teams.

The schema and its limits: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model import known_errors
from drs_job_log.model.digest import digest
from drs_job_log.notify.email_text import label_counts
from drs_job_log.notify.texts import (
    INFORMATION,
    MAX_LISTED_ERROR,
    fields_of,
    job_kind,
    notice_groups,
    of_all_servers,
    one_line,
    report_url,
    runbook_of,
    server_groups,
    server_of,
    summary_of,
    viewer_url,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drs_job_log.config import NotificationSettings
    from drs_job_log.notify.notice import Kind, Notice
    from drs_job_log.notify.texts import Group

MAX_TITLE: Final = 250
MAX_STEP: Final = 350
MAX_KEYWORD: Final = 75

# Amazon Q Developer accepts 8,000 characters. Slack shows at most 3,000 in one block.
# https://docs.slack.dev/reference/block-kit/blocks/section-block
_MAX_DESCRIPTION: Final = 3000

_MAX_VALUE: Final = 600
_MAX_HINT_STEPS: Final = 4
_MAX_KEYWORDS: Final = 8
_MAX_RESOURCES: Final = 20

_CUT: Final = "The list is not complete. See the log."

# The fields of a message about one notice. The title has the summary, and the steps have the links.
_FIELDS: Final = (
    "Server",
    "Network",
    "Job",
    "Jobs",
    "Execution",
    "Started by",
    "Started",
    "Outcome",
    "Servers",
    "Duration",
    "RTO",
    "RPO",
    "Expected",
    "Time",
    "Account",
    "Detail",
    "Error",
    "Cause",
)

_WARNINGS: Final[frozenset[Kind]] = frozenset(
    {"stalled", "slow", "at_risk", "replication_stalled", "not_drilled", "drill_instances"}
)

# Slack has no escape character: & < > become entities, the characters of its formats become similar ones.
# https://docs.slack.dev/messaging/formatting-message-text
# Microsoft Teams: a link needs "](".
_REPLACED: Final[Mapping[str, str]] = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "*": "\N{ASTERISK OPERATOR}",
    "~": "\N{TILDE OPERATOR}",
    "`": "'",
    "@": "@\N{WORD JOINER}",
    "[": "\N{FULLWIDTH LEFT SQUARE BRACKET}",
    "]": "\N{FULLWIDTH RIGHT SQUARE BRACKET}",
    "\\": "\N{SET MINUS}",
}
# An underscore between two letters or digits has no format: SERVER_LAUNCH_FAILED.
_FORMATTING_UNDERSCORE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_SCHEME: Final = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=mailto):", re.IGNORECASE)

# Values that a custom action can put into a command. Others are left out.
# https://docs.aws.amazon.com/chatbot/latest/APIReference/API_CustomActionAttachment.html
_SAFE_VALUE: Final = re.compile(r"[A-Za-z0-9._:/-]{1,256}")
_SAFE_THREAD: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def to_chat(notices: Sequence[Notice], settings: NotificationSettings) -> dict[str, Any]:
    """Return the custom notification for one notice, or for several that are sent together.

    All notices of an execution have the same ``threadId``. No text of a notice can add a format, a link or a mention.
    """
    newest = max(notices, key=lambda notice: notice.time)
    threads = {thread_of(notice, settings) for notice in notices}
    thread = threads.pop() if len(threads) == 1 else None
    metadata = {
        "threadId": thread,
        "summary": thread and _thread_summary(newest),
        "eventType": f"drs-{newest.kind.replace('_', '-')}" if len(notices) == 1 else "drs-notices",
        "relatedResources": _resources(notices),
        "additionalContext": _context(newest, settings) if len(notices) == 1 else {"module": settings.name},
    }
    return {
        "version": "1.0",
        "source": "custom",
        "id": digest("\n".join(notice.notice_id for notice in notices)),
        "content": {
            "textType": "client-markdown",
            "title": _title(notices),
            "description": _description(notices, settings),
            "nextSteps": _steps(notices, settings),
            "keywords": _keywords(notices),
        },
        "metadata": {name: value for name, value in metadata.items() if value},
    }


def thread_of(notice: Notice, settings: NotificationSettings) -> str | None:
    """Return the ID of the thread: one for each execution of a module, or for each job without an execution.

    None if the notice is about neither. No limit of the ID is known. An unusual one is replaced by a digest.
    """
    id_ = notice.execution_id or notice.job_id
    if not id_:
        return None
    thread = f"{settings.name}-{id_}"
    return thread if _SAFE_THREAD.fullmatch(thread) else digest(thread)


def escaped(text: str, max_length: int) -> str:
    """Return a text that Slack and Teams show as it is, with at most ``max_length`` characters."""
    text = _FORMATTING_UNDERSCORE.sub("\N{FULLWIDTH LOW LINE}", one_line(text))
    parts = [_REPLACED.get(character, character) for character in _SCHEME.sub(":\N{WORD JOINER}", text)]
    if sum(map(len, parts)) <= max_length:
        return "".join(parts)
    room = max_length - 3
    fitting: list[str] = []
    for part in parts:
        room -= len(part)
        if room < 0:
            break
        fitting.append(part)
    return f"{''.join(fitting)}..."


def severity_of(notice: Notice) -> str:
    """Return "Failure", "Warning" or "Information"."""
    has_failed = (
        notice.kind in {"failed", "action_failed", "plan_failed"}
        or (notice.kind in {"job_ended", "settled"} and notice.outcome in {"FAILED", "PARTIAL"})
        or (notice.kind == "at_risk" and notice.outcome == "MISSED")
    )
    if has_failed:
        return "Failure"
    if notice.label in INFORMATION:
        return "Information"
    return "Warning" if notice.kind in _WARNINGS else "Information"


def _title(notices: Sequence[Notice]) -> str:
    severities = {severity_of(notice) for notice in notices}
    severity = next(one for one in ("Failure", "Warning", "Information") if one in severities)
    kinds = {job_kind(notice) for notice in notices}
    kind = (kinds.pop() if len(kinds) == 1 else "Drill or recovery") or ""
    counts = ", ".join(f"{number} {label}" for label, number in label_counts(notices))
    summary = summary_of(notices[0]) if len(notices) == 1 else counts
    if severity == "Information":
        prefix = f"{kind}: " if kind else ""
    else:
        prefix = f"{severity} in {kind.lower()}: " if kind else f"{severity}: "
    emoji = ":warning: " if severity == "Failure" else ""
    return f"{emoji}{prefix}{escaped(summary, MAX_TITLE - len(emoji) - len(prefix))}"


def _description(notices: Sequence[Notice], settings: NotificationSettings) -> str:
    if len(notices) == 1:
        fields = fields_of(notices[0], settings)
        lines = [_line(name, fields[name]) for name in _FIELDS if name in fields]
        groups = server_groups(notices[0])
    else:
        lines, groups = [f"{len(notices)} notices"], notice_groups(notices)
    lines += [line for group in groups for line in _list(group)]
    room = _MAX_DESCRIPTION - len(_CUT) - 1
    fitting: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            fitting.append(_CUT)
            break
        fitting.append(line)
    return "\n".join(fitting) or escaped(summary_of(notices[0]), _MAX_VALUE) or "-"


def _line(name: str, value: str) -> str:
    return f"*{name}:* {escaped(value, _MAX_VALUE)}"


def _list(group: Group) -> list[str]:
    error = [f"  {escaped(group.error, MAX_LISTED_ERROR)}"] if group.error else []
    hint = known_errors.hint_of(group.error)
    cause = [f"  Cause: {escaped(hint.cause, _MAX_VALUE)}"] if hint else []
    heading = f"*{escaped(group.heading, _MAX_VALUE)} ({len(group.items)}):*"
    return [heading, *error, *cause, *(f"• {escaped(item, MAX_LISTED_ERROR)}" for item in group.items)]


def _steps(notices: Sequence[Notice], settings: NotificationSettings) -> list[str]:
    """Return the next steps: what to do about known errors, and the links. A link is never cut."""
    steps: dict[str, None] = {}
    for hint in filter(None, map(known_errors.hint_of, _errors(notices))):
        steps |= {escaped(hint.first_step, MAX_STEP): None, f"Reference: {hint.source}": None}
    runbook = next(filter(None, (runbook_of(notice, settings) for notice in notices)), None)
    linked = notices if len(notices) == 1 else map(of_all_servers, notices)
    viewer = next(filter(None, (viewer_url(notice, settings) for notice in linked)), None)
    found = list(steps)[:_MAX_HINT_STEPS]
    found += [f"Runbook: {runbook}"] if runbook else []
    report = next(filter(None, (report_url(notice, settings) for notice in notices)), None)
    # An ID can contain these characters, which start a format.
    links = {"Viewer": viewer, "Report": report}
    found += [f"{name}: {url.replace('~', '%7E').replace('_', '%5F')}" for name, url in links.items() if url]
    return [step for step in found if len(step) <= MAX_STEP]


def _errors(notices: Sequence[Notice]) -> list[str]:
    found = [error for one in notices for error in (one.error, *(server.error for server in one.servers)) if error]
    return list(dict.fromkeys(found))


def _keywords(notices: Sequence[Notice]) -> list[str]:
    words = [word for one in notices for word in (one.label, one.outcome, job_kind(one), one.region) if word]
    return list(dict.fromkeys(escaped(word, MAX_KEYWORD) for word in words))[:_MAX_KEYWORDS]


def _thread_summary(notice: Notice) -> str:
    """Return the text of the first message of a thread. It is the same for all notices of an execution."""
    id_ = notice.execution_id or notice.job_id or ""
    return f"{job_kind(notice)} {escaped(id_, MAX_TITLE - 40)}"


def _resources(notices: Sequence[Notice]) -> list[str]:
    ids = [
        id_
        for one in notices
        for id_ in (one.job_id, *one.job_ids, *(server.id for server in one.servers))
        if id_ and _SAFE_VALUE.fullmatch(id_)
    ]
    return list(dict.fromkeys(ids))[:_MAX_RESOURCES]


def _context(notice: Notice, settings: NotificationSettings) -> dict[str, str]:
    """Return the values for custom actions, as texts."""
    server = server_of(notice)
    values = {
        "module": settings.name,
        "kind": notice.kind,
        "executionId": notice.execution_id,
        "jobId": notice.job_id,
        "eventType": notice.event_type,
        "outcome": notice.outcome,
        "isDrill": None if notice.is_drill is None else str(notice.is_drill).lower(),
        "account": notice.account,
        "region": notice.region,
        "sourceServerId": server.id if server and server.type == "Server" else None,
    }
    return {name: value for name, value in values.items() if value and _SAFE_VALUE.fullmatch(value)}
