"""The execution of an event at the time it is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from drs_job_log.link import resolver
from drs_job_log.link.resolver import ExecutionResolver

from tests.support.executions import create, executions_table, write
from tests.support.tables import rows
from tests.unit.conftest import RETENTION
from tests.unit.link.conftest import NOW, event

if TYPE_CHECKING:
    from collections import Counter

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient


def test_an_events_own_execution_counts_first_and_is_remembered(
    dynamodb: DynamoDBClient, requests: Counter[str]
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-of-the-table", JobId="drsjob-1")
    requests.clear()
    links = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))

    assert links.resolve(event(execution_id="exec-1"), NOW).execution_id == "exec-1"
    assert links.resolve(event(1), NOW).execution_id == "exec-1"
    assert links.resolve(event(2, "drsjob-2"), NOW).execution_id is None
    assert requests == {"DescribeTable": 1, "Query": 1}


@pytest.mark.parametrize("executions", [1, 300])
def test_linking_a_hundred_events_costs_one_query_whatever_the_size_of_the_table(
    dynamodb: DynamoDBClient, store: JobLogTable, requests: Counter[str], executions: int
) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    for number in range(executions):
        write(dynamodb, ExecutionId=f"exec-{number}", JobId=f"drsjob-{number}")
    links = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))
    requests.clear()

    for number in range(100):
        store.put(links.resolve(event(number, "drsjob-0"), NOW), RETENTION)

    assert requests == {"PutItem": 100, "DescribeTable": 1, "Query": 1}
    assert {row["ExecutionId"] for row in rows(dynamodb)} == {"exec-0"}


def test_not_found_is_remembered_briefly(dynamodb: DynamoDBClient, requests: Counter[str]) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    links = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))
    assert links.resolve(event(), NOW).execution_id is None
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1")
    requests.clear()

    assert links.resolve(event(), NOW + timedelta(seconds=29)).execution_id is None
    assert requests == {}
    assert links.resolve(event(), NOW + timedelta(seconds=31)).execution_id == "exec-1"


def test_without_an_index_storing_asks_no_other_table(dynamodb: DynamoDBClient, requests: Counter[str]) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    requests.clear()

    assert ExecutionResolver(executions_table(dynamodb, allow_scan=True)).resolve(event(), NOW).execution_id is None
    assert ExecutionResolver(None).resolve(event(), NOW).execution_id is None
    assert requests == {}


def test_a_table_that_cannot_be_asked_leaves_the_event_unlinked(dynamodb: DynamoDBClient) -> None:
    links = ExecutionResolver(executions_table(dynamodb, job_id_index="by-job"))

    assert links.resolve(event(), NOW) == event()


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_MAX_CACHED_JOBS", 3)
    links = ExecutionResolver(None)

    for number in range(10):
        links.resolve(event(0, f"drsjob-{number}", "exec-1"), NOW)

    assert len(links._jobs) <= 4
