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


def linked_to(dynamodb: DynamoDBClient) -> dict[tuple[str, str], str | None]:
    return {(row["JobId"], row["EventId"]): row.get("ExecutionId") for row in rows(dynamodb)}


def unlinked(dynamodb: DynamoDBClient) -> int:
    return len(dynamodb.scan(TableName=TABLE, IndexName="UnlinkedIndex")["Items"])


# ---------------------------------------------------------------------------------------------------------------------
# Later
# ---------------------------------------------------------------------------------------------------------------------


def test_nothing_to_link_costs_one_empty_read(store: JobLogTable, requests: Counter[str]) -> None:
    linked = Linker(store, None).run(NOW)

    assert requests == {"Scan": 1}
    assert (linked.events, linked.oldest_age, linked.failures) == (0, timedelta(0), {})


@pytest.mark.parametrize(
    ("index", "config"), [("JobId", {"job_id_index": "by-job"}), (None, {"allow_scan": True})], ids=["index", "scan"]
)
def test_events_before_across_and_after_their_link_end_linked_each_once(
    dynamodb: DynamoDBClient, store: JobLogTable, clock: list[float], index: str | None, config: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId", index=index)
    table = executions_table(dynamodb, **config)
    links, run = ExecutionResolver(table), Linker(store, table).run
    for number in range(3):
        store.put(links.resolve(event(number), NOW), RETENTION)
    assert run(NOW).events == 0

    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    store.put(links.resolve(event(3), NOW), RETENTION)
    clock[0] += 60
    assert run(NOW).events == 4
    for number in (*range(3, 6), 0):  # some of them once more
        store.put(links.resolve(event(number), NOW + timedelta(minutes=1)), RETENTION)
    clock[0] += 60
    run(NOW)

    assert linked_to(dynamodb) == {("drsjob-1", f"event-{number}"): "exec-1" for number in range(6)}
    assert unlinked(dynamodb) == 0


def test_events_without_a_link_get_that_of_their_jobs_other_events(
    dynamodb: DynamoDBClient, store: JobLogTable
) -> None:
    """Launch results never carry one; the job's tag may be set late. No table of the platform's is needed."""
    for number in range(3):
        store.put(event(number), RETENTION)
    store.put(event(3, execution_id="exec-1"), RETENTION)
    store.put(event(0, "drsjob-2"), RETENTION)

    assert Linker(store, None).run(NOW).events == 3

    assert linked_to(dynamodb) == {
        **{("drsjob-1", f"event-{number}"): "exec-1" for number in range(4)},
        ("drsjob-2", "event-0"): None,
    }


def test_one_scan_serves_all_jobs_and_none_is_scanned_for_twice_a_minute(
    dynamodb: DynamoDBClient, store: JobLogTable, clock: list[float], requests: Counter[str]
) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(3):
        store.put(event(0, f"drsjob-{number}"), RETENTION)
    linker = Linker(store, executions_table(dynamodb, allow_scan=True))

    def scans() -> int:
        requests.clear()
        linker.run(NOW)
        return requests["Scan"] - 1  # one is of the index of unlinked events

    assert scans() == 1
    clock[0] += 30
    assert scans() == 0
    store.put(event(0, "drsjob-new"), RETENTION)
    assert scans() == 1  # for the new one only
    before, clock[0] = clock[0], clock[0] + 26  # the clock called four seconds early for the three
    assert scans() == 1
    assert clock[0] == before + 30


def test_a_job_without_any_link_is_looked_for_less_often_after_an_hour(
    store: JobLogTable, requests: Counter[str]
) -> None:
    """Also by functions that have just begun to live: nothing is remembered."""
    store.put(event(), RETENTION)
    for minute in range(60):
        Linker(store, None).run(NOW + timedelta(minutes=minute))
    assert requests["Query"] == 60

    for minute in range(60, 180):
        Linker(store, None).run(NOW + timedelta(minutes=minute))
    assert requests["Query"] == 62


def slowed(clock: list[float], call: Any, seconds: float) -> Any:
    """The same call, but it takes so many seconds."""

    def slow(*arguments: Any, **named: Any) -> Any:
        clock[0] += seconds
        return call(*arguments, **named)

    return slow


def run_for(linker: Linker, clock: list[float], seconds: float = 47) -> int:
    """Run a minute's invocation that has so many seconds; return how many events it linked."""
    start = clock[0]
    events = linker.run(NOW, lambda: start + seconds - clock[0]).events
    clock[0] = start + 60
    return events


def test_what_was_found_before_the_time_ran_out_is_linked(
    dynamodb: DynamoDBClient, store: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        store.put(event(0, f"drsjob-{number}"), RETENTION)
        store.put(event(1, f"drsjob-{number}", "exec-1"), RETENTION)
    monkeypatch.setattr(store, "execution_of", slowed(clock, store.execution_of, 1))

    assert [run_for(Linker(store, None), clock) for _ in range(2)] == [32, 18]
    assert unlinked(dynamodb) == 0


def test_what_a_scan_found_before_the_time_ran_out_is_linked(
    dynamodb: DynamoDBClient, store: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(60):
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=[{"JobId": f"drsjob-{number}", "Text": "x" * 65_000}])
        store.put(event(0, f"drsjob-{number}"), RETENTION)
    linker = Linker(store, executions_table(dynamodb, allow_scan=True))
    scan = dynamodb.scan
    slow = slowed(clock, scan, 20)
    monkeypatch.setattr(dynamodb, "scan", lambda **given: (slow if given["TableName"] == "history" else scan)(**given))

    linked = [run_for(linker, clock) for _ in range(3)]

    assert all(linked[:2])
    assert sum(linked) == 60
    assert unlinked(dynamodb) == 0


def test_where_time_runs_out_it_is_not_always_the_same_jobs_that_go_without(
    store: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        store.put(event(0, f"drsjob-{number}"), RETENTION)
    asked: set[str] = set()
    slow = slowed(clock, store.execution_of, 1)
    monkeypatch.setattr(store, "execution_of", lambda job_id: asked.add(job_id) or slow(job_id))

    for minute in range(20):
        start = clock[0]
        Linker(store, None).run(NOW + timedelta(minutes=minute), lambda start=start: start + 37 - clock[0])

    assert len(asked) == 40


def test_links_stop_where_no_time_is_left(
    dynamodb: DynamoDBClient, store: JobLogTable, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        store.put(event(number), RETENTION)
    store.put(event(60, execution_id="exec-1"), RETENTION)
    monkeypatch.setattr(store, "link", slowed(clock, store.link, 1))

    run_for(Linker(store, None), clock)

    assert 0 < unlinked(dynamodb) < 50


def test_jobs_that_are_found_otherwise_cost_no_scan(
    dynamodb: DynamoDBClient, store: JobLogTable, requests: Counter[str]
) -> None:
    create(dynamodb, "ExecutionId")
    store.put(event(0), RETENTION)
    store.put(event(1, execution_id="exec-1"), RETENTION)
    linker = Linker(store, executions_table(dynamodb, allow_scan=True))

    assert linker.run(NOW).events == 1
    assert linker.run(NOW).events == 0

    assert requests["Scan"] == 2  # of the index of unlinked events


def test_a_scan_that_fails_leaves_what_was_found_otherwise(dynamodb: DynamoDBClient, store: JobLogTable) -> None:
    store.put(event(0), RETENTION)
    store.put(event(1, execution_id="exec-1"), RETENTION)
    store.put(event(0, "drsjob-2"), RETENTION)

    linked = Linker(store, executions_table(dynamodb, allow_scan=True)).run(NOW)  # a table that is not there

    assert (linked.events, list(linked.failures)) == (1, ["scan"])


def test_launch_results_after_the_log_get_its_link_however_many(store: JobLogTable) -> None:
    for number in range(5):
        store.put(event(number, execution_id="exec-1"), RETENTION)
    for number in range(10, 60):
        store.put(event(number), RETENTION)

    assert Linker(store, None).run(NOW).events == 50


def test_a_link_is_never_changed(dynamodb: DynamoDBClient, store: JobLogTable) -> None:
    store.put(event(execution_id="exec-1"), RETENTION)

    assert not store.link("drsjob-1", event().key, "exec-2")
    store.requeue_for_linker("drsjob-1", event().key)
    assert store.link("drsjob-1", event().key, "exec-2")

    assert linked_to(dynamodb) == {("drsjob-1", "event-0"): "exec-1"}
    assert unlinked(dynamodb) == 0
    store.requeue_for_linker("drsjob-1", "gone")
    assert len(rows(dynamodb)) == 1


@pytest.mark.parametrize("settings", [{"job_id_index": "by-job"}, {"allow_scan": True}])
def test_a_table_that_cannot_be_asked_is_told_every_minute_for_as_long_as_it_lasts(
    dynamodb: DynamoDBClient, store: JobLogTable, clock: list[float], settings: dict[str, Any]
) -> None:
    store.put(event(), RETENTION)
    linker = Linker(store, executions_table(dynamodb, **settings))  # a table that is not there

    for minute in range(130):
        assert linker.run(NOW + timedelta(minutes=minute)).failures
        clock[0] += 60


def test_the_age_of_the_oldest_unlinked_event_is_told(store: JobLogTable) -> None:
    store.put(event(7, "drsjob-2"), RETENTION)
    store.put(event(5), RETENTION)

    assert Linker(store, None).run(NOW + timedelta(seconds=65)).oldest_age == timedelta(seconds=60)


@pytest.mark.slow
@settings(deadline=None, max_examples=min(30, EXAMPLES), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 25), max_size=6))
def test_a_run_that_is_cut_off_anywhere_is_made_good_by_the_next(store: JobLogTable, cuts: list[int]) -> None:
    """Cut off by the clock, or killed outright: by an exception that nobody catches."""
    client = store._client
    for table in client.list_tables()["TableNames"]:
        client.delete_table(TableName=table)
    tables.create_events(client, TABLE)
    create(client, "ExecutionId", index="JobId")
    write(client, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        store.put(one, RETENTION)
    table = executions_table(client, job_id_index="by-job", update_status=True)

    for cut in cuts:
        calls = iter(range(cut))
        if cut % 2:
            Linker(store, table).run(NOW, lambda calls=calls: 1.0 if next(calls, None) is not None else 0.0)
            continue

        def killed(calls: Any = calls, **_: Any) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt

        client.meta.events.register("before-call.dynamodb", killed, "killed")
        try:
            Linker(store, table).run(NOW)
        except KeyboardInterrupt:
            pass
        finally:
            client.meta.events.unregister("before-call.dynamodb", killed, "killed")
    Linker(store, table).run(NOW)

    assert {row.get("ExecutionId") for row in rows(client)} == {"exec-1"}
    assert unlinked(client) == 0
    assert records(client)[0]["Status"] == "FAILED"


def test_without_update_status_the_platforms_table_is_left_alone(dynamodb: DynamoDBClient, store: JobLogTable) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        store.put(one, RETENTION)

    assert Linker(store, executions_table(dynamodb, job_id_index="by-job")).run(NOW).events == 8

    assert records(dynamodb)[0]["Status"] == "RUNNING"


def test_a_status_that_cannot_be_set_holds_no_link_back_but_the_one_that_recalls_it(
    dynamodb: DynamoDBClient, store: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        store.put(one, RETENTION)
    table = executions_table(dynamodb, job_id_index="by-job", update_status=True)
    linker = Linker(store, table)
    with monkeypatch.context() as patch:
        patch.setattr(table, "set_status", lambda *_: 1 / 0)
        assert linker.run(NOW).failures
    assert unlinked(dynamodb) == 1

    assert not linker.run(NOW).failures
    assert unlinked(dynamodb) == 0
    assert records(dynamodb)[0]["Status"] == "FAILED"


def test_a_job_that_its_platform_writes_down_late_ends_its_execution_all_the_same(
    dynamodb: DynamoDBClient, store: JobLogTable
) -> None:
    """Its events are linked by their tag, all but one, or all of them and the end set aside by ingest."""
    create(dynamodb, "ExecutionId")
    record: dict[str, Any] = {"ExecutionId": "exec-1", "Status": "RUNNING"}
    write(dynamodb, **record, Waves=[{"WaveName": "one"}])
    *_, end = of_job = events(BAD, "drsjob-1", created=NOW)
    for one in of_job:
        store.put(one, RETENTION)
    store.requeue_for_linker(end.job_id, end.key)
    linker = Linker(store, executions_table(dynamodb, update_status=True))

    assert linker.run(NOW).missing == 0
    assert unlinked(dynamodb) == 1
    write(dynamodb, **record, Waves=[{"JobId": "drsjob-1"}])
    assert linker.run(NOW).updated == 1

    assert records(dynamodb)[0]["Status"] == "FAILED"
    assert unlinked(dynamodb) == 0


def test_a_long_job_is_waited_for_from_its_end_on(dynamodb: DynamoDBClient, store: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"WaveName": "one"}])
    start, *others = events(GOOD, "drsjob-1", execution_id=None)
    assert others[-1].timestamp - start.timestamp > timedelta(minutes=10)
    store.put(replace(start, execution_id="exec-1"), timedelta(days=5000))
    for one in others:
        store.put(one, timedelta(days=5000))
    linker = Linker(store, executions_table(dynamodb, update_status=True))

    assert linker.run(others[-1].timestamp + timedelta(minutes=1)).missing == 0
    assert unlinked(dynamodb) == 1


def test_a_job_that_its_platform_never_writes_down_is_missing_after_ten_minutes(
    dynamodb: DynamoDBClient, store: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    *_, end = events(BAD, "drsjob-1", created=NOW)
    store.put(end, RETENTION)
    store.requeue_for_linker(end.job_id, end.key)
    linker = Linker(store, executions_table(dynamodb, update_status=True))

    assert linker.run(end.timestamp + timedelta(minutes=9)).missing == 0
    assert linker.run(end.timestamp + timedelta(minutes=11)).missing == 1
    assert unlinked(dynamodb) == 0


def test_the_execution_of_a_job_that_ended_before_its_link_ends_too(
    dynamodb: DynamoDBClient, store: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    for one in events(BAD, "drsjob-1", created=NOW, execution_id=None):
        store.put(one, RETENTION)

    linked = Linker(store, executions_table(dynamodb, allow_scan=True, update_status=True)).run(NOW)

    assert (linked.updated, linked.missing) == (1, 0)
    assert records(dynamodb)[0]["Status"] == "FAILED"


def test_a_job_that_fails_leaves_the_others(store: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    for job in ("drsjob-1", "drsjob-2"):
        store.put(event(0, job), RETENTION)
        store.put(event(1, job, "exec-1"), RETENTION)
    execution_of = store.execution_of

    def sometimes(job_id: str) -> str | None:
        if job_id == "drsjob-1":
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Query")
        return execution_of(job_id)

    monkeypatch.setattr(store, "execution_of", sometimes)

    linked = Linker(store, None).run(NOW)

    assert linked.events == 1
    assert "slow down" in linked.failures["drsjob-1"]
