"""What users see first, and what they can do without a mouse: failures, links, print, accessibility."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.model.events import format_time
from playwright.sync_api import expect

from tests.support import played, scripts
from tests.viewer.conftest import NOW, SERVERS, change_answers, derived, events_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from drs_job_log.model.events import JobLogEvent
    from playwright.sync_api import BrowserContext

    from tests.support.recovery import Recovery
    from tests.viewer.conftest import Opener, Viewer

ELEMENT = "document.querySelector('drs-job-log')"
MANY = [scripts.server_id(number) for number in range(30)]
DENIED = "An error occurred (UnauthorizedOperation). Encoded authorization failure message: "
HOUR = timedelta(hours=1)

# The selected text. The selection of the document does not reach into a shadow root.
SELECTED = """(() => {
    const root = document.querySelector("drs-job-log").shadowRoot;
    const [selected] = getSelection().getComposedRanges({shadowRoots: [root]});
    const range = new Range();
    range.setStart(selected.startContainer, selected.startOffset);
    range.setEnd(selected.endContainer, selected.endOffset);
    return range.toString();
})()"""

# Contrast of two colors, as WCAG defines it. The arguments are two elements.
CONTRAST = """(names) => {
    const root = document.querySelector("drs-job-log").shadowRoot;
    const luminance = (name) => {
        const context = new OffscreenCanvas(1, 1).getContext("2d");
        context.fillStyle = getComputedStyle(root.querySelector(name)).backgroundColor;
        context.fillRect(0, 0, 1, 1);
        const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
    };
    const [a, b] = names.map(luminance);
    return Math.max(a, b) / Math.min(a, b);
}"""


def in_place(events: Sequence[JobLogEvent], region: str, account: str = "111122223333") -> list[JobLogEvent]:
    """Return events with an account and a Region."""
    return [replace(event, detail={**event.detail, "account": account, "region": region}) for event in events]


def events_of_many(failing: Mapping[str, str] | None = None, **options: Any) -> list[JobLogEvent]:
    script = scripts.launch(MANY, failing=failing, **options)
    return played.events(script, "drsjob-1", created=NOW - HOUR, execution_id="exec-1")


def tabs_to(viewer: Viewer, name: str) -> int:
    """Return how often the user presses Tab until a control with a part of this text or class has the focus."""
    focused = f"{ELEMENT}.shadowRoot.activeElement"
    for number in range(1, 400):
        viewer.page.keyboard.press("Tab")
        if name in viewer.page.evaluate(f"(({focused})?.className ?? '') + ' ' + ({focused}?.textContent ?? '')"):
            return number
    raise AssertionError(f"{name} has never the focus")


# ---------------------------------------------------------------------------------------------------------------------
# Failures
# ---------------------------------------------------------------------------------------------------------------------


def test_equal_errors_are_shown_once_with_their_servers(recovery: Recovery, open_viewer: Opener) -> None:
    failing = {server: f"{DENIED}{'x' * number}" for number, server in enumerate(MANY[:7], 1)}
    recovery.happen(*events_of_many(failing | {MANY[7]: "vol-0123456789abcdef0 is too small", MANY[8]: "no rights"}))

    viewer = open_viewer()

    groups = viewer.find(".failures li")
    expect(groups).to_have_count(3)
    expect(groups.first.locator("strong")).to_have_text(f"Failed: {', '.join(MANY[:5])} and 2 more")
    expect(groups.first.locator(".excerpt")).to_have_text(f"{DENIED}x")
    expect(groups.last.locator("strong")).to_have_text(f"Failed: {MANY[8]}")


def test_server_with_the_error_of_an_earlier_one_says_so(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of_many(dict.fromkeys(MANY[:2], "no rights")))
    viewer = open_viewer()

    expect(viewer.find(".server .error pre:visible")).to_have_count(1)
    second = viewer.find(".server").nth(1)
    expect(second.locator("summary")).to_have_text(f"The same error as {MANY[0]}")
    second.locator("summary").click()
    expect(second.locator("pre")).to_be_visible()
    expect(second.locator("pre")).to_have_text("no rights")


def test_only_server_on_display_shows_its_own_error(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of_many(dict.fromkeys(MANY[:2], "no rights")))

    viewer = open_viewer(f"executions/exec-1?server={MANY[1]}")

    expect(viewer.find(".server:visible .error pre")).to_have_text("no rights")
    expect(viewer.find(".server:visible summary")).to_have_count(0)
    viewer.page.get_by_role("button", name="Clear filters").click()
    expect(viewer.find(".server:visible summary")).to_have_text(f"The same error as {MANY[0]}")


@pytest.mark.parametrize("part", [".jobs a", ".server a"])
def test_update_keeps_the_focus_of_a_link(recovery: Recovery, open_viewer: Opener, part: str) -> None:
    *events, end = in_place(events_of(scripts.launch(SERVERS[:1]), ago=HOUR), "us-east-1")
    *steps, launch = events
    recovery.happen(*steps)
    viewer = open_viewer()
    link = viewer.find(part).first
    link.focus()
    focused = link.inner_text()

    for event in (launch, end):
        recovery.happen(event)
        viewer.poll()

    expect(viewer.find(".jobs .badge")).to_have_text("Completed")
    assert viewer.page.evaluate(f"{ELEMENT}.shadowRoot.activeElement?.innerText") == focused


def test_first_failure_is_on_the_first_screen_of_a_phone(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*in_place(events_of_many({MANY[9]: f"{DENIED}{'x' * 900}"}, drill=False), "us-east-1"))

    viewer = open_viewer(width=390, height=844)

    box = viewer.find(".failures").bounding_box()
    assert box
    assert box["y"] + box["height"] < 844


def test_error_that_the_api_shortened_is_shown_and_copied_in_full(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    error = "no rights " * 2000
    recovery.happen(*events_of(scripts.launch(SERVERS, failing={SERVERS[1]: error}), ago=HOUR))

    def shorten(answer: dict[str, Any], _url: str) -> dict[str, Any]:
        servers = [server | {"error": server["error"] and server["error"][:8192]} for server in answer["servers"]]
        return answer | {"servers": servers, "truncated": True}

    change_answers(context, shorten)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    viewer = open_viewer()

    expect(viewer.find(".server .error pre")).to_have_text(error)
    viewer.page.get_by_role("button", name="Copy error").click()
    expect(viewer.find(".server .error button")).to_have_text("Copied")
    assert viewer.page.evaluate("navigator.clipboard.readText()") == error


def test_errors_that_differ_after_the_part_in_the_answer_are_not_the_same(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    errors = {SERVERS[0]: "no rights for A", SERVERS[1]: "no rights for B"}
    recovery.happen(*events_of(scripts.launch(SERVERS, failing=errors), ago=HOUR))

    def shorten(answer: dict[str, Any], _url: str) -> dict[str, Any]:
        servers = [server | {"error": server["error"] and "no rights"} for server in answer["servers"]]
        return answer | {"servers": servers, "truncated": True}

    change_answers(context, shorten)
    viewer = open_viewer()

    expect(viewer.find(".server .error pre:visible")).to_have_text(["no rights for B", "no rights for A"])


# ---------------------------------------------------------------------------------------------------------------------
# The list of servers
# ---------------------------------------------------------------------------------------------------------------------


def test_many_servers_that_are_done_are_folded(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of_many({MANY[3]: "no rights"}))
    viewer = open_viewer()
    expect(viewer.find(".server:visible")).to_have_count(1)
    expect(viewer.find("h3:has-text('Servers')")).to_have_text("Servers (30)")

    viewer.page.get_by_role("button", name="Show the 29 servers that are done").click()
    expect(viewer.find(".server:visible")).to_have_count(30)
    viewer.page.get_by_role("button", name="Hide the 29 servers that are done").click()
    viewer.page.get_by_label("Text").fill(MANY[7])
    expect(viewer.find(".server:visible")).to_have_count(1)
    expect(viewer.find(".server:visible .name")).to_have_text(MANY[7])


def test_user_sorts_the_servers(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS, failing={SERVERS[2]: "no rights"}, stuck=SERVERS[:1]), ago=HOUR))
    viewer = open_viewer()
    names = viewer.find(".server .name")
    expect(names).to_have_text(["prod-app-01", "prod-web-01", "prod-db-01"])

    order = viewer.page.get_by_label("Sort by")
    order.select_option("Name")
    expect(names).to_have_text(["prod-app-01", "prod-db-01", "prod-web-01"])
    order.select_option("Longest in its step")
    expect(names).to_have_text(["prod-web-01", "prod-app-01", "prod-db-01"])
    viewer.poll()
    expect(names.first).to_have_text("prod-web-01")


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("us-east-1", "us-east-1.console.aws.amazon.com"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"),
        ("evil.example.com/x-1", None),
        ("us-east-1.evil.example.com/-1", None),
        ("", None),
    ],
)
def test_ids_are_links_to_the_console_of_their_region(
    recovery: Recovery, open_viewer: Opener, region: str, domain: str | None
) -> None:
    recovery.happen(*in_place(events_of(scripts.launch(SERVERS), ago=HOUR), region))

    viewer = open_viewer()

    expect(viewer.find(".instance")).not_to_have_text(["", "", ""])
    links = [link.get_attribute("href") for link in viewer.find(".jobs a, .server:first-of-type a").all()]
    if domain is None:
        assert links == []
        return
    first = viewer.find(".server").first
    server, instance = first.locator("a").all()
    assert server.get_attribute("href") == f"https://{domain}/drs/home?region={region}#/sourceServers/{SERVERS[2]}"
    ec2 = f"https://{domain}/ec2/home?region={region}#InstanceDetails:instanceId={scripts.instance_id(SERVERS[2])}"
    assert instance.get_attribute("href") == ec2
    job = viewer.find(".jobs a").get_attribute("href")
    assert job == f"https://{domain}/drs/home?region={region}#/launchHistory/drsjob-1"
    assert instance.get_attribute("rel") == "noreferrer noopener"
    expect(viewer.find(".place")).to_have_text(f"Account 111122223333, {region}")


def test_drill_instances_that_are_left_are_shown_with_the_time_of_the_check(
    recovery: Recovery, open_viewer: Opener
) -> None:
    recovery.happen(*in_place(events_of(scripts.launch(SERVERS), ago=30 * HOUR), "us-east-1"))
    viewer = open_viewer()
    expect(viewer.find(".badge").first).to_be_visible()
    expect(viewer.find(".drill-instances:visible")).to_have_count(0)

    ids = [scripts.instance_id(server) for server in SERVERS[:2]]
    recovery.happen(derived("DRILL_INSTANCES_LEFT", 7 * HOUR, instanceIDs=ids, checkedAt=format_time(NOW - 6 * HOUR)))
    viewer.poll()

    left = viewer.find(".jobs .drill-instances")
    new_tab = "(opens a new tab)"
    expect(left).to_have_text(
        f"2 drill instances were not terminated at 2026-11-24 08:00:00: {ids[0]} {new_tab}, {ids[1]} {new_tab}"
    )
    domain = "us-east-1.console.aws.amazon.com"
    assert [link.get_attribute("href") for link in left.locator("a").all()] == [
        f"https://{domain}/ec2/home?region=us-east-1#InstanceDetails:instanceId={id_}" for id_ in ids
    ]
    expect(viewer.find(".server[data-state=LAUNCHED]")).to_have_count(3)


def test_details_contain_the_event_as_json(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS[:1]), ago=HOUR))
    viewer = open_viewer()

    viewer.find(".row button").first.click()
    viewer.find("dialog summary").click()

    event = viewer.page.evaluate("fetch('/executions/exec-1/logs').then((r) => r.json()).then((a) => a.logs.at(-1))")
    assert json.loads(viewer.find("dialog details pre").inner_text()) == event


# ---------------------------------------------------------------------------------------------------------------------
# Print
# ---------------------------------------------------------------------------------------------------------------------


def test_print_says_what_it_contains(recovery: Recovery, open_viewer: Opener, tmp_path: Path) -> None:
    events = in_place(events_of_many({MANY[3]: "no rights"}), "us-east-1")
    extra = [replace(events[0], event_id=f"e-{number}", message=f"event {number}") for number in range(5000)]
    recovery.happen(*events, *extra)
    viewer = open_viewer()
    expect(viewer.find("h3:has-text('Timeline')")).to_have_text(f"Timeline ({len(events) + 5000:,})")
    viewer.page.get_by_label("Time zone").select_option("UTC")

    def printed() -> str:
        viewer.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        viewer.page.emulate_media(media="print")
        text = viewer.find(".printed").inner_text()
        assert viewer.find(".row").count() <= 1000
        viewer.page.emulate_media(media="screen")
        viewer.page.evaluate("dispatchEvent(new Event('afterprint'))")
        return text

    newest = (
        f"The timeline has the newest 1,000 of {len(events) + 5000:,} events. Download the CSV file for all of them."
    )
    assert printed() == f"Printed at 2026-11-24 13:00:00. Times are in the time zone UTC. {newest}"
    viewer.page.pdf(path=tmp_path / "report.pdf", format="A4")
    pages = (tmp_path / "report.pdf").read_bytes().count(b"/Type /Page\n")
    assert 1 < pages <= 40
    expect(viewer.find(".printed")).to_have_css("clip-path", "inset(50%)")
    viewer.page.get_by_label("Text").fill("no rights")
    viewer.find(".filters select").first.select_option("FAILED")
    expect(viewer.find(".place")).to_have_text("Account 111122223333, us-east-1")
    assert printed() == (
        "Printed at 2026-11-24 13:00:00. Times are in the time zone UTC. "
        'Only what matches these filters: Text "no rights", State "Failed".'
    )


def test_print_shows_the_servers_that_are_folded_on_the_screen(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of_many())
    viewer = open_viewer()
    expect(viewer.find(".server:visible")).to_have_count(0)

    viewer.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    viewer.page.emulate_media(media="print")

    expect(viewer.find(".server:visible")).to_have_count(30)


# ---------------------------------------------------------------------------------------------------------------------
# Accessibility
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_launched_and_failed_differ_in_luminance_and_recovery_from_failure(
    recovery: Recovery, open_viewer: Opener, scheme: Any
) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS, failing={SERVERS[1]: "no rights"}, drill=False), ago=HOUR))
    viewer = open_viewer()
    viewer.page.emulate_media(color_scheme=scheme)

    bar = ".bar [data-state=LAUNCHED]", ".bar [data-state=FAILED]"
    assert viewer.page.evaluate(CONTRAST, bar) > 2.5
    assert viewer.page.evaluate(CONTRAST, [".kind", ".badge[data-state=FAILED]"]) > 1.5


def test_few_tab_presses_lead_to_the_timeline(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of_many(dict.fromkeys(MANY, "no rights")))
    viewer = open_viewer()

    assert tabs_to(viewer, "Go to the timeline") <= 5
    expect(viewer.page.get_by_role("button", name="Go to the timeline")).to_be_in_viewport()
    viewer.page.keyboard.press("Enter")

    assert viewer.page.evaluate(f"{ELEMENT}.shadowRoot.activeElement.className") == "timeline"
    expect(viewer.find(".timeline")).to_be_in_viewport()


def test_lists_are_tables_for_screen_readers(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS), ago=HOUR))
    viewer = open_viewer()
    servers = viewer.page.get_by_role("table", name="Servers")

    expect(servers.get_by_role("columnheader")).to_have_text(
        ["State", "Server", "Step", "Last change", "Instance", "Events", "Error"]
    )
    expect(servers.get_by_role("row")).to_have_count(4)
    expect(servers.get_by_role("row").nth(1).get_by_role("cell")).to_have_count(7)
    events = viewer.page.get_by_role("table", name="Events")
    expect(events.get_by_role("columnheader")).to_have_text(["Time", "Event", "Message", "Details"])
    expect(events.get_by_role("row").nth(1).get_by_role("cell")).to_have_count(4)


def test_progress_is_announced_at_most_every_thirty_seconds(recovery: Recovery, open_viewer: Opener) -> None:
    events = events_of(scripts.launch(SERVERS), ago=timedelta(minutes=10))
    launches = [place for place, event in enumerate(events) if event.event_type == "SERVER_LAUNCHED"]
    recovery.happen(*events[: launches[0]])
    viewer = open_viewer()
    polite = viewer.find("[aria-live=polite]")
    expect(polite).to_have_text("0 of 3 servers launched. In progress")

    recovery.happen(*events[: launches[1] + 1])
    viewer.poll(3)
    expect(viewer.find(".big")).to_have_text("2 of 3 servers launched")
    expect(polite).to_have_text("0 of 3 servers launched. In progress")
    viewer.poll(8)
    expect(polite).to_have_text("2 of 3 servers launched. In progress")


@pytest.mark.parametrize("part", [".jobs .id", ".counts b", ".failures strong", ".server .name", ".row .what"])
def test_update_keeps_the_selected_text(recovery: Recovery, open_viewer: Opener, part: str) -> None:
    events = events_of(scripts.launch(SERVERS, failing={SERVERS[0]: "no rights"}), ago=HOUR)
    (*_, last) = [event for event in events if event.source_server_id == SERVERS[2]]
    recovery.happen(*[event for event in events if event != last and event.source_server_id])
    viewer = open_viewer()
    text = viewer.find(part).first.inner_text()
    rows = viewer.find(".row").count()
    viewer.find(part).first.evaluate("element => getSelection().selectAllChildren(element)")
    assert viewer.page.evaluate(SELECTED) == text

    recovery.happen(last)
    viewer.poll()

    expect(viewer.find(".row")).to_have_count(rows + 1)
    assert viewer.page.evaluate(SELECTED) == text


def test_text_and_rows_follow_the_text_size_of_the_browser(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events_of(scripts.launch(SERVERS), ago=HOUR))
    viewer = open_viewer()
    parts = [".name", ".id", ".badge", ".counts", ".row", ".filters label", ".connection", "header button"]
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    before = [viewer.find(part).first.evaluate(size) for part in parts]
    height = viewer.find(".row").first.evaluate("element => element.clientHeight")

    viewer.page.evaluate("document.documentElement.style.fontSize = '200%'")

    assert [viewer.find(part).first.evaluate(size) for part in parts] == [2 * one for one in before]
    assert viewer.find(".row").first.evaluate("element => element.clientHeight") >= 2 * height - 1
