"""The handler of the linker, with its real wiring."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.link import handler as linker
from drs_job_log.link import linker as linking

from tests.support.executions import GOOD, create, records, write
from tests.support.functions import LambdaContext, cold_start
from tests.support.played import events
from tests.support.tables import rows
from tests.unit.conftest import RETENTION
from tests.unit.link.conftest import NOW, event

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass
class Context(LambdaContext):
    """The context of an invocation with ``milliseconds`` left."""

    milliseconds: float = 50_000.0

    def get_remaining_time_in_millis(self) -> float:
        return self.milliseconds


@pytest.fixture(autouse=True)
def _cold_start(dynamodb: DynamoDBClient) -> None:
    assert dynamodb
    cold_start("linker")


def run(event: dict[str, Any], milliseconds: float = 50_000.0) -> dict[str, int]:
    result: dict[str, int] = linker.lambda_handler(event, Context(milliseconds=milliseconds))
    return result


def test_a_run_adds_its_metrics(table: JobLogTable, capsys: pytest.CaptureFixture[str]) -> None:
    table.put(replace(event(), timestamp=NOW - timedelta(minutes=5)), RETENTION)
    table.put(event(1, execution_id="exec-1"), RETENTION)

    assert run({}) == {"events": 1, "finished": 0}

    line = json.loads(capsys.readouterr().out)
    assert line["EventsLinked"] == [1]
    assert 300 <= line["OldestUnlinkedEventAge"][0] < 3600


def test_a_manual_run_sends_no_heartbeat(table: JobLogTable, capsys: pytest.CaptureFixture[str]) -> None:
    table.put(event(), RETENTION)

    run({"jobIds": ["drsjob-1"]})

    line = json.loads(capsys.readouterr().out)
    assert line["EventsLinked"] == [0]
    assert "OldestUnlinkedEventAge" not in line


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_requested_job_is_due_at_any_age(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    old = datetime.now(UTC) - timedelta(hours=2)
    for job_id in ("drsjob-1", "drsjob-2"):
        table.put(replace(event(0, job_id), timestamp=old), RETENTION)
        table.put(event(1, job_id, execution_id="exec-1"), RETENTION)
    monkeypatch.setattr(linking, "is_due", lambda *_: False)

    assert run({})["events"] == 0
    assert run({"jobIds": ["drsjob-1"]})["events"] == 1
    assert list(table.unlinked()[0]) == ["drsjob-2"]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_request_to_reindex_continues_after_a_job(table: JobLogTable) -> None:
    for job_id in ("drsjob-1", "drsjob-2"):
        table.put(event(0, job_id), RETENTION)

    assert run({"reindex": True}) == {"jobs": 2, "events": 0, "after": None}
    first, second = (job_id for job_id, _ in table.jobs_from())
    assert run({"reindex": {"after": first}}) == {"jobs": 1, "events": 0, "after": None}
    assert run({"reindex": {"after": second}}) == {"jobs": 0, "events": 0, "after": None}


@pytest.mark.parametrize(
    "event",
    [
        *({"jobIds": []}, {"jobIds": [7]}, {"jobIDs": ["drsjob-1"]}, {"jobIds": "drsjob-1"}),
        *({"reindex": False}, {"reindex": {}}, {"reindex": {"after": ""}}, {"reindex": {"after": 1}}),
        *({"reindex": True, "jobIds": ["drsjob-1"]}, {"reindex": {"after": "drsjob-1", "before": "drsjob-2"}}),
    ],
)
def test_an_invalid_event_is_rejected_with_the_remedy(event: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"the event must be \{\} for all due jobs, .* or"):
        run(event)


def test_a_failure_is_an_error_of_the_function(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    assert dynamodb
    table.put(event(), RETENTION)
    cold_start("linker", EXECUTION_HISTORY_TABLE="missing", EXECUTION_HISTORY_SETTINGS='{"jobIdIndex": "by-job"}')

    with pytest.raises(linker.LinkError, match=r"drsjob-1: ResourceNotFoundException"):
        run({})


def test_the_linker_finds_executions_in_the_configured_table_and_updates_them(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", JobId="drsjob-1")
    cold_start("ingest")
    settings = {"jobIdIndex": "by-job", "updateStatus": True}
    cold_start("linker", EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=json.dumps(settings))
    # Jobs are due every minute for an hour. NOW can be old, since the tests of a slow machine take long.
    created = datetime.now(UTC) - timedelta(minutes=30)
    for unlinked in events(GOOD, "drsjob-1", created=created, execution_id=None):
        linker.linker._table.put(unlinked, RETENTION)

    assert run({}) == {"events": 14, "finished": 1}

    assert {row["ExecutionId"] for row in rows(dynamodb)} == {"exec-1"}
    assert records(dynamodb)[0]["Status"] == "COMPLETED"


@pytest.mark.parametrize(("milliseconds", "seconds"), [(50_000, 42.0), (8_000, 0.0)])
def test_time_for_the_metrics_is_reserved(monkeypatch: pytest.MonkeyPatch, milliseconds: float, seconds: float) -> None:
    left: list[float] = []
    original = linker.linker.run

    def recorded(now: datetime, seconds_left: Callable[[], float], **options: Any) -> Any:
        left.append(seconds_left())
        return original(now, seconds_left, **options)

    monkeypatch.setattr(linker.linker, "run", recorded)
    run({}, milliseconds)

    assert left == [seconds]
