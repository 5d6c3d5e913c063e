"""The handler of evidence, with its real wiring."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from drs_job_log.evidence.writer import Subject

from tests.support import played, scripts
from tests.support.envelopes import sqs_records
from tests.support.functions import LambdaContext, cold_start
from tests.unit.evidence.conftest import BUCKET, ONE, Store

if TYPE_CHECKING:
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

ENVIRONMENT: Final = {
    "EVIDENCE_BUCKET": BUCKET,
    "EVIDENCE_PREFIX": "drs-job-log/",
    "EVIDENCE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/drs-job-log-evidence",
    "EVIDENCE_RETENTION_DAYS": "2557",
    "RETENTION_DAYS": "30",
}
evidence: Any = cold_start("evidence", **ENVIRONMENT)

HOURS_AGO: Final = datetime.now(UTC) - timedelta(hours=3)
SETTLED: Final = {
    "detail-type": "DRS Execution Settled",
    "detail": {"executionId": "exec-1", "jobIds": ["drsjob-1"], "status": "COMPLETED"},
}


class Queue:
    """The queue of evidence."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs")
        self.url = self.sqs.create_queue(QueueName="drs-job-log-evidence")["QueueUrl"]

    def take(self) -> list[str]:
        """Return and delete all messages."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(message["Body"])
        return sorted(bodies)


@pytest.fixture
def queue(dynamodb: DynamoDBClient) -> Queue:
    assert dynamodb
    return Queue()


@pytest.fixture(autouse=True)
def _cold_start(queue: Queue) -> None:
    assert queue.url == ENVIRONMENT["EVIDENCE_QUEUE_URL"]
    cold_start("evidence", **ENVIRONMENT)


@pytest.fixture
def store(dynamodb: DynamoDBClient, table: JobLogTable) -> Store:
    return Store(dynamodb, table)


def drill(execution_id: str | None, job_id: str, created: datetime = HOURS_AGO) -> list[JobLogEvent]:
    return played.events(scripts.launch([ONE]), job_id, created=created, execution_id=execution_id)


def invoke(*bodies: str, receives: int = 1) -> list[str]:
    """Return the failed messages of a batch."""
    event = sqs_records(list(bodies))
    for record in event["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = str(receives)
    answer = evidence.lambda_handler(event, LambdaContext())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """Return the sums of the metrics that the invocations logged."""
    found = dict.fromkeys(("EvidenceFailures", "ReportsWritten"), 0.0)
    for line in capsys.readouterr().out.splitlines():
        values = json.loads(line)
        for name in found:
            found[name] += sum(values.get(name, []))
    return found


def test_event_of_a_settled_execution_writes_its_report(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.happen(drill("exec-1", "drsjob-1"))

    assert invoke(json.dumps(SETTLED)) == []
    assert invoke(json.dumps(SETTLED), receives=2) == []

    folder = f"drs-job-log/year={HOURS_AGO:%Y}/month={HOURS_AGO:%m}/exec-1/"
    assert set(store.versions().values()) == {1}
    assert store.summary(folder)["status"] == "COMPLETED"
    assert metrics(capsys) == {"EvidenceFailures": 0, "ReportsWritten": 1}


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"executionId": ""}', '{"jobIds": []}', '{"detail": {"executionId": 1}}', "settled"]
)
def test_message_without_an_id_fails_and_is_counted(
    store: Store, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store.happen(drill("exec-1", "drsjob-1"))

    assert invoke(body, json.dumps(SETTLED)) == ["message-0"]
    assert metrics(capsys) == {"EvidenceFailures": 1, "ReportsWritten": 1}


def test_bucket_that_rejects_writes_is_counted_until_it_is_fixed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.happen(drill("exec-1", "drsjob-1"))
    store.s3.delete_bucket(Bucket=BUCKET)

    for attempt in range(1, 6):
        assert invoke(json.dumps(SETTLED), receives=attempt) == ["message-0"]
    assert metrics(capsys) == {"EvidenceFailures": 5, "ReportsWritten": 0}

    store.s3.create_bucket(Bucket=BUCKET)
    store.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert invoke(json.dumps(SETTLED), receives=6) == []
    assert set(store.versions().values()) == {1}


def test_execution_that_has_not_settled_is_tried_again_and_then_dropped(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end of the next wave sends a further message."""
    store.happen(drill("exec-1", "drsjob-1")[:-1])

    assert [invoke(json.dumps(SETTLED), receives=receives) for receives in (1, 2, 3)] == [
        ["message-0"],
        ["message-0"],
        [],
    ]
    assert metrics(capsys) == {"EvidenceFailures": 0, "ReportsWritten": 0}


def test_daily_run_sends_a_message_for_each_execution(store: Store, queue: Queue) -> None:
    store.happen(drill("exec-1", "drsjob-1"))
    store.happen(drill("exec-1", "drsjob-2"))
    store.happen(drill(None, "drsjob-3"))
    store.happen(drill("exec-old", "drsjob-4", datetime.now(UTC) - timedelta(days=31)))
    for number in range(10, 21):
        store.happen(drill(f"exec-{number}", f"drsjob-{number}"))

    assert evidence.lambda_handler({"reconcile": True}, LambdaContext()) == {"queued": 13}

    bodies = queue.take()
    assert bodies == sorted(
        json.dumps(body)
        for body in [
            {"executionId": "exec-1"},
            {"jobId": "drsjob-3"},
            *({"executionId": f"exec-{number}"} for number in range(10, 21)),
        ]
    )
    assert [invoke(body) for body in bodies] == [[]] * 13
    assert len([key for key in store.versions() if key.endswith("summary.json")]) == 13


def test_daily_run_writes_no_report_after_its_expiry(store: Store, queue: Queue) -> None:
    cold_start("evidence", **ENVIRONMENT | {"EVIDENCE_RETENTION_DAYS": "2"})
    store.happen(drill("exec-1", "drsjob-1"))
    store.happen(drill("exec-2", "drsjob-2", datetime.now(UTC) - timedelta(days=3)))

    evidence.lambda_handler({"reconcile": True}, LambdaContext())

    assert queue.take() == [json.dumps({"executionId": "exec-1"})]


def test_daily_run_fails_if_a_message_is_rejected(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.happen(drill("exec-1", "drsjob-1"))
    rejected = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(evidence.sqs, "send_message_batch", lambda **_: rejected)

    with pytest.raises(evidence.NotQueuedError, match="InternalError"):
        evidence.lambda_handler({"reconcile": True}, LambdaContext())


@pytest.mark.parametrize("event", [{}, {"reconcile": False}, {"reconcile": True, "executionId": "exec-1"}])
def test_other_events_are_rejected(event: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        evidence.lambda_handler(event, LambdaContext())


def test_a_message_names_an_execution_or_a_job() -> None:
    for subject in (Subject(execution_id="exec-1"), Subject(job_id="drsjob-1")):
        assert evidence.subject_of(evidence.to_message(subject)) == subject
    assert evidence.subject_of(json.dumps(SETTLED)) == Subject(execution_id="exec-1")
    without = {"detail": {"executionId": None, "jobIds": ["drsjob-1"]}}
    assert evidence.subject_of(json.dumps(without)) == Subject(job_id="drsjob-1")
