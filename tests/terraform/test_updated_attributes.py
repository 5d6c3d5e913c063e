"""The conditions `dynamodb:Attributes` allow exactly the attributes that the functions' updates use.

The embedded AWS does not derive these attributes from an update. So the tests record real updates, and read all
attributes of the key and of both expressions, as DynamoDB does:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from drs_job_log.config import ExecutionsTableSettings
from drs_job_log.link.executions_table import ExecutionsTable
from drs_job_log.model.events import JobLogEvent
from drs_job_log.table import JobLogTable, ledger_attributes
from moto import mock_aws

from tests.support import executions, played, scripts, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.terraform.conftest import Planned

# Words of the expressions that are no attributes.
_WORDS: Final = {"SET", "REMOVE", "AND", "OR", "if_not_exists", "attribute_exists", "attribute_not_exists"}


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield boto3.client("dynamodb", region_name="us-east-1")


@pytest.fixture
def used(dynamodb: DynamoDBClient) -> list[set[str]]:
    """The attributes of each update."""
    found: list[set[str]] = []
    dynamodb.meta.events.register(
        "provide-client-params.dynamodb.UpdateItem", lambda params, **_: found.append(attributes(params))
    )
    return found


def attributes(request: dict[str, Any]) -> set[str]:
    """Return the attributes that an update names. Their names are top-level, without paths."""
    expressions = f"{request['UpdateExpression']} {request.get('ConditionExpression', '')}"
    names = request.get("ExpressionAttributeNames", {})
    words = set(re.findall(r"(?<![:\w])#?[A-Za-z]\w*", expressions)) - _WORDS
    return set(request["Key"]) | {names.get(word, word) for word in words}


def allowed(resources: Planned, function: str, sid: str) -> set[str]:
    """Return the attributes that a statement of a function's role allows."""
    policy = json.loads(resources[f"module.{function}.aws_iam_role_policy.this"]["policy"])
    (statement,) = [statement for statement in policy["Statement"] if statement["Sid"] == sid]
    assert statement["Condition"]["Null"] == {"dynamodb:Attributes": "false"}
    return set(statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])


def test_the_attributes_of_an_update_are_those_of_its_key_and_expressions() -> None:
    request = {
        "Key": {"Id": {"S": "1"}},
        "UpdateExpression": "SET One = if_not_exists(Two, :Three), #a = :now REMOVE Four",
        "ConditionExpression": "attribute_exists(#b) AND #c = :was AND attribute_not_exists(Five)",
        "ExpressionAttributeNames": {"#a": "A", "#b": "B", "#c": "C"},
    }

    assert attributes(request) == {"Id", "One", "Two", "Four", "Five", "A", "B", "C"}


def test_updates_of_events_use_the_allowed_attributes(
    planned: Callable[[str], Planned], dynamodb: DynamoDBClient, used: list[set[str]]
) -> None:
    tables.create_events(dynamodb, "events")
    table = JobLogTable(dynamodb, "events")
    event = JobLogEvent(
        job_id="drsjob-1", event_id="1", event_type="JOB_START", timestamp=datetime.now(UTC), source="s", detail={}
    )
    table.put(event, timedelta(days=1))

    assert table.link(event.job_id, event.key, "exec-1")
    table.requeue_for_linker(event.job_id, event.key)
    table.give_up(event.job_id, event.key)

    assert len(used) == 3
    assert allowed(planned("everything"), "ingest", "FinishExecutions") == set().union(*used)

    for stored in played.events(scripts.launch(["s-1"]), "drsjob-2"):
        if added := ledger_attributes(stored):
            table.put(stored, timedelta(days=1))
            assert table.add_to_ledger(stored, added)

    assert allowed(planned("everything"), "linker", "LinkEvents") == set().union(*used)


@pytest.mark.parametrize("end_time", [None, "2026-01-01T00:00:00Z"])
def test_the_status_update_uses_the_allowed_attributes(
    planned: Callable[[str], Planned], dynamodb: DynamoDBClient, used: list[set[str]], end_time: str | None
) -> None:
    executions.create(dynamodb, "executionId", "planId")
    record = {"executionId": "exec-1", "planId": "p", "status": "RUNNING", "waves": [{"jobId": "drsjob-1"}]}
    executions.write(dynamodb, **record, **({"endTime": end_time} if end_time else {}))
    table = ExecutionsTable(dynamodb, ExecutionsTableSettings(table_name="history", **executions.SMALL))
    (found,) = table.records("exec-1")

    assert table.set_status(found, "COMPLETED", datetime.now(UTC))

    for function in ("ingest", "linker"):
        assert [allowed(planned("everything"), function, "SetExecutionStatus")] == used
