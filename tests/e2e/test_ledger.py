"""Two drills of the same servers, the second one slower: listed, found, compared, and the basis of an estimate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support import played, scripts
from tests.support.deployment import eventually

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

SLOWER: Final = 1.5
RTO_MINUTES: Final = 12
SERVERS: Final = [scripts.server_id(number) for number in range(100, 104)]
NOW: Final = datetime.now(UTC).replace(microsecond=0)
FIRST, SECOND = NOW - timedelta(days=9), NOW - timedelta(days=2)
ELAPSED: Final = timedelta(seconds=200)  # of the drill that runs while the tests read it
EVEN: Final = scripts.launch(SERVERS, seed=7)


def slower(script: scripts.Script, factor: float) -> scripts.Script:
    """Return a script whose steps take longer by a factor."""
    assert script.end is not None
    steps = [replace(step, after=step.after * factor) for step in script.steps]
    return replace(script, steps=steps, end=script.end * factor)


@pytest.fixture(scope="module")
def drills(deployment: Deployment) -> Deployment:
    """The deployment with two drills, and a running one that is as slow as the first one."""
    now = datetime.now(UTC)
    drills = {
        "ledger-1": (EVEN, FIRST, "exec-ledger-1"),
        "ledger-2": (slower(EVEN, SLOWER), SECOND, "exec-ledger-2"),
        "ledger-3": (EVEN, now - ELAPSED, "exec-ledger-3"),
    }
    counts: dict[str, int] = {}
    for job_id, (script, created, execution_id) in drills.items():
        details: list[dict[str, Any]] = [
            detail | ({"rtoMinutes": RTO_MINUTES} if "createdAt" in detail else {})
            for detail in played.details(script, job_id, created=created, execution_id=execution_id)
            if datetime.fromisoformat(detail["logDateTime"]) < now
        ]
        deployment.put_events(details)
        counts[job_id] = len(details)
    eventually(lambda: {job_id: len(deployment.rows(job_id)) for job_id in counts} == counts)
    return deployment


def entry(deployment: Deployment, execution_id: str) -> dict[str, Any]:
    """Return the entry of an execution in the list."""
    _, body = deployment.get("/executions")
    (found,) = [one for one in body["executions"] if one["executionId"] == execution_id]
    assert isinstance(found, dict)
    return found


def test_the_drills_are_listed_the_newest_first(drills: Deployment) -> None:
    status, body = drills.get("/executions?isDrill=true")

    ids = [execution["executionId"] for execution in body["executions"]]
    assert status == 200
    assert [id_ for id_ in ids if id_ and id_.startswith("exec-ledger")] == [f"exec-ledger-{n}" for n in (3, 2, 1)]
    first, second = entry(drills, "exec-ledger-1"), entry(drills, "exec-ledger-2")
    assert (first["status"], first["counts"]["launched"], first["counts"]["totalServers"]) == ("COMPLETED", 4, 4)
    assert second["durationSeconds"] == pytest.approx(SLOWER * first["durationSeconds"], rel=0.01)
    assert entry(drills, "exec-ledger-3")["status"] == "IN_PROGRESS"


def test_a_drill_is_found_by_server_and_date(drills: Deployment) -> None:
    since = (SECOND - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    until = (SECOND + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    of_server = drills.get(f"/executions?server={SERVERS[0]}")[1]["executions"]
    of_day = drills.get(f"/executions?server={SERVERS[0]}&from={since}&to={until}")[1]["executions"]
    of_other = drills.get(f"/executions?server={scripts.server_id(999)}")[1]["executions"]

    assert [execution["executionId"] for execution in of_server] == [f"exec-ledger-{n}" for n in (3, 2, 1)]
    assert [execution["executionId"] for execution in of_day] == ["exec-ledger-2"]
    assert of_other == []


def test_the_launches_of_a_server_have_their_steps(drills: Deployment) -> None:
    _, body = drills.get(f"/servers/{SERVERS[0]}")

    second, first = body["launches"]
    assert (first["executionId"], first["state"]) == ("exec-ledger-1", "LAUNCHED")
    for step in ("conversion", "launch"):
        assert second["stepSeconds"][step] == pytest.approx(SLOWER * first["stepSeconds"][step], rel=0.01)
    assert body["lastSuccess"]["jobId"] == "ledger-2"


def test_the_second_drill_is_compared_with_the_first(drills: Deployment) -> None:
    _, body = drills.get("/executions/exec-ledger-2/comparison")

    assert body["other"]["executionId"] == "exec-ledger-1"
    first = body["other"]["durationSeconds"]
    assert body["differenceSeconds"] == pytest.approx((SLOWER - 1) * first, rel=0.01)
    assert (body["newFailures"], body["onlyInThis"], body["onlyInOther"]) == ([], [], [])
    assert len(body["servers"]) == len(SERVERS)


def test_one_drill_meets_its_objective_and_the_other_one_misses_it(drills: Deployment) -> None:
    met, missed = entry(drills, "exec-ledger-1")["rto"], entry(drills, "exec-ledger-2")["rto"]

    assert (met["targetMinutes"], met["result"], missed["result"]) == (RTO_MINUTES, "MET", "MISSED")
    assert missed["actualSeconds"] == pytest.approx(SLOWER * met["actualSeconds"], rel=0.01)
    assert met["actualSeconds"] <= 60 * RTO_MINUTES < missed["actualSeconds"]
    assert drills.get("/executions/exec-ledger-2/logs?limit=1")[1]["rto"] == missed


def test_the_running_drill_is_estimated_from_the_earlier_ones(drills: Deployment) -> None:
    path = "/executions/exec-ledger-3/logs?limit=1"
    # A request reads the earlier launches for a limited time, and the next one continues.
    eventually(lambda: drills.get(path)[1]["estimate"] is not None)
    _, body = drills.get(path)
    estimate, now = body["estimate"], datetime.fromisoformat(body["now"])
    expected, earliest, latest = (
        datetime.fromisoformat(estimate[name]) for name in ("expectedEnd", "earliestEnd", "latestEnd")
    )
    assert EVEN.end is not None
    assert estimate["basis"] == "server"
    assert earliest <= expected <= latest
    # Between the durations of the two earlier drills, or later if the test began late: the job logs nothing new.
    start = datetime.fromisoformat(body["waves"][0]["startedAt"])
    assert start + 0.8 * EVEN.end <= expected <= max(start + 1.2 * SLOWER * EVEN.end, now + EVEN.end)
    assert {server["estimate"]["basis"] for server in body["servers"] if server["estimate"]} == {"server"}
