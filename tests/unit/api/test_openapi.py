"""The API held against docs/openapi.yaml, in both directions: what it answers, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import schemathesis
from drs_job_log.api import handler as api
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.table import JobLogTable
from hypothesis import HealthCheck, settings
from moto import mock_aws

from tests.support import played, scripts, tables
from tests.support.gateway import LOGS, Gateway
from tests.support.openapi import ANSWERS, DOCUMENT, REFUSALS
from tests.support.recovery import CONTEXT
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = {"executionId": "exec-1", "jobId": "drsjob-1"}

schema = schemathesis.openapi.from_path(DOCUMENT)
schema.app = Gateway(lambda event: api.lambda_handler(event, CONTEXT))


@pytest.fixture(autouse=True, scope="module")
def _store() -> Iterator[None]:
    servers = [scripts.server_id(number) for number in range(3)]
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        client = boto3.client("dynamodb")
        tables.create_events(client, TABLE)
        store = JobLogTable(client, TABLE)
        script = scripts.launch(servers, failing={servers[0]: "<img src=x onerror=alert(1)>"})
        for event in played.events(script, "drsjob-1", created=datetime.now(UTC) - timedelta(hours=1)):
            store.put(event, RETENTION)
        patch.setattr(api, "logs", EventLogCache(store))
        patch.setattr(api, "executions_table", None)
        yield


def test_the_document_has_the_routes_of_the_api_and_no_other() -> None:
    assert set(schema) == set(LOGS)


RUNS = settings(deadline=None, suppress_health_check=list(HealthCheck))


# A test each: pytest-xdist takes tests of one name for one.
@schema.include(path=LOGS[0]).parametrize()
@RUNS
def test_whatever_is_asked_of_an_execution_is_answered_as_the_document_says(case: schemathesis.Case) -> None:
    ask(case)


@schema.include(path=LOGS[1]).parametrize()
@RUNS
def test_whatever_is_asked_of_a_job_is_answered_as_the_document_says(case: schemathesis.Case) -> None:
    ask(case)


def ask(case: schemathesis.Case) -> None:
    """Ask; what the document says is wrong is to be refused."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if is_valid and "nextToken" in case.query:
        # A text is no token unless an answer gave it.
        case.path_parameters = {name: KNOWN[name] for name in case.path_parameters}
        case.query["nextToken"] = first_page(case.operation.path)["nextToken"]
    case.call_and_validate(checks=ANSWERS + REFUSALS)


def first_page(route: str) -> dict[str, Any]:
    body: dict[str, Any] = schema[route]["GET"].Case(path_parameters=KNOWN, query={"limit": 1}).call().json()
    return body
