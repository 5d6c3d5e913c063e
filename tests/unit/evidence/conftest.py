"""A bucket of evidence, and the writer of its reports."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import jsonschema_rs
import pytest
from drs_job_log.config import EvidenceSettings
from drs_job_log.evidence.bucket import Bucket
from drs_job_log.evidence.writer import ReportWriter, Subject
from drs_job_log.evidence_records import Records

from tests.support import played, scripts
from tests.support.reports import SCHEMA
from tests.support.scripts import server_id
from tests.unit.conftest import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

BUCKET = "evidence"
NOW = datetime(2026, 11, 28, 20, 30, tzinfo=UTC)
STARTED = NOW - timedelta(hours=3)
KEPT = timedelta(days=5000)
ONE, TWO, THREE = (server_id(number) for number in (1, 2, 3))
EXECUTION = Subject(execution_id="exec-1")
FOLDER = "drs-job-log/year=2026/month=11/exec-1/"
FILES = ["log.ndjson.gz", "report.html", "servers.ndjson.gz", "summary.json"]
VALIDATOR = jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text()), validate_formats=True)

SETTINGS = EvidenceSettings(
    table_name=TABLE,
    queue_url="",
    event_source="drs.job-log",
    bucket=BUCKET,
    prefix="drs-job-log/",
    retention=timedelta(days=2557),
    lock_mode=None,
    kms_key_arn=None,
    has_tables=False,
    lookback=timedelta(days=30),
    rto_minutes=60,
    rpo_minutes=15,
    executions_table=None,
)


class Store:
    """The bucket, and the writer of its reports."""

    def __init__(self, dynamodb: DynamoDBClient, table: JobLogTable) -> None:
        self.dynamodb = dynamodb
        self.table = table
        self.s3: S3Client = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)

    def writer(self, **changes: Any) -> ReportWriter:
        settings = replace(SETTINGS, **changes)
        return ReportWriter(
            table=self.table,
            executions_table=None,
            bucket=Bucket(self.s3, settings),
            records=Records(self.dynamodb, TABLE),
            settings=settings,
        )

    def happen(self, events: Iterable[JobLogEvent]) -> None:
        for event in events:
            self.table.put(event, KEPT)

    def versions(self) -> dict[str, int]:
        """Return the number of versions of each object by its key."""
        counts: dict[str, int] = {}
        for version in self.s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
            counts[version["Key"]] = counts.get(version["Key"], 0) + 1
        return counts

    def read(self, name: str, folder: str = FOLDER) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=folder + name)["Body"].read()

    def summary(self, folder: str = FOLDER) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads(self.read("summary.json", folder))
        VALIDATOR.validate(summary)
        return summary

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in gzip.decompress(self.read(name)).splitlines()]


@pytest.fixture
def store(dynamodb: DynamoDBClient, table: JobLogTable) -> Store:
    return Store(dynamodb, table)


def launched(*servers: str, job_id: str = "drsjob-1", created: datetime = STARTED, **script: Any) -> list[JobLogEvent]:
    return played.events(scripts.launch(list(servers), **script), job_id, created=created, execution_id="exec-1")
