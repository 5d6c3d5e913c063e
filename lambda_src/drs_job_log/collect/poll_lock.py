"""A lock that one woken invocation at a time holds, so that many new jobs do not start many polling invocations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.table import conditional_write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

# The key of the item in the notifications table. Its attribute ``expiration`` is the TTL attribute of the table.
_KEY: Final[Mapping[str, Any]] = {"id": {"S": "collector"}}


class PollLock:
    """The lock, in the notifications table.

    The methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if DynamoDB cannot be
    reached or refuses the request.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def acquire(self, owner: str, now: datetime, seconds: float) -> bool:
        """Take the lock for at most this time. Return False if another owner holds it."""
        return conditional_write(
            self._client.put_item,
            TableName=self._table_name,
            Item={**_KEY, "holder": {"S": owner}, "expiration": {"N": str(math.ceil(now.timestamp() + seconds))}},
            # The owner can hold it: boto3 repeats a request whose response is lost.
            ConditionExpression="attribute_not_exists(id) OR expiration <= :now OR holder = :owner",
            ExpressionAttributeValues={":now": {"N": str(math.floor(now.timestamp()))}, ":owner": {"S": owner}},
        )

    def release(self, owner: str) -> None:
        """Let the next invocation take the lock, if this owner holds it."""
        conditional_write(
            self._client.delete_item,
            TableName=self._table_name,
            Key=_KEY,
            ConditionExpression="holder = :owner",
            ExpressionAttributeValues={":owner": {"S": owner}},
        )
