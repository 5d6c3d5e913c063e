from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from drs_job_log.model.comparison import (
    StepFigures,
    best_candidate,
    compare,
    counts_of,
    newest_servers,
)
from drs_job_log.model.summary import JobSummary, ServerSummary
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)


def server(id_: str, state: str = "LAUNCHED", **seconds: float) -> ServerSummary:
    return ServerSummary(source_server_id=id_, server_name=None, state=state, step_seconds=seconds)


def by_id(*servers: ServerSummary) -> dict[str, ServerSummary]:
    return {one.source_server_id: one for one in servers}


def job(number: int, status: str = "COMPLETED", job_type: str = "LAUNCH") -> JobSummary:
    values: dict[str, Any] = dict.fromkeys(JobSummary.__dataclass_fields__)
    values |= {"job_id": f"drsjob-{number}", "status": status, "job_type": job_type, "counts": {}}
    return JobSummary(**values | {"created_at": NOW + timedelta(hours=number), "server_count": 0})


def test_the_steps_of_two_executions_are_compared() -> None:
    this = by_id(server("a", snapshot=1, launch=300), server("b", snapshot=3), server("c", snapshot=8))
    other = by_id(server("a", snapshot=2, wait=50), server("d", snapshot=4))

    comparison = compare(this, other)

    snapshot, wait, conversion, launch = comparison.steps
    assert (snapshot.this, snapshot.other) == (
        StepFigures(count=3, median=3, max=8),
        StepFigures(count=2, median=3, max=4),
    )
    assert (snapshot.difference, wait.difference, launch.difference) == (0, None, None)
    assert (wait.this, wait.other) == (None, StepFigures(count=1, median=50, max=50))
    assert (conversion.this, conversion.other) == (None, None)
    (both,) = comparison.servers
    assert both.steps() == {"snapshot": (1, 2), "wait": (None, 50), "launch": (300, None)}
    assert [one.source_server_id for one in comparison.only_in_this] == ["b", "c"]
    assert [one.source_server_id for one in comparison.only_in_other] == ["d"]


def test_new_and_resolved_failures() -> None:
    this = by_id(
        server("a", "FAILED"), server("b", "FAILED"), server("c"), server("d", "FAILED"), server("e", "SKIPPED")
    )
    other = by_id(
        server("a"), server("b", "FAILED"), server("c", "FAILED"), server("e", "FAILED"), server("f", "FAILED")
    )

    comparison = compare(this, other)

    assert [one.source_server_id for one in comparison.new_failures] == ["a", "d"]
    assert comparison.resolved_failures == [other["c"]]


SERVERS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from(["LAUNCHED", "FAILED", "SKIPPED"]), st.integers(0, 9)),
).map(lambda drawn: by_id(*(server(id_, state, launch=seconds) for id_, (state, seconds) in drawn.items())))


@given(SERVERS, SERVERS)
def test_the_comparison_is_symmetric_and_complete(
    this: dict[str, ServerSummary], other: dict[str, ServerSummary]
) -> None:
    comparison, reverse = compare(this, other), compare(other, this)

    assert len(comparison.servers) + len(comparison.only_in_this) == len(this)
    assert comparison.only_in_this == reverse.only_in_other
    assert [(one.this, one.other) for one in comparison.servers] == [(one.other, one.this) for one in reverse.servers]
    for step, reversed_step in zip(comparison.steps, reverse.steps, strict=True):
        assert step.difference is None or step.difference == -(reversed_step.difference or 0)
    assert not compare(this, this).new_failures
    assert not compare(this, this).resolved_failures


def test_the_newest_job_that_launches_a_server_decides() -> None:
    jobs = [job(1), job(0, "PARTIAL"), job(2, job_type="TERMINATE")]
    servers = {
        "drsjob-0": [server("a", "FAILED"), server("b")],
        "drsjob-1": [server("a")],
        "drsjob-2": [server("a", "TERMINATED"), server("c", "TERMINATED")],
    }

    newest = newest_servers(jobs, servers)

    assert {id_: one.state for id_, one in newest.items()} == {"a": "LAUNCHED", "b": "LAUNCHED"}
    assert counts_of(newest.values()) == {"launched": 2}
    only_cleanup = newest_servers(jobs[2:], servers)
    assert {id_: one.state for id_, one in only_cleanup.items()} == {"a": "TERMINATED", "c": "TERMINATED"}


def test_the_best_candidate_has_most_servers_and_is_the_most_recent() -> None:
    earlier, later = NOW, NOW + timedelta(days=1)

    assert best_candidate({"a": (2, earlier), "b": (2, later), "c": (1, later)}) == "b"
    assert best_candidate({"a": (3, earlier), "b": (2, later)}) == "a"
    assert best_candidate({}) is None
