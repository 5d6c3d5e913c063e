from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log.config import ExecutionsTableSettings
from drs_job_log.link.executions_table import ExecutionsTableError

from tests.support.executions import (
    CAPITALS,
    SMALL,
    create,
    executions_table,
    write,
)

if TYPE_CHECKING:
    from collections import Counter

    from mypy_boto3_dynamodb import DynamoDBClient


# ---------------------------------------------------------------------------------------------------------------------
# Executions of jobs
# ---------------------------------------------------------------------------------------------------------------------

WAVES = {
    "a list of maps": [{"WaveName": "one", "JobId": "drsjob-1"}, {"WaveName": "two"}],
    "JSON of a list": json.dumps([{"JobId": "drsjob-1"}, {}]),
    "a map by name": {"one": {"JobId": "drsjob-1"}, "two": {"Status": "PENDING"}},
    "a list in a map": {"Count": 2, "List": [{"JobId": "drsjob-1"}, {}]},
    "JSON in a map": {"List": json.dumps([{"JobId": "drsjob-1"}, {}])},
    "deep within a wave": [{"Result": {"Drs": {"Jobs": [{"JobId": "drsjob-1"}]}}}, {}],
    "a wave of several jobs": [{"JobId": ["drsjob-1", "drsjob-9"]}, {}],
    "a wave that is JSON": [json.dumps({"JobId": "drsjob-1"}), "{}"],
}


@pytest.mark.parametrize("waves", WAVES.values(), ids=WAVES.keys())
def test_a_scan_finds_a_job_in_each_form_of_waves(dynamodb: DynamoDBClient, waves: Any) -> None:
    create(dynamodb, "ExecutionId", "PlanId")
    write(dynamodb, ExecutionId="exec-1", PlanId="plan", Waves=waves)
    write(dynamodb, ExecutionId="exec-2", PlanId="plan", Waves=[{"JobId": "drsjob-2"}])
    executions = executions_table(dynamodb)

    assert executions.find_by_scan(["drsjob-1", "drsjob-3"], lambda: 1) == {"drsjob-1": "exec-1"}
    (record,) = executions.records("exec-1")
    assert len(record.waves) == 2
    assert "drsjob-1" in record.job_ids
    assert not record.names_every_job


@pytest.mark.parametrize("waves", [None, "", "no JSON", "[", 7, [], {}, [None], "[" * 100_000])
def test_invalid_waves_contain_no_job(dynamodb: DynamoDBClient, waves: Any) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=waves)

    (record,) = executions_table(dynamodb).records("exec-1")

    assert (record.job_ids, record.names_every_job) == (frozenset(), False)


def test_a_record_without_waves_is_a_single_wave(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1")

    assert executions_table(dynamodb).find_by_scan(["drsjob-1"], lambda: 1) == {"drsjob-1": "exec-1"}
    assert executions_table(dynamodb).records("exec-1")[0].names_every_job


def test_a_scan_reads_all_pages_and_continues_after_an_interruption(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(40):
        waves = [{"JobId": f"drsjob-{number}", "Text": "x" * 65_000}]
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=waves)
    wanted = {f"drsjob-{number}": f"exec-{number}" for number in range(40)}

    assert executions_table(dynamodb).find_by_scan(wanted, lambda: 1) == wanted

    executions, once = executions_table(dynamodb), iter([1, 0])
    first = executions.find_by_scan(wanted, lambda: next(once))
    assert 0 < len(first) < 40
    rest = executions.find_by_scan(wanted, lambda: 1)
    assert first | rest == wanted
    assert not first.keys() & rest.keys()


def test_a_scan_that_continues_reads_the_whole_table_for_new_jobs(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(40):
        waves = [{"JobId": f"drsjob-{number}", "Text": "x" * 65_000}]
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=waves)
    executions, once = executions_table(dynamodb), iter([1, 0])
    (first, *_) = executions.find_by_scan([f"drsjob-{number}" for number in range(40)], lambda: next(once))
    assert len(executions.unfinished) == 40

    assert executions.find_by_scan(["drsjob-none"], lambda: 1) == {}  # from the second page to the end, twice
    once = iter([1, 0])
    executions.find_by_scan(["drsjob-none"], lambda: next(once))

    assert executions.find_by_scan([first, "drsjob-none"], lambda: 1).keys() == {first}
    assert not executions.unfinished


@pytest.mark.parametrize(("settings", "attribute"), [(CAPITALS, "JobId"), (SMALL, "currentJob")])
def test_a_job_is_found_by_an_index_with_any_key_name(
    dynamodb: DynamoDBClient, settings: dict[str, Any], attribute: str
) -> None:
    names = ExecutionsTableSettings(table_name="history", **settings)
    create(dynamodb, names.execution_id_attribute, "PlanId", index=attribute)
    write(dynamodb, **{names.execution_id_attribute: "exec-1", "PlanId": "plan", attribute: "drsjob-1"})
    executions = executions_table(dynamodb, **settings, job_id_index="by-job")

    assert executions.find_by_index("drsjob-1") == "exec-1"
    assert executions.find_by_index("drsjob-2") is None


def test_a_job_of_two_executions_is_linked_to_neither(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    for execution in ("exec-1", "exec-2"):
        write(dynamodb, ExecutionId=execution, JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    executions = executions_table(dynamodb, job_id_index="by-job")

    assert executions.find_by_index("drsjob-1") is None
    assert executions.find_by_scan(["drsjob-1"], lambda: 1) == {}


def test_an_index_that_does_not_project_the_execution_id_is_an_error(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "PlanId", index="JobId")
    write(dynamodb, PlanId="plan", ExecutionId="exec-1", JobId="drsjob-1")

    with pytest.raises(
        ExecutionsTableError, match="must be an index that projects ExecutionId; by-job of history does not"
    ):
        executions_table(dynamodb, job_id_index="by-job").find_by_index("drsjob-1")


def test_a_missing_index_is_an_error(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")

    with pytest.raises(
        ExecutionsTableError, match="job_id_index must be a global secondary index of history, not by-job"
    ):
        executions_table(dynamodb, job_id_index="by-job").find_by_index("drsjob-1")


def test_an_execution_id_that_is_not_the_partition_key_is_an_error(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "PlanId")

    with pytest.raises(
        ExecutionsTableError, match="must be the partition key of history, which is PlanId, not ExecutionId"
    ):
        executions_table(dynamodb).records("exec-1")


@pytest.mark.parametrize(
    ("statuses", "is_over"),
    [
        ([], None),
        (["POLLING"], False),
        ([None], False),
        ([""], False),
        (["not-started"], False),
        (["COMPLETED"], True),
        (["CompletedWithFailure"], True),
        (["FAILED", "RUNNING"], False),
        (["FAILED", "PARTIAL"], True),
    ],
)
def test_an_execution_is_over_if_no_record_has_a_running_status(
    dynamodb: DynamoDBClient, statuses: list[str | None], is_over: bool | None
) -> None:
    create(dynamodb, "ExecutionId", "PlanId")
    for number, status in enumerate(statuses):
        write(dynamodb, ExecutionId="exec-1", PlanId=str(number), **({"Status": status} if status is not None else {}))

    state = executions_table(dynamodb).state("exec-1")

    assert (state.is_over if state else None) is is_over


@pytest.mark.parametrize(
    ("counts", "planned"),
    [([2], 2), (["3"], 3), ([1, 2], 3), ([None], None), ([2, None], None), ([0], None), ([-1], None), (["many"], None)],
)
def test_the_planned_waves_are_those_of_all_records(
    dynamodb: DynamoDBClient, counts: list[object], planned: int | None
) -> None:
    create(dynamodb, "ExecutionId", "PlanId")
    for number, count in enumerate(counts):
        write(
            dynamodb, ExecutionId="exec-1", PlanId=str(number), **({"TotalWaves": count} if count is not None else {})
        )

    state = executions_table(dynamodb).state("exec-1")

    assert state is not None
    assert state.planned_waves == planned


# ---------------------------------------------------------------------------------------------------------------------
# Tables that do not match the settings
# ---------------------------------------------------------------------------------------------------------------------


def test_a_table_that_cannot_be_queried_by_execution_is_rejected_once(
    dynamodb: DynamoDBClient, requests: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    create(dynamodb, "AppId_PlanId", "ExecutionId")
    executions = executions_table(dynamodb)
    requests.clear()

    for _ in range(3):
        with pytest.raises(ExecutionsTableError, match="DynamoDB rejected a request to history"):
            executions.state("exec-1")

    assert requests == {"Query": 1}
    (line,) = caplog.records
    assert (line.levelname, line.message) == ("ERROR", "Executions table rejected")
    assert "AppId_PlanId" in line.reason  # type: ignore[attr-defined]  # the answer of DynamoDB names the key


def test_a_transient_error_does_not_reject_the_table(dynamodb: DynamoDBClient) -> None:
    executions = executions_table(dynamodb)  # the table does not exist
    for _ in range(2):
        with pytest.raises(ClientError):
            executions.state("exec-1")
    create(dynamodb, "ExecutionId")

    assert executions.state("exec-1") is None


def test_a_good_key_schema_is_checked_once(dynamodb: DynamoDBClient, requests: Counter[str]) -> None:
    create(dynamodb, "ExecutionId", "PlanId", index="JobId")
    executions = executions_table(dynamodb, job_id_index="by-job")

    executions.check()
    executions.check()

    assert requests["DescribeTable"] == 1


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (("AppId_PlanId", "ExecutionId"), "must be the partition key of history, which is AppId_PlanId"),
        (("ExecutionId",), "must be a global secondary index of history, not by-job"),
    ],
)
def test_another_key_schema_is_checked_until_it_is_good(
    dynamodb: DynamoDBClient, caplog: pytest.LogCaptureFixture, keys: tuple[str, ...], reason: str
) -> None:
    create(dynamodb, *keys)
    executions = executions_table(dynamodb, job_id_index="by-job")

    for _ in range(2):
        with pytest.raises(ExecutionsTableError, match=reason):
            executions.check()
    assert [line.message for line in caplog.records] == ["Executions table rejected"] * 2
    dynamodb.delete_table(TableName="history")
    create(dynamodb, "ExecutionId", index="JobId")

    executions.check()
    assert executions.find_by_index("drsjob-1") is None
    assert executions.records("exec-1") == []


def test_an_execution_id_that_is_no_string_is_rejected(dynamodb: DynamoDBClient) -> None:
    dynamodb.create_table(
        TableName="history",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "ExecutionId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "ExecutionId", "AttributeType": "N"}],
    )

    with pytest.raises(ExecutionsTableError, match="must be a string; ExecutionId of history has the type N"):
        executions_table(dynamodb).check()


def test_a_rejected_request_is_reported_by_each_check(
    dynamodb: DynamoDBClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The alarm must stay on after a lookup found what the key schema does not show."""
    create(dynamodb, "ExecutionId", index="JobId")
    executions = executions_table(dynamodb, job_id_index="by-job", execution_id_attribute="ExecutionId")
    executions.check()
    executions._rejection("DynamoDB rejected a request")

    for _ in range(2):
        with pytest.raises(ExecutionsTableError, match="DynamoDB rejected a request"):
            executions.check()
    assert [line.message for line in caplog.records] == ["Executions table rejected"] * 3
