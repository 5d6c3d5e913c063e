"""The status of an execution in the executions table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log.config import ExecutionsTableSettings
from drs_job_log.link.execution_status import update_status
from drs_job_log.link.executions_table import ExecutionsTableError

from tests.support.executions import (
    BAD,
    CANCELLED,
    CAPITALS,
    GOOD,
    MIXED,
    SMALL,
    create,
    executions_table,
    records,
    write,
)
from tests.support.played import START, events
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support import scripts


def store_job(table: JobLogTable, script: scripts.Script, job_id: str, *, all_but_the_end: bool = False) -> None:
    for event in events(script, job_id)[: -1 if all_but_the_end else None]:
        table.put(event, RETENTION * 1000)


@pytest.mark.parametrize(
    ("settings", "range_key"), [(CAPITALS, ()), (CAPITALS, ("PlanId",)), (SMALL, ("planId",))], ids=str
)
@pytest.mark.parametrize(
    ("waves", "status"),
    [
        ([GOOD, GOOD], "COMPLETED"),
        ([GOOD, MIXED], "PARTIAL"),
        ([GOOD, BAD], "PARTIAL"),
        ([BAD, BAD], "FAILED"),
        ([CANCELLED], "FAILED"),
    ],
)
def test_the_last_wave_sets_the_status_and_the_end_time(  # noqa: PLR0917
    dynamodb: DynamoDBClient,
    table: JobLogTable,
    settings: dict[str, Any],
    range_key: tuple[str, ...],
    waves: list[scripts.Script],
    status: str,
) -> None:
    names = ExecutionsTableSettings(table_name="history", **settings)
    create(dynamodb, names.execution_id_attribute, *range_key)
    jobs = [f"drsjob-{number}" for number in range(len(waves))]
    record = {
        names.execution_id_attribute: "exec-1",
        **dict.fromkeys(range_key, "plan"),
        names.status_attribute: "POLLING",
        names.waves_attribute: [{names.job_id_attribute: job} for job in jobs],
        "other": "untouched",
    }
    write(dynamodb, **record)
    executions = executions_table(dynamodb, **settings)
    for wave, job in zip(waves[:-1], jobs, strict=False):
        store_job(table, wave, job)
        assert update_status(executions, table, "exec-1", job) == "UNCHANGED"
    store_job(table, waves[-1], jobs[-1])
    assert records(dynamodb) == [record]

    assert update_status(executions, table, "exec-1", jobs[-1]) == "UPDATED"

    ended = max(event.timestamp for wave, job in zip(waves, jobs, strict=True) for event in events(wave, job))
    (after,) = records(dynamodb)
    end_time = ended.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert after == record | {names.status_attribute: status, names.end_time_attribute: end_time}


def test_the_end_time_can_be_epoch_seconds(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")

    update_status(
        executions_table(dynamodb, update_status=True, end_time_format="EPOCH_SECONDS"), table, "exec-1", "drsjob-1"
    )

    assert records(dynamodb)[0]["EndTime"] == int(START.timestamp()) + 30


@pytest.mark.parametrize(
    "status", ["COMPLETED", "PARTIAL", "FAILED", "CANCELLED", "Cancelled", "CANCELED", "TERMINATED", "TIMED_OUT"]
)
def test_a_terminal_status_is_never_overwritten(dynamodb: DynamoDBClient, table: JobLogTable, status: str) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status=status, Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == status


@pytest.mark.parametrize(
    "record",
    [
        {"Waves": [{"JobId": "drsjob-1"}, {"WaveName": "not begun"}]},
        {"Waves": [{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}]},
        {"Waves": [{"JobId": ["drsjob-1", "drsjob-2"]}]},
        # Some public orchestrators append a wave when it starts, and store the number of waves in advance.
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": 3},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": "3"},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": "three"},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": {"N": 2}},
    ],
)
def test_the_status_is_unchanged_if_another_wave_has_not_ended(
    dynamodb: DynamoDBClient, table: JobLogTable, record: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", **record)
    store_job(table, GOOD, "drsjob-1")
    store_job(table, GOOD, "drsjob-2", all_but_the_end=True)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == "POLLING"


@pytest.mark.parametrize(
    "waves",
    [
        [{"JobId": "drsjob-1", "Servers": [{"JobId": "ssm-123"}]}],  # job of another service
        {"one": {"Servers": ["s-1"], "Result": {"JobId": "drsjob-1"}}},
        {"Waves": [{"JobId": "drsjob-1"}], "Text": "of no wave", "Names": ["one"]},
    ],
)
def test_other_attributes_of_a_wave_do_not_delay_the_status(
    dynamodb: DynamoDBClient, table: JobLogTable, waves: Any
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", Waves=waves)
    store_job(table, GOOD, "drsjob-1")

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UPDATED"


def test_the_tables_are_read_with_strong_consistency(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    """If two jobs end at the same time, the later update must read both. moto is always consistent."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, GOOD, "drsjob-1")
    queries: list[Any] = []
    dynamodb.meta.events.register("provide-client-params.dynamodb.Query", lambda params, **_: queries.append(params))

    update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1")

    assert [(query["TableName"], query["ConsistentRead"]) for query in queries] == [("history", True), (TABLE, True)]


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"Waves": []},
        {"Waves": [{"JobId": "drsjob-2"}]},
        # Waves or a job in attributes that the settings do not name.
        {"WaveList": [{"JobId": "drsjob-1"}, {"WaveName": "not begun"}]},
        {"CurrentWave": {"JobId": "drsjob-1"}},
    ],
)
def test_a_missing_execution_is_reported_and_not_created(
    dynamodb: DynamoDBClient, table: JobLogTable, record: dict[str, Any] | None
) -> None:
    create(dynamodb, "ExecutionId")
    if record:
        write(dynamodb, ExecutionId="exec-1", **record)
    store_job(table, BAD, "drsjob-1")
    before = records(dynamodb)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "MISSING"
    assert records(dynamodb) == before


def test_only_one_of_two_concurrent_updates_succeeds(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    """Both jobs are stored before the first update, so both updates read both jobs."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}])
    store_job(table, GOOD, "drsjob-1")
    store_job(table, MIXED, "drsjob-2")
    first, second = executions_table(dynamodb), executions_table(dynamodb)
    (read_by_both,) = first.records("exec-1")

    assert update_status(first, table, "exec-1", "drsjob-1") == "UPDATED"
    assert not second.set_status(read_by_both, "FAILED", START)
    assert update_status(second, table, "exec-1", "drsjob-2") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == "PARTIAL"


@pytest.mark.parametrize(
    "change", [{"Waves": [{"JobId": "drsjob-1"}, {}]}, {"Status": "CANCELLED"}, {"Status": "CANCELLED", "Waves": []}]
)
def test_the_record_is_read_again_if_it_changed(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId")
    before = {"ExecutionId": "exec-1", "Waves": [{"JobId": "drsjob-1"}]}
    write(dynamodb, **before)
    store_job(table, BAD, "drsjob-1")
    executions = executions_table(dynamodb)
    set_status = executions.set_status

    def after_another_writer(*arguments: Any) -> bool:
        write(dynamodb, **(before | change))
        return set_status(*arguments)

    monkeypatch.setattr(executions, "set_status", after_another_writer)

    assert update_status(executions, table, "exec-1", "drsjob-1") in {"UNCHANGED", "MISSING"}
    assert records(dynamodb) == [before | change]


def test_the_update_fails_if_the_record_changes_at_each_attempt(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")
    executions = executions_table(dynamodb)
    monkeypatch.setattr(executions, "set_status", lambda *_: False)

    with pytest.raises(ExecutionsTableError, match="another writer changed"):
        update_status(executions, table, "exec-1", "drsjob-1")


def test_the_update_fails_if_the_executions_table_does_not_exist(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    with pytest.raises(ClientError):
        update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1")


def test_a_deleted_record_is_not_created_again(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    executions = executions_table(dynamodb)
    (record,) = executions.records("exec-1")
    unconditional = replace(record, as_read={})
    dynamodb.delete_item(TableName="history", Key={"ExecutionId": {"S": "exec-1"}})

    assert not executions.set_status(unconditional, "COMPLETED", START)

    assert records(dynamodb) == []
