from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log.link.linker import Linker
from drs_job_log.link.resolver import ExecutionResolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import tables
from tests.support.executions import BAD, GOOD, create, executions_table, records, write
from tests.support.played import events
from tests.support.profile import EXAMPLES
from tests.support.tables import rows
from tests.unit.conftest import RETENTION, TABLE
from tests.unit.link.conftest import NOW, event

if TYPE_CHECKING:
    from collections import Counter

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient


def execution_ids(dynamodb: DynamoDBClient) -> dict[tuple[str, str], str | None]:
    return {(row["JobId"], row["EventId"]): row.get("ExecutionId") for row in rows(dynamodb)}


def unlinked(dynamodb: DynamoDBClient) -> int:
    return len(dynamodb.scan(TableName=TABLE, IndexName="UnlinkedIndex")["Items"])


# ---------------------------------------------------------------------------------------------------------------------
# Runs
# ---------------------------------------------------------------------------------------------------------------------


def test_a_run_without_unlinked_events_costs_one_scan(table: JobLogTable, requests: Counter[str]) -> None:
    result = Linker(table, None).run(NOW)

    assert requests == {"Scan": 1}
    assert (result.events, result.oldest_age, result.failures) == (0, timedelta(0), {})


@pytest.mark.parametrize(
    ("index", "config"), [("JobId", {"job_id_index": "by-job"}), (None, {"allow_scan": True})], ids=["index", "scan"]
)
def test_events_are_linked_once_before_and_after_the_execution_is_known(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], index: str | None, config: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId", index=index)
    executions = executions_table(dynamodb, **config)
    resolver, run = ExecutionResolver(executions), Linker(table, executions).run
    for number in range(3):
        table.put(resolver.resolve(event(number), NOW), RETENTION)
    assert run(NOW).events == 0

    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    table.put(resolver.resolve(event(3), NOW), RETENTION)
    clock[0] += 60
    assert run(NOW).events == 4
    for number in (*range(3, 6), 0):  # with two repeated events
        table.put(resolver.resolve(event(number), NOW + timedelta(minutes=1)), RETENTION)
    clock[0] += 60
    run(NOW)

    assert execution_ids(dynamodb) == {("drsjob-1", f"event-{number}"): "exec-1" for number in range(6)}
    assert unlinked(dynamodb) == 0


def test_unlinked_events_get_the_execution_of_other_events_of_their_job(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    """A launch result has no execution, and the tag of a job may be set late. This needs no executions table."""
    for number in range(3):
        table.put(event(number), RETENTION)
    table.put(event(3, execution_id="exec-1"), RETENTION)
    table.put(event(0, "drsjob-2"), RETENTION)

    assert Linker(table, None).run(NOW).events == 3

    assert execution_ids(dynamodb) == {
        **{("drsjob-1", f"event-{number}"): "exec-1" for number in range(4)},
        ("drsjob-2", "event-0"): None,
    }


def test_one_scan_covers_all_jobs_and_a_job_is_scanned_once_per_minute(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], requests: Counter[str]
) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(3):
        table.put(event(0, f"drsjob-{number}"), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True))

    def scans() -> int:
        requests.clear()
        linker.run(NOW)
        return requests["Scan"] - 1  # without the scan of UnlinkedIndex

    assert scans() == 1
    clock[0] += 30
    assert scans() == 0
    table.put(event(0, "drsjob-new"), RETENTION)
    assert scans() == 1  # for the new job only
    before, clock[0] = clock[0], clock[0] + 26  # 56 s after their scan: the linker waits for 4 s
    assert scans() == 1
    assert clock[0] == before + 30


def test_an_unlinked_job_is_checked_less_often_after_an_hour(table: JobLogTable, requests: Counter[str]) -> None:
    """A cold start has no state, so the interval depends only on the age of the event."""
    table.put(event(), RETENTION)
    for minute in range(60):
        Linker(table, None).run(NOW + timedelta(minutes=minute))
    assert requests["Query"] == 60

    for minute in range(60, 180):
        Linker(table, None).run(NOW + timedelta(minutes=minute))
    assert requests["Query"] == 62


def slowed(clock: list[float], call: Any, seconds: float) -> Any:
    """Return the function, with ``seconds`` added to its duration."""

    def slow(*arguments: Any, **named: Any) -> Any:
        clock[0] += seconds
        return call(*arguments, **named)

    return slow


def run_for(linker: Linker, clock: list[float], seconds: float = 47) -> int:
    """Run one invocation of a minute with ``seconds`` left. Return the number of linked events."""
    start = clock[0]
    events = linker.run(NOW, lambda: start + seconds - clock[0]).events
    clock[0] = start + 60
    return events


def test_executions_found_before_the_timeout_are_linked(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        table.put(event(0, f"drsjob-{number}"), RETENTION)
        table.put(event(1, f"drsjob-{number}", "exec-1"), RETENTION)
    monkeypatch.setattr(table, "execution_of", slowed(clock, table.execution_of, 1))

    assert [run_for(Linker(table, None), clock) for _ in range(2)] == [32, 18]
    assert unlinked(dynamodb) == 0


def test_executions_found_by_an_interrupted_scan_are_linked(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(60):
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=[{"JobId": f"drsjob-{number}", "Text": "x" * 65_000}])
        table.put(event(0, f"drsjob-{number}"), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True))
    scan = dynamodb.scan
    slow = slowed(clock, scan, 20)
    monkeypatch.setattr(dynamodb, "scan", lambda **given: (slow if given["TableName"] == "history" else scan)(**given))

    result = [run_for(linker, clock) for _ in range(3)]

    assert all(result[:2])
    assert sum(result) == 60
    assert unlinked(dynamodb) == 0


def test_the_order_of_jobs_is_shuffled_so_that_no_job_starves(
    table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        table.put(event(0, f"drsjob-{number}"), RETENTION)
    read: set[str] = set()
    slow = slowed(clock, table.execution_of, 1)
    monkeypatch.setattr(table, "execution_of", lambda job_id: read.add(job_id) or slow(job_id))

    for minute in range(20):
        start = clock[0]
        Linker(table, None).run(NOW + timedelta(minutes=minute), lambda start=start: start + 37 - clock[0])

    assert len(read) == 40


def test_linking_stops_if_no_time_is_left(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        table.put(event(number), RETENTION)
    table.put(event(60, execution_id="exec-1"), RETENTION)
    monkeypatch.setattr(table, "link", slowed(clock, table.link, 1))

    run_for(Linker(table, None), clock)

    assert 0 < unlinked(dynamodb) < 50


def test_jobs_with_a_linked_event_cost_no_scan(
    dynamodb: DynamoDBClient, table: JobLogTable, requests: Counter[str]
) -> None:
    create(dynamodb, "ExecutionId")
    table.put(event(0), RETENTION)
    table.put(event(1, execution_id="exec-1"), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True))

    assert linker.run(NOW).events == 1
    assert linker.run(NOW).events == 0

    assert requests["Scan"] == 2  # of UnlinkedIndex


def test_jobs_with_a_linked_event_are_linked_if_the_scan_fails(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    table.put(event(0), RETENTION)
    table.put(event(1, execution_id="exec-1"), RETENTION)
    table.put(event(0, "drsjob-2"), RETENTION)

    result = Linker(table, executions_table(dynamodb, allow_scan=True)).run(NOW)  # the table does not exist

    assert (result.events, list(result.failures)) == (1, ["scan"])


def test_many_late_events_are_linked_in_one_run(table: JobLogTable) -> None:
    for number in range(5):
        table.put(event(number, execution_id="exec-1"), RETENTION)
    for number in range(10, 60):
        table.put(event(number), RETENTION)

    assert Linker(table, None).run(NOW).events == 50


def test_an_execution_id_is_never_overwritten(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    table.put(event(execution_id="exec-1"), RETENTION)

    assert not table.link("drsjob-1", event().key, "exec-2")
    table.requeue_for_linker("drsjob-1", event().key)
    assert table.link("drsjob-1", event().key, "exec-2")

    assert execution_ids(dynamodb) == {("drsjob-1", "event-0"): "exec-1"}
    assert unlinked(dynamodb) == 0
    table.requeue_for_linker("drsjob-1", "gone")
    assert len(rows(dynamodb)) == 1


@pytest.mark.parametrize("settings", [{"job_id_index": "by-job"}, {"allow_scan": True}])
def test_an_unreadable_executions_table_is_a_failure_of_every_run(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], settings: dict[str, Any]
) -> None:
    table.put(event(), RETENTION)
    linker = Linker(table, executions_table(dynamodb, **settings))  # the table does not exist

    for minute in range(130):
        assert linker.run(NOW + timedelta(minutes=minute)).failures
        clock[0] += 60


def test_the_age_of_the_oldest_unlinked_event_is_reported(table: JobLogTable) -> None:
    table.put(event(7, "drsjob-2"), RETENTION)
    table.put(event(5), RETENTION)

    assert Linker(table, None).run(NOW + timedelta(seconds=65)).oldest_age == timedelta(seconds=60)


@pytest.mark.slow
@settings(deadline=None, max_examples=min(30, EXAMPLES), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 25), max_size=6))
def test_the_next_run_completes_an_interrupted_run(table: JobLogTable, cuts: list[int]) -> None:
    """A run is interrupted by its time limit or killed by an unhandled exception."""
    client = table._client
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)
    tables.create_events(client, TABLE)
    create(client, "ExecutionId", index="JobId")
    write(client, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)
    executions = executions_table(client, job_id_index="by-job", update_status=True)

    for cut in cuts:
        calls = iter(range(cut))
        if cut % 2:
            Linker(table, executions).run(NOW, lambda calls=calls: 1.0 if next(calls, None) is not None else 0.0)
            continue

        def killed(calls: Any = calls, **_: Any) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt

        client.meta.events.register("before-call.dynamodb", killed, "killed")
        try:
            Linker(table, executions).run(NOW)
        except KeyboardInterrupt:
            pass
        finally:
            client.meta.events.unregister("before-call.dynamodb", killed, "killed")
    Linker(table, executions).run(NOW)

    assert {row.get("ExecutionId") for row in rows(client)} == {"exec-1"}
    assert unlinked(client) == 0
    assert records(client)[0]["Status"] == "FAILED"


def test_the_executions_table_is_unchanged_if_update_status_is_off(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)

    assert Linker(table, executions_table(dynamodb, job_id_index="by-job")).run(NOW).events == 8

    assert records(dynamodb)[0]["Status"] == "RUNNING"


def test_a_failed_status_update_leaves_one_event_unlinked_for_the_retry(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)
    executions = executions_table(dynamodb, job_id_index="by-job", update_status=True)
    linker = Linker(table, executions)
    with monkeypatch.context() as patch:
        patch.setattr(executions, "set_status", lambda *_: 1 / 0)
        assert linker.run(NOW).failures
    assert unlinked(dynamodb) == 1

    assert not linker.run(NOW).failures
    assert unlinked(dynamodb) == 0
    assert records(dynamodb)[0]["Status"] == "FAILED"


def test_a_job_that_the_orchestrator_stores_late_ends_its_execution(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    """All events are linked by the tag of the job. Ingest requeued the last event for the linker."""
    create(dynamodb, "ExecutionId")
    record: dict[str, Any] = {"ExecutionId": "exec-1", "Status": "RUNNING"}
    write(dynamodb, **record, Waves=[{"WaveName": "one"}])
    *_, end = of_job = events(BAD, "drsjob-1", created=NOW)
    for one in of_job:
        table.put(one, RETENTION)
    table.requeue_for_linker(end.job_id, end.key)
    linker = Linker(table, executions_table(dynamodb, update_status=True))

    assert linker.run(NOW).missing == 0
    assert unlinked(dynamodb) == 1
    write(dynamodb, **record, Waves=[{"JobId": "drsjob-1"}])
    assert linker.run(NOW).updated == 1

    assert records(dynamodb)[0]["Status"] == "FAILED"
    assert unlinked(dynamodb) == 0


def test_the_wait_for_a_missing_execution_starts_at_the_end_of_the_job(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"WaveName": "one"}])
    start, *others = events(GOOD, "drsjob-1", execution_id=None)
    assert others[-1].timestamp - start.timestamp > timedelta(minutes=10)
    table.put(replace(start, execution_id="exec-1"), timedelta(days=5000))
    for one in others:
        table.put(one, timedelta(days=5000))
    linker = Linker(table, executions_table(dynamodb, update_status=True))

    assert linker.run(others[-1].timestamp + timedelta(minutes=1)).missing == 0
    assert unlinked(dynamodb) == 1


def test_an_execution_is_missing_ten_minutes_after_the_end_of_its_job(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    *_, end = events(BAD, "drsjob-1", created=NOW)
    table.put(end, RETENTION)
    table.requeue_for_linker(end.job_id, end.key)
    linker = Linker(table, executions_table(dynamodb, update_status=True))

    assert linker.run(end.timestamp + timedelta(minutes=9)).missing == 0
    assert linker.run(end.timestamp + timedelta(minutes=11)).missing == 1
    assert unlinked(dynamodb) == 0


def test_a_job_that_ended_before_it_was_linked_ends_its_execution(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)

    result = Linker(table, executions_table(dynamodb, allow_scan=True, update_status=True)).run(NOW)

    assert (result.updated, result.missing) == (1, 0)
    assert records(dynamodb)[0]["Status"] == "FAILED"


def test_a_failed_job_does_not_affect_other_jobs(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    for job in ("drsjob-1", "drsjob-2"):
        table.put(event(0, job), RETENTION)
        table.put(event(1, job, "exec-1"), RETENTION)
    execution_of = table.execution_of

    def sometimes(job_id: str) -> str | None:
        if job_id == "drsjob-1":
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Query")
        return execution_of(job_id)

    monkeypatch.setattr(table, "execution_of", sometimes)

    result = Linker(table, None).run(NOW)

    assert result.events == 1
    assert "slow down" in result.failures["drsjob-1"]
