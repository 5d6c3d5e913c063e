"""A lock that one polling invocation at a time holds, so that two instances do not put the same events on the bus."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.table import conditional_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

logger = Logger(child=True)

# The key of the item in the notifications table. Its attribute ``expiration`` is the TTL attribute of the table.
_KEY: Final[Mapping[str, Any]] = {"id": {"S": "collector"}}


class PollLock:
    """The lock, in the notifications table.

    If DynamoDB cannot be reached or refuses a request, the methods log the error, and the owner polls. Two instances
    can then put the same event on the bus. It is stored once.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def acquire(self, owner: str, now: datetime, seconds: float) -> bool:
        """Take the lock for at most this time. Return False if another owner holds it."""
        with _logged_errors():
            return conditional_write(
                self._client.put_item,
                **self._item(owner, now, seconds),
                # The owner can hold it: boto3 repeats a request whose response is lost.
                ConditionExpression="attribute_not_exists(id) OR expiration <= :now OR holder = :owner",
                ExpressionAttributeValues={":now": {"N": str(math.floor(now.timestamp()))}, ":owner": {"S": owner}},
            )
        return True

    def take_over(self, owner: str, now: datetime, seconds: float) -> None:
        """Take the lock for at most this time, also from another owner."""
        with _logged_errors():
            self._client.put_item(**self._item(owner, now, seconds))

    def is_free_for(self, owner: str, now: datetime) -> bool:
        """Whether no other owner holds the lock."""
        with _logged_errors():
            answer = self._client.get_item(TableName=self._table_name, Key=_KEY, ConsistentRead=True)
            item = answer.get("Item")
            return item is None or item["holder"]["S"] == owner or float(item["expiration"]["N"]) <= now.timestamp()
        return True

    def release(self, owner: str) -> None:
        """Let another invocation take the lock, if this owner holds it."""
        with _logged_errors():
            conditional_write(
                self._client.delete_item,
                TableName=self._table_name,
                Key=_KEY,
                ConditionExpression="holder = :owner",
                ExpressionAttributeValues={":owner": {"S": owner}},
            )

    def _item(self, owner: str, now: datetime, seconds: float) -> dict[str, Any]:
        expiration = str(math.ceil(now.timestamp() + seconds))
        return {
            "TableName": self._table_name,
            "Item": {**_KEY, "holder": {"S": owner}, "expiration": {"N": expiration}},
        }


@contextmanager
def _logged_errors() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError):
        logger.exception("The lock is not available. The invocation polls without it")
