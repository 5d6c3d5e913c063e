"""Notifications about the servers and networks of a job: a failure, its error, its end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
)
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.model.events import FAILURES, JobLogEvent
from drs_job_log.notify.claims import Claim, Claims
from drs_job_log.notify.decision import (
    LAUNCHES,
    Notice,
    Notified,
    described,
    digest,
    failure_of,
    follow_up,
    launch_of,
    notified_by,
    notified_of,
    participant_of,
    turn,
)
from drs_job_log.notify.message import to_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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

# The source of the launch results of DRS. They have no error.
_DRS: Final = "aws.drs"

# The log item with the error normally arrives within seconds of the launch result. Later, nobody waits for it.
_ERROR_GRACE: Final = timedelta(minutes=1)

# Seconds to wait if no stored event has the error. Another record of the same batch may store it now.
_ERROR_WAIT: Final = 0.5

_HANDLED: Final = FAILURES | LAUNCHES | {"SERVER_STALLED", "LAUNCH_ACTION_FAILED"}

logger = Logger(child=True)


class NotificationPendingError(RuntimeError):
    """The notification cannot be decided or sent yet: retry the message."""


class FailureNotifier:
    """Publishes a notification for each failed server or network of a job, and for what changes later.

    The first failure is notified at once. Its claim contains what was notified, so that each later event can decide
    whether it says something new: the error, the final failure, or the launch after the failure. Each notification is
    sent once, in any order of the events and with any repetitions. Thread-safe.
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
        count_stall: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._count_failure = count_failure
        self._count_stall = count_stall
        self._record_ttl = max(retention, _MIN_RECORD_TTL)
        self._sns = sns
        self._table = table
        self._claims = Claims(persistence_store, self._record_ttl)

    def start_invocation(self, context: LambdaContext) -> None:
        """Register the invocation. After its timeout, others can send the notifications that it did not complete."""
        self._claims.start_invocation(context)

    def notify(self, event: JobLogEvent) -> bool:
        """Count and notify a stored event. Return False if no notification is needed or it was already sent.

        Raises
        ------
        NotificationPendingError
            If it is not known yet whether or what to notify.
        Exception
            If SNS or a table cannot be reached. A retry is safe, but may send a second message.
        """
        if event.event_type not in _HANDLED:
            return False
        if datetime.now(UTC) - event.timestamp > self._record_ttl:
            if event.event_type in FAILURES:
                logger.warning("Failure notification skipped: the event is too old", job_id=event.job_id, key=event.key)
            return False
        for seconds in _IN_PROGRESS_WAITS:
            try:
                return self._notify(event)
            except IdempotencyAlreadyInProgressError:
                time.sleep(seconds)
        raise NotificationPendingError(
            f"another invocation sends the notification for {participant_of(event)} of {event.job_id}"
        )

    def _notify(self, event: JobLogEvent) -> bool:
        match event.event_type:
            case "SERVER_STALLED":
                self._count_once(_claim(event, "stalled", event.key), self._count_stall)
                return False
            case failure if failure in FAILURES:
                return self._notify_failure(event)
            case _ if not self._settings.topic_arn:
                return False
            case "LAUNCH_ACTION_FAILED":
                return self._notify_action(event)
            case _:
                return self._notify_launch(event)

    def _notify_failure(self, event: JobLogEvent) -> bool:
        claim = _first_claim(event)
        if not self._settings.topic_arn:
            # Nothing can fail after the count, so the count needs no claim of its own.
            return self._count_once(claim, self._count_failure)
        self._require_time()
        if event.source == _DRS and self._is_known_launch_result(event):
            return False
        try:
            first = self._claims.once(claim, lambda: self._send_first(event))
        except IdempotencyPersistenceLayerError:
            # Without the notifications table, only the alarm on the metric reports the failure.
            self._count_once(_claim(event, "count"), self._count_failure)
            raise
        if not isinstance(first, Claim) and first["isPublished"]:
            if not first["hasDetails"]:
                raise NotificationPendingError("the notification was sent without details from other events")
            return True
        notified = notified_of(first.result if isinstance(first, Claim) else first)
        if notified is None:
            return False
        others = self._table.events_of_participant(event, _since(event, notified.time))
        if launch := launch_of(event, others):
            return self._notify_resolved(launch, others, notified)
        failure = failure_of(event, others)
        place = turn(event, others, notified)
        notice = follow_up(failure, notified, failed_again=place > 0)
        return notice is not None and self._send_once(failure.event, notice, digest(failure.event.error) or "", place)

    def _send_first(self, event: JobLogEvent) -> dict[str, Any]:
        """Count the failure, send the first notification of a participant, and return what it says.

        The events are read after the claim exists. So either this read returns a launch after the failure, or the
        event of the launch finds the claim. If the events cannot be read, the notification is sent without them, and
        the retry of the message sends what is missing.
        """
        others = self._others(event, _since(event))
        failure = failure_of(event, others or [])
        if others is not None and not failure.event.error:
            time.sleep(_ERROR_WAIT)
            others = self._others(event)
            failure = failure_of(event, others or [])
        count = _claim(event, "count")
        if launch_of(event, others or []):
            # If the failure was counted, an earlier attempt may have sent its notification and then failed.
            is_sent = self._claims.get(count) is not None
            return notified_by(failure, is_sent=is_sent).to_json() | {"isPublished": False}
        self._count_once(count, self._count_failure)
        self._publish(failure.event, "failed")
        details = {"isPublished": True, "hasDetails": others is not None}
        return notified_by(failure, is_sent=True).to_json() | details

    def _notify_launch(self, event: JobLogEvent) -> bool:
        """Notify of a launch after a failure that was notified, or of the error that the launch has."""
        claim = self._claims.get(_first_claim(event))
        if claim is None:
            return False
        if not claim.is_complete:
            raise IdempotencyAlreadyInProgressError
        notified = notified_of(claim.result)
        if notified is None:
            return False
        self._require_time()
        others = self._table.events_of_participant(event)
        if event.error:
            failure = failure_of(event, others)
            notice = follow_up(failure, notified, failed_again=False)
            place = turn(event, others, notified)
            return notice == "error" and self._send_once(failure.event, notice, digest(event.error) or "", place)
        # Not ``launch_of``: of two outcomes with the time of the job's end, the one that arrives later is right.
        if any(one.event_type in FAILURES and one.timestamp > event.timestamp for one in others):
            return False
        return self._notify_resolved(event, others, notified)

    def _notify_resolved(self, launch: JobLogEvent, others: Sequence[JobLogEvent], notified: Notified) -> bool:
        place = turn(launch, others, notified)
        if not (place or notified.is_sent):
            return False
        return self._send_once(described(launch, others), "resolved", "resolved", place)

    def _notify_action(self, event: JobLogEvent) -> bool:
        self._require_time()
        run = str(event.detail.get("runID") or event.event_id)
        result = self._claims.once(
            _claim(event, "action", run),
            lambda: self._publish(described(event, self._others(event) or []), "post-launch action failed"),
        )
        return not isinstance(result, Claim)

    def _is_known_launch_result(self, event: JobLogEvent) -> bool:
        """Whether a launch result of DRS, which has no error, reports a failure that was notified with its error.

        Raises
        ------
        NotificationPendingError
            If the launch result is new and the log item with the error has not arrived.
        """
        claim = self._claims.get(_first_claim(event))
        if claim and not claim.is_complete:
            raise IdempotencyAlreadyInProgressError
        notified = notified_of(claim.result) if claim else None
        is_known = notified is not None and notified.is_final and notified.is_error_known
        if notified and is_known and abs(event.timestamp - notified.time) < _ERROR_GRACE:
            return True
        if abs(datetime.now(UTC) - event.timestamp) < _ERROR_GRACE and (
            notified is None or not failure_of(event, self._table.events_of_participant(event)).is_error_known
        ):
            raise NotificationPendingError("the log item with the error of this launch result has not arrived")
        return False

    def _count_once(self, claim: str | Sequence[str], count: Callable[[], None]) -> bool:
        """Count an event. Without the notifications table, count it each time: the alarm must fire."""
        counted = False

        def count_now() -> None:
            nonlocal counted
            counted = True
            count()

        try:
            return not isinstance(self._claims.once(claim, count_now), Claim)
        except IdempotencyPersistenceLayerError:
            logger.exception("The notifications table cannot be reached. An event may be counted more than once")
            if not counted:
                count()
            return True

    def _require_time(self) -> None:
        left = self._claims.milliseconds_left
        if left is not None and left < 1000 * _MIN_SECONDS_TO_NOTIFY:
            raise NotificationPendingError("too little time is left to send the notification")

    def _others(self, event: JobLogEvent, since: datetime | None = None) -> Sequence[JobLogEvent] | None:
        """Return the events of the participant, or None if they cannot be read."""
        try:
            return self._table.events_of_participant(event, since)
        except (BotoCoreError, ClientError):
            logger.exception("The other events of a failed server cannot be read", job_id=event.job_id, key=event.key)
            return None

    def _send_once(self, event: JobLogEvent, notice: Notice, subject: str, place: int) -> bool:
        result = self._claims.once(_claim(event, subject, str(place)), lambda: self._publish(event, notice))
        return not isinstance(result, Claim)

    def _publish(self, event: JobLogEvent, notice: Notice) -> str:
        message = to_message(event, self._settings, notice=notice, now=datetime.now(UTC))
        answer = self._sns().publish(TopicArn=self._settings.topic_arn or "", **message)
        return answer["MessageId"]


def _first_claim(event: JobLogEvent) -> str:
    return f"{event.job_id} {participant_of(event)}"


def _since(event: JobLogEvent, notified_at: datetime | None = None) -> datetime | None:
    """Return the time since which other events matter. None: all, since the event lacks details that they may have."""
    if not (event.error and event.source_server_name and event.detail.get("initiatedBy")):
        return None
    return min(event.timestamp, notified_at or event.timestamp)


def _claim(event: JobLogEvent, *parts: str) -> list[str]:
    """Return the claim of another notification or count of the participant."""
    return [event.job_id, participant_of(event), *parts]
