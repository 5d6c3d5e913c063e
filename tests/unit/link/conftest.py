from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.link import linker as linking
from drs_job_log.model.events import JobLogEvent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime.now(UTC)
SOURCE = "drs.job-log"
SOURCES = frozenset({SOURCE})


def event(
    number: int = 0, job_id: str = "drsjob-1", execution_id: str | None = None, source: str = SOURCE, **detail: Any
) -> JobLogEvent:
    """Return an event. Of the collector, the execution ID is that of the tag."""
    return JobLogEvent(
        job_id=job_id,
        event_id=f"event-{number}",
        event_type="SNAPSHOT_STARTED",
        timestamp=NOW + timedelta(seconds=number),
        source=source,
        is_foreign=source not in {SOURCE, "aws.drs"},
        detail=detail | ({"executionId": execution_id} if execution_id else {}),
        execution_id=execution_id,
    )


@pytest.fixture
def requests(dynamodb: DynamoDBClient) -> Counter[str]:
    """The number of calls of each DynamoDB operation."""
    counted = Counter[str]()
    dynamodb.meta.events.register("before-call.dynamodb", lambda model, **_: counted.update([model.name]))
    return counted


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A monotonic clock that only `sleep` advances."""
    seconds = [1000.0]

    def sleep(duration: float) -> None:
        seconds[0] += duration

    monkeypatch.setattr(linking.time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(linking.time, "sleep", sleep)
    return seconds
