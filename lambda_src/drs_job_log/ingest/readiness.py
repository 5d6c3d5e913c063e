"""Notices about the readiness for a recovery: stalled data replication, and servers without a successful drill."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from drs_job_log.model.digest import digest
from drs_job_log.model.events import AWS_SOURCE, format_time, parse_time
from drs_job_log.model.readiness import DrillCheck, ReplicationChange, UndrilledServer, parse_fact
from drs_job_log.notify.notice import Notice, NoticeServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.notify.notifier import FailureNotifier

logger = Logger(child=True)

# The resumptions of a server are compared with stalls of at most this time ago.
_STALL_LIFETIME: Final = timedelta(days=400)


class Readiness:
    """Counts stalls of the data replication, and sends the notices about readiness. Thread-safe.

    A stall is always notified. A resumption is notified if an earlier stall of the server is known. Events can be
    repeated and can arrive in any order: a resumption without an earlier stall is kept, and the stall that arrives
    later causes its notice too. The notices therefore depend only on the set of the events.
    """

    def __init__(
        self,
        notifier: FailureNotifier,
        dynamodb: DynamoDBClient,
        table_name: str,
        *,
        collector_sources: AbstractSet[str],
        max_age: timedelta,
        count_stall: Callable[[], None],
    ) -> None:
        """``table_name`` is the notifications table. Facts that are older than ``max_age`` are not notified."""
        self._notifier = notifier
        self._stalls = _Stalls(dynamodb, table_name)
        self._collector_sources = collector_sources
        self._max_age = max_age
        self._count_stall = count_stall

    def handle(self, body: str, now: datetime) -> bool:
        """Handle a message of the queue. Return whether it is about readiness.

        Raises
        ------
        InvalidEventError
            If the message is about readiness and not valid.
        Exception
            If a notice is not sent or pending. It is safe to retry.
        """
        fact = parse_fact(body, self._collector_sources)
        if fact is None:
            return False
        time = fact.time if isinstance(fact, ReplicationChange) else fact.checked_at
        if now - time > self._max_age:  # the records that prevent a second notice can have expired
            logger.warning("Fact about readiness skipped: it is too old", key=fact.key)
        elif isinstance(fact, ReplicationChange):
            self._change(fact, now)
        elif fact.servers:
            self._notifier.notify_fact(drill_check_notice(fact))
        return True

    def _change(self, change: ReplicationChange, now: datetime) -> None:
        if not change.is_stalled:
            if self._stalls.add_resumption(change, now):
                self._notifier.notify_fact(resumption_notice(change))
            return
        # First the count: the alarm must fire although a notice cannot be sent.
        self._notifier.count_once(["replication", change.key], self._count_stall)
        resumptions = self._stalls.add_stall(change, now)
        for notice in (stall_notice(change), *map(resumption_notice, resumptions)):
            self._notifier.notify_fact(notice)


def stall_notice(change: ReplicationChange) -> Notice:
    """Return the notice of a stall of the data replication."""
    return _replication_notice(change, "replication stalled", f"The data replication of {change.server_id} stalled")


def resumption_notice(change: ReplicationChange) -> Notice:
    """Return the notice of the end of a stall."""
    summary = f"The data replication of {change.server_id} is no longer stalled"
    return _replication_notice(change, "replication resumed", summary)


def drill_check_notice(check: DrillCheck) -> Notice:
    """Return the notice of a check of the drills, of which at least one server is overdue."""
    overdue = len(check.servers) + check.omitted
    cut = f". The notice names {len(check.servers)} of them" if check.omitted else ""
    return Notice(
        kind="not_drilled",
        label="not drilled",
        summary=(
            f"{overdue} of {check.server_count} servers had no successful drill in the last {check.max_days} days. "
            f"Start a drill of them{cut}"
        ),
        time=check.checked_at,
        notice_id=f"not drilled {check.key}",
        account=check.account,
        region=check.region,
        servers=[
            NoticeServer(id=server.server_id, name=server.name, detail=last_drill(server)) for server in check.servers
        ],
    )


def last_drill(server: UndrilledServer) -> str:
    """Return when the last successful drill of a server was, in words."""
    if server.last_drill_at is None:
        return "no successful drill is known"
    return f"last successful drill: {server.last_drill_at:%Y-%m-%d}"


def _replication_notice(change: ReplicationChange, label: str, summary: str) -> Notice:
    return Notice(
        kind="replication_stalled",
        label=label,
        summary=summary,
        time=change.time,
        notice_id=f"replication {change.key}",
        account=change.account,
        region=change.region,
        event_type="STALLED" if change.is_stalled else "NOT_STALLED",
        event_id=change.event_id,
        source=AWS_SOURCE,
        servers=[NoticeServer(id=change.server_id)],
    )


class _Stalls:
    """The earliest known stall of each server, and its resumptions before that: an item of the notifications table.

    Each write and the answer to it are one atomic operation of DynamoDB. Therefore a resumption finds an earlier stall,
    or the stall finds the resumption. A repetition has the same result.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def add_stall(self, stall: ReplicationChange, now: datetime) -> list[ReplicationChange]:
        """Record a stall. Return the recorded resumptions after it."""
        item = self._update(
            stall,
            now,
            "SET EarliestStall = :time, expiration = :expiration",
            {":time": {"S": format_time(stall.time)}},
            "attribute_not_exists(EarliestStall) OR EarliestStall > :time",
        )
        if item is None:  # an earlier stall is recorded
            item = self._update(stall, now, "SET expiration = :expiration", {}) or {}
        resumptions = (_resumption(stall, text) for text in sorted(item.get("Resumptions", {}).get("SS", [])))
        return [resumption for resumption in resumptions if resumption.time > stall.time]

    def add_resumption(self, resumption: ReplicationChange, now: datetime) -> bool:
        """Record a resumption if no earlier stall is recorded. Return whether one is."""
        item = self._update(
            resumption,
            now,
            "ADD Resumptions :resumptions SET expiration = :expiration",
            {
                ":time": {"S": format_time(resumption.time)},
                ":resumptions": {"SS": [f"{format_time(resumption.time)} {resumption.event_id}"]},
            },
            "attribute_not_exists(EarliestStall) OR EarliestStall >= :time",
        )
        return item is None

    def _update(
        self,
        change: ReplicationChange,
        now: datetime,
        update: str,
        values: dict[str, Any],
        condition: str | None = None,
    ) -> dict[str, Any] | None:
        """Update the item of a server, and return its new attributes. None if the condition is not met."""
        expiration = str(int((now + _STALL_LIFETIME).timestamp()))
        try:
            answer = self._client.update_item(
                TableName=self._table_name,
                # A digest, because the table has items of others: see outbox.py and claims.py.
                Key={"id": {"S": f"replication#{digest(change.server_key)}"}},
                UpdateExpression=update,
                ExpressionAttributeValues={**values, ":expiration": {"N": expiration}},
                ReturnValues="ALL_NEW",
                **({"ConditionExpression": condition} if condition else {}),  # type: ignore[arg-type]
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return None
        return dict(answer["Attributes"])


def _resumption(stall: ReplicationChange, text: str) -> ReplicationChange:
    """Return a recorded resumption of the server of a stall."""
    time, _, event_id = text.partition(" ")
    return ReplicationChange(
        server_id=stall.server_id,
        is_stalled=False,
        time=parse_time("Resumptions", time),
        account=stall.account,
        region=stall.region,
        event_id=event_id,
    )
