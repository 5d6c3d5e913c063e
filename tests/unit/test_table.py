from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from drs_job_log.model.events import InvalidEventError, parse
from drs_job_log.table import JobLogTable, keep_items_as_json, storable, to_item, to_python
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.envelopes import details, dumps, job_log, json_values, names
from tests.support.tables import rows
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DETAIL = {
    "jobID": "drsjob-1",
    "eventType": "LAUNCH_END",
    "eventId": "fact-1",
    "logDateTime": "2025-11-28T20:30:15Z",
    "executionId": "exec-1",
    "sourceServerID": "s-1",
    "sourceServerName": "prod-web-01",
    "ec2InstanceID": "i-1",
    "message": "Server prod-web-01 launched",
    "error": "none",
}
NOW = datetime(2025, 11, 28, 20, 30, 16, tzinfo=UTC)


def put(table: JobLogTable, **changes: Any) -> bool:
    return table.put(parse(dumps(job_log(DETAIL | changes))), RETENTION)


def test_an_event_is_converted_to_an_item() -> None:
    assert to_item(parse(dumps(job_log(DETAIL))), ingested_at=NOW, retention=RETENTION) == {
        "JobId": "drsjob-1",
        "EventKey": "2025-11-28T20:30:15.000000Z#fact-1",
        "Timestamp": "2025-11-28T20:30:15.000000Z",
        "EventId": "fact-1",
        "EventType": "SERVER_LAUNCHED",
        "Source": "drs.job-log",
        "ExecutionId": "exec-1",
        "SourceServerId": "s-1",
        "SourceServerName": "prod-web-01",
        "Ec2InstanceId": "i-1",
        "Message": "Server prod-web-01 launched",
        "Error": "none",
        "EventData": DETAIL,
        "IngestedAt": "2025-11-28T20:30:16.000000Z",
        "TTL": int(datetime(2025, 12, 28, 20, 30, 15, tzinfo=UTC).timestamp()),
        "LedgerServerId": "s-1",
    }


def test_an_unlinked_event_is_in_the_unlinked_index_and_a_linked_one_is_not(
    table: JobLogTable, dynamodb: DynamoDBClient
) -> None:
    put(table, eventId="linked")
    put(table, eventId="unlinked", executionId=None)

    assert [row["EventKey"] for row in rows(dynamodb, IndexName="UnlinkedIndex")] == [
        "2025-11-28T20:30:15.000000Z#unlinked"
    ]
    assert [row["EventId"] for row in rows(dynamodb, IndexName="ExecutionIdIndex")] == ["linked"]


def test_two_events_of_the_same_second_are_two_rows(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    assert put(table, eventId="one")
    assert put(table, eventId="two")

    assert {row["EventId"] for row in rows(dynamodb)} == {"one", "two"}


def test_a_repeated_event_is_detected_by_the_error_code(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")
    monkeypatch.setattr(dynamodb, "put_item", Mock(side_effect=error))

    assert not put(table)


def test_a_repeated_event_changes_nothing(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    assert put(table)
    before = rows(dynamodb)

    assert not put(table, message="another message")

    assert rows(dynamodb) == before


def test_zero_is_stored_with_any_exponent(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    table.put(parse(dumps(job_log(DETAIL | {"value": 1.5})).replace("1.5", "0e126")), RETENTION)

    (row,) = rows(dynamodb)
    assert row["EventData"]["value"] == 0


@pytest.mark.slow
def test_an_event_with_many_small_parts_is_stored_without_truncation(
    table: JobLogTable, dynamodb: DynamoDBClient
) -> None:
    put(table, parts=[None] * 20_000, numbers=list(range(30_000)))

    (row,) = rows(dynamodb)
    assert "Truncated" not in row
    assert len(row["EventData"]["numbers"]) == 30_000


def test_values_nested_too_deeply_are_stored_as_json(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    nested: Any = 1.5
    for _ in range(200):
        nested = [nested]

    put(table, nested=nested)

    (row,) = rows(dynamodb)
    value, depth = row["EventData"]["nested"], 1
    while isinstance(value, list):
        (value,), depth = value, depth + 1
    assert depth <= 32
    assert value.replace('"', "") == "[" * (200 - depth + 1) + "1.5" + "]" * (200 - depth + 1)


def test_an_event_of_the_year_9999_is_stored(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    put(table, logDateTime="9999-12-31T00:00:00Z")

    assert len(rows(dynamodb)) == 1


def test_a_put_raises_if_dynamodb_rejects_it(dynamodb: DynamoDBClient) -> None:
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        put(JobLogTable(dynamodb, "no-such-table"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, Decimal("0.1")),
        (1e-130, Decimal("1E-130")),
        (12345678901234567890123456789012345678, Decimal(12345678901234567890123456789012345678)),
        (123456789012345678901234567890123456789, "123456789012345678901234567890123456789"),
        (1e300, "1E+300"),
        (1e-131, "1E-131"),
        (0, Decimal(0)),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ("", ""),
        ("😀 ü \x00", "😀 ü \x00"),
        ("half an emoji: \ud83d", "half an emoji: \\ud83d"),
        ("e" * 65536, "e" * 65536),
        ([], []),
        ({}, {}),
        ({"ü": [None, True, {"deep": [1]}]}, {"ü": [None, True, {"deep": [1]}]}),
    ],
)
def test_values_are_stored_without_loss(
    table: JobLogTable, dynamodb: DynamoDBClient, value: Any, expected: Any
) -> None:
    put(table, value=value)

    (row,) = rows(dynamodb)
    assert row["EventData"]["value"] == expected
    assert "Truncated" not in row


@pytest.mark.parametrize(
    "texts",
    [
        {"error": "e" * 600_000},
        {"error": "😀" * 150_000, "message": "m" * 300_000},
        {"conversionProperties": {"volumes": [["v" * 90_000] * 9]}},
        {"parts": ["p" * 3000] * 200},
    ],
)
def test_an_event_that_exceeds_the_item_size_is_stored_with_truncated_texts(
    table: JobLogTable, dynamodb: DynamoDBClient, texts: dict[str, Any]
) -> None:
    put(table, **texts)

    (row,) = rows(dynamodb)
    assert row["Truncated"] is True
    assert row["SourceServerName"] == "prod-web-01"
    assert row["EventData"]["sourceServerName"] == "prod-web-01"
    stored_bytes = len(json.dumps(row, default=str, ensure_ascii=False).encode())
    assert 100_000 < stored_bytes < 400 * 1024
    if "error" in texts:
        assert texts["error"].startswith(row["Error"])


def test_an_event_with_too_many_parts_is_rejected(table: JobLogTable) -> None:
    with pytest.raises(InvalidEventError, match="too many parts"):
        put(table, parts=["x" * 500] * 900)


@given(st.dictionaries(names, json_values, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_dynamodb_accepts_any_json_of_an_event(
    table: JobLogTable, dynamodb: DynamoDBClient, extra: dict[str, Any]
) -> None:
    event_id = uuid.uuid4().hex

    assert put(table, eventId=event_id, extra=extra)

    key = {"JobId": {"S": "drsjob-1"}, "EventKey": {"S": f"2025-11-28T20:30:15.000000Z#{event_id}"}}
    stored = dynamodb.get_item(TableName=TABLE, Key=key)["Item"]["EventData"]["M"]
    assert len(stored["extra"]["M"]) == len(extra)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_rows_do_not_depend_on_order_or_repeats(
    table: JobLogTable, dynamodb: DynamoDBClient, data: st.DataObject
) -> None:
    for row in rows(dynamodb):
        dynamodb.delete_item(TableName=TABLE, Key={name: {"S": row[name]} for name in ("JobId", "EventKey")})
    events = [parse(dumps(job_log(detail))) for detail in data.draw(st.lists(details(), min_size=1, max_size=8))]
    deliveries = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=8))))

    new = [event for event in deliveries if table.put(event, RETENTION)]

    identities = {(event.job_id, event.key) for event in events}
    assert {(row["JobId"], row["EventKey"]) for row in rows(dynamodb)} == identities
    assert len(new) == len(identities)


def test_the_ttl_starts_at_the_time_of_the_event() -> None:
    event = parse(dumps(job_log(DETAIL)))

    assert to_item(event, ingested_at=NOW + timedelta(days=9), retention=timedelta(days=1))["TTL"] == int(
        (event.timestamp + timedelta(days=1)).timestamp()
    )


# ---------------------------------------------------------------------------------------------------------------------
# Conditions and consistency
# ---------------------------------------------------------------------------------------------------------------------


def test_a_missing_event_is_neither_linked_nor_queued(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    assert not table.link("drsjob-1", "missing", "exec-1")
    table.requeue_for_linker("drsjob-1", "missing")

    assert rows(dynamodb) == []


def test_a_linked_event_is_not_linked_again(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    put(table)
    (before,) = rows(dynamodb)

    assert not table.link("drsjob-1", before["EventKey"], "exec-2")

    assert rows(dynamodb) == [before]


def test_a_flood_of_events_does_not_delay_a_notification(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender can store more events in a job than ingest can read before its timeout."""
    monkeypatch.setattr("drs_job_log.table._MAX_PAGES", 1)
    queries: list[str] = []
    dynamodb.meta.events.register("before-call.dynamodb.Query", lambda model, **_: queries.append(model.name))
    for number in range(12):
        put(table, eventId=f"{number:02}", message="x" * 100_000)

    found = table.events_of_participant(parse(dumps(job_log(DETAIL))))

    assert len(queries) == 1
    assert 0 < len(found) < 12


def test_the_collector_reads_keys_and_facts_with_strong_consistency(
    table: JobLogTable, dynamodb: DynamoDBClient
) -> None:
    """An eventually consistent read may miss events that were just stored, and the collector sends them again."""
    queries: list[dict[str, Any]] = []
    dynamodb.meta.events.register("provide-client-params.dynamodb.Query", lambda params, **_: queries.append(params))
    servers = [{"sourceServerID": "s-1", "state": "FAILED"}]
    ended: dict[str, Any] = {"outcome": "PARTIAL", "revision": 1, "participatingServers": servers}
    put(table, eventId="end", eventType="JOB_END", message="not a fact", sourceServerID=None, **ended)
    put(table, eventId="other")
    table.put(
        parse(dumps(job_log(DETAIL | ended | {"eventId": "foreign", "sourceServerID": None}, source="my.tool"))),
        RETENTION,
    )

    stored = table.stored("drsjob-1", {"drs.job-log"})

    assert [query["ConsistentRead"] for query in queries] == [True]
    assert {key.partition("#")[2]: facts for key, facts in stored.items()} == {
        "end": ended | {"eventType": "JOB_END"},
        "other": {},  # of a server
        "foreign#my.tool": {},
    }


# ---------------------------------------------------------------------------------------------------------------------
# Items as JSON
# ---------------------------------------------------------------------------------------------------------------------


@given(details())
def test_a_value_is_the_one_of_boto3(detail: dict[str, Any]) -> None:
    attribute = TypeSerializer().serialize(storable(parse(dumps(job_log(detail))).detail))

    assert to_python({"EventData": attribute}) == {"EventData": TypeDeserializer().deserialize(attribute)}


OTHERS: list[Any] = [
    {"S": '"B":"AA=="'},
    {"N": "1.50"},
    {"NULL": True},
]


@pytest.mark.parametrize("other", OTHERS)
def test_items_as_json_equal_items_that_botocore_parsed(dynamodb: DynamoDBClient, other: Any) -> None:
    item: Any = {"JobId": {"S": "drsjob-1"}, "EventKey": {"S": "é#1"}, "Other": other}
    dynamodb.put_item(TableName=TABLE, Item=item)
    query: Any = {
        "TableName": TABLE,
        "KeyConditionExpression": "JobId = :id",
        "ExpressionAttributeValues": {":id": {"S": "drsjob-1"}},
    }
    expected = dynamodb.query(**query)
    keep_items_as_json(dynamodb)

    found = dynamodb.query(**query)

    assert found["Items"] == expected["Items"] == [item]
    assert (found["Count"], found["ScannedCount"]) == (1, 1)


def test_items_as_json_have_all_pages_and_errors(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    keep_items_as_json(dynamodb)
    for number in range(5):
        put(table, eventId=str(number), message="x" * 250_000)  # four items are a page of 1 MB

    pages = []
    dynamodb.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: pages.append(parsed))
    assert [event.event_id for event in table.events_of_job("drsjob-1")] == ["0", "1", "2", "3", "4"]
    assert len(pages) > 1
    with pytest.raises(ClientError) as raised:
        list(JobLogTable(dynamodb, "missing").events_of_job("drsjob-1"))
    assert raised.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_events_share_equal_texts_and_details(table: JobLogTable) -> None:
    for number in range(3):
        put(table, eventId=str(number), jobType="LAUNCH")
    put(table, eventId="3", jobType="TERMINATE")

    first, second, third, other = table.events_of_execution("exec-1")

    assert first.detail is second.detail is third.detail
    assert other.detail == {"jobType": "TERMINATE"}
    assert first.source_server_id is other.source_server_id
