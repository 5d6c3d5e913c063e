"""The recovery points in the end of a job, from DRS to the answers of the API."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from drs_job_log.collect.collector import PassRequest
from drs_job_log.collect.drs_client import DrsClient
from drs_job_log.config import Target
from drs_job_log.model.events import format_time, is_job_end, parse_time

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator, throttling
from tests.support.pipeline import Pipeline
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drs_job_log.table import JobLogTable

pytestmark = pytest.mark.slow

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
ONE, TWO, THREE = (server_id(number) for number in (1, 2, 3))
CALL: Final = "DescribeRecoveryInstances"
DENIED: Final = ApiError("AccessDeniedException", "not authorized", status=403)
NOT_REPEATED: Final = ApiError("ValidationException")  # botocore sends the request once

SCRIPT: Final = replace(
    scripts.launch([ONE, TWO, THREE], failing={THREE: "no rights"}),
    recovery_points={ONE: -7 * MINUTE, TWO: -22 * MINUTE},
)


@pytest.fixture
def make_pipeline(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Pipeline]]:
    with DrsServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)

        def make(**environment: str) -> Pipeline:
            server.simulator = Simulator()
            return Pipeline(server.simulator, DrsClient(Target()), table, environment)

        yield make


def ends(pipeline: Pipeline) -> list[dict[str, Any]]:
    return [detail for detail in pipeline.published if is_job_end(detail["eventType"], detail)]


def points(end: dict[str, Any]) -> dict[str, str]:
    return {
        server["sourceServerID"]: server["pointInTime"]
        for server in end["participatingServers"]
        if "pointInTime" in server
    }


def play_until_end(pipeline: Pipeline, script: scripts.Script = SCRIPT) -> str:
    """Play a job until just before its end, and move the time after it. The next pass sees the end."""
    job_id = pipeline.start(script, ExecutionId="exec-1")
    assert script.end
    pipeline.play(script.end - SECOND)
    assert ends(pipeline) == []
    pipeline.now += 2 * SECOND
    return job_id


def test_the_end_of_a_job_has_the_recovery_points_of_its_launched_servers(
    make_pipeline: Callable[..., Pipeline],
) -> None:
    pipeline = make_pipeline(RPO_MINUTES="15")
    job_id = play_until_end(pipeline)
    created = pipeline.simulator.jobs[job_id].began

    pipeline.collect()
    pipeline.play(15 * MINUTE)

    (end,) = ends(pipeline)
    expected = {ONE: format_time(created - 7 * MINUTE), TWO: format_time(created - 22 * MINUTE)}
    assert points(end) == expected
    assert pipeline.simulator.calls[CALL] == 1
    body = pipeline.get("executions", "exec-1")
    assert {server["sourceServerId"]: (server["pointInTime"], server["rpoSeconds"]) for server in body["servers"]} == {
        ONE: (expected[ONE], 420.0),
        TWO: (expected[TWO], 1320.0),
        THREE: (None, None),
    }
    rpo = {"targetMinutes": 15, "seconds": 1320.0, "result": "MISSED", "serversOver": 1}
    assert body["rpo"] == rpo
    assert pipeline.get("jobs", job_id)["rpo"] == rpo


def test_a_point_of_an_instance_of_another_job_does_not_count(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    first = pipeline.start(SCRIPT)
    assert SCRIPT.end
    pipeline.now += SCRIPT.end - SECOND
    second = pipeline.start(replace(scripts.launch([TWO]), recovery_points={TWO: -MINUTE}))
    pipeline.now += 30 * MINUTE

    pipeline.collect()

    assert {end["jobID"]: set(points(end)) for end in ends(pipeline)} == {first: {ONE}, second: {TWO}}


@pytest.mark.parametrize("error", [throttling(), ApiError("InternalServerException", status=500)])
def test_the_end_waits_for_the_recovery_points(make_pipeline: Callable[..., Pipeline], error: ApiError) -> None:
    pipeline = make_pipeline()
    play_until_end(pipeline)
    pipeline.simulator.fail(CALL, *[error] * 6)  # botocore sends a request three times

    held = pipeline.collect()
    assert (held.failures, held.active_jobs, ends(pipeline)) == ({}, 1, [])
    assert pipeline.collect(3 * SECOND).failures == {}
    assert ends(pipeline) == []
    pipeline.collect(3 * SECOND)

    (end,) = ends(pipeline)
    assert set(points(end)) == {ONE, TWO}
    pipeline.play(15 * MINUTE)
    assert ends(pipeline) == [end]
    assert Counter(detail["eventId"] for detail in pipeline.published).most_common(1)[0][1] == 1


def test_the_end_is_sent_without_points_after_a_minute(
    make_pipeline: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = make_pipeline()
    job_id = play_until_end(pipeline)
    pipeline.simulator.fail(CALL, *[NOT_REPEATED] * 100)

    for _ in range(20):
        assert pipeline.collect(3 * SECOND).failures == {}
        assert ends(pipeline) == []
    assert pipeline.collect(3 * SECOND).failures == {}

    (end,) = ends(pipeline)
    assert points(end) == {}
    assert [record.getMessage() for record in caplog.records if "Recovery points" in record.getMessage()] == [
        "Recovery points not read"
    ]
    assert pipeline.get("jobs", job_id)["rpo"] is None
    pipeline.play(15 * MINUTE)
    assert ends(pipeline) == [end]


def test_the_end_has_the_same_key_with_and_without_points(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    job_id = play_until_end(pipeline)
    pipeline.simulator.fail(CALL, DENIED)

    pipeline.collect()
    pipeline.collector.collect(PassRequest(job_ids=[job_id]), pipeline.now)  # reads the table: nothing is sent again
    pipeline.cold_start()
    pipeline.collector._table = _Empty()  # type: ignore[assignment]
    pipeline.collect()

    first, second = ends(pipeline)
    assert (points(first), set(points(second))) == ({}, {ONE, TWO})
    assert (first["eventId"], first["logDateTime"]) == (second["eventId"], second["logDateTime"])
    assert len(pipeline.get("jobs", job_id)["logs"]) == len({detail["eventId"] for detail in pipeline.published})


class _Empty:
    """A table that has not stored any event yet."""

    def stored(self, *_: object) -> dict[str, dict[str, Any]]:
        return {}


def test_a_denied_request_does_not_hold_the_end_and_is_logged_once(
    make_pipeline: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = make_pipeline()
    pipeline.simulator.fail(CALL, DENIED, DENIED)
    for _ in range(2):
        play_until_end(pipeline)
        assert pipeline.collect().failures == {}
        (end,) = ends(pipeline)
        assert points(end) == {}
        pipeline.published.clear()

    denied = [record for record in caplog.records if "drs:DescribeRecoveryInstances" in record.getMessage()]
    assert len(denied) == 1
    assert "not authorized" in json.dumps(denied[0].__dict__, default=str)


def test_a_manual_pass_does_not_hold_the_end(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    job_id = play_until_end(pipeline)
    pipeline.simulator.fail(CALL, NOT_REPEATED)

    pipeline.collector.collect(PassRequest(job_ids=[job_id]), pipeline.now)

    (end,) = ends(pipeline)
    assert points(end) == {}


def test_a_corrected_end_keeps_the_points_of_instances_that_are_gone(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    assert SCRIPT.end
    late = replace(SCRIPT, late_statuses=[(SCRIPT.end + 20 * MINUTE, THREE, "LAUNCHED")])
    job_id = play_until_end(pipeline, replace(late, recovery_points={**SCRIPT.recovery_points, THREE: -MINUTE}))
    pipeline.collect()
    created = pipeline.simulator.jobs[job_id].began
    pipeline.start(replace(scripts.launch([ONE]), recovery_points={ONE: timedelta()}))  # replaces the instance
    pipeline.play(25 * MINUTE)

    corrected = [end for end in ends(pipeline) if "revision" in end]
    assert len(corrected) == 1
    assert {server: created - parse_time("point", point) for server, point in points(corrected[0]).items()} == {
        ONE: 7 * MINUTE,
        TWO: 22 * MINUTE,
        THREE: MINUTE,
    }


def test_a_job_without_launched_servers_needs_no_request(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    for script in (
        scripts.silent_failure([ONE]),
        scripts.network_recovery("sn-1234567890abcdef0"),
        scripts.terminate([TWO]),
    ):
        pipeline.start(script)
    pipeline.play(30 * MINUTE)

    assert len(ends(pipeline)) == 3
    assert CALL not in pipeline.simulator.calls


def test_the_end_of_a_large_job_has_all_points(make_pipeline: Callable[..., Pipeline]) -> None:
    servers = [server_id(number) for number in range(206)]
    failing = dict.fromkeys(servers[:5], "x" * 60000)
    pipeline = make_pipeline()
    pipeline.start(scripts.launch(servers, failing=failing))
    pipeline.now += 6 * 60 * MINUTE

    pipeline.collect()

    (end,) = ends(pipeline)
    assert set(points(end)) == set(servers[5:])
    assert pipeline.simulator.calls[CALL] == 3  # 200 servers in a request, and 100 instances in a page
