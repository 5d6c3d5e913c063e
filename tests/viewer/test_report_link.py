"""The control of the viewer that requests the report of an execution, and links to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from drs_job_log.api import handler as api
from drs_job_log.config import ReportSettings
from drs_job_log.model.events import format_time
from playwright.sync_api import expect

from tests.support import scripts
from tests.viewer.conftest import SERVERS, events_of, wait_until

if TYPE_CHECKING:
    from datetime import datetime

    from playwright.sync_api import BrowserContext, Route

    from tests.support.recovery import Recovery
    from tests.viewer.conftest import Opener, Viewer

FINISHED = events_of(scripts.launch(SERVERS), ago=timedelta(hours=1))
PAGE = "https://evidence.s3.us-east-1.amazonaws.com/drs/exec-1/report.html?X-Amz-Signature=0"
REPORT = "**/executions/exec-1/report"
READY = "The report is ready. The link expires in 15 minutes."


@dataclass
class Reports:
    """Replaces the reports of the API. ``missing``: the number of requests until the report exists."""

    missing: int = 0
    requested: list[str] = field(default_factory=list)
    url: str = PAGE

    def links(self, execution_id: str, now: datetime) -> dict[str, Any] | None:
        self.missing -= 1
        if self.missing >= 0:
            return None
        expires = format_time(now + timedelta(minutes=15))
        return {"executionId": execution_id, "revision": 1, "url": self.url, "expiresAt": expires, "files": {}}

    def request(self, execution_id: str) -> None:
        self.requested.append(execution_id)


@pytest.fixture
def reports(recovery: Recovery, monkeypatch: pytest.MonkeyPatch) -> Reports:
    recovery.happen(*FINISHED)
    found = Reports()
    settings = ReportSettings(bucket="evidence", queue_url="https://queue", lookback=timedelta(days=30))
    monkeypatch.setattr(api, "reports", found)
    monkeypatch.setattr(api, "settings", replace(api.settings, reports=settings))
    return found


@pytest.fixture
def opened(context: BrowserContext) -> list[dict[str, Any]]:
    """The requests for the page of the report: its URL and the referrer."""
    found: list[dict[str, Any]] = []

    def fulfill(route: Route) -> None:
        found.append({"url": route.request.url, "referrer": route.request.headers.get("referer")})
        route.fulfill(body="<!doctype html><title>Recovery exec-1</title>", content_type="text/html")

    context.route("https://evidence.s3.us-east-1.amazonaws.com/**", fulfill)
    return found


def select(viewer: Viewer) -> None:
    viewer.page.get_by_role("button", name="Report", exact=True).click()


def status(viewer: Viewer, text: str) -> None:
    expect(viewer.find(".report [role=status]")).to_have_text(text)


def test_button_opens_the_report_in_a_new_tab(
    reports: Reports, open_viewer: Opener, context: BrowserContext, opened: list[dict[str, Any]]
) -> None:
    viewer = open_viewer()

    with context.expect_page() as event:
        select(viewer)

    expect(event.value).to_have_title("Recovery exec-1")
    assert event.value.evaluate("opener") is None
    assert opened == [{"url": PAGE, "referrer": None}]
    status(viewer, READY)
    link = viewer.page.get_by_role("link", name="Open the report (opens a new tab)")
    expect(link).to_have_attribute("href", PAGE)
    expect(link).to_be_focused()
    expect(viewer.page.get_by_role("button", name="Report", exact=True)).to_be_hidden()
    with context.expect_page() as event:
        link.click()
    expect(event.value).to_have_title("Recovery exec-1")
    assert event.value.evaluate("opener") is None
    assert reports.requested == []


def test_missing_report_is_requested_until_it_exists(
    reports: Reports, open_viewer: Opener, opened: list[dict[str, Any]]
) -> None:
    reports.missing = 2
    viewer = open_viewer()
    # Without this, the fast clock of the test would open the tab, as if the user had selected the button just now.
    viewer.page.evaluate("Object.defineProperty(navigator, 'userActivation', {value: {isActive: false}})")

    select(viewer)
    status(viewer, "The report is being written…")
    assert reports.requested == ["exec-1"]
    viewer.move_on(2.5)
    viewer.page.wait_for_timeout(200)
    assert reports.requested == ["exec-1"]  # Retry-After is 3 seconds
    advance_until(viewer, READY)

    assert reports.requested == ["exec-1"] * 2
    expect(viewer.page.get_by_role("link", name="Open the report")).to_be_focused()
    assert opened == []
    assert len(viewer.page.context.pages) == 1


def test_report_that_is_never_written_is_not_requested_forever(reports: Reports, open_viewer: Opener) -> None:
    reports.missing = 1000
    viewer = open_viewer()

    select(viewer)
    status(viewer, "The report is being written…")
    advance_until(viewer, "The report cannot be read: it was not written within 120 s. Try again later.")

    assert 20 <= len(reports.requested) <= 40  # a slow browser sends fewer
    expect(viewer.page.get_by_role("button", name="Report", exact=True)).to_be_focused()


def advance_until(viewer: Viewer, text: str) -> None:
    """Advance the clock, a second at a time, until the control shows a text."""

    def is_shown() -> bool:
        viewer.move_on(1)
        return viewer.find(".report [role=status]").text_content() == text

    wait_until(viewer.page, is_shown)


def test_expired_link_disappears(reports: Reports, open_viewer: Opener, opened: list[dict[str, Any]]) -> None:
    assert not opened
    viewer = open_viewer()
    select(viewer)
    status(viewer, READY)
    link = viewer.page.get_by_role("link", name="Open the report")

    viewer.move_on(14 * 60)
    expect(link).to_be_visible()
    viewer.move_on(62)

    expect(link).to_have_count(0)
    status(viewer, "The link expired.")
    expect(viewer.page.get_by_role("button", name="Report", exact=True)).to_be_focused()
    select(viewer)
    status(viewer, READY)
    assert reports.requested == []


def test_link_of_a_notification_requests_the_report_and_opens_no_tab(
    reports: Reports, open_viewer: Opener, opened: list[dict[str, Any]]
) -> None:
    viewer = open_viewer("executions/exec-1#report")

    status(viewer, READY)
    expect(viewer.page.get_by_role("link", name="Open the report")).to_be_focused()
    assert (opened, reports.requested, len(viewer.page.context.pages)) == ([], [], 1)


def test_link_of_a_notification_waits_for_the_end(recovery: Recovery, reports: Reports, open_viewer: Opener) -> None:
    recovery.now -= timedelta(hours=1) - timedelta(minutes=5)
    viewer = open_viewer("executions/exec-1#report")
    expect(viewer.find("header .badge")).to_be_visible()
    expect(viewer.find(".report")).to_be_hidden()

    recovery.now += timedelta(hours=1)
    viewer.poll()

    status(viewer, READY)
    assert reports.requested == []


@pytest.mark.parametrize("path", ["executions/exec-1", "jobs/drsjob-1"])
def test_button_is_hidden_while_the_execution_runs_and_for_a_job(
    recovery: Recovery, open_viewer: Opener, path: str, reports: Reports
) -> None:
    if path.startswith("executions"):
        recovery.happen(*events_of(scripts.launch(SERVERS), ago=timedelta(minutes=1), job_id="drsjob-2")[:-1])
    viewer = open_viewer(path)

    expect(viewer.find("header .badge").first).to_be_visible()
    expect(viewer.find(".report")).to_be_hidden()
    assert reports.requested == []


def test_button_is_hidden_without_evidence(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED)
    viewer = open_viewer("executions/exec-1#report")

    expect(viewer.find("header .badge")).to_have_text("Completed")
    expect(viewer.find(".report")).to_be_hidden()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((404, "The execution 'exec-1' has no events"), "The execution 'exec-1' has no events."),
        ((404, "Not Found"), "This API has no reports: its input evidence is null."),
        ((409, "The execution has not settled"), "The execution has not settled."),
        ((403, "Forbidden"), "You do not have permission to read the report (403: Forbidden)."),
        ((500, "Internal Server Error"), "The report cannot be read: 500: Internal Server Error."),
        ((429, "Too Many Requests"), "The report cannot be read: 429: Too Many Requests."),
    ],
)
def test_error_is_shown_and_the_button_remains(
    reports: Reports, open_viewer: Opener, context: BrowserContext, answer: tuple[int, str], text: str
) -> None:
    code, message = answer
    context.route(REPORT, lambda route: route.fulfill(status=code, json={"message": message}))
    viewer = open_viewer()

    select(viewer)

    status(viewer, text)
    assert len(context.pages) == 1
    context.unroute(REPORT)
    select(viewer)
    status(viewer, READY)
    assert reports.requested == []


@pytest.mark.parametrize("url", ["javascript:document.title='taken'", "data:text/html,x", "no URL", None])
def test_answer_with_another_kind_of_link_is_refused(reports: Reports, open_viewer: Opener, url: Any) -> None:
    reports.url = url
    viewer = open_viewer()

    select(viewer)

    status(viewer, "The response is no answer of the API.")
    expect(viewer.find(".report a")).to_have_count(0)


def test_lost_connection_is_shown(reports: Reports, open_viewer: Opener, context: BrowserContext) -> None:
    context.route(REPORT, lambda route: route.abort())
    viewer = open_viewer()

    select(viewer)

    status(viewer, "No response. Check the network connection, and try again.")
    assert reports.requested == []


def test_request_has_the_token_and_a_refused_one_asks_for_the_sign_in(
    recovery: Recovery, reports: Reports, open_viewer: Opener, context: BrowserContext
) -> None:
    tokens = {"first"}
    recovery.gateway.tokens = tokens
    viewer = open_viewer()
    sign_in(viewer, "first")
    expect(viewer.find("header .badge")).to_have_text("Completed")
    tokens.clear()

    select(viewer)

    status(viewer, "The API requires you to sign in (401: Unauthorized). Then select the button again.")
    tokens.add("second")
    sign_in(viewer, "second")
    expect(viewer.find(".banner")).to_be_hidden()
    select(viewer)
    status(viewer, READY)
    assert reports.requested == []
    assert context.pages


def sign_in(viewer: Viewer, token: str) -> None:
    viewer.page.get_by_label("Access token").fill(token)
    viewer.page.get_by_role("button", name="Use token").click()


def test_another_execution_has_no_link_to_this_report(
    recovery: Recovery, reports: Reports, open_viewer: Opener
) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS), ago=timedelta(hours=1), job_id="drsjob-2", execution_id="b"))
    viewer = open_viewer()
    select(viewer)
    status(viewer, READY)

    viewer.page.evaluate("document.querySelector('drs-job-log').setAttribute('execution-id', 'b')")

    expect(viewer.find("h2")).to_have_text("b")
    expect(viewer.find(".report a")).to_have_count(0)
    expect(viewer.page.get_by_role("button", name="Report", exact=True)).to_be_visible()
    status(viewer, "")
    assert reports.requested == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_control_is_accessible_and_not_printed(reports: Reports, open_viewer: Opener, scheme: Any) -> None:
    viewer = open_viewer("executions/exec-1#report", is_paused=False, width=400, height=900)
    viewer.page.emulate_media(color_scheme=scheme)
    status(viewer, READY)

    results = Axe().run(viewer.page)

    assert results.violations_count == 0, results.generate_report()
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 400
    viewer.page.emulate_media(media="print")
    expect(viewer.find(".report")).to_be_hidden()
    assert reports.requested == []
