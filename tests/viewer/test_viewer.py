from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from drs_job_log.api import static_files
from drs_job_log.model.events import format_time
from drs_job_log.model.known_errors import UNKNOWN_CAUSE, UNKNOWN_FIRST_STEP, WITHOUT_ERROR, hint_of
from playwright.sync_api import expect

from tests.support import scripts
from tests.support.deployment import eventually
from tests.support.gateway import GatewayServer
from tests.viewer.conftest import (
    NAMES,
    NOW,
    SERVERS,
    change_answers,
    derived,
    events_of,
    events_of_job,
    steps,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.model.events import JobLogEvent
    from playwright.sync_api import BrowserContext, Page, Route

    from tests.support.recovery import Recovery
    from tests.viewer.conftest import Opener, Viewer

ERROR = "AccessDeniedException when calling CreateRecoveryInstanceForDrs operation: no rights"
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"

ELEMENT = "document.querySelector('drs-job-log')"

RUNNING = events_of(scripts.launch(SERVERS), ago=timedelta(minutes=10))
FINISHED = events_of(scripts.launch(SERVERS), ago=timedelta(hours=1))
FAILED = events_of(scripts.launch(SERVERS, failing={SERVERS[1]: ERROR}, drill=False), ago=timedelta(hours=1))


def launched(viewer: Viewer, number: int, total: int = 3) -> None:
    expect(viewer.find(".big")).to_have_text(f"{number} of {total} servers launched")


def cards(viewer: Viewer) -> list[str]:
    return viewer.find(".server:visible .name").all_text_contents()


def timeline(viewer: Viewer) -> list[str]:
    return viewer.find(".row .type").all_inner_texts()


# ---------------------------------------------------------------------------------------------------------------------
# Progress
# ---------------------------------------------------------------------------------------------------------------------


def test_page_shows_each_launch_while_it_is_open(recovery: Recovery, open_viewer: Opener) -> None:
    start, *others, end = RUNNING
    recovery.happen(start)
    viewer = open_viewer()
    launched(viewer, 0)
    expect(viewer.find(".kind")).to_have_text("Drill")
    expect(viewer.find("header .badge")).to_have_text("In progress")
    expect(viewer.find(".server .badge")).to_have_text(["Pending"] * 3)

    for number, server in enumerate(SERVERS, 1):
        for event in steps(others, server):
            recovery.happen(event)
        viewer.poll()
        launched(viewer, number)
        assert viewer.find(".bar").get_attribute("aria-valuenow") == str(number)
        expect(viewer.find(f".server:has-text('{NAMES[number - 1]}') .instance")).to_have_text(
            scripts.instance_id(server)
        )
    recovery.happen(end)
    viewer.poll()

    expect(viewer.find("header .badge")).to_have_text("Completed so far")
    expect(viewer.page).to_have_title("\N{BLACK RIGHT-POINTING TRIANGLE} 3/3 · exec-1")


def test_page_polls_every_three_seconds_and_shows_the_update(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(RUNNING[0])
    viewer = open_viewer()
    launched(viewer, 0)
    recovery.happen(*RUNNING[1:-1])
    polls = recovery.polls

    viewer.move_on(2.9)
    assert recovery.polls == polls
    viewer.move_on(0.2)
    launched(viewer, 3)
    assert recovery.polls == polls + 1


def test_page_shows_each_step_of_a_server(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(RUNNING[0])
    viewer = open_viewer()
    card = viewer.find(f".server:has-text('{SERVERS[0]}')")
    expect(card.locator(".step")).to_have_text("Waiting")

    for event, state, step, stages in zip(
        steps(RUNNING, SERVERS[0]),
        ["Snapshot", "Snapshot", "Conversion", "Conversion", "Launching", "Launched"],
        [
            *("Snapshot started", "Snapshot completed", "Conversion started", "Conversion completed"),
            *("Server launching", "Server launched"),
        ],
        [["now", "", ""]] * 2 + [["done", "now", ""]] * 2 + [["done", "done", "now"], ["done"] * 3],
        strict=True,
    ):
        recovery.happen(event)
        viewer.poll()
        expect(card.locator(".badge")).to_have_text(state)
        expect(card.locator(".step")).to_have_text(step)
        assert [stage.get_attribute("class") for stage in card.locator(".stages i").all()] == stages


def test_failed_server_is_listed_first_with_its_error_and_a_copy_button(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    before = [event for event in FAILED if event.event_type not in {"SERVER_LAUNCH_FAILED", "JOB_COMPLETED"}]
    recovery.happen(*before)
    viewer = open_viewer()
    assert cards(viewer)[0] == NAMES[1]  # active servers come before launched servers
    expect(viewer.find(".kind")).to_have_text("Recovery")

    recovery.happen(*FAILED)
    viewer.poll()

    expect(viewer.find(".server").first).to_have_attribute("data-state", "FAILED")
    assert cards(viewer) == [NAMES[1], NAMES[2], NAMES[0]]
    expect(viewer.find(".server .error pre")).to_have_text(ERROR)
    expect(viewer.find(".counts [data-state=FAILED]")).to_have_text("1 failed")
    expect(viewer.find("[aria-live=assertive]")).to_have_text(f"Failed: {NAMES[1]}.")
    expect(viewer.page).to_have_title("\N{MULTIPLICATION X} 2/3, 1 failed · exec-1")
    viewer.find(".server .error button").click()
    expect(viewer.find(".server .error button")).to_have_text("Copied")
    assert viewer.page.evaluate("navigator.clipboard.readText()") == ERROR


def test_complete_execution_is_shown(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED)

    viewer = open_viewer()

    launched(viewer, 3)
    expect(viewer.find(".connection")).to_contain_text("The execution is complete.")
    assert len(set(timeline(viewer))) == 8
    expect(viewer.find(".elapsed")).to_have_text(re.compile(r"^\d+ min \d+ s$"))


def test_page_shows_a_single_job(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED)

    viewer = open_viewer("jobs/drsjob-1")

    expect(viewer.find("h2")).to_have_text("drsjob-1")
    launched(viewer, 3)


def test_superseded_job_shows_no_server_counts(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    recovery.happen(*events_of(scripts.launch(SERVERS[1:2]), ago=timedelta(minutes=40), job_id="drsjob-2"))

    viewer = open_viewer()

    launched(viewer, 3)
    expect(viewer.find(".jobs > li").nth(0)).not_to_contain_text("servers:")
    expect(viewer.find(".jobs > li").nth(1)).to_contain_text("1 server: 1 launched")


def test_termination_counts_terminated_servers(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.terminate(SERVERS), ago=timedelta(hours=1)))

    expect(open_viewer().find(".big")).to_have_text("3 of 3 servers terminated")


def test_server_filter_uses_names_from_later_events(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(RUNNING[0])
    viewer = open_viewer()
    recovery.happen(*RUNNING[1:5])

    viewer.poll()

    options = viewer.page.get_by_role("combobox", name="Server").locator("option")
    expect(options).to_have_text(["All servers", *sorted(NAMES)])


def test_polling_is_slower_between_waves(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.silent_failure(SERVERS[:1]), ago=timedelta(seconds=40)))
    viewer = open_viewer()
    expect(viewer.find(".connection")).to_contain_text("Another wave can follow.")

    viewer.move_on(14)
    assert recovery.polls == 1
    recovery.happen(*events_of(scripts.launch(SERVERS[1:]), ago=timedelta(seconds=5), job_id="drsjob-2")[:3])
    viewer.move_on(2)

    expect(viewer.find(".jobs > li")).to_have_count(2)
    expect(viewer.find(".connection")).to_contain_text("Live.")
    launched(viewer, 0)


def test_wave_and_waves_to_come_are_shown_between_waves(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS), ago=timedelta(minutes=12)))
    change_answers(context, lambda answer, _: answer | {"plannedWaves": 2})
    viewer = open_viewer()

    launched(viewer, 3)
    expect(viewer.find("header .badge")).to_have_text("Completed so far")
    expect(viewer.find("[aria-live=polite]")).to_have_text("3 of 3 servers launched. Completed so far")
    expect(viewer.find(".wave")).to_have_text("Wave 1 of 2")
    expect(viewer.find(".counts")).to_have_text("3 launched1 wave to come")
    bar = viewer.find(".bar")
    assert [bar.get_attribute(f"aria-value{name}") for name in ("now", "max")] == ["3", "6"]
    assert bar.get_attribute("aria-valuetext") == "3 of 3 servers launched, 1 wave to come"
    assert bar.locator(".to-come").evaluate("part => part.style.flexGrow") == "3"
    expect(viewer.find(".jobs strong")).to_have_text("Job 1")
    before = viewer.find(".elapsed").inner_text()
    viewer.move_on(2)
    expect(viewer.find(".elapsed")).not_to_have_text(before)


def test_second_wave_is_numbered_without_a_plan(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS[:1]), ago=timedelta(hours=1)))
    recovery.happen(*events_of(scripts.launch(SERVERS[1:]), ago=timedelta(minutes=40), job_id="drsjob-2"))

    viewer = open_viewer()

    expect(viewer.find(".wave")).to_have_text("Wave 2")
    expect(viewer.find("header .badge")).to_have_text("Completed")
    assert viewer.find(".bar .to-come").evaluate("part => part.style.flexGrow") == "0"


def test_server_that_failed_silently_shows_no_step_that_never_ran(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.silent_failure(SERVERS[:1]), ago=timedelta(hours=1)))

    viewer = open_viewer()

    expect(viewer.find(".server")).to_have_attribute("data-state", "FAILED")
    stages = viewer.find(".server .stages i")
    assert [stage.get_attribute("class") or "" for stage in stages.all()] == ["done", "", "failed"]


def test_execution_without_events_shows_a_message(recovery: Recovery, open_viewer: Opener) -> None:
    viewer = open_viewer("executions/exec-1")
    expect(viewer.find(".empty")).to_contain_text("No events for exec-1 yet.")

    recovery.happen(RUNNING[0])
    viewer.poll()

    launched(viewer, 0)
    expect(viewer.find(".empty")).to_be_hidden()


def test_poll_requests_only_recent_events_and_shows_each_once(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:6])
    viewer = open_viewer()

    for _ in range(3):
        viewer.poll()

    assert "since" not in recovery.gateway.asked[0]
    assert all(query["since"] < RUNNING[5].key for query in recovery.gateway.asked[1:])
    expect(viewer.find(".row")).to_have_count(6)
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text("Timeline (6)")


def test_unchanged_answer_is_not_sent_and_not_rendered_again(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:6])
    viewer = open_viewer()
    viewer.poll()  # the first incremental read
    viewer.page.evaluate(f"{ELEMENT}.addEventListener('drs-job-log-update', ({{detail}}) => (window.seen = detail))")
    # Each rendering sets this attribute.
    viewer.find(".rows").evaluate(
        "rows => new MutationObserver(() => (window.isRendered = true)).observe(rows, {attributes: true})"
    )
    before = viewer.find(".connection").inner_text()

    viewer.poll(2)

    wait_until(viewer.page, lambda: len(recovery.gateway.answered) >= 4)
    assert recovery.gateway.answered == [200, 200, 304, 304]
    assert not viewer.page.evaluate("window.isRendered")
    expect(viewer.find(".connection")).not_to_have_text(before)
    assert viewer.page.evaluate("seen.logs.length") == 6
    recovery.gateway.fault = HTTPStatus.INTERNAL_SERVER_ERROR
    viewer.poll()
    expect(viewer.find(".banner")).to_be_visible()
    recovery.gateway.fault = None
    viewer.poll()
    expect(viewer.find(".banner")).to_be_hidden()
    wait_until(viewer.page, lambda: recovery.gateway.answered[-2:] == [500, 304])
    recovery.happen(RUNNING[6])
    viewer.poll()
    expect(viewer.find(".row")).to_have_count(7)
    assert recovery.gateway.answered[-1] == 200
    assert viewer.page.evaluate("window.isRendered")


@pytest.mark.parametrize("events", [RUNNING[:6], [*RUNNING[:6], derived("SOMETHING_NEW", timedelta(days=-1))]])
def test_polls_of_an_unchanged_log_have_the_same_two_urls(
    recovery: Recovery, open_viewer: Opener, events: list[JobLogEvent]
) -> None:
    recovery.happen(*events)
    viewer = open_viewer()

    viewer.poll(21)

    # Every tenth read is a full one.
    wait_until(viewer.page, lambda: len(recovery.gateway.answered) >= 22)
    assert recovery.gateway.answered[:22] == [200, 200, *[304] * 8, 200, *[304] * 11]
    assert ["since" in query for query in recovery.gateway.asked[:22]] == [place % 10 != 0 for place in range(22)]


def test_download_has_the_time_of_its_own_read(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:6])
    viewer = open_viewer()
    viewer.poll(10)  # the last one is a full read
    before = format_time(recovery.now)
    recovery.now += timedelta(seconds=1)

    with viewer.page.expect_download() as download:
        viewer.find(".downloads button:has-text('JSON')").click()

    assert json.loads(Path(download.value.path()).read_text())["readAt"] > before


def test_full_read_adds_a_very_late_event_in_order(recovery: Recovery, open_viewer: Opener) -> None:
    late = RUNNING[4]
    recovery.happen(*[event for event in RUNNING[:-1] if event != late])
    viewer = open_viewer()
    recovery.happen(late)

    viewer.poll(40)

    assert "since" not in recovery.gateway.asked[40]
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text(f"Timeline ({len(RUNNING) - 1})")
    times = [row.get_attribute("datetime") for row in viewer.find(".row time").all()]
    assert times == sorted(times, key=str, reverse=True)


def test_last_poll_reads_the_full_log(recovery: Recovery, open_viewer: Opener) -> None:
    late, end = FINISHED[4], FINISHED[-1]
    recovery.happen(*[event for event in FINISHED if event not in (late, end)])
    viewer = open_viewer()
    recovery.happen(late, end)

    viewer.poll()

    expect(viewer.find("h3:has-text('Timeline')")).to_have_text(f"Timeline ({len(FINISHED)})")
    expect(viewer.find(".connection")).to_contain_text("The execution is complete.")


def test_hidden_tab_polls_less_often_and_immediately_when_it_is_shown(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(RUNNING[0])
    viewer = open_viewer()

    def hide(is_hidden: bool) -> None:
        viewer.page.evaluate(
            "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange')) }",
            is_hidden,
        )

    hide(True)
    viewer.poll()
    polls = recovery.polls
    viewer.move_on(29)
    assert recovery.polls == polls
    viewer.poll()
    polls = recovery.polls
    hide(False)
    eventually(lambda: recovery.polls == polls + 1)


# ---------------------------------------------------------------------------------------------------------------------
# Kinds of jobs
# ---------------------------------------------------------------------------------------------------------------------

NETWORK = "sn-1234567890abcdef0"
OF_NETWORK = {"eventResourceData": {"sourceNetworkData": {"sourceNetworkID": NETWORK}}}
FAILED_NETWORK = events_of_job(
    [
        ("JOB_START", 1, {}),
        ("DEPLOY_NETWORK_CONFIGURATION_START", 2, OF_NETWORK),
        ("DEPLOY_NETWORK_CONFIGURATION_FAILED", 90, OF_NETWORK | {"rawError": "ROLLBACK_COMPLETE"}),
        ("NETWORK_RECOVERY_FAIL", 91, OF_NETWORK),
        ("JOB_END", 600.03, {}),
    ],
    initiatedBy="CREATE_NETWORK_RECOVERY",
    participatingResources=[{"launchStatus": "FAILED", "participatingResourceID": {"sourceNetworkID": NETWORK}}],
)
CONVERTED = events_of_job(
    [("JOB_START", 1, {}), ("CONVERSION_START", 2, {"sourceServerID": SERVERS[0]}), ("JOB_END", 600.03, {})],
    type="CREATE_CONVERTED_SNAPSHOT",
    initiatedBy="TARGET_ACCOUNT",
    participatingServers=[{"sourceServerID": SERVERS[0], "launchStatus": "PENDING"}],
)
FAILED_RUN = {"status": "FAILED", "failureReason": "service not found", "action": {"name": "Process status"}}
FAILED_ACTION = events_of_job(
    [
        ("JOB_START", 1, {}),
        ("LAUNCH_START", 2, {"sourceServerID": SERVERS[0]}),
        ("LAUNCH_END", 300, {"sourceServerID": SERVERS[0]}),
        ("LAUNCH_END", 301, {"sourceServerID": SERVERS[1]}),
        ("JOB_END", 600.03, {}),
    ],
    participatingServers=[
        {
            "sourceServerID": SERVERS[0],
            "launchStatus": "LAUNCHED",
            "launchActionsStatus": {"runs": [FAILED_RUN, {"status": "FAILED", "runId": "run-2"}]},
        },
        {"sourceServerID": SERVERS[1], "launchStatus": "LAUNCHED"},
    ],
)
STALLED = [*RUNNING[:5], derived("SERVER_STALLED", timedelta(minutes=2), sourceServerID=SERVERS[1])]


def test_network_recovery_shows_its_networks_instead_of_servers(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED_NETWORK[:2])
    viewer = open_viewer()
    expect(viewer.find(".kind")).to_have_text("Network recovery")
    expect(viewer.find(".big")).to_have_text("0 of 1 network recovered")
    expect(viewer.find(".jobs .resource .badge")).to_have_text("Launching")
    expect(viewer.find("[aria-live=polite]")).to_have_text("0 of 1 network recovered. In progress")

    recovery.happen(*FAILED_NETWORK)
    viewer.poll()

    expect(viewer.find("header .badge")).to_have_text("Failed")
    expect(viewer.find(".jobs > li")).to_contain_text("Network recovery")
    expect(viewer.find(".jobs > li")).to_contain_text("0 of 1 network recovered")
    expect(viewer.find(".jobs .resource")).to_contain_text(f"Network {NETWORK}")
    expect(viewer.find(".jobs .resource .badge")).to_have_text("Failed")
    expect(viewer.find(".jobs .resource .error pre")).to_have_text("ROLLBACK_COMPLETE")
    expect(viewer.find(".counts")).to_have_text("1 failed")
    assert viewer.find(".bar").get_attribute("aria-valuenow") == "0"
    expect(viewer.find("[aria-live=assertive]")).to_have_text(f"Failed: {NETWORK}.")
    expect(viewer.find("section[aria-label=Servers]")).to_be_hidden()
    expect(viewer.page).to_have_title("\N{MULTIPLICATION X} 0/1, 1 failed · exec-1")
    assert timeline(viewer)[1:4] == [
        *("Network recovery failed", "Network deployment failed"),
        "Network deployment started",
    ]


def test_servers_and_networks_of_an_execution_are_counted_separately(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED_NETWORK)
    recovery.happen(*events_of(scripts.launch(SERVERS), ago=timedelta(minutes=40), job_id="drsjob-2"))

    viewer = open_viewer()

    expect(viewer.find(".big")).to_have_text("3 of 3 servers launched, 0 of 1 network recovered")
    expect(viewer.find(".kind")).to_have_text("Network recovery and drill")
    expect(viewer.find(".counts")).to_have_text("3 launched")
    expect(viewer.find("[aria-live=assertive]")).to_have_text("1 network failed.")


def test_network_that_is_recovered_again_counts_once(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED_NETWORK)
    again = [("JOB_START", 1, {}), ("DEPLOY_NETWORK_CONFIGURATION_END", 2, OF_NETWORK), ("JOB_END", 600.03, {})]
    retry: dict[str, Any] = {"job_id": "drsjob-2", "initiatedBy": "CREATE_NETWORK_RECOVERY"}
    recovery.happen(*events_of_job(again, ago=timedelta(minutes=30), **retry))

    viewer = open_viewer()

    expect(viewer.find(".big")).to_have_text("1 of 1 network recovered")
    expect(viewer.find(".jobs .resource .badge")).to_have_text(["Failed", "Launched"])
    expect(viewer.page).to_have_title("\N{MULTIPLICATION X} 1/1 · exec-1")


def test_job_without_servers_and_networks_shows_no_counts(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of_job([("JOB_START", 1, {})], status="PENDING", endDateTime=None, initiatedBy=None))

    viewer = open_viewer()

    expect(viewer.find(".big")).to_have_text("No servers")
    expect(viewer.find(".jobs > li")).not_to_contain_text("server")
    expect(viewer.page).to_have_title("\N{BLACK RIGHT-POINTING TRIANGLE} exec-1")


@pytest.mark.parametrize(
    ("script", "label", "kind", "headline"),
    [
        (scripts.launch(SERVERS), "Drill", "drill", "3 of 3 servers launched"),
        (scripts.launch(SERVERS, drill=False), "Recovery", "recovery", "3 of 3 servers launched"),
        (scripts.failback(SERVERS), "Failback", "recovery", "3 of 3 servers launched"),
        (scripts.terminate(SERVERS), "Termination", "", "3 of 3 servers terminated"),
        (replace(scripts.terminate(SERVERS), initiated_by=""), "Termination", "", "3 of 3 servers terminated"),
        (replace(scripts.launch(SERVERS), initiated_by="DIAGNOSTIC"), "Diagnostic", "recovery", None),
        (replace(scripts.launch(SERVERS), initiated_by=""), "", "", None),
    ],
    ids=["drill", "recovery", "failback", "termination", "unknown termination", "other", "unknown"],
)
def test_job_is_labelled_by_its_initiator(
    recovery: Recovery, open_viewer: Opener, *, script: scripts.Script, label: str, kind: str, headline: str | None
) -> None:
    recovery.happen(*events_of(script, ago=timedelta(hours=1)))

    viewer = open_viewer()

    expect(viewer.find(".kind")).to_have_text(label)
    expect(viewer.find("drs-job-log")).to_have_attribute("data-kind", kind)
    expect(viewer.find(".jobs > li .label")).to_have_text(label)
    if headline:
        expect(viewer.find(".big")).to_have_text(headline)


def test_server_of_a_converted_snapshot_is_completed(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*CONVERTED)

    viewer = open_viewer()

    expect(viewer.find(".kind")).to_have_text("Converted snapshot")
    expect(viewer.find(".big")).to_have_text("1 of 1 server completed")
    expect(viewer.find(".server .badge")).to_have_text("Completed")
    expect(viewer.find(".counts")).to_have_text("1 completed")
    expect(viewer.find(".jobs > li")).to_contain_text("1 server: 1 completed")
    assert [stage.get_attribute("class") for stage in viewer.find(".stages i").all()] == ["", "done", ""]


def test_cancelled_drill_is_not_shown_as_a_termination(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.cancelled(SERVERS), ago=timedelta(hours=1)))

    viewer = open_viewer()

    launched(viewer, 0)
    expect(viewer.find("header .badge")).to_have_text("Cancelled")
    assert timeline(viewer)[:2] == ["Job cancelled"] * 2


def test_cleanup_keeps_the_result_of_the_launch(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    cleanup = events_of(scripts.terminate(SERVERS[:1]), ago=timedelta(minutes=30), job_id="drsjob-2")
    recovery.happen(*cleanup)

    viewer = open_viewer()

    launched(viewer, 2)
    expect(viewer.find(".kind")).to_have_text("Recovery")
    expect(viewer.find(".jobs > li .label")).to_have_text(["Recovery", "Termination"])
    expect(viewer.find(".jobs > li").nth(1)).not_to_contain_text("server")
    expect(viewer.find(".elapsed")).to_have_text(re.compile(r"^13 min \d+ s$"))  # of the recovery
    card = viewer.find(f".server:has-text('{NAMES[0]}')")
    expect(card.locator(".badge")).to_have_text("Launched")
    expect(card.locator(".note")).to_have_text(re.compile(r"^Terminated at 2026-11-24 1\d:\d\d:\d\d$"))
    assert card.locator(".note time").get_attribute("datetime") == format_time(cleanup[-1].timestamp)
    expect(viewer.find(".server .error pre")).to_have_text(ERROR)


def test_failed_post_launch_actions_are_shown_on_the_server(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED_ACTION)

    viewer = open_viewer()

    expect(viewer.find(".server").first).to_contain_text(SERVERS[0])
    card = viewer.find(f".server:has-text('{SERVERS[0]}')")
    expect(card.locator(".badge")).to_have_text("Launched")
    expect(card.locator(".step")).to_have_text("Server launched")
    actions = {"Post-launch action failed: Process status", "Post-launch action failed"}
    assert set(card.locator(".action").all_text_contents()) == actions
    expect(card.locator(".error pre")).to_have_text(["service not found"])
    expect(viewer.find(".counts")).to_have_text("2 launched1 with a failed post-launch action")
    failures = viewer.find(".row.failure .type")
    expect(failures).to_have_text(["Post-launch action failed"] * 2)

    viewer.page.get_by_role("searchbox", name="Text").fill("service not")
    expect(viewer.find(".server:visible")).to_have_count(1)


def test_stalled_server_is_marked_until_it_continues(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*STALLED)
    viewer = open_viewer()

    card = viewer.find(f".server:has-text('{SERVERS[1]}')")
    expect(viewer.find(".server").first).to_contain_text(SERVERS[1])
    expect(card.locator(".note")).to_have_text(re.compile(r"^Stalled since 2026-11-24 1\d:\d\d:\d\d$"))
    expect(card.locator(".badge")).to_have_text("Snapshot, stalled")
    expect(card.locator(".stages .stalled")).to_have_count(1)
    expect(viewer.find(".counts")).to_contain_text("1 stalled")
    expect(viewer.find(".row.warning .type")).to_have_text("Server stalled")
    expect(viewer.find("[aria-live=assertive]")).to_have_text("1 server stalled.")
    assert "stalled" not in card.locator(".step").inner_text().lower()

    recovery.happen(derived("CONVERSION_STARTED", timedelta(minutes=1), sourceServerID=SERVERS[1]))
    viewer.poll()

    expect(card.locator(".note")).to_be_empty()
    expect(viewer.find(".counts")).not_to_contain_text("stalled")


@pytest.mark.parametrize(
    ("event_type", "detail", "label", "mark"),
    [
        ("SERVER_STALLED", {"sourceServerID": SERVERS[0]}, "Server stalled", "warning"),
        ("SERVER_STALLED", {"resourceID": NETWORK}, "Network stalled", "warning"),
        ("LAUNCH_ACTION_FAILED", {"sourceServerID": SERVERS[0]}, "Post-launch action failed", "failure"),
        ("NETWORK_RECOVERY_FAIL", {"resourceID": NETWORK}, "Network recovery failed", "failure"),
        ("DEPLOY_NETWORK_CONFIGURATION_END", {"resourceID": NETWORK}, "Network deployment completed", ""),
        ("UPDATE_NETWORK_CONFIGURATION_FAILED", {"resourceID": NETWORK}, "Network update failed", "failure"),
        ("UPDATE_LAUNCH_TEMPLATE_START", {}, "Template update started", ""),
        ("CLEANUP_FAIL", {"sourceServerID": SERVERS[0]}, "Cleanup failed", "failure"),
        ("SERVERS_ADDED", {}, "Servers added", ""),
        ("JOB_DELETED", {}, "Job deleted", "warning"),
        ("JOB_FAILED", {"revision": 2}, "Job failed (correction 2)", "failure"),
        ("SOMETHING_NEW", {}, "Something new", ""),
    ],
)
def test_each_type_of_event_has_a_label_and_a_mark(
    recovery: Recovery, open_viewer: Opener, *, event_type: str, detail: dict[str, Any], label: str, mark: str
) -> None:
    recovery.happen(derived(event_type, timedelta(hours=1), **detail))

    viewer = open_viewer()

    expect(viewer.find(".row .type")).to_have_text(label)
    expect(viewer.find(".row")).to_have_attribute("class", f"row {mark}".strip())
    viewer.find(".row button").click()
    expect(viewer.find("dialog h3")).to_have_text(label)
    if "resourceID" in detail:
        expect(viewer.find("dialog dl")).to_contain_text(NETWORK)


def test_reason_of_the_status_is_shown(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    recovery.happen(*FINISHED)
    reason = "The executions table has the status POLLING, but every job ended more than a day ago."
    change_answers(context, lambda answer, _: answer | {"statusReason": reason})
    viewer = open_viewer()
    expect(viewer.find(".reason")).to_have_text(reason)

    context.unroute("**/logs?*")
    viewer.page.reload()

    launched(viewer, 3)
    expect(viewer.find(".reason")).to_be_hidden()


# ---------------------------------------------------------------------------------------------------------------------
# Sources
# ---------------------------------------------------------------------------------------------------------------------

LAUNCH_RESULT = replace(FAILED[-2], event_id="launch-result", source="aws.drs")
FORGED = replace(
    FAILED[-2], source="other.tool", is_foreign=True, event_type="SERVER_LAUNCHED", message="forged", error=None
)


def test_launch_result_is_in_the_row_of_the_same_fact(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    viewer = open_viewer()
    expect(viewer.find(".row .source")).to_have_count(0)
    recovery.happen(LAUNCH_RESULT)

    viewer.poll()

    expect(viewer.find(".sources")).to_have_text(
        f"Event sources: aws.drs (1 event), drs.job-log ({len(FAILED)} events)"
    )
    expect(viewer.find(".row")).to_have_count(len(FAILED))
    row = viewer.find(".row").filter(has_text="Server launch failed")
    expect(row.locator(".source")).to_have_text(["drs.job-log", "aws.drs"])
    expect(viewer.find(".row .source")).to_have_count(2)
    viewer.find(".row button").last.click()
    expect(viewer.find("dialog dl")).to_contain_text("Sourcedrs.job-log")
    viewer.page.keyboard.press("Escape")
    row.locator("button").click()
    expect(viewer.find("dialog dl")).to_contain_text("Sourcedrs.job-log, aws.drs")
    viewer.page.keyboard.press("Escape")
    viewer.page.get_by_role("searchbox", name="Text").fill("aws.drs")
    expect(viewer.find(".row .type")).to_have_text("Server launch failed")


def test_event_of_another_sender_with_the_same_event_id_does_not_hide_the_true_event(
    recovery: Recovery, open_viewer: Opener
) -> None:
    recovery.happen(FORGED, *FAILED, LAUNCH_RESULT)

    viewer = open_viewer()

    rows = viewer.find(".row")
    expect(rows).to_have_count(len(FAILED) + 2)
    expect(rows.locator(".source")).to_have_count(len(FAILED) + 2)
    expect(rows.filter(has_text="forged").locator(".source")).to_have_text("other.tool")
    true = rows.filter(has_text=FAILED[-2].message).filter(has_text="drs.job-log")
    expect(true.locator(".type")).to_have_text("Server launch failed")
    expect(viewer.find(".sources")).to_have_text(
        f"Event sources: aws.drs (1 event), drs.job-log ({len(FAILED)} events), other.tool (1 event)"
    )
    rows.filter(has_text="forged").locator("button").click()
    expect(viewer.find("dialog dl")).to_contain_text("Sourceother.tool")
    viewer.page.keyboard.press("Escape")
    viewer.page.get_by_role("searchbox", name="Text").fill("other.tool")
    expect(rows.locator(".what")).to_have_text("other.tool forged")

    with viewer.page.expect_download() as download:
        viewer.find(".downloads button:has-text('CSV')").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    same_id = {row["source"]: row["eventType"] for row in table if row["eventId"] == FORGED.event_id}
    assert same_id == {"drs.job-log": "SERVER_LAUNCH_FAILED", "other.tool": "SERVER_LAUNCHED"}


def test_launch_result_without_another_event_has_its_own_row(recovery: Recovery, open_viewer: Opener) -> None:
    later = replace(LAUNCH_RESULT, timestamp=FAILED[-2].timestamp + timedelta(minutes=6))
    other_job = replace(LAUNCH_RESULT, job_id="drsjob-2", event_id="other-job")
    recovery.happen(*FAILED, later, other_job)

    expect(open_viewer().find(".row")).to_have_count(len(FAILED) + 2)


def test_launch_result_supports_no_event_of_another_sender(recovery: Recovery, open_viewer: Opener) -> None:
    forged = replace(FAILED[-2], source="other.tool", is_foreign=True, error="forged")
    recovery.happen(LAUNCH_RESULT, forged, *FAILED)

    rows = open_viewer().find(".row").filter(has_text="Server launch failed")

    expect(rows.locator(".source")).to_have_text(["aws.drs", "other.tool", "drs.job-log"])
    expect(rows).to_have_count(3)


def test_equal_names_of_two_accounts_are_told_apart(recovery: Recovery, open_viewer: Opener) -> None:
    first, second = (
        [
            replace(event, source_server_name="web", detail={**event.detail, "account": account})
            for event in events_of(scripts.launch([server]), ago=timedelta(hours=1), job_id=f"drsjob-{account}")
        ]
        for server, account in zip(SERVERS, ("111111111111", "222222222222"), strict=False)
    )
    recovery.happen(*first, *second)

    viewer = open_viewer()

    ids = viewer.find(".server .who .id")
    expect(ids).to_have_text([f"{SERVERS[0]} in 111111111111", f"{SERVERS[1]} in 222222222222"])
    options = viewer.page.get_by_role("combobox", name="Server").locator("option")
    expect(options).to_have_text(["All servers", f"web ({SERVERS[0]})", f"web ({SERVERS[1]})"])
    accounts = set(viewer.find(".row .source").all_inner_texts())
    assert accounts == {"111111111111", "222222222222"}


def test_bidirectional_control_characters_are_visible(recovery: Recovery, open_viewer: Opener) -> None:
    reversed_ = "prod\u202egnp.bew"
    events = [replace(event, source_server_name=reversed_) for event in FAILED if event.source_server_id == SERVERS[1]]
    recovery.happen(FAILED[0], *events)

    viewer = open_viewer()

    expect(viewer.find(".server .name").first).to_have_text("prod<U+202E>gnp.bew")
    assert "\u202e" not in viewer.find("drs-job-log").inner_text()
    assert viewer.find(".server .name").first.evaluate("name => getComputedStyle(name).unicodeBidi") == "isolate"


def test_more_forged_than_true_events_do_not_remove_the_sources_of_rows(
    recovery: Recovery, open_viewer: Opener
) -> None:
    earlier = [replace(event, timestamp=event.timestamp - timedelta(minutes=1)) for event in RUNNING[:5]]
    forged = [replace(event, source="other.tool", is_foreign=True) for event in (*RUNNING[:5], *earlier)]
    recovery.happen(*forged, RUNNING[0])

    viewer = open_viewer()

    expect(viewer.find(".row .source:text-is('other.tool')")).to_have_count(len(forged))
    expect(viewer.find(".row .source:text-is('drs.job-log')")).to_have_count(1)


def test_rows_show_their_sources_when_another_sender_adds_an_event(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:3])
    viewer = open_viewer()
    expect(viewer.find(".row .source")).to_have_count(0)
    viewer.find(".row button").first.focus()

    recovery.happen(replace(RUNNING[2], source="other.tool", is_foreign=True))
    viewer.poll()

    expect(viewer.find(".row .source")).to_have_text(["other.tool", *["drs.job-log"] * 3])
    expect(viewer.find(".timeline")).to_be_focused()


# ---------------------------------------------------------------------------------------------------------------------
# Incremental reads
# ---------------------------------------------------------------------------------------------------------------------


def test_event_in_the_future_does_not_hide_later_events(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(RUNNING[0], derived("SOMETHING_NEW", timedelta(days=-1)))
    viewer = open_viewer()
    expect(viewer.find(".row")).to_have_count(2)
    viewer.page.clock.set_system_time(NOW + timedelta(days=2))  # the clock of the browser does not matter
    recovery.happen(derived("CONVERSION_STARTED", NOW - recovery.now, sourceServerID=SERVERS[1]))

    viewer.poll()

    before_read = format_time(recovery.now - timedelta(seconds=60))
    assert format_time(NOW - timedelta(seconds=60)) < recovery.gateway.asked[-1]["since"] < before_read
    expect(viewer.find(".row")).to_have_count(3)


def test_since_is_before_the_read_of_the_first_page(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*many(1500), derived("SOMETHING_NEW", timedelta(days=-1)))
    first, second = "2025-11-28T20:30:15.000000Z", "2025-11-28T20:30:55.000000Z"
    change_answers(context, lambda answer, url: answer | {"readAt": second if "nextToken" in url else first})
    viewer = open_viewer()
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text("Timeline (1,501)")
    reads = len(recovery.gateway.asked)
    assert reads == 2

    viewer.poll()

    assert recovery.gateway.asked[reads]["since"] == "2025-11-28T20:29:15.000Z"


def test_answers_without_read_time_and_sources_are_shown(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    def of_earlier_version(answer: dict[str, Any], _: str) -> dict[str, Any]:
        logs = [{key: value for key, value in entry.items() if key != "source"} for entry in answer["logs"]]
        return {key: answer[key] for key in answer.keys() - {"readAt", "truncated"}} | {"logs": logs}

    recovery.happen(*RUNNING[:4])
    change_answers(context, of_earlier_version)
    viewer = open_viewer()
    expect(viewer.find(".row")).to_have_count(4)
    expect(viewer.find(".sources")).to_be_hidden()
    expect(viewer.find(".truncation")).to_be_hidden()
    recovery.happen(*RUNNING[4:6])

    viewer.poll()

    since = RUNNING[3].timestamp - timedelta(seconds=60)
    assert recovery.gateway.asked[-1]["since"] == format_time(since)[:23] + "Z"
    expect(viewer.find(".row")).to_have_count(6)


# ---------------------------------------------------------------------------------------------------------------------
# Hints
# ---------------------------------------------------------------------------------------------------------------------

KNOWN = hint_of(ERROR)
assert KNOWN
UNKNOWN = {"isKnown": False, "cause": UNKNOWN_CAUSE, "firstStep": UNKNOWN_FIRST_STEP, "source": None}


def with_hint(hint: dict[str, Any] | None) -> Callable[[dict[str, Any], str], dict[str, Any]]:
    """Give each server this hint. None: no server has one."""

    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        servers = [{key: server[key] for key in server.keys() - {"hint"}} for server in answer["servers"]]
        return answer | {"servers": [server | {"hint": hint} for server in servers] if hint else servers}

    return change


def hints(viewer: Viewer) -> list[str]:
    return viewer.find(".server .hint dd").all_inner_texts()


def test_failed_server_shows_the_cause_the_first_step_and_the_source(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)

    viewer = open_viewer()

    card = viewer.find(f".server:has-text('{NAMES[1]}')")
    expect(card.locator(".hint dt")).to_have_text(["Cause", "First step", "Source"])
    assert hints(viewer)[:2] == [KNOWN.cause, KNOWN.first_step]
    link = card.get_by_role("link", name="docs.aws.amazon.com (opens a new tab)")
    for name, value in {"href": KNOWN.source, "target": "_blank", "rel": "noreferrer noopener"}.items():
        expect(link).to_have_attribute(name, value)
    expect(viewer.find(".hint")).to_have_count(1)


def test_the_source_opens_in_a_new_tab_that_knows_nothing_about_the_page(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    asked: list[dict[str, str]] = []

    def answer(route: Route) -> None:
        asked.append(route.request.all_headers())
        route.fulfill(content_type="text/html", body="<title>Source</title>")

    context.route(KNOWN.source, answer)
    recovery.happen(*FAILED)
    viewer = open_viewer()

    with context.expect_page() as opened:
        viewer.find(".hint a").click()

    expect(opened.value).to_have_title("Source")
    assert opened.value.evaluate("[opener, document.referrer]") == [None, ""]
    assert [headers.get("referer") for headers in asked] == [None]


def test_an_unknown_error_is_said_to_be_unknown_until_a_known_one_arrives(
    recovery: Recovery, open_viewer: Opener
) -> None:
    start = events_of(scripts.launch(SERVERS[:1], failing={SERVERS[0]: "no rights"}), ago=timedelta(minutes=10))
    recovery.happen(*start[:-1])
    viewer = open_viewer()
    expect(viewer.find(".hint.unknown dt")).to_have_text(["Cause", "First step"])
    assert hints(viewer) == [UNKNOWN_CAUSE, UNKNOWN_FIRST_STEP]

    recovery.happen(
        derived("SERVER_LAUNCH_FAILED", timedelta(minutes=1), sourceServerID=SERVERS[0], error=ERROR, eventId="2")
    )
    viewer.poll()

    expect(viewer.find(".hint:not(.unknown) dd").first).to_have_text(KNOWN.cause)
    expect(viewer.find(".hint")).to_have_count(1)


def test_a_failure_without_an_error_has_a_hint(recovery: Recovery, open_viewer: Opener) -> None:
    events = events_of(scripts.silent_failure(SERVERS[:1]), ago=timedelta(hours=1))
    recovery.happen(*events[:2])
    viewer = open_viewer()
    expect(viewer.find(".server .badge")).to_have_text("Snapshot")
    expect(viewer.find(".hint")).to_have_count(0)

    recovery.happen(*events)
    viewer.poll()

    expect(viewer.find(".server .badge")).to_have_text("Failed")
    expect(viewer.find(".server .error")).to_have_count(0)
    expect(viewer.find(".server .hint dd").first).to_have_text(WITHOUT_ERROR.cause)


def test_a_failed_network_has_a_hint(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED_NETWORK)

    viewer = open_viewer()

    hint = hint_of("ROLLBACK_COMPLETE")
    assert hint
    expect(viewer.find(".jobs .resource .hint dd").first).to_have_text(hint.cause)


@pytest.mark.parametrize(
    "source",
    [
        None,
        "",
        "http://docs.aws.amazon.com/",
        "javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "//x",
        "x",
    ],
)
def test_only_an_https_url_becomes_a_link(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext, source: str | None
) -> None:
    recovery.happen(*FAILED)
    change_answers(context, with_hint(UNKNOWN | {"isKnown": True, "source": source}))

    viewer = open_viewer()

    expect(viewer.find(".hint dt")).to_have_text(["Cause", "First step"] * 3)
    expect(viewer.find("drs-job-log a")).to_have_count(0)


def test_answers_without_hints_are_shown(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    recovery.happen(*FAILED)
    change_answers(context, with_hint(None))

    viewer = open_viewer()

    expect(viewer.find(".server .error pre")).to_have_text(ERROR)
    expect(viewer.find(".hint")).to_have_count(0)


def test_a_poll_keeps_the_focus_of_the_source(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED[:-1])
    viewer = open_viewer()
    viewer.find(".hint a").focus()

    recovery.happen(*FAILED)
    viewer.poll()

    expect(viewer.find("header .badge")).to_have_text("Partial")
    assert focused(viewer.page).startswith("A  docs.aws.amazon.com")


# ---------------------------------------------------------------------------------------------------------------------
# Who started a job
# ---------------------------------------------------------------------------------------------------------------------

OPERATOR = "arn:aws:sts::111122223333:assumed-role/Operator/alice"


def requested_by(of_all: Any, *of_jobs: Any) -> Callable[[dict[str, Any], str], dict[str, Any]]:
    """State who requested the execution and its jobs."""

    def change(answer: dict[str, Any], _: str) -> dict[str, Any]:
        jobs = [job | {"requestedBy": one} for job, one in zip(answer["jobs"], of_jobs, strict=True)]
        return answer | {"requestedBy": of_all, "jobs": jobs}

    return change


def test_page_shows_who_started_the_execution_and_each_job(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*FAILED)
    recovery.happen(*events_of(scripts.launch(SERVERS[1:2]), ago=timedelta(minutes=40), job_id="drsjob-2"))
    change_answers(context, requested_by(OPERATOR, OPERATOR, None))

    viewer = open_viewer()

    for place in ("header", ".jobs > li:first-child"):
        expect(viewer.find(f"{place} .requester")).to_have_text("Started by: Operator/alice")
        expect(viewer.find(f"{place} .requester")).to_have_attribute("title", OPERATOR)
    expect(viewer.find(".requester")).to_have_count(2)


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        (OPERATOR, "Operator/alice"),
        ("arn:aws-us-gov:sts::111122223333:assumed-role/Operator/alice@example.com", "Operator/alice@example.com"),
        ("arn:aws:iam::111122223333:user/alice", "alice"),
        ("arn:aws:iam::111122223333:user/ops/alice", "ops/alice"),
        ("arn:aws:sts::111122223333:federated-user/alice", "alice"),
        ("arn:aws:iam::111122223333:root", "root of 111122223333"),
        ("states.amazonaws.com", "states.amazonaws.com"),
        ("arn:aws:iam::111122223333:user/", "user/"),
        ("arn:aws:iam::111122223333:", "arn:aws:iam::111122223333:"),
        (HOSTILE, HOSTILE),
    ],
)
def test_the_name_of_who_started_a_job_is_the_end_of_its_arn(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext, identity: str, name: str
) -> None:
    recovery.happen(*FINISHED)
    change_answers(context, requested_by(identity, None))

    viewer = open_viewer()

    expect(viewer.find(".requester")).to_have_text(f"Started by: {name}")
    expect(viewer.find(".requester")).to_have_attribute("title", identity)


@pytest.mark.parametrize("state", [None, "", "absent"])
def test_nothing_is_shown_if_nobody_knows_who_started_a_job(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext, state: str | None
) -> None:
    recovery.happen(*FINISHED)
    if state != "absent":
        change_answers(context, requested_by(state, state))

    viewer = open_viewer()

    launched(viewer, 3)
    expect(viewer.find(".requester")).to_have_count(0)


def test_a_later_answer_can_say_who_started_the_execution(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    """CloudTrail can be later than the job."""
    recovery.happen(*RUNNING[:4])
    viewer = open_viewer()
    expect(viewer.find(".requester")).to_have_count(0)
    change_answers(context, requested_by(OPERATOR, OPERATOR))
    recovery.happen(*RUNNING[4:6])

    viewer.poll()

    expect(viewer.find("header .requester")).to_have_text("Started by: Operator/alice")
    expect(viewer.find(".jobs .requester")).to_have_text("Started by: Operator/alice")


def test_a_long_identity_fits_a_phone_and_has_no_accessibility_violations(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*FAILED)
    identity = f"arn:aws:sts::111122223333:assumed-role/{'Operator' * 60}/alice"
    change_answers(context, requested_by(identity, identity))

    viewer = open_viewer(is_paused=False, width=320, height=800)

    expect(viewer.find(".requester")).to_have_count(2)
    assert viewer.page.evaluate("document.scrollingElement.scrollWidth") == 320
    results = Axe().run(viewer.page)
    assert results.violations_count == 0, results.generate_report()


# ---------------------------------------------------------------------------------------------------------------------
# Truncated answers
# ---------------------------------------------------------------------------------------------------------------------


def shorten(answer: dict[str, Any], servers: int | None, jobs: int | None) -> dict[str, Any]:
    return answer | {"truncated": True, "servers": answer["servers"][:servers], "jobs": answer["jobs"][:jobs]}


TWO_JOBS = [*FAILED, *events_of(scripts.launch(SERVERS[:1]), ago=timedelta(minutes=40), job_id="drsjob-2")]


@pytest.mark.parametrize("servers", [0, 1])
def test_incomplete_lists_are_reported_and_counts_include_all_servers(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext, servers: int
) -> None:
    recovery.happen(*TWO_JOBS)
    change_answers(context, lambda answer, _: shorten(answer, servers, 1))

    viewer = open_viewer()

    launched(viewer, 2)
    expect(viewer.find(".truncation")).to_have_text(
        "The API shortened its answer, because it was too large. "
        f"The page lists only {servers} of 3 servers and 1 of 2 jobs. "
        "Error texts of servers and jobs can be shortened."
    )
    expect(viewer.find(".counts")).to_have_text("1 failed2 launched")
    assert viewer.find(".bar").get_attribute("aria-valuenow") == "2"
    assert viewer.find(".bar").get_attribute("aria-valuemax") == "3"
    bar = "elements => elements.filter(e => e.style.flexGrow !== '0').map(e => [e.dataset.state, e.style.flexGrow])"
    assert viewer.find(".bar i").evaluate_all(bar) == [["LAUNCHED", "2"], ["FAILED", "1"]]
    expect(viewer.page).to_have_title("\N{MULTIPLICATION X} 2/3, 1 failed · exec-1")
    expect(viewer.find("section[aria-label=Servers] h3")).to_have_text(f"Servers ({servers} of 3)")
    expect(viewer.find(".jobs > li")).to_contain_text("Job 1 of 1 listed")
    expect(viewer.find(".jobs > li")).not_to_contain_text("server")
    expect(viewer.find(".elapsed")).to_be_empty()
    expect(viewer.find("[aria-live=assertive]")).to_have_text("1 server failed.")
    expect(viewer.find("[aria-live=polite]")).to_have_text("2 of 3 servers launched, 1 failed. Partial")
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text(f"Timeline ({len(TWO_JOBS)})")
    viewer.page.get_by_role("searchbox", name="Text").fill("nowhere")
    expect(viewer.find(".filters .muted")).to_have_text("0 listed servers and 0 events match")


def test_job_shows_no_counts_if_a_server_without_events_is_omitted(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(RUNNING[0])
    change_answers(context, lambda answer, _: shorten(answer, 1, None))

    viewer = open_viewer()

    launched(viewer, 0)
    expect(viewer.find(".jobs > li")).not_to_contain_text("server")


def test_shortened_texts_are_reported(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    recovery.happen(*FAILED)
    change_answers(context, lambda answer, _: shorten(answer, None, None))

    viewer = open_viewer()

    expect(viewer.find(".truncation")).to_contain_text("Error texts of servers and jobs can be shortened.")
    expect(viewer.find(".truncation")).not_to_contain_text("The page lists only")
    expect(viewer.find("section[aria-label=Servers] h3")).to_have_text("Servers (3)")
    expect(viewer.find(".jobs > li")).to_contain_text("3 servers: 2 launched, 1 failed")
    expect(viewer.find(".elapsed")).not_to_be_empty()


def test_omitted_networks_are_reported(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    recovery.happen(*FAILED_NETWORK)
    change_answers(context, lambda answer, _: shorten(answer, None, None))

    viewer = open_viewer()

    expect(viewer.find(".big")).to_have_text("0 of 1 listed network recovered")
    expect(viewer.find(".jobs > li")).to_contain_text("0 of 1 listed network recovered")


def test_omitted_server_is_removed_from_the_list_until_the_api_returns_it(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*STALLED)
    viewer = open_viewer()
    expect(viewer.find(".server")).to_have_count(3)
    expect(viewer.find(".truncation")).to_be_hidden()

    change_answers(context, lambda answer, _: shorten(answer, 2, None))
    viewer.poll()
    expect(viewer.find(".server")).to_have_count(2)
    expect(viewer.find(".truncation")).to_contain_text("The page lists only 2 of 3 servers.")
    expect(viewer.find(".counts")).to_have_text("3 snapshot or conversion1 listed stalled")

    context.unroute("**/logs?*")
    viewer.poll()
    expect(viewer.find(".server")).to_have_count(3)
    expect(viewer.find(".truncation")).to_be_hidden()


# ---------------------------------------------------------------------------------------------------------------------
# Errors
# ---------------------------------------------------------------------------------------------------------------------


def test_api_errors_are_shown_and_retried_with_backoff(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:-1])
    viewer = open_viewer()
    recovery.gateway.fault = HTTPStatus.SERVICE_UNAVAILABLE

    viewer.poll()

    expect(viewer.find(".banner")).to_contain_text("Requests to the API have failed since")
    expect(viewer.find(".banner")).to_contain_text(": 503: Service Unavailable. The data shown is from")
    launched(viewer, 3)
    waits = [viewer.seconds_to_poll() for _ in range(7)]
    assert [round(wait / 3) for wait in waits] == [1, 2, 4, 8, 16, 20, 20]
    launched(viewer, 3)

    recovery.gateway.fault = None
    viewer.find(".banner button").click()
    expect(viewer.find(".banner")).to_be_hidden()


def test_api_error_on_the_first_request_is_shown(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED)
    recovery.gateway.fault = HTTPStatus.INTERNAL_SERVER_ERROR
    viewer = open_viewer()
    expect(viewer.find(".banner")).to_contain_text("500: Internal Server Error")

    recovery.gateway.fault = None
    viewer.poll()

    launched(viewer, 3)


def test_missing_connection_is_shown(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    recovery.happen(*RUNNING[:-1])
    viewer = open_viewer()
    context.set_offline(True)
    viewer.move_on(3)

    expect(viewer.find(".banner")).to_contain_text("no response. Check the network connection.")

    context.set_offline(False)
    viewer.poll()
    expect(viewer.find(".banner")).to_be_hidden()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<html>a proxy</html>", "the response is no answer of the API. Verify the URL of the API."),
        ("null", "the response is no answer of the API."),
        ('{"logs": []}', "the response is no answer of the API."),
    ],
)
def test_response_that_is_no_answer_is_no_missing_connection(
    recovery: Recovery, open_viewer: Opener, body: str, text: str
) -> None:
    recovery.happen(*RUNNING[:-1])
    viewer = open_viewer()
    viewer.page.evaluate(f"body => {{ {ELEMENT}.fetch = async () => new Response(body) }}", body)

    expect(viewer.find(".banner")).to_contain_text(text)
    launched(viewer, 3)


@pytest.mark.parametrize(
    ("status", "text"), [(401, "requires you to sign in (401:"), (403, "do not have permission to read this log (403:")]
)
def test_sign_in_and_permission_are_distinguished(
    recovery: Recovery, open_viewer: Opener, status: int, text: str
) -> None:
    recovery.gateway.fault = HTTPStatus(status)

    expect(open_viewer().find(".banner")).to_contain_text(text)


def test_error_of_the_viewer_is_logged_and_shown_as_such(
    recovery: Recovery, open_viewer: Opener, page_errors: list[str]
) -> None:
    recovery.happen(*RUNNING[:6])
    viewer = open_viewer()
    broken = "Object.assign(await answer.clone().json(), {servers: [null]})"
    with viewer.page.expect_console_message(lambda line: "could not show an answer" in line.text):
        viewer.page.evaluate(
            f"""() => {{
              const {{ fetch }} = window;
              {ELEMENT}.fetch = async (...asked) => {{
                const answer = await fetch(...asked);
                return new Response(JSON.stringify({broken}));
              }};
            }}"""
        )

    expect(viewer.find(".banner")).to_contain_text("The viewer has an error")
    polls = recovery.polls
    viewer.poll()
    assert recovery.polls == polls + 1
    viewer.page.close()  # each poll logs the error again
    page_errors.clear()


def test_settled_execution_is_read_every_five_minutes_and_when_the_user_returns(
    recovery: Recovery, open_viewer: Opener
) -> None:
    recovery.happen(*FINISHED)
    viewer = open_viewer()
    expect(viewer.find(".connection")).to_contain_text("The execution is complete.")
    assert 296 <= viewer.seconds_to_poll() <= 301
    for event in ("online", "focus"):
        polls = recovery.polls

        def is_read(event: str = event, polls: int = polls) -> bool:
            # Again, because the page ignores an event while it waits for an answer.
            viewer.page.evaluate("name => void window.dispatchEvent(new Event(name))", event)
            return recovery.polls > polls

        eventually(is_read)
    recovery.happen(*events_of(scripts.launch(SERVERS[:1]), ago=timedelta(minutes=1), job_id="drsjob-2"))

    viewer.page.get_by_role("button", name="Refresh").click()

    expect(viewer.find(".jobs > li")).to_have_count(2)


def test_invalid_request_is_not_retried(recovery: Recovery, open_viewer: Opener) -> None:
    viewer = open_viewer(f"executions/{'x' * 3000}")

    expect(viewer.find(".banner")).to_contain_text(
        "The request is not valid: executionId must be 1 to 2048 bytes long."
    )
    viewer.move_on(600)
    assert recovery.polls == 1


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE + "x" * 65_536], ids=["short", "65 KB"])
def test_markup_in_log_texts_is_shown_as_text(recovery: Recovery, open_viewer: Opener, text: str) -> None:
    script = scripts.launch(SERVERS, failing={SERVERS[1]: text})
    recovery.happen(
        *(
            replace(event, message=text, source=text, source_server_name=event.source_server_name and text)
            for event in events_of(script, ago=timedelta(hours=1))
        ),
        derived("SOMETHING_NEW", timedelta(hours=2)),
    )

    viewer = open_viewer()

    expect(viewer.find(".server .error pre")).to_have_text(text)
    assert viewer.find(".server .name").all_text_contents() == [text] * 3
    viewer.find(".row button").first.click()
    expect(viewer.find("dialog")).to_contain_text(text)
    expect(viewer.find(".sources code").first).to_have_text(text)
    expect(viewer.find(".row .source").first).to_have_text(text)
    assert viewer.find("drs-job-log img, drs-job-log script").count() == 0
    expect(viewer.page).to_have_title("\N{MULTIPLICATION X} 2/3, 1 failed · exec-1")


# ---------------------------------------------------------------------------------------------------------------------
# Tokens
# ---------------------------------------------------------------------------------------------------------------------


def test_user_enters_a_token(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FINISHED)
    recovery.gateway.tokens = {"of-the-identity-provider"}
    viewer = open_viewer()
    expect(viewer.find(".banner")).to_contain_text("401")

    viewer.page.get_by_label("Access token").fill("of-the-identity-provider")
    viewer.page.keyboard.press("Enter")

    launched(viewer, 3)
    expect(viewer.find("#sign-in")).to_be_hidden()
    assert viewer.page.url.endswith("/executions/exec-1")
    assert viewer.page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_unchanged_answer_is_not_sent_again_to_a_user_with_a_token(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:6])
    recovery.gateway.tokens = {"of-the-identity-provider"}
    viewer = open_viewer()
    viewer.page.get_by_label("Access token").fill("of-the-identity-provider")
    viewer.page.keyboard.press("Enter")
    expect(viewer.find(".row")).to_have_count(6)

    viewer.poll(2)

    wait_until(viewer.page, lambda: len(recovery.gateway.answered) >= 4)
    assert recovery.gateway.answered == [401, 200, 200, 304]


def front_end(_environ: Any, start_response: Any) -> list[bytes]:
    """A WSGI application that serves a page of another origin."""
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><title>Front end</title>"]


def test_opener_provides_a_token(recovery: Recovery, address: str, context: BrowserContext) -> None:
    recovery.happen(*FINISHED)
    recovery.gateway.tokens = {"of-the-opener"}
    with GatewayServer(front_end) as other:
        opener = context.new_page()
        opener.goto(other.address)
        with context.expect_page() as opened:
            opener.evaluate(
                """url => {
                  const page = open(url);
                  addEventListener("message", ({source, data}) => {
                    if (source === page && data.type === "drs-job-log:ready")
                      page.postMessage({type: "drs-job-log:token", token: "of-the-opener"}, new URL(url).origin);
                  });
                }""",
                f"{address}/executions/exec-1",
            )

        expect(opened.value.locator(".big")).to_have_text("3 of 3 servers launched")


def test_token_from_any_other_window_is_ignored(recovery: Recovery, address: str, context: BrowserContext) -> None:
    recovery.gateway.tokens = {"of-the-opener"}
    with GatewayServer(front_end) as other:
        opener = context.new_page()
        opener.goto(other.address)
        with context.expect_page() as opened:
            opener.evaluate("url => void open(url)", f"{address}/executions/exec-1")
        expect(opened.value.locator(".banner")).to_be_visible()

        opened.value.evaluate("postMessage({type: 'drs-job-log:token', token: 'of-the-opener'})")
        opened.value.wait_for_timeout(300)

        expect(opened.value.locator("#sign-in")).to_be_visible()
        assert recovery.polls == 1


# ---------------------------------------------------------------------------------------------------------------------
# The component in another page
# ---------------------------------------------------------------------------------------------------------------------


def test_component_works_in_another_page_with_a_custom_fetch(recovery: Recovery, open_viewer: Opener) -> None:
    other = events_of(scripts.launch(SERVERS[:1]), ago=timedelta(hours=1), job_id="drsjob-2", execution_id="exec-2")
    recovery.happen(*FINISHED, *other)
    recovery.gateway.tokens = {"of-the-front-end"}
    page = open_viewer().page

    page.evaluate(
        """() => {
          const element = document.createElement("drs-job-log");
          const headers = {Authorization: "Bearer of-the-front-end"};
          element.fetch = (url, options) => fetch(url, {...options, headers});
          element.setAttribute("api-url", location.origin + "/");
          element.setAttribute("execution-id", "exec-1");
          element.addEventListener("drs-job-log-update", ({detail}) => (window.lastAnswer = detail));
          document.querySelector("main").replaceChildren(element);
        }"""
    )
    expect(page.locator(".big")).to_have_text("3 of 3 servers launched")
    assert page.evaluate("lastAnswer.logs.length") == len(FINISHED)

    page.evaluate("document.querySelector('drs-job-log').setAttribute('execution-id', 'exec-2')")
    expect(page.locator(".big")).to_have_text("1 of 1 server launched")
    expect(page.locator(".server")).to_have_count(1)


def test_event_listener_can_change_the_execution_or_remove_the_element(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:3])
    viewer = open_viewer()
    viewer.page.evaluate(
        f"""{ELEMENT}.addEventListener(
            "drs-job-log-update", ({{target}}) => target.setAttribute("execution-id", "exec-2"), {{once: true}})"""
    )
    viewer.poll()
    expect(viewer.find("h2")).to_have_text("exec-2")
    expect(viewer.find(".empty")).to_be_visible()
    viewer.poll()

    viewer.page.evaluate(f"{ELEMENT}.addEventListener('drs-job-log-update', ({{target}}) => target.remove())")
    viewer.poll()
    expect(viewer.find("drs-job-log")).to_have_count(0)
    polls = recovery.polls
    viewer.move_on(60)
    assert recovery.polls == polls


def test_new_fetch_after_each_rejection_does_not_increase_the_request_rate(
    recovery: Recovery, open_viewer: Opener
) -> None:
    recovery.gateway.tokens = {"another"}
    viewer = open_viewer()
    viewer.page.evaluate(
        f"""{ELEMENT}.addEventListener(
            "drs-job-log-unauthorized", ({{target}}) => (target.fetch = (...asked) => fetch(...asked)))"""
    )
    viewer.poll()
    viewer.page.wait_for_timeout(500)

    assert recovery.polls < 5


def test_fetch_that_never_resolves_does_not_stop_polling(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:3])
    viewer = open_viewer(is_paused=False)

    viewer.page.evaluate(
        f"""() => {{
          const timeout = AbortSignal.timeout.bind(AbortSignal);
          AbortSignal.timeout = () => timeout(200);
          window.calls = 0;
          {ELEMENT}.fetch = () => (window.calls++, new Promise(() => {{}}));
        }}"""
    )

    expect(viewer.find(".banner")).to_contain_text("no response in time")
    eventually(lambda: viewer.page.evaluate("calls") >= 2)


def test_fetch_set_before_the_module_loads_is_used(recovery: Recovery, address: str, context: BrowserContext) -> None:
    recovery.happen(*FINISHED)
    page = context.new_page()
    plain = "<!doctype html><drs-job-log execution-id='exec-1'></drs-job-log>"
    page.route(f"{address}/plain", lambda route: route.fulfill(body=plain, content_type="text/html"))
    page.goto(f"{address}/plain")
    page.evaluate(
        f"""async address => {{
          const element = {ELEMENT};
          element.setAttribute("api-url", address);
          element.fetch = (...asked) => (window.asked = (window.asked ?? 0) + 1, fetch(...asked));
          await import(`${{address}}/viewer/drs-job-log.js`);
        }}""",
        address,
    )

    expect(page.locator(".big")).to_have_text("3 of 3 servers launched")
    wait_until(page, lambda: page.evaluate("asked") >= 2)
    assert (page.evaluate("asked"), recovery.polls) == (2, 1)  # the log and the comparison


def test_element_without_an_id_sends_no_request(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.gateway.fault = HTTPStatus.SERVICE_UNAVAILABLE
    viewer = open_viewer()
    expect(viewer.find(".banner")).to_be_visible()
    polls = recovery.polls
    viewer.page.evaluate(f"{ELEMENT}.removeAttribute('execution-id')")
    viewer.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    viewer.move_on(60)

    expect(viewer.find(".empty")).to_have_text("Set the execution-id or job-id attribute of this element.")
    expect(viewer.find(".banner")).to_be_hidden()
    assert recovery.polls == polls


# ---------------------------------------------------------------------------------------------------------------------
# IDs
# ---------------------------------------------------------------------------------------------------------------------

IDS = [
    "a/b",
    "/",
    "what?",
    ".",
    "..",
    "../viewer/page.css",
    "100%",
    "%2F",
    "two words",
    "a+b",
    "Übung ☃/日本",
    "a&jobId=b#c",
]


def test_id_with_a_percent_sign_is_shown(open_viewer: Opener) -> None:
    expect(open_viewer("executions/100%").find("h2")).to_have_text("100%")


def happen_for_each_id(recovery: Recovery) -> None:
    """Add an execution with one job, with 3 launched servers, for each of ``IDS``."""
    for id_ in IDS:
        recovery.happen(*events_of(scripts.launch(SERVERS), ago=timedelta(hours=1), job_id=id_, execution_id=id_))


@pytest.mark.parametrize("name", ["executionId", "jobId"])
def test_page_shows_every_id_in_its_query(recovery: Recovery, open_viewer: Opener, name: str) -> None:
    happen_for_each_id(recovery)

    for id_ in IDS:
        viewer = open_viewer(f"viewer/page?{name}={quote(id_, safe='')}")
        launched(viewer, 3)
        expect(viewer.find("h2")).to_have_text(id_)
        expect(viewer.page).to_have_title(f"\N{CHECK MARK} 3/3 · {id_}")
        viewer.page.close()

    assert [query.get(name) for query in recovery.gateway.asked] == IDS


@pytest.mark.parametrize("name", ["execution-id", "job-id"])
def test_component_shows_every_id(recovery: Recovery, open_viewer: Opener, name: str) -> None:
    happen_for_each_id(recovery)
    viewer = open_viewer()

    for id_ in IDS:
        viewer.page.evaluate(f"([name, id]) => {ELEMENT}.setAttribute(name, id)", [name, id_])
        launched(viewer, 3)
        expect(viewer.find("h2")).to_have_text(id_)


def test_page_without_an_id_says_how_to_add_one(recovery: Recovery, address: str, context: BrowserContext) -> None:
    page = context.new_page()

    page.goto(f"{address}/viewer/page?executionId=")

    expect(page.locator("main")).to_contain_text("Add the execution or the job to the URL: ?executionId=… or ?jobId=…")
    assert recovery.polls == 0


# ---------------------------------------------------------------------------------------------------------------------
# Filters, timeline and downloads
# ---------------------------------------------------------------------------------------------------------------------


def test_filters_select_servers_and_events_by_text_state_and_server(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    viewer = open_viewer()

    viewer.page.get_by_role("searchbox", name="Text").fill("NO RIGHTS")
    assert (cards(viewer), timeline(viewer)) == ([NAMES[1]], ["Server launch failed"])
    viewer.find(".filters button").click()
    viewer.page.get_by_role("combobox", name="State").select_option("Launched")
    assert set(cards(viewer)) == {NAMES[0], NAMES[2]}
    expect(viewer.find("[aria-live=polite]")).to_have_text("2 servers and 12 events match")
    viewer.find(".filters button").click()
    viewer.find(f".server:has-text('{NAMES[1]}') button:has-text('Timeline')").click()
    assert cards(viewer) == [NAMES[1]]
    assert len(timeline(viewer)) == 6
    expect(viewer.find(".timeline")).to_be_focused()
    viewer.find(".filters button").click()
    assert len(cards(viewer)) == 3


def test_all_times_have_a_date_and_the_selected_time_zone(recovery: Recovery, open_viewer: Opener) -> None:
    """The execution started yesterday, and ended after midnight."""
    recovery.happen(*events_of(scripts.launch(SERVERS), ago=timedelta(hours=14, minutes=10)))
    viewer = open_viewer()
    launched(viewer, 3)

    def times() -> set[str]:
        viewer.find(".timeline").evaluate("element => (element.scrollTop = element.scrollHeight)")
        return set(viewer.find("time").all_text_contents())

    assert {time[:13] for time in times()} == {"2026-11-23 23", "2026-11-24 00"}
    first = viewer.find(".row time").last
    assert first.get_attribute("title") == f"{first.get_attribute('datetime')[:23].replace('T', ' ')} UTC"  # type: ignore[index]
    expect(viewer.find(".connection")).to_contain_text("2026-11-24 14:00:0")
    viewer.page.get_by_label("Time zone").select_option("UTC")

    assert {time[:13] for time in times()} == {"2026-11-23 22", "2026-11-23 23"}
    expect(viewer.find(".connection")).to_contain_text("2026-11-24 13:00:0")
    viewer.poll()
    assert {time[:10] for time in times()} == {"2026-11-23"}
    again = open_viewer()
    expect(again.page.get_by_label("Time zone")).to_have_value("UTC")
    with again.page.expect_download() as download:
        again.find(".downloads button:has-text('CSV')").click()
    (row, *_) = csv.DictReader(io.StringIO(Path(download.value.path()).read_text()[1:], newline=""))
    assert row["time"] == row["timestamp"].replace("Z", "+00:00")


def test_a_wrong_clock_of_the_browser_changes_no_duration(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*RUNNING[:6])
    viewer = open_viewer()
    expect(viewer.find(".elapsed")).to_have_text(re.compile("min"))
    durations = viewer.find(".elapsed, .when .muted").all_text_contents()
    recovery.now = NOW
    viewer.page.clock.set_system_time(NOW - timedelta(days=1, hours=3))

    viewer.page.reload()

    expect(viewer.find(".elapsed, .when .muted")).to_have_text(durations)
    expect(viewer.find(".connection")).to_have_text("Live. Last updated at 2026-11-24 14:00:00.")


def test_only_visible_rows_of_five_thousand_events_exist(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*many(5000))
    viewer = open_viewer()
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text("Timeline (5,000)")
    assert [query.get("nextToken") is not None for query in recovery.gateway.asked] == [False, True, True, True, True]
    assert viewer.find(".row").count() < 60

    viewer.find(".timeline").evaluate("element => (element.scrollTop = element.scrollHeight)")
    expect(viewer.find(".row").last).to_have_attribute("aria-rowindex", "5001")
    expect(viewer.find(".row .what").last).to_have_text("event 0")
    assert viewer.find(".row").count() < 60

    recovery.happen(*many(5003)[5000:])
    viewer.poll()
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text("Timeline (5,003)")
    expect(viewer.find(".row .what").last).to_have_text("event 0")

    # New events or a narrower page do not move the rows that the user reads.
    viewer.find(".timeline").evaluate("element => (element.scrollTop = 40 * 1000)")
    first = viewer.find(".row[aria-rowindex='1006'] .what").inner_text()
    recovery.happen(*many(5008)[5003:])
    viewer.poll()
    expect(viewer.find(".row[aria-rowindex='1011'] .what")).to_have_text(first)
    assert viewer.find(".timeline").evaluate("element => element.scrollTop") == 40 * 1005
    viewer.page.set_viewport_size({"width": 390, "height": 800})
    expect(viewer.find(".row[aria-rowindex='1011'] .what")).to_have_text(first)
    assert viewer.find(".timeline").evaluate("element => element.scrollTop") == 68 * 1005


def many(number: int) -> list[JobLogEvent]:
    (start, event, *_) = events_of(scripts.launch(SERVERS), ago=timedelta(hours=2))
    return [
        replace(
            event, event_id=f"e-{place}", message=f"event {place}", timestamp=start.timestamp + timedelta(seconds=place)
        )
        for place in range(number)
    ]


@pytest.mark.parametrize("kind", ["CSV", "JSON"])
def test_download_contains_the_full_log(recovery: Recovery, open_viewer: Opener, kind: str) -> None:
    events = [*many(1500), replace(FINISHED[0], message='=HYPERLINK("x"),\n"quoted"')]
    recovery.happen(*events)
    viewer = open_viewer()
    with viewer.page.expect_download() as download:
        viewer.find(f".downloads button:has-text('{kind}')").click()

    assert download.value.suggested_filename == f"drs-job-log-exec-1.{kind.lower()}"
    text = Path(download.value.path()).read_bytes().decode()
    ids = [event.event_id for event in sorted(events, key=lambda event: event.timestamp)]
    if kind == "JSON":
        body = json.loads(text)
        assert [entry["eventId"] for entry in body["logs"]] == ids
        assert body["summary"]["totalServers"] == 3
    else:
        assert text.startswith("\ufeff")  # the byte order mark makes spreadsheets read UTF-8
        rows = list(csv.DictReader(io.StringIO(text[1:], newline="")))
        assert [row["eventId"] for row in rows] == ids
        log = "fetch('/executions/exec-1/logs').then(response => response.json())"
        assert set(rows[0]) == {"time"} | viewer.page.evaluate(log)["logs"][0].keys()
        assert [datetime.fromisoformat(row["time"]) for row in rows] == [
            datetime.fromisoformat(row["timestamp"]) for row in rows
        ]
        assert rows[0]["time"].endswith("+01:00")
        assert rows[-1]["message"] == '\'=HYPERLINK("x"),\n"quoted"'  # no formula


def test_print_view_contains_every_event(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*many(300), FAILED[-2])
    assert FAILED[-2].error == ERROR
    viewer = open_viewer()

    viewer.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    viewer.page.emulate_media(media="print")
    assert viewer.find(".row").count() == 301
    expect(viewer.find(".row pre")).to_have_text(ERROR)
    times = viewer.find(".row time").all_text_contents()
    assert times[-1] == f"{many(1)[0].timestamp + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    expect(viewer.find(".filters")).to_be_hidden()
    viewer.page.emulate_media(media="screen")
    viewer.page.evaluate("dispatchEvent(new Event('afterprint'))")

    assert viewer.find(".row").count() < 60


# ---------------------------------------------------------------------------------------------------------------------
# Accessibility
# ---------------------------------------------------------------------------------------------------------------------

ALL_FAILED = events_of(scripts.launch(SERVERS, failing=dict.fromkeys(SERVERS, ERROR)), ago=timedelta(hours=1))
SITUATIONS: dict[str, tuple[list[JobLogEvent], HTTPStatus | None]] = {
    "all failed": (ALL_FAILED, None),
    "running": (RUNNING[:-3], None),
    "finished": (FINISHED, None),
    "failed": (FAILED, None),
    "failed network": (FAILED_NETWORK, None),
    "failed action": (FAILED_ACTION, None),
    "stalled": (STALLED, None),
    "two senders": ([*FAILED, FORGED], None),
    "empty": ([], None),
    "unreachable": ([], HTTPStatus.SERVICE_UNAVAILABLE),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_axe_finds_no_accessibility_violations(
    recovery: Recovery, open_viewer: Opener, situation: str, scheme: Any
) -> None:
    events, fault = SITUATIONS[situation]
    recovery.happen(*events)
    recovery.gateway.fault = fault
    viewer = open_viewer(is_paused=False)
    viewer.page.emulate_media(color_scheme=scheme)

    results = Axe().run(viewer.page)

    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("width", [320, 768, 1440])
def test_content_fits_the_page_width(recovery: Recovery, open_viewer: Opener, situation: str, width: int) -> None:
    events, fault = SITUATIONS[situation]
    recovery.happen(*events)
    recovery.gateway.fault = fault

    viewer = open_viewer(width=width, height=800)

    assert viewer.page.evaluate("document.scrollingElement.scrollWidth") == width
    outside = """width => [...document.querySelector("drs-job-log").shadowRoot.querySelectorAll("*")]
        .filter(e => e.checkVisibility() && !e.closest(".timeline, .hidden") && e.getBoundingClientRect().right > width)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert viewer.page.evaluate(outside, width) == []


def test_all_controls_work_with_the_keyboard(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    viewer = open_viewer()
    page = viewer.page
    seen: list[str] = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if seen[-1].startswith("BUTTON") and "Error for Server launch failed" in seen[-1]:
            break
    for expected in ("INPUT", "SELECT", "Clear filters", "Timeline for prod-db-01", "PRE", "Copy error", "timeline"):
        assert any(expected in one for one in seen), (expected, seen)

    page.keyboard.press("Enter")
    expect(viewer.find("dialog .error pre")).to_have_text(ERROR)
    page.keyboard.press("Escape")
    expect(viewer.find("dialog")).to_be_hidden()
    assert "Error for Server launch failed" in focused(page)


def focused(page: Page) -> str:
    found: str = page.evaluate(
        "() => { const e = document.querySelector('drs-job-log').shadowRoot.activeElement ?? document.activeElement;"
        "return `${e.tagName} ${e.className} ${e.textContent.slice(0, 200)}` }"
    )
    return found


def test_progress_is_announced_to_screen_readers(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(RUNNING[0])
    viewer = open_viewer()
    expect(viewer.find("[aria-live=polite]")).to_have_text("0 of 3 servers launched. In progress")

    recovery.happen(*RUNNING[1:])
    viewer.poll()

    expect(viewer.find("[aria-live=polite]")).to_have_text("3 of 3 servers launched. Completed so far")
    expect(viewer.find("[aria-live=assertive]")).to_be_empty()


# ---------------------------------------------------------------------------------------------------------------------
# The page
# ---------------------------------------------------------------------------------------------------------------------


def test_content_security_policy_allows_only_the_own_origin() -> None:
    headers, text = static_files.read_page(None)

    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert {name: policy[name] for name in ("default-src", "script-src", "connect-src", "frame-ancestors")} == {
        "default-src": "'none'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
    }
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "http:" not in text
    assert "https:" not in text


def test_page_sends_requests_only_to_its_own_origin(
    recovery: Recovery, address: str, context: BrowserContext, open_viewer: Opener
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    recovery.happen(*FAILED)

    viewer = open_viewer()

    wait_until(viewer.page, lambda: len(asked) >= 8)
    assert len(asked) == 8  # the page, its style, two scripts, two icons, the log, the comparison
    assert all(url.startswith(address) for url in asked)


def test_only_viewer_files_are_served() -> None:
    assert static_files.read_file("drs-job-log.js", None)
    for name in ("config.py", "../config.py", "../api/handler.py", "page.html", "", ".", ".."):
        assert static_files.read_file(name, None) is None
