"""The facts of notices in words, for all formats: each text is one line, and times are in UTC."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from drs_job_log.model import known_errors
from drs_job_log.model.events import job_label
from drs_job_log.model.identity import short_identity
from drs_job_log.model.paths import is_usable_in_path
from drs_job_log.model.words import second_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.config import NotificationSettings
    from drs_job_log.model.rpo import Rpo
    from drs_job_log.model.rto import Rto
    from drs_job_log.notify.notice import Kind, Notice, NoticeServer

# The maximum number of characters of each text, so that a phone can show the message. The log has the whole text.
MAX_TEXT: Final = 2000

# The part of a text that is read, because the check of each character takes time. No format shows more.
_MAX_READ: Final = 2 * MAX_TEXT

# The maximum number of characters of an error in a list.
MAX_LISTED_ERROR: Final = 300

ERROR_UNKNOWN: Final = "not known yet. See the log"

# Kinds of which each notice is about one server or network.
_SERVER_KINDS: Final[frozenset[Kind]] = frozenset({"failed", "resolved", "stalled", "slow", "action_failed"})
_MAYBE_SERVER_KINDS: Final[frozenset[Kind]] = frozenset({"replication_stalled", "not_drilled"})

# The file name of another runbook than that for a failed server.
_RUNBOOKS: Final[Mapping[Kind, str]] = {
    "stalled": "server-stalled.md",
    "slow": "server-stalled.md",
    "at_risk": "rto-exceeded.md",
    "plan_failed": "plan-step-failed.md",
    "replication_stalled": "replication-stalled.md",
}
_WITHOUT_RUNBOOK: Final[frozenset[Kind]] = frozenset({"started", "resolved", "not_drilled", "drill_instances"})

# Labels that need no action.
INFORMATION: Final = frozenset({"replication resumed", "continued"})

# Headings of the lists of servers by state, in their order. Other states follow.
_HEADINGS: Final[Mapping[str, str]] = {
    "FAILED": "Failed servers",
    "ACTION_FAILED": "Servers with a failed post-launch action",
    "SKIPPED": "Skipped servers",
    "RPO_MISSED": "Servers over the recovery point objective",
}

# The numbers of servers that a person looks for first.
_FIRST_COUNTS: Final = ("launched", "failed", "skipped")

_RTO_WORDS: Final[Mapping[str, str]] = {"MET": "met", "MISSED": "missed", "AT_RISK": "at risk"}

# Line breaks and tabs would let a text imitate another field of the message.
_SPACES: Final = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")

# Noncharacters: an SQS queue that subscribes to the topic rejects them.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_NONCHARACTERS: Final = frozenset("\ufffe\uffff")

# Control characters, format characters (for example those that reverse the direction of a text) and lone surrogates.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs"})

# With it, the page of an execution requests the report.
_REPORT_FRAGMENT: Final = "#report"

# IDs that an HTTP API finds in a path. It decodes the path before it matches the routes.
_PATH_ID: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")

_KINDS_OF_A_SERVER: Final = frozenset({"failed", "resolved", "stalled", "slow", "action_failed"})


@dataclass(frozen=True, slots=True)
class Group:
    """A list of a message: its heading, the error that its items have in common, and its items, sorted."""

    heading: str
    error: str | None
    items: Sequence[str]


def one_line(text: str) -> str:
    """Return a text as one line, without characters that a reader cannot see. A longer text is cut."""
    text = text[:_MAX_READ]
    return text.strip() if text.isprintable() else _visible(text)  # almost every text, and 20 times as fast


@lru_cache(maxsize=1024)
def _visible(text: str) -> str:
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if character in _NONCHARACTERS or unicodedata.category(character) in _INVISIBLE
        else character
        for character in _SPACES.sub(" ", text)
    ).strip()


def lines_of(text: str | None) -> list[str]:
    """Return the lines of a text that are not empty, each without characters that a reader cannot see."""
    return [line for part in (text or "")[:_MAX_READ].splitlines() if (line := one_line(part))]


def duration_words(seconds: float) -> str:
    """Return a duration as a person reads it: "40 s", "43 min", "1 h 12 min" or "2 d 3 h", rounded down."""
    if seconds < 60:
        return f"{int(seconds)} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    days, hours = divmod(hours, 24)
    parts = {"d": days, "h": hours, "min": 0 if days else minutes}
    return " ".join(f"{number} {unit}" for unit, number in parts.items() if number)


def minute_words(time: datetime) -> str:
    """Return a time to the minute, for example "2025-11-28 20:51 UTC"."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def summary_of(notice: Notice) -> str:
    """Return the sentence of a notice without its period."""
    return one_line(notice.summary)[:MAX_TEXT]


def job_kind(notice: Notice) -> str | None:
    """Return the kind of the job or the execution, for example "Drill". None if the notice is about neither."""
    if notice.initiated_by:
        return job_label(notice.initiated_by)
    if notice.is_drill is not None:
        return "Drill" if notice.is_drill else "Recovery"
    return "Drill or recovery" if notice.job_id or notice.execution_id else None


def server_of(notice: Notice) -> NoticeServer | None:
    """Return the server of a notice about one server. None if it is about an execution, a job or several servers."""
    is_about_one = len(notice.servers) == 1 and notice.kind in _SERVER_KINDS | _MAYBE_SERVER_KINDS
    return notice.servers[0] if is_about_one else None


def server_name(server: NoticeServer) -> str:
    """Return the name of a server, or else its ID."""
    return one_line(server.name or server.id or "") or "(the event does not name the server)"


def server_text(server: NoticeServer) -> str:
    """Return the name of a server with its ID, for example "prod-web-01 (s-1111111111111111a)"."""
    name, id_ = server_name(server), one_line(server.id or "")
    return f"{name} ({id_})" if id_ not in {"", name} else name


def fields_of(notice: Notice, settings: NotificationSettings) -> dict[str, str]:
    """Return what a message about one notice states, by the name of the line, in the order of the lines.

    Each value is one line, except that of ``Error``, which has its lines. Fields without a value are absent.
    """
    server = server_of(notice)
    hint = known_errors.hint_of(notice.error)
    unknown = ERROR_UNKNOWN if notice.is_error_expected else ""
    fields: dict[str, str | None] = {
        "Notice": one_line(notice.label),
        server.type if server else "Server": server_text(server) if server else None,
        **_job_fields(notice),
        "Started by": one_line(short_identity(notice.requested_by)) if notice.requested_by else None,
        "Started": None if notice.started_at is None else minute_words(notice.started_at),
        "Outcome": _outcome_words(notice),
        "Servers": counts_words(notice.counts),
        "Duration": None if notice.duration_seconds is None else duration_words(notice.duration_seconds),
        "RTO": None if notice.rto is None else rto_words(notice.rto),
        "RPO": None if notice.rpo is None else rpo_words(notice.rpo),
        "Expected": _expected_words(notice),
        "Time": second_words(notice.time),
        "Event": one_line(notice.event_type or ""),
        "Source": one_line(notice.source or ""),
        "Account": account_words(notice),
        "Detail": one_line(server.detail or "") if server else None,
        "Error": "\n".join(lines_of(notice.error)) or unknown,
        "Cause": hint.cause if hint else "not in the list of known errors" if notice.error else None,
        "First step": hint.first_step if hint else None,
        "Reference": hint.source if hint else None,
        "Viewer": viewer_words(notice, settings),
        "Report": report_url(notice, settings),
        "Runbook": runbook_of(notice, settings),
    }
    return {name: value[:MAX_TEXT] for name, value in fields.items() if value}


def _job_fields(notice: Notice) -> dict[str, str | None]:
    kind = (job_kind(notice) or "").lower()
    job_ids = ", ".join(one_line(id_) for id_ in notice.job_ids)
    has_execution = bool(notice.execution_id or notice.job_id)
    return {
        "Job": f"{one_line(notice.job_id)} ({kind})" if notice.job_id else None,
        "Jobs": f"{job_ids} ({kind})" if job_ids and not notice.job_id else None,
        "Execution": one_line(notice.execution_id or "not known yet") if has_execution else None,
    }


def section_fields(notice: Notice, settings: NotificationSettings) -> dict[str, str]:
    """Return the fields of a job or an execution above the lists of its notices."""
    viewer = viewer_words(of_all_servers(notice), settings)
    report = report_url(notice, settings)
    fields = _job_fields(notice) | {"Account": account_words(notice), "Viewer": viewer, "Report": report}
    return {name: value[:MAX_TEXT] for name, value in fields.items() if value}


def counts_words(counts: Mapping[str, int]) -> str:
    """Return the numbers of servers by state, for example "18 launched, 1 failed". Zeros are left out."""
    names = dict.fromkeys([*_FIRST_COUNTS, *counts])
    return ", ".join(
        f"{counts[name]} {_words(name)}" for name in names if name != "totalServers" and counts.get(name, 0)
    )


def rto_words(rto: Rto) -> str:
    """Return the recovery time objective in words, for example "met: 43 min of 60 min"."""
    target = f"{rto.target_minutes} min"
    if rto.actual_seconds is None or rto.result in {None, "AT_RISK"}:
        time = f"objective {target}"
    elif rto.result == "MISSED" and rto.actual_seconds <= 60 * rto.target_minutes:
        time = (
            f"not all servers are launched, objective {target}"  # the time until the last launch would look as if met
        )
    else:
        time = f"{duration_words(rto.actual_seconds)} of {target}"
    return f"{_RTO_WORDS[rto.result]}: {time}" if rto.result else time


def rpo_words(rpo: Rpo) -> str:
    """Return the recovery point objective in words, for example "missed: 22 min of 15 min, 2 servers over"."""
    target = None if rpo.target_minutes is None else f"{rpo.target_minutes} min"
    if rpo.seconds is None:
        return f"not known, objective {target}"
    time = duration_words(rpo.seconds) + (f" of {target}" if target else "")
    servers = f", {rpo.servers_over} server{'s' if rpo.servers_over != 1 else ''} over" if rpo.servers_over else ""
    return f"{_RTO_WORDS[rpo.result]}: {time}{servers}" if rpo.result else time


def account_words(notice: Notice) -> str:
    """Return the account and the Region."""
    return one_line(" ".join(part for part in (notice.account, notice.region) if part))


def of_all_servers(notice: Notice) -> Notice:
    """Return the notice without its servers, so that the viewer shows all of them."""
    return replace(notice, servers=())


def viewer_path(notice: Notice) -> str | None:
    """Return the path of the viewer for the execution, or else the job. None if there is neither.

    If the notice is about one server, the viewer shows this server.
    """
    id_ = notice.execution_id or notice.job_id
    if not id_:
        return None
    is_in_path = _PATH_ID.fullmatch(id_)
    query = [] if is_in_path else [("executionId" if notice.execution_id else "jobId", id_)]
    if notice.kind in _KINDS_OF_A_SERVER and len(notice.servers) == 1:
        (server,) = notice.servers
        query += [("server", server.id)] if server.type == "Server" and server.id else []
    path = f"/{'executions' if notice.execution_id else 'jobs'}/{id_}" if is_in_path else "/viewer/page"
    return f"{path}?{urlencode(query, quote_via=quote, safe='', errors='backslashreplace')}" if query else path


def viewer_url(notice: Notice, settings: NotificationSettings) -> str | None:
    """Return the URL of the viewer. None if the base URL is unknown, there is nothing to show, or it is too long."""
    path = viewer_path(notice)
    url = f"{settings.viewer_url}{path}"
    return url if path and settings.viewer_url and len(url) <= MAX_TEXT else None


def report_url(notice: Notice, settings: NotificationSettings) -> str | None:
    """Return the URL of the viewer that requests the report of an execution that settled. None in other notices.

    None also if nothing writes reports, if the URL of the viewer is unknown, and if a path cannot contain the ID. It is
    no presigned link, because such a link expires, and everybody who has the notice could open it.
    """
    is_end = notice.kind == "settled" and notice.outcome is not None
    if not settings.has_reports or not is_end or not is_usable_in_path(notice.execution_id or ""):
        return None
    viewer = viewer_url(notice, settings)
    return f"{viewer}{_REPORT_FRAGMENT}" if viewer else None


def viewer_words(notice: Notice, settings: NotificationSettings) -> str | None:
    """Return the URL of the viewer, or else its path in words."""
    path = viewer_path(notice)
    return viewer_url(notice, settings) or (path and f"{path} of the viewer")


def runbook_of(notice: Notice, settings: NotificationSettings) -> str | None:
    """Return the path or URL of the runbook. None if nothing is wrong or there is no runbook for it."""
    is_end = notice.kind in {"job_ended", "settled"}
    if notice.kind in _WITHOUT_RUNBOOK or notice.label in INFORMATION:
        return None
    if is_end and notice.outcome not in {"FAILED", "PARTIAL"}:
        return None
    file = _RUNBOOKS.get(notice.kind)
    return f"{settings.runbook_url.rpartition('/')[0]}/{file}" if file else settings.runbook_url


def server_groups(notice: Notice) -> list[Group]:
    """Return the lists of servers of a notice about several: by state and error, failed servers first."""
    if server_of(notice):
        return []
    order = {heading: place for place, heading in enumerate(_HEADINGS.values())}
    groups = _groups((_heading(server), server.error, _item(server)) for server in notice.servers)
    return sorted(groups, key=lambda group: order.get(group.heading, len(order)))


def notice_groups(notices: Sequence[Notice]) -> list[Group]:
    """Return the lists of several notices: one for each label and error."""
    return _groups((one_line(notice.label), _listed_error(notice), _notice_item(notice)) for notice in notices)


def _groups(entries: Iterable[tuple[str, str | None, str]]) -> list[Group]:
    found: dict[tuple[str, str | None], list[str]] = {}
    for heading, error, item in entries:
        text = " ".join(lines_of(error)) or None
        found.setdefault((heading, text), []).append(item)
    return [Group(heading, error, sorted(items)) for (heading, error), items in found.items()]


def _heading(server: NoticeServer) -> str:
    nouns = "Servers" if server.type == "Server" else "Networks"
    if not server.state:
        return nouns
    known = _HEADINGS.get(server.state) if server.type == "Server" else None
    return known or f"{one_line(server.state).lower().capitalize()} {nouns.lower()}"


def _item(server: NoticeServer) -> str:
    detail = one_line(server.detail or "")
    return f"{server_text(server)}: {detail}"[:MAX_TEXT] if detail else server_text(server)[:MAX_TEXT]


def _listed_error(notice: Notice) -> str | None:
    return notice.error or (ERROR_UNKNOWN if notice.is_error_expected else None)


def _notice_item(notice: Notice) -> str:
    server = server_of(notice)
    return _item(server) if server else summary_of(notice)


def _outcome_words(notice: Notice) -> str | None:
    if not notice.outcome:
        return None
    before = f" (notified before: {one_line(notice.previous_outcome)})" if notice.previous_outcome else ""
    return f"{one_line(notice.outcome)}{before}"


def _expected_words(notice: Notice) -> str | None:
    if notice.expected_end is None:
        return None
    end, latest = notice.expected_end, notice.latest_end
    if latest is None:
        return f"end at {minute_words(end)}"
    is_same_day = latest.astimezone(UTC).date() == end.astimezone(UTC).date()
    last = f"{latest.astimezone(UTC):%H:%M} UTC" if is_same_day else minute_words(latest)
    return f"end at {minute_words(end)}, at the latest {last}"


def _words(name: str) -> str:
    """Return a key in words: "withFailedActions" → "with failed actions"."""
    return one_line(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).lower()
