"""The report of an execution: its content, texts from outside, and that it is streamed."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from html.parser import HTMLParser
from itertools import islice
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from drs_job_log.evidence.report import report
from drs_job_log.model.progress import Progress
from hypothesis import given
from hypothesis import strategies as st

from tests.support import reports
from tests.support.reports import ACCOUNT, ERROR, JOB, REGION, REQUESTER, SAMPLES, SCHEMA, SECOND_JOB, SHA256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TEXT = json.loads(SCHEMA.read_text())
VALIDATOR = jsonschema_rs.Draft202012Validator(TEXT, validate_formats=True)

VOID = {"meta", "col", "wbr", "br"}
BLOCKS = {"p", "li", "tr", "td", "th", "dt", "dd", "h1", "h2", "caption", "title"}
BLOCK_CLASSES = {"sub", "line", "error"}


class Page(HTMLParser):
    """The elements of a page. It fails if they are not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self._parts: list[tuple[str, str]] = []  # the current section and a text
        self._section = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "h2":
            self._section = attributes.get("id") or "about"
        if tag in BLOCKS or BLOCK_CLASSES & set((attributes.get("class") or "").split()):
            self._parts.append((self._section, "\n"))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in BLOCKS:
            self._parts.append((self._section, "\n"))

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self._parts.append((self._section, data))

    def lines(self, section: str | None = None) -> list[str]:
        """Return the lines of the page or of one of its sections, as a reader sees them. A dash is a hyphen."""
        text = "".join(part for name, part in self._parts if section in {None, name}).replace("\N{EN DASH}", "-")
        return [" ".join(line.split()) for line in text.split("\n") if line.strip()]

    def words(self, section: str | None = None) -> str:
        return " | ".join(self.lines(section))


def page(arguments: reports.Report) -> Page:
    return Page(reports.page(arguments))


def changed(arguments: reports.Report, **given: Any) -> reports.Report:
    summary, servers, events = arguments
    return {**summary, **given}, servers, events


# ----------------------------------------------------------------------------------------------------------------------
# The content
# ----------------------------------------------------------------------------------------------------------------------


def test_complete_drill() -> None:
    found = page(reports.drill())

    assert found.lines("")[:4] == [
        "Drill exec-1: Completed",
        "Evidence of a recovery with AWS Elastic Disaster Recovery",
        "Drill exec-1",
        "Completed 3 of 3 servers launched.",
    ]
    assert "No server, step, job or post-launch action failed or was skipped." in found.lines()
    assert "Failures" not in found.lines()
    assert "Revision 2" not in found.words()
    assert found.lines("totals") == [
        *("Totals", "Execution ID", "exec-1", "Type", "Drill", "Status", "Completed"),
        *("Start", "2026-11-24 13:00:05 UTC", "End", "2026-11-24 13:25:05 UTC", "Duration", "25 min 0 s"),
        *("Servers", "3 of 3 servers launched", "Started by", REQUESTER, "Accounts", ACCOUNT, "Regions", REGION),
        *("Events in the log", "5, the last one of 2026-11-24 13:25:05 UTC", "Revision", "1"),
    ]
    assert "Recovery time (RTO) | 60 min | 20 min 3 s | 1,203.5 s | Met" in found.words("objectives")
    assert "Recovery point (RPO) | 15 min | 5 min 0 s | 300.0 s | Met" in found.words("objectives")
    wave = "1 | Completed | 2026-11-24 13:00:05 UTC | 2026-11-24 13:25:05 UTC | 25 min 0 s | 3 of 3 | Job 1"
    assert wave in found.words("waves")


def test_a_server_has_its_steps_its_recovery_point_and_its_instance() -> None:
    row = (
        "1 | Job 1 | prod-web-01 | s-00000000000000001 | i-00000000000000001 | Launched | 1 min 1 s | 52 s | "
        "12 min 3 s | 3 min 20 s | 20 min 3 s | 2026-11-24 12:55:05 UTC | Age 5 min 0 s"
    )

    assert row in page(reports.drill()).words("servers")


def test_a_job_has_who_started_it_and_where() -> None:
    row = (
        f"Job 1 | {JOB} | Drill | START_DRILL | Completed | 2026-11-24 13:00:05 UTC | 2026-11-24 13:25:05 UTC | "
        f"25 min 0 s | {ACCOUNT} | {REGION} | Started by: {REQUESTER}"
    )

    assert page(reports.drill()).words("jobs").endswith(row)


def test_the_log_has_each_event_in_the_given_order() -> None:
    rows = [
        "2026-11-24 13:00:05 UTC | JOB_STARTED | - | Job 1 | Drill of 3 servers started",
        "2026-11-24 13:00:10 UTC | SNAPSHOT_STARTED | prod-web-01 | s-00000000000000001 | Job 1 | Taking a snapshot of",
        "2026-11-24 13:01:11 UTC | SNAPSHOT_COMPLETED | prod-web-01 | s-00000000000000001 | Job 1 | Snapshot of server",
        "2026-11-24 13:20:08 UTC | SERVER_LAUNCHED | prod-web-01 | s-00000000000000001 | Job 1 | Server prod-web-01",
        "2026-11-24 13:25:05 UTC | JOB_COMPLETED | - | Job 1 | Drill ended: 3 of 3 servers launched | End of the log:",
    ]
    words = page(reports.drill()).words("log")

    places = [words.find(row) for row in rows]
    assert -1 not in places
    assert places == sorted(places)


def test_the_sections_have_the_order_of_the_specification() -> None:
    found = page(reports.partial())

    headings = [attributes.get("id") for tag, attributes in found.tags if tag == "h2"]
    assert headings == ["failures", "totals", "objectives", "waves", "servers", "jobs", "log", None]


def test_failures_of_a_partial_recovery_come_first() -> None:
    found = page(reports.partial())

    assert found.lines("")[2:4] == ["Recovery exec-1", "Partial 3 of 6 servers launched, 2 failed, 1 skipped."]
    assert found.lines("failures") == [
        "Failures",
        "The recovery time objective (RTO) of 60 min is missed: not all servers are launched.",
        "The recovery point objective (RPO) of 15 min is missed: 1 server over the target.",
        "2 servers failed: prod-web-01, prod-web-02. The errors differ in IDs and numbers only. The first one:",
        f"Error: {ERROR}",
        "1 server was skipped: prod-batch-01.",
        "The post-launch action validate-disk-space failed on 1 server: prod-db-01.",
        *("Error: Exit status 3: /var has 2 % left", "needed: 10 %"),
    ]
    assert "Status reason | The jobs reached different outcomes." in found.words("totals")


def test_a_failed_server_has_its_whole_error_and_its_steps() -> None:
    words = page(reports.partial()).words("servers")

    steps = "Failed | 1 min 1 s | 52 s | 12 min 3 s | - | 20 min 3 s | -"
    assert f"2 | Job 2 | prod-web-01 | s-00000000000000006 | no instance | {steps} | Error: {ERROR} |" in words
    assert "Failed post-launch action validate-disk-space: Exit status 3: /var has 2 % left | needed: 10 %" in words
    assert "Instance terminated: 2026-11-24 15:30:05 UTC" in words
    assert "2026-11-24 12:38:05 UTC | Age 22 min 0 s" in words


def test_servers_are_sorted_by_wave_and_name_and_those_without_a_wave_are_last() -> None:
    summary, servers, events = reports.partial()
    servers += [reports.server(10, "a-cache", wave=None), reports.server(11, None, wave=1)]
    names = ["prod-db-01", "prod-db-02", "s-0000000000000000b"]
    names += ["prod-batch-01", "prod-web-01", "prod-web-02", "prod-web-03", "a-cache"]

    for seed in range(3):
        random.Random(seed).shuffle(servers)  # noqa: S311
        lines = page((summary, servers, events)).lines("servers")
        assert [line for line in lines if line in names] == names


def test_a_long_error_is_cut_in_the_list_of_failures_only() -> None:
    summary, _, events = reports.partial()
    error = "e" * 2000

    found = page((summary, [reports.failed(1, "web", error)], events))

    assert f"Error: {'e' * 600} … (cut here)" in found.lines("failures")
    assert f"Error: {error}" in found.lines("servers")


def test_the_list_of_failures_is_short() -> None:
    summary, _, events = reports.partial()
    servers = [reports.failed(number, f"web-{number:03}", errorShape="one") for number in range(200)]

    found = page((summary, servers, events))

    listed = ", ".join(f"web-{number:03}" for number in range(20))
    assert f"200 servers failed: {listed} and 180 more, which the table of servers has." in found.lines("failures")
    assert {f"web-{number:03}" for number in range(200)} <= set(found.lines("servers"))


def test_a_failed_server_that_another_job_launched() -> None:
    summary, _, events = reports.partial()
    servers = [reports.failed(1, "web", None), reports.server(1, "web", jobId=SECOND_JOB)]

    found = page((summary, servers, events))

    assert "1 server failed: web. Another job launched it. DRS reported no error." in found.lines("failures")


def test_a_server_that_failed_in_two_jobs_is_listed_once() -> None:
    summary, _, events = reports.partial()
    servers = [
        reports.failed(1, "web", errorShape="x"),
        reports.failed(1, "web", "e", errorShape="x", jobId=SECOND_JOB),
    ]

    found = page((summary, servers, events))

    assert "1 server failed: web. The errors differ in IDs and numbers only. The first one:" in found.lines("failures")
    assert found.lines("servers").count("web") == 2


def test_different_errors_of_a_post_launch_action() -> None:
    summary, _, events = reports.drill()
    names = {"web": "out of memory", "db": "no disk", "app": None}
    servers = [
        reports.server(number, name, failedActions=[{"name": "check", "error": error}])
        for number, (name, error) in enumerate(names.items())
    ]

    found = page((summary, servers, events))

    line = "The post-launch action check failed on 3 servers: app, db, web. The errors differ. The first one:"
    assert found.lines("failures") == ["Failures", line, "Error: no disk"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"status": "FAILED", "jobs": [reports.job(status="FAILED")]}, f"Drill {JOB} failed. The log has its events."),
        ({"status": "PARTIAL", "statusReason": "A wave is missing."}, "The status is Partial. A wave is missing."),
        ({"status": "FAILED"}, "The status is Failed. The log has the events."),
        ({"waves": [reports.wave(status="TIMED_OUT", name="data")]}, 'Wave 1 "data" timed out.'),
        ({"waves": [reports.wave(status="FAILED")]}, "Wave 1 failed."),
    ],
)
def test_a_failure_without_a_failed_server(given: Mapping[str, Any], line: str) -> None:
    found = page(changed(reports.drill(), **given))

    assert found.lines("failures") == ["Failures", line]


def test_recovery_plan_with_a_skipped_step_and_a_wait() -> None:
    found = page(reports.plan())
    words = found.words("waves")

    assert "Drill shop" in found.lines()
    assert 'Step 3 "caches" was skipped.' in found.lines("failures")
    assert "Steps of the recovery plan | Recovery plan | shop | Plan ARN | arn:aws:drs:eu-west-1:" in words
    assert "Status in DRS | Completed" in words
    steps = [
        "1 databases | Completed | Attempt 2 | 2026-11-24 13:00:05 UTC | 2026-11-24 13:25:05 UTC | 25 min 0 s | 2 of 2",
        "2 consistency checks | Completed | 2026-11-24 13:25:15 UTC | 2026-11-24 13:35:15 UTC | 10 min 0 s | Wait of",
        "3 caches | Skipped | - | 2026-11-24 13:35:20 UTC | - | - | -",
        "4 web servers | Completed | 2026-11-24 13:35:25 UTC | 2026-11-24 14:00:05 UTC | 24 min 40 s | 1 of 1 | Job 2",
    ]
    assert all(step in words for step in steps), words
    assert "Attempt 1" not in words
    assert "PLAN_STARTED | - | Plan | Recovery plan shop started" in found.words("log")
    assert "1 h 0 min 5 s" in found.lines("totals")
    assert "Step | Server | State" in found.words("servers")


def test_error_of_a_recovery_plan() -> None:
    summary, servers, events = reports.plan()
    summary["recoveryPlan"] |= {"error": "Access denied", "status": "FAILED"}

    found = page((summary, servers, events))

    assert "The recovery plan reports an error. | Error: Access denied" in found.words("failures")
    assert "Status in DRS | Failed | Error | Access denied" in found.words("waves")


def test_a_later_revision_names_the_one_that_it_replaces() -> None:
    found = page(reports.revision())

    assert (
        "Revision 2. It replaces revision 1: a fact changed or became known later, or revision 1 was missing in the "
        "bucket. The summary.json of "
        f"revision 1 has the SHA-256 {SHA256}."
    ) in found.lines("")
    assert "Revision | 2" in found.words("totals")


def test_values_that_are_not_known() -> None:
    found = page(reports.empty())

    assert f"Job {JOB}" in found.lines("")
    action = "A post-launch action failed on 1 server: s-00000000000000001. DRS reported no error."
    assert found.lines("failures") == ["Failures", action, f"Job {JOB} failed. The log has its events."]
    assert "Type | not known" in found.words("totals")
    assert "Started by | not known | Accounts | not known | Regions | not known" in found.words("totals")
    assert "Recovery time (RTO) | no objective | not known | no objective" in found.words("objectives")
    assert "Recovery point (RPO) | no objective | not known | no objective" in found.words("objectives")
    assert "Wave | Status | Start" in found.words("waves")
    assert "1 | Completed | - | - | - | - | Job 1" in found.words("waves")
    row = "- | Job 1 | s-00000000000000001 | no instance | Terminated | - | - | - | - | - | -"
    assert f"{row} | Failed post-launch action. DRS reported no error." in found.words("servers")
    assert f"Job 1 | {JOB} | Job | Failed | 2026-11-24 13:00:05 UTC | - | - | not known | Started by: not known" in (
        found.words("jobs")
    )
    assert "2026-11-24 13:00:05 UTC | JOB_STARTED | - | Job 1 | -" in found.words("log")
    assert "None" not in found.text


@pytest.mark.parametrize(
    ("objectives", "rows"),
    [
        (
            {
                "rto": {"targetMinutes": 60, "actualSeconds": None, "result": None},
                "rpo": {"targetMinutes": 15, "seconds": None, "result": None, "serversOver": 0},
            },
            ("60 min | not known | not known", "15 min | not known | not known"),
        ),
        (
            {
                "rto": {"targetMinutes": 60, "actualSeconds": 3600.4, "result": "MISSED"},
                "rpo": {"targetMinutes": None, "seconds": 52.25, "result": None, "serversOver": None},
            },
            ("60 min | 1 h 0 min 0 s | 3,600.4 s | Missed", "no objective | 52.2 s | no objective"),
        ),
        (
            {
                "rto": {"targetMinutes": 60, "actualSeconds": 1200.0, "result": "MISSED"},
                "rpo": {"targetMinutes": 15, "seconds": 901.0, "result": "MISSED", "serversOver": 2},
            },
            (
                "60 min | 20 min 0 s | 1,200.0 s | Missed: not all servers are launched",
                "15 min | 15 min 1 s | 901.0 s | Missed: 2 servers over the target",
            ),
        ),
    ],
)
def test_objectives_in_words(objectives: Mapping[str, Any], rows: tuple[str, str]) -> None:
    words = page(changed(reports.drill(), **objectives)).words("objectives")

    assert words.endswith(f"Recovery time (RTO) | {rows[0]} | Recovery point (RPO) | {rows[1]}")


def test_an_execution_without_servers_jobs_and_events() -> None:
    summary = reports.summary(waves=[], jobs=[], counts=reports.counts(), eventCount=0)

    found = page((summary, [], []))

    assert "Completed No servers." in found.lines("")
    assert found.lines("waves") == ["Waves", "No wave is known."]
    assert found.lines("servers") == ["Servers", "No server is known."]
    assert found.lines("jobs") == ["Jobs", "There is no job."]
    assert "End of the log: 0 events." in found.lines("log")


def test_a_log_without_all_events_says_so() -> None:
    summary, servers, events = reports.drill()

    found = page((summary, servers, events[:4]))

    assert found.lines("log")[-2:] == ["End of the log: 4 events.", "The totals state 5. The log is not complete."]
    assert "is not complete" not in page(reports.drill()).words()


def test_the_log_says_which_event_another_source_sent_and_which_was_cut() -> None:
    words = page(reports.partial()).words("log")

    assert "NOTE | - | Job 2 | Database switched by the operator | Sent by another source: example.runbook" in words
    assert words.count("another source") == 1
    assert "1 of 4 servers launched | The event was cut when it was stored." in words
    assert words.count("was cut") == 1


def test_an_event_of_a_network_names_it() -> None:
    network = reports.event(1, "NETWORK_RECOVERY_FAIL", "Recovery failed", EventData={"resourceID": "sn-1"})
    summary, servers, _ = reports.drill()

    assert "NETWORK_RECOVERY_FAIL | sn-1 | Job 1 | Recovery failed" in page((summary, servers, [network])).words("log")


@pytest.mark.parametrize(
    ("event", "is_bad"),
    [
        (reports.event(1, "LAUNCH_ACTION_FAILED"), True),
        (reports.event(1, "NETWORK_RECOVERY_FAIL"), True),
        (reports.event(1, "PLAN_STEP_TIMED_OUT"), True),
        (reports.event(1, "JOB_COMPLETED", Error="Access denied"), True),
        (reports.event(1, "JOB_COMPLETED"), False),
    ],
)
def test_a_failure_is_emphasized_in_the_log(event: dict[str, Any], is_bad: bool) -> None:
    summary, servers, _ = reports.drill()
    row = reports.page((summary, servers, [event])).partition('id="log"')[2]

    assert ('<span class="bad">' in row.partition("</tbody>")[0]) == is_bad


def test_an_event_of_a_job_that_the_summary_does_not_have() -> None:
    summary, servers, _ = reports.drill()
    event = reports.event(1, "JOB_STARTED", "Started", JobId="drsjob-9")

    assert "JOB_STARTED | - | drsjob-9 | Started" in page((summary, servers, [event])).words("log")


def test_the_page_says_what_it_is_and_how_to_verify_it() -> None:
    words = page(reports.drill()).words("about")

    for part in ("terraform-aws-drs-job-log", "in UTC", "SHA-256", "summary.json", "verify_evidence.py"):
        assert part in words


# ----------------------------------------------------------------------------------------------------------------------
# Texts from outside
# ----------------------------------------------------------------------------------------------------------------------

MARKUP = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;<!--"
BIDI = "a\u202eb\u2066c\u200fd"
LETTERS = "\u05e9\u05dc\u05d5\u05dd"  # a Hebrew word


def tags(text: str) -> set[str]:
    return {tag for tag, _ in page(reports.hostile(text)).tags}


def test_markup_is_text() -> None:
    found = page(reports.hostile(MARKUP))

    assert tags(MARKUP) <= tags("plain_text") | {"bdi"}
    attributes = {name for _, given in found.tags for name in given}
    assert attributes <= {*("lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "scope")} | {
        *("colspan", "aria-label")
    }
    shown = " ".join(MARKUP.split())
    assert f"Recovery {shown}" in found.lines("")
    for section in ("failures", "totals", "waves", "servers", "jobs", "log"):
        assert shown in found.words(section), section


def test_characters_that_change_the_direction_are_shown_as_their_codes() -> None:
    text = reports.page(reports.hostile(BIDI))

    assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    shown = "a<U+202E>b<U+2066>c<U+200F>d"
    found = Page(text)
    assert found.lines("")[0] == f"Recovery {shown}: A<U+202E>b<U+2066>c<U+200F>d"
    for section in ("failures", "totals", "waves", "servers", "jobs", "log"):
        assert shown in found.words(section), section


def test_a_text_in_another_direction_is_isolated() -> None:
    text = reports.page(reports.hostile(LETTERS))

    in_body = text.partition("<body>")[2]
    outside = re.sub("<bdi>[^<]*</bdi>", "", in_body)
    assert LETTERS in in_body
    assert LETTERS not in outside


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a<U+0000>b"),
        ("a\x1bb", "a<U+001B>b"),
        ("a\u200bb", "a<U+200B>b"),
        ("a\ufeffb", "a<U+FEFF>b"),
        ("a\ud800b", "a<U+D800>b"),
        ("a\U000e0041b", "a<U+E0041>b"),
        ("a\r\nb\u2028c\x85d", "a | b | c | d"),
        ("grün \u2713 \U0001f600", "grün \u2713 \U0001f600"),
    ],
)
def test_a_character_that_cannot_be_seen_is_shown_as_its_code(text: str, shown: str) -> None:
    summary, servers, events = reports.drill()
    summary["statusReason"] = text

    found = page((summary, servers, events))

    assert f"| Status reason | {shown} | Start |" in found.words("totals")
    found.text.encode()


@given(st.text(min_size=1))
def test_no_text_breaks_the_page(text: str) -> None:
    found = page(reports.hostile(text))

    found.text.encode()
    assert {tag for tag, _ in found.tags} <= tags("plain_text") | {"bdi"}
    assert "\x00" not in found.text


@pytest.mark.parametrize("text", ['"; } body { display: none } /*', "</style>", "x\ny", "\u202e", "EXECUTION" * 30])
def test_an_id_cannot_change_the_style(text: str) -> None:
    style = reports.page(reports.hostile(text)).partition("<style>")[2].partition("</style>")[0]

    assert style.count("{") == style.count("}") == reports.page(reports.drill()).count("{")
    (content,) = re.findall(r'@bottom-left { content: "([^"]*)"', style)
    assert re.fullmatch(r"[\w.~%-]{1,80}", content, re.ASCII)


def test_the_policy_allows_only_the_style_of_the_page() -> None:
    for make in SAMPLES.values():
        text = reports.page(make())
        (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

        policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
        assert "style=" not in text


@pytest.mark.parametrize("make", SAMPLES.values(), ids=SAMPLES)
def test_tables_have_captions_and_scopes_and_headings_are_in_order(make: Callable[[], reports.Report]) -> None:
    found = page(make())
    names = [tag for tag, _ in found.tags]

    assert names.count("table") == names.count("caption") == names.count("thead")
    assert all(given.get("scope") in {"row", "col"} for tag, given in found.tags if tag == "th")
    headings = [int(tag[1]) for tag in names if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert set(headings[1:]) == {2}
    ids = [given["id"] for _, given in found.tags if "id" in given]
    assert len(ids) == len(set(ids))
    targets = {(given["href"] or "")[1:] for tag, given in found.tags if tag == "a"}
    assert targets <= set(ids)


# ----------------------------------------------------------------------------------------------------------------------
# Streaming
# ----------------------------------------------------------------------------------------------------------------------


def test_events_are_read_once_and_only_when_a_part_needs_them() -> None:
    summary, servers, _ = reports.drill()
    read = 0

    def events() -> Iterator[dict[str, Any]]:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield reports.event(number, "NOTE", f"event {number}")

    parts = report({**summary, "eventCount": 10_000}, iter(servers), events())

    before = list(islice(parts, 8))
    assert read == 0
    assert "<h1>" in "".join(before)
    first = next(part for part in parts if "event 0<" in part)
    assert read == 1
    assert len(first) < 500
    rest = list(parts)
    assert read == 10_000
    assert max(map(len, rest)) < 5_000
    assert "event 9999<" in "".join(rest)


def test_the_page_depends_on_the_arguments_only() -> None:
    for make in SAMPLES.values():
        summary, servers, events = make()
        first = reports.page((summary, servers, events))

        assert make() == (summary, servers, events)  # they are not changed
        assert reports.page((summary, list(reversed(servers)), events)) == first


# ----------------------------------------------------------------------------------------------------------------------
# The schema of summary.json
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", SAMPLES.values(), ids=SAMPLES)
def test_each_sample_fits_the_schema(make: Callable[[], reports.Report]) -> None:
    summary, _, _ = make()

    VALIDATOR.validate(reports.with_files(summary))


@pytest.mark.parametrize(
    "given",
    [
        {"version": "2.0"},
        {"status": "IN_PROGRESS"},
        {"executionId": None, "jobId": None},
        {"executionId": "exec-1", "jobId": JOB},
        {"revision": 0},
        {"revision": 1, "supersedes": SHA256},
        {"revision": 2, "supersedes": None},
        {"startedAt": "2026-11-24 13:00:05"},
        {"durationSeconds": -1},
        {"accounts": ["1"]},
        {"rto": {"targetMinutes": 60, "actualSeconds": 1.0, "result": "AT_RISK"}},
        {"counts": {"totalServers": 1, "lost": 1}},
        {"files": {"report.html": {"sha256": SHA256, "bytes": 1}}},
        {"more": 1},
    ],
)
def test_the_schema_refuses_another_document(given: Mapping[str, Any]) -> None:
    document = reports.with_files(reports.summary())
    assert VALIDATOR.is_valid(document)

    assert not VALIDATOR.is_valid({**document, **given})


def test_every_object_of_the_schema_is_closed_and_described() -> None:
    def objects(schema: Any) -> list[dict[str, Any]]:
        parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
        own = [schema] if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) else []
        return [*own, *(found for part in parts for found in objects(part))]

    found = [schema for schema in objects(TEXT) if "additionalProperties" in schema]
    assert len(found) == 9
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
        for name, one in schema["properties"].items():
            assert "description" in one, name


def test_the_schema_has_the_keys_of_the_progress() -> None:
    assert TEXT["$defs"]["counts"]["required"] == list(Progress((), ()).summary)
