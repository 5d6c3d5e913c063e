"""Notifications about the servers and networks of a job: a failure, its error, its end."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
)
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.model.events import AWS_SOURCE, DRILL_INSTANCES_LEFT, FAILURES, JobLogEvent, is_job_end, revision_of
from drs_job_log.model.json_text import to_json
from drs_job_log.model.plans import FAILED_STEPS, STEP_FAILURES, plan_of
from drs_job_log.notify.claims import Claim
from drs_job_log.notify.decision import (
    LAUNCHES,
    Label,
    Notified,
    described,
    error_digest,
    failure_of,
    follow_up,
    launch_of,
    notified_by,
    notified_of,
    participant_of,
    relevant,
    turn,
)
from drs_job_log.notify.event_notices import (
    KINDS_OF_LABELS,
    notice_of_end,
    notice_of_instances,
    notice_of_plan,
    notice_of_report,
)
from drs_job_log.notify.notice import notice_from, values_of
from drs_job_log.notify.outbox import Outbox
from drs_job_log.table import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from drs_job_log.config import NotificationSettings
    from drs_job_log.notify.claims import Claims
    from drs_job_log.notify.notice import Notice
    from drs_job_log.notify.publisher import Publisher
    from drs_job_log.table import JobLogTable

# Seconds to wait after each attempt while another invocation sends the notification. Then SQS retries the message.
_IN_PROGRESS_WAITS: Final = (0.3, 0.7, 0)

# If SNS does not respond, a notification takes up to this time. With less time left, the whole batch would time out.
_MIN_SECONDS_TO_NOTIFY: Final = 10

# The log item with the error normally arrives within seconds of the launch result. Later, nobody waits for it.
_ERROR_GRACE: Final = timedelta(minutes=1)

# Seconds to wait if no stored event has the error. Another record of the same batch may store it now.
_ERROR_WAIT: Final = 0.5

# An older event is not news: after an outage, or in a new installation. Such notices are collected for all jobs.
_MAX_NEWS_AGE: Final = timedelta(hours=1)

_OF_PLANS: Final = STEP_FAILURES | {"PLAN_FAILED"}
_HANDLED: Final = FAILURES | LAUNCHES | {"SERVER_STALLED", "LAUNCH_ACTION_FAILED", DRILL_INSTANCES_LEFT} | _OF_PLANS

# Label → the part of the claim of its notification. A stall has a claim of its own for its count.
_CLAIMS: Final[Mapping[str, str]] = {"post-launch action failed": "action", "stalled": "stalled notice"}

logger = Logger(child=True)


class NotificationPendingError(RuntimeError):
    """The notification cannot be decided or sent yet: retry the message."""


class FailureNotifier:
    """Notifies of each failed server or network of a job, of what changes later, of stalled servers and ended jobs.

    The first failure is notified at once. Its claim contains what was notified, so that each later event can decide
    whether it says something new: the error, the final failure, or the launch after the failure. Each notification is
    sent once, in any order of the events and with any repetitions. If a job has many notices, they are sent together
    (see ``Outbox``). Thread-safe.
    """

    def __init__(
        self,
        settings: NotificationSettings,
        *,
        publisher: Publisher,
        claims: Claims,
        dynamodb: DynamoDBClient,
        table: JobLogTable,
        count_failure: Callable[[], None],
        count_stall: Callable[[], None],
        count_plan_failure: Callable[[], None],
        schedule: Callable[[str, timedelta], None],
    ) -> None:
        """``schedule`` starts a timer: ingest receives a message after the time."""
        self._settings = settings
        self._publisher = publisher
        self._claims = claims
        self._table = table
        self._count_failure = count_failure
        self._count_stall = count_stall
        self._count_plan_failure = count_plan_failure
        self._outbox = Outbox(dynamodb, settings.table_name, claims=claims, schedule=schedule)

    def notify(self, event: JobLogEvent) -> bool:
        """Count and notify a stored event. Return False if no notification is needed or it was already sent.

        Raises
        ------
        NotificationPendingError
            If it is not known yet whether or what to notify.
        Exception
            If SNS or a table cannot be reached. A retry is safe, but may send a second message.
        """
        if event.event_type not in _HANDLED and not is_job_end(event.event_type, event.detail):
            return False
        if datetime.now(UTC) - event.timestamp > self._claims.lifetime:
            if event.event_type in FAILURES:
                logger.warning("Failure notification skipped: the event is too old", job_id=event.job_id, key=event.key)
            return False
        notify = self._notify_plan if event.event_type in _OF_PLANS else self._notify
        for seconds in _IN_PROGRESS_WAITS:
            try:
                return notify(event)
            except IdempotencyAlreadyInProgressError:
                time.sleep(seconds)
        raise NotificationPendingError(
            f"another invocation sends the notification for {participant_of(event)} of {event.job_id}"
        )

    def send_collected(self, group: str) -> None:
        """Send the collected notices of a group, if they are due.

        Raises
        ------
        NotificationPendingError
            If too little time is left.
        Exception
            If SNS or a table cannot be reached. A retry is safe, but may send a second message.
        """
        self._require_time()
        self._outbox.send_due(group, self._publish_collected, datetime.now(UTC))

    def _notify(self, event: JobLogEvent) -> bool:
        match event.event_type:
            case "SERVER_STALLED":
                self.count_once(_claim(event, "stalled", event.key), self._count_stall)
                return bool(self._settings.topic_arn) and self._notify_other(event, "stalled", event.key)
            case failure if failure in FAILURES:
                return self._notify_failure(event)
            case _ if not self._settings.topic_arn:
                return False
            case "LAUNCH_ACTION_FAILED":
                return self._notify_other(
                    event, "post-launch action failed", str(event.detail.get("runID") or event.event_id)
                )
            case launch if launch in LAUNCHES:
                return self._notify_launch(event)
            case _:
                return self._notify_instances(event) or self._notify_end(event)

    def _notify_plan(self, event: JobLogEvent) -> bool:
        """Count and notify a failed step of a recovery plan, or a plan that failed without a failed step."""
        plan = plan_of([event])
        if plan is None:
            return False  # an event of another sender
        if event.event_type == "PLAN_FAILED" and any(step.status in FAILED_STEPS for step in plan.steps):
            return False  # the step has an event of its own
        self.count_once([event.job_id, "plan count", event.event_id], self._count_plan_failure)
        if not self._publisher.selects("plan_failed"):
            return False
        self._require_time()
        claim = [event.job_id, "plan failed", event.event_id]
        return not isinstance(self._claims.once(claim, lambda: self._publisher.publish([notice_of_plan(event)])), Claim)

    def _notify_failure(self, event: JobLogEvent) -> bool:
        claim = _first_claim(event)
        if not self._settings.topic_arn:
            # Nothing can fail after the count, so the count needs no claim of its own.
            return self.count_once(claim, self._count_failure)
        self._require_time()
        if event.source == AWS_SOURCE and self._is_known_launch_result(event):
            return False
        try:
            first = self._claims.once(claim, lambda: self._send_first(event))
        except IdempotencyPersistenceLayerError:
            # Without the notifications table, only the alarm on the metric reports the failure.
            self.count_once(_claim(event, "count"), self._count_failure)
            raise
        if not isinstance(first, Claim) and first["isPublished"]:
            if not first["hasDetails"]:
                raise NotificationPendingError("the notification was sent without details from other events")
            return True
        notified = notified_of(first.result if isinstance(first, Claim) else first)
        if notified is None:
            return False
        others = self._events(event, _since(event, notified.time))
        if launch := launch_of(event, others):
            return self._notify_resolved(launch, others, notified, owner=event)
        failure = failure_of(event, others)
        place = turn(event, others, notified)
        notice = follow_up(failure, notified, failed_again=place > 0)
        subject = error_digest(failure.event.error) or ""
        return notice is not None and self._send_once(failure.event, notice, subject, place)

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
        # Without this claim, a retry would not know that the notification was sent.
        self.count_once(count, self._count_failure, needs_claim=True)
        self._send(failure.event, "failed", _first_claim(event))
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
        others = self._events(event)
        if event.error:
            failure = failure_of(event, others)
            notice = follow_up(failure, notified, failed_again=False)
            place = turn(event, others, notified)
            return notice == "error" and self._send_once(failure.event, notice, error_digest(event.error) or "", place)
        # Not ``launch_of``: of two outcomes with the time of the job's end, the one that arrives later is right.
        if any(one.event_type in FAILURES and one.timestamp > event.timestamp for one in others):
            return False
        return self._notify_resolved(event, others, notified, owner=event)

    def _notify_resolved(
        self, launch: JobLogEvent, others: Sequence[JobLogEvent], notified: Notified, *, owner: JobLogEvent
    ) -> bool:
        place = turn(launch, others, notified)
        if not (place or notified.is_sent):
            return False
        return self._send_once(described(launch, others), "resolved", "resolved", place, owner=owner)

    def _notify_other(self, event: JobLogEvent, label: Label, subject: str) -> bool:
        """Notify of an event of a server that is no failure. ``subject`` distinguishes it from others of the server."""
        self._require_time()
        claim = _claim(event, _CLAIMS[label], subject)
        result = self._claims.once(claim, lambda: self._send(described(event, self._others(event) or []), label, claim))
        return not isinstance(result, Claim)

    def _notify_end(self, event: JobLogEvent) -> bool:
        """Notify of the end of a LAUNCH job."""
        is_end = is_job_end(event.event_type, event.detail)
        is_wanted = is_end and event.is_from_collector and event.detail.get("jobType") == "LAUNCH"
        # A job that was deleted ends at its last event, and a corrected end has the time of the end.
        is_news = _age(event) <= _MAX_NEWS_AGE or event.event_type == "JOB_DELETED" or revision_of(event.detail) > 0
        if not is_wanted or not is_news or not self._publisher.selects("job_ended"):
            return False
        self._require_time()
        result = self._claims.once(
            [event.job_id, "ended", event.key], lambda: self._publisher.publish([notice_of_end(event)])
        )
        return not isinstance(result, Claim)

    def _notify_instances(self, event: JobLogEvent) -> bool:
        """Notify of the drill instances that are left. ``event_id`` is the same for all checks of a job and day."""
        is_wanted = event.event_type == DRILL_INSTANCES_LEFT and event.is_from_collector
        if not is_wanted or not self._publisher.selects("drill_instances"):
            return False
        self._require_time()
        claim = [event.job_id, "drill instances", event.event_id]
        return not isinstance(
            self._claims.once(claim, lambda: self._publisher.publish([notice_of_instances(event)])), Claim
        )

    def notify_fact(self, notice: Notice) -> None:
        """Send a notice about no job, unless it was sent before or its kind is not selected.

        Raises
        ------
        Exception
            If SNS or the notifications table cannot be reached. A retry is safe, but may send a second message.
        """
        if self._publisher.selects(notice.kind):
            self._require_time()
            self._claims.once([notice.notice_id, "notice"], lambda: self._send_fact(notice))

    def _send_fact(self, notice: Notice) -> None:
        """Send a notice at once, or collect it: if its account and Region have had several in this hour."""
        group = f"{notice.kind} {notice.account} {notice.region} {datetime.now(UTC):%Y-%m-%dT%H}"
        if self._outbox.is_immediate(group, notice.notice_id):
            self._publisher.publish([notice])
        else:
            self._outbox.collect(group, json.dumps(values_of(notice), sort_keys=True))

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
            notified is None or not failure_of(event, self._events(event)).is_error_known
        ):
            raise NotificationPendingError("the log item with the error of this launch result has not arrived")
        return False

    def count_once(self, claim: str | Sequence[str], count: Callable[[], None], *, needs_claim: bool = False) -> bool:
        """Count a fact once. Return False if it was counted before.

        Without the notifications table, it is counted each time: the alarm must fire. ``needs_claim``: it is not
        counted then, and the error is raised.
        """
        counted = False

        def count_now() -> None:
            nonlocal counted
            counted = True
            count()

        try:
            return not isinstance(self._claims.once(claim, count_now), Claim)
        except IdempotencyPersistenceLayerError:
            if needs_claim and self._claims.get(claim) is None:
                raise
            logger.exception("The notifications table cannot be reached. An event may be counted more than once")
            if not counted:
                count()
            return True

    def _require_time(self) -> None:
        left = self._claims.milliseconds_left
        if left is not None and left < 1000 * _MIN_SECONDS_TO_NOTIFY:
            raise NotificationPendingError("too little time is left to send the notification")

    def _events(self, event: JobLogEvent, since: datetime | None = None) -> Sequence[JobLogEvent]:
        return relevant(event, self._table.events_of_participant(event, since))

    def _others(self, event: JobLogEvent, since: datetime | None = None) -> Sequence[JobLogEvent] | None:
        """Return the events of the participant, or None if they cannot be read."""
        try:
            return self._events(event, since)
        except (BotoCoreError, ClientError):
            logger.exception("The other events of a failed server cannot be read", job_id=event.job_id, key=event.key)
            return None

    def _send_once(
        self, event: JobLogEvent, label: Label, subject: str, place: int, owner: JobLogEvent | None = None
    ) -> bool:
        """``owner``: the event whose claim it is, if it is not ``event``."""
        claim = _claim(owner or event, subject, str(place))
        result = self._claims.once(claim, lambda: self._send(event, label, claim))
        return not isinstance(result, Claim)

    def _send(self, event: JobLogEvent, label: Label, claim: str | Sequence[str]) -> None:
        """Send a notice at once, or collect it: if its job has had several, or if it is not news.

        The notices of a foreign event have a group of their own, so that they do not delay others.
        """
        if not self._publisher.selects(KINDS_OF_LABELS[label]):
            return
        now = datetime.now(UTC)
        is_news = now - event.timestamp <= _MAX_NEWS_AGE
        group = f"{event.job_id if is_news else f'old {now:%Y-%m-%d}'}{f' {event.source}' if event.is_foreign else ''}"
        if is_news and self._outbox.is_immediate(group, to_json(claim)):
            self._publisher.publish([notice_of_report(event, label)])
        else:
            self._outbox.collect(group, json.dumps([storable(event.job_id), storable(event.key), label]))

    def _publish_collected(self, texts: Sequence[str]) -> None:
        """Send collected notices in one message: facts about no job, and events with the details of other events."""
        collected = [json.loads(text) for text in texts]
        facts = [notice_from(values) for values in collected if isinstance(values, dict)]
        reports = [values for values in collected if isinstance(values, list)]
        events = {
            job_id: {event.key: event for event in self._table.events_of_job(job_id, consistent=True)}
            for job_id in {job_id for job_id, _, _ in reports}
        }
        known = [_notice(key, label, events[job_id]) for job_id, key, label in reports if key in events[job_id]]
        if lost := len(reports) - len(known):
            logger.error("Notices skipped: the table does not contain their events", notices=lost)
        if facts or known:
            self._publisher.publish([*facts, *known])


def _notice(key: str, label: Label, events: Mapping[str, JobLogEvent]) -> Notice:
    """Return a collected notice with the details of its event. ``events``: those of its job by ``EventKey``."""
    event = events[key]
    others = [other for other in relevant(event, events.values()) if participant_of(other) == participant_of(event)]
    if event.event_type in FAILURES:
        return notice_of_report(failure_of(event, others).event, label)
    return notice_of_report(described(event, others), label)


def _age(event: JobLogEvent) -> timedelta:
    return datetime.now(UTC) - event.timestamp


def _first_claim(event: JobLogEvent) -> str:
    return f"{event.job_id} {_claimed(event)}"


def _claimed(event: JobLogEvent) -> str:
    """Return the participant of an event. Of a foreign event also its source, so that it takes no claim of others."""
    return f"{participant_of(event)} {event.source}" if event.is_foreign else participant_of(event)


def _since(event: JobLogEvent, notified_at: datetime | None = None) -> datetime | None:
    """Return the time since which other events matter. None: all, since the event lacks details that they may have."""
    if not (event.error and event.source_server_name and event.detail.get("initiatedBy")):
        return None
    return min(event.timestamp, notified_at or event.timestamp)


def _claim(event: JobLogEvent, *parts: str) -> list[str]:
    """Return the claim of another notification or count of the participant."""
    return [event.job_id, _claimed(event), *parts]
