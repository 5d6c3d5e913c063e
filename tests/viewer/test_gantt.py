"""The expected end, the recovery time objective, and the schedule of the servers."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from drs_job_log.api import handler as api
from drs_job_log.estimates import Estimator
from drs_job_log.model.events import format_time
from playwright.sync_api import expect

from tests.support import played, scripts
from tests.unit.conftest import RETENTION, dynamodb, table  # noqa: F401 (fixtures)
from tests.viewer.conftest import (
    COMPARISON,
    NAMES,
    NOW,
    SERVERS,
    change_answers,
    derived,
    events_of,
    steps,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from playwright.sync_api import BrowserContext, Locator

    from tests.support.recovery import Recovery
    from tests.viewer.conftest import Opener, Viewer

MARKUP = "<img src=x onerror=\"document.title='taken'\">"
EXPECTED = ".outlook .expected-end"
BASIS = ".outlook .muted"
RTO = ".outlook .rto"


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def at(number: float) -> str:
    """Return the time some minutes after ``NOW``, as the API formats it."""
    return format_time(NOW + minutes(number))


def happened(events: Sequence[JobLogEvent]) -> list[JobLogEvent]:
    return [event for event in events if event.timestamp <= NOW]


RUNNING = happened(events_of(scripts.launch(SERVERS), ago=minutes(7)))
FINISHED = events_of(scripts.launch(SERVERS), ago=minutes(41))
FAILED = events_of(scripts.launch(SERVERS, failing={SERVERS[1]: "no rights"}), ago=minutes(60))

ESTIMATE = {"expectedEnd": at(12.05), "earliestEnd": at(10), "latestEnd": at(15), "basis": "server"}
OBJECTIVE = {"targetMinutes": 60, "actualMinutes": None, "actualSeconds": None, "result": None}
OTHER = {
    "executionId": "exec-0",
    "startedAt": "2026-10-27T09:00:03.000000Z",
    "isDrill": True,
    "durationSeconds": 871.2,
}


def compared(server: str, *, seconds: float = 120, state: str = "LAUNCHED") -> dict[str, Any]:
    """Return a server of a comparison, with half of the seconds in each of two steps."""
    steps = {name: {"seconds": None, "otherSeconds": seconds / 2} for name in ("conversion", "launch")}
    return {"sourceServerId": server, "otherState": state, "steps": steps}


def shown(viewer: Viewer) -> Locator:
    """Return the schedule."""
    locator = viewer.find(".gantt")
    expect(locator).to_be_visible()
    return locator


def row(viewer: Viewer, name: str) -> Locator:
    return shown(viewer).locator(f".gantt-row:has-text('{name}')")


def bars(viewer: Viewer, name: str) -> list[str]:
    """Return the kinds of the bars of a server, without the earlier execution."""
    found = row(viewer, name).locator("i:not(.bar-earlier)").all()
    return [bar.get_attribute("class") or "" for bar in found]


def titles(viewer: Viewer, name: str) -> list[str]:
    return [bar.get_attribute("title") or "" for bar in row(viewer, name).locator("i").all()]


def flags(viewer: Viewer) -> list[str]:
    return shown(viewer).locator(".flag").all_text_contents()


def left(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box
    return box["x"]


def many(servers: int, events: int, ago: timedelta) -> list[JobLogEvent]:
    """Return the events of a drill with many servers. Repeated starts of conversions add to the number of events."""
    ids = [scripts.server_id(number) for number in range(servers)]
    log = played.events(scripts.launch(ids), "drsjob-1", created=NOW - ago, execution_id="exec-1")
    known = [
        replace(event, source_server_name=f"server-{int(event.source_server_id[2:], 16):03}")
        if event.source_server_id
        else event
        for event in happened(log)
    ]
    starts = [event for event in known if event.event_type == "CONVERSION_STARTED"]
    repeated = [
        replace(starts[number % len(starts)], event_id=f"repeated-{number}") for number in range(events - len(known))
    ]
    return [*known, *repeated]


# ---------------------------------------------------------------------------------------------------------------------
# The expected end and the objective
# ---------------------------------------------------------------------------------------------------------------------


def test_the_expected_end_is_shown_with_its_range_and_its_basis(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*RUNNING)
    change_answers(context, lambda answer, _: answer | {"estimate": ESTIMATE})
    viewer = open_viewer()

    expect(viewer.find(EXPECTED)).to_have_text(
        "Expected end: 2026-11-24 14:12:03 (between 2026-11-24 14:10:00 and 2026-11-24 14:15:00), in 12 min 3 s"
    )
    expect(viewer.find(BASIS)).to_have_text(
        "Based on earlier launches of these servers. The end is in this range in 80 % of the cases."
    )
    viewer.move_on(1)
    expect(viewer.find(EXPECTED)).to_contain_text("in 12 min 2 s")
    viewer.page.get_by_label("Time zone").select_option("UTC")
    expect(viewer.find(EXPECTED)).to_contain_text("Expected end: 2026-11-24 13:12:03 (between 2026-11-24 13:10:00")


def test_only_a_known_reason_for_no_expected_end_is_shown(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*RUNNING)
    planned = {"plannedWaves": None}

    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        servers = [server | {"estimate": ESTIMATE} for server in answer["servers"]]
        return answer | planned | {"estimate": None, "servers": servers}

    change_answers(context, change)
    viewer = open_viewer()
    expect(row(viewer, NAMES[0])).to_be_visible()
    expect(viewer.find(f"{EXPECTED}:visible, {BASIS}:visible")).to_have_count(0)

    planned["plannedWaves"] = 2  # type: ignore[assignment]
    viewer.poll()

    expect(viewer.find(BASIS)).to_have_text("No expected end: the servers of a later wave are not known.")


@pytest.mark.parametrize(
    ("events", "objective", "text"),
    [
        (RUNNING, {}, "RTO: 60 min, target 2026-11-24 14:53:00, 53 min 0 s left"),
        (RUNNING, {"result": "AT_RISK"}, "RTO: 60 min, target 2026-11-24 14:53:00, at risk"),
        (
            RUNNING,
            {"targetMinutes": 5, "result": "MISSED"},
            "RTO: 5 min, target 2026-11-24 13:58:00, missed by 2 min 0 s so far",
        ),
        (
            FINISHED,
            {"actualSeconds": 780.5, "result": "MET"},
            "RTO: 60 min, target 2026-11-24 14:19:00, met in 13 min 0 s",
        ),
        (
            FINISHED,
            {"targetMinutes": 8, "actualSeconds": 780, "result": "MISSED"},
            "RTO: 8 min, target 2026-11-24 13:27:00, missed by 5 min 0 s",
        ),
        (
            FAILED,
            {"actualSeconds": 600, "result": "MISSED"},
            "RTO: 60 min, target 2026-11-24 14:00:00, missed: not all servers were launched",
        ),
    ],
)
def test_the_objective_is_shown_with_its_result(  # noqa: PLR0917
    recovery: Recovery,
    open_viewer: Opener,
    context: BrowserContext,
    events: list[JobLogEvent],
    objective: dict[str, Any],
    text: str,
) -> None:
    recovery.happen(*events)
    change_answers(context, lambda answer, _: answer | {"rto": OBJECTIVE | objective})

    expect(open_viewer().find(RTO)).to_have_text(text)


@pytest.mark.parametrize(
    ("target", "text", "result"),
    [
        (None, "RPO: no objective, 22 min 0 s", ""),
        (15, "RPO: 15 min, missed: 22 min 0 s, 1 server over", "MISSED"),
        (30, "RPO: 30 min, met: 22 min 0 s", "MET"),
    ],
)
def test_the_recovery_points_are_shown_with_the_objective(  # noqa: PLR0917
    recovery: Recovery,
    open_viewer: Opener,
    monkeypatch: pytest.MonkeyPatch,
    target: int | None,
    text: str,
    result: str,
) -> None:
    monkeypatch.setattr(api, "settings", replace(api.settings, rpo_minutes=target))
    points = {SERVERS[0]: minutes(-7), SERVERS[1]: minutes(-22), SERVERS[2]: minutes(3)}
    recovery.happen(*events_of(replace(scripts.launch(SERVERS), recovery_points=points), ago=minutes(41)))
    viewer = open_viewer()

    expect(viewer.find(".outlook .rpo")).to_have_text(text)
    expect(viewer.find(".outlook .rpo")).to_have_attribute("data-result", result)
    cards = viewer.find(".server .when")
    for point in (
        "Recovery point 2026-11-24 13:12:00, 7 min 0 s before the job",
        "Recovery point 2026-11-24 12:57:00, 22 min 0 s before the job",
        "Recovery point 2026-11-24 13:22:00",  # after the creation of the job
    ):
        expect(cards.filter(has_text=point)).to_have_count(1)
    expect(cards.filter(has_text="before the job")).to_have_count(2)


def test_answers_of_an_earlier_version_show_the_schedule_only(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*RUNNING)
    later = {"estimate", "rto", "rpo", "durationSeconds", "waves", "plannedWaves", "stalled", "slow", "stepSeconds"}
    later |= {"pointInTime", "rpoSeconds"}

    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        servers = [{key: server[key] for key in server.keys() - later} for server in answer["servers"]]
        return {key: answer[key] for key in answer.keys() - later} | {"servers": servers}

    change_answers(context, change)
    viewer = open_viewer()

    assert bars(viewer, NAMES[0]) == ["bar-wait", "bar-snapshot", "bar-wait", "bar-conversion", "bar-launch"]
    assert flags(viewer) == ["Now"]
    expect(viewer.find(".outlook p:visible")).to_have_count(0)


def test_a_wrong_clock_of_the_browser_does_not_change_the_schedule(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*RUNNING)
    change_answers(context, lambda answer, _: answer | {"estimate": ESTIMATE, "rto": OBJECTIVE})
    viewer = open_viewer()
    expect(viewer.find(EXPECTED)).to_contain_text("in 12 min 3 s")

    def drawn() -> list[Any]:
        now = left(shown(viewer).locator(".line.of-now"))
        return [round(now), titles(viewer, NAMES[0]), viewer.find(".outlook").inner_text()]

    before = drawn()
    recovery.now = NOW
    viewer.page.clock.set_system_time(NOW - timedelta(days=1, hours=3))
    viewer.page.reload()

    expect(viewer.find(EXPECTED)).to_contain_text("in 12 min 3 s")
    assert drawn() == before


# ---------------------------------------------------------------------------------------------------------------------
# The steps of the servers
# ---------------------------------------------------------------------------------------------------------------------


def test_each_step_of_a_server_is_a_bar_from_its_start_to_its_end(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED)
    viewer = open_viewer()

    assert bars(viewer, NAMES[0]) == ["bar-wait", "bar-snapshot", "bar-wait", "bar-conversion", "bar-launch"]
    times = {event.event_type: event.timestamp for event in steps(FINISHED, SERVERS[0])}
    duration = int((times["CONVERSION_COMPLETED"] - times["CONVERSION_STARTED"]).total_seconds())
    start = f"{times['CONVERSION_STARTED'] + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    assert titles(viewer, NAMES[0])[3] == f"Conversion: {duration // 60} min {duration % 60} s from {start}"
    conversion, launch = (
        row(viewer, NAMES[0]).locator(f".bar-{name}").bounding_box() for name in ("conversion", "launch")
    )
    assert conversion
    assert launch
    assert conversion["x"] + conversion["width"] == pytest.approx(launch["x"], abs=1)
    of_launch = (times["SERVER_LAUNCHED"] - times["CONVERSION_COMPLETED"]).total_seconds()
    assert conversion["width"] / launch["width"] == pytest.approx(duration / of_launch, rel=0.02)
    assert flags(viewer) == []


def test_the_current_step_grows_and_its_rest_is_expected(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*RUNNING)

    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        servers = [server | {"estimate": ESTIMATE} for server in answer["servers"]]
        return answer | {"estimate": ESTIMATE, "servers": servers, "rto": OBJECTIVE | {"targetMinutes": 18}}

    change_answers(context, change)
    viewer = open_viewer()
    assert bars(viewer, NAMES[0])[-2:] == ["bar-launch", "bar-expected"]
    assert titles(viewer, NAMES[0])[-1] == "Expected end: 2026-11-24 14:12:03"
    assert flags(viewer) == ["RTO", "Now"]
    launch, expected = (row(viewer, NAMES[0]).locator(f".bar-{name}") for name in ("launch", "expected"))
    now = left(shown(viewer).locator(".line.of-now"))
    assert left(expected) == pytest.approx(now, abs=2)
    expect(launch).to_have_attribute("title", "Launch: 3 min 13 s from 2026-11-24 13:56:46")

    # The next poll is after three seconds.
    polls = recovery.polls
    viewer.move_on(2)

    expect(launch).to_have_attribute("title", "Launch: 3 min 15 s from 2026-11-24 13:56:46")
    assert recovery.polls == polls


def test_a_failed_server_has_a_failed_bar_and_a_mark(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    viewer = open_viewer()

    assert bars(viewer, NAMES[1])[-2:] == ["bar-launch is-failed", "mark-failed"]
    expect(row(viewer, NAMES[1]).locator(".mark-failed")).to_have_text("✕")
    assert "Launch, failed: " in titles(viewer, NAMES[1])[-2]
    expect(shown(viewer).locator("[class^=mark]")).to_have_count(1)


def test_a_server_that_ran_no_step_only_waits(recovery: Recovery, open_viewer: Opener) -> None:
    start = FAILED[0]
    recovery.happen(start, *steps(FAILED, SERVERS[1])[-1:])
    viewer = open_viewer()

    assert bars(viewer, NAMES[1]) == ["bar-wait is-failed", "mark-failed"]
    assert bars(viewer, SERVERS[2]) == ["bar-wait"]
    expect(row(viewer, SERVERS[2]).locator("i")).to_have_attribute(
        "title", "Waiting: 59 min 59 s from 2026-11-24 13:00:00"
    )


def test_a_stalled_server_has_a_mark_where_it_stalled(recovery: Recovery, open_viewer: Opener) -> None:
    events = events_of(scripts.launch(SERVERS, stuck=SERVERS[:1]), ago=minutes(60))
    recovery.happen(*events, derived("SERVER_STALLED", minutes(10), sourceServerID=SERVERS[0]))
    viewer = open_viewer()

    assert bars(viewer, NAMES[0])[-2:] == ["bar-conversion", "mark-stalled"]
    mark = row(viewer, NAMES[0]).locator(".mark-stalled")
    expect(mark).to_have_text("!")
    expect(mark).to_have_attribute("title", "Stalled at 2026-11-24 13:50:00")


def test_the_second_wave_has_a_boundary(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS[:1]), ago=minutes(60)))
    recovery.happen(*events_of(scripts.launch(SERVERS[1:]), ago=minutes(40), job_id="drsjob-2"))
    viewer = open_viewer()

    assert flags(viewer) == ["Wave 2"]
    boundary = left(shown(viewer).locator(".line.of-wave"))
    first, second = (row(viewer, name).locator(".bar-conversion") for name in NAMES[:2])
    assert left(first) < boundary < left(second)


def test_an_execution_over_midnight_shows_both_dates(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS), ago=timedelta(hours=14, minutes=6)))
    viewer = open_viewer()
    dates = shown(viewer).locator(".tick span:last-child")

    assert [date for date in dates.all_text_contents() if date] == ["2026-11-23", "2026-11-24"]
    midnight = shown(viewer).locator(".tick:has-text('2026-11-24')")
    expect(midnight).to_contain_text("00:00")
    viewer.page.get_by_label("Time zone").select_option("UTC")
    expect(shown(viewer).locator(".tick:has-text('2026-11-24')")).to_have_count(0)
    expect(shown(viewer).locator(".tick").first).to_contain_text("2026-11-23")


def test_a_termination_and_an_execution_without_servers_have_no_schedule(
    recovery: Recovery, open_viewer: Opener
) -> None:
    recovery.happen(*events_of(scripts.terminate(SERVERS), ago=timedelta(hours=1)))
    viewer = open_viewer()
    expect(viewer.find(".server")).to_have_count(3)

    expect(viewer.find(".schedule")).to_be_hidden()


def test_servers_have_the_order_and_the_filter_of_the_list(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    viewer = open_viewer()

    def names() -> list[str]:
        found = [(left.bounding_box() or {"y": 0})["y"] for left in shown(viewer).locator(".gantt-row").all()]
        texts = shown(viewer).locator(".gantt-name").all_text_contents()
        return [text for _, text in sorted(zip(found, texts, strict=True))]

    assert names() == viewer.find(".server .name").all_text_contents() == [NAMES[1], NAMES[2], NAMES[0]]
    viewer.page.get_by_role("searchbox").fill("prod-app")
    assert names() == [NAMES[2]]
    viewer.page.get_by_role("searchbox").fill("nothing like this")
    expect(viewer.find(".schedule")).to_be_hidden()
    viewer.page.get_by_role("button", name="Clear filters").click()
    assert len(names()) == 3


def test_markup_in_names_is_text(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*[replace(event, source_server_name=MARKUP) for event in FINISHED])
    recovery.comparison = {"other": OTHER | {"executionId": MARKUP}, "servers": [compared(SERVERS[0])]}
    viewer = open_viewer()

    expect(shown(viewer).locator(".gantt-name").first).to_have_text(MARKUP)
    expect(viewer.find(".compared .id")).to_have_text(MARKUP)
    assert viewer.find(".schedule img").count() == 0
    assert viewer.page.title() != "taken"


# ---------------------------------------------------------------------------------------------------------------------
# Many servers
# ---------------------------------------------------------------------------------------------------------------------


def test_only_visible_rows_of_200_servers_exist(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*many(200, 5000, minutes(8)))
    viewer = open_viewer()
    expect(viewer.find("h3:has-text('Servers')")).to_have_text("Servers (200)")
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text("Timeline (5,000)")
    region = shown(viewer)
    rows = region.locator(".gantt-row")
    last = viewer.find(".server .name").last.inner_text()
    assert 10 < rows.count() < 45
    expect(rows.filter(has_text=last)).to_have_count(0)

    region.evaluate("element => (element.scrollTop = element.scrollHeight)")

    expect(rows.filter(has_text=last)).to_be_visible()
    assert 10 < rows.count() < 45


def test_a_poll_keeps_the_scroll_position_and_the_selection(recovery: Recovery, open_viewer: Opener) -> None:
    events = many(60, 0, minutes(8))
    recovery.happen(*events[:-1])
    viewer = open_viewer()
    region = shown(viewer)
    region.evaluate("element => (element.scrollTop = 300)")
    name = region.locator(".gantt-name").nth(20)
    text = name.inner_text()
    name.evaluate("element => getSelection().selectAllChildren(element)")
    row = name.element_handle()

    recovery.happen(events[-1])
    viewer.poll()
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text(f"Timeline ({len(events)})")

    assert region.evaluate("element => element.scrollTop") == 300
    assert row.evaluate("element => element.isConnected && element.textContent") == text
    selected = "element => { const s = getSelection(); return element.contains(s.anchorNode) || String(s) }"
    assert row.evaluate(selected) in {True, text}
    # Rows are higher on a phone. The first visible row stays.
    viewer.page.set_viewport_size({"width": 390, "height": 800})
    expect(region).to_have_js_property("scrollTop", round(300 / 28 * 44))


def test_print_contains_each_server(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*many(60, 0, minutes(60)))
    viewer = open_viewer()
    rows = shown(viewer).locator(".gantt-row")
    assert rows.count() < 45
    # The first rows are created again after the last ones.
    for place in ("element.scrollHeight", "0"):
        shown(viewer).evaluate(f"element => (element.scrollTop = {place})")
        expect(rows.filter(has_text=viewer.find(".server .name").last.inner_text())).to_have_count(int(place != "0"))

    viewer.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    viewer.page.emulate_media(media="print")

    assert rows.locator(".gantt-name").all_text_contents() == viewer.find(".server .name").all_text_contents()
    assert shown(viewer).evaluate("element => element.scrollHeight <= element.clientHeight")
    viewer.page.emulate_media(media="screen")
    viewer.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert rows.count() < 45


# ---------------------------------------------------------------------------------------------------------------------
# The earlier execution
# ---------------------------------------------------------------------------------------------------------------------


def test_the_earlier_launch_of_each_server_is_behind_its_bar(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED)
    servers = [compared(SERVERS[0]), compared(SERVERS[1], seconds=300, state="FAILED")]
    recovery.comparison = {"other": OTHER, "servers": servers}
    viewer = open_viewer()

    expect(viewer.find(".compared")).to_have_text("Compared with exec-0, 2026-10-27 10:00:03, drill, 14 min 31 s")
    expect(viewer.find(".bar-earlier:visible")).to_have_count(3)  # the legend too
    assert titles(viewer, NAMES[0])[0] == "Earlier execution: 2 min 0 s, launched"
    assert titles(viewer, NAMES[1])[0] == "Earlier execution: 5 min 0 s, failed"
    assert not titles(viewer, NAMES[2])[0].startswith("Earlier")
    first, second = (row(viewer, name).locator(".bar-earlier").bounding_box() for name in NAMES[:2])
    assert first
    assert second
    assert second["width"] / first["width"] == pytest.approx(2.5, rel=0.05)
    assert first["x"] == pytest.approx(left(row(viewer, NAMES[0]).locator(".bar-snapshot")), abs=1)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (OTHER | {"isDrill": False}, "Compared with exec-0, 2026-10-27 10:00:03, recovery, 14 min 31 s"),
        (OTHER | {"isDrill": None, "durationSeconds": None}, "Compared with exec-0, 2026-10-27 10:00:03"),
        (None, "No earlier execution with these servers."),
    ],
)
def test_the_header_names_the_earlier_execution(
    recovery: Recovery, open_viewer: Opener, other: dict[str, Any] | None, text: str
) -> None:
    recovery.happen(*FINISHED)
    recovery.comparison = {"other": other, "servers": []}
    viewer = open_viewer()

    expect(viewer.find(".compared")).to_have_text(text)
    expect(viewer.find(".legend .of-earlier")).to_be_hidden()


@pytest.mark.parametrize("body", [None, {}, {"other": None}, []])
def test_nothing_is_shown_without_a_comparison(
    recovery: Recovery, open_viewer: Opener, body: Any, page_errors: list[str]
) -> None:
    """The answer is 404, or no comparison."""
    recovery.happen(*FINISHED)
    recovery.comparison = body
    viewer = open_viewer()
    shown(viewer)

    wait_until(viewer.page, lambda: bool(recovery.compared))
    viewer.page.wait_for_timeout(200)

    assert recovery.compared == ["exec-1"]
    expect(viewer.find(".compared")).to_be_empty()
    assert page_errors == []


def test_the_comparison_is_read_again_when_the_execution_has_settled(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED[:5])
    viewer = open_viewer()
    viewer.poll(3)
    wait_until(viewer.page, lambda: bool(recovery.compared))
    assert recovery.compared == ["exec-1"]

    recovery.comparison = {"other": OTHER, "servers": [compared(SERVERS[0])]}
    recovery.happen(*FINISHED)
    viewer.poll()
    expect(viewer.find(".connection")).to_contain_text("The execution is complete.")
    expect(viewer.find(".compared")).to_contain_text("exec-0")
    polls = recovery.polls
    viewer.find(".refresh").click()
    wait_until(viewer.page, lambda: recovery.polls > polls and len(recovery.compared) >= 2)
    viewer.page.wait_for_timeout(200)

    assert recovery.compared == ["exec-1"] * 2


def test_a_job_and_an_execution_without_events_have_no_comparison(recovery: Recovery, open_viewer: Opener) -> None:
    viewer = open_viewer()
    expect(viewer.find(".empty")).to_be_visible()
    recovery.happen(*FINISHED)
    other = open_viewer("jobs/drsjob-1")
    shown(other)
    other.page.wait_for_timeout(200)
    assert recovery.compared == []

    viewer.poll()
    expect(viewer.find(".schedule")).to_be_visible()
    wait_until(viewer.page, lambda: bool(recovery.compared))
    expect(viewer.find(".compared")).to_be_empty()
    assert recovery.compared == ["exec-1"]


def test_another_execution_has_its_own_comparison_and_the_fetch_property_sends_the_request(
    recovery: Recovery, open_viewer: Opener
) -> None:
    second = events_of(scripts.launch(SERVERS[:1]), ago=timedelta(hours=1), job_id="drsjob-2", execution_id="exec-2")
    recovery.happen(*FINISHED, *second)
    recovery.comparison = {"other": OTHER, "servers": [compared(SERVERS[0])]}
    page = open_viewer().page
    expect(page.locator(".compared")).to_contain_text("exec-0")
    sent: list[str | None] = []
    page.on(
        "request",
        lambda request: (
            sent.append(request.headers.get("authorization")) if request.url.endswith("/comparison") else None
        ),
    )
    recovery.comparison = None

    page.evaluate(
        """() => {
          const element = document.querySelector("drs-job-log");
          element.setAttribute("execution-id", "exec-2");
          const headers = {Authorization: "Bearer of-the-front-end"};
          element.fetch = (url, options) => fetch(url, {...options, headers: {...options.headers, ...headers}});
        }"""
    )

    expect(page.locator(".server")).to_have_count(1)
    expect(page.locator(".compared")).to_be_empty()
    expect(page.locator(".gantt .bar-earlier")).to_have_count(0)
    wait_until(page, lambda: len(recovery.compared) >= 2)
    page.wait_for_timeout(200)
    assert recovery.compared == ["exec-1", "exec-2"]
    assert sent == ["Bearer of-the-front-end"]


def test_the_estimate_and_the_comparison_of_the_ledger_are_shown(
    recovery: Recovery,
    open_viewer: Opener,
    table: JobLogTable,  # noqa: F811
    compare_with_ledger: Callable[[], None],
) -> None:
    """The answers of the API, from the launches of an earlier drill."""
    compare_with_ledger()
    earlier = played.events(
        scripts.launch(SERVERS), "drsjob-0", created=NOW - timedelta(days=28), execution_id="exec-0"
    )
    for event in [*earlier, *RUNNING]:
        table.put(event, timedelta(days=400))
    recovery.happen(*RUNNING)
    viewer = open_viewer()

    expect(viewer.find(".compared")).to_have_text(
        re.compile(r"^Compared with exec-0, 2026-10-27 14:00:00, drill, \d+ min \d+ s$")
    )
    expect(shown(viewer).locator(".bar-earlier")).to_have_count(3)
    expect(shown(viewer).locator(".bar-expected")).not_to_have_count(0)
    expect(viewer.find(EXPECTED)).to_have_text(
        re.compile(r"^Expected end: 2026-11-24 14:0\d:\d0 \(.*\), in \d+ min \d+ s$")
    )
    expect(viewer.find(BASIS)).to_contain_text("Based on earlier launches of these servers.")


@pytest.fixture
def compare_with_ledger(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return a function that restores the parts of the API that read the ledger."""

    def restore() -> None:
        monkeypatch.setitem(api.HISTORY_ROUTES, COMPARISON, api._comparison)  # type: ignore[arg-type]
        # Without the failures of other tests, which have no ledger.
        monkeypatch.setattr(api, "estimator", Estimator(api.ledger, minutes(45)))

    return restore


# ---------------------------------------------------------------------------------------------------------------------
# Accessibility
# ---------------------------------------------------------------------------------------------------------------------


def full(answer: dict[str, Any], _: str) -> dict[str, Any]:
    """Add an estimate and an objective."""
    servers = [
        server | {"estimate": ESTIMATE if server["state"] in {"LAUNCHING", "CONVERSION"} else None}
        for server in answer["servers"]
    ]
    facts = {"estimate": ESTIMATE} if answer["status"] == "IN_PROGRESS" else {}
    return answer | facts | {"servers": servers, "rto": OBJECTIVE | {"targetMinutes": 20, "result": "AT_RISK"}}


@pytest.mark.parametrize("width", [320, 390, 1440])
@pytest.mark.parametrize("events", [RUNNING, FAILED], ids=["running", "failed"])
def test_the_schedule_fits_each_width_and_has_no_accessibility_violations(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext, events: list[JobLogEvent], width: int
) -> None:
    recovery.happen(*[event and replace(event, source_server_name="name " * 30) for event in events])
    recovery.comparison = {"other": OTHER | {"executionId": "e" * 200}, "servers": [compared(one) for one in SERVERS]}
    change_answers(context, full)
    viewer = open_viewer(width=width, height=800, is_paused=False)
    expect(shown(viewer).locator(".bar-earlier")).to_have_count(3)

    assert viewer.page.evaluate("document.scrollingElement.scrollWidth") == width
    assert shown(viewer).evaluate("element => element.scrollWidth <= element.clientWidth")
    outside = """(chart, width) => [...chart.querySelectorAll(".track, .axis, .gantt-name")]
        .filter(e => e.getBoundingClientRect().right > width || e.getBoundingClientRect().width < 60).length"""
    assert shown(viewer).evaluate(outside, width) == 0
    for scheme in ("light", "dark"):
        viewer.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        results = Axe().run(viewer.page)
        assert results.response["violations"] == []


def test_the_keyboard_scrolls_the_schedule_and_a_text_describes_it(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*many(60, 0, minutes(60)))
    viewer = open_viewer(is_paused=False)
    region = viewer.page.get_by_role("region", name="Steps over time")

    viewer.page.get_by_role("button", name="Clear filters").focus()
    viewer.page.keyboard.press("Tab")
    expect(region).to_be_focused()
    expect(region).to_have_attribute("tabindex", "0")
    viewer.page.keyboard.press("End")
    expect(shown(viewer).locator(".gantt-row").last).to_be_in_viewport()
    viewer.page.wait_for_function(
        "() => document.querySelector('drs-job-log').shadowRoot.querySelector('.gantt').scrollTop > 500"
    )

    expect(region).to_have_accessible_description(
        re.compile(
            r"^The steps of each server from 2026-11-24 13:00:00 to 2026-11-24 13:1\d:\d\d: 60 launched\. "
            r"The list of servers has the same facts as text\.$"
        )
    )


def test_bars_have_colors_with_forced_colors(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    viewer = open_viewer()
    viewer.page.emulate_media(forced_colors="active")

    colors = {
        kind: row(viewer, NAMES[1]).locator(f".{kind}").first.evaluate("bar => getComputedStyle(bar).backgroundColor")
        for kind in ("bar-conversion", "is-failed", "bar-snapshot")
    }

    assert len(set(colors.values())) == 3
