"""The start page in a real browser, with the API function in this process and its table in moto."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from drs_job_log.api import failures, lists, parameters
from drs_job_log.api import handler as api
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.estimates import Estimator
from drs_job_log.ledger import Ledger
from drs_job_log.model.events import parse
from playwright.sync_api import expect

from tests.support import played, scripts
from tests.support.envelopes import dumps, request
from tests.support.gateway import GatewayServer
from tests.unit.conftest import RETENTION, TABLE, dynamodb, table
from tests.viewer.conftest import NOW, wait_until

if TYPE_CHECKING:
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient
    from playwright.sync_api import BrowserContext, Locator, Page, Route

    from tests.support.recovery import Recovery
    from tests.support.scripts import Script

__all__ = ["dynamodb", "table"]

SERVERS = [scripts.server_id(number) for number in range(6)]
NAMES = ["prod-web-01", "prod-db-01", "prod-app-01", "prod-cache-01", "prod-mail-01", "prod-files-01"]
ERROR = (
    "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: no rights for vol-0123456789"
)
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
NONE = "\N{EN DASH}"
TOKEN = "of-the-identity-provider"  # noqa: S105

GOOD = scripts.launch(SERVERS[:2])
REAL = scripts.launch(SERVERS[2:4], failing={SERVERS[3]: ERROR}, drill=False)
STUCK = scripts.launch(SERVERS[4:], stuck=SERVERS[5:])
HOUR = timedelta(hours=1)

Play = Callable[..., None]
Open = Callable[..., "Page"]


@pytest.fixture(autouse=True)
def _use_table(
    recovery: Recovery, table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recovery  # it replaces the log first
    ledger = Ledger(dynamodb, TABLE)
    monkeypatch.setattr(api, "logs", EventLogCache(table))
    monkeypatch.setattr(api, "ledger", ledger)
    monkeypatch.setattr(api, "estimator", Estimator(ledger, api.settings.stalled_after))
    for module in (lists, failures):
        monkeypatch.setattr(module, "MAX_SECONDS", 600.0)  # a slow machine must not shorten the pages


@pytest.fixture
def play(table: JobLogTable) -> Play:
    """Store the events of a job that was created some time ago, with the names of its servers."""

    def play_it(
        script: Script, job_id: str, ago: timedelta, execution_id: str | None = None, name: str | None = None
    ) -> None:
        names = dict(zip(SERVERS, NAMES, strict=True))
        for event in played.events(script, job_id, created=NOW - ago, execution_id=execution_id):
            known = name or names.get(event.source_server_id or "")
            table.put(replace(event, source_server_name=known if event.source_server_id else None), RETENTION)

    return play_it


@pytest.fixture
def history(play: Play, table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recovery that runs, one that failed in part, a drill, and a job without an execution."""
    monkeypatch.setattr(api, "settings", api.config.api_settings(ENVIRONMENT))
    play(GOOD, "drsjob-1", 30 * HOUR, "exec-drill")
    play(STUCK, "drsjob-2", HOUR + timedelta(minutes=1), "exec-running")
    play(REAL, "drsjob-3", HOUR / 2, "exec-real")
    play(GOOD, "drsjob-4", 50 * HOUR)
    asked = request({"jobID": "drsjob-3"}, eventTime=(NOW - HOUR / 2).isoformat(timespec="seconds"))
    table.put(replace(parse(dumps(asked)), execution_id="exec-real"), RETENTION)


ENVIRONMENT = {
    "JOB_LOG_EVENTS_TABLE": TABLE,
    "HISTORY_DAYS": "400",
    "STALLED_AFTER_MINUTES": "45",
    "RTO_MINUTES": "60",
}


@pytest.fixture
def open_start(context: BrowserContext, address: str) -> Open:
    """Open the start page and wait until it shows an answer or an error."""

    def open_it(path: str = "", *, base: str | None = None, is_paused: bool = False, **size: Any) -> Page:
        page = context.new_page()
        if size:
            page.set_viewport_size(size)
        if is_paused:
            page.clock.install(time=NOW)
            page.clock.pause_at(NOW + timedelta(seconds=1))
        page.goto(f"{base or address}/{path}")
        expect(page.locator("#content > *, #banner p").filter(visible=True)).not_to_have_count(0)
        return page

    return open_it


def section(page: Page, title: str) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name=title, level=2))


def ids(page: Page, title: str) -> list[str]:
    """Return the IDs of the executions and jobs in a section."""
    return section(page, title).locator("tbody a.id").all_inner_texts()


def cell(page: Page, id_: str, column: str) -> Locator:
    return page.locator(f"tr:has(a:text-is('{id_}')) td[data-label='{column}']")


def requests_of(page: Page) -> list[str]:
    """Return the URLs of the requests for data that the page sends from now on, without the address."""
    asked: list[str] = []

    def add(url: str) -> None:
        parts = urlsplit(url)
        if not parts.path.startswith("/viewer/"):
            asked.append(f"{parts.path}?{parts.query}".rstrip("?"))

    page.on("request", lambda sent: add(sent.url))
    return asked


def under(prefix: str, gateway: Any) -> Any:
    """Return a WSGI application that serves the API below a path, as a stage or a custom domain does."""

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        outside = {"PATH_INFO": "/not-found"}
        inside = {"PATH_INFO": path.removeprefix(prefix)}
        return gateway(environ | (inside if path.startswith(f"{prefix}/") else outside), start_response)

    return serve


# ---------------------------------------------------------------------------------------------------------------------
# Recoveries
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
def test_running_recoveries_are_first(open_start: Open) -> None:
    page = open_start()

    expect(page.get_by_role("heading", level=2)).to_have_text(["Running (1)", "Ended (3)"])
    assert ids(page, "Running") == ["exec-running"]
    assert ids(page, "Ended") == ["exec-real", "exec-drill", "drsjob-4"]
    expect(page).to_have_title("Recoveries · DRS job log")


@pytest.mark.usefixtures("history")
def test_a_row_has_the_facts_of_the_recovery(open_start: Open) -> None:
    page = open_start()

    for column, text in {
        "Status": "Partial",
        "Kind": "Recovery",
        "Duration": "13 min 8 s",
        "Servers": "1 of 2 launched",
        "Failed": "1",
        "Started by": "Operator/alice",
        "Recovery time": "Missed (60 min)",
    }.items():
        expect(cell(page, "exec-real", column)).to_have_text(text)
    time = (NOW - HOUR / 2).isoformat(timespec="microseconds").replace("+00:00", "Z")
    expect(cell(page, "exec-real", "Started").locator("time")).to_have_attribute("datetime", time)
    expect(cell(page, "exec-running", "Status")).to_have_text("In progress")
    expect(cell(page, "exec-running", "Kind")).to_have_text("Drill")
    expect(cell(page, "exec-running", "Recovery time")).to_have_text("Missed (60 min)")
    expect(cell(page, "exec-drill", "Recovery time")).to_have_text("Met (13.1 of 60 min)")
    expect(cell(page, "drsjob-4", "Execution")).to_have_text("drsjob-4 (job)")


def test_a_table_has_a_caption_and_column_headers(open_start: Open, play: Play) -> None:
    play(GOOD, "drsjob-1", 5 * HOUR, "exec-1")
    page = open_start(width=320, height=800)

    table = page.get_by_role("table", name="Ended recoveries")
    expect(table.get_by_role("columnheader")).to_have_count(9)
    expect(table.get_by_role("row")).to_have_count(2)
    expect(table.get_by_role("cell").first).to_have_text("Completed")


def test_running_recoveries_are_refreshed_while_the_page_is_visible(open_start: Open, play: Play) -> None:
    play(STUCK, "drsjob-1", HOUR, "exec-1")
    page = open_start(is_paused=True)
    asked = requests_of(page)
    play(scripts.launch(SERVERS[:1], stuck=SERVERS[:1]), "drsjob-2", HOUR / 2, "exec-2")

    page.clock.run_for(14_000)
    assert asked == []
    page.clock.run_for(2_000)

    expect(section(page, "Running").locator("tbody tr")).to_have_count(2)
    wait_until(page, lambda: len(asked) >= 2)
    page.wait_for_timeout(200)
    assert asked == ["/executions?status=IN_PROGRESS&limit=100", "/executions"]
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", {configurable: true, get: () => true});
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.clock.run_for(60_000)
    assert len(asked) == 2
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", {configurable: true, get: () => false});
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    wait_until(page, lambda: len(asked) == 4)


def test_a_recovery_that_ends_moves_to_the_ended_ones(open_start: Open, play: Play) -> None:
    play(STUCK, "drsjob-1", HOUR, "exec-1")
    play(GOOD, "drsjob-2", 5 * HOUR, "exec-2")
    page = open_start(is_paused=True)
    assert (ids(page, "Running"), ids(page, "Ended")) == (["exec-1"], ["exec-2"])
    page.get_by_role("link", name="exec-2").focus()

    play(scripts.launch(SERVERS[4:]), "drsjob-1", HOUR, "exec-1")
    page.clock.run_for(16_000)

    expect(section(page, "Ended").locator("tbody tr")).to_have_count(2)
    assert (ids(page, "Running"), ids(page, "Ended")) == ([], ["exec-1", "exec-2"])
    expect(section(page, "Running")).to_contain_text("No recovery runs.")
    expect(page.get_by_role("link", name="exec-2")).to_be_focused()


def test_a_recovery_between_two_waves_is_refreshed(open_start: Open, play: Play) -> None:
    play(GOOD, "drsjob-1", timedelta(minutes=20), "exec-1")
    page = open_start(is_paused=True)
    expect(cell(page, "exec-1", "Status")).to_have_text("Completed so far")
    asked = requests_of(page)

    page.clock.run_for(16_000)
    wait_until(page, lambda: len(asked) >= 2)
    page.wait_for_timeout(200)

    assert asked == ["/executions?status=IN_PROGRESS&limit=100", "/executions"]


def test_more_recoveries_are_loaded(open_start: Open, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "_DEFAULT_LIST_LIMIT", 2)
    for number in range(5):
        play(GOOD, f"drsjob-{number}", (5 + number) * HOUR, f"exec-{number}")
    page = open_start()
    expect(page.get_by_role("heading", level=2)).to_have_text(["Running (0)", "Ended (2 or more)"])

    page.get_by_role("button", name="Load more").click()
    expect(section(page, "Ended").locator("tbody tr")).to_have_count(4)
    page.get_by_role("button", name="Load more").click()

    expect(section(page, "Ended").locator("tbody tr")).to_have_count(5)
    assert ids(page, "Ended") == [f"exec-{number}" for number in range(5)]
    expect(page.get_by_role("button", name="Load more")).to_be_hidden()
    expect(page.get_by_role("heading", level=2)).to_have_text(["Running (0)", "Ended (5)"])


def test_pages_without_entries_are_skipped(open_start: Open, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_EXAMINED", 1)
    play(REAL, "drsjob-0", 9 * HOUR, "exec-real")
    for number in range(1, 8):
        play(GOOD, f"drsjob-{number}", (9 - number) * HOUR, f"exec-{number}")
    page = open_start("?status=PARTIAL")
    expect(section(page, "Ended")).to_contain_text("Load more to search earlier ones.")

    page.get_by_role("button", name="Load more").click()

    expect(section(page, "Ended").locator("tbody tr")).to_have_count(1)
    assert ids(page, "Ended") == ["exec-real"]


def test_without_recoveries_the_page_says_what_to_do(open_start: Open) -> None:
    page = open_start()

    expect(section(page, "Ended")).to_contain_text("There are no recoveries yet. Start a drill")
    expect(page.get_by_role("table")).to_have_count(0)


# ---------------------------------------------------------------------------------------------------------------------
# Searches
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("field", "value", "query", "found"),
    [
        ("Status", "FAILED", "status=FAILED", []),
        ("Status", "PARTIAL", "status=PARTIAL", ["exec-real"]),
        ("Status", "IN_PROGRESS", "status=IN_PROGRESS", ["exec-running"]),
        ("Kind", "true", "isDrill=true", ["exec-running", "exec-drill", "drsjob-4"]),
        ("Kind", "false", "isDrill=false", ["exec-real"]),
    ],
)
def test_filters_are_in_the_url(open_start: Open, field: str, value: str, query: str, found: list[str]) -> None:
    page = open_start()
    page.get_by_label(field).select_option(value)
    page.get_by_role("button", name="Search").click()

    expect(page).to_have_url(re.compile(f"{re.escape(f'?{query}')}$"))
    expect(page.locator("#content tbody tr:visible")).to_have_count(len(found))
    assert page.locator("#content tbody a.id").all_inner_texts() == found
    page.reload()  # as a link that is shared
    expect(page.get_by_label(field)).to_have_value(value)
    expect(page.locator("#content tbody tr:visible")).to_have_count(len(found))

    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#content tbody tr:visible")).to_have_count(4)
    assert not urlsplit(page.url).query
    page.go_back()
    expect(page.locator("#content tbody tr:visible")).to_have_count(len(found))
    expect(page.get_by_label(field)).to_have_value(value)


def test_search_by_date_includes_both_days_in_the_time_zone_of_the_browser(open_start: Open, play: Play) -> None:
    today = NOW.astimezone(ZoneInfo("Europe/Berlin")).replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = today - timedelta(days=4), today - timedelta(days=3)
    minute = timedelta(minutes=1)
    for number, start in enumerate(
        [first - minute, first + minute, last + 24 * HOUR - minute, last + 24 * HOUR + minute]
    ):
        play(GOOD, f"drsjob-{number}", NOW - start, f"exec-{number}")
    page = open_start()
    page.get_by_label("From", exact=True).fill(f"{first:%Y-%m-%d}")
    page.get_by_label("To", exact=True).fill(f"{last:%Y-%m-%d}")

    page.get_by_role("button", name="Search").click()

    expect(page.locator("#content tbody tr:visible")).to_have_count(2)
    assert ids(page, "Ended") == ["exec-2", "exec-1"]
    assert urlsplit(page.url).query == f"from={first:%Y-%m-%d}&to={last:%Y-%m-%d}"


@pytest.mark.usefixtures("history")
def test_no_result_of_a_search_links_to_all_recoveries(open_start: Open) -> None:
    page = open_start("?to=2020-01-01")
    expect(section(page, "Ended")).to_contain_text("No ended recovery matches the filters.")

    page.get_by_role("link", name="show all").click()

    expect(page.locator("#content tbody tr:visible")).to_have_count(4)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("id_", "path", "shown"),
    [
        ("exec-real", "/executions/exec-real", "1 of 2 servers launched"),
        (" drsjob-4 ", "/jobs/drsjob-4", "2 of 2 servers launched"),
        ("a/b", "/viewer/page", "No events"),
        ("..", "/viewer/page", "No events"),
    ],
)
def test_search_by_id_opens_the_page_of_the_execution_or_the_job(
    open_start: Open, id_: str, path: str, shown: str
) -> None:
    page = open_start()
    page.get_by_label("ID of an execution, a job or a server").fill(id_)
    page.keyboard.press("Enter")

    expect(page.locator("drs-job-log")).to_contain_text(shown)
    assert urlsplit(page.url).path == path
    expect(page.locator("drs-job-log h2")).to_have_text(id_.strip())


@pytest.mark.usefixtures("history")
def test_id_in_the_url_opens_the_same_page(address: str, context: BrowserContext) -> None:
    page = context.new_page()

    page.goto(f"{address}/?id=drsjob-4")

    expect(page.locator("drs-job-log")).to_contain_text("2 of 2 servers launched")
    assert page.url == f"{address}/jobs/drsjob-4"


@pytest.mark.usefixtures("history")
def test_search_by_server_shows_its_launches_and_its_recoveries(open_start: Open) -> None:
    page = open_start()
    page.get_by_label("ID of an execution, a job or a server").fill(SERVERS[0])
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[0])
    assert urlsplit(page.url).query == f"server={SERVERS[0]}"
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    page.get_by_role("link", name="Recoveries that launch this server").click()

    expect(page.locator("#content")).to_contain_text(f"Only recoveries that launch the server {SERVERS[0]}.")
    expect(page.locator("#content tbody tr:visible")).to_have_count(2)
    assert ids(page, "Ended") == ["exec-drill", "drsjob-4"]
    assert urlsplit(page.url).query == f"withServer={SERVERS[0]}"
    page.get_by_label("Kind").select_option("false")
    page.get_by_role("button", name="Search").click()
    expect(section(page, "Ended")).to_contain_text("No ended recovery matches the filters.")
    page.get_by_role("link", name="Show all servers").click()
    expect(section(page, "Ended").locator("tbody tr")).to_have_count(1)


# ---------------------------------------------------------------------------------------------------------------------
# Failures and servers
# ---------------------------------------------------------------------------------------------------------------------


def test_failures_are_grouped_by_their_error(open_start: Open, play: Play) -> None:
    for number in range(2):
        play(
            scripts.launch(SERVERS[:2], failing={SERVERS[0]: ERROR}), f"drsjob-{number}", (9 - number) * HOUR, "exec-1"
        )
    play(scripts.launch(SERVERS[2:3], failing={SERVERS[2]: "no space left"}), "drsjob-2", 5 * HOUR)
    page = open_start("?view=failures")

    groups = page.locator(".groups > li")
    expect(groups.locator("h3")).to_have_text([ERROR.replace("vol-0123456789", "<id>"), "no space left"])
    expect(groups.nth(0)).to_contain_text("2 failures of 1 server in 1 execution. Last: ")
    expect(groups.nth(0)).to_contain_text("EC2 denied a call: a permission is missing, or a policy denies the call.")
    assert groups.nth(0).locator("time").get_attribute("datetime")
    assert [link.get_attribute("href") for link in groups.locator("a.id").all()] == [
        f"?server={SERVERS[0]}",
        "executions/exec-1",
        f"?server={SERVERS[2]}",
        "jobs/drsjob-2",
    ]
    expect(page.get_by_label("Status")).to_be_hidden()
    groups.nth(0).get_by_role("link", name=SERVERS[0]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[0])


def test_failures_of_several_pages_are_added_up(open_start: Open, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "_DEFAULT_LIST_LIMIT", 1)
    monkeypatch.setattr(failures, "_CHUNK", 1)
    for number in range(2):
        failing = scripts.launch(SERVERS[number:2], failing={SERVERS[number]: ERROR})
        play(failing, f"drsjob-{number}", (9 - number) * HOUR, f"exec-{number}")
    page = open_start("?view=failures")
    expect(page.locator(".groups > li")).to_contain_text(["1 failure of 1 server in 1 execution."])

    page.get_by_role("button", name="Load more").click()

    expect(page.locator(".groups > li")).to_contain_text(["2 failures of 2 servers in 2 executions."])


def test_failures_are_searched_by_date(open_start: Open, play: Play) -> None:
    play(REAL, "drsjob-1", 9 * HOUR, "exec-1")
    page = open_start("?view=failures")
    expect(page.locator(".groups > li")).to_have_count(1)

    page.get_by_label("To", exact=True).fill("2020-01-01")
    page.get_by_role("button", name="Search").click()

    expect(page.locator("#content")).to_contain_text("No server failed in this period.")
    assert urlsplit(page.url).query == "view=failures&to=2020-01-01"


def test_server_page_shows_the_launches_the_newest_first(open_start: Open, play: Play) -> None:
    play(GOOD, "drsjob-1", 9 * HOUR, "exec-1")
    play(scripts.launch(SERVERS[:2], failing={SERVERS[0]: ERROR}, drill=False), "drsjob-2", 5 * HOUR)
    page = open_start(f"?server={SERVERS[0]}")

    expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[0])
    expect(page.locator("#content")).to_contain_text(SERVERS[0])
    expect(page.locator("#content > p").first).to_contain_text(", exec-1.")
    assert ids(page, "Launches") == ["drsjob-2", "exec-1"]
    for id_, texts in {
        "drsjob-2": {"Result": "Failed", "Kind": "Recovery", "Error": ERROR, "Instance": NONE},
        "exec-1": {"Result": "Launched", "Kind": "Drill", "Error": NONE, "Instance": scripts.instance_id(SERVERS[0])},
    }.items():
        for column, text in texts.items():
            expect(cell(page, id_, column)).to_have_text(text)
    steps = cell(page, "exec-1", "Steps").locator("li").all_inner_texts()
    assert [step.split(":")[0] for step in steps] == ["Snapshot", "Wait", "Conversion", "Launch"]


def test_unknown_server_has_a_message(open_start: Open) -> None:
    page = open_start("?server=prod-web-01")

    expect(section(page, "Launches")).to_contain_text("No launch of this server has ended. Verify the ID")


def test_more_launches_are_loaded(open_start: Open, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "_DEFAULT_LIST_LIMIT", 2)
    for number in range(3):
        play(GOOD, f"drsjob-{number}", (9 - number) * HOUR, f"exec-{number}")
    page = open_start(f"?server={SERVERS[0]}")
    assert ids(page, "Launches") == ["exec-2", "exec-1"]

    page.get_by_role("button", name="Load more").click()

    expect(section(page, "Launches").locator("tbody tr")).to_have_count(3)
    assert ids(page, "Launches") == ["exec-2", "exec-1", "exec-0"]


# ---------------------------------------------------------------------------------------------------------------------
# Security and errors
# ---------------------------------------------------------------------------------------------------------------------


def test_markup_is_shown_as_text(open_start: Open, play: Play) -> None:
    play(scripts.launch(SERVERS[:1], failing={SERVERS[0]: HOSTILE}), "drsjob-1", 9 * HOUR, HOSTILE, HOSTILE)
    for path, title in (("", "Recoveries"), ("?view=failures", "Failures"), (f"?server={SERVERS[0]}", HOSTILE)):
        page = open_start(path)
        expect(page).to_have_title(f"{title} · DRS job log")
        expect(page.locator("main")).to_contain_text(HOSTILE)
        assert page.locator("main :is(img, script)").count() == 0
        href = page.locator("a[data-log]").first.get_attribute("href")
        assert href
        assert href.startswith("viewer/page?executionId=")  # HOSTILE has a slash
        page.close()


def test_bidirectional_control_characters_are_visible(open_start: Open, play: Play) -> None:
    play(GOOD, "drsjob-1", 9 * HOUR, "exec-\u202e1", "web\u202e1")

    expect(open_start().locator("a.id")).to_have_text("exec-<U+202E>1")
    expect(open_start(f"?server={SERVERS[0]}").get_by_role("heading", level=1)).to_have_text("web<U+202E>1")


@pytest.mark.parametrize("view", ["", "?view=failures", f"?server={SERVERS[0]}"])
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "The API requires you to sign in (401: Unauthorized)."),
        (403, "You do not have permission to read the recoveries (403: Forbidden)."),
        (503, "The API has an error (503: Service Unavailable)."),
    ],
)
def test_errors_of_the_api_are_distinguished(
    recovery: Recovery, open_start: Open, view: str, status: int, text: str
) -> None:
    recovery.gateway.fault = HTTPStatus(status)
    page = open_start(view)
    expect(page.locator("#banner p")).to_have_text(text)

    recovery.gateway.fault = None
    page.get_by_role("button", name="Try again").click()

    expect(page.locator("#content > *").first).to_be_attached()
    expect(page.locator("#banner")).to_be_hidden()


def test_error_keeps_the_data_and_is_retried_later_and_later(recovery: Recovery, open_start: Open, play: Play) -> None:
    play(STUCK, "drsjob-1", HOUR, "exec-1")
    page = open_start(is_paused=True)
    recovery.gateway.fault = HTTPStatus.SERVICE_UNAVAILABLE

    page.clock.run_for(16_000)

    expect(page.locator("#banner p")).to_contain_text("Service Unavailable). The data shown is from ")
    assert ids(page, "Running") == ["exec-1"]
    page.wait_for_timeout(200)
    asked = requests_of(page)
    answered: list[object] = []
    page.on("requestfinished", lambda request: answered.append(request))  # noqa: PLW0108
    waits = []
    for number in range(1, 4):
        for seconds in range(200):
            if len(asked) == number:
                waits.append(seconds)
                break
            page.clock.run_for(1000)
            page.wait_for_timeout(20)
        # The page schedules the next request when it has the answer. The clock must not advance before.
        wait_until(page, lambda number=number: len(answered) == number)
        page.wait_for_timeout(200)
    assert [round(wait / 15) for wait in waits] == [1, 2, 4]
    recovery.gateway.fault = None
    page.clock.run_for(120_000)
    expect(page.locator("#banner")).to_be_hidden()


def test_invalid_request_shows_the_message_of_the_api_and_is_not_retried(open_start: Open) -> None:
    page = open_start("?from=yesterday", is_paused=True)
    expect(page.locator("#banner p")).to_contain_text("The request is not valid: from must be")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    asked = requests_of(page)

    page.clock.run_for(300_000)

    assert asked == []


def answer_with(context: BrowserContext, body: str) -> None:
    context.route("**/executions?*", lambda route: route.fulfill(body=body))


def test_network_errors_and_other_answers_are_distinguished(open_start: Open, context: BrowserContext) -> None:
    page = open_start()
    context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#banner p")).to_contain_text("The API sent no response. Check the network connection.")
    context.set_offline(False)

    for body in ("<html>a proxy</html>", "null", '{"executions": {}}'):
        answer_with(context, body)
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#banner p")).to_contain_text("The response is no answer of the API.")
        context.unroute("**/executions?*")


def test_missing_answer_is_a_timeout(open_start: Open, context: BrowserContext) -> None:
    context.add_init_script(
        "AbortSignal.timeout = () => {"
        " const c = new AbortController(); setTimeout(() => c.abort(new DOMException('late', 'TimeoutError')), 100);"
        " return c.signal }; window.fetch = () => new Promise(() => {})"
    )

    expect(open_start().locator("#banner p")).to_have_text("The API sent no response in time.")


def test_error_of_the_page_is_shown(open_start: Open, context: BrowserContext, page_errors: list[str]) -> None:
    context.route("**/executions", lambda route: route.fulfill(json={"executions": [{}], "nextToken": None}))

    expect(open_start().locator("#banner p")).to_contain_text("The page has an error.")
    assert "could not show an answer" in page_errors.pop()


def test_request_of_another_view_is_aborted(open_start: Open, context: BrowserContext, play: Play) -> None:
    play(REAL, "drsjob-1", 9 * HOUR, "exec-1")
    page = open_start()
    waiting: list[Route] = []
    context.route(
        re.compile("/(failures|executions)"),
        lambda route: waiting.append(route) if len(waiting) < 2 else route.continue_(),
    )
    with page.expect_request("**/failures"):
        page.get_by_role("link", name="Failures").click()

    with page.expect_request("**/executions?*"):
        page.get_by_role("link", name="Recoveries", exact=True).click()

    expect(page.locator("#banner")).to_be_hidden()
    waiting[-1].continue_()
    expect(page.locator("#content tbody tr:visible")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Recoveries")
    expect(page.locator(".groups")).to_have_count(0)


# ---------------------------------------------------------------------------------------------------------------------
# Tokens
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
def test_user_enters_a_token_that_the_page_passes_to_the_pages_that_it_opens(
    recovery: Recovery, open_start: Open, context: BrowserContext
) -> None:
    recovery.gateway.tokens = {TOKEN}
    page = open_start()
    expect(page.locator("#banner")).to_contain_text("401")

    page.get_by_label("Access token").fill(f"Bearer {TOKEN}")
    page.keyboard.press("Enter")

    expect(page.locator("#content tbody tr:visible")).to_have_count(4)
    expect(page.locator("#sign-in")).to_be_hidden()
    page.get_by_role("link", name="Failures").click()
    expect(page.locator(".groups > li")).to_have_count(1)
    with context.expect_page() as opened:
        page.get_by_role("link", name="exec-real").click()
    log = opened.value
    expect(log.locator("drs-job-log .big")).to_have_text("1 of 2 servers launched")
    log.get_by_role("link", name="All recoveries").click()
    expect(log.locator("#content tbody tr:visible")).to_have_count(4)
    with context.expect_page() as opened:
        log.get_by_label("ID of an execution").fill("exec-drill")
        log.keyboard.press("Enter")
    expect(opened.value.locator("drs-job-log .big")).to_have_text("2 of 2 servers launched")
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def front_end(_environ: Any, start_response: Any) -> list[bytes]:
    """A WSGI application that serves a page of another origin."""
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><title>Front end</title>"]


def test_page_of_another_origin_does_not_get_the_token(
    recovery: Recovery, open_start: Open, context: BrowserContext
) -> None:
    recovery.gateway.tokens = {TOKEN}
    page = open_start()
    page.get_by_label("Access token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#sign-in")).to_be_hidden()
    with GatewayServer(front_end) as other, context.expect_page() as opened:
        page.evaluate("url => void window.open(url)", other.address)

    opened.value.evaluate("""() => {
      window.received = [];
      addEventListener("message", ({data}) => received.push(data));
      opener.postMessage({type: "drs-job-log:ready"}, "*");
      opener.postMessage({type: "drs-job-log:token", token: "other"}, "*");
    }""")
    opened.value.wait_for_timeout(300)

    assert opened.value.evaluate("received") == []
    page.get_by_role("link", name="Failures").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Failures of servers by their error (0)")


# ---------------------------------------------------------------------------------------------------------------------
# Links and paths
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
def test_execution_page_and_start_page_link_to_each_other(open_start: Open) -> None:
    page = open_start()
    start = page.url

    for path in ("executions/exec-real", "jobs/drsjob-4", "viewer/page?executionId=exec-real"):
        page.goto(f"{start}{path}")
        page.get_by_role("link", name="All recoveries").click()
        expect(page.locator("#content tbody tr:visible")).to_have_count(4)
        assert page.url == start
    page.get_by_role("link", name="exec-real").click()
    expect(page.locator("drs-job-log .big")).to_have_text("1 of 2 servers launched")
    assert page.url == f"{start}executions/exec-real"


@pytest.mark.parametrize("id_", ["a/b", "..", "two words?#", "100%", "Übung ☃"])
def test_link_opens_every_execution(open_start: Open, play: Play, id_: str) -> None:
    play(GOOD, "drsjob-1", 9 * HOUR, id_)
    page = open_start()

    page.locator("a[data-log]").click()

    expect(page.locator("drs-job-log .big")).to_have_text("2 of 2 servers launched")
    expect(page.locator("drs-job-log h2")).to_have_text(id_)


@pytest.mark.usefixtures("history")
def test_page_works_below_a_prefix(recovery: Recovery, open_start: Open) -> None:
    with GatewayServer(under("/prod/drs", recovery.gateway)) as server:
        base = f"{server.address}/prod/drs"
        page = open_start("", base=base)
        expect(page.locator("#content tbody tr:visible")).to_have_count(4)

        page.get_by_role("link", name="Failures").click()
        page.get_by_role("link", name=SERVERS[3]).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(NAMES[3])
        assert page.url == f"{base}/?server={SERVERS[3]}"
        page.get_by_role("link", name="exec-real").click()
        expect(page.locator("drs-job-log .big")).to_have_text("1 of 2 servers launched")
        page.get_by_role("link", name="All recoveries").click()
        expect(page.locator("#content tbody tr:visible")).to_have_count(4)
        assert page.url == f"{base}/"
        page.get_by_role("link", name="Recoveries", exact=True).click()
        assert page.url == f"{base}/"


@pytest.mark.usefixtures("history")
def test_page_sends_requests_only_to_its_own_origin(address: str, context: BrowserContext, open_start: Open) -> None:
    asked: list[str] = []
    context.on("request", lambda sent: asked.append(sent.url))

    page = open_start()

    wait_until(page, lambda: len(asked) >= 7)
    # The page, its icon, two style sheets, the script, the running recoveries, all recoveries.
    assert len(asked) == 7
    assert all(url.startswith(address) for url in asked)


# ---------------------------------------------------------------------------------------------------------------------
# Accessibility
# ---------------------------------------------------------------------------------------------------------------------

VIEWS = ["", "?view=failures", f"?server={SERVERS[3]}", f"?withServer={SERVERS[0]}", "?to=2020-01-01", "?from=x"]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1440])
def test_axe_finds_no_accessibility_violations(open_start: Open, scheme: Any, width: int) -> None:
    for view in VIEWS:
        page = open_start(view, width=width, height=800)
        page.emulate_media(color_scheme=scheme)

        results = Axe().run(page)

        assert results.violations_count == 0, results.generate_report()
        page.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1000, 1440])
def test_content_fits_the_page_width(open_start: Open, play: Play, width: int) -> None:
    play(REAL, "drsjob-1", 9 * HOUR, "exec-" + "x" * 200)
    failing = scripts.launch(SERVERS[3:4], failing={SERVERS[3]: "x" * 500})
    play(failing, "drsjob-2", 5 * HOUR, "exec-2", "n" * 100)
    for view in VIEWS:
        page = open_start(view, width=width, height=800)
        assert page.evaluate("document.scrollingElement.scrollWidth") == width, view
        outside = """width => [...document.querySelectorAll("body *")]
            .filter(e => e.checkVisibility() && !e.closest(".hidden, thead") && e.getBoundingClientRect().right > width)
            .map(e => e.outerHTML.slice(0, 80))"""
        assert page.evaluate(outside, width) == [], view
        page.close()


@pytest.mark.usefixtures("history")
def test_all_controls_work_with_the_keyboard(open_start: Open) -> None:
    page = open_start()
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.name || document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", seen
        if seen[-1] == "exec-real":
            break
    assert list(dict.fromkeys(seen)) == [
        *(
            "Recoveries",
            "Failures",
            "Europe/BerlinUTC",
            "id",
            "Open",
            "from",
            "to",
            "status",
            "isDrill",
            "Search",
            "Clear",
        ),
        *("exec-running", "exec-real"),
    ]

    page.keyboard.press("Enter")

    expect(page.locator("drs-job-log .big")).to_have_text("1 of 2 servers launched")


# ---------------------------------------------------------------------------------------------------------------------
# Filters, print and focus
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("history")
def test_time_in_a_link_is_shown_and_kept_by_the_next_search(open_start: Open) -> None:
    time = (NOW - 2 * HOUR).isoformat().replace("+00:00", "Z")
    page = open_start(f"?from={time}")
    expect(page.get_by_label("From")).to_have_value(time)

    page.get_by_label("Kind").select_option("false")
    page.get_by_role("button", name="Search").click()

    expect(section(page, "Ended").locator("tbody tr")).to_have_count(1)
    assert ids(page, "Ended") == ["exec-real"]
    assert parse_qs(urlsplit(page.url).query) == {"from": [time], "isDrill": ["false"]}
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("From")).to_have_attribute("type", "date")


def test_time_zone_applies_to_the_search_by_date_and_to_the_error(
    recovery: Recovery, open_start: Open, play: Play
) -> None:
    play(GOOD, "drsjob-1", timedelta(hours=13, minutes=30), "exec-1")  # 23:30 UTC, 00:30 in Berlin
    page = open_start("?from=2026-11-24")
    assert ids(page, "Ended") == ["exec-1"]

    page.get_by_label("Time zone").select_option("UTC")

    expect(page.get_by_text("No ended recovery matches the filters.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(section(page, "Ended").locator("tbody tr")).to_have_count(1)
    recovery.gateway.fault = HTTPStatus.SERVICE_UNAVAILABLE
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#banner p")).to_contain_text("The data shown is from ")
    before = page.locator("#banner p").inner_text()
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    expect(page.locator("#banner p")).not_to_have_text(before)


@pytest.mark.usefixtures("history")
def test_print_names_the_filters(open_start: Open) -> None:
    page = open_start("?status=PARTIAL&from=2026-11-01")
    page.get_by_label("Time zone").select_option("UTC")

    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")

    text = 'Times are in the time zone UTC. Only what matches these filters: From "2026-11-01", Status "Partial".'
    expect(page.locator("#printed")).to_contain_text(text)
    expect(page.locator("#printed")).to_be_visible()
    expect(page.locator("button:visible")).to_have_count(0)


def test_focus_stays_on_the_link_of_a_recovery_that_ends(open_start: Open, play: Play) -> None:
    play(STUCK, "drsjob-1", HOUR, "exec-1")
    page = open_start(is_paused=True)
    page.get_by_role("link", name="exec-1").focus()

    play(scripts.launch(SERVERS[4:]), "drsjob-1", HOUR, "exec-1")
    page.clock.run_for(16_000)

    expect(section(page, "Ended").locator("tbody tr")).to_have_count(1)
    assert page.evaluate("document.activeElement.textContent") == "exec-1"


def test_focus_is_not_lost_with_the_button_that_disappears(recovery: Recovery, open_start: Open) -> None:
    recovery.gateway.fault = HTTPStatus.SERVICE_UNAVAILABLE
    page = open_start()
    recovery.gateway.fault = None

    page.get_by_role("button", name="Try again").press("Enter")

    expect(page.locator("#banner")).to_be_hidden()
    assert page.evaluate("document.activeElement.tagName") == "H1"
