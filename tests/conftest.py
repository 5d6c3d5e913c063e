from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from tests.support import browser as browsers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = browsers.executable()
    assert path, "The viewer's tests need Chromium or Chrome: `make test` installs one, or says how"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=browsers.OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def count(record_property: Callable[[str, Any], None]) -> Callable[..., None]:
    """Have figures of a run printed at the end."""

    def count(run: str, **figures: Any) -> None:
        record_property("counted", f"{run}: " + ", ".join(f"{value:,} {name}" for name, value in figures.items()))

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the fault tests counted."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    lines = [value for report in reports for name, value in report.user_properties if name == "counted"]
    if lines:
        terminalreporter.section("under faults")
        for line in lines:
            terminalreporter.write_line(line)
