"""The route of the report of an execution: presigned links, and the request to write the report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
import requests
from drs_job_log import config
from drs_job_log.api import handler as api
from drs_job_log.api import report
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.api.report import Reports, disposition, report_path
from drs_job_log.config import EvidenceSettings, ReportSettings
from drs_job_log.estimates import Estimator
from drs_job_log.evidence.bucket import Bucket
from drs_job_log.evidence.writer import ReportWriter, Subject
from drs_job_log.evidence_records import Record, Records
from drs_job_log.model.events import format_time

from tests.support import played, scripts
from tests.support.functions import cold_start
from tests.support.recovery import CONTEXT
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

BUCKET = "evidence"
NOW = datetime.now(UTC)
ROUTE = "GET /executions/{executionId}/report"
LOGS = "GET /executions/{executionId}/logs"
SERVERS = [scripts.server_id(number) for number in range(2)]
FILES = ["log.ndjson.gz", "report.html", "servers.ndjson.gz", "summary.json"]


class Evidence:
    """The bucket, the queue and the function of evidence."""

    def __init__(self, dynamodb: DynamoDBClient, table: JobLogTable) -> None:
        self.dynamodb = dynamodb
        self.table = table
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)  # with versioning
        self.sqs = boto3.client("sqs")
        self.queue_url = self.sqs.create_queue(QueueName="drs-job-log-evidence")["QueueUrl"]
        self.settings = ReportSettings(bucket=BUCKET, queue_url=self.queue_url, lookback=timedelta(days=30))

    def messages(self) -> list[Any]:
        """Return and delete the messages of the queue."""
        found = []
        while received := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def write(self, execution_id: str = "exec-1") -> None:
        settings = EvidenceSettings(
            table_name=TABLE,
            queue_url=self.queue_url,
            event_source="drs.job-log",
            bucket=BUCKET,
            prefix="drs/",
            retention=timedelta(days=2557),
            lock_mode=None,
            kms_key_arn=None,
            has_tables=False,
            lookback=timedelta(days=30),
            rto_minutes=None,
            rpo_minutes=None,
            executions_table=None,
        )
        ReportWriter(
            table=self.table,
            executions_table=None,
            bucket=Bucket(self.s3, settings),
            records=Records(self.dynamodb, TABLE),
            settings=settings,
        ).write(Subject(execution_id=execution_id), NOW)


@pytest.fixture
def evidence(dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    found = Evidence(dynamodb, table)
    monkeypatch.setattr(api, "logs", EventLogCache(table))
    monkeypatch.setattr(api, "estimator", Estimator(api.ledger, api.settings.stalled_after))
    monkeypatch.setattr(api, "executions_table", None)
    monkeypatch.setattr(api, "settings", replace(api.settings, reports=found.settings))
    monkeypatch.setattr(api, "reports", Reports(api.dynamodb, TABLE, found.settings))
    return found


def get(execution_id: str = "exec-1", route: str = ROUTE) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Send a request as API Gateway does. Return the status, the body and the headers."""
    event = {"version": "2.0", "routeKey": route, "pathParameters": {"executionId": execution_id}}
    answer = api.lambda_handler(event, CONTEXT)
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert answer["headers"]["Content-Type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def happen(evidence: Evidence, events: Iterable[JobLogEvent]) -> None:
    for event in events:
        evidence.table.put(event, RETENTION)


def launched(*, ago: timedelta = timedelta(hours=2), job_id: str = "drsjob-1", **call: Any) -> list[JobLogEvent]:
    return played.events(scripts.launch(SERVERS), job_id, created=NOW - ago, **call)


def query_of(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def test_a_written_report_has_links_to_its_files(evidence: Evidence) -> None:
    happen(evidence, launched())
    evidence.write()

    status, body, headers = get()

    assert (status, "ETag" in headers) == (200, False)
    assert list(body) == ["executionId", "revision", "url", "expiresAt", "files"]
    assert (body["executionId"], body["revision"]) == ("exec-1", 1)
    assert body["url"] == body["files"]["report.html"]["url"]
    summary = json.loads(evidence.s3.get_object(Bucket=BUCKET, Key=key_of(body, "summary.json"))["Body"].read())
    assert list(body["files"]) == FILES
    for name, file in body["files"].items():
        stored = evidence.s3.get_object(Bucket=BUCKET, Key=key_of(body, name))["Body"].read()
        assert file == {"url": file["url"], "sha256": file["sha256"], "bytes": len(stored)}
        if name != "summary.json":
            assert {"sha256": file["sha256"], "bytes": file["bytes"]} == summary["files"][name]
    assert evidence.messages() == []


def key_of(body: dict[str, Any], name: str) -> str:
    return unquote(urlsplit(body["files"][name]["url"]).path).removeprefix("/")


def test_a_link_returns_the_file_without_credentials(evidence: Evidence) -> None:
    happen(evidence, launched())
    evidence.write()
    _, body, _ = get()

    answer = requests.get(body["url"], timeout=5)  # moto answers

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'inline; filename="exec-1-report.html"'
    assert "exec-1" in answer.text


def test_links_are_valid_for_15_minutes_and_have_the_name_of_the_file(evidence: Evidence) -> None:
    happen(evidence, launched())
    evidence.write()
    before = datetime.now(UTC)

    _, body, _ = get()

    expires = datetime.fromisoformat(body["expiresAt"])
    assert timedelta(minutes=15) <= expires - before < timedelta(minutes=15, seconds=30)
    for name, file in body["files"].items():
        query = query_of(file["url"])
        signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert query["X-Amz-Expires"] == "900"
        # The answer never states a later end than S3 applies. X-Amz-Date has whole seconds.
        assert expires - (signed + timedelta(seconds=900)) < timedelta(seconds=1)
        kind = "inline" if name == "report.html" else "attachment"
        assert query["response-content-disposition"] == f'{kind}; filename="exec-1-{name}"'


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "s3.us-east-1.amazonaws.com"),
        ("eu-west-1", "s3.eu-west-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
    ],
)
def test_links_have_the_regional_endpoint_and_signature_version_4(
    region: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    session = boto3.Session()
    monkeypatch.setattr(config, "session", lambda: session)

    presign = config.presigner().generate_presigned_url
    url = presign("get_object", Params={"Bucket": "evidence", "Key": "a/report.html"})
    of_dotted = presign("get_object", Params={"Bucket": "recovery.evidence", "Key": "a/report.html"})

    assert url.partition("?")[0] == f"https://evidence.{host}/a/report.html"
    assert of_dotted.partition("?")[0] == f"https://{host}/recovery.evidence/a/report.html"
    query = query_of(url)
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Credential"].endswith(f"/{region}/s3/aws4_request")
    assert query["X-Amz-Security-Token"] == "token"


def test_the_newest_revision_is_returned_also_if_newer_events_are_not_in_it(evidence: Evidence) -> None:
    happen(evidence, launched(ago=timedelta(hours=5)))
    evidence.write()
    happen(evidence, launched(ago=timedelta(hours=3), job_id="drsjob-2"))
    evidence.write()
    happen(evidence, launched(ago=timedelta(minutes=1), job_id="drsjob-3")[:3])  # runs

    status, body, _ = get()

    assert (status, body["revision"]) == (200, 2)


def test_a_missing_report_is_requested_with_each_poll(evidence: Evidence) -> None:
    happen(evidence, launched())

    for _ in range(2):
        status, body, headers = get()

        assert (status, headers["Retry-After"]) == (202, "3")
        assert body == {"message": report.PENDING}
    messages = evidence.messages()
    assert messages == [{"executionId": "exec-1"}] * 2

    evidence.write(messages[0]["executionId"])
    assert get()[0] == 200


def test_the_function_of_evidence_understands_the_request(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(evidence, launched(execution_id='"exec \N{SNOWMAN}"'))
    get('"exec \N{SNOWMAN}"')
    (message,) = evidence.messages()
    for name in ("EVIDENCE_BUCKET", "EVIDENCE_PREFIX", "EVIDENCE_QUEUE_URL"):
        monkeypatch.setenv(name, "evidence")
    monkeypatch.setenv("EVIDENCE_RETENTION_DAYS", "30")
    from drs_job_log.evidence import handler  # noqa: PLC0415 (it reads its environment)

    assert handler.subject_of(json.dumps(message)) == Subject(execution_id='"exec \N{SNOWMAN}"')


def test_an_execution_without_events_has_no_report(evidence: Evidence) -> None:
    status, body, headers = get("exec-2")

    assert (status, body) == (404, {"message": "The execution 'exec-2' has no events"})
    assert "Retry-After" not in headers
    assert evidence.messages() == []


def test_a_running_execution_has_no_report_yet(evidence: Evidence) -> None:
    happen(evidence, launched(ago=timedelta(minutes=1))[:-1])

    status, body, _ = get()

    message = "The execution has not settled, so it has no report yet. Its status is IN_PROGRESS"
    assert (status, body) == (409, {"message": message})
    assert evidence.messages() == []


def test_an_execution_that_can_get_a_further_wave_has_no_report_yet(evidence: Evidence) -> None:
    events = launched(ago=timedelta(hours=1))
    end = max(event.timestamp for event in events)
    later = datetime.now(UTC) - timedelta(minutes=1) - end
    happen(evidence, [replace(one, timestamp=one.timestamp + later) for one in events])

    status, body, _ = get()

    assert (status, body["message"].rpartition(" ")[2]) == (409, "COMPLETED")
    assert evidence.messages() == []


def test_an_old_execution_gets_no_incomplete_report(evidence: Evidence) -> None:
    happen(evidence, launched(ago=timedelta(days=30, hours=1)))

    status, body, _ = get()

    assert (status, "older than 30 days" in body["message"]) == (404, True)
    assert evidence.messages() == []
    evidence.write()
    assert get()[0] == 200


@pytest.mark.parametrize("execution_id", ["", "x" * 2049, "\ud800"])
def test_invalid_ids_are_rejected(evidence: Evidence, execution_id: str) -> None:
    assert get(execution_id)[0] == 400
    assert evidence.messages() == []


def test_without_evidence_there_is_no_report(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(evidence, launched())
    monkeypatch.setattr(api, "reports", None)

    assert get()[:2] == (404, {"message": "Not Found"})
    assert "report" not in get(route=LOGS)[1]


def test_clients_of_s3_and_sqs_are_created_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[str] = []
    create = config.client
    monkeypatch.setattr(config, "client", lambda name, **call: (created.append(name), create(name, **call))[1])
    try:
        cold_start("api", EVIDENCE_BUCKET="evidence", EVIDENCE_QUEUE_URL="https://queue")

        assert created == ["dynamodb"]
        assert api.reports is not None
    finally:
        monkeypatch.undo()
        cold_start("api")
    assert api.reports is None


@pytest.mark.parametrize(
    ("execution_id", "path"),
    [
        ("exec-1", "/executions/exec-1/report"),
        ("a b?#%\N{SNOWMAN}", "/executions/a%20b%3F%23%25%E2%98%83/report"),
        ("a/b", None),
        (".", None),
        ("..", None),
        ("...", "/executions/.../report"),
    ],
)
def test_the_path_of_a_report_is_encoded(execution_id: str, path: str | None) -> None:
    assert report_path(execution_id) == path


def test_the_log_links_to_the_report_when_the_execution_has_settled(evidence: Evidence) -> None:
    *events, end = launched()
    happen(evidence, events)
    assert get(route=LOGS)[1]["report"] is None

    happen(evidence, [end])
    api.logs = EventLogCache(evidence.table)
    body = get(route=LOGS)[1]

    assert (body["settled"], body["report"]) == (True, "/executions/exec-1/report")


@pytest.mark.parametrize(
    ("execution_id", "name"),
    [
        ("exec-1", "exec-1"),
        ('a/b "c"\r\n\N{SNOWMAN}%22;', "a_b_c_22_"),
        ("x" * 300, "x" * 100),
    ],
)
def test_the_name_of_a_file_has_only_safe_characters(execution_id: str, name: str) -> None:
    assert disposition(execution_id, "log.ndjson.gz") == f'attachment; filename="{name}-log.ndjson.gz"'
    assert disposition(execution_id, "report.html") == f'inline; filename="{name}-report.html"'


def test_the_record_of_the_longest_id_fits_into_a_key(evidence: Evidence, dynamodb: DynamoDBClient) -> None:
    records = Records(dynamodb, TABLE)
    ids = ["x" * 2048, "x" * 2047 + "y", "x" * 2039]
    for number, id_ in enumerate(ids, 1):
        files = {name: {"sha256": "0" * 64, "bytes": number} for name in FILES}
        record = Record(id=id_, folder="drs/x/", revision=number, files=files)
        assert records.put(record, source="drs.job-log", now=NOW, retention=RETENTION)

    assert [get(id_)[1]["revision"] for id_ in ids] == [1, 2, 3]
    keys = [item["JobId"]["S"] for item in dynamodb.scan(TableName=TABLE)["Items"]]
    assert max(len(key) for key in keys) == 2048
    assert evidence.messages() == []


def test_a_record_without_an_object_is_still_linked(evidence: Evidence, dynamodb: DynamoDBClient) -> None:
    record = Record(
        id="exec-1", folder="drs/x/", revision=3, files={name: {"sha256": "0" * 64, "bytes": 1} for name in FILES}
    )
    Records(dynamodb, TABLE).put(record, source="drs.job-log", now=NOW, retention=timedelta(days=1))

    status, body, _ = get()

    assert (status, body["revision"]) == (200, 3)
    assert body["expiresAt"] > format_time(NOW)
    assert evidence.messages() == []
