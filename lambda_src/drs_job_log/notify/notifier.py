"""Failure notifications: one for each server that fails in a job."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
)
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.model.events import SERVER_FAILURES, JobLogEvent
from drs_job_log.notify.message import to_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.idempotency.persistence.dynamodb import DynamoDBPersistenceLayer
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sns import SNSClient

    from drs_job_log.config import NotificationSettings
    from drs_job_log.table import JobLogTable

# Seconds to wait after each attempt while another invocation sends the notification. Then SQS retries the message.
_IN_PROGRESS_WAITS: Final = (0.3, 0.7, 0)

# If SNS does not respond, a notification takes up to this time. With less time left, the whole batch would time out.
_MIN_SECONDS_TO_NOTIFY: Final = 10

# Longer than the 14 days for which a message can be in a dead-letter queue.
_MIN_RECORD_TTL: Final = timedelta(days=15)

logger = Logger(child=True)


class NotificationPendingError(RuntimeError):
    """Another invocation may be sending the notification, or too little time is left: retry the message."""


class FailureNotifier:
    """Publishes one notification for each server that fails in a job, although several events may report it.

    Powertools' idempotency utility keeps a record of each notification in the notifications table. If an invocation is
    cut off before it completes the record, another invocation publishes the notification, possibly a second time.
    Thread-safe.
    """

    def __init__(
        self,
        settings: NotificationSettings,
        *,
        sns: Callable[[], SNSClient],
        persistence_store: DynamoDBPersistenceLayer,
        table: JobLogTable,
        retention: timedelta,
        count_failure: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._count_failure = count_failure
        self._record_ttl = max(retention, _MIN_RECORD_TTL)
        self._sns = sns
        self._table = table
        self._config = IdempotencyConfig(
            expires_after_seconds=int(self._record_ttl.total_seconds()),
            hash_function="sha256",
            response_hook=lambda *_: None,
        )
        # Here and not on first use, when two threads could configure it at the same time.
        persistence_store.configure(self._config, key_prefix="failure")
        self._publish_once = idempotent_function(
            self._publish,
            data_keyword_argument="server",
            persistence_store=persistence_store,
            config=self._config,
            key_prefix="failure",
        )

    def start_invocation(self, context: LambdaContext) -> None:
        """Register the invocation. After its timeout, others can send the notifications that it did not complete."""
        self._config.register_lambda_context(context)

    def notify(self, event: JobLogEvent) -> bool:
        """Send the notification of a stored event. Return False if none is needed or it was already sent.

        Raises
        ------
        NotificationPendingError
            If it is not known yet whether the notification was sent.
        Exception
            If SNS or the notifications table cannot be reached. A retry is safe, but may send a second message.
        """
        if event.event_type not in SERVER_FAILURES:
            return False
        if datetime.now(UTC) - event.timestamp > self._record_ttl:
            logger.warning("Failure notification skipped: the event is too old", job_id=event.job_id, key=event.key)
            return False
        context = self._config.lambda_context
        if context and context.get_remaining_time_in_millis() < 1000 * _MIN_SECONDS_TO_NOTIFY:
            raise NotificationPendingError("too little time is left to send the notification")
        server = event.source_server_id or event.event_id
        for seconds in _IN_PROGRESS_WAITS:
            try:
                return self._publish_once(server=f"{event.job_id} {server}", event=event) is not None
            except IdempotencyAlreadyInProgressError:
                time.sleep(seconds)
            except IdempotencyPersistenceLayerError:
                # Without the notifications table, only the alarm on the metric reports the failure.
                self._count_failure()
                raise
        raise NotificationPendingError(f"another invocation sends the notification for {server} of {event.job_id}")

    def _publish(self, *, server: str, event: JobLogEvent) -> str:  # noqa: ARG002 (the idempotency key)
        # Before publishing, since that may fail or be cut off.
        self._count_failure()
        if not self._settings.topic_arn:
            return "no topic"
        try:
            event = self._table.enrich(event)
        except (BotoCoreError, ClientError):
            logger.exception(
                "Failure notification sent without details from other events", job_id=event.job_id, key=event.key
            )
        message = to_message(event, self._settings)
        answer = self._sns().publish(TopicArn=self._settings.topic_arn, **message)
        return answer["MessageId"]
