from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from drs_job_log.config import NotificationSettings
from drs_job_log.model.events import SERVER_FAILURES, parse
from drs_job_log.notify import notifier as notify
from drs_job_log.notify.claims import Claims
from drs_job_log.notify.notice import KINDS
from drs_job_log.notify.notifier import FailureNotifier, NotificationPendingError
from drs_job_log.notify.outbox import due_group
from drs_job_log.notify.publisher import Publisher

from tests.support.envelopes import dumps, launch_result
from tests.support.functions import LambdaContext
from tests.support.notices import ERROR, failure
from tests.unit.conftest import NOTIFICATIONS_TABLE, RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.unit.conftest import Subscriber

SETTINGS = NotificationSettings(
    name="drs-job-log",
    table_name=NOTIFICATIONS_TABLE,
    topic_arn=None,
    kinds=frozenset(KINDS),
    queue_url="https://queue",
    event_bus_name="default",
    event_source="drs.job-log",
    viewer_url="https://recovery.example.com",
    runbook_url="docs/runbooks/x.md",
)
counted: list[int] = []
timers: list[tuple[str, timedelta]] = []


@pytest.fixture
def make_notifier(table: JobLogTable, subscriber: Subscriber) -> Callable[..., FailureNotifier]:
    counted.clear()
    timers.clear()

    def make(**changes: Any) -> FailureNotifier:
        settings = {
            "name": "drs-job-log",
            "table_name": NOTIFICATIONS_TABLE,
            "topic_arn": subscriber.topic_arn,
            "kinds": frozenset(KINDS),
            "queue_url": "https://queue",
            "event_bus_name": "default",
            "event_source": "drs.job-log",
            "viewer_url": None,
            "runbook_url": "r.md",
        } | changes
        notification_settings = NotificationSettings(**settings)
        dynamodb = boto3.client("dynamodb")
        claims = Claims.for_records(dynamodb, NOTIFICATIONS_TABLE, RETENTION)
        claims.start_invocation(LambdaContext())
        return FailureNotifier(
            notification_settings,
            publisher=Publisher(
                notification_settings,
                sns=cache(lambda: boto3.client("sns")),
                events=cache(lambda: boto3.client("events")),
            ),
            claims=claims,
            dynamodb=dynamodb,
            table=table,
            count_failure=lambda: counted.append(1),
            count_stall=lambda: counted.append(2),
            count_plan_failure=lambda: counted.append(3),
            schedule=lambda message, delay: timers.append((due_group(message) or "", delay)),
        )

    return make


# ---------------------------------------------------------------------------------------------------------------------
# Deduplication and retries
# ---------------------------------------------------------------------------------------------------------------------


def test_each_failed_server_of_a_job_is_notified_once(
    make_notifier: Callable[..., FailureNotifier], table: JobLogTable, subscriber: Subscriber
) -> None:
    notifier = make_notifier()
    now = datetime.now(UTC).isoformat()

    sent = [
        table.put(event, RETENTION) is not None and notifier.notify(event)
        for event in (
            failure(),
            failure(),  # a repeat
            failure(eventType="CONVERSION_FAIL", eventId="e-2"),  # another failure of the same server, same error
            parse(dumps(launch_result(state="RECOVERY_LAUNCH_FAILED") | {"time": now})),  # the launch result of DRS
            failure(sourceServerID="s-2"),
            failure(jobID="drsjob-2"),
        )
    ]

    assert sent == [True, False, False, False, True, True]
    assert len(counted) == 3
    servers = [
        (notification["jobId"], notification["sourceServerId"]) for notification in map(attributes, subscriber.take())
    ]
    assert servers == [("drsjob-1", "s-1"), ("drsjob-1", "s-2"), ("drsjob-2", "s-1")]


@pytest.mark.parametrize("event_type", ["LAUNCH_END", "JOB_END", "CLEANUP_FAIL", "SOMETHING_NEW"])
def test_other_events_are_not_notified(
    make_notifier: Callable[..., FailureNotifier], subscriber: Subscriber, event_type: str
) -> None:
    assert not make_notifier().notify(failure(eventType=event_type))
    assert subscriber.take() == []


@pytest.mark.parametrize("event_type", sorted(SERVER_FAILURES))
def test_each_failure_type_is_notified(make_notifier: Callable[..., FailureNotifier], event_type: str) -> None:
    assert make_notifier().notify(failure(eventType=event_type))


def test_a_failure_is_counted_if_the_notifications_table_is_unavailable(
    make_notifier: Callable[..., FailureNotifier], dynamodb: DynamoDBClient, subscriber: Subscriber
) -> None:
    dynamodb.delete_table(TableName=NOTIFICATIONS_TABLE)

    with pytest.raises(Exception, match="Failed to save in progress record"):
        make_notifier().notify(failure())

    assert len(counted) == 1
    assert subscriber.take() == []


def test_a_notification_is_pending_if_too_little_time_is_left(
    make_notifier: Callable[..., FailureNotifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = make_notifier()
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: 5_000.0)

    with pytest.raises(NotificationPendingError, match="too little time"):
        notifier.notify(failure())


def test_a_notification_is_sent_at_once_if_the_events_table_is_unreadable_and_completed_by_the_retry(
    make_notifier: Callable[..., FailureNotifier],
    table: JobLogTable,
    subscriber: Subscriber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def throttled(*_: object) -> JobLogEvent:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Query")

    notifier = make_notifier()
    event = failure(error=None)
    now = datetime.now(UTC).isoformat()
    with monkeypatch.context() as patch:
        patch.setattr(table, "events_of_participant", throttled)
        with pytest.raises(NotificationPendingError, match="without details"):
            notifier.notify(event)
    assert len(subscriber.take()) == 1
    table.put(failure(eventType="CONVERSION_FAIL", eventId="e-0"), RETENTION)

    assert notifier.notify(event)
    assert f"Error:      {ERROR}\n" in subscriber.take()[0]["Message"]

    # Its launch found no claim, and the first attempt did not find the launch.
    table.put(failure(eventType="LAUNCH_END", eventId="e-2", error=None, logDateTime=now), RETENTION)
    assert notifier.notify(event)
    assert "Notice:     resolved\n" in subscriber.take()[0]["Message"]


def test_a_claim_expires_after_the_retention(
    make_notifier: Callable[..., FailureNotifier], dynamodb: DynamoDBClient
) -> None:
    make_notifier().notify(failure())

    for row in dynamodb.scan(TableName=NOTIFICATIONS_TABLE)["Items"]:
        lasts = timedelta(seconds=int(row["expiration"]["N"]) - datetime.now(UTC).timestamp())
        assert RETENTION - timedelta(minutes=1) < lasts <= RETENTION


def test_a_failure_older_than_the_retention_is_not_notified(make_notifier: Callable[..., FailureNotifier]) -> None:
    def age(age: timedelta) -> JobLogEvent:
        return failure(logDateTime=(datetime.now(UTC) - age).isoformat(), sourceServerID=str(age))

    assert make_notifier().notify(age(RETENTION - timedelta(minutes=1)))
    assert not make_notifier().notify(age(RETENTION + timedelta(minutes=1)))


def test_a_failure_without_a_server_id_is_notified_per_event(
    make_notifier: Callable[..., FailureNotifier],
) -> None:
    notifier = make_notifier()

    assert notifier.notify(failure(sourceServerID=None))
    assert not notifier.notify(failure(sourceServerID=None))
    assert notifier.notify(failure(sourceServerID=None, eventId="e-2"))


def test_a_failure_is_counted_once_if_there_is_no_topic(
    make_notifier: Callable[..., FailureNotifier], subscriber: Subscriber
) -> None:
    notifier = make_notifier(topic_arn=None)

    assert [notifier.notify(failure()) for _ in range(3)] == [True, False, False]
    assert subscriber.take() == []


def test_a_failed_notification_is_sent_when_the_event_is_retried(
    make_notifier: Callable[..., FailureNotifier], subscriber: Subscriber
) -> None:
    with pytest.raises(Exception, match="NotFound"):
        make_notifier(topic_arn=f"{subscriber.topic_arn}-gone").notify(failure())

    assert make_notifier().notify(failure())
    assert len(subscriber.take()) == 1


def test_an_interrupted_notification_is_sent_by_a_retry_after_its_claim_expires(
    make_notifier: Callable[..., FailureNotifier], subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(**_: object) -> None:
        raise KilledError

    def after(milliseconds: int) -> FailureNotifier:
        notifier = make_notifier()
        monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: milliseconds)
        monkeypatch.setattr(notifier._publisher, "_sns", lambda: SimpleNamespace(publish=killed))
        with pytest.raises(KilledError):
            notifier.notify(failure(sourceServerID=f"s-{milliseconds}"))
        assert counted  # although no notification was sent
        return make_notifier()

    monkeypatch.setattr(notify, "_MIN_SECONDS_TO_NOTIFY", -1)
    with pytest.raises(NotificationPendingError, match="for s-30000 of drsjob-1"):  # the message is retried
        after(30_000).notify(failure(sourceServerID="s-30000"))
    assert after(-1).notify(failure(sourceServerID="s--1"))
    assert len(subscriber.take()) == 1


# ---------------------------------------------------------------------------------------------------------------------
# Content of the message
# ---------------------------------------------------------------------------------------------------------------------


def test_missing_details_are_added_from_earlier_events(
    make_notifier: Callable[..., FailureNotifier], table: JobLogTable, subscriber: Subscriber
) -> None:
    table.put(failure(eventType="CLEANUP_FAIL", eventId="e-9", error="another error"), RETENTION)
    before = {"eventType": "CONVERSION_START", "eventId": "e-0", "error": None}
    older = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    table.put(failure(**before, logDateTime=older, sourceServerName="an older name"), RETENTION)
    table.put(failure(**before | {"eventId": "e-1"}), RETENTION)
    table.put(failure(**before | {"eventId": "e-2"}, sourceServerID="s-2", sourceServerName="another"), RETENTION)
    now = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()

    make_notifier().notify(parse(dumps(launch_result(state="RECOVERY_LAUNCH_FAILED") | {"time": now})))

    (notification,) = subscriber.take()
    assert "Server:     prod-web-01 (s-1)\n" in notification["Message"]
    assert "Execution:  exec/1\n" in notification["Message"]
    assert "Error:      another error\n" in notification["Message"]
    assert attributes(notification)["serverName"] == "prod-web-01"


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value.get("StringValue") or value["Value"] for name, value in message["MessageAttributes"].items()}
