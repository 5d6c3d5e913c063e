"""The execution of an event at the time it is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from drs_job_log.link import resolver as resolving
from drs_job_log.link.resolver import ExecutionResolver

from tests.support.executions import create, executions_table, write
from tests.support.tables import rows
from tests.unit.conftest import RETENTION
from tests.unit.link.conftest import NOW, event

if TYPE_CHECKING:
    from collections import Counter

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient


def test_the_tag_has_precedence_and_is_cached(dynamodb: DynamoDBClient, requests: Counter[str]) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-of-the-table", JobId="drsjob-1")
    requests.clear()
    resolver = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))

    assert resolver.resolve(event(execution_id="exec-1"), NOW).execution_id == "exec-1"
    assert resolver.resolve(event(1), NOW).execution_id == "exec-1"
    assert resolver.resolve(event(2, "drsjob-2"), NOW).execution_id is None
    assert requests == {"DescribeTable": 1, "Query": 1}


def test_the_executions_table_outranks_the_execution_of_another_sender(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-of-the-table", JobId="drsjob-1")
    resolver = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))

    assert resolver.resolve(event(0, "drsjob-1", "foreign", "acme"), NOW).execution_id == "exec-of-the-table"
    assert resolver.resolve(event(1), NOW).execution_id == "exec-of-the-table"
    assert resolver.resolve(event(2, "drsjob-1", "exec-of-the-tag"), NOW).execution_id == "exec-of-the-tag"
    assert resolver.resolve(event(3, "drsjob-1", "foreign", "acme"), NOW).execution_id == "exec-of-the-tag"


@pytest.mark.parametrize("has_table", [True, False])
def test_the_execution_of_another_sender_applies_to_its_own_event_only(
    dynamodb: DynamoDBClient, has_table: bool
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    resolver = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job") if has_table else None)

    assert resolver.resolve(event(0, "drsjob-1", "foreign", "acme"), NOW).execution_id == "foreign"
    assert resolver.resolve(event(1), NOW).execution_id is None
    assert resolver.resolve(event(2, "drsjob-1", "exec-1"), NOW).execution_id == "exec-1"


@pytest.mark.parametrize("executions", [1, 300])
def test_linking_100_events_costs_one_query_for_any_table_size(
    dynamodb: DynamoDBClient, table: JobLogTable, requests: Counter[str], executions: int
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    for number in range(executions):
        write(dynamodb, ExecutionId=f"exec-{number}", JobId=f"drsjob-{number}")
    resolver = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))
    requests.clear()

    for number in range(100):
        table.put(resolver.resolve(event(number, "drsjob-0"), NOW), RETENTION)

    assert requests == {"PutItem": 100, "DescribeTable": 1, "Query": 1}
    assert {row["ExecutionId"] for row in rows(dynamodb)} == {"exec-0"}


def test_a_missing_execution_is_cached_for_30_seconds(dynamodb: DynamoDBClient, requests: Counter[str]) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    resolver = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))
    assert resolver.resolve(event(), NOW).execution_id is None
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1")
    requests.clear()

    assert resolver.resolve(event(), NOW + timedelta(seconds=29)).execution_id is None
    assert requests == {}
    assert resolver.resolve(event(), NOW + timedelta(seconds=31)).execution_id == "exec-1"


def test_no_table_is_read_if_there_is_no_index(dynamodb: DynamoDBClient, requests: Counter[str]) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    requests.clear()

    assert ExecutionResolver(executions_table(dynamodb, allow_scan=True)).resolve(event(), NOW).execution_id is None
    assert ExecutionResolver(None).resolve(event(), NOW).execution_id is None
    assert requests == {}


def test_the_event_stays_unlinked_if_the_executions_table_is_unreadable(dynamodb: DynamoDBClient) -> None:
    resolver = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))

    assert resolver.resolve(event(), NOW) == event()


def test_an_index_that_does_not_exist_is_logged_once(
    dynamodb: DynamoDBClient, caplog: pytest.LogCaptureFixture
) -> None:
    create(dynamodb, "ExecutionId")
    resolver = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))

    for number in range(3):
        assert resolver.resolve(event(0, f"drsjob-{number}"), NOW).execution_id is None

    assert [line.message for line in caplog.records] == ["Executions table rejected"]


def test_the_size_of_the_cache_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_MAX_CACHED_JOBS", 3)
    resolver = ExecutionResolver(None)

    for number in range(10):
        resolver.resolve(event(0, f"drsjob-{number}", "exec-1"), NOW)

    assert len(resolver._jobs) <= 4
