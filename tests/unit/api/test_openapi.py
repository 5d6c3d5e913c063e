"""Checks the API against docs/openapi.yaml: its responses, and the requests that it rejects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
import pytest
import schemathesis
from drs_job_log.api import handler as api
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.api.report import Reports
from drs_job_log.config import ReportSettings
from drs_job_log.evidence_records import Record, Records
from drs_job_log.ledger import Ledger
from drs_job_log.model.events import format_time, parse
from drs_job_log.table import JobLogTable
from hypothesis import HealthCheck, assume, settings
from moto import mock_aws

from tests.support import played, scripts, tables
from tests.support.envelopes import dumps, job_log, request
from tests.support.gateway import HISTORY, LOGS, REPORT, Gateway
from tests.support.openapi import ANSWERS, DOCUMENT, REFUSALS
from tests.support.recovery import CONTEXT
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = {"executionId": "exec-1", "jobId": "drsjob-1", "sourceServerId": scripts.server_id(0)}
UNCOMPRESSED = {"Accept-Encoding": "identity"}  # schemathesis does not decompress the answers of a WSGI application

schema = schemathesis.openapi.from_path(DOCUMENT)
schema.app = Gateway(lambda event: api.lambda_handler(event, CONTEXT))


@pytest.fixture(autouse=True, scope="module")
def _table() -> Iterator[None]:
    servers = [scripts.server_id(number) for number in range(3)]
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        client = boto3.client("dynamodb")
        tables.create_events(client, TABLE)
        table = JobLogTable(client, TABLE)
        script = scripts.launch(servers, failing={servers[0]: "<img src=x onerror=alert(1)>"})
        created = datetime.now(UTC) - timedelta(hours=1)
        log = played.events(script, "drsjob-1", created=created)
        facts = [
            {"eventType": "LAUNCH_ACTION_FAILED", "sourceServerID": servers[1], "error": "service not found"},
            {"eventType": "NETWORK_RECOVERY_FAIL", "resourceID": "sn-1", "error": "ROLLBACK_COMPLETE"},
            {"eventType": "JOB_END", "revision": 1, "logDateTime": format_time(log[-1].timestamp)},
        ]
        others = [
            parse(dumps(job_log({"jobID": "drsjob-1", "executionId": "exec-1", **fact, "eventId": f"fact-{number}"})))
            for number, fact in enumerate(facts)
        ]
        cleanup = played.events(scripts.terminate(servers), "drsjob-2", created=created + timedelta(minutes=30))
        before = played.events(scripts.launch(servers[1:]), "drsjob-0", created=created - timedelta(days=1))
        other = played.events(script, "drsjob-3", created=created - timedelta(days=2), execution_id="exec-0")
        alone = played.events(
            scripts.launch(servers, stuck=servers[:1]), "drsjob-4", created=created, execution_id=None
        )
        asked = [
            replace(parse(dumps(request({"jobID": job_id}, eventTime=format_time(created)))), execution_id=execution_id)
            for job_id, execution_id in (("drsjob-1", "exec-1"), ("drsjob-4", None))
        ]
        for event in (*log, *others, *cleanup, *before, *other, *alone, *asked):
            table.put(event, RETENTION)
        patch.setattr(api, "ledger", Ledger(client, TABLE))
        patch.setattr(api, "logs", EventLogCache(table))
        patch.setattr(api, "executions_table", None)
        # exec-1 has a report, and exec-0 has none.
        queue_url = boto3.client("sqs").create_queue(QueueName="evidence")["QueueUrl"]
        reports = ReportSettings(bucket="evidence", queue_url=queue_url, lookback=RETENTION)
        names = ("log.ndjson.gz", "report.html", "servers.ndjson.gz", "summary.json")
        files = {name: {"sha256": "0" * 64, "bytes": 1} for name in names}
        record = Record(id="exec-1", folder="reports/exec-1/", revision=1, files=files)
        Records(client, TABLE).put(record, source="drs.job-log", now=created, retention=RETENTION)
        patch.setattr(api, "settings", replace(api.settings, reports=reports))
        patch.setattr(api, "reports", Reports(client, TABLE, reports))
        yield


def test_the_document_has_exactly_the_routes_of_the_api() -> None:
    assert set(schema) == {*LOGS, *HISTORY, REPORT}


RUNS = settings(deadline=None, suppress_health_check=list(HealthCheck))


# Several tests, because pytest-xdist does not distinguish tests with the same name.
@schema.include(path=LOGS[0]).parametrize()
@RUNS
def test_responses_for_an_execution_conform_to_the_document(case: schemathesis.Case) -> None:
    send(case)


@schema.include(path=LOGS[1]).parametrize()
@RUNS
def test_responses_for_a_job_conform_to_the_document(case: schemathesis.Case) -> None:
    send(case)


@schema.include(path=LOGS[2]).parametrize()
@RUNS
def test_responses_for_an_id_in_the_query_conform_to_the_document(case: schemathesis.Case) -> None:
    send(case)


@schema.include(path=HISTORY[0]).parametrize()
@RUNS
def test_responses_with_executions_conform_to_the_document(case: schemathesis.Case) -> None:
    send(case)


@schema.include(path=HISTORY[1]).parametrize()
@RUNS
def test_comparisons_conform_to_the_document(case: schemathesis.Case) -> None:
    if is_valid(case):
        # Most drawn IDs are unknown. Two known ones give an answer.
        case.path_parameters = {"executionId": "exec-1"}
        case.query = dict.fromkeys(case.query, "exec-0")
    send(case)


@schema.include(path=HISTORY[1]).parametrize()
@RUNS
def test_comparisons_with_unknown_executions_conform_to_the_document(case: schemathesis.Case) -> None:
    # The document cannot state that the two IDs must differ.
    assume(case.query.get("with") != unquote(case.path_parameters["executionId"]))  # a path parameter is encoded
    send(case)


@schema.include(path=HISTORY[2]).parametrize()
@RUNS
def test_responses_with_failures_conform_to_the_document(case: schemathesis.Case) -> None:
    send(case)


@schema.include(path=HISTORY[3]).parametrize()
@RUNS
def test_responses_with_jobs_conform_to_the_document(case: schemathesis.Case) -> None:
    send(case)


@schema.include(path=HISTORY[4]).parametrize()
@RUNS
def test_responses_for_a_server_conform_to_the_document(case: schemathesis.Case) -> None:
    if is_valid(case):
        case.path_parameters = {"sourceServerId": KNOWN["sourceServerId"]}
    send(case)


@schema.include(path=REPORT).parametrize()
@RUNS
def test_responses_for_a_report_conform_to_the_document(case: schemathesis.Case) -> None:
    send(case)


@pytest.mark.parametrize(("execution_id", "status"), [("exec-1", 200), ("exec-0", 202), ("exec-2", 404)])
def test_reports_of_known_executions_conform_to_the_document(execution_id: str, status: int) -> None:
    case = schema[REPORT]["GET"].Case(path_parameters={"executionId": execution_id})

    response = case.call_and_validate(checks=ANSWERS, headers=UNCOMPRESSED)

    assert response.status_code == status


def is_valid(case: schemathesis.Case) -> bool:
    """Whether the document allows the request."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def send(case: schemathesis.Case) -> None:
    """Send a request and check the response. The API must reject a request that the document does not allow."""
    if case.operation.path == LOGS[2] and is_valid(case):
        # The document cannot express that exactly one ID is necessary.
        ids = [name for name in KNOWN if name in case.query]
        case.query = {"executionId": KNOWN["executionId"]} | case.query if not ids else case.query
        for name in ids[1:]:
            del case.query[name]
    if is_valid(case) and {"from", "to"} <= case.query.keys():
        # The document cannot express that from is not later than to.
        case.query["to"] = case.query["from"]
    if is_valid(case) and case.operation.path == HISTORY[1] and "with" in case.query:
        # The document cannot express that both are different.
        case.query["with"] += "x" if case.query["with"] == case.path_parameters["executionId"] else ""
    if is_valid(case) and "nextToken" in case.query:
        # Only a token from a response is valid.
        case.path_parameters = {name: KNOWN[name] for name in case.path_parameters}
        kept = case.query if case.operation.path in LOGS else {n: v for n, v in case.query.items() if n == "limit"}
        case.query = kept | {name: KNOWN[name] for name in KNOWN if name in kept}
        case.query["nextToken"] = first_page(case)["nextToken"]
    case.call_and_validate(checks=ANSWERS + REFUSALS, headers=UNCOMPRESSED)


def first_page(case: schemathesis.Case) -> dict[str, Any]:
    ids = {name: value for name, value in case.query.items() if name in KNOWN}
    first = schema[case.operation.path]["GET"].Case(path_parameters=case.path_parameters, query={"limit": 1} | ids)
    body: dict[str, Any] = first.call(headers=UNCOMPRESSED).json()
    return body
