"""A notifier for the facts about readiness that sends to a list."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.idempotency.persistence.dynamodb import DynamoDBPersistenceLayer
from botocore.exceptions import EndpointConnectionError
from drs_job_log.notify.claims import Claim, Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drs_job_log.notify.notice import Notice
    from mypy_boto3_dynamodb import DynamoDBClient


class FakeNotifier:
    """Keeps what it sends, with the claims of the notifications table. ``fail``: the number of requests that fail."""

    def __init__(
        self, dynamodb: DynamoDBClient, table_name: str, fail: int = 0, error: Exception | None = None
    ) -> None:
        store = DynamoDBPersistenceLayer(table_name, boto3_client=dynamodb)
        self._claims = Claims(store, timedelta(days=30))
        self._fail = fail
        self._error = error or EndpointConnectionError(endpoint_url="https://sns.us-east-1.amazonaws.com")
        self.sent: list[Notice] = []

    def notify_fact(self, notice: Notice) -> None:
        self._claims.once(notice.notice_id, lambda: self._send(notice))

    def count_once(self, claim: str | Sequence[str], count: Callable[[], None]) -> bool:
        return not isinstance(self._claims.once(claim, count), Claim)

    def _send(self, notice: Notice) -> None:
        if self._fail > 0:
            self._fail -= 1
            raise self._error
        self.sent.append(notice)

    @property
    def labels(self) -> list[tuple[str, str]]:
        """The label and the minute of each notice that was sent."""
        return [(notice.label, f"{notice.time:%M}") for notice in self.sent]
