"""evidence.athena: a plan of its tables, workgroup and saved queries, and the queries on objects of evidence."""

from __future__ import annotations

import gzip
import json
import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from drs_job_log.evidence.tables import event_row, table_row
from drs_job_log.model.progress import SUMMARY_KEYS
from drs_job_log.table import JobLogTable
from moto import mock_aws
from sqlglot import exp

from tests.support.athena import Athena, Table, parse
from tests.support.tables import create_events
from tests.support.terraform import ROOT
from tests.terraform.conftest import ACCOUNT, resources_of, root_module
from tests.unit.conftest import TABLE
from tests.unit.evidence.conftest import BUCKET as WRITTEN
from tests.unit.evidence.conftest import EXECUTION, NOW, ONE, TWO, Store, launched

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.athena import Row
    from tests.support.ministack import MiniStack
    from tests.terraform.conftest import Planned

BUCKET: Final = "acme-evidence"
KEY: Final = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
TODAY: Final = date(2026, 6, 15)

TABLES: Final = ("events", "executions", "servers")
QUERIES: Final = tuple(sorted(file.stem for file in (ROOT / "athena").glob("*.sql")))

# https://docs.aws.amazon.com/athena/latest/APIReference/API_CreateNamedQuery.html
MAX_QUERY_BYTES: Final = 262_144
MAX_DESCRIPTION: Final = 1024
# https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html
MAX_COMMENT: Final = 255


@pytest.fixture(scope="module")
def athena_plan(copy: Path, stack: MiniStack) -> dict[str, Any]:
    return root_module(copy, "athena", stack).plan()


def resources(plan: dict[str, Any], copy: str) -> Planned:
    """Return the resources of Athena and Glue of a copy of the module."""
    prefix = f"module.{copy}."
    return {
        address.removeprefix(prefix): values
        for address, values in resources_of(plan["planned_values"]["root_module"]).items()
        if address.startswith((f"{prefix}aws_athena_", f"{prefix}aws_glue_"))
    }


def tables(plan: dict[str, Any], copy: str = "with_athena") -> dict[str, dict[str, Any]]:
    found = resources(plan, copy)
    return {name: found[f'aws_glue_catalog_table.evidence["{name}"]'] for name in TABLES}


def queries(plan: dict[str, Any]) -> dict[str, str]:
    found = resources(plan, "with_athena")
    return {name: found[f'aws_athena_named_query.evidence["{name}"]']["query"] for name in QUERIES}


# ---------------------------------------------------------------------------------------------------------------------
# The plan
# ---------------------------------------------------------------------------------------------------------------------


def test_without_athena_nothing_is_planned(athena_plan: dict[str, Any]) -> None:
    assert resources(athena_plan, "without_athena") == {}
    assert resources(athena_plan, "without_evidence") == {}
    output = athena_plan["planned_values"]["outputs"]["athena"].get("value") or {}
    assert output.get("without_athena") is None
    assert output.get("without_evidence") is None


def test_with_athena_the_resources_and_their_names(athena_plan: dict[str, Any]) -> None:
    found = resources(athena_plan, "with_athena")

    assert len(found) == 2 + len(TABLES) + len(QUERIES)
    database, workgroup = found["aws_glue_catalog_database.evidence[0]"], found["aws_athena_workgroup.evidence[0]"]
    assert database["name"] == "acme_drs_log"
    assert workgroup["name"] == "Acme-DRS_log"
    assert database["tags"] == workgroup["tags"] == {"team": "platform"}
    for name, table in tables(athena_plan).items():
        assert (table["database_name"], table["name"], table["table_type"]) == ("acme_drs_log", name, "EXTERNAL_TABLE")
    for name in QUERIES:
        query = found[f'aws_athena_named_query.evidence["{name}"]']
        assert (query["name"], query["database"], query["workgroup"]) == (name, "acme_drs_log", "Acme-DRS_log")


@pytest.mark.parametrize("name", TABLES)
def test_partitions_are_computed(athena_plan: dict[str, Any], name: str) -> None:
    table = tables(athena_plan)[name]

    assert [(key["name"], key["type"]) for key in table["partition_keys"]] == [("year", "int"), ("month", "int")]
    assert table["parameters"] == {
        "EXTERNAL": "TRUE",
        "classification": "json",
        "projection.enabled": "true",
        "projection.year.type": "integer",
        "projection.year.range": "2020,2100",
        "projection.month.type": "integer",
        "projection.month.range": "1,12",
        "projection.month.digits": "2",
        "storage.location.template": f"s3://{BUCKET}/drs-job-log/tables/{name}/year=${{year}}/month=${{month}}/",
    }
    assert table["storage_descriptor"][0]["location"] == f"s3://{BUCKET}/drs-job-log/tables/{name}/"


def test_an_empty_prefix(athena_plan: dict[str, Any]) -> None:
    (descriptor,) = tables(athena_plan, "with_key")["events"]["storage_descriptor"]
    bucket = re.fullmatch(r"s3://([a-z0-9-]+)/tables/events/", descriptor["location"])

    assert bucket
    configuration = resources(athena_plan, "with_key")["aws_athena_workgroup.evidence[0]"]["configuration"][0]
    (result,) = configuration["result_configuration"]
    assert result["output_location"] == f"s3://{bucket[1]}/athena-results/"


@pytest.mark.parametrize("name", TABLES)
def test_the_serde_is_the_one_that_aws_recommends(athena_plan: dict[str, Any], name: str) -> None:
    (descriptor,) = tables(athena_plan)[name]["storage_descriptor"]

    assert descriptor["input_format"] == "org.apache.hadoop.mapred.TextInputFormat"
    (serde,) = descriptor["ser_de_info"]
    assert serde["serialization_library"] == "org.apache.hive.hcatalog.data.JsonSerDe"
    assert not serde["parameters"]


@pytest.mark.parametrize("name", TABLES)
def test_columns_have_names_types_and_comments(athena_plan: dict[str, Any], name: str) -> None:
    (descriptor,) = tables(athena_plan)[name]["storage_descriptor"]
    columns = descriptor["columns"]

    names = [column["name"] for column in columns]
    assert len(names) == len(set(names)) >= 15
    for column in columns:
        assert re.fullmatch(r"[a-z][a-z0-9]*", column["name"])
        assert re.fullmatch(r"[a-z0-9<>:,]+", column["type"]), column
        exp.DataType.build(column["type"], dialect="hive")
        assert column["comment"].endswith(".")
        assert len(column["comment"]) <= MAX_COMMENT


def test_counts_are_those_of_the_progress(athena_plan: dict[str, Any]) -> None:
    types = Table.of(tables(athena_plan)["executions"]).columns

    keys = ["totalservers", *(key.lower() for key in dict.fromkeys(SUMMARY_KEYS.values()))]
    assert types["counts"] == f"struct<{','.join(f'{key}:int' for key in keys)}>"


def test_the_workgroup_limits_queries_and_owns_their_settings(athena_plan: dict[str, Any]) -> None:
    workgroup = resources(athena_plan, "with_athena")["aws_athena_workgroup.evidence[0]"]

    assert workgroup["force_destroy"] is True
    (configuration,) = workgroup["configuration"]
    assert configuration["enforce_workgroup_configuration"] is True
    assert configuration["bytes_scanned_cutoff_per_query"] == 10 * 1024**3
    assert configuration["publish_cloudwatch_metrics_enabled"] is False
    assert configuration["engine_version"][0]["selected_engine_version"] == "Athena engine version 3"
    (result,) = configuration["result_configuration"]
    assert result["output_location"] == f"s3://{BUCKET}/drs-job-log/athena-results/"
    assert result["encryption_configuration"] == [{"encryption_option": "SSE_S3", "kms_key_arn": None}]


def test_with_a_key_results_are_encrypted_with_it(athena_plan: dict[str, Any]) -> None:
    (configuration,) = resources(athena_plan, "with_key")["aws_athena_workgroup.evidence[0]"]["configuration"]

    assert configuration["bytes_scanned_cutoff_per_query"] == 1024**3
    (result,) = configuration["result_configuration"]
    assert result["encryption_configuration"] == [{"encryption_option": "SSE_KMS", "kms_key_arn": KEY}]


def test_each_file_of_the_folder_is_a_saved_query(athena_plan: dict[str, Any]) -> None:
    found = resources(athena_plan, "with_athena")

    saved = {values["name"]: values for address, values in found.items() if "named_query" in address}
    assert tuple(sorted(saved)) == QUERIES
    assert len(QUERIES) == 5
    for query in saved.values():
        assert query["query"].startswith("-- ")
        assert "Period: " in query["query"]
        assert len(query["query"].encode()) <= MAX_QUERY_BYTES
        assert 1 <= len(query["description"]) <= MAX_DESCRIPTION


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_restricts_the_partitions(athena_plan: dict[str, Any], name: str) -> None:
    """Athena lists each partition of a table. Without an upper bound, it would list those until the year 2100."""
    statement = parse(queries(athena_plan)[name])

    reads = [table for table in statement.find_all(exp.Table) if table.db]
    assert len(reads) == 1, "Athena reads a table again for each reference"
    assert reads[0].db == "acme_drs_log"
    (select,) = [one for one in statement.find_all(exp.Select) if reads[0].parent_select is one]
    (between,) = select.args["where"].find_all(exp.Between)
    assert between.this.name == "year"
    assert not list(between.args["low"].find_all(exp.Column))
    assert between.args["high"].sql("athena") == "YEAR(CURRENT_DATE)"


# ---------------------------------------------------------------------------------------------------------------------
# The queries
# ---------------------------------------------------------------------------------------------------------------------


SHAPE: Final = "Launch of <id> failed after <n> attempts"


def execution(id_: str | None, started: str, *, drill: bool | None, plan: str | None, rto: Row | None) -> Row:
    """Return a summary.json with all keys. ``started`` is a day."""
    at = f"{started}T10:00:00.000Z"
    return {
        "version": "1.0",
        "id": id_ or "drsjob-x",
        "executionId": id_,
        "jobId": None if id_ else "drsjob-x",
        "name": plan,
        "revision": 1,
        "supersedes": None,
        "status": "COMPLETED",
        "statusReason": None,
        "isDrill": drill,
        "startedAt": at,
        "endedAt": f"{started}T11:00:00.000Z",
        "durationSeconds": 3600.0,
        "requestedBy": None,
        "accounts": ["111122223333"],
        "regions": ["us-east-1"],
        "rto": rto,
        "rpo": {"targetMinutes": 15, "seconds": 300.0, "result": "MET", "serversOver": 0},
        "counts": {"totalServers": 1} | dict.fromkeys(SUMMARY_KEYS.values(), 0) | {"launched": 1},
        "waves": [
            {
                "number": 1,
                "name": None,
                "status": "COMPLETED",
                "jobIds": ["drsjob-1"],
                "startedAt": at,
                "endedAt": None,
                "waitMinutes": None,
                "attempt": None,
                "servers": 1,
                "launched": 1,
                "failed": 0,
            }
        ],
        "jobs": [
            {
                "jobId": "drsjob-1",
                "jobType": "LAUNCH",
                "initiatedBy": "START_DRILL",
                "isDrill": drill,
                "requestedBy": None,
                "status": "COMPLETED",
                "createdAt": at,
                "endedAt": None,
                "account": None,
                "region": None,
            }
        ],
        "recoveryPlan": plan and {"name": plan, "planArn": "arn", "executionArn": "arn", "status": "X", "error": None},
        "eventCount": 2,
        "lastEventAt": at,
        "files": {"report.html": {"sha256": "00", "bytes": 123}, "servers.ndjson.gz": {"sha256": "01", "bytes": 45}},
    }


def objective(target: int, actual: float | None, result: str | None) -> Row:
    return {"targetMinutes": target, "actualSeconds": actual, "result": result}


def server(
    id_: str,
    job: str,
    created: str,
    state: str,
    *,
    drill: bool | None,
    execution: str | None = None,
    name: str | None = None,
    seconds: float | None = None,
    steps: tuple[float | None, ...] = (None, None, None, None),
    error: str | None = None,
) -> Row:
    """Return a line of servers.ndjson.gz with all keys. ``created`` is a day."""
    snapshot, wait, conversion, launch = steps
    return {
        "executionId": execution,
        "jobId": job,
        "wave": 1,
        "isDrill": drill,
        "account": "111122223333",
        "region": "us-east-1",
        "sourceServerId": id_,
        "serverName": name,
        "state": state,
        "jobCreatedAt": f"{created}T10:00:00.000Z",
        "endedAt": f"{created}T10:30:00.000Z",
        "seconds": seconds,
        "snapshotSeconds": snapshot,
        "waitSeconds": wait,
        "conversionSeconds": conversion,
        "launchSeconds": launch,
        "ec2InstanceId": None,
        "terminatedAt": None,
        "pointInTime": None,
        "rpoSeconds": 12.0,
        "error": error,
        "errorShape": SHAPE if error else None,
        "failedActions": [{"name": "SSM", "error": None}] if state == "LAUNCHED" else [],
    }


def event(job: str, time: str, **others: Any) -> Row:
    """Return a line of log.ndjson.gz, without absent attributes."""
    detail = {"jobID": job, "eventType": "SERVER_LAUNCHED", "isDrill": True, "stepSeconds": {"launch": 200.0}}
    return {
        "JobId": job,
        "EventKey": f"{time}#1",
        "EventId": "1",
        "EventType": "SERVER_LAUNCHED",
        "Timestamp": time,
        "Source": "drs.job-log",
        "EventData": detail,
        "IngestedAt": time,
        **others,
    }


def objects(execution_id: str, started: str, summary: Row, servers: Iterable[Row], events: Iterable[Row] = ()) -> Row:
    """Return the objects of an execution, by key: the report, and the rows for Athena."""
    partition = f"year={started[:4]}/month={started[5:7]}"
    report, rows = f"drs-job-log/{partition}/{execution_id}", "drs-job-log/tables"
    return {
        f"{report}/report.html": b"<!doctype html>",
        f"{report}/summary.json": json.dumps(summary).encode(),
        f"{report}/servers.ndjson.gz": compressed(servers),
        f"{report}/log.ndjson.gz": compressed(events),
        f"{rows}/executions/{partition}/{execution_id}.ndjson.gz": compressed([table_row(summary)]),
        f"{rows}/servers/{partition}/{execution_id}.ndjson.gz": compressed(map(table_row, servers)),
        f"{rows}/events/{partition}/{execution_id}.ndjson.gz": compressed(map(event_row, events)),
    }


def compressed(rows: Iterable[Row]) -> bytes:
    return gzip.compress("".join(f"{json.dumps(row)}\n" for row in rows).encode())


def bucket() -> dict[str, bytes]:
    """Three drills in the first quarter of 2026, a recovery and a job in the second.

    In the second quarter of 2025, two drills before the last 12 months. In 2024, an execution before each period.
    """
    old, before, fifth, first, second, third, alone = (
        *("2024-11-20", "2025-05-30", "2026-01-15", "2026-02-10", "2026-03-05", "2026-05-20", "2026-04-02"),
    )
    web = "Launch of i-0123456789abcdef0 failed after 3 attempts"
    return {
        "drs-job-log/athena-results/1.csv": b'"quarter"\n',
        **objects(
            "exec-old",
            old,
            execution("exec-old", old, drill=True, plan="shop", rto=objective(60, 60.0, "MET")),
            [
                server("s-1", "drsjob-o", old, "LAUNCHED", drill=True, seconds=5000.0, execution="exec-old"),
                server("s-5", "drsjob-o", old, "LAUNCHED", drill=True, seconds=5000.0, execution="exec-old"),
                server("s-7", "drsjob-o", old, "FAILED", drill=True, error=web, execution="exec-old"),
            ],
        ),
        **objects(
            "exec-0",
            before,
            execution("exec-0", before, drill=True, plan="shop", rto=objective(60, 1230.0, "MET")),
            [
                server("s-1", "drsjob-0", before, "LAUNCHED", drill=True, seconds=1000.0, execution="exec-0"),
                server("s-4", "drsjob-0", before, "LAUNCHED", drill=True, seconds=500.0, execution="exec-0"),
                server("s-7", "drsjob-0", before, "FAILED", drill=True, error=web, execution="exec-0"),
            ],
        ),
        **objects(
            "exec-6",
            "2025-06-01",
            execution("exec-6", "2025-06-01", drill=True, plan="shop", rto=objective(60, 1830.0, "MET")),
            [],
        ),
        **objects(
            "exec-5",
            fifth,
            execution("exec-5", fifth, drill=True, plan="shop", rto=objective(60, 2400.0, "MET")),
            [
                server(
                    *("s-2", "drsjob-5", fifth, "LAUNCHED"),
                    **{"drill": True, "execution": "exec-5", "name": "db", "seconds": 1300.0},
                    steps=(200.0, 900.0, 100.0, 100.0),
                )
            ],
        ),
        **objects(
            "exec-1",
            first,
            execution("exec-1", first, drill=True, plan="shop", rto=objective(60, 1500.0, "MET")),
            [
                server(
                    *("s-1", "drsjob-1", first, "LAUNCHED"),
                    **{"drill": True, "execution": "exec-1", "name": "web", "seconds": 950.0},
                    steps=(100.0, 50.0, 500.0, 200.0),
                ),
                server(
                    *("s-2", "drsjob-1", first, "LAUNCHED"),
                    **{"drill": True, "execution": "exec-1", "name": None, "seconds": 1500.0},
                    steps=(300.0, 600.0, 400.0, 200.0),
                ),
            ],
            [
                event("drsjob-1", "2026-02-10T10:15:50.000000Z", SourceServerId="s-1", ExecutionId="exec-1"),
                event("drsjob-1", "2026-02-10T10:25:00.000000Z", SourceServerId="s-2", ExecutionId="exec-1"),
            ],
        ),
        **objects(
            "exec-2",
            second,
            execution("exec-2", second, drill=True, plan="shop", rto=objective(45, 5400.0, "MISSED")),
            [
                server(
                    *("s-1", "drsjob-2", second, "LAUNCHED"),
                    **{"drill": True, "execution": "exec-2", "name": "web", "seconds": 1100.0},
                    steps=(120.0, 50.0, 600.0, 300.0),
                ),
                server(
                    *("s-3", "drsjob-2", second, "FAILED"),
                    **{"drill": True, "execution": "exec-2", "name": "app", "seconds": 4000.0},
                    error=web,
                ),
            ],
        ),
        **objects(
            "exec-3",
            third,
            execution("exec-3", third, drill=False, plan=None, rto=None),
            [
                server(
                    *("s-1", "drsjob-3", third, "LAUNCHED"),
                    **{"drill": False, "execution": "exec-3", "name": "web-new", "seconds": 2000.0},
                    steps=(140.0, 60.0, 700.0, 400.0),
                ),
                server("s-2", "drsjob-3", third, "FAILED", drill=False, seconds=3e3, execution="exec-3", name="db"),
                server("s-3", "drsjob-3", third, "SKIPPED", drill=False, execution="exec-3"),
                server("s-4", "drsjob-3", third, "LAUNCHED", drill=False, seconds=600.0, execution="exec-3"),
            ],
        ),
        **objects(
            "drsjob-4",
            alone,
            execution(None, alone, drill=None, plan=None, rto=objective(30, None, None)),
            [
                server("s-5", "drsjob-4", alone, "FAILED", drill=None, error=web.replace("3 attempts", "7 attempts")),
                server("s-8", "drsjob-4", alone, "LAUNCHED", drill=None),
            ],
        ),
    }


EXPECTED: Final = {
    "rto-by-quarter": (
        "quarter plan kind executions met missed met_percent strictest_target_minutes median_minutes slowest_minutes",
        [
            ("2026-Q2", "(none)", "recovery", 1, 0, 0, None, None, None, None),
            ("2026-Q2", "(none)", "unknown", 1, 0, 0, None, 30, None, None),
            # 25, 40 and 90 minutes
            ("2026-Q1", "shop", "drill", 3, 2, 1, 66.7, 45, 40.0, 90.0),
            # 20.5 and 30.5 minutes
            ("2025-Q2", "shop", "drill", 2, 2, 0, 100.0, 60, 25.5, 30.5),
        ],
    ),
    "slowest-servers": (
        "source_server_id server_name launches average_minutes slowest_minutes slowest_step "
        "slowest_step_average_minutes",
        [
            # (1300 + 1500) / 2 = 1400 s; wait: (900 + 600) / 2 = 750 s
            ("s-2", "db", 2, 23.3, 25.0, "wait", 12.5),
            # (950 + 1100 + 2000) / 3 = 1350 s; conversion: (500 + 600 + 700) / 3 = 600 s
            ("s-1", "web-new", 3, 22.5, 33.3, "conversion", 10.0),
            ("s-4", None, 1, 10.0, 10.0, None, None),
        ],
    ),
    "failures-by-shape": (
        "error_shape failures failures_in_drills servers executions first_at last_at last_source_server_id last_error",
        [
            (
                *(SHAPE, 2, 1, 2, 2, "2026-03-05T10:00:00.000Z", "2026-04-02T10:00:00.000Z", "s-5"),
                "Launch of i-0123456789abcdef0 failed after 7 attempts",
            ),
            (
                *("(no error stated)", 1, 0, 1, 1, "2026-05-20T10:00:00.000Z", "2026-05-20T10:00:00.000Z", "s-2"),
                None,
            ),
        ],
    ),
    "servers-never-drilled": (
        "source_server_id server_name account region drills_without_launch recoveries_launched recoveries_failed "
        "last_job_at last_state",
        [
            # The name is not known in its last job.
            ("s-3", "app", "111122223333", "us-east-1", 1, 0, 0, "2026-05-20T10:00:00.000Z", "SKIPPED"),
            # Its drill was more than 12 months ago.
            ("s-4", None, "111122223333", "us-east-1", 0, 1, 0, "2026-05-20T10:00:00.000Z", "LAUNCHED"),
            # It is not known whether the job was a drill.
            ("s-5", None, "111122223333", "us-east-1", 0, 0, 0, "2026-04-02T10:00:00.000Z", "FAILED"),
            ("s-8", None, "111122223333", "us-east-1", 0, 0, 0, "2026-04-02T10:00:00.000Z", "LAUNCHED"),
        ],
    ),
    "launch-time-drift": (
        "quarter source_server_id server_name launches median_seconds previous_quarter change_seconds change_percent",
        [
            # The median of 950 and 1100 is 1025: 2000 - 1025 = 975, and 975 / 1025 = 95.1 %.
            ("2026-Q2", "s-1", "web-new", 1, 2000.0, "2026-Q1", 975.0, 95.1),
            ("2026-Q2", "s-4", None, 1, 600.0, "2025-Q2", 100.0, 20.0),
            ("2026-Q1", "s-1", "web", 2, 1025.0, "2025-Q2", 25.0, 2.5),
            ("2026-Q1", "s-2", "db", 2, 1400.0, None, None, None),
            ("2025-Q2", "s-1", None, 1, 1000.0, None, None, None),
            ("2025-Q2", "s-4", None, 1, 500.0, None, None, None),
        ],
    ),
}


@pytest.fixture(scope="module")
def athena(athena_plan: dict[str, Any]) -> Athena:
    found = [Table.of(table) for table in tables(athena_plan).values()]
    return Athena("acme_drs_log", found, bucket(), BUCKET, TODAY)


@pytest.mark.parametrize("name", QUERIES)
def test_a_saved_query_returns_the_rows_that_were_worked_out_by_hand(
    athena_plan: dict[str, Any], athena: Athena, name: str
) -> None:
    columns, expected = EXPECTED[name]

    assert athena.query(queries(athena_plan)[name]) == [
        dict(zip(columns.split(), row, strict=True)) for row in expected
    ]


@pytest.mark.parametrize("name", QUERIES)
def test_a_saved_query_of_empty_tables_returns_no_row(athena_plan: dict[str, Any], name: str) -> None:
    empty = Athena("acme_drs_log", map(Table.of, tables(athena_plan).values()), {}, BUCKET, TODAY)

    assert empty.query(queries(athena_plan)[name]) == []


# ---------------------------------------------------------------------------------------------------------------------
# The tables
# ---------------------------------------------------------------------------------------------------------------------


def test_the_tables_read_each_object_once_and_nothing_else(athena: Athena) -> None:
    found = {name: athena.query(f"SELECT count(*) AS rows_ FROM acme_drs_log.{name}") for name in TABLES}  # noqa: S608

    assert found == {"executions": [{"rows_": 8}], "servers": [{"rows_": 17}], "events": [{"rows_": 2}]}


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    """The objects that the function of evidence writes for an execution with a failed server, by key."""
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        create_events(dynamodb, TABLE)
        store = Store(dynamodb, JobLogTable(dynamodb, TABLE))
        store.happen(launched(ONE, TWO, failing={TWO: "no capacity"}))
        store.writer(has_tables=True).write(EXECUTION, NOW)
        found = store.s3.list_objects_v2(Bucket=WRITTEN)["Contents"]
        return {one["Key"]: store.s3.get_object(Bucket=WRITTEN, Key=one["Key"])["Body"].read() for one in found}


@pytest.mark.parametrize("name", TABLES)
def test_the_written_rows_have_the_columns(athena_plan: dict[str, Any], written: dict[str, bytes], name: str) -> None:
    """The reader refuses a key without a column, and a struct with other keys."""
    table = Table.of(tables(athena_plan)[name])

    rows = list(table.rows({key: text for key, text in written.items() if f"/{name}/" in key}, BUCKET))

    assert len(rows) == {"executions": 1, "servers": 2, "events": 14}[name]
    keys = {key for row in rows for key, value in row.items() if value is not None}
    absent = {
        "executions": {"jobid", "name", "supersedes", "statusreason", "requestedby", "recoveryplan"},
        "servers": {"servername", "account", "region", "terminatedat", "pointintime", "rposeconds"},
        "events": {"sourceservername", "truncated"},
    }
    assert table.columns.keys() - keys <= absent[name]


@pytest.mark.parametrize("name", QUERIES)
def test_a_saved_query_of_the_written_rows(athena_plan: dict[str, Any], written: dict[str, bytes], name: str) -> None:
    found = map(Table.of, tables(athena_plan).values())
    athena = Athena("acme_drs_log", found, written, BUCKET, NOW.date())

    rows = athena.query(queries(athena_plan)[name])

    match name:
        case "rto-by-quarter":
            assert [(row["quarter"], row["executions"]) for row in rows] == [("2026-Q4", 1)]
        case "failures-by-shape":
            assert [(row["error_shape"], row["last_source_server_id"]) for row in rows] == [("no capacity", TWO)]
        case "servers-never-drilled":
            assert [(row["source_server_id"], row["last_state"]) for row in rows] == [(TWO, "FAILED")]
        case _:
            assert [(row["source_server_id"], row["launches"]) for row in rows] == [(ONE, 1)]


SCHEMA_TYPES: Final = {"string": "string", "integer": "int", "number": "double", "boolean": "boolean"}


def glue_type(schema: Row, definitions: Row) -> str:
    """Return the type in Glue of a value with a JSON schema. Null is possible in each column."""
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    match schema, [kind for kind in kinds if kind != "null"]:
        case {"$ref": str() as reference}, _:
            return glue_type(definitions[reference.rpartition("/")[2]], definitions)
        case {"anyOf": list() as parts}, _:
            return glue_type(next(part for part in parts if part.get("type") != "null"), definitions)
        case {"enum": _} | {"const": _}, _:
            return "string"
        case {"items": dict() as item}, ["array"]:
            return f"array<{glue_type(item, definitions)}>"
        case {"properties": dict() as properties}, ["object"]:
            fields = [f"{key.lower()}:{glue_type(value, definitions)}" for key, value in properties.items()]
            return f"struct<{','.join(fields)}>"
        case _, [kind]:
            return SCHEMA_TYPES[kind]
    raise AssertionError(schema)


def test_the_columns_of_executions_are_those_of_the_schema(athena_plan: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "docs/evidence.schema.json").read_text())
    types = Table.of(tables(athena_plan)["executions"]).columns

    for key, value in schema["properties"].items():
        if key != "files":  # a map in the table, so that a further file needs no further column
            assert types[key.lower()] == glue_type(value, schema.get("$defs", {})), key
    assert types.keys() == {key.lower() for key in schema["properties"]}


def test_nested_values_and_event_data_can_be_queried(athena: Athena) -> None:
    (row,) = athena.query(
        "SELECT waves[1].jobids[1] AS job, jobs[1].jobtype AS type_, recoveryplan.name AS plan, counts.launched, "
        "rpo.serversover, files['report.html'].bytes AS bytes_, accounts[1] AS account, year, month "
        "FROM acme_drs_log.executions WHERE id = 'exec-1'"
    )
    assert row == {
        **{"job": "drsjob-1", "type_": "LAUNCH", "plan": "shop", "launched": 1, "serversover": 0, "bytes_": 123},
        **{"account": "111122223333", "year": 2026, "month": 2},
    }

    found = athena.query(
        "SELECT eventtime, sourceserverid, truncated, json_extract_scalar(eventdata, '$.jobID') AS job, "
        "json_extract_scalar(eventdata, '$.stepSeconds.launch') AS launch_seconds "
        "FROM acme_drs_log.events WHERE year = 2026 AND month = 2 ORDER BY eventkey"
    )
    assert [tuple(row.values()) for row in found] == [
        ("2026-02-10T10:15:50.000000Z", "s-1", None, "drsjob-1", "200.0"),
        ("2026-02-10T10:25:00.000000Z", "s-2", None, "drsjob-1", "200.0"),
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"durationseconds": 3600}, "3600 in a column of the type DOUBLE"),
        ({"eventcount": 12.0}, "12.0 in a column of the type INT"),
        ({"revision": "1"}, "'1' in a column of the type INT"),
        ({"rto": [60]}, "in a column of the type STRUCT"),
        ({"Revision": 1}, "no column for Revision"),
        ({"rto": {"targetminutes": 60}}, "in a column of the type STRUCT"),
    ],
)
def test_the_reader_of_the_tests_refuses_what_a_serde_may_not_read(
    athena_plan: dict[str, Any], changed: Row, message: str
) -> None:
    table = Table.of(tables(athena_plan)["executions"])
    row = table_row(execution("exec-1", "2026-02-10", drill=True, plan="shop", rto=None)) | changed
    content = {"drs-job-log/tables/executions/year=2026/month=02/exec-1.ndjson.gz": compressed([row])}

    with pytest.raises(ValueError, match=re.escape(message)):
        list(table.rows(content, BUCKET))


@pytest.mark.parametrize(
    ("key", "is_read"),
    [
        ("drs-job-log/tables/executions/year=2026/month=02/exec-9.json", True),
        ("drs-job-log/tables/executions/year=2026/month=2/exec-9.json", False),
        ("drs-job-log/tables/executions/year=2026/month=13/exec-9.json", False),
        ("drs-job-log/tables/executions/year=2019/month=12/exec-9.json", False),
        ("drs-job-log/tables/executions/year=2026/month=02/_exec-9.json", False),
        ("drs-job-log/tables/executions/year=2026/month=02/.exec-9.json", False),
        ("drs-job-log/year=2026/month=02/exec-9/summary.json", False),
    ],
)
def test_the_reader_of_the_tests_reads_the_projected_partitions(
    athena_plan: dict[str, Any], key: str, is_read: bool
) -> None:
    table = Table.of(tables(athena_plan)["executions"])

    assert len(list(table.rows({key: b'{"id": "exec-9"}\n'}, BUCKET))) == is_read


# ---------------------------------------------------------------------------------------------------------------------
# docs/athena.md
# ---------------------------------------------------------------------------------------------------------------------


PAGE: Final = (ROOT / "docs/athena.md").read_text()


@pytest.mark.parametrize("name", TABLES)
def test_the_page_lists_the_columns_of_each_table(athena_plan: dict[str, Any], name: str) -> None:
    (descriptor,) = tables(athena_plan)[name]["storage_descriptor"]

    section = PAGE.partition(f"\n### `{name}`\n")[2].partition("\n##")[0]
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
    assert rows == [(column["name"], column["type"], column["comment"]) for column in descriptor["columns"]]


def test_the_page_lists_the_saved_queries() -> None:
    section = PAGE.partition("\n## Saved queries\n")[2].partition("\n###")[0]

    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == list(QUERIES)


def test_the_examples_of_the_page_run(athena_plan: dict[str, Any]) -> None:
    found = [Table.of(table) for table in tables(athena_plan).values()]
    athena = Athena("drs_job_log", found, bucket(), BUCKET, TODAY)

    missed, actions, events, incomplete = (
        athena.query(sql) for sql in re.findall(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S)
    )

    assert [tuple(row.values()) for row in missed] == [
        ("exec-2", "s-1", "web", "LAUNCHED", 1100.0),
        ("exec-2", "s-3", "app", "FAILED", 4000.0),
    ]
    assert [tuple(row.values()) for row in actions] == [("drsjob-1", "s-1", "SSM"), ("drsjob-1", "s-2", "SSM")]
    assert [tuple(row.values()) for row in events] == [
        ("2026-02-10T10:15:50.000000Z", "SERVER_LAUNCHED", "s-1", "drsjob-1"),
        ("2026-02-10T10:25:00.000000Z", "SERVER_LAUNCHED", "s-2", "drsjob-1"),
    ]
    assert [tuple(row.values()) for row in incomplete] == [("exec-2", 2, 0)]  # it has no events in the bucket
