"""Takes the screenshots of the viewer, for `make screenshots`: those in docs/, and of each state in .cache/screenshots.

All states are executions in one history, in an AWS in this process. Each page is also checked with axe.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import boto3
from axe_playwright_python.sync_playwright import Axe
from drs_job_log.config import SignInSettings
from drs_job_log.model.events import format_time, parse
from drs_job_log.table import JobLogTable
from moto import mock_aws
from playwright.sync_api import expect, sync_playwright

from tests.support import browser as browsers
from tests.support import played, played_plans, scripts, tables
from tests.support.envelopes import dumps, job_log
from tests.support.functions import ENVIRONMENT, cold_start
from tests.support.gateway import Gateway, GatewayServer
from tests.support.plans import Plan, ServerStep, WaitStep
from tests.support.recovery import CONTEXT
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from drs_job_log.model.events import JobLogEvent
    from playwright.sync_api import Browser, Page

    from tests.support.scripts import Script

NAMES: Final = (
    *("prod-web-01", "prod-web-02", "prod-app-01", "prod-app-02", "prod-cache-01", "prod-queue-01"),
    *("prod-db-01", "prod-db-02", "prod-batch-01", "prod-files-01", "prod-mail-01", "prod-report-01"),
)
SERVERS: Final = [scripts.server_id(0x51D6B65C7339 + 7919 * number) for number in range(len(NAMES))]
FLEET: Final = [scripts.server_id(0x71D6B65C7339 + 7919 * number) for number in range(60)]
NETWORK: Final = "sn-1234567890abcdef0"
ERROR: Final = (
    "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: You are not authorized to "
    "perform this operation. Encoded authorization failure message: 4Zx0"
)
EXECUTION: Final = "exec-2026-11-24-dc1"
NOW: Final = datetime(2026, 11, 24, 17, 34, 5, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)

FOLDER: Final = ROOT / ".cache/screenshots"
WIDTHS: Final = (1440, 768, 390)
SCHEMES: Final = ("light", "dark")

# Each state of the viewer by its name, as the path of its page.
STATES: Final = {
    "running": f"executions/{EXECUTION}",
    "server": f"executions/{EXECUTION}?server={SERVERS[6]}",
    "waiting": "executions/exec-unknown",
    "between-waves": "executions/exec-between",
    "complete": "executions/exec-drill",
    "partial": "executions/exec-fleet",
    "stalled": "executions/exec-stalled",
    "network": "executions/exec-network",
    "cancelled": "executions/exec-cancelled",
    "termination": "jobs/drsjob-terminate",
    "plan-waiting": "executions/rpe-1a1b2c3d4e5f60718",
    "plan-failed": "executions/rpe-2a1b2c3d4e5f60718",
    "start": "",
    "failures": "?view=failures",
    "launches": f"?server={SERVERS[6]}",
}
FAULTS: Final = {
    "sign-in": HTTPStatus.UNAUTHORIZED,
    "permission": HTTPStatus.FORBIDDEN,
    "error": HTTPStatus.INTERNAL_SERVER_ERROR,
}

# An identity provider that does not answer.
NO_SIGN_IN: Final = SignInSettings(
    page='{"authority": "https://127.0.0.1:1", "clientId": "viewer", "scope": "openid", "origins": []}',
    origins=("https://127.0.0.1:1",),
)


def events(script: Script, job_id: str, ago: timedelta, execution_id: str | None = None) -> list[JobLogEvent]:
    """Return the events of a job that started some time ago, until now, with names, account and Region."""
    names = dict(zip(SERVERS, NAMES, strict=True))
    place = {"account": "111122223333", "region": "us-east-1"}
    return [
        replace(
            event,
            source_server_name=names.get(event.source_server_id or ""),
            detail={**event.detail, **place},
        )
        for event in played.events(script, job_id, created=NOW - ago, execution_id=execution_id)
        if event.timestamp <= NOW
    ]


def stalled(ago: timedelta) -> Iterator[JobLogEvent]:
    """Yield the events of a drill with a server that stalled in its conversion."""
    found = events(scripts.launch(SERVERS[:3], stuck=SERVERS[2:3]), "drsjob-stalled", ago, "exec-stalled")
    yield from found
    given = {"jobID": "drsjob-stalled", "executionId": "exec-stalled", "eventType": "SERVER_STALLED"}
    time = format_time(NOW - ago / 2)
    yield parse(dumps(job_log(given | {"logDateTime": time, "eventId": "stalled", "sourceServerID": SERVERS[2]})))


def of_plan(name: str, execution_id: str, ago: timedelta, failing: Mapping[str, str]) -> list[JobLogEvent]:
    """Return the events of a recovery plan that started some time ago, until now."""
    first = ServerStep(
        name="databases", critical=SERVERS[6:8], attempts=[partial(scripts.launch, failing=failing)] if failing else ()
    )
    wait = WaitStep(name="consistency checks", minutes=15)
    plan = Plan(
        name=name,
        steps=[first, wait, ServerStep(name="applications", critical=SERVERS[:4], optional=SERVERS[10:])],
    )
    names = dict(zip(SERVERS, NAMES, strict=True))
    return played_plans.events(plan, created=NOW - ago, now=NOW, execution_id=execution_id, names=names)


def history() -> Iterator[JobLogEvent]:
    """Yield the events of all executions."""
    drill = scripts.launch(SERVERS, seed=3)
    yield from events(drill, "drsjob-0a1b2c3d4e5f60718", timedelta(days=20), "exec-drill-before")
    yield from events(drill, "drsjob-1a1b2c3d4e5f60718", timedelta(days=6), "exec-drill")
    first = scripts.launch(SERVERS[:6], drill=False, seed=0)
    second = scripts.launch(SERVERS[6:], failing={SERVERS[6]: ERROR}, drill=False, seed=1)
    yield from events(first, "drsjob-7c3d4e5f607182930", 40 * MINUTE, EXECUTION)
    yield from events(second, "drsjob-8d4e5f60718293a4b", 9 * MINUTE, EXECUTION)
    yield from events(scripts.launch(SERVERS[:3]), "drsjob-between", 20 * MINUTE, "exec-between")
    failing = {server: ERROR if number % 3 else "no capacity" for number, server in enumerate(FLEET[:9])}
    yield from events(
        scripts.launch(FLEET, failing=failing, drill=False), "drsjob-fleet", timedelta(days=2), "exec-fleet"
    )
    yield from stalled(3 * 60 * MINUTE)
    network = scripts.network_recovery(NETWORK, error="ROLLBACK_COMPLETE")
    yield from events(network, "drsjob-network", timedelta(days=3), "exec-network")
    yield from events(scripts.cancelled(SERVERS[:4]), "drsjob-cancelled", timedelta(days=4), "exec-cancelled")
    yield from of_plan("shop", "rpe-1a1b2c3d4e5f60718", 15 * MINUTE, {})
    yield from of_plan("shop-drill", "rpe-2a1b2c3d4e5f60718", 25 * MINUTE, {SERVERS[6]: ERROR})
    yield from events(scripts.terminate(SERVERS[:4]), "drsjob-terminate", timedelta(days=5))


def open_page(browser: Browser, url: str, width: int, scheme: Any, height: int = 1000) -> Page:
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Europe/Berlin", locale="en-GB"
    )
    page.clock.set_fixed_time(NOW)
    page.goto(url)
    shown = page.locator(
        "drs-job-log .connection, drs-job-log .banner p, #content table, #content li, #banner p, #session p"
    )
    expect(shown.filter(visible=True)).not_to_have_count(0)
    return page


def check(page: Page, name: str) -> list[str]:
    """Take the screenshot of a state. Return the violations of accessibility rules."""
    page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
    violations = Axe().run(page).response["violations"]
    page.close()
    return [f"{name}: {violation['id']}: {violation['description']}" for violation in violations]


def main() -> None:
    """Write the screenshots. Exit with 1 if a page violates a rule."""
    found: list[str] = []
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with mock_aws(), sync_playwright() as playwright:
        client = boto3.client("dynamodb")
        tables.create_events(client, ENVIRONMENT["JOB_LOG_EVENTS_TABLE"])
        table = JobLogTable(client, ENVIRONMENT["JOB_LOG_EVENTS_TABLE"])
        for event in history():
            table.put(event, timedelta(days=400))
        api = cold_start("api", RTO_MINUTES="60")
        api._now = lambda: NOW
        gateway = Gateway(lambda event: dict(api.lambda_handler(event, CONTEXT)))
        browser = playwright.chromium.launch(executable_path=browsers.executable(), args=browsers.OPTIONS)
        with GatewayServer(gateway) as server:
            for (name, path), width, scheme in product(STATES.items(), WIDTHS, SCHEMES):
                page = open_page(browser, f"{server.address}/{path}", width, scheme)
                found += check(page, f"{name}-{width}-{scheme}")
            for name, path, width, height, scheme in (
                ("viewer-desktop", STATES["running"], 1440, 1000, "light"),
                ("viewer-phone", STATES["running"], 390, 844, "dark"),
                ("viewer-start", STATES["start"], 1440, 800, "light"),
            ):
                page = open_page(browser, f"{server.address}/{path}", width, scheme, height)
                page.screenshot(path=ROOT / f"docs/{name}.png")
            for (name, fault), width, scheme in product(FAULTS.items(), WIDTHS, SCHEMES):
                gateway.fault = fault
                page = open_page(browser, f"{server.address}/{STATES['running']}", width, scheme)
                found += check(page, f"{name}-{width}-{scheme}")
            gateway.fault = None
            api.settings = replace(api.settings, sign_in=NO_SIGN_IN)
            for path, width, scheme in product(("start", "running"), WIDTHS, SCHEMES):
                page = open_page(browser, f"{server.address}/{STATES[path]}", width, scheme)
                found += check(page, f"no-sign-in-{path}-{width}-{scheme}")
        browser.close()
    if found:
        sys.exit("\n".join(found))
    print(f"{len(list(FOLDER.glob('*.png')))} screenshots of the states are in {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
