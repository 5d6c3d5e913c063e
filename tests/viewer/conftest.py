"""The page of the viewer in a real browser, with the API function in this process."""

from __future__ import annotations

import tests.unit.conftest  # noqa: F401 (first: it sets the environment that the function reads)

# isort: split

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.api import handler as api
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.model.events import format_time, parse
from playwright.sync_api import expect

from tests.support import played, scripts
from tests.support.envelopes import dumps, job_log
from tests.support.gateway import GatewayServer
from tests.support.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drs_job_log.model.events import JobLogEvent
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, Route

NAMES = ["prod-web-01", "prod-db-01", "prod-app-01"]
SERVERS = [scripts.server_id(number) for number in range(len(NAMES))]
COMPARISON = "GET /executions/{executionId}/comparison"
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)  # 14:00 in Berlin


def events_of(
    script: scripts.Script, *, ago: timedelta, job_id: str = "drsjob-1", execution_id: str = "exec-1"
) -> list[JobLogEvent]:
    """Return the events of a job that started ``ago``, with server names."""
    events = played.events(script, job_id, created=NOW - ago, execution_id=execution_id)
    names = dict(zip(SERVERS, NAMES, strict=True))
    return [replace(event, source_server_name=names.get(event.source_server_id or "")) for event in events]


def events_of_job(
    items: Sequence[tuple[str, float, dict[str, Any]]], *, ago: timedelta = timedelta(hours=1), **job: Any
) -> list[JobLogEvent]:
    """Return the events of a LAUNCH job of exec-1 that started ``ago`` (see ``played.events_of_short_job``)."""
    return played.events_of_short_job(items, NOW - ago, **job)


def derived(event_type: str, ago: timedelta, **detail: Any) -> JobLogEvent:
    """Return an event of the job drsjob-1 that is not an item of its log."""
    given = {"jobID": "drsjob-1", "executionId": "exec-1", "eventType": event_type, "eventId": event_type}
    return parse(dumps(job_log(given | {"logDateTime": format_time(NOW - ago)} | detail)))


def steps(events: Sequence[JobLogEvent], server: str) -> list[JobLogEvent]:
    return [event for event in events if event.source_server_id == server]


@pytest.fixture
def recovery(monkeypatch: pytest.MonkeyPatch) -> Recovery:
    recovery = Recovery(api, NOW)
    monkeypatch.setattr(api, "_now", lambda: recovery.now)
    monkeypatch.setattr(api, "logs", EventLogCache(recovery))
    monkeypatch.setattr(api, "executions_table", None)
    monkeypatch.setitem(api.HISTORY_ROUTES, COMPARISON, recovery.compare)  # type: ignore[arg-type]
    return recovery


@pytest.fixture
def address(recovery: Recovery) -> Iterator[str]:
    """The URL of the API."""
    with GatewayServer(recovery.gateway) as server:
        yield server.address


@pytest.fixture
def page_errors() -> list[str]:
    """The errors of the pages. A test that causes one removes it."""
    return []


@pytest.fixture
def context(browser: Browser, page_errors: list[str]) -> Iterator[BrowserContext]:
    """A browser context with the time zone of Berlin. An error of the page fails the test."""
    context = browser.new_context(timezone_id="Europe/Berlin", locale="en-GB", ignore_https_errors=True)
    context.on("weberror", lambda error: page_errors.append(str(error.error)))
    context.on(
        "console",
        # The browser logs each error response.
        lambda line: (
            page_errors.append(line.text)
            if line.type == "error" and not line.text.startswith("Failed to load resource")
            else None
        ),
    )
    yield context
    context.unroute_all(behavior="ignoreErrors")  # a route can wait for an answer
    context.close()
    assert page_errors == []


def wait_until(page: Page, check: Callable[[], bool]) -> None:
    """Wait until ``check`` is true, also on a slow machine. Unlike a sleep, this handles the events of the page."""
    for _ in range(600):
        if check():
            return
        page.wait_for_timeout(50)
    raise AssertionError("not within 30 s")


def change_answers(context: BrowserContext, change: Callable[[dict[str, Any], str], dict[str, Any]]) -> None:
    """Change each answer of the API on its way to the page. ``change`` receives the answer and the URL."""

    def fulfill(route: Route) -> None:
        response = route.fetch()
        # The entity tag is that of the unchanged answer.
        headers = {name: value for name, value in response.headers.items() if name != "etag"}
        route.fulfill(response=response, headers=headers, json=change(response.json(), route.request.url))

    context.route("**/logs?*", fulfill)


class Viewer:
    """A page of the viewer. Its clock is paused, and tests advance it."""

    def __init__(self, page: Page, recovery: Recovery) -> None:
        self.page = page
        self._recovery = recovery
        self._in_flight: set[Request] = set()
        page.on("request", lambda request: self._in_flight.add(request))  # noqa: PLW0108
        page.on("requestfinished", lambda request: self._in_flight.discard(request))  # noqa: PLW0108
        page.on("requestfailed", lambda request: self._in_flight.discard(request))  # noqa: PLW0108

    def find(self, selector: str) -> Locator:
        """Return a locator, which also finds elements in the component."""
        return self.page.locator(selector)

    def move_on(self, seconds: float) -> None:
        self._recovery.now += timedelta(seconds=seconds)
        self.page.clock.run_for(seconds * 1000)

    def seconds_to_poll(self) -> int:
        """Advance the clock until the page polls. Return the seconds."""
        before = self._recovery.polls
        for seconds in range(400):
            if self._recovery.polls > before:
                return seconds
            self.move_on(1)
            # On a slow machine, an answer takes longer. The clock must not advance meanwhile.
            for _ in range(50):
                self.page.wait_for_timeout(20)
                if not self._in_flight:
                    break
        raise AssertionError("the page stopped polling")

    def poll(self, times: int = 1) -> None:
        """Advance the clock until the page has polled ``times`` times."""
        for _ in range(times):
            self.seconds_to_poll()


Opener = Callable[..., Viewer]


@pytest.fixture
def open_viewer(context: BrowserContext, recovery: Recovery, address: str) -> Opener:
    """Open the page of an execution or a job."""

    def open_it(path: str = "executions/exec-1", *, is_paused: bool = True, **size: Any) -> Viewer:
        page = context.new_page()
        if size:
            page.set_viewport_size(size)
        if is_paused:
            page.clock.install(time=NOW)
            page.clock.pause_at(NOW + timedelta(seconds=1))
        page.goto(f"{address}/{path}")
        expect(page.locator("drs-job-log .connection, drs-job-log .banner p").filter(visible=True)).not_to_have_count(0)
        return Viewer(page, recovery)

    return open_it
