"""The e-mail text of notices."""

from __future__ import annotations

import json
from collections import Counter
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Final

from drs_job_log.model import known_errors
from drs_job_log.notify.texts import (
    MAX_LISTED_ERROR,
    fields_of,
    notice_groups,
    one_line,
    runbook_of,
    section_fields,
    server_groups,
    summary_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drs_job_log.config import NotificationSettings
    from drs_job_log.notify.notice import Notice
    from drs_job_log.notify.texts import Group

# The maximum size of the text as a JSON string. See the size budget in ``message``.
MAX_BYTES: Final = 80_000

_LABEL_WIDTH: Final = 12

_CUT: Final = "The list is not complete. See the log."


def to_email(notices: Sequence[Notice], settings: NotificationSettings) -> str:
    """Return the text for one notice, or for several that are sent together: one list for each job, label and error.

    The text has at most ``MAX_BYTES`` bytes as a JSON string. If lines are left out, it says so.
    """
    if len(notices) == 1:
        return _fitted(_single(notices[0], settings), [])
    counts = ", ".join(f"{number} {label}" for label, number in label_counts(notices))
    sections: dict[str, list[Notice]] = {}
    for notice in notices:
        sections.setdefault(notice.job_id or notice.execution_id or "", []).append(notice)
    lists = [line for section in sections.values() for line in ["", *_section(section, settings)]]
    runbook = next(filter(None, (runbook_of(notice, settings) for notice in notices)), None)
    end = ["", *_lines({"Runbook": runbook})] if runbook else []
    return _fitted([f"{len(notices)} notices: {counts}.", *lists], end)


def label_counts(notices: Sequence[Notice]) -> list[tuple[str, int]]:
    """Return how many notices have each label, the most frequent first."""
    return Counter(one_line(notice.label) for notice in notices).most_common()


def _single(notice: Notice, settings: NotificationSettings) -> list[str]:
    lists = [line for group in server_groups(notice) for line in ["", *_list(group)]]
    return [f"{summary_of(notice)}.", "", *_lines(fields_of(notice, settings)), *lists]


def _section(notices: Sequence[Notice], settings: NotificationSettings) -> list[str]:
    """Return the lines of one job: its fields, then the servers of each label and error."""
    newest = max(notices, key=lambda notice: notice.time)
    lists = [line for group in notice_groups(notices) for line in _list(group)]
    return [*_lines(section_fields(newest, settings)), *lists]


def _list(group: Group) -> list[str]:
    lines = [f"{group.heading} ({len(group.items)}):"]
    if group.error:
        lines.append(f"  {group.error[:MAX_LISTED_ERROR]}")
        if hint := known_errors.hint_of(group.error):
            lines += [f"  Cause: {hint.cause}", f"  First step: {hint.first_step}"]
    return [*lines, *(f"  - {item}" for item in group.items)]


def _lines(fields: Mapping[str, str]) -> list[str]:
    """Return a line for each field. Further lines of a value are indented and can therefore not imitate a field."""
    indent = f"\n{' ' * _LABEL_WIDTH}"
    return [
        line
        for name, value in fields.items()
        for line in f"{name + ':':{_LABEL_WIDTH}}{value.replace(chr(10), indent)}".split("\n")
    ]


def _fitted(lines: Sequence[str], end: Sequence[str]) -> str:
    """Return the lines that fit as one text, and always the end."""
    room = MAX_BYTES - _size([*end, "", _CUT])
    sizes = accumulate(_size([line]) for line in lines)
    fitting = [line for line, _ in takewhile(lambda pair: pair[1] <= room, zip(lines, sizes, strict=False))]
    cut = [] if len(fitting) == len(lines) else ["", _CUT]
    return "\n".join([*fitting, *cut, *end])


def _size(lines: Sequence[str]) -> int:
    """Return the size of lines in a JSON string, with their line breaks."""
    return sum(len(json.dumps(line, ensure_ascii=False).encode()) for line in lines)
