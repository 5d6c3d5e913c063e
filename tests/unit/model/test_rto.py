from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.model.rto import Rto, rto_of
from drs_job_log.model.summary import JobSummary
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

START = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def job(
    created: float = 0, launched: float | None = None, counts: Mapping[str, int] | None = None, **values: Any
) -> JobSummary:
    """Return a LAUNCH job. ``created`` and ``launched``: minutes after the start."""
    defaults: dict[str, Any] = {
        "job_id": f"drsjob-{created}",
        "execution_id": "exec-1",
        "job_type": "LAUNCH",
        "initiated_by": "START_DRILL",
        "is_drill": True,
        "status": "COMPLETED",
        "created_at": at(created),
        "ended_at": None,
        "account": None,
        "region": None,
        "counts": counts or {},
        "server_count": sum((counts or {}).values()),
        "last_launched_at": None if launched is None else at(launched),
        "rto_minutes": None,
        "end_key": None,
    }
    return JobSummary(**defaults | values)


DONE = job(0, 20, {"launched": 2})
FAILED = job(0, 20, {"launched": 1, "failed": 1}, status="PARTIAL")
RUNNING = job(30, 40, {"launched": 1, "converting": 1}, status="IN_PROGRESS")
ALL_LAUNCHED = job(30, 40, {"launched": 2}, status="IN_PROGRESS")


@pytest.mark.parametrize(
    ("jobs", "target", "now", "expected"),
    [
        ([DONE], 60, 90, (20, "MET")),
        ([DONE], 20, 90, (20, "MET")),
        ([DONE], 19, 90, (20, "MISSED")),
        ([FAILED], 60, 90, (20, "MISSED")),
        ([DONE, job(30, 50, {"launched": 1})], 60, 90, (50, "MET")),
        ([DONE, job(30, 50, {"launched": 1})], 49, 90, (50, "MISSED")),
        ([DONE, RUNNING], 60, 59, (40, None)),
        ([DONE, RUNNING], 60, 61, (40, "MISSED")),
        ([DONE, ALL_LAUNCHED], 60, 61, (40, None)),
        ([DONE, ALL_LAUNCHED], 39, 61, (40, "MISSED")),
        ([job(0, None, {"pending": 2}, status="IN_PROGRESS")], 60, 1, (None, None)),
        ([job(0, None, {"failed": 2}, status="FAILED")], 60, 90, (None, "MISSED")),
        ([job(0, None, {}, status="TERMINATED")], 60, 90, (None, "MISSED")),
        ([job(0, None, {})], 60, 90, (None, None)),  # a network recovery
        ([DONE, job(60, None, {"terminated": 2}, job_type="TERMINATE")], 60, 90, (20, "MET")),
        ([DONE, job(5, 80, {"launched": 1}, job_type=None)], 60, 90, (80, "MISSED")),
    ],
)
def test_the_result_depends_on_the_launches_and_the_time(
    jobs: list[JobSummary], target: int, now: float, expected: tuple[float | None, str | None]
) -> None:
    minutes, result = expected

    assert rto_of(jobs, target, at(now)) == Rto(
        target_minutes=target, actual_seconds=None if minutes is None else minutes * 60, result=result
    )


@pytest.mark.parametrize(("end", "result"), [(59, None), (60, None), (60.1, "AT_RISK")])
def test_an_estimate_after_the_target_is_a_risk(end: float, result: str | None) -> None:
    rto = rto_of([DONE, RUNNING], 60, at(50), at(end))
    assert rto is not None
    assert rto.result == result
    ended = rto_of([DONE], 60, at(90), at(end))
    assert ended is not None
    assert ended.result == "MET"


@pytest.mark.parametrize(
    ("tags", "objective", "target"),
    [((None, None), None, None), ((None, None), 60, 60), ((30, None), 60, 30), ((90, 45), 30, 45), ((0, None), 60, 60)],
)
def test_the_smallest_tag_overrides_the_objective(
    tags: tuple[int | None, ...], objective: int | None, target: int | None
) -> None:
    jobs = [job(number, 20, {"launched": 1}, rto_minutes=minutes) for number, minutes in enumerate(tags)]
    jobs.append(job(60, None, {"terminated": 2}, job_type="TERMINATE", rto_minutes=1))

    rto = rto_of(jobs, objective, at(90))

    assert (rto and rto.target_minutes) == target


def test_an_execution_without_a_launch_has_no_objective() -> None:
    assert rto_of([job(0, job_type="TERMINATE")], 60, at(90)) is None
    assert rto_of([], 60, at(90)) is None


def test_an_execution_between_two_waves_is_not_decided() -> None:
    rto = rto_of([DONE], 60, at(30), is_running=True)
    assert rto is not None
    assert rto.result is None


def test_a_server_that_a_later_job_launched_is_launched() -> None:
    repeated = [FAILED, job(25, 30, {"launched": 1})]

    by_job, by_server = rto_of(repeated, 60, at(90)), rto_of(repeated, 60, at(90), counts={"launched": 2, "failed": 0})

    assert by_job is not None
    assert by_server is not None
    assert (by_job.result, by_server.result, by_server.actual_seconds) == ("MISSED", "MET", 1800)


@given(
    launches=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=4),
    target=st.integers(1, 250),
    now=st.integers(200, 400),
)
def test_the_objective_is_met_if_the_last_launch_is_in_time(
    launches: list[tuple[int, int]], target: int, now: int
) -> None:
    jobs = [job(created, created + took, {"launched": 1}) for created, took in launches]

    rto = rto_of(jobs, target, at(now))

    last = max(created + took for created, took in launches) - min(created for created, _ in launches)
    assert rto == Rto(target_minutes=target, actual_seconds=last * 60, result="MET" if last <= target else "MISSED")


def test_a_network_recovery_has_no_result() -> None:
    """It is a LAUNCH job without servers."""
    running = job(status="IN_PROGRESS")
    ended = job(end_key="key", ended_at=at(25))

    for recovery in (running, ended):
        rto = rto_of([recovery], 10, at(20))
        assert rto is not None
        assert (rto.actual_seconds, rto.result) == (None, None)
