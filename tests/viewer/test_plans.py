"""Recovery plans: their steps, also those without a job, their events and their status."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support import played_plans, scripts
from tests.support.plans import Action, Plan, ServerStep, WaitStep
from tests.viewer.conftest import NAMES, NOW, SERVERS, change_answers
from tests.viewer.test_attention import RECORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drs_job_log.model.events import JobLogEvent
    from playwright.sync_api import BrowserContext, Locator

    from tests.support.recovery import Recovery
    from tests.viewer.conftest import Opener, Viewer

MINUTE = timedelta(minutes=1)
WEB, DB, APP = SERVERS
RUNNING, FAILED, DONE = "\N{BLACK RIGHT-POINTING TRIANGLE}", "\N{MULTIPLICATION X}", "\N{CHECK MARK}"
PATH = "executions/rpe-1"
PERSON = "The plan waits for a person: retry or skip the step in DRS."

# The step of the database takes about 9 minutes, and the wait begins then.
SHOP = Plan(
    name="shop",
    steps=[
        ServerStep(name="data", critical=[DB]),
        WaitStep(name="warm up", minutes=10),
        ServerStep(name="web", critical=[WEB], optional=[APP]),
    ],
)


def failing(*servers: str) -> Callable[..., scripts.Script]:
    return partial(scripts.launch, failing=dict.fromkeys(servers, "no capacity"))


FAILING = replace(SHOP, steps=[replace(SHOP.steps[0], attempts=[failing(DB)]), *SHOP.steps[1:]])
OPTIONAL = replace(SHOP, steps=[*SHOP.steps[:2], replace(SHOP.steps[2], attempts=[failing(APP)])])


def events(
    plan: Plan = SHOP, *, ago: timedelta, actions: Sequence[Action] = (), until: timedelta = timedelta()
) -> list[JobLogEvent]:
    """Return the events of the execution rpe-1 that started ``ago``, with server names. ``until``: as ``ago``."""
    names = dict(zip(SERVERS, NAMES, strict=True))
    return played_plans.events(plan, created=NOW - ago, now=NOW - until, actions=actions, names=names)


def listed_steps(viewer: Viewer) -> Locator:
    return viewer.find(".steps > li")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("plan", [SHOP, FAILING], ids=["waiting", "failed"])
def test_plan_is_accessible(recovery: Recovery, open_viewer: Opener, plan: Plan, scheme: Any) -> None:
    recovery.happen(*events(plan, ago=12 * MINUTE))
    viewer = open_viewer(PATH, is_paused=False)
    viewer.page.emulate_media(color_scheme=scheme)

    assert Axe().run(viewer.page).response["violations"] == []


def test_plan_before_its_first_job(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=timedelta(seconds=1)))

    viewer = open_viewer(PATH)

    expect(viewer.find(".big")).to_have_text("0 of 3 servers launched")
    expect(viewer.find(".wave")).to_have_text("Step 1 of 3 has not started")
    expect(listed_steps(viewer).locator(".badge")).to_have_text(["Not started"] * 3)
    expect(viewer.find(".plan")).to_have_text("Recovery plan shop. Status in DRS: Created")
    expect(viewer.find(".kind")).to_have_text("Drill")
    expect(viewer.find(".connection")).to_contain_text("Live.")
    before = viewer.find(".elapsed").inner_text()
    viewer.move_on(2)
    expect(viewer.find(".elapsed")).not_to_have_text(before)


def test_steps_are_shown_although_they_have_no_job(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=12 * MINUTE))

    viewer = open_viewer(PATH)

    first, second, third = listed_steps(viewer).all()
    expect(viewer.find(".steps strong")).to_have_text(['Step 1 "data"', 'Step 2 "warm up"', 'Step 3 "web"'])
    expect(viewer.find(".steps .badge")).to_have_text(["Completed", "Waiting", "Not started"])
    expect(first).to_contain_text("1 critical server: 1 launched")
    expect(first).to_contain_text("Job 1")
    expect(second).to_contain_text("Wait of 10 minutes")
    expect(second).to_have_attribute("aria-current", "step")
    expect(third).to_contain_text("1 critical server, 1 optional server")
    expect(third.locator(".id")).to_have_text(f"{WEB}, {APP} (optional)")
    assert first.get_attribute("aria-current") is None
    expect(viewer.find(".jobs > li")).to_contain_text('step 1 "data"', ignore_case=True)
    expect(viewer.find(".plan")).to_have_text("Recovery plan shop. Status in DRS: In progress")


def test_waiting_plan_is_not_complete(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=12 * MINUTE))

    viewer = open_viewer(PATH)

    expect(viewer.find(".big")).to_have_text("1 of 3 servers launched")
    expect(viewer.find(".wave")).to_have_text("Step 2 of 3 waits")
    expect(viewer.find("header .badge")).to_have_text("In progress")
    expect(viewer.find(".connection")).to_contain_text("Live. Step 2 of 3 waits.")
    expect(viewer.find(".counts")).to_have_text("1 launched1 step to come")
    expect(viewer.find("[aria-live=polite]")).to_have_text("1 of 3 servers launched. Step 2 of 3 waits. In progress")
    expect(viewer.page).to_have_title(f"{RUNNING} 1/3 · step 2 waits · rpe-1")
    bar = viewer.find(".bar")
    assert [bar.get_attribute(f"aria-value{name}") for name in ("now", "max")] == ["1", "3"]
    assert bar.get_attribute("aria-valuetext") == "1 of 3 servers launched, Step 2 of 3 waits, 1 step to come"
    assert bar.locator(".to-come").evaluate("part => part.style.flexGrow") == "2"


def test_wait_at_the_end_is_not_complete(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(replace(SHOP, steps=SHOP.steps[:2]), ago=12 * MINUTE))

    viewer = open_viewer(PATH)

    expect(viewer.find(".big")).to_have_text("1 of 1 server launched")
    expect(viewer.find(".wave")).to_have_text("Step 2 of 2 waits")
    expect(viewer.page).to_have_title(f"{RUNNING} 1/1 · step 2 waits · rpe-1")
    expect(viewer.find("header .badge")).to_have_text("In progress")


def test_end_of_a_wait_is_in_the_selected_time_zone(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=12 * MINUTE))
    viewer = open_viewer(PATH)
    wait = listed_steps(viewer).nth(1).locator(".wait")
    # 14:00 in Berlin. The job took 8 minutes 51 seconds.
    expect(wait).to_contain_text("Waits until 2026-11-24 14:0")
    hour = wait.locator("time").inner_text()
    left = wait.locator(".muted").inner_text()

    viewer.page.get_by_label("Time zone").select_option("UTC")
    viewer.move_on(5)

    expect(wait.locator("time")).to_have_text(hour.replace(" 14:", " 13:"))
    expect(wait.locator(".muted")).not_to_have_text(left)
    assert left.endswith(" left)")


def test_the_next_step_replaces_the_wait(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=25 * MINUTE, until=13 * MINUTE))
    viewer = open_viewer(PATH)
    waiting = listed_steps(viewer).nth(1)
    expect(waiting.locator(".wait")).to_be_visible()
    recovery.happen(*events(ago=25 * MINUTE))
    viewer.poll()

    expect(viewer.find(".steps .badge")).to_have_text(["Completed", "Completed", "In progress"])
    expect(waiting.locator(".wait")).to_be_hidden()
    expect(viewer.find(".wave")).to_have_text("Step 3 of 3")
    expect(viewer.find(".wait time")).to_have_count(0)


def test_failed_step_waits_for_a_person(recovery: Recovery, open_viewer: Opener, context: BrowserContext) -> None:
    context.add_init_script(RECORDER.replace("PERMISSION", "granted"))
    recovery.happen(*events(FAILING, ago=15 * MINUTE, until=10 * MINUTE))
    viewer = open_viewer(PATH)
    viewer.find("#notification").check()

    recovery.happen(*events(FAILING, ago=15 * MINUTE))
    viewer.poll()

    first = listed_steps(viewer).first
    expect(first.locator(".badge")).to_have_text("Failed")
    expect(first.locator(".person")).to_contain_text(PERSON)
    expect(first.get_by_role("link", name="DRS console")).to_have_attribute(
        "href", "https://us-east-1.console.aws.amazon.com/drs/home?region=us-east-1"
    )
    expect(first.locator(".error pre")).to_contain_text("SERVERS_FAILED")
    expect(viewer.find(".failures li").first).to_have_text(f'Failed: Step 1 "data"{PERSON}')
    expect(viewer.find("[aria-live=assertive]")).to_have_text(f'Failed: {NAMES[1]}. Failed: Step 1 "data". {PERSON}')
    expect(viewer.find(".connection")).to_contain_text(PERSON)
    expect(viewer.find("header .badge")).to_have_text("Failed so far")
    expect(viewer.find(".plan")).to_have_text("Recovery plan shop. Status in DRS: Failed")
    expect(viewer.page).to_have_title(f"{FAILED} 0/3, 1 failed · waits for a person · rpe-1")
    assert viewer.page.evaluate("window.told") == [f'Failed: {NAMES[1]}, Step 1 "data", rpe-1']


def test_step_that_fails_without_a_job_is_a_failure(recovery: Recovery, open_viewer: Opener) -> None:
    invalid = replace(SHOP.steps[0], attempts=["no recovery point"])
    recovery.happen(*events(replace(SHOP, steps=[invalid, *SHOP.steps[1:]]), ago=2 * MINUTE))

    viewer = open_viewer(PATH)

    expect(viewer.page).to_have_title(f"{FAILED} 0/3 · waits for a person · rpe-1")
    assert "icon-failed" in viewer.page.evaluate("document.querySelector('link[rel=icon]').href")
    expect(viewer.find(".failures")).to_contain_text('Step 1 "data"')
    expect(listed_steps(viewer).first.locator("pre")).to_have_text("VALIDATION_FAILED: no recovery point")
    expect(viewer.find(".servers")).to_be_hidden()


def test_retried_step_has_its_attempt_and_both_jobs(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(FAILING, ago=40 * MINUTE, actions=[Action(15 * MINUTE, "retry", 1)]))

    viewer = open_viewer(PATH)

    first = listed_steps(viewer).first
    expect(first.locator(".badge")).to_have_text("Completed")
    expect(first.locator(".mark").filter(visible=True)).to_have_text("Attempt 2")
    expect(first).to_contain_text("1 critical server: 1 launched")
    expect(first).to_contain_text("Job 1, Job 2")
    expect(listed_steps(viewer).nth(1).locator(".mark")).to_be_hidden()
    names = ["All jobs", "Job 1 (step 1)", "Job 2 (step 1)", "Job 3 (step 3)"]
    jobs = viewer.page.get_by_role("combobox", name="Job")
    expect(jobs.locator("option")).to_have_text(names)
    jobs.select_option("Job 3 (step 3)")
    expect(viewer.find(".server:visible .name")).to_have_count(2)
    assert not any("Plan" in text for text in viewer.find(".row .type").all_inner_texts())


def test_optional_server_is_marked_and_the_plan_is_partial(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(OPTIONAL, ago=60 * MINUTE))

    viewer = open_viewer(PATH)

    expect(viewer.find("header .badge")).to_have_text("Partial")
    expect(viewer.find(".reason")).to_have_text(
        "DRS reports the recovery plan as completed. It has servers that are not launched: 1."
    )
    expect(viewer.find(".plan")).to_have_text("Recovery plan shop. Status in DRS: Completed")
    expect(viewer.find(f".server:has-text('{NAMES[2]}') .mark").filter(visible=True)).to_have_text("Optional")
    expect(viewer.find(f".server:has-text('{NAMES[0]}') .mark")).to_be_hidden()
    expect(listed_steps(viewer).nth(2)).to_contain_text("1 critical server, 1 optional server: 1 launched, 1 failed")
    expect(listed_steps(viewer).nth(2).locator(".badge")).to_have_text("Completed")
    expect(viewer.find(".wave")).to_have_text("Step 3 of 3")


def test_skipped_step_is_shown(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=60 * MINUTE, actions=[Action(MINUTE, "skip", 3)]))

    viewer = open_viewer(PATH)

    expect(viewer.find(".steps .badge")).to_have_text(["Completed", "Completed", "Skipped"])
    expect(viewer.find(".big")).to_have_text("1 of 1 server launched")
    expect(viewer.find(".reason")).to_contain_text('skipped steps: "web"')
    expect(viewer.find(".counts")).not_to_contain_text("to come")
    expect(viewer.find(".plan-error .message")).to_contain_text("Completed with skipped steps.")
    expect(viewer.page).to_have_title(f"{FAILED} 1/1 · rpe-1")


def test_complete_plan(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=60 * MINUTE))

    viewer = open_viewer(PATH)

    expect(viewer.page).to_have_title(f"{DONE} 3/3 · rpe-1")
    expect(viewer.find(".connection")).to_contain_text("The execution is complete.")
    expect(viewer.find(".failures")).to_be_hidden()
    assert viewer.find(".flag.of-wave").all_inner_texts() == ["Step 3"]


def test_cancelled_plan(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=60 * MINUTE, actions=[Action(MINUTE, "cancel")]))

    viewer = open_viewer(PATH)

    expect(viewer.find("header .badge")).to_have_text("Cancelled")
    expect(viewer.find(".steps .badge")).to_have_text(["Completed", "Skipped", "Skipped"])
    expect(viewer.find(".plan")).to_have_text("Recovery plan shop. Status in DRS: Cancelled")


def test_step_that_times_out_is_a_failure_without_a_retry(recovery: Recovery, open_viewer: Opener) -> None:
    stuck = replace(SHOP.steps[0], attempts=[partial(scripts.launch, stuck=[DB])])
    plan = replace(SHOP, steps=[stuck, *SHOP.steps[1:]], limit=30 * MINUTE)
    recovery.happen(*events(plan, ago=40 * MINUTE))

    viewer = open_viewer(PATH)

    expect(viewer.find(".row.failure .type")).to_have_text(["Plan failed", "Plan step timed out"])
    expect(listed_steps(viewer).first.locator(".badge")).to_have_text("Timed out")
    expect(viewer.find(".person")).to_have_count(0)
    expect(viewer.find(".failures")).to_contain_text("TIMED_OUT: The execution reached its time limit")
    expect(viewer.find(".counts")).not_to_contain_text("to come")


def test_events_of_a_plan_belong_to_no_server_and_no_job(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(FAILING, ago=15 * MINUTE))
    viewer = open_viewer(PATH)

    failures = {"Plan failed", "Plan step failed", "Job failed", "Server launch failed"}
    assert set(viewer.find(".row.failure .type").all_inner_texts()) == failures
    expect(viewer.page.get_by_role("combobox", name="Job").locator("option")).to_have_count(2)
    expect(viewer.find(".jobs > li")).to_have_count(1)
    assert not any("rpe-1" in (link.get_attribute("href") or "") for link in viewer.find("a").all())
    viewer.find(".row:has-text('Plan step failed') button").click()
    dialog = viewer.find("dialog")
    expect(dialog.locator("dt").filter(has_text="Plan execution")).to_have_count(1)
    expect(dialog.locator("dt").filter(has_text="Job ID")).to_have_count(0)
    expect(dialog.locator("a")).to_have_count(0)
    expect(dialog.get_by_role("group", name="Error for the recovery plan")).to_have_count(1)
    dialog.get_by_role("button", name="Close").click()
    viewer.page.get_by_role("combobox", name="Server").select_option(DB)
    assert not any("Plan" in text for text in viewer.find(".row .type").all_inner_texts())


def test_too_large_answer_counts_no_plan_as_a_job(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext
) -> None:
    recovery.happen(*events(ago=12 * MINUTE))
    change_answers(context, lambda answer, _: answer | {"truncated": True})

    viewer = open_viewer(PATH)

    expect(viewer.find(".truncation")).not_to_contain_text("lists only")
    expect(viewer.find(".elapsed")).to_contain_text("12 min")


def test_print_and_csv_have_the_plan(recovery: Recovery, open_viewer: Opener) -> None:
    recovery.happen(*events(ago=12 * MINUTE))
    viewer = open_viewer(PATH)

    with viewer.page.expect_download() as download:
        viewer.page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))

    of_plan = [row for row in rows if row["eventType"].startswith("PLAN_")]
    assert [row["eventType"] for row in of_plan][-1] == "PLAN_STEP_WAITING"
    assert {(row["jobId"], row["sourceServerId"]) for row in of_plan} == {("rpe-1", "")}
    viewer.page.emulate_media(media="print")
    viewer.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    expect(listed_steps(viewer).nth(2)).to_be_visible()
    expect(viewer.find(".row:has-text('Plan step waiting')")).to_be_visible()


def test_plan_of_an_answer_for_its_own_id_as_a_job(recovery: Recovery, open_viewer: Opener) -> None:
    """Its log contains only the events of the plan."""
    recovery.happen(*events(ago=12 * MINUTE))

    viewer = open_viewer("jobs/rpe-1")

    expect(viewer.find(".steps .badge")).to_have_text(["Completed", "Waiting", "Not started"])


@pytest.mark.parametrize("missing", [{"stepStatus": "PAUSED"}, {"name": None, "attempt": None, "waitingUntil": None}])
def test_step_with_unknown_values(
    recovery: Recovery, open_viewer: Opener, context: BrowserContext, missing: dict[str, Any]
) -> None:
    recovery.happen(*events(ago=12 * MINUTE))
    change_answers(context, lambda answer, _: answer | {"waves": [wave | missing for wave in answer["waves"]]})

    viewer = open_viewer(PATH)

    expect(listed_steps(viewer)).to_have_count(3)
    expect(viewer.find(".big")).to_contain_text("launched")
