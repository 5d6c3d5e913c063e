"""Fixtures of several folders, and how pytest-xdist distributes the tests among its workers."""

from __future__ import annotations

from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
import xdist.scheduler
from hypothesis import settings
from playwright.sync_api import sync_playwright

from tests.support import browser as browsers
from tests.support.profile import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

settings.register_profile("tests", max_examples=EXAMPLES, deadline=None)  # these machines are shared
settings.load_profile("tests")

# A session loads the service models again, which takes longer than most tests. The sessions of all tests share them.
botocore.session.create_loader = cache(botocore.session.create_loader)

# The files that apply the module first, since they wait for applies and schedules most of the time. Then the files that
# need the CPU, the longest first, so that none of them ends last.
ORDER = [
    *("e2e/test_faults.py", "e2e/test_documented_commands.py", "terraform/test_applied.py", "e2e/test_drs_jobs.py"),
    *("e2e/test_deploying_role.py", "e2e/test_waves.py", "e2e/test_least_privilege.py", "benchmarks"),
    *("e2e/test_pipeline.py", "e2e"),
    *("terraform/test_plan.py", "terraform/test_observability.py", "terraform/test_refusals.py"),
    *("terraform", "viewer", "faults", "unit"),
]

# These files share one plan, so that one worker runs both.
SHARED_PLAN = {"tests/terraform/test_plan.py", "tests/terraform/test_observability.py"}


class Scheduling(xdist.scheduler.LoadScopeScheduling):
    """Distributes whole files. It distributes tests of tests/faults one by one because they share no fixture."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/faults/"):
            return nodeid
        return "plan" if file in SHARED_PLAN else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    config.option.loadscopereorder = False  # the default starts with the files that have the most tests
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by ``ORDER``; within a file they keep their order."""
    root = PurePath(__file__).parent

    def place(item: pytest.Item) -> int:
        file = item.path.relative_to(root) if item.path.is_relative_to(root) else item.path
        names = [file.as_posix(), file.parts[0]]
        return next((ORDER.index(name) for name in names if name in ORDER), len(ORDER))

    items.sort(key=place)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = browsers.executable()
    assert path, "The viewer's tests need Chromium or Chrome. `make test` installs it or prints how to install it."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=browsers.OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def count(record_property: Callable[[str, Any], None]) -> Callable[..., None]:
    """Print figures of a test at the end of the run."""

    def count(run: str, **figures: Any) -> None:
        record_property("counted", f"{run}: " + ", ".join(f"{value:,} {name}" for name, value in figures.items()))

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the fault tests."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    lines = [value for report in reports for name, value in report.user_properties if name == "counted"]
    if lines:
        terminalreporter.section("under faults")
        for line in lines:
            terminalreporter.write_line(line)
