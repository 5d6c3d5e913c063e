"""The results table of drs-plan-automation, from the queue to the API. The execution ID is its sort key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.support import played
from tests.support.envelopes import dumps, job_log, sqs_records
from tests.support.executions import MIXED, create, records, write
from tests.support.functions import LambdaContext, cold_start
from tests.support.tables import rows

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient

EXECUTION: Final = "arn:aws:states:us-east-1:111122223333:execution:drs:00000000-0000-0000-0000-000000000000"
SETTINGS: Final = json.dumps(
    {"jobIdAttribute": "jobID", "statusAttribute": "status", "allowScan": True, "updateStatus": True}
)


@dataclass
class Context(LambdaContext):
    """The context of an invocation with 50 seconds left."""

    def get_remaining_time_in_millis(self) -> float:
        return 50_000.0


def test_the_table_is_rejected_and_the_recovery_is_stored_linked_and_shown(
    dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    create(dynamodb, "AppId_PlanId", "ExecutionId")
    item = {
        "AppId_PlanId": "app-1_plan-1",
        "ExecutionId": EXECUTION,
        "status": "running",
        "Waves": [{"drs": {"job": {"jobID": "drsjob-1"}}}],
    }
    write(dynamodb, **item)
    ingest, linker, api = (
        cold_start(function, EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=SETTINGS)
        for function in ("ingest", "linker", "api")
    )
    created = datetime.now(UTC) - timedelta(minutes=40)
    details = played.details(MIXED, "drsjob-1", created=created, execution_id=None)

    answers = [ingest.lambda_handler(sqs_records([dumps(job_log(detail))]), LambdaContext()) for detail in details]
    assert all(answer["batchItemFailures"] == [] for answer in answers)
    capsys.readouterr()
    assert linker.lambda_handler({}, Context()) == {"events": len(details), "finished": 0}
    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert metrics["ExecutionsTableRejected"] == [1]
    assert {row["ExecutionId"] for row in rows(dynamodb)} == {EXECUTION}
    assert records(dynamodb) == [item]

    event: dict[str, Any] = {
        "routeKey": "GET /executions/{executionId}/logs",
        "pathParameters": {"executionId": EXECUTION},
    }
    body = json.loads(api.lambda_handler(event, LambdaContext())["body"])
    assert (body["status"], body["settled"]) == ("PARTIAL", True)
    assert body["statusReason"].startswith("The executions table is not usable: DynamoDB rejected a request to")


def test_the_end_of_a_tagged_job_is_stored_and_not_retried(
    dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    create(dynamodb, "AppId_PlanId", "ExecutionId")
    ingest = cold_start("ingest", EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=SETTINGS)
    (*_, end) = played.details(MIXED, "drsjob-1", created=datetime.now(UTC) - timedelta(hours=1))

    answer = ingest.lambda_handler(sqs_records([dumps(job_log(end))]), LambdaContext())

    assert answer["batchItemFailures"] == []
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ExecutionsTableRejected"] == [1]
    assert [row["ExecutionId"] for row in rows(dynamodb)] == ["exec-1"]
