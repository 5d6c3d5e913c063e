"""docs/notifications.md: the generated messages, and the tables of kinds, attributes and protocols."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest
from drs_job_log.notify.event_notices import notice_of_report
from drs_job_log.notify.message import to_publish
from drs_job_log.notify.notice import KINDS

from tests.support.notices import PAGE, SETTINGS, TIME, demo_notices, failure, notice_of, updated

TEXT: Final = PAGE.read_text()


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_column(heading: str) -> list[str]:
    """Return the names in the first column of the table of a section."""
    rows = re.findall(r"^\| (`[^|]+) \|", section(heading), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_the_messages_are_those_of_the_code() -> None:
    assert updated(TEXT) == TEXT, "run `python -m tests.support.notices`"


def test_the_demo_has_a_notice_of_each_fact() -> None:
    kinds = [notice.kind for notice in demo_notices()]

    assert kinds == ["started", "job_ended", "failed", "job_ended", "settled"]


def test_the_page_lists_all_kinds() -> None:
    assert first_column("Kinds") == list(KINDS)


def test_the_page_lists_all_attributes() -> None:
    notices = [notice_of(kind) for kind in KINDS]
    notices += [notice_of_report(failure(resourceID="sn-1", sourceServerID=None), "failed")]
    sent = {name for notice in notices for name in to_publish([notice], SETTINGS, TIME)["MessageAttributes"]}

    assert set(first_column("Message attributes")) == sent


def test_the_page_lists_all_protocols_with_a_format_of_their_own() -> None:
    parts = json.loads(to_publish([notice_of("failed")], SETTINGS, TIME)["Message"])

    assert set(parts) - {"default"} <= set(first_column("Subscribe"))


@pytest.mark.parametrize("name", ["email", "chat"])
def test_a_page_without_a_marker_is_refused(name: str) -> None:
    with pytest.raises(AssertionError, match="the page has no marker"):
        updated(TEXT.replace(f"<!-- END GENERATED {name} -->", ""))
