"""Checks the API against docs/openapi.yaml: its responses, and the requests that it rejects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import schemathesis
from drs_job_log.api import handler as api
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.model.events import format_time, parse
from drs_job_log.table import JobLogTable
from hypothesis import HealthCheck, settings
from moto import mock_aws

from tests.support import played, scripts, tables
from tests.support.envelopes import dumps, job_log
from tests.support.gateway import LOGS, Gateway
from tests.support.openapi import ANSWERS, DOCUMENT, REFUSALS
from tests.support.recovery import CONTEXT
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = {"executionId": "exec-1", "jobId": "drsjob-1"}
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
        for event in (*log, *others, *cleanup):
            table.put(event, RETENTION)
        patch.setattr(api, "logs", EventLogCache(table))
        patch.setattr(api, "executions_table", None)
        yield


def test_the_document_has_exactly_the_routes_of_the_api() -> None:
    assert set(schema) == set(LOGS)


RUNS = settings(deadline=None, suppress_health_check=list(HealthCheck))


# Two tests, because pytest-xdist does not distinguish tests with the same name.
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


def send(case: schemathesis.Case) -> None:
    """Send a request and check the response. The API must reject a request that the document does not allow."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if case.operation.path == LOGS[2] and is_valid:
        # The document cannot express that exactly one ID is necessary.
        ids = [name for name in KNOWN if name in case.query]
        case.query = {"executionId": KNOWN["executionId"]} | case.query if not ids else case.query
        for name in ids[1:]:
            del case.query[name]
    if is_valid and "nextToken" in case.query:
        # Only a token from a response is valid.
        case.path_parameters = {name: KNOWN[name] for name in case.path_parameters}
        case.query |= {name: KNOWN[name] for name in KNOWN if name in case.query}
        case.query["nextToken"] = first_page(case)["nextToken"]
    case.call_and_validate(checks=ANSWERS + REFUSALS, headers=UNCOMPRESSED)


def first_page(case: schemathesis.Case) -> dict[str, Any]:
    ids = {name: value for name, value in case.query.items() if name in KNOWN}
    first = schema[case.operation.path]["GET"].Case(path_parameters=case.path_parameters, query={"limit": 1} | ids)
    body: dict[str, Any] = first.call(headers=UNCOMPRESSED).json()
    return body
