"""Takes the screenshots of the viewer in docs/ from a scripted execution, for `make screenshots`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from playwright.sync_api import expect, sync_playwright

from tests.support import browser as browsers
from tests.support import played, scripts
from tests.support.functions import cold_start
from tests.support.gateway import GatewayServer
from tests.support.recovery import Recovery
from tests.support.terraform import ROOT

NAMES: Final = (
    *("prod-web-01", "prod-web-02", "prod-app-01", "prod-app-02", "prod-cache-01", "prod-queue-01"),
    *("prod-db-01", "prod-db-02", "prod-batch-01", "prod-files-01", "prod-mail-01", "prod-report-01"),
)
ERROR: Final = (
    "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: You are not authorized to "
    "perform this operation. Encoded authorization failure message: 4Zx0"
)
EXECUTION: Final = "exec-2026-11-24-dc1"
NOW: Final = datetime(2026, 11, 24, 17, 34, 5, tzinfo=UTC)
SIZES: Final = {"desktop": ({"width": 1440, "height": 1000}, "light"), "phone": ({"width": 390, "height": 844}, "dark")}


def recovery() -> Recovery:
    """Return an execution of two waves: the first is complete; in the second, one server failed and one launches."""
    api = cold_start("api")
    recovery = Recovery(api, NOW)
    api._now = lambda: recovery.now
    api.logs._table = recovery
    api.HISTORY_ROUTES["GET /executions/{executionId}/comparison"] = recovery.compare
    servers = [scripts.server_id(0x51D6B65C7339 + 7919 * number) for number in range(len(NAMES))]
    names = dict(zip(servers, NAMES, strict=True))
    waves = (
        ("drsjob-7c3d4e5f607182930", servers[:6], {}, timedelta(minutes=40)),
        ("drsjob-8d4e5f60718293a4b", servers[6:], {servers[6]: ERROR}, timedelta(minutes=18)),
    )
    for job_id, members, failing, ago in waves:
        script = scripts.launch(members, failing=failing, drill=False, seed=len(failing))
        launching = {servers[7]} if failing else set()
        for event in played.events(script, job_id, created=NOW - ago, execution_id=EXECUTION):
            is_pending = failing and event.event_type in {"JOB_COMPLETED", "JOB_FAILED"}
            if is_pending or (event.source_server_id in launching and event.event_type == "SERVER_LAUNCHED"):
                continue
            recovery.happen(replace(event, source_server_name=names.get(event.source_server_id or "")))
    return recovery


def main() -> None:
    """Write docs/viewer-desktop.png and docs/viewer-phone.png."""
    with GatewayServer(recovery().gateway) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browsers.executable(), args=browsers.OPTIONS)
        for name, (size, scheme) in SIZES.items():
            page = browser.new_page(viewport=size, color_scheme=scheme, timezone_id="Europe/Berlin", locale="en-GB")
            page.clock.install(time=NOW)
            page.clock.pause_at(NOW + timedelta(seconds=1))
            page.goto(f"{server.address}/executions/{EXECUTION}")
            expect(page.locator("drs-job-log")).to_contain_text("10 of 12 servers launched")
            page.screenshot(path=ROOT / f"docs/viewer-{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
