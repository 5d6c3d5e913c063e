from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from drs_job_log.ingest import handler as ingest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import played, scripts
from tests.support.envelopes import ALICE, details, dumps, job_log, request, sqs_records
from tests.support.executions import BAD, CANCELLED, GOOD, SERVERS, create, records, write
from tests.support.functions import LambdaContext, cold_start
from tests.support.tables import rows
from tests.unit.conftest import TABLE

if TYPE_CHECKING:
    from drs_job_log.model.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.unit.conftest import Subscriber


def body(event_id: str, **changes: Any) -> str:
    detail = {"jobID": "drsjob-1", "eventType": "JOB_START", "eventId": event_id} | changes
    return dumps(job_log(detail))


def run(bodies: list[str], first_id: int = 0) -> list[str]:
    """Invoke the function with a batch. Return the IDs of the failed messages."""
    answer = ingest.lambda_handler(sqs_records(bodies, first_id=first_id), LambdaContext())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture(autouse=True)
def _cold_start(dynamodb: DynamoDBClient) -> None:
    assert dynamodb
    cold_start("ingest")


def emitted(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the metrics of one batch. Sum the server failures, which are on separate lines."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    failures = [line for line in lines if "ServerFailures" in line]
    metrics: dict[str, Any] = next((line for line in lines if line not in failures), {})
    for line in failures:
        assert line["service"] == "drs-job-log"
        assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "DRSJobLog"
        metrics["ServerFailures"] = [metrics.get("ServerFailures", [0])[0] + line["ServerFailures"][0]]
    return metrics


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_an_invalid_record_does_not_affect_other_records(dynamodb: DynamoDBClient) -> None:
    failed = run([body("a"), "no JSON", body("b"), body("c", logDateTime="soon"), body("d")])

    assert sorted(failed) == ["message-1", "message-3"]
    assert {row["EventId"] for row in rows(dynamodb)} == {"a", "b", "d"}


def test_a_record_that_dynamodb_rejects_does_not_affect_other_records(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ingest.table.put

    def put_or_throttle(event: JobLogEvent, retention: timedelta) -> bool:
        if event.event_id == "b":
            raise dynamodb.exceptions.ProvisionedThroughputExceededException({}, "PutItem")
        return put(event, retention)

    monkeypatch.setattr(ingest.table, "put", put_or_throttle)

    assert run([body("a"), body("b"), body("c")]) == ["message-1"]
    assert {row["EventId"] for row in rows(dynamodb)} == {"a", "c"}


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_batch_without_a_valid_record_is_an_error_of_the_function() -> None:
    with pytest.raises(BatchProcessingError):
        run(["no JSON", "{}"])


def test_a_repeated_event_is_stored_once(dynamodb: DynamoDBClient) -> None:
    assert run([body("a")] * 10) == []
    assert run([body("a")] * 10, first_id=100) == []

    assert len(rows(dynamodb)) == 1


def test_test_events_of_the_collector_expire_after_an_hour(dynamodb: DynamoDBClient) -> None:
    now = datetime.now(UTC)
    detail = {"jobID": "smoke-test", "eventType": "SMOKE_TEST", "logDateTime": now.isoformat()}

    assert (
        run([dumps(job_log(detail | {"eventId": "a"})), dumps(job_log(detail | {"eventId": "b"}, source="my.tool"))])
        == []
    )

    seconds = {row["EventId"]: int(row["TTL"]) - int(now.timestamp()) for row in rows(dynamodb)}
    assert seconds == {"a": 3600, "b": ingest.settings.retention.total_seconds()}


def test_the_ledger_is_kept_longer_than_other_events(dynamodb: DynamoDBClient) -> None:
    cold_start("ingest", RETENTION_DAYS="30", HISTORY_DAYS="400")
    now = datetime.now(UTC)
    kept = ["JOB_START", "SERVERS_ADDED", "LAUNCH_END", "LAUNCH_FAILED", "SNAPSHOT_FAIL", "SERVER_SKIPPED", "JOB_END"]
    others = ["SNAPSHOT_START", "CONVERSION_END", "SERVER_STALLED"]

    def message(event: str, source: str = "drs.job-log") -> str:
        detail = {"jobID": "drsjob-1", "eventType": event, "eventId": event, "logDateTime": now.isoformat()}
        return dumps(job_log(detail | {"sourceServerID": "s-1"}, source=source))

    try:
        assert run([message(event) for event in kept + others]) == []
        assert run([message(event, "my.tool") for event in kept]) == []
    finally:
        cold_start("ingest")

    days = {
        (row["Source"], row["EventId"]): round((int(row["TTL"]) - now.timestamp()) / 86_400) for row in rows(dynamodb)
    }
    assert {event: days["drs.job-log", event] for event in kept + others} == {
        **dict.fromkeys(kept, 400),
        **dict.fromkeys(others, 30),
    }
    assert {days["my.tool", event] for event in kept} == {30}


def test_a_forged_event_does_not_replace_the_event_of_the_collector(dynamodb: DynamoDBClient) -> None:
    forged = dumps(job_log({"jobID": "drsjob-1", "eventType": "A_NOTE", "eventId": "a"}, source="my.tool"))

    assert run([forged, body("a"), forged]) == []

    assert {row["EventKey"].partition("#")[2]: row["EventType"] for row in rows(dynamodb)} == {
        "a": "JOB_STARTED",
        "a#my.tool": "A_NOTE",
    }


def test_implausible_events_fail_alone(dynamodb: DynamoDBClient) -> None:
    """Neither DynamoDB nor the linker would ever remove them, and no later event would be the newest one."""
    failed = run(
        [
            body("old", logDateTime="1970-01-01T00:00:00Z"),
            body("true"),
            body("future", logDateTime="9999-12-31T23:59:59Z"),
            body("large", sourceServerIDs=[f"s-{number}" for number in range(1001)]),
        ]
    )

    assert sorted(failed) == ["message-0", "message-2", "message-3"]
    assert [row["EventId"] for row in rows(dynamodb)] == ["true"]


def test_the_records_of_a_batch_are_stored_concurrently(monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = threading.Barrier(10, timeout=30)

    def put(*_: object) -> bool:
        barrier.wait()  # times out unless all ten threads wait here
        return True

    monkeypatch.setattr(ingest.table, "put", put)

    assert run([body(str(number)) for number in range(10)]) == []


def test_metrics_count_stored_events(capsys: pytest.CaptureFixture[str]) -> None:
    run([body("a"), body("a"), body("b", executionId="exec-1"), "no JSON"])

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    assert metrics["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "DRSJobLog",
            "Dimensions": [["service"]],
            "Metrics": [
                {"Name": "EventsStored", "Unit": "Count"},
                {"Name": "EventsRepeated", "Unit": "Count"},
                {"Name": "EventsUnlinked", "Unit": "Count"},
                {"Name": "EventLag", "Unit": "Milliseconds"},
            ],
        }
    ]
    assert metrics["service"] == "drs-job-log"
    assert metrics["EventsStored"] == [2]
    assert metrics["EventsRepeated"] == [1]
    assert metrics["EventsUnlinked"] == [1]
    assert len(metrics["EventLag"]) == 2
    assert metrics["EventsBySource"] == {"drs.job-log": 2}


def test_the_event_of_a_check_has_no_lag(capsys: pytest.CaptureFixture[str]) -> None:
    """A repeated check sends it hours after the time that it has."""
    run([body("a", eventType="DRILL_INSTANCES_LEFT"), body("b")])

    assert len(emitted(capsys)["EventLag"]) == 1


def test_a_request_is_kept_as_the_ledger_and_has_no_lag(
    dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudTrail reports it minutes later, which is no delay of the pipeline. It can report it twice."""
    cold_start("ingest", RETENTION_DAYS="30", HISTORY_DAYS="400")
    now = datetime.now(UTC)
    asked = dumps(request({}, eventTime=(now - timedelta(minutes=9)).isoformat(timespec="seconds")))

    try:
        assert run([asked, dumps(json.loads(asked) | {"id": "another"}), body("a", logDateTime=now.isoformat())]) == []
    finally:
        cold_start("ingest")

    metrics = emitted(capsys)
    (row,) = [row for row in rows(dynamodb) if row["EventType"] == "JOB_REQUESTED"]
    assert (metrics["EventsStored"], metrics["EventsRepeated"]) == ([2], [1])
    assert len(metrics["EventLag"]) == 1
    assert metrics["EventLag"][0] < 60_000
    assert (row["Source"], row["Summary"]) == ("aws.drs", {"requestedBy": ALICE})
    assert round((int(row["TTL"]) - now.timestamp()) / 86_400) == 400


def test_a_rejected_record_is_logged_with_the_reason_and_without_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(ingest.logger.registered_handler, "stream", log)

    run([body("a"), body("b", jobID="", error="a secret")])

    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert line["level"] == "ERROR"
    assert line["message"] == "Event rejected"
    assert line["message_id"] == "message-1"
    assert "detail.jobID" in line["reason"]
    assert "a secret" not in log.getvalue()


# ---------------------------------------------------------------------------------------------------------------------
# Failures and durations
# ---------------------------------------------------------------------------------------------------------------------


def failed(event_id: str, server: str = "s-1", **changes: Any) -> str:
    now = datetime.now(UTC).isoformat()
    return body(event_id, eventType="LAUNCH_FAILED", sourceServerID=server, logDateTime=now, **changes)


def test_a_failed_server_is_notified_and_counted_once(
    subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn)

    assert run([failed("a"), body("b"), failed("c", server="s-2")]) == []
    assert emitted(capsys)["ServerFailures"] == [2]
    assert run([failed("a"), failed("d"), failed("e", server="s-2")]) == []
    assert "ServerFailures" not in emitted(capsys)

    assert len(subscriber.take()) == 2


def test_an_event_is_stored_if_its_notification_fails_and_a_retry_sends_it(
    dynamodb: DynamoDBClient,
    subscriber: Subscriber,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(ingest.logger.registered_handler, "stream", log)
    bodies = [body("a"), failed("b"), body("c")]
    cold_start("ingest", FAILURE_TOPIC_ARN=f"{subscriber.topic_arn}-gone")

    assert run(bodies) == ["message-1"]
    assert len(rows(dynamodb)) == 3
    assert emitted(capsys)["ServerFailures"] == [1]  # the alarm is the only notification
    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["message"], line["job_id"]) == ("Event stored, but a follow-up action failed", "drsjob-1")

    cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn)
    assert run(bodies[1:2], first_id=1) == []
    assert "ServerFailures" not in emitted(capsys)
    assert len(subscriber.take()) == 1


@pytest.mark.parametrize(
    ("event_type", "metric"),
    [
        ("SNAPSHOT_END", "SnapshotDuration"),
        ("CONVERSION_END", "ConversionDuration"),
        ("LAUNCH_END", "LaunchDuration"),
        ("JOB_END", "JobDuration"),
    ],
)
def test_the_duration_of_a_step_is_counted_once(
    capsys: pytest.CaptureFixture[str], event_type: str, metric: str
) -> None:
    bodies = [body("a", eventType=event_type, durationSeconds=12.25), body("b", eventType=event_type)]

    run(bodies)
    metrics = emitted(capsys)
    assert metrics[metric] == [12.25]
    (group,) = metrics["_aws"]["CloudWatchMetrics"]
    assert {"Name": metric, "Unit": "Seconds"} in group["Metrics"]
    run(bodies)
    assert metric not in emitted(capsys)


@pytest.mark.parametrize("seconds", [-1, "12", None, True, [12], 1e300, float("nan")])
def test_an_invalid_duration_is_stored_and_not_counted(capsys: pytest.CaptureFixture[str], seconds: Any) -> None:
    assert run([body("a", eventType="LAUNCH_END", durationSeconds=seconds)]) == []

    metrics = emitted(capsys)
    assert metrics["EventsStored"] == [1]
    assert "LaunchDuration" not in metrics


def test_the_duration_of_a_failed_job_is_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    run([body("a", eventType="JOB_END", outcome="FAILED", durationSeconds=12)])

    assert "JobDuration" not in emitted(capsys)


def test_a_failure_is_counted_if_the_batch_is_interrupted_after_the_notification(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class KilledError(BaseException):
        pass

    def kill(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "IngestResult", kill)
        with pytest.raises(KilledError):
            run([failed("a")])

    assert emitted(capsys)["ServerFailures"] == [1]
    run([failed("a")])
    assert "ServerFailures" not in emitted(capsys)


def test_other_events_have_no_duration(capsys: pytest.CaptureFixture[str]) -> None:
    run([body("a", eventType="CLEANUP_END", durationSeconds=12)])

    assert [name for name in emitted(capsys) if "Duration" in name] == []


@given(
    st.lists(details().map(lambda detail: dumps(job_log(detail))) | st.just("no JSON"), min_size=1, max_size=30),
    st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_valid_events_are_stored_and_invalid_records_fail_in_any_batches(
    dynamodb: DynamoDBClient, bodies: list[str], data: st.DataObject
) -> None:
    for row in rows(dynamodb):
        dynamodb.delete_item(TableName=TABLE, Key={name: {"S": row[name]} for name in ("JobId", "EventKey")})
    failed: list[str] = []
    start = 0
    while start < len(bodies):
        batch = bodies[start : start + data.draw(st.integers(1, 10))]
        try:
            failed += run(batch, first_id=start)
        except BatchProcessingError:
            failed += [f"message-{start + number}" for number in range(len(batch))]
        start += len(batch)

    events = [ingest.parse(text) for text in bodies if text != "no JSON"]
    assert {(row["JobId"], row["EventKey"]) for row in rows(dynamodb)} == {
        (event.job_id, event.key) for event in events
    }
    assert set(failed) == {f"message-{number}" for number, text in enumerate(bodies) if text == "no JSON"}


@pytest.fixture
def executions(dynamodb: DynamoDBClient) -> DynamoDBClient:
    """An executions table with exec-1, which has two waves. The module updates its status."""
    create(dynamodb, "ExecutionId", index="JobId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}])
    cold_start(
        "ingest",
        EXECUTION_HISTORY_TABLE="history",
        EXECUTION_HISTORY_SETTINGS='{"jobIdIndex": "by-job", "updateStatus": true}',
    )
    return dynamodb


def bodies_of(script: Any, job_id: str, execution_id: str | None = "exec-1") -> list[str]:
    created = datetime.now(UTC) - timedelta(hours=1)
    return [
        dumps(job_log(detail)) for detail in played.details(script, job_id, created=created, execution_id=execution_id)
    ]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_the_end_of_the_last_job_ends_the_execution(executions: DynamoDBClient) -> None:
    assert run(bodies_of(GOOD, "drsjob-1")) == []
    assert records(executions)[0]["Status"] == "RUNNING"

    assert run(bodies_of(BAD, "drsjob-2")) == []
    assert records(executions)[0]["Status"] == "PARTIAL"


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_failed_status_update_is_retried_with_the_last_event(
    executions: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(bodies_of(GOOD, "drsjob-1"))
    bodies = bodies_of(GOOD, "drsjob-2")
    with monkeypatch.context() as patch:
        patch.setattr(ingest.executions_table, "records", lambda _: 1 / 0)
        assert run(bodies) == [f"message-{len(bodies) - 1}"]
    assert len(rows(executions)) == 2 * len(bodies)

    assert run(bodies[-1:]) == []
    assert records(executions)[0]["Status"] == "COMPLETED"


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_the_linker_handles_a_job_that_the_orchestrator_has_not_stored(
    executions: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    details = played.details(BAD, "drsjob-late", created=datetime.now(UTC) - timedelta(minutes=1))

    assert run([dumps(job_log(detail)) for detail in details]) == []

    (marked,) = [row for row in rows(executions) if "UnlinkedJobId" in row]
    assert (marked["EventType"], marked["ExecutionId"]) == ("JOB_FAILED", "exec-1")
    assert "ExecutionsMissing" not in emitted(capsys)


@pytest.mark.usefixtures("executions")
def test_a_missing_execution_is_counted_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bodies_of(BAD, "drsjob-1", "exec-unknown")) == []

    assert emitted(capsys)["ExecutionsMissing"] == [1]


def test_a_cancelled_execution_is_terminated(executions: DynamoDBClient) -> None:
    write(executions, ExecutionId="exec-2", Status="RUNNING", Waves=[{"JobId": "drsjob-3"}])

    assert run(bodies_of(CANCELLED, "drsjob-3", "exec-2")) == []

    statuses = {record["ExecutionId"]: record["Status"] for record in records(executions)}
    assert statuses == {"exec-1": "RUNNING", "exec-2": "TERMINATED"}


def test_a_terminate_job_changes_no_execution_and_misses_none(
    executions: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bodies_of(scripts.terminate(SERVERS[:2]), "drsjob-t")) == []

    assert "ExecutionsMissing" not in emitted(capsys)
    assert [row for row in rows(executions) if "UnlinkedJobId" in row] == []


def test_a_corrected_end_corrects_the_execution(executions: DynamoDBClient) -> None:
    write(executions, ExecutionId="exec-2", Status="RUNNING", Waves=[{"JobId": "drsjob-3"}])
    bodies = bodies_of(BAD, "drsjob-3", "exec-2")
    run(bodies)
    end = json.loads(bodies[-1])
    for server in end["detail"]["participatingServers"]:
        server |= {"launchStatus": "LAUNCHED", "state": "LAUNCHED"}
    end["detail"] |= {"eventId": "corrected", "revision": 1, "outcome": "SUCCEEDED"}

    assert run([json.dumps(end)]) == []

    assert {record["ExecutionId"]: record["Status"] for record in records(executions)}["exec-2"] == "COMPLETED"


def test_the_update_of_an_unsupported_table_is_counted_and_not_retried(
    dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """drs-plan-automation has the execution ID as the sort key."""
    create(dynamodb, "AppId_PlanId", "ExecutionId")
    log = io.StringIO()
    cold_start("ingest", EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS='{"updateStatus": true}')
    monkeypatch.setattr(ingest.logger.registered_handler, "stream", log)

    assert run(bodies_of(BAD, "drsjob-1")) == []
    assert emitted(capsys)["ExecutionsTableRejected"] == [1]
    assert run(bodies_of(BAD, "drsjob-2")) == []
    assert emitted(capsys)["ExecutionsTableRejected"] == [1]

    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["level"], line["message"]) == ("ERROR", "Executions table rejected")


def test_one_event_of_another_sender_does_not_divert_a_recovery(executions: DynamoDBClient) -> None:
    write(executions, ExecutionId="exec-2", JobId="drsjob-3", Status="RUNNING")
    foreign = body("a", jobID="drsjob-3", executionId="foreign")

    run([foreign.replace('"drs.job-log"', '"acme"')])
    run(bodies_of(GOOD, "drsjob-3", None))

    assert {row["ExecutionId"] for row in rows(executions)} == {"exec-2"}
