"""The time of the viewer in Chromium: an execution of 5,000 events and 200 servers. It has no CPU quota."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

from benchmarks.harness import Figure
from tests.support import browser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_VIEWER: Final = Path(__file__).parents[1] / "lambda_src/drs_job_log/viewer/drs-job-log.js"
_SCRIPT: Final = Path(__file__).with_suffix(".js")
_ADDRESS: Final = "http://localhost"  # of no server: the browser answers the requests

_REPEATS: Final = 5
_WHAT: Final = "5,000 events, 200 servers"
_SMALL: Final = {"events": 500, "servers": 20, "updates": 3, "scrolls": 3}
_LARGE: Final = {"events": 5000, "servers": 200, "updates": 15, "scrolls": 60}


def viewing(*, short: bool) -> Iterator[Figure]:
    """The times from the text of an answer to the layout of the page, and of the slowest scroll step of each repeat."""
    first: list[float] = []
    updates: list[float] = []
    scrolls: list[float] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.executable(), args=browser.OPTIONS)
        for _ in range(1 if short else _REPEATS):
            page = chromium.new_page(viewport={"width": 1440, "height": 1000})
            page.route(
                "**/*", lambda route: route.fulfill(body="<!doctype html><main></main>", content_type="text/html")
            )
            page.goto(_ADDRESS)
            page.add_script_tag(path=_VIEWER, type="module")
            page.add_script_tag(path=_SCRIPT)
            measured = page.evaluate("load => measureViewer(load)", _SMALL if short else _LARGE)
            first.append(measured["first"])
            updates.append(statistics.median(measured["updates"]))
            scrolls.append(max(measured["scrolls"]))
            page.close()
        chromium.close()
    yield Figure(what=f"first view: {_WHAT}", unit="ms", values=first, at_most=150)
    yield Figure(what=f"update with 5 new events: {_WHAT}", unit="ms", values=updates, at_most=50)
    yield Figure(what=f"slowest step of scrolling: {_WHAT}", unit="ms", values=scrolls, at_most=50)


def rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """One row for each figure, without the columns of functions."""
    cells = [figure.row() for figure in figures]
    return [(what, median, spread, target, measured) for what, median, spread, _, _, target, measured in cells]
