"""The tables of the module, with the keys and indexes from storage.tf and notifications.tf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from tests.support import hcl
from tests.support.functions import ENVIRONMENT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def create_events(client: DynamoDBClient, name: str) -> None:
    """Create the events table."""
    client.create_table(**events(name))


def events(name: str) -> Any:
    """Return the events table as parameters of CreateTable and ImportTable."""
    (resource,) = hcl.load("storage.tf")["resource"]
    table = resource["aws_dynamodb_table"]["job_log_events"]
    return {
        "TableName": name,
        "BillingMode": table["billing_mode"],
        "KeySchema": _key_schema(table),
        "AttributeDefinitions": [
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]} for attribute in table["attribute"]
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index["name"],
                "KeySchema": _key_schema(index),
                "Projection": {"ProjectionType": index["projection_type"]}
                | ({"NonKeyAttributes": index["non_key_attributes"]} if "non_key_attributes" in index else {}),
            }
            for index in table["global_secondary_index"]
        ],
    }


def create_notices(client: DynamoDBClient, name: str) -> None:
    """Create the notifications table."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )


def _key_schema(block: dict[str, str]) -> Any:
    return [
        {"AttributeName": block["hash_key"], "KeyType": "HASH"},
        {"AttributeName": block["range_key"], "KeyType": "RANGE"},
    ]


def rows(client: DynamoDBClient, name: str = ENVIRONMENT["JOB_LOG_EVENTS_TABLE"], **query: Any) -> list[dict[str, Any]]:
    """Return all rows of the events table, or of one of its indexes."""
    deserialize = TypeDeserializer().deserialize
    return [
        {name: deserialize(value) for name, value in item.items()}
        for page in client.get_paginator("scan").paginate(TableName=name, **query)
        for item in page["Items"]
    ]
