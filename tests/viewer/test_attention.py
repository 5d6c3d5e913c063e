"""What the page tells a user who looks at another window, and links to a part of an execution."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.support import scripts
from tests.viewer.conftest import SERVERS, events_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.model.events import JobLogEvent
    from playwright.sync_api import BrowserContext

    from tests.support.recovery import Recovery
    from tests.viewer.conftest import Opener, Viewer

RUNNING = events_of(scripts.launch(SERVERS, stuck=SERVERS[2:]), ago=timedelta(minutes=10))
FAILED = events_of(scripts.launch(SERVERS, failing={SERVERS[1]: "no rights"}), ago=timedelta(minutes=10))
ENDED = events_of(scripts.launch(SERVERS), ago=timedelta(hours=1))

# Replaces what a browser without a window cannot show: records the notifications and the sounds.
RECORDER = """
    window.told = [];
    window.sounds = 0;
    window.Notification = class {
        static requestPermission = async () => "PERMISSION";
        constructor(text, {body}) { window.told.push(`${text}, ${body}`); }
    };
    const tone = {connect() {}, start() { window.sounds += 1; }, stop() {}};
    window.AudioContext = class { createOscillator() { return tone; } };
"""


@pytest.mark.parametrize(
    ("events", "title", "icon"),
    [
        ([], "exec-1", "waiting"),
        (RUNNING, "\N{BLACK RIGHT-POINTING TRIANGLE} 2/3 · exec-1", "running"),
        (FAILED, "\N{MULTIPLICATION X} 2/3, 1 failed · exec-1", "failed"),
        (ENDED, "\N{CHECK MARK} 3/3 · exec-1", "done"),
    ],
    ids=["waiting", "running", "failed", "done"],
)
def test_title_and_icon_show_the_situation(
    recovery: Recovery, open_viewer: Opener, events: Sequence[JobLogEvent], title: str, icon: str
) -> None:
    recovery.happen(*events)

    viewer = open_viewer()

    expect(viewer.page).to_have_title(title)
    address = viewer.page.evaluate("document.querySelector('link[rel=icon]').href")
    assert address.endswith(f"/viewer/icon-{icon}.svg")
    assert viewer.page.evaluate("url => fetch(url).then((response) => response.ok)", address)


def test_situation_changes_while_the_page_is_open(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED[:4])
    viewer = open_viewer()
    expect(viewer.page).to_have_title("\N{BLACK RIGHT-POINTING TRIANGLE} 0/3 · exec-1")

    recovery.happen(*FAILED)
    viewer.poll()

    expect(viewer.page).to_have_title("\N{MULTIPLICATION X} 2/3, 1 failed · exec-1")


def listen(viewer: Viewer, *kinds: str) -> None:
    for kind in kinds:
        viewer.page.get_by_label(kind).check()


def told(viewer: Viewer) -> list[str]:
    found: list[str] = viewer.page.evaluate("told")
    return found


def test_user_can_be_notified_of_failures_and_of_the_end(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    context.add_init_script(RECORDER.replace("PERMISSION", "granted"))
    failure = next(event for event in FAILED if event.error)
    recovery.happen(*[event for event in FAILED if event.timestamp < failure.timestamp])
    viewer = open_viewer()
    listen(viewer, "Notification", "Sound")
    assert (told(viewer), viewer.page.evaluate("sounds")) == ([], 1)  # the user hears the sound once

    recovery.happen(failure)
    viewer.poll()
    expect(viewer.find(".counts")).to_contain_text("1 failed")
    assert told(viewer) == ["Failed: prod-db-01, exec-1"]
    recovery.happen(*FAILED)
    viewer.poll(2)
    assert told(viewer) == ["Failed: prod-db-01, exec-1"]
    recovery.now += timedelta(minutes=20)
    viewer.poll(2)

    expect(viewer.find(".connection")).to_contain_text("The execution is complete.")
    assert told(viewer) == ["Failed: prod-db-01, exec-1", "Partial, exec-1"]
    assert viewer.page.evaluate("sounds") == 3


def test_second_server_with_the_same_name_is_news(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    context.add_init_script(RECORDER.replace("PERMISSION", "granted"))
    both = events_of(
        scripts.launch(SERVERS, failing=dict.fromkeys(SERVERS[:2], "no rights")), ago=timedelta(minutes=10)
    )
    same = [replace(event, source_server_name="web\u202e") for event in both]
    first, second = [event for event in same if event.error]
    recovery.happen(*[event for event in same if event.timestamp < first.timestamp])
    viewer = open_viewer()
    listen(viewer, "Notification")

    for failure in (first, second):
        recovery.happen(failure)
        viewer.poll()

    expect(viewer.find(".counts")).to_contain_text("2 failed")
    assert told(viewer) == ["Failed: web<U+202E>, exec-1"] * 2


def test_browser_that_cannot_notify_is_named(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    recorder = RECORDER.replace("PERMISSION", "granted").replace("window.told.push", "throw new TypeError; push")
    context.add_init_script(recorder)
    recovery.happen(*FAILED[:4])
    viewer = open_viewer()
    listen(viewer, "Notification")

    recovery.happen(*FAILED)
    viewer.poll()

    expect(viewer.page.get_by_text("This browser shows no notifications of a page.")).to_be_visible()


def test_nobody_is_notified_who_did_not_ask(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    context.add_init_script(RECORDER.replace("PERMISSION", "granted"))
    recovery.happen(*FAILED[:4])
    viewer = open_viewer()

    recovery.happen(*FAILED)
    viewer.poll()

    expect(viewer.find(".counts")).to_contain_text("1 failed")
    assert (told(viewer), viewer.page.evaluate("sounds")) == ([], 0)


def test_blocked_notifications_are_said_to_be_blocked(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    context.add_init_script(RECORDER.replace("PERMISSION", "denied"))
    recovery.happen(*FAILED[:4])
    viewer = open_viewer()

    viewer.page.get_by_label("Notification").click()

    expect(viewer.page.get_by_text("The browser blocks the notifications of this page.")).to_be_visible()
    expect(viewer.page.get_by_label("Notification")).not_to_be_checked()


def test_status_stays_visible_while_the_user_scrolls(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*ENDED)
    viewer = open_viewer(width=390, height=600)

    viewer.page.mouse.wheel(0, 2000)

    expect(viewer.find(".timeline")).to_be_in_viewport()
    expect(viewer.find(".big")).to_be_in_viewport(ratio=1)
    expect(viewer.find(".bar")).to_be_in_viewport(ratio=1)


# ---------------------------------------------------------------------------------------------------------------------
# Links
# ---------------------------------------------------------------------------------------------------------------------


def test_link_to_a_server_shows_only_this_server(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)

    viewer = open_viewer(f"executions/exec-1?server={SERVERS[1]}")

    expect(viewer.find(".server:visible .name")).to_have_text(["prod-db-01"])
    expect(viewer.page.get_by_label("Server", exact=False).first).to_be_visible()
    viewer.poll()
    expect(viewer.find(".server:visible .name")).to_have_text(["prod-db-01"])


def test_filter_is_in_the_url_and_comes_back(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)
    viewer = open_viewer("viewer/page?executionId=exec-1")
    viewer.page.get_by_role("searchbox", name="Text").fill("prod & db")
    viewer.find(".filters select").first.select_option("FAILED")
    query = {"executionId": ["exec-1"], "text": ["prod & db"], "state": ["FAILED"]}
    assert parse_qs(urlsplit(viewer.page.url).query) == query

    viewer.page.reload()

    expect(viewer.page.get_by_role("searchbox", name="Text")).to_have_value("prod & db")
    expect(viewer.find(".filters select").first).to_have_value("FAILED")
    expect(viewer.find(".server:visible")).to_have_count(0)
    viewer.page.get_by_role("button", name="Clear filters").click()
    assert parse_qs(urlsplit(viewer.page.url).query) == {"executionId": ["exec-1"]}


def test_link_can_name_a_server_without_events(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)

    viewer = open_viewer("executions/exec-1?server=s-0123456789abcdef0")

    expect(viewer.find(".filters .muted")).to_have_text("0 servers and 0 events match")
    expect(viewer.find(".filters select").nth(1)).to_have_value("s-0123456789abcdef0")


def test_user_selects_a_wave(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS[:2]), ago=timedelta(hours=2)))
    recovery.happen(*events_of(scripts.launch(SERVERS[2:]), ago=timedelta(hours=1), job_id="drsjob-2"))
    recovery.happen(*events_of(scripts.terminate(SERVERS[:1]), ago=timedelta(minutes=30), job_id="drsjob-3"))
    viewer = open_viewer()
    jobs = viewer.find(".filters select").nth(2)
    expect(jobs.locator("option")).to_have_text(["All jobs", "Job 1 (wave 1)", "Job 2 (wave 2)", "Job 3 (termination)"])

    jobs.select_option("Job 2 (wave 2)")

    expect(viewer.find(".server:visible .name")).to_have_text(["prod-app-01"])
    assert parse_qs(urlsplit(viewer.page.url).query) == {"job": ["drsjob-2"]}
    viewer.find(".row button").last.click()
    expect(viewer.find("dialog dd").filter(has_text="drsjob-2").first).to_be_visible()
    viewer.poll()
    expect(viewer.find(".server:visible .name")).to_have_text(["prod-app-01"])


def test_unknown_state_in_a_link_hides_nothing(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*FAILED)

    viewer = open_viewer("executions/exec-1?state=BROKEN")

    expect(viewer.find(".server:visible")).to_have_count(3)
    expect(viewer.find(".filters .muted")).to_have_text("")
