"""Limits the number of messages: the first notices of a job are sent at once, later ones are collected."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from botocore.exceptions import ClientError

from drs_job_log.model.digest import digest
from drs_job_log.notify.claims import Claim
from drs_job_log.table import conditional_write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.notify.claims import Claims

# The number of notices of a job that are sent at once, each in its own message.
MAX_IMMEDIATE: Final = 3

# Failures with the same cause arrive within seconds. A collecting message waits for them.
COLLECT_TIME: Final = timedelta(seconds=15)

# The minimum time between two collecting messages of a group.
MIN_INTERVAL: Final = timedelta(minutes=1)

# The maximum number of notices in a collecting message.
MAX_NOTICES: Final = 500

# The maximum number of items of one group. An item contains about 3,000 notices.
_MAX_PARTS: Final = 20

_NEVER: Final = datetime.min.replace(tzinfo=UTC)

_DUE_PREFIX: Final = '{"collectedNotices": '


class Outbox:
    """The notices of each group of notices, usually a job. Thread-safe.

    The notifications table has one item for each group, with the notices that were sent at once and those that were
    collected. Claims record which notices each collecting message contained. So each notice is in one message, although
    events and timers can be repeated and invocations can be interrupted.

    All methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if the notifications
    table cannot be reached. It is safe to repeat them.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        *,
        claims: Claims,
        schedule: Callable[[str, timedelta], None],
    ) -> None:
        """``schedule`` starts a timer: ingest receives a message after the time, and calls ``send_due``."""
        self._client = client
        self._table_name = table_name
        self._claims = claims
        self._schedule = schedule

    def is_immediate(self, group: str, notice_id: str) -> bool:
        """Whether a notice is one of the first of its group, and is sent at once. A repetition has the same result."""
        notice_id = digest(notice_id)
        request = self._add("SentAtOnce", group, notice_id)
        request["ConditionExpression"] = (
            "attribute_not_exists(SentAtOnce) OR size(SentAtOnce) < :max OR contains(SentAtOnce, :notice)"
        )
        request["ExpressionAttributeValues"] |= {":max": {"N": str(MAX_IMMEDIATE)}, ":notice": {"S": notice_id}}
        return conditional_write(self._client.update_item, **request)

    def collect(self, group: str, notice: str) -> None:
        """Keep a notice for the next collecting message of its group. A full group continues in another one.

        ``notice``: a text that describes it. A repetition has the same text.
        """
        for number in count(2):
            try:
                self._client.update_item(**self._add("Collected", group, notice))
                break
            except ClientError as error:
                if error.response["Error"]["Code"] != "ValidationException" or number > _MAX_PARTS:
                    raise
                group = f"{group} {number}"
        self._schedule(due_message(group), COLLECT_TIME)

    def send_due(self, group: str, send: Callable[[Sequence[str]], object], now: datetime) -> None:
        """Send the collected notices of a group in one message, or start a timer if the last message is too recent."""
        messages = self._claims.results(["outbox", group])
        sent = {notice for message in messages for notice in message["notices"]}
        sent_at = max((datetime.fromisoformat(message["sentAt"]) for message in messages), default=_NEVER)
        collected = {digest(text): text for text in self._collected(group)}
        due = sorted((text, id_) for id_, text in collected.items() if id_ not in sent)[:MAX_NOTICES]
        if not due:
            return
        if now < sent_at + MIN_INTERVAL:
            self._schedule(due_message(group), sent_at + MIN_INTERVAL - now)
            return

        def send_now() -> dict[str, Any]:
            send([text for text, _ in due])
            return {"notices": [id_ for _, id_ in due], "sentAt": now.isoformat()}

        try:
            is_repeated = isinstance(self._claims.once(["outbox", group, str(len(messages))], send_now), Claim)
        except IdempotencyAlreadyInProgressError:
            is_repeated = True
        if is_repeated or len(due) == MAX_NOTICES:
            # Another invocation sends a message, which may not contain all of these notices. Or there may be more.
            self._schedule(due_message(group), COLLECT_TIME)

    def _collected(self, group: str) -> set[str]:
        answer = self._client.get_item(TableName=self._table_name, Key=_key(group), ConsistentRead=True)
        return set(answer.get("Item", {}).get("Collected", {}).get("SS", []))

    def _add(self, attribute: str, group: str, value: str) -> dict[str, Any]:
        """Return the request that adds a value to a set of a group. A repetition changes nothing."""
        expires_at = int((datetime.now(UTC) + self._claims.lifetime).timestamp())
        return {
            "TableName": self._table_name,
            "Key": _key(group),
            "UpdateExpression": f"ADD {attribute} :values SET expiration = :expiration",
            "ExpressionAttributeValues": {":values": {"SS": [value]}, ":expiration": {"N": str(expires_at)}},
        }


def due_message(group: str) -> str:
    """Return the message for the ingest queue that makes ingest send the collected notices of a group."""
    return f"{_DUE_PREFIX}{json.dumps(group)}}}"


def due_group(message: str) -> str | None:
    """Return the group of a message from ``due_message``. None for an event."""
    return str(json.loads(message)["collectedNotices"]) if message.startswith(_DUE_PREFIX) else None


def _key(group: str) -> dict[str, Any]:
    # A digest, since a group contains a job ID, which can be as long as a key.
    return {"id": {"S": f"outbox#{digest(group)}"}}
