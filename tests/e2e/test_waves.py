"""Executions of two and three waves: from events to linked rows and an updated executions table.

The schedule invokes the linker once. After that, the tests invoke it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from playwright.sync_api import expect

from tests.support import played, scripts
from tests.support.deployment import SIGNED, eventually
from tests.support.gateway import LOGS, GatewayServer
from tests.support.openapi import ANSWERS, DOCUMENT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.deployment import Deployment

document = schemathesis.openapi.from_path(DOCUMENT)

SERVERS = [scripts.server_id(number) for number in range(6)]
GOOD = scripts.launch(SERVERS[:2])
MIXED = scripts.launch(SERVERS[2:4], failing={SERVERS[3]: "no rights"})
SILENT = scripts.silent_failure(SERVERS[4:])
NOW = datetime.now(UTC)


def details(script: scripts.Script, job_id: str, execution_id: str | None = None) -> list[dict[str, Any]]:
    # The linker looks for the execution every minute for an hour. On a slow machine, NOW is old when the test runs.
    return played.details(script, job_id, created=NOW - timedelta(minutes=40), execution_id=execution_id)


def executions_of(deployment: Deployment, job_id: str) -> set[str | None]:
    return {row.get("ExecutionId") for row in deployment.rows(job_id)}


def test_a_wave_without_a_tag_is_linked_after_the_orchestrator_wrote_its_job(deployment: Deployment) -> None:
    """Its events arrive before, during and after linking. The end of the first wave does not end the execution.

    The linker's schedule does the first linking.
    """
    deployment.put_execution("exec-two", ["two-1"], TotalWaves=2)
    deployment.put_events(details(GOOD, "two-1", "exec-two"))
    deployment.put_events((untagged := details(MIXED, "two-2"))[:5])
    eventually(lambda: len(deployment.rows("two-2")) == 5 and deployment.waiting() == 0)
    assert executions_of(deployment, "two-1") == {"exec-two"}
    assert executions_of(deployment, "two-2") == {None}
    assert deployment.execution("exec-two")["Status"] == "POLLING"

    deployment.put_execution("exec-two", ["two-1", "two-2"], TotalWaves=2)
    deployment.put_events(untagged[:10])
    eventually(lambda: executions_of(deployment, "two-2") == {"exec-two"}, seconds=150)
    deployment.put_events(untagged)
    eventually(lambda: len(deployment.rows("two-2")) == len(untagged) and deployment.waiting() == 0)
    deployment.link()

    eventually(lambda: deployment.execution("exec-two")["Status"] != "POLLING", seconds=150)
    eventually(lambda: executions_of(deployment, "two-2") == {"exec-two"}, seconds=150)
    rows = deployment.rows("two-2")
    assert [row["EventId"] for row in rows] == [detail["eventId"] for detail in untagged]
    assert not any("UnlinkedJobId" in row for row in rows)
    execution = deployment.execution("exec-two")
    assert execution["Status"] == "PARTIAL"
    assert execution["EndTime"] == max(row["Timestamp"] for row in rows + deployment.rows("two-1"))
    assert execution["TotalWaves"] == 2


def test_the_api_answers_signed_requests(deployment: Deployment) -> None:
    """Reads the execution of the previous test: two waves, with a failed server in the second."""
    path = "/executions/exec-two/logs"
    assert deployment.get(path, auth=None)[0] == 403

    status, body = deployment.get(path)

    assert (status, body["status"], body["settled"]) == (200, "PARTIAL", True)
    assert body["summary"]["launched"] == 3
    assert [server["error"] for server in body["servers"]] == [None, None, None, "no rights"]
    rows = deployment.rows("two-1") + deployment.rows("two-2")
    assert [entry["eventId"] for entry in body["logs"]] == [
        row["EventId"] for row in sorted(rows, key=lambda row: (row["Timestamp"], row["JobId"], row["EventId"]))
    ]
    status, page = deployment.get(f"{path}?limit=20")
    assert deployment.get(f"{path}?nextToken={page['nextToken']}")[1]["logs"] == body["logs"][20:]
    assert deployment.get("/jobs/two-2/logs")[1]["executionId"] == "exec-two"


def test_the_viewer_shows_an_execution_and_its_updates(deployment: Deployment, browser: Browser) -> None:
    """Opens the deployed viewer through a proxy that signs the browser's requests."""
    with GatewayServer(deployment.signing_proxy) as proxy:
        page = browser.new_page()
        page.goto(f"{proxy.address}/executions/exec-two")
        expect(page.locator(".big")).to_have_text("3 of 4 servers launched")
        expect(page.locator(".server .error pre")).to_have_text("no rights")

        first, *others = played.details(GOOD, "live-1", created=datetime.now(UTC), execution_id="exec-live")
        page.goto(f"{proxy.address}/executions/exec-live")
        expect(page.locator(".empty")).to_contain_text("No events for exec-live yet.")
        deployment.put_events([first])
        expect(page.locator(".big")).to_have_text("0 of 2 servers launched")
        page.wait_for_event("response", lambda answer: answer.status == 304)  # a poll of the unchanged log
        deployment.put_events(others)
        expect(page.locator(".big")).to_have_text("2 of 2 servers launched")
        page.close()


RUNS = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@document.include(path=LOGS[0]).parametrize()
@RUNS
def test_responses_for_executions_conform_to_the_openapi_document(
    case: schemathesis.Case, deployment: Deployment
) -> None:
    if len(case.path_parameters.get("executionId", "")) % 2:
        case.path_parameters = {"executionId": "exec-two"}
    case.call_and_validate(base_url=deployment.api_url, auth=SIGNED, checks=ANSWERS)


@document.include(path=LOGS[1]).parametrize()
@RUNS
def test_responses_for_jobs_conform_to_the_openapi_document(case: schemathesis.Case, deployment: Deployment) -> None:
    if len(case.path_parameters.get("jobId", "")) % 2:
        case.path_parameters = {"jobId": "two-2"}
    case.call_and_validate(base_url=deployment.api_url, auth=SIGNED, checks=ANSWERS)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/executions/exec-two/logs?limit=0", 400),
        ("/executions/exec-two/logs?since=soon", 400),
        ("/executions/exec-two/logs?nextToken=forged", 400),
        (f"/executions/{'x' * 5000}/logs", 400),
        ("/executions/a/b/logs", 404),
        ("/executions/%F0%9F%9A%92/logs", 200),
    ],
)
def test_errors_have_the_documented_shape(deployment: Deployment, path: str, status: int) -> None:
    answered, body = deployment.get(path)

    assert answered == status
    assert status == 200 or list(body) == ["message"]


def test_an_execution_of_three_waves_ends_once(deployment: Deployment) -> None:
    jobs = {"three-1": GOOD, "three-2": MIXED, "three-3": SILENT}
    deployment.put_execution("exec-three", list(jobs))
    first, *others = (details(script, job, "exec-three") for job, script in jobs.items())
    deployment.put_events(first)
    eventually(lambda: len(deployment.rows("three-1")) == len(first) and deployment.waiting() == 0)
    assert deployment.execution("exec-three")["Status"] == "POLLING"

    deployment.put_events([detail for pair in zip(*map(reversed, others), strict=False) for detail in pair])
    deployment.put_events([detail for wave in others for detail in wave])

    eventually(lambda: deployment.execution("exec-three")["Status"] == "PARTIAL")
    assert deployment.take_all(deployment.outputs["processing_dlq_url"]) == []


def test_a_cancelled_execution_stays_cancelled_and_an_unknown_one_is_not_created(
    deployment: Deployment,
) -> None:
    deployment.put_execution("exec-cancelled", ["cancelled-1"], Status="CANCELLED")
    deployment.put_events(details(SILENT, "cancelled-1", "exec-cancelled"))
    deployment.put_events(details(SILENT, "unknown-1", "exec-unknown"))

    eventually(lambda: len(deployment.rows("unknown-1")) == 8 and deployment.waiting() == 0)
    assert deployment.execution("exec-cancelled")["Status"] == "CANCELLED"
    assert deployment.execution("exec-unknown") == {}
    eventually(lambda: any(line.get("ExecutionsMissing") == [1] for line in deployment.metrics()))
