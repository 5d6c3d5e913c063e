"""An executions table in the in-process DynamoDB, and jobs with known outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from drs_job_log.config import ExecutionsTableSettings
from drs_job_log.link.executions_table import ExecutionsTable

from tests.support import scripts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SERVERS: Final = [scripts.server_id(number) for number in range(6)]
GOOD: Final = scripts.launch(SERVERS[:2])
MIXED: Final = scripts.launch(SERVERS[2:4], failing={SERVERS[3]: "no rights"})
BAD: Final = scripts.silent_failure(SERVERS[4:])
CANCELLED: Final = scripts.cancelled(SERVERS[4:])

# Settings for the two spellings of attributes that public orchestrators use.
CAPITALS: Final[dict[str, Any]] = {"update_status": True}
SMALL: Final[dict[str, Any]] = {
    "update_status": True,
    "execution_id_attribute": "executionId",
    "waves_attribute": "waves",
    "wave_count_attribute": "totalWaves",
    "job_id_attribute": "jobId",
    "status_attribute": "status",
    "end_time_attribute": "endTime",
}

_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize


def create(client: DynamoDBClient, *keys: str, index: str | None = None) -> None:
    """Create the table "history" with these keys, and an index "by-job" on an attribute."""
    names = [*keys, *([index] if index else [])]
    indexes: Any = {
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-job",
                "KeySchema": [{"AttributeName": index, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]
    }
    client.create_table(
        TableName="history",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        **(indexes if index else {}),
    )


def write(client: DynamoDBClient, **item: Any) -> None:
    """Put an item."""
    client.put_item(TableName="history", Item={name: _serialize(value) for name, value in item.items()})


def records(client: DynamoDBClient) -> list[dict[str, Any]]:
    """Return all items."""
    items = client.scan(TableName="history")["Items"]
    return [{name: _deserialize(value) for name, value in item.items()} for item in items]


def executions_table(client: DynamoDBClient, **settings: Any) -> ExecutionsTable:
    """Return the table as the functions use it."""
    return ExecutionsTable(client, ExecutionsTableSettings(table_name="history", **settings))
