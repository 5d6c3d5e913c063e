"""Reports under faults: each settled execution has exactly one current report, with all its events.

Requests to DynamoDB and S3 are lost, answered too late, or end the function. Messages arrive repeatedly and in any
order, and late facts arrive between them. S3 rejects all requests for a time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError
from drs_job_log.evidence.bucket import Bucket, ConflictError
from drs_job_log.evidence.writer import NotSettledError, ReportWriter, Subject
from drs_job_log.evidence_records import Records
from drs_job_log.model.events import parse
from drs_job_log.table import JobLogTable, to_item
from moto import mock_aws

from tests.support import played, scripts, tables
from tests.support.envelopes import dumps, job_log
from tests.support.faults import Faults, Killed
from tests.support.scripts import server_id
from tests.unit.conftest import TABLE
from tests.unit.evidence.conftest import BUCKET, NOW, ONE, SETTINGS, STARTED, TWO, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drs_job_log.model.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

EXECUTIONS: Final = 5
REPEATS: Final = 6
OUTAGE: Final = (40, 80)  # of the attempts


def wave(execution: str, number: int) -> list[JobLogEvent]:
    script = scripts.launch([ONE, TWO], failing={TWO: "no capacity"})
    created = STARTED + timedelta(minutes=20 * number)
    return played.events(script, f"drsjob-{execution}-{number}", created=created, execution_id=execution)


@pytest.mark.parametrize("seed", range(2))
def test_faults_lose_and_double_no_report(dynamodb: DynamoDBClient, table: JobLogTable, seed: int) -> None:
    store, chance = Store(dynamodb, table), random.Random(seed)  # noqa: S311
    attempts = 0
    s3, faulty = boto3.client("s3"), boto3.client("dynamodb")
    of_table = Faults({"throttled": 0.05, "lost": 0.03, "killed": 0.03}, chance=chance)
    of_bucket = Faults({"lost": 0.08, "killed": 0.03}, outage=OUTAGE, clock=lambda: attempts, chance=chance)
    of_table.at(faulty)
    of_bucket.at(s3)
    settings = replace(SETTINGS, has_tables=True)
    writer = ReportWriter(
        table=JobLogTable(faulty, TABLE),
        executions_table=None,
        bucket=Bucket(s3, settings),
        records=Records(faulty, TABLE),
        settings=settings,
    )
    executions = [f"exec-{number}" for number in range(EXECUTIONS)]
    for execution in executions:
        store.happen(wave(execution, 0))
    late = [event for execution in executions for event in wave(execution, 1)]
    chance.shuffle(late)
    messages = executions * REPEATS

    while messages:
        attempts += 1
        chance.shuffle(messages)
        execution = messages.pop()
        try:
            writer.write(Subject(execution_id=execution), NOW)
        except (BotoCoreError, ClientError, ConflictError, Killed, NotSettledError):
            # Without all events of its second wave, an execution has not settled.
            messages.append(execution)
        while late and chance.random() < 0.7:
            event = late.pop()
            store.happen([event])
            messages.append(str(event.execution_id))

    for execution in executions:
        check_report(store, execution)
    assert attempts > OUTAGE[1]
    assert min(of_table.happened[fault] for fault in ("throttled", "lost", "killed")) > 5, of_table.happened
    assert min(of_bucket.happened[fault] for fault in ("down", "lost", "killed")) > 5, of_bucket.happened


def check_report(store: Store, execution: str) -> None:
    """Compare the current report with the events of both waves, and its versions with each other."""
    folder = f"drs-job-log/year=2026/month=11/{execution}/"
    summary = store.summary(folder)
    for name, file in summary["files"].items():
        assert hashlib.sha256(store.read(name, folder)).hexdigest() == file["sha256"], name
    lines = [json.loads(line) for line in gzip.decompress(store.read("log.ndjson.gz", folder)).splitlines()]
    assert sorted(line["EventId"] for line in lines) == sorted(
        event.event_id for number in range(2) for event in wave(execution, number)
    )
    assert (summary["status"], summary["counts"]["failed"], summary["counts"]["launched"]) == ("PARTIAL", 1, 1)
    for name in summary["files"]:
        contents = versions(store, folder + name)
        assert all(one != other for one, other in pairwise(contents)), name
    summaries = versions(store, f"{folder}summary.json")
    digests = [hashlib.sha256(text).hexdigest() for text in summaries]
    assert summary["revision"] == len(digests)
    assert [json.loads(text)["supersedes"] for text in summaries] == [None, *digests[:-1]]
    record = Records(store.dynamodb, TABLE).newest(execution)
    assert record is not None
    assert (record.revision, record.files["summary.json"]["sha256"]) == (len(digests), digests[-1])
    rows = gzip.decompress(store.read(f"{execution}.ndjson.gz", "drs-job-log/tables/executions/year=2026/month=11/"))
    assert json.loads(rows)["revision"] == len(digests)


def versions(store: Store, key: str) -> list[bytes]:
    """Return the versions of an object, oldest first. Moto, as S3, lists the newest first."""
    listed = store.s3.list_object_versions(Bucket=BUCKET, Prefix=key)
    assert "DeleteMarkers" not in listed
    ids = [version["VersionId"] for version in reversed(listed["Versions"])]
    return [store.s3.get_object(Bucket=BUCKET, Key=key, VersionId=id_)["Body"].read() for id_ in ids]


class LongLog(JobLogTable):
    """The log of an execution of 18 jobs with 200 servers each. Its items exist one at a time, as those of DynamoDB."""

    count = 0

    def items_of(self, execution_id: str | None, job_id: str | None) -> Iterator[dict[str, Any]]:
        assert (execution_id, job_id) == ("exec-1", None)
        serialize = TypeSerializer().serialize
        script = scripts.launch([server_id(number) for number in range(200)])
        job = json.dumps(played.details(script, "drsjob-0", created=STARTED, execution_id="exec-1"))
        for number in range(18):
            for detail in json.loads(job.replace("drsjob-0", f"drsjob-{number}")):
                item = to_item(parse(dumps(job_log(detail))), ingested_at=NOW, retention=timedelta(days=30))
                self.count += 1
                yield {name: serialize(value) for name, value in item.items()}


def write_long_report() -> tuple[int, int]:
    """Write the report of a long log. Return the number of its events, and the rise of the peak of memory in bytes."""
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        tables.create_events(dynamodb, TABLE)
        log = LongLog(dynamodb, TABLE)
        store = Store(dynamodb, log)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store.writer(has_tables=True).write(Subject(execution_id="exec-1"), NOW)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert store.summary()["eventCount"] == log.count
    unit = 1 if sys.platform == "darwin" else 1024
    return log.count, (peak - before) * unit


def test_report_of_20000_events_needs_a_part_of_the_memory() -> None:
    """The function has 512 MB by default. In a new process, because the peak of memory never decreases."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        count, rise = processes.submit(write_long_report).result()

    assert count >= 20_000
    assert rise < 150_000_000
