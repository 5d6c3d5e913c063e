"""The report of an execution in a browser, and as it is printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support import reports
from tests.support.pdf import page_texts
from tests.support.reports import SAMPLES, Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

HEBREW = "\u05e9\u05dc\u05d5\u05dd"
MARKUP = "<img src=https://example.com/x><style>*{display:none}</style><script>document.title = 'x'</script>"
HOSTILE = f"\u202e{MARKUP}{HEBREW}{'x' * 300}"
ALL: dict[str, Callable[[], Report]] = {**SAMPLES, "hostile": lambda: reports.hostile(HOSTILE)}

Opener = Callable[[Report], "Page"]


@pytest.fixture
def open_report(context: BrowserContext, tmp_path: Path) -> Iterator[Opener]:
    """Open a report from a file. The page must load nothing else."""
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    path = tmp_path / "report.html"

    def open_it(arguments: Report) -> Page:
        path.write_text(reports.page(arguments), encoding="utf-8")
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    yield open_it
    assert set(requests) == {path.as_uri()}


def large() -> Report:
    """Return a recovery with 60 failed servers and 500 events."""
    summary, _, _ = reports.partial()
    servers = [reports.failed(number, f"prod-web-{number:03}", errorShape="one") for number in range(60)]
    events = [reports.event(number, "NOTE", f"Event {number}") for number in range(500)]
    return {**summary, "eventCount": 500}, servers, events


# The start of each section in print, and of its first entry.
FIRST_ENTRIES = {
    "WavesWavesintheirorder": "1Completed",
    "ServersAserverhas": "prod-app-01",
    "JobsDRSjobs": "drsjob-1",
    "LogAllstoredevents": "JOB_STARTED",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ALL)
def test_report_is_accessible(open_report: Opener, name: str, scheme: Any) -> None:
    page = open_report(ALL[name]())
    page.emulate_media(color_scheme=scheme)

    results = Axe().run(page)

    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [400, 800, 1280])
@pytest.mark.parametrize("name", ALL)
def test_report_has_no_horizontal_scrollbar(open_report: Opener, name: str, width: int) -> None:
    page = open_report(ALL[name]())
    page.set_viewport_size({"width": width, "height": 900})

    # The cells, too: a text that is wider than its column would cover the next one.
    wider = page.evaluate(
        "[...document.querySelectorAll('html, td, th')]"
        ".filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => element.textContent)"
    )

    assert wider == []


@pytest.mark.parametrize("width", [800, 1280])
def test_words_of_the_module_are_not_broken(open_report: Opener, width: int) -> None:
    page = open_report(reports.partial())
    page.set_viewport_size({"width": width, "height": 900})

    # A word or a date that is broken has more than one rectangle.
    broken = page.evaluate(
        r"""[...document.querySelectorAll("thead th, td, tbody th")].flatMap((cell) => {
          const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
          const found = [];
          for (let node = walker.nextNode(); node; node = walker.nextNode())
            for (const { 0: word, index } of node.data.matchAll(/\d{4}-\d{2}-\d{2}|[\w:]+/g)) {
              const range = document.createRange();
              range.setStart(node, index);
              range.setEnd(node, index + word.length);
              if (range.getClientRects().length > 1) found.push(word);
            }
          return found;
        })"""
    )

    assert broken == []


def test_style_of_the_page_is_applied(open_report: Opener) -> None:
    page = open_report(reports.drill())

    # A wrong hash in the policy would leave the page without its style.
    assert page.locator("table").first.evaluate("(table) => getComputedStyle(table).tableLayout") == "fixed"


def test_texts_from_outside_run_nothing_and_keep_their_place(open_report: Opener) -> None:
    page = open_report(reports.hostile(HOSTILE))

    assert page.title().startswith("Recovery <U+202E>")
    assert page.locator("main img, main script, main style").count() == 0
    expect(page.locator("h1")).to_contain_text(f"<U+202E>{MARKUP}{HEBREW}")
    # The number after a text in another direction stays on its right.
    summary, servers, events = reports.drill()
    page = open_report(({**summary, "accounts": [HEBREW, "111122223333"]}, servers, events))
    value = page.locator("dt", has_text="Accounts").locator("xpath=following-sibling::dd")
    places = value.evaluate(
        """(element) => {
          const range = document.createRange();
          const place = (node) => (range.selectNodeContents(node), range.getBoundingClientRect().left);
          return [place(element.querySelector("bdi")), place(element.lastChild)];
        }"""
    )
    assert places[0] < places[1]


def test_printed_report_has_the_totals_and_numbered_pages(open_report: Opener) -> None:
    pages = page_texts(open_report(reports.partial()).pdf(format="A4"))

    assert 2 <= len(pages) <= 4
    for text in (
        "Recovery exec-1",
        "Partial 3 of 6 servers launched, 2 failed, 1 skipped.",
        "2 servers failed: prod-web-01, prod-web-02.",
        "Start 2026-11-24 13:00:05 UTC End 2026-11-24 13:51:45 UTC Duration 51 min 40 s",
        f"Started by {reports.REQUESTER}",
        "Recovery point (RPO) 15 min 22 min 0 s",
    ):
        assert "".join(text.split()) in pages[0], text
    for number, text in enumerate(pages, 1):
        assert f"Page{number}of{len(pages)}" in text
        assert "exec-1" in text
    assert "verify_evidence.py" in pages[-1]
    assert "TotalsObjectivesWaves" not in "".join(pages)  # the links to the sections


@pytest.mark.parametrize("size", ["A4", "Letter"])
def test_printed_tables_repeat_their_heads_and_split_no_row(open_report: Opener, size: str) -> None:
    pages = page_texts(open_report(large()).pdf(format=size))

    assert 20 <= len(pages) <= 45
    in_log = [text for text in pages if re.search(r"Event\d", text)]
    assert len(in_log) > 10
    assert all("TimeEventServerJobMessageanderror" in text for text in in_log)
    with_server = [text for text in pages if "prod-web-0" in text and "WaveServerState" in text]
    assert len(with_server) > 5
    for number in range(20, 60):  # the list of failures has the first ones
        (text,) = (text for text in pages if f"prod-web-{number:03}" in text)
        entry = text.partition(f"prod-web-{number:03}")[2]
        assert "RequestID:1a2b3c4d5e6f" in entry.partition("prod-web-")[0], number


@pytest.mark.parametrize("waves", range(1, 12))
def test_a_printed_heading_is_not_separated_from_its_table(open_report: Opener, waves: int) -> None:
    summary, servers, events = reports.drill()
    summary["waves"] = [reports.wave(number) for number in range(1, waves + 1)]

    pages = page_texts(open_report((summary, servers, events)).pdf(format="A4"))

    for heading, entry in FIRST_ENTRIES.items():
        (text,) = (text for text in pages if heading in text)
        assert entry in text.partition(heading)[2], heading
