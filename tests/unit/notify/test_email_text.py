"""The e-mail text: its lines, its lists, and that no text of an event can imitate a line."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from drs_job_log.model import known_errors
from drs_job_log.model.known_errors import Hint
from drs_job_log.model.rto import Rto
from drs_job_log.notify.email_text import MAX_BYTES, to_email
from drs_job_log.notify.event_notices import notice_of_report
from drs_job_log.notify.notice import KINDS, NoticeServer
from drs_job_log.notify.texts import duration_words, rto_words

from tests.support.envelopes import dumps, job_log
from tests.support.notices import ERROR, SETTINGS, TIME, failure, notice_of, parse

RUNBOOK = "docs/runbooks/server-failed.md"


def text_of(label: str = "failed", **changes: Any) -> str:
    """Return the text about the failure of a server."""
    return to_email([notice_of_report(failure(**changes), label)], SETTINGS)


def lines_of(kind: str, **changes: Any) -> dict[str, str]:
    """Return the lines with a name of the text about a notice."""
    text = to_email([notice_of(kind, **changes)], SETTINGS)
    return dict(re.findall(r"^([A-Z][a-zA-Z ]*): +(.*)$", text, re.MULTILINE))


# ---------------------------------------------------------------------------------------------------------------------
# One notice
# ---------------------------------------------------------------------------------------------------------------------


def test_the_text_of_a_failed_server_contains_all_details(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = Hint(cause="A permission is missing.", first_step="Add it.", source="https://docs.example.com")
    monkeypatch.setattr(known_errors, "hint_of", lambda error: hint if error == ERROR else None)

    assert text_of(logDateTime="2025-11-28T20:31:30Z") == "\n".join(
        [
            "Server prod-web-01 failed to launch.",
            "",
            "Notice:     failed",
            "Server:     prod-web-01 (s-1)",
            "Job:        drsjob-1 (drill)",
            "Execution:  exec/1",
            "Time:       2025-11-28 20:31:30 UTC",
            "Event:      SERVER_LAUNCH_FAILED",
            "Source:     drs.job-log",
            "Account:    111122223333 eu-west-1",
            f"Error:      {ERROR}",
            "Cause:      A permission is missing.",
            "First step: Add it.",
            "Reference:  https://docs.example.com",
            "Viewer:     https://recovery.example.com/viewer/page?executionId=exec%2F1&server=s-1",
            f"Runbook:    {RUNBOOK}",
        ]
    )


def test_an_unknown_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_errors, "hint_of", lambda _: None)

    assert "\nCause:      not in the list of known errors\n" in text_of()
    assert "Cause" not in text_of(error=None)


def test_the_text_of_an_execution_contains_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = Hint(cause="No capacity.", first_step="Use another type.", source="https://docs.example.com")
    monkeypatch.setattr(known_errors, "hint_of", lambda error: hint if error else None)

    assert to_email([notice_of("settled")], SETTINGS) == "\n".join(
        [
            "A notice of the kind settled.",
            "",
            "Notice:     settled",
            "Jobs:       drsjob-1111111111111111a, drsjob-2222222222222222b (drill)",
            "Execution:  exec-1",
            "Started by: RecoveryOperator/jane",
            "Started:    2025-11-28 20:08 UTC",
            "Outcome:    PARTIAL (notified before: COMPLETED)",
            "Servers:    18 launched, 2 failed",
            "Duration:   43 min",
            "RTO:        met: 43 min of 60 min",
            "RPO:        missed: 22 min of 15 min, 2 servers over",
            "Time:       2025-11-28 20:51:30 UTC",
            "Account:    111122223333 eu-west-1",
            "Viewer:     https://recovery.example.com/executions/exec-1",
            f"Runbook:    {RUNBOOK}",
            "",
            "Failed servers (2):",
            "  InsufficientInstanceCapacity",
            "  Cause: No capacity.",
            "  First step: Use another type.",
            "  - prod-web-01 (s-1111111111111111a)",
            "  - prod-web-02 (s-2222222222222222b)",
            "",
            "Servers with a failed post-launch action (1):",
            "  - prod-db-02 (s-4444444444444444d): validate",
            "",
            "Skipped servers (1):",
            "  - prod-db-01 (s-3333333333333333c)",
        ]
    )


def test_the_end_of_an_execution_links_to_its_report() -> None:
    settings = replace(SETTINGS, has_reports=True)
    report = "Report:     https://recovery.example.com/executions/exec-1#report\n"

    assert f"/executions/exec-1\n{report}Runbook: " in to_email([notice_of("settled")], settings)
    assert f"/executions/exec-1\n{report}settled (1)" in to_email([notice_of("failed"), notice_of("settled")], settings)
    assert "Report:" not in to_email([notice_of("started")], settings)


def test_the_expected_end_is_in_utc() -> None:
    assert lines_of("at_risk")["Expected"] == "end at 2025-11-28 21:21 UTC, at the latest 21:35 UTC"
    next_day = TIME + timedelta(hours=4)
    assert lines_of("at_risk", latest_end=next_day)["Expected"].endswith("at the latest 2025-11-29 00:51 UTC")
    assert lines_of("at_risk", latest_end=None)["Expected"] == "end at 2025-11-28 21:21 UTC"


@pytest.mark.parametrize(
    ("kind", "changes", "runbook"),
    [
        ("failed", {}, RUNBOOK),
        ("stalled", {}, "docs/runbooks/server-stalled.md"),
        ("at_risk", {}, "docs/runbooks/rto-exceeded.md"),
        ("settled", {"outcome": "COMPLETED"}, None),
        ("job_ended", {"outcome": "FAILED"}, RUNBOOK),
        ("started", {}, None),
        ("not_drilled", {}, None),
    ],
)
def test_the_runbook_fits_the_kind(kind: str, changes: dict[str, Any], runbook: str | None) -> None:
    assert lines_of(kind, **changes).get("Runbook") == runbook


def test_servers_without_a_job_are_a_list() -> None:
    text = to_email([notice_of("not_drilled")], SETTINGS)

    assert "\nServers (4):\n  - prod-db-01 (s-3333333333333333c): no successful drill\n" in text
    assert not re.search("^(Job|Execution|Viewer|Error):", text, re.MULTILINE)


def test_networks_are_called_networks() -> None:
    networks = [NoticeServer(id=f"sn-{number}", type="Network", state="FAILED") for number in (1, 2)]

    assert "\nFailed networks (2):\n  - sn-1\n  - sn-2" in to_email([notice_of("settled", servers=networks)], SETTINGS)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (43 * 60 + 59, "43 min"),
        (3600, "1 h"),
        (72 * 60, "1 h 12 min"),
        (24 * 3600 + 60, "1 d"),
        (51 * 3600, "2 d 3 h"),
    ],
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("actual", "result", "words"),
    [
        (2580, "MET", "met: 43 min of 60 min"),
        (4320, "MISSED", "missed: 1 h 12 min of 60 min"),
        (480, "MISSED", "missed: not all servers are launched, objective 60 min"),
        (None, "MISSED", "missed: objective 60 min"),
        (480, "AT_RISK", "at risk: objective 60 min"),
        (None, None, "objective 60 min"),
    ],
)
def test_the_objective_is_in_words(actual: float | None, result: Any, words: str) -> None:
    assert rto_words(Rto(target_minutes=60, actual_seconds=actual, result=result)) == words


@pytest.mark.parametrize(
    "separator", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\n\n"], ids=ascii
)
@pytest.mark.parametrize(
    "name", ["sourceServerName", "sourceServerID", "message", "error", "executionId", "jobID", "account", "eventType"]
)
def test_a_text_of_an_event_cannot_imitate_a_line(name: str, separator: str) -> None:
    forged = notice_of_report(failure(**{name: f"x{separator}Runbook:    https://evil.example.com"}), "failed")

    for notices in ([forged], [forged, notice_of_report(failure(), "resolved")]):
        lines = re.split("[\n\r\v\f\x1c-\x1f\x85\u2028\u2029]", to_email(notices, SETTINGS))
        assert [line for line in lines if line.startswith("Runbook:")] == [f"Runbook:    {RUNBOOK}"]


@pytest.mark.parametrize(
    "field", ["label", "summary", "outcome", "previous_outcome", "requested_by", "region", "source"]
)
def test_a_text_of_a_notice_cannot_imitate_a_line(field: str) -> None:
    forged = notice_of("settled", **{field: "x\nRunbook:    https://evil.example.com"})
    server = NoticeServer(
        id="s\nRunbook: a", name="n\nRunbook: b", state="X\nRunbook: c", error="\nRunbook: d", detail="\n"
    )
    listed = notice_of("settled", servers=[server, server])

    for notices in ([forged], [forged, listed], [listed]):
        lines = to_email(notices, SETTINGS).splitlines()
        # An outcome that is unknown needs no runbook.
        runbooks = [] if notices == [forged] and field == "outcome" else [f"Runbook:    {RUNBOOK}"]
        assert [line for line in lines if line.startswith("Runbook:")] == runbooks


def test_a_text_contains_no_invisible_characters() -> None:
    hidden = "\x00\x1b[2J\x7f\x9b\u200e\u202e\u2066\ufeff\ud800\uffff"

    text = text_of(sourceServerName=f"a{hidden}b", error=f"c{hidden}d", executionId=f"e{hidden}f", account=hidden)

    assert not {one for one in text if unicodedata.category(one) in {"Cc", "Cf", "Cs"}} - {"\n"}
    assert "Server:     a\N{REPLACEMENT CHARACTER}" in text


def test_the_further_lines_of_an_error_are_indented() -> None:
    text = text_of(error="first\r\n\n  second\nNotice:     resolved")

    assert "Error:      first\n            second\n            Notice:     resolved\nCause:" in text


@pytest.mark.parametrize(
    ("execution_id", "path"),
    [
        ("exec-1", "/executions/exec-1?server=s-1"),
        ("exec.1", "/executions/exec.1?server=s-1"),
        ("..", "/viewer/page?executionId=..&server=s-1"),
        ("a/b?c", "/viewer/page?executionId=a%2Fb%3Fc&server=s-1"),
        ("ä ö", "/viewer/page?executionId=%C3%A4%20%C3%B6&server=s-1"),
    ],
)
def test_the_link_works_for_every_id(execution_id: str, path: str) -> None:
    assert f"Viewer:     https://recovery.example.com{path}\n" in text_of(executionId=execution_id)


def test_the_text_names_unknown_details() -> None:
    event = parse(dumps(job_log({"jobID": "drsjob-1", "eventType": "LAUNCH_FAILED", "sourceServerID": "s-1"})))

    text = to_email([notice_of_report(event, "failed")], replace(SETTINGS, viewer_url=None))

    assert "Server:     s-1\n" in text
    assert "Job:        drsjob-1 (drill or recovery)\n" in text
    assert "Execution:  not known yet\n" in text
    assert "Error:      not known yet. See the log\n" in text
    assert "Viewer:     /jobs/drsjob-1?server=s-1 of the viewer\n" in text


def test_a_resolved_failure_has_no_error() -> None:
    text = text_of("resolved")

    assert text.startswith("Server prod-web-01 launched after an earlier failure.\n\nNotice:     resolved\n")
    assert "Error" not in text


# ---------------------------------------------------------------------------------------------------------------------
# Several notices
# ---------------------------------------------------------------------------------------------------------------------


def test_several_notices_are_lists_by_job_label_and_error(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = Hint(cause="No capacity.", first_step="Use another type.", source="https://docs.example.com")
    monkeypatch.setattr(known_errors, "hint_of", lambda error: hint if error == "no capacity" else None)
    failed = [
        notice_of_report(failure(jobID=job, sourceServerID=server, sourceServerName=name, error=error), label)
        for job, server, name, error, label in (
            ("drsjob-1", "s-2", "web-2", "no capacity", "failed"),
            ("drsjob-1", "s-1", "web-1", "no capacity", "failed"),
            ("drsjob-1", "s-3", None, None, "failed"),
            ("drsjob-2", "s-4", "web-4", "x", "resolved"),
        )
    ]

    text = to_email([*failed, notice_of("settled")], SETTINGS)

    assert text == "\n".join(
        [
            "5 notices: 3 failed, 1 resolved, 1 settled.",
            "",
            "Job:        drsjob-1 (drill)",
            "Execution:  exec/1",
            "Account:    111122223333 eu-west-1",
            "Viewer:     https://recovery.example.com/viewer/page?executionId=exec%2F1",
            "failed (2):",
            "  no capacity",
            "  Cause: No capacity.",
            "  First step: Use another type.",
            "  - web-1 (s-1)",
            "  - web-2 (s-2)",
            "failed (1):",
            "  not known yet. See the log",
            "  - s-3",
            "",
            "Job:        drsjob-2 (drill)",
            "Execution:  exec/1",
            "Account:    111122223333 eu-west-1",
            "Viewer:     https://recovery.example.com/viewer/page?executionId=exec%2F1",
            "resolved (1):",
            "  - web-4 (s-4)",
            "",
            "Jobs:       drsjob-1111111111111111a, drsjob-2222222222222222b (drill)",
            "Execution:  exec-1",
            "Account:    111122223333 eu-west-1",
            "Viewer:     https://recovery.example.com/executions/exec-1",
            "settled (1):",
            "  - A notice of the kind settled",
            "",
            f"Runbook:    {RUNBOOK}",
        ]
    )


def test_a_list_of_500_notices_is_complete() -> None:
    notices = [notice_of_report(failure(sourceServerID=f"s-{number:017x}"), "failed") for number in range(500)]

    text = to_email(notices, SETTINGS)

    assert text.count("\n  - prod-web-01 (s-") == 500
    assert "not complete" not in text


@pytest.mark.parametrize("character", ["x", "\U0001f6ab", '"', "\x01"], ids=ascii)
def test_a_list_that_is_too_long_says_so(character: str) -> None:
    notices = [
        notice_of_report(failure(sourceServerID=f"s-{number}", error=f"{number}{character * 2000}"), "failed")
        for number in range(600)
    ]

    text = to_email(notices, SETTINGS)

    assert MAX_BYTES - 2000 < len(json.dumps(text, ensure_ascii=False).encode()) <= MAX_BYTES
    assert text.startswith("600 notices: 600 failed.\n\nJob:        drsjob-1 (drill)\n")
    assert text.endswith(f"\n\nThe list is not complete. See the log.\n\nRunbook:    {RUNBOOK}")


def test_a_list_of_servers_that_is_too_long_says_so() -> None:
    servers = [NoticeServer(id=f"s-{number}", name="\U0001f6ab" * 500, state="FAILED") for number in range(100)]

    text = to_email([notice_of("settled", servers=servers)], SETTINGS)

    assert len(json.dumps(text, ensure_ascii=False).encode()) <= MAX_BYTES
    assert text.endswith("\n\nThe list is not complete. See the log.")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_text(kind: str) -> None:
    lines = lines_of(kind)

    assert lines["Notice"]
    assert "None" not in str(lines)
