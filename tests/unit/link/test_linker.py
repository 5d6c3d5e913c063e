from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log.link import linker as linking
from drs_job_log.link.linker import Linker
from drs_job_log.link.resolver import ExecutionResolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import scripts, tables
from tests.support.executions import BAD, GOOD, SERVERS, create, executions_table, records, write
from tests.support.played import events
from tests.support.profile import EXAMPLES
from tests.support.tables import rows
from tests.unit.conftest import RETENTION, TABLE
from tests.unit.link.conftest import NOW, SOURCE, SOURCES, event

if TYPE_CHECKING:
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobFacts, JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.slow  # together a quarter of a minute


def execution_ids(dynamodb: DynamoDBClient) -> dict[tuple[str, str], str | None]:
    return {(row["JobId"], row["EventId"]): row.get("ExecutionId") for row in rows(dynamodb)}


def unlinked(dynamodb: DynamoDBClient) -> int:
    return len(dynamodb.scan(TableName=TABLE, IndexName="UnlinkedIndex")["Items"])


# ---------------------------------------------------------------------------------------------------------------------
# Runs
# ---------------------------------------------------------------------------------------------------------------------


def test_a_run_without_unlinked_events_costs_one_scan(table: JobLogTable, requests: Counter[str]) -> None:
    result = Linker(table, None, SOURCES).run(NOW)

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
    resolver, run = ExecutionResolver(executions), Linker(table, executions, SOURCES).run
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

    assert Linker(table, None, SOURCES).run(NOW).events == 3

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
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)

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
        Linker(table, None, SOURCES).run(NOW + timedelta(minutes=minute))
    assert requests["Query"] == 60

    for minute in range(60, 180):
        Linker(table, None, SOURCES).run(NOW + timedelta(minutes=minute))
    assert requests["Query"] == 62


def slowed(clock: list[float], call: Any, seconds: float) -> Any:
    """Return the function, with ``seconds`` added to its duration."""

    def slow(*arguments: Any, **named: Any) -> Any:
        clock[0] += seconds
        return call(*arguments, **named)

    return slow


def lookups(table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch, seconds: float = 0) -> list[str]:
    """Return a list to which each lookup adds the ID of its job. A lookup takes ``seconds``."""
    found: list[str] = []
    facts_of = slowed(clock, table.facts_of, seconds)
    monkeypatch.setattr(table, "facts_of", lambda job_id, source: found.append(job_id) or facts_of(job_id, source))
    return found


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
    monkeypatch.setattr(table, "facts_of", slowed(clock, table.facts_of, 1))

    assert [run_for(Linker(table, None, SOURCES), clock) for _ in range(2)] == [32, 18]
    assert unlinked(dynamodb) == 0


def test_executions_found_by_an_interrupted_scan_are_linked(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(60):
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=[{"JobId": f"drsjob-{number}", "Text": "x" * 65_000}])
        table.put(event(0, f"drsjob-{number}"), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)
    scan = dynamodb.scan
    slow = slowed(clock, scan, 20)
    monkeypatch.setattr(dynamodb, "scan", lambda **given: (slow if given["TableName"] == "history" else scan)(**given))

    result = [run_for(linker, clock) for _ in range(3)]

    assert all(result[:2])
    assert sum(result) == 60
    assert unlinked(dynamodb) == 0


def test_new_instances_start_at_different_jobs_so_that_no_job_starves(
    table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        table.put(event(0, f"drsjob-{number}"), RETENTION)
    read = lookups(table, clock, monkeypatch, seconds=1)

    for minute in range(20):
        start = clock[0]
        Linker(table, None, SOURCES).run(NOW + timedelta(minutes=minute), lambda start=start: start + 37 - clock[0])

    assert len(set(read)) == 40


def pages_of(
    client: DynamoDBClient, limit: int, monkeypatch: pytest.MonkeyPatch, slow: Any = lambda scan: scan
) -> None:
    """Let a page of a scan have at most ``limit`` items. ``slow`` changes the scan."""
    scan = slow(client.scan)
    monkeypatch.setattr(client, "scan", lambda **given: scan(**given, Limit=limit))


def test_the_next_run_reads_the_index_where_a_run_stopped(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        for place in range(3):
            table.put(event(place, f"drsjob-{number:02}"), RETENTION)
    read = lookups(table, clock, monkeypatch)
    pages_of(dynamodb, 10, monkeypatch, lambda scan: slowed(clock, scan, 6))
    linker = Linker(table, None, SOURCES)

    parts = []
    for _ in range(7):
        run_for(linker, clock)  # of its 32 s, it reads for 11 s: two pages of three jobs and a third
        parts.append(sorted(read))
        read.clear()

    assert [len(part) for part in parts] == [6, 6, 6, 6, 6, 6, 4]
    assert [job for part in parts for job in part] == [f"drsjob-{number:02}" for number in range(40)]
    run_for(linker, clock)
    assert sorted(read) == parts[0]


def test_a_job_that_is_larger_than_the_part_of_a_run_is_linked_in_parts(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        table.put(event(number), RETENTION)
    table.put(event(60, execution_id="exec-1"), RETENTION)
    pages_of(dynamodb, 10, monkeypatch, lambda scan: slowed(clock, scan, 20))
    linker = Linker(table, None, SOURCES)

    assert [run_for(linker, clock) for _ in range(6)] == [10, 10, 10, 10, 10, 0]
    assert unlinked(dynamodb) == 0


def test_jobs_that_a_run_did_not_reach_are_first_in_the_next_run(
    table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        table.put(event(0, f"drsjob-{number:02}"), RETENTION)
    linker = Linker(table, None, SOURCES)
    linker.run(NOW)
    read = lookups(table, clock, monkeypatch, seconds=1)

    for _ in range(4):
        run_for(linker, clock)

    assert read == [f"drsjob-{number:02}" for number in range(100)]


def test_lookups_leave_time_for_the_scan(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(40):
        table.put(event(0, f"drsjob-{number:02}"), RETENTION)
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=[{"JobId": f"drsjob-{number:02}"}])
    monkeypatch.setattr(table, "facts_of", slowed(clock, table.facts_of, 1))
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)

    assert [run_for(linker, clock) for _ in range(2)] == [22, 18]


def test_each_job_is_looked_up_once_an_hour_if_a_pass_takes_several_runs(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass takes four runs, so that each job is read in every fourth minute."""
    for number in range(30):
        table.put(event(-4000, f"drsjob-{number:02}"), RETENTION)
    pages_of(dynamodb, 10, monkeypatch, lambda scan: slowed(clock, scan, 20))
    read = lookups(table, clock, monkeypatch)
    linker = Linker(table, None, SOURCES)

    for minute in range(4 * 60):
        start = clock[0]
        linker.run(NOW + timedelta(minutes=minute), lambda start=start: start + 47 - clock[0])

    assert len(set(read)) == 30
    assert set(Counter(read).values()) <= {3, 4, 5}


def test_no_status_is_updated_if_no_time_is_left(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)
    executions = executions_table(dynamodb, allow_scan=True, update_status=True)
    scan = dynamodb.scan
    slow = slowed(clock, scan, 60)
    monkeypatch.setattr(dynamodb, "scan", lambda **given: (slow if given["TableName"] == "history" else scan)(**given))
    linker = Linker(table, executions, SOURCES)

    assert run_for(linker, clock) == 0

    assert records(dynamodb)[0]["Status"] == "RUNNING"
    assert unlinked(dynamodb) == 8


def test_the_oldest_event_of_all_runs_of_a_pass_is_reported(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        table.put(event(-number * 10, f"drsjob-{number:02}"), RETENTION)
    pages_of(dynamodb, 10, monkeypatch, lambda scan: slowed(clock, scan, 20))
    linker = Linker(table, None, SOURCES)

    def ages(runs: int) -> list[float]:
        """Return the reported ages of these runs. A run reads nine or ten jobs."""
        result = []
        for _ in range(runs):
            start = clock[0]
            result.append(linker.run(NOW, lambda start=start: start + 47 - clock[0]).oldest_age.total_seconds())
        return result

    assert ages(4) == [80, 170, 260, 290]
    assert ages(3) == [290] * 3  # of the last pass
    table.link("drsjob-29", event(-290, "drsjob-29").key, "exec-1")
    assert ages(5) == [280] * 5


@pytest.mark.slow
@settings(deadline=None, max_examples=min(20, EXAMPLES), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["tag", "record", "none"])), min_size=1, max_size=6),
    st.integers(1, 8),
    st.integers(1, 5),
    st.booleans(),
)
def test_each_job_is_looked_up_in_a_bounded_number_of_runs(  # noqa: PLR0917
    table: JobLogTable,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    jobs: list[tuple[int, str]],
    limit: int,
    seconds: int,
    has_scan: bool,
) -> None:
    """With pages of a few items and slow requests, no event is lost, linked twice, or linked to another execution."""
    client = table._client
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)
    tables.create_events(client, TABLE)
    create(client, "ExecutionId")
    expected: dict[str, str | None] = {}
    for number, (count, source) in enumerate(jobs):
        job_id = f"drsjob-{number}"
        for place in range(count):
            table.put(event(place, job_id), RETENTION)
        if source == "tag":
            table.put(event(count, job_id, f"exec-{number}"), RETENTION)
        write(client, ExecutionId=f"exec-{number}", Waves=[{"JobId": job_id if source == "record" else "drsjob-x"}])
        is_found = source == "tag" or (source == "record" and has_scan)
        expected[job_id] = f"exec-{number}" if is_found else None
    linked: list[tuple[str, str]] = []
    link = table.link

    def recorded(job_id: str, key: str, execution_id: str) -> bool:
        is_linked = link(job_id, key, execution_id)
        linked.extend([(job_id, key)] * is_linked)
        return is_linked

    with monkeypatch.context() as patch:
        read = lookups(table, clock, patch, seconds)
        patch.setattr(table, "link", recorded)
        pages_of(client, limit, patch, lambda scan: slowed(clock, scan, seconds))
        linker = Linker(table, executions_table(client, allow_scan=has_scan), SOURCES)
        for _ in range(len(expected) * (2 + len(jobs))):
            run_for(linker, clock)

    assert set(read) == expected.keys()
    assert len(linked) == len(set(linked))
    assert sum(count for count, _ in jobs) == len(linked) + unlinked(client)
    assert {(row["JobId"], row.get("ExecutionId")) for row in rows(client)} == expected.items()


def test_linking_stops_if_no_time_is_left(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        table.put(event(number), RETENTION)
    table.put(event(60, execution_id="exec-1"), RETENTION)
    monkeypatch.setattr(table, "link", slowed(clock, table.link, 1))

    run_for(Linker(table, None, SOURCES), clock)

    assert 0 < unlinked(dynamodb) < 50


def test_jobs_with_a_linked_event_cost_no_scan(
    dynamodb: DynamoDBClient, table: JobLogTable, requests: Counter[str]
) -> None:
    create(dynamodb, "ExecutionId")
    table.put(event(0), RETENTION)
    table.put(event(1, execution_id="exec-1"), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)

    assert linker.run(NOW).events == 1
    assert linker.run(NOW).events == 0

    assert requests["Scan"] == 2  # of UnlinkedIndex


def test_jobs_with_a_linked_event_are_linked_if_the_scan_fails(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    table.put(event(0), RETENTION)
    table.put(event(1, execution_id="exec-1"), RETENTION)
    table.put(event(0, "drsjob-2"), RETENTION)

    result = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES).run(NOW)  # the table does not exist

    assert (result.events, list(result.failures)) == (1, ["executions table", "scan"])


def test_many_late_events_are_linked_in_one_run(table: JobLogTable) -> None:
    for number in range(5):
        table.put(event(number, execution_id="exec-1"), RETENTION)
    for number in range(10, 60):
        table.put(event(number), RETENTION)

    assert Linker(table, None, SOURCES).run(NOW).events == 50


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
    linker = Linker(table, executions_table(dynamodb, **settings), SOURCES)  # the table does not exist

    for minute in range(130):
        assert {"scan", "drsjob-1"} & linker.run(NOW + timedelta(minutes=minute)).failures.keys()
        clock[0] += 60


def test_the_age_of_the_oldest_unlinked_event_is_reported(table: JobLogTable) -> None:
    table.put(event(7, "drsjob-2"), RETENTION)
    table.put(event(5), RETENTION)

    assert Linker(table, None, SOURCES).run(NOW + timedelta(seconds=65)).oldest_age == timedelta(seconds=60)


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
            Linker(table, executions, SOURCES).run(
                NOW, lambda calls=calls: 1.0 if next(calls, None) is not None else 0.0
            )
            continue

        def killed(calls: Any = calls, **_: Any) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt

        client.meta.events.register("before-call.dynamodb", killed, "killed")
        try:
            Linker(table, executions, SOURCES).run(NOW)
        except KeyboardInterrupt:
            pass
        finally:
            client.meta.events.unregister("before-call.dynamodb", killed, "killed")
    Linker(table, executions, SOURCES).run(NOW)

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

    assert Linker(table, executions_table(dynamodb, job_id_index="by-job"), SOURCES).run(NOW).events == 8

    assert records(dynamodb)[0]["Status"] == "RUNNING"


def test_a_failed_status_update_leaves_one_event_unlinked_for_the_retry(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)
    executions = executions_table(dynamodb, job_id_index="by-job", update_status=True)
    linker = Linker(table, executions, SOURCES)
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
    linker = Linker(table, executions_table(dynamodb, update_status=True), SOURCES)

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
    linker = Linker(table, executions_table(dynamodb, update_status=True), SOURCES)

    assert linker.run(others[-1].timestamp + timedelta(minutes=1)).missing == 0
    assert unlinked(dynamodb) == 1


def test_an_execution_is_missing_ten_minutes_after_the_end_of_its_job(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    *_, end = events(BAD, "drsjob-1", created=NOW)
    table.put(end, RETENTION)
    table.requeue_for_linker(end.job_id, end.key)
    linker = Linker(table, executions_table(dynamodb, update_status=True), SOURCES)

    assert linker.run(end.timestamp + timedelta(minutes=9)).missing == 0
    assert linker.run(end.timestamp + timedelta(minutes=11)).missing == 1
    assert unlinked(dynamodb) == 0


def test_a_job_that_ended_before_it_was_linked_ends_its_execution(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)

    result = Linker(table, executions_table(dynamodb, allow_scan=True, update_status=True), SOURCES).run(NOW)

    assert (result.updated, result.missing) == (1, 0)
    assert records(dynamodb)[0]["Status"] == "FAILED"


def test_a_failed_job_does_not_affect_other_jobs(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    for job in ("drsjob-1", "drsjob-2"):
        table.put(event(0, job), RETENTION)
        table.put(event(1, job, "exec-1"), RETENTION)
    facts_of = table.facts_of

    def sometimes(job_id: str, source: str) -> JobFacts:
        if job_id == "drsjob-1":
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Query")
        return facts_of(job_id, source)

    monkeypatch.setattr(table, "facts_of", sometimes)

    result = Linker(table, None, SOURCES).run(NOW)

    assert result.events == 1
    assert "slow down" in result.failures["drsjob-1"]


# ---------------------------------------------------------------------------------------------------------------------
# Precedence: tag, executions table, other events
# ---------------------------------------------------------------------------------------------------------------------

LOOKUPS = pytest.mark.parametrize(
    ("index", "config"), [("JobId", {"job_id_index": "by-job"}), (None, {"allow_scan": True})], ids=["index", "scan"]
)


@LOOKUPS
def test_the_executions_table_outranks_other_events(
    dynamodb: DynamoDBClient, table: JobLogTable, index: str | None, config: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId", index=index)
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    table.put(event(0, "drsjob-1", "foreign", "acme"), RETENTION)
    table.put(event(1), RETENTION)

    Linker(table, executions_table(dynamodb, **config), SOURCES).run(NOW + timedelta(hours=1))

    assert execution_ids(dynamodb) == {("drsjob-1", "event-0"): "foreign", ("drsjob-1", "event-1"): "exec-1"}


@LOOKUPS
def test_other_events_count_ten_minutes_after_the_newest_unlinked_event(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], index: str | None, config: dict[str, Any]
) -> None:
    """Orchestrators record a job late."""
    create(dynamodb, "ExecutionId", index=index)
    table.put(event(0, "drsjob-1", "foreign", "acme"), RETENTION)
    table.put(event(1), RETENTION)
    linker = Linker(table, executions_table(dynamodb, **config), SOURCES)

    assert linker.run(NOW + timedelta(minutes=10)).events == 0
    clock[0] += 60
    assert linker.run(NOW + timedelta(minutes=10, seconds=1)).events == 1
    assert set(execution_ids(dynamodb).values()) == {"foreign"}


def test_other_events_do_not_count_before_the_scan_is_complete(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(60):
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=[{"JobId": f"drsjob-{number}", "Text": "x" * 65_000}])
    scan = dynamodb.scan
    slow = slowed(clock, scan, 20)
    monkeypatch.setattr(dynamodb, "scan", lambda **given: (slow if given["TableName"] == "history" else scan)(**given))
    for number in range(60):
        table.put(replace(event(0, f"drsjob-{number}"), timestamp=NOW - timedelta(minutes=11)), RETENTION)
        foreign = event(1, f"drsjob-{number}", "foreign", "acme")
        table.put(replace(foreign, timestamp=NOW - timedelta(minutes=12)), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)

    for _ in range(3):
        run_for(linker, clock)

    linked = {job: execution for (job, event_id), execution in execution_ids(dynamodb).items() if event_id == "event-0"}
    assert linked == {f"drsjob-{number}": f"exec-{number}" for number in range(60)}


def test_other_events_do_not_count_if_no_time_is_left_for_the_scan(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    table.put(event(0, "drsjob-1", "foreign", "acme"), RETENTION)
    table.put(event(1), RETENTION)
    monkeypatch.setattr(table, "facts_of", slowed(clock, table.facts_of, 40))
    start = clock[0]

    result = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES).run(
        NOW + timedelta(minutes=11), lambda: start + 47 - clock[0]
    )

    assert result.events == 0


def test_other_events_count_at_once_if_no_executions_table_is_searched(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    for number, execution in enumerate(["one", "most", "most", "two"]):
        table.put(event(number, "drsjob-1", execution, "acme"), RETENTION)
    table.put(event(4), RETENTION)

    assert Linker(table, executions_table(dynamodb), SOURCES).run(NOW).events == 1

    assert execution_ids(dynamodb)["drsjob-1", "event-4"] == "most"


def test_the_tag_outranks_events_that_were_linked_otherwise(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    table.put(event(0, execution_id="exec-of-the-tag"), RETENTION)
    for number in range(1, 4):
        table.put(event(number), RETENTION)
        table.link("drsjob-1", event(number).key, "foreign")
    table.put(event(4), RETENTION)

    Linker(table, None, SOURCES).run(NOW)

    assert execution_ids(dynamodb)["drsjob-1", "event-4"] == "exec-of-the-tag"


def test_an_execution_in_the_oldest_events_of_a_long_job_is_found(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    table.put(event(0, execution_id="exec-1"), RETENTION)
    for number in range(1, 60):
        table.put(event(number, "drsjob-1", "foreign" if number % 2 else None, "acme"), RETENTION)

    Linker(table, None, SOURCES).run(NOW)

    assert execution_ids(dynamodb)["drsjob-1", "event-58"] == "exec-1"


@pytest.mark.slow
@pytest.mark.parametrize("has_index", [True, False], ids=["index", "scan"])
@settings(deadline=None, max_examples=min(30, EXAMPLES), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["collector", "foreign", "launch result", "repeat", "record", "link"]), max_size=12))
def test_no_order_of_events_diverts_a_job_from_the_executions_table(
    table: JobLogTable, clock: list[float], has_index: bool, steps: list[str]
) -> None:
    """The orchestrator records the job within ten minutes."""
    client = table._client
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)
    tables.create_events(client, TABLE)
    create(client, "ExecutionId", index="JobId" if has_index else None)
    executions = executions_table(client, **({"job_id_index": "by-job"} if has_index else {"allow_scan": True}))
    resolver, linker = ExecutionResolver(executions), Linker(table, executions, SOURCES)
    sources = {"collector": SOURCE, "foreign": "acme", "launch result": "aws.drs"}
    stored = [event(0)]
    for number, step in enumerate(steps, start=1):
        if step in sources:
            stored.append(event(number, "drsjob-1", "foreign" if step == "foreign" else None, sources[step]))
        if step in sources or step == "repeat":
            table.put(resolver.resolve(stored[-1], NOW + timedelta(minutes=number / 2)), RETENTION)
        elif step == "record":
            write(client, ExecutionId="exec-1", JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
        else:
            clock[0] += 60
            linker.run(NOW + timedelta(minutes=number / 2))
    write(client, ExecutionId="exec-1", JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    clock[0] += 60
    linker.run(NOW + timedelta(minutes=30))

    assert {row["ExecutionId"] for row in rows(client) if row["Source"] != "acme"} <= {"exec-1"}
    assert unlinked(client) == 0


# ---------------------------------------------------------------------------------------------------------------------
# TERMINATE jobs
# ---------------------------------------------------------------------------------------------------------------------


def terminate(number: int, *launches: str) -> JobLogEvent:
    return event(number, "drsjob-t", jobType="TERMINATE", launchJobIDs=list(launches))


def test_a_terminate_job_is_linked_to_the_execution_that_launched_its_servers(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    table.put(event(0, "drsjob-1", "exec-1"), RETENTION)
    table.put(event(1, "drsjob-2", "exec-1"), RETENTION)
    table.put(terminate(2, "drsjob-1", "drsjob-2"), RETENTION)

    assert Linker(table, None, SOURCES).run(NOW).events == 1

    assert execution_ids(dynamodb)["drsjob-t", "event-2"] == "exec-1"


@pytest.mark.parametrize(
    "launches", [[], ["drsjob-1", "drsjob-2"], ["drsjob-1", "drsjob-unlinked"], ["drsjob-unknown"]], ids=str
)
def test_a_terminate_job_without_one_execution_is_given_up_after_15_minutes(
    dynamodb: DynamoDBClient, table: JobLogTable, launches: list[str]
) -> None:
    table.put(event(0, "drsjob-1", "exec-1"), RETENTION)
    table.put(event(0, "drsjob-2", "exec-2"), RETENTION)
    for number in (0, 60):
        table.put(terminate(number, *launches), RETENTION)
    linker = Linker(table, None, SOURCES)

    result = linker.run(NOW + timedelta(minutes=15, seconds=59))
    assert (result.events, result.oldest_age) == (0, timedelta(0))
    assert unlinked(dynamodb) == 2
    result = linker.run(NOW + timedelta(minutes=16))
    assert (result.events, result.oldest_age) == (0, timedelta(0))

    assert unlinked(dynamodb) == 0
    assert execution_ids(dynamodb)["drsjob-t", "event-0"] is None
    assert table.put(terminate(1500, *launches), RETENTION)  # a later event is searched for again
    assert unlinked(dynamodb) == 1


def test_the_age_does_not_include_a_known_terminate_job(table: JobLogTable) -> None:
    table.put(terminate(0), RETENTION)
    linker = Linker(table, None, SOURCES)
    linker.run(NOW)

    result = linker.run(NOW + timedelta(minutes=70), lambda: 0.0)  # no time for lookups

    assert result.oldest_age == timedelta(0)


def test_a_terminate_job_does_not_change_the_executions_table(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(GOOD, "drsjob-1", created=NOW - timedelta(hours=2)):
        table.put(one, RETENTION)
    for one in events(scripts.terminate(SERVERS[:2]), "drsjob-t", created=NOW - timedelta(hours=1), execution_id=None):
        table.put(replace(one, detail={**one.detail, "launchJobIDs": ["drsjob-1"]}), RETENTION)
    executions = executions_table(dynamodb, update_status=True, allow_scan=True)

    result = Linker(table, executions, SOURCES).run(NOW, job_ids=["drsjob-t"])

    assert result.events > 0
    assert (result.updated, result.missing) == (0, 0)
    assert unlinked(dynamodb) == 0
    assert records(dynamodb)[0]["Status"] == "RUNNING"


# ---------------------------------------------------------------------------------------------------------------------
# The end of a search
# ---------------------------------------------------------------------------------------------------------------------

DAY = timedelta(days=1)
SEARCHES = pytest.mark.parametrize(
    ("index", "config"),
    [(None, None), (None, {}), ("JobId", {"job_id_index": "by-job"}), (None, {"allow_scan": True})],
    ids=["no table", "no lookup", "index", "scan"],
)


def linker_of(client: DynamoDBClient, table: JobLogTable, index: str | None, config: dict[str, Any] | None) -> Linker:
    """Return a linker with an executions table that has no record, or without one."""
    if config is None:
        return Linker(table, None, SOURCES)
    create(client, "ExecutionId", index=index)
    return Linker(table, executions_table(client, **config), SOURCES)


@SEARCHES
def test_the_search_ends_a_day_after_the_newest_unlinked_event(  # noqa: PLR0917
    dynamodb: DynamoDBClient,
    table: JobLogTable,
    clock: list[float],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    index: str | None,
    config: dict[str, Any] | None,
) -> None:
    monkeypatch.setattr(linking, "is_due", lambda *_: True)
    for number in (0, 60, 90):
        table.put(event(number), RETENTION)
    table.put(event(0, "drsjob-2"), RETENTION)
    linker = linker_of(dynamodb, table, index, config)

    def left(after: timedelta) -> int:
        linker.run(NOW + after)
        clock[0] += 60
        return unlinked(dynamodb)

    assert [left(timedelta(seconds=seconds)) for seconds in (86_399, 86_400, 86_489, 86_490)] == [4, 3, 3, 0]
    assert len(rows(dynamodb)) == 4
    lines = [vars(record) for record in caplog.records if "Gave up" in record.message]
    assert [(line["levelname"], line["job_id"], line["events"]) for line in lines] == [
        ("WARNING", "drsjob-2", 1),
        ("WARNING", "drsjob-1", 3),
    ]


def test_an_event_that_arrives_after_the_end_of_the_search_is_looked_up_once(
    dynamodb: DynamoDBClient, table: JobLogTable, requests: Counter[str]
) -> None:
    given_up(table, 1)
    table.put(event(1), RETENTION)
    linker = Linker(table, None, SOURCES)
    requests.clear()

    for minute in range(120):
        linker.run(NOW + timedelta(days=2, minutes=minute))

    assert requests["Query"] == 1
    assert unlinked(dynamodb) == 0


def given_up(table: JobLogTable, events: int, job_id: str = "drsjob-1") -> None:
    for number in range(events):
        table.put(event(number, job_id), RETENTION)
        assert table.give_up(job_id, event(number, job_id).key)


@LOOKUPS
def test_a_manual_run_links_a_job_that_was_given_up(
    dynamodb: DynamoDBClient, table: JobLogTable, index: str | None, config: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId", index=index)
    given_up(table, 5)
    given_up(table, 2, "drsjob-2")
    linker = Linker(table, executions_table(dynamodb, **config), SOURCES)
    assert linker.run(NOW + 3 * DAY, job_ids=["drsjob-1"]).events == 0
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    linker = Linker(table, executions_table(dynamodb, **config), SOURCES)

    assert linker.run(NOW + 3 * DAY).events == 0
    result = linker.run(NOW + 3 * DAY, job_ids=["drsjob-1", "drsjob-unknown"])
    assert (result.events, result.failures) == (5, {})
    assert linker.run(NOW + 3 * DAY, job_ids=["drsjob-1"]).events == 0

    assert {execution for (job, _), execution in execution_ids(dynamodb).items() if job == "drsjob-1"} == {"exec-1"}
    assert {execution for (job, _), execution in execution_ids(dynamodb).items() if job == "drsjob-2"} == {None}


def test_a_manual_run_links_a_given_up_job_to_the_execution_of_a_manual_event(
    dynamodb: DynamoDBClient, table: JobLogTable, requests: Counter[str]
) -> None:
    """As the runbook unlinked-events describes it."""
    given_up(table, 40)
    table.put(event(3 * 86_400, execution_id="exec-1"), RETENTION)

    result = Linker(table, None, SOURCES).run(NOW + 3 * DAY, job_ids=["drsjob-1"])

    assert requests["Scan"] == 0  # the manual run reads only its jobs
    assert result.events == 40
    assert set(execution_ids(dynamodb).values()) == {"exec-1"}


def test_a_manual_run_sets_the_status_of_the_execution_of_a_given_up_job(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW - 2 * DAY, execution_id=None):
        table.put(one, RETENTION)
        table.give_up("drsjob-1", one.key)
    executions = executions_table(dynamodb, job_id_index="by-job", update_status=True)

    assert Linker(table, executions, SOURCES).run(NOW, job_ids=["drsjob-1"]).updated == 1

    assert records(dynamodb)[0]["Status"] == "FAILED"


def test_a_manual_run_gives_no_job_up(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    table.put(event(), RETENTION)

    Linker(table, None, SOURCES).run(NOW + 3 * DAY, job_ids=["drsjob-1"])

    assert unlinked(dynamodb) == 1


@LOOKUPS
def test_a_later_event_of_a_given_up_job_links_all_its_events(
    dynamodb: DynamoDBClient, table: JobLogTable, index: str | None, config: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId", index=index)
    given_up(table, 30)
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    table.put(event(2 * 86_400), RETENTION)

    assert Linker(table, executions_table(dynamodb, **config), SOURCES).run(NOW + 2 * DAY).events == 31

    assert set(execution_ids(dynamodb).values()) == {"exec-1"}


@pytest.mark.parametrize("config", [{"allow_scan": True}, {"job_id_index": "by-job"}], ids=["scan", "index"])
def test_no_job_is_given_up_while_the_executions_table_cannot_be_read(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    monkeypatch.setattr(linking, "is_due", lambda *_: True)
    table.put(event(), RETENTION)
    Linker(table, executions_table(dynamodb, **config), SOURCES).run(NOW + 2 * DAY)  # the table does not exist
    assert unlinked(dynamodb) == 1

    create(dynamodb, "ExecutionId")
    Linker(table, executions_table(dynamodb, **config), SOURCES).run(NOW + 2 * DAY)  # the index does not exist

    assert unlinked(dynamodb) == (1 if "job_id_index" in config else 0)


def record_at_the_end_of_the_table(client: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> str:
    """Create an executions table that takes two runs to scan. Return the execution of drsjob-1, which is its last."""
    create(client, "ExecutionId")
    for number in range(9):
        write(client, ExecutionId=f"exec-{number}", Waves=[{"JobId": f"drsjob-x{number}"}])
    *_, last = client.scan(TableName="history")["Items"]
    execution_id = last["ExecutionId"]["S"]
    write(client, ExecutionId=execution_id, Waves=[{"JobId": "drsjob-1"}])
    pages_of(client, 2, monkeypatch, lambda scan: slowed(clock, scan, 10))
    return execution_id


def test_no_job_is_given_up_before_the_scan_is_complete(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan takes two runs, also if the job is not due in the second one."""
    execution_id = record_at_the_end_of_the_table(dynamodb, monkeypatch, clock)
    table.put(replace(event(), timestamp=NOW - 2 * DAY), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)
    first = iter([True])
    monkeypatch.setattr(linking, "is_due", lambda *_: next(first, False))

    assert [run_for(linker, clock) for _ in range(3)] == [0, 1, 0]

    assert execution_ids(dynamodb)["drsjob-1", "event-0"] == execution_id


def test_an_early_run_continues_the_scan(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete scan is at least a minute old before the next one, but not a part of it."""
    execution_id = record_at_the_end_of_the_table(dynamodb, monkeypatch, clock)
    for number in (0, 60):
        table.put(replace(event(number), timestamp=NOW - 2 * DAY), RETENTION)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)
    monkeypatch.setattr(linking, "is_due", lambda *_: True)

    assert run_for(linker, clock) == 0
    clock[0] -= 20
    table.put(event(0, "drsjob-2"), RETENTION)
    assert run_for(linker, clock) == 2

    assert execution_ids(dynamodb)["drsjob-1", "event-0"] == execution_id


def test_the_next_run_completes_the_scan_of_a_manual_run(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id = record_at_the_end_of_the_table(dynamodb, monkeypatch, clock)
    given_up(table, 2)
    linker = Linker(table, executions_table(dynamodb, allow_scan=True), SOURCES)
    start = clock[0]

    assert linker.run(NOW, lambda: start + 47 - clock[0], ["drsjob-1"]).events == 0
    clock[0] = start + 60
    assert [run_for(linker, clock) for _ in range(2)] == [2, 0]

    assert set(execution_ids(dynamodb).values()) == {execution_id}


# ---------------------------------------------------------------------------------------------------------------------
# Rejected executions tables
# ---------------------------------------------------------------------------------------------------------------------


def test_a_table_with_another_partition_key_is_rejected_in_each_run_and_still_scanned(
    dynamodb: DynamoDBClient, table: JobLogTable, clock: list[float], requests: Counter[str]
) -> None:
    """drs-plan-automation has the execution ID as the sort key."""
    create(dynamodb, "AppId_PlanId", "ExecutionId")
    write(dynamodb, AppId_PlanId="app", ExecutionId="exec-1", Waves=[{"drs": {"job": {"jobID": "drsjob-1"}}}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        table.put(one, RETENTION)
    linker = Linker(
        table, executions_table(dynamodb, allow_scan=True, update_status=True, job_id_attribute="jobID"), SOURCES
    )
    requests.clear()

    for minute in range(3):
        result = linker.run(NOW + timedelta(minutes=minute))
        assert (result.is_rejected, result.failures, result.missing) == (True, {}, 0)
        clock[0] += 60

    assert requests["DescribeTable"] == 3
    assert {row["ExecutionId"] for row in rows(dynamodb)} == {"exec-1"}
    assert unlinked(dynamodb) == 0
    dynamodb.delete_table(TableName="history")
    create(dynamodb, "ExecutionId")
    assert not linker.run(NOW).is_rejected


def test_a_missing_index_is_rejected_and_does_not_stop_other_lookups(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    table.put(event(), RETENTION)

    result = Linker(table, executions_table(dynamodb, job_id_index="by-job", allow_scan=True), SOURCES).run(NOW)

    assert (result.is_rejected, result.failures, result.events) == (True, {}, 1)


def test_an_index_without_the_execution_id_is_rejected_in_every_run(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1")
    table.put(event(), RETENTION)
    executions = executions_table(dynamodb, job_id_index="by-job")
    linker = Linker(table, executions, SOURCES)
    executions._execution_ids = lambda _: set()  # type: ignore[method-assign, assignment]

    for minute in range(130):
        assert linker.run(NOW + timedelta(minutes=minute)).is_rejected
