"""The report of an execution in a bucket: one version of each file, whatever repeats, overlaps or fails."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from drs_job_log.evidence.bucket import ConflictError, UnversionedBucketError
from drs_job_log.evidence.writer import NotSettledError, Subject, folder_name
from drs_job_log.evidence_records import Records
from drs_job_log.model.events import format_time

from tests.support import played, played_plans, scripts
from tests.support.plans import Action, Plan, ServerStep, WaitStep
from tests.unit.conftest import TABLE
from tests.unit.evidence.conftest import (
    BUCKET,
    EXECUTION,
    FILES,
    FOLDER,
    NOW,
    ONE,
    SETTINGS,
    STARTED,
    THREE,
    TWO,
    Store,
    launched,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drs_job_log.model.events import JobLogEvent


def written(names: Iterable[str] = FILES, count: int = 1) -> dict[str, int]:
    return {FOLDER + name: count for name in names}


def test_settled_execution_has_four_files_with_their_digests(store: Store) -> None:
    store.happen(launched(ONE, TWO, failing={TWO: "no capacity"}))

    assert store.writer().write(EXECUTION, NOW) == "WRITTEN"

    assert store.versions() == written()
    summary = store.summary()
    assert (summary["executionId"], summary["status"], summary["revision"]) == ("exec-1", "PARTIAL", 1)
    assert summary["counts"] | {"totalServers": 2, "launched": 1, "failed": 1} == summary["counts"]
    for name, file in summary["files"].items():
        content = store.read(name)
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
    servers = {line["sourceServerId"]: line for line in store.lines("servers.ndjson.gz")}
    assert (servers[ONE]["state"], servers[TWO]["state"], servers[TWO]["error"]) == (
        "LAUNCHED",
        "FAILED",
        "no capacity",
    )
    assert servers[ONE]["conversionSeconds"] > 0
    assert b"no capacity" in store.read("report.html")
    record = Records(store.dynamodb, TABLE).newest("exec-1")
    assert record is not None
    assert (record.folder, record.revision) == (FOLDER, 1)
    assert record.files == {
        **summary["files"],
        "summary.json": {
            "sha256": hashlib.sha256(store.read("summary.json")).hexdigest(),
            "bytes": len(store.read("summary.json")),
        },
    }


def test_log_has_the_stored_events(store: Store) -> None:
    events = launched(ONE, TWO)
    store.happen(events)
    store.writer().write(EXECUTION, NOW)

    lines = store.lines("log.ndjson.gz")

    assert [line["EventId"] for line in lines] == [
        event.event_id for event in sorted(events, key=lambda event: (event.timestamp, event.key))
    ]
    assert store.summary()["eventCount"] == len(events)
    by_id = {line["EventId"]: line for line in lines}
    for event in events:
        line = by_id[event.event_id]
        assert (line["EventType"], line["Timestamp"]) == (event.event_type, format_time(event.timestamp))
        assert line["EventData"] == json.loads(json.dumps(event.detail, default=float))
    assert not {"TTL", "LedgerKey", "Servers", "Summary", "LateAt"} & set().union(*lines)


def test_repeated_message_writes_nothing(store: Store) -> None:
    store.happen(launched(ONE))
    writer = store.writer()
    writer.write(EXECUTION, NOW)

    assert writer.write(EXECUTION, NOW + timedelta(days=3)) == "UNCHANGED"
    assert store.versions() == written()


def test_later_fact_writes_a_marked_revision(store: Store) -> None:
    store.happen(launched(ONE))
    store.writer().write(EXECUTION, NOW)
    first = store.read("summary.json")

    store.happen(launched(TWO, job_id="drsjob-2", created=STARTED + timedelta(hours=1)))
    assert store.writer().write(EXECUTION, NOW) == "WRITTEN"

    assert store.versions() == written(count=2)
    summary = store.summary()
    assert (summary["revision"], summary["supersedes"]) == (2, hashlib.sha256(first).hexdigest())
    assert b"Revision 2" in store.read("report.html")
    record = Records(store.dynamodb, TABLE).newest("exec-1")
    assert record is not None
    assert record.revision == 2


def test_a_report_loses_no_event(store: Store) -> None:
    """Events expire, and the index can lag behind."""
    events = launched(ONE)
    store.happen(events)
    store.writer().write(EXECUTION, NOW)
    key = {"JobId": {"S": events[2].job_id}, "EventKey": {"S": events[2].key}}
    store.dynamodb.delete_item(TableName=TABLE, Key=key)

    assert store.writer().write(EXECUTION, NOW) == "UNCHANGED"
    assert store.versions() == written()


def test_another_bucket_continues_the_revisions(store: Store) -> None:
    """So does a deleted report. The digest of the revision before shows what is missing."""
    store.happen(launched(ONE))
    store.writer().write(EXECUTION, NOW)
    first = store.read("summary.json")
    store.s3.create_bucket(Bucket="other", ObjectLockEnabledForBucket=True)

    assert store.writer(bucket="other", prefix="evidence/").write(EXECUTION, NOW) == "WRITTEN"
    assert store.writer(bucket="other", prefix="evidence/").write(EXECUTION, NOW) == "UNCHANGED"

    folder = "evidence/year=2026/month=11/exec-1/"
    summary = json.loads(store.s3.get_object(Bucket="other", Key=f"{folder}summary.json")["Body"].read())
    assert (summary["revision"], summary["supersedes"]) == (2, hashlib.sha256(first).hexdigest())
    record = Records(store.dynamodb, TABLE).newest("exec-1")
    assert record is not None
    assert (record.folder, record.revision) == (folder, 2)


def test_events_of_a_job_with_the_name_of_a_record_change_nothing(store: Store) -> None:
    store.happen(launched(TWO, job_id="evidence#exec-1", created=STARTED - timedelta(hours=1)))
    store.happen(launched(ONE))

    assert store.writer().write(EXECUTION, NOW) == "WRITTEN"
    assert store.writer().write(EXECUTION, NOW) == "UNCHANGED"
    assert store.versions() == written()


def test_nothing_is_written_to_a_bucket_without_versioning(store: Store) -> None:
    store.happen(launched(ONE))
    store.s3.create_bucket(Bucket="unversioned")

    with pytest.raises(UnversionedBucketError, match="enable the versioning of the bucket unversioned"):
        store.writer(bucket="unversioned").write(EXECUTION, NOW)

    assert "Contents" not in store.s3.list_objects_v2(Bucket="unversioned")


def test_a_report_stays_in_its_folder(store: Store) -> None:
    """A later fact can be a job that is older, in the month before."""
    store.happen(launched(ONE))
    store.writer().write(EXECUTION, NOW)
    store.happen(launched(TWO, job_id="drsjob-0", created=STARTED - timedelta(days=30)))

    assert store.writer().write(EXECUTION, NOW) == "WRITTEN"
    assert store.versions() == written(count=2)


@pytest.mark.parametrize("events", [[], launched(ONE)[:-1], launched(ONE, created=NOW - timedelta(minutes=20))])
def test_execution_that_has_not_settled_has_no_report(store: Store, events: list[JobLogEvent]) -> None:
    store.happen(events)

    with pytest.raises(NotSettledError):
        store.writer().write(EXECUTION, NOW)

    assert store.versions() == {}


@pytest.mark.parametrize("failing", range(4))
def test_a_failed_write_is_repeated_without_a_second_version(
    store: Store, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.happen(launched(ONE))
    writer, put = store.writer(), store.s3.put_object
    calls: list[str] = []

    def put_object(**request: Any) -> Any:
        calls.append(request["Key"])
        if len(calls) == failing + 1:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")
        return put(**request)

    monkeypatch.setattr(store.s3, "put_object", put_object)
    with pytest.raises(ClientError):
        writer.write(EXECUTION, NOW)
    assert f"{FOLDER}summary.json" not in store.versions()

    assert writer.write(EXECUTION, NOW) == "WRITTEN"
    assert store.versions() == written()
    assert store.summary()["revision"] == 1


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("is_known", [False, True])
def test_two_invocations_at_the_same_time_write_one_version(
    store: Store, at: int, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one writes everything between the read and the write of an object by the first one."""
    store.happen(launched(ONE))
    if is_known:
        store.writer().write(EXECUTION, NOW)
        store.happen(launched(TWO, job_id="drsjob-2", created=STARTED + timedelta(hours=1)))
    put = store.s3.put_object
    calls: list[str] = []

    def put_object(**request: Any) -> Any:
        calls.append(request["Key"])
        if len(calls) == at + 1:
            monkeypatch.setattr(store.s3, "put_object", put)
            assert store.writer().write(EXECUTION, NOW) == "WRITTEN"
        return put(**request)

    monkeypatch.setattr(store.s3, "put_object", put_object)
    with pytest.raises(ConflictError):
        store.writer().write(EXECUTION, NOW)

    assert store.writer().write(EXECUTION, NOW) == "UNCHANGED"
    assert store.versions() == written(count=1 + is_known)


def test_objects_are_locked_and_encrypted(store: Store) -> None:
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    store.happen(launched(ONE))
    store.writer(lock_mode="GOVERNANCE", kms_key_arn=key, has_tables=True).write(EXECUTION, NOW)

    for name in FILES:
        found = store.s3.head_object(Bucket=BUCKET, Key=FOLDER + name)
        assert (found["ObjectLockMode"], found["SSEKMSKeyId"]) == ("GOVERNANCE", key)
        assert abs(found["ObjectLockRetainUntilDate"] - (NOW + SETTINGS.retention)) < timedelta(seconds=1)
    copy = store.s3.head_object(Bucket=BUCKET, Key="drs-job-log/tables/servers/year=2026/month=11/exec-1.ndjson.gz")
    assert "ObjectLockMode" not in copy


def test_tables_have_rows_with_lower_case_keys(store: Store) -> None:
    store.happen(launched(ONE))
    store.writer(has_tables=True).write(EXECUTION, NOW)
    names = ("executions", "servers", "events")
    folders = {name: f"drs-job-log/tables/{name}/year=2026/month=11/" for name in names}

    rows = {
        name: [json.loads(line) for line in gzip.decompress(store.read("exec-1.ndjson.gz", folder)).splitlines()]
        for name, folder in folders.items()
    }

    assert store.versions() == written() | {folder + "exec-1.ndjson.gz": 1 for folder in folders.values()}
    (execution,), (server,) = rows["executions"], rows["servers"]
    assert (execution["executionid"], execution["counts"]["launched"]) == ("exec-1", 1)
    assert (server["sourceserverid"], server["state"]) == (ONE, "LAUNCHED")
    for row, line in zip(rows["events"], store.lines("log.ndjson.gz"), strict=True):
        assert (row["eventtime"], json.loads(row["eventdata"])) == (line["Timestamp"], line["EventData"])
        assert row["eventid"] == line["EventId"]


def test_recovery_plan_has_its_steps(store: Store) -> None:
    plan = Plan(
        name="shop",
        steps=[
            ServerStep(name="data", critical=[ONE]),
            WaitStep(name="warm up", minutes=10),
            ServerStep(
                name="web", critical=[TWO], optional=[THREE], attempts=[partial(scripts.launch, failing={THREE: "x"})]
            ),
        ],
    )
    store.happen(played_plans.events(plan, created=STARTED, now=NOW, actions=[Action(timedelta(0), "skip", 3)]))
    store.writer().write(Subject(execution_id="rpe-1"), NOW)

    summary = store.summary("drs-job-log/year=2026/month=11/rpe-1/")

    assert (summary["name"], summary["status"]) == ("shop", "PARTIAL")
    assert [(wave["name"], wave["status"]) for wave in summary["waves"]] == [
        ("data", "COMPLETED"),
        ("warm up", "COMPLETED"),
        ("web", "SKIPPED"),
    ]


def test_job_without_an_execution_has_a_report(store: Store) -> None:
    store.happen(played.events(scripts.launch([ONE]), "drsjob-9", created=STARTED, execution_id=None))
    store.writer().write(Subject(job_id="drsjob-9"), NOW)

    summary = store.summary("drs-job-log/year=2026/month=11/drsjob-9/")

    assert (summary["executionId"], summary["jobId"], summary["id"]) == (None, "drsjob-9", "drsjob-9")


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("exec-1_a.B", "exec-1_a.B"),
        ("arn:aws:states:us-east-1:1:execution:a/b", "arn%3Aaws%3Astates%3Aus-east-1%3A1%3Aexecution%3Aa%2Fb"),
        ("~ü", "%7E%C3%BC"),
        ("_a_b", "%5Fa_b"),
        ("..", "%2E."),
    ],
)
def test_folder_has_the_id(id_: str, name: str) -> None:
    assert folder_name(id_) == name


@pytest.mark.parametrize("id_", ["a" * 2000, "é" * 900])
def test_folder_of_an_unusual_id_has_a_digest(id_: str) -> None:
    name = folder_name(id_)

    assert len(name) <= 240
    assert name != folder_name(id_ + "x")
