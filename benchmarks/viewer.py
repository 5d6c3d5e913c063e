"""Rendering times of the viewer with a running execution, in a real browser.

    .venv/bin/python -m benchmarks.viewer [--events 5000] [--servers 200] [--runs 5]

The API runs in this process and answers from memory. The page measures its own times:

- first view: from the arrival of the last answer to the painted page
- update: the same for an answer with a new event of each server
- filter: from a typed letter to the painted result
- scroll: the longest frame, and the frames over 50 ms, while the timeline scrolls from end to end
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks import product
from tests.support import browser as browsers
from tests.support import played, scripts
from tests.support.gateway import GatewayServer
from tests.support.recovery import Recovery
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.events import JobLogEvent
    from playwright.sync_api import Browser

console = Console()

# Milliseconds from a change of the page to the task after the next frame, when the change is painted.
WATCH = """
    window.shown = [];
    window.typed = [];
    const painted = (since, noted) =>
        requestAnimationFrame(() => setTimeout(() => noted.push(performance.now() - since)));
    addEventListener("drs-job-log-update", () => {
        const answers = performance.getEntriesByType("resource").filter(entry => entry.name.includes("/logs"));
        painted(answers.at(-1).responseEnd, shown);
    });
    addEventListener("keydown", () => painted(performance.now(), typed), true);
"""
SCROLL = """() => new Promise(done => {
    const element = document.querySelector('drs-job-log').shadowRoot.querySelector('.timeline');
    const frames = [];
    let last = performance.now();
    const step = now => {
        frames.push(now - last);
        last = now;
        element.scrollTop += element.scrollHeight / 200;
        if (element.scrollTop + element.clientHeight >= element.scrollHeight - 1) done(frames.slice(1));
        else requestAnimationFrame(step);
    };
    element.scrollTop = 0;
    requestAnimationFrame(step);
})"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "JOB_LOG_EVENTS_TABLE": "none"}
    with sync_playwright() as playwright:
        path = browsers.executable()
        browser = playwright.chromium.launch(executable_path=path, args=browsers.OPTIONS)
        runs = [run(browser, options.events, options.servers) for _ in range(options.runs)]
        version = browser.version
        browser.close()
    console.print(f"{options.events:,} events, {options.servers} servers, Chromium {version}, {options.runs} runs:")
    table = Table("", "median", "min", "max")
    for name in runs[0]:
        values = [one[name] for one in runs]
        table.add_row(name, *(f"{value:.0f}" for value in (statistics.median(values), min(values), max(values))))
    console.print(table)
    return 0


def run(browser: Browser, events: int, servers: int) -> dict[str, float]:
    """Open the page once and measure it."""
    recovery = Recovery(product.api_module())
    product.empty_api_cache(recovery)
    log = many(events, servers)
    recovery.happen(*log)
    with GatewayServer(recovery.gateway) as server:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(WATCH)
        page.goto(f"{server.address}/executions/exec-1")
        page.locator(".row").first.wait_for()
        elements = page.evaluate("document.querySelector('drs-job-log').shadowRoot.querySelectorAll('*').length")
        recovery.happen(*later(log))
        polls = recovery.polls
        while recovery.polls == polls:
            page.wait_for_timeout(100)
        page.wait_for_timeout(1000)
        first, update = page.evaluate("shown")
        page.get_by_role("searchbox", name="Text").press("s")
        page.wait_for_timeout(500)
        (filtered,) = page.evaluate("typed")
        page.get_by_role("searchbox", name="Text").press("Backspace")
        frames: Sequence[float] = page.evaluate(SCROLL)
        page.close()
    return {
        "first view, ms": first,
        "update, ms": update,
        "filter, ms": filtered,
        "scroll, longest frame, ms": max(frames),
        "scroll, frames over 50 ms": sum(frame > 50 for frame in frames),
        "scroll, frames": len(frames),
        "elements of the page": elements,
    }


def many(events: int, servers: int) -> list[JobLogEvent]:
    """This number of events of a job that still runs."""
    ids = [server_id(number) for number in range(servers)]
    created = datetime.now(UTC) - timedelta(minutes=12)
    script = scripts.launch(ids, failing=dict.fromkeys(ids[::20], "no rights " * 40))
    log = played.events(script, "drsjob-1", created=created)[:-1]
    # DRS logs 6 to 8 items per server: repeat them with other IDs.
    rounds = [
        replace(event, event_id=f"{event.event_id}-{number}") for number in range(events // len(log)) for event in log
    ]
    return [*log, *rounds][:events]


def later(log: Sequence[JobLogEvent]) -> list[JobLogEvent]:
    """One more event of each server, at the current time."""
    now: Any = datetime.now(UTC)
    last = {event.source_server_id: event for event in log if event.source_server_id}
    return [replace(event, event_id=f"later-{place}", timestamp=now) for place, event in enumerate(last.values())]


if __name__ == "__main__":
    sys.exit(main())
