"""From a DRS job to rows of the events table: schedule, collector, event bus, queue and ingest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import scripts
from tests.support.deployment import Deployment, deployed, eventually
from tests.support.drs import ApiError, Simulator
from tests.support.scripts import STORED_AS, server_id

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = [server_id(number) for number in range(200)]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    names = {server: f"prod-web-{number:03}" for number, server in enumerate(SERVERS)}
    with deployed(Simulator(speed=20, names=names)) as deployment:
        yield deployment


def logged(deployment: Deployment, job_id: str) -> list[tuple[str, str, str | None]]:
    """Return the log of a job as DRS has it: time, name and server of each item."""
    return [
        (
            datetime.fromisoformat(item["logDateTime"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            item["event"],
            item["eventData"].get("sourceServerID"),
        )
        for item in deployment.drs.whole_log(job_id)
    ]


def stored(rows: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(row["Timestamp"], row["EventType"], row.get("SourceServerId")) for row in rows]


def test_a_job_of_200_servers_started_by_an_orchestrator_is_stored_as_drs_logged_it(deployment: Deployment) -> None:
    """The schedule invokes the collector."""
    failing = {SERVERS[7]: "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: …"}
    deployment.drs.script_of = lambda servers, drill: scripts.launch(
        servers, failing=failing, cleaned=SERVERS[::2], drill=drill
    )
    drs = deployment.stack.client("drs", endpoint_url=deployment.drs_server.endpoint)
    job_id = drs.start_recovery(
        sourceServers=[{"sourceServerID": server} for server in SERVERS],
        isDrill=True,
        tags={"ExecutionId": "exec-200"},
    )["job"]["jobID"]

    log = logged(deployment, job_id)
    assert len(log) == 2 + 200 * 6 + 100 * 2
    eventually(lambda: len(deployment.rows(job_id)) >= len(log), seconds=180)

    rows = deployment.rows(job_id)
    # Items with the same time have no defined order.
    assert sorted(stored(rows), key=str) == sorted(
        ((t, STORED_AS.get(e, "JOB_COMPLETED" if e == "JOB_END" else e), s) for t, e, s in log), key=str
    )
    assert {row["ExecutionId"] for row in rows} == {"exec-200"}
    assert {row["SourceServerName"] for row in rows if "SourceServerId" in row} == {
        f"prod-web-{number:03}" for number in range(200)
    }
    (failed,) = [row for row in rows if row["EventType"] == "SERVER_LAUNCH_FAILED"]
    assert (failed["SourceServerId"], failed["Error"]) == (SERVERS[7], failing[SERVERS[7]])
    assert failed["Message"] == "Server prod-web-007 failed to launch"
    assert rows[-1]["EventData"]["outcome"] == "PARTIAL"
    assert deployment.take_all(deployment.outputs["processing_dlq_url"]) == []


def test_a_failure_without_a_log_item_is_stored(deployment: Deployment) -> None:
    job_id = deployment.drs.start(scripts.silent_failure(SERVERS[:2]))

    deployment.wake()
    eventually(lambda: len(deployment.rows(job_id)) == 8, seconds=120)

    assert [row["EventType"] for row in deployment.rows(job_id)][-3:] == [
        *("SERVER_LAUNCH_FAILED", "SERVER_LAUNCH_FAILED", "JOB_FAILED")
    ]


def test_a_failed_network_recovery_is_failed(deployment: Deployment) -> None:
    """A network recovery is a LAUNCH job without servers."""
    script = scripts.network_recovery("sn-1234567890abcdef0", error="ROLLBACK_COMPLETE")
    job_id = deployment.drs.start(script)

    deployment.wake()
    eventually(lambda: len(deployment.rows(job_id)) == 5, seconds=120)

    rows = deployment.rows(job_id)
    assert [row["EventType"] for row in rows][-2:] == ["NETWORK_RECOVERY_FAIL", "JOB_FAILED"]
    assert rows[-1]["EventData"]["participatingResources"][0]["state"] == "FAILED"


def test_jobs_are_read_on_request(deployment: Deployment) -> None:
    job_id = deployment.drs.start(scripts.terminate(SERVERS[:1]))
    eventually(lambda: deployment.drs.is_over(job_id))

    answer = deployment.collect({"jobIds": [job_id]})

    assert answer["FunctionError"] is None
    assert answer["Payload"]["jobs"] == 1
    eventually(lambda: len(deployment.rows(job_id)) == 4)
    assert deployment.collect({"jobIds": [job_id]})["Payload"] == {"passes": 1, "jobs": 1, "emitted": 0}


def test_a_job_that_cannot_be_read_is_named_and_fails_the_invocation(deployment: Deployment) -> None:
    bad = deployment.drs.start(scripts.terminate(SERVERS[:1]))
    good = deployment.drs.start(scripts.terminate(SERVERS[1:2]))
    deployment.drs.fail(f"DescribeJobLogItems {bad}", *[ApiError("AccessDeniedException", status=403)] * 100)
    eventually(lambda: deployment.drs.is_over(bad) and deployment.drs.is_over(good))

    answer = deployment.collect({"jobIds": [bad, good]})

    assert answer["FunctionError"] == "Unhandled"
    assert bad in answer["Payload"]["errorMessage"]
    eventually(lambda: len(deployment.rows(good)) == 4)
    deployment.drs.clear_faults()
    deployment.collect({"jobIds": [bad]})
    eventually(lambda: len(deployment.rows(bad)) == 4)


def test_an_invalid_event_is_refused(deployment: Deployment) -> None:
    answer = deployment.collect({"jobIDs": ["drsjob-556c7b1d99221f996"]})

    assert answer["FunctionError"] == "Unhandled"
    assert 'the event must be {} for all due jobs, {"jobIds": ' in answer["Payload"]["errorMessage"]


def test_a_heartbeat_is_counted(deployment: Deployment) -> None:
    # The log of the embedded AWS does not contain the output of invocations by the schedule.
    assert deployment.collect()["FunctionError"] is None

    eventually(lambda: any(sum(line.get("CollectorHeartbeat", [0])) for line in deployment.metrics()), seconds=90)
