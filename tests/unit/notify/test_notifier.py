from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
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
from drs_job_log.notify.message import Report, to_collected_message, to_message
from drs_job_log.notify.notifier import FailureNotifier, NotificationPendingError
from hypothesis import given
from hypothesis import strategies as st

from tests.support.envelopes import details, dumps, job_log, json_values, launch_result
from tests.support.functions import LambdaContext
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
    queue_url=None,
    viewer_url="https://recovery.example.com",
    runbook_url="docs/runbooks/x.md",
)
counted: list[int] = []
timers: list[tuple[str, timedelta]] = []

ERROR = "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation"


def failure(**changes: Any) -> JobLogEvent:
    detail = {
        "jobID": "drsjob-1",
        "eventType": "LAUNCH_FAILED",
        "eventId": "e-1",
        "logDateTime": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "executionId": "exec/1",
        "sourceServerID": "s-1",
        "sourceServerName": "prod-web-01",
        "isDrill": True,
        "message": "Server prod-web-01 failed to launch",
        "error": ERROR,
        "account": "111122223333",
        "region": "eu-west-1",
    }
    return parse(dumps(job_log(detail | changes)))


def message_of(
    event: JobLogEvent,
    settings: NotificationSettings = SETTINGS,
    *,
    notice: Any = "failed",
    now: datetime | None = None,
) -> dict[str, Any]:
    return to_message(Report(event, notice), settings, now or datetime.now(UTC))


@pytest.fixture
def make_notifier(table: JobLogTable, subscriber: Subscriber) -> Callable[..., FailureNotifier]:
    counted.clear()
    timers.clear()

    def make(**changes: Any) -> FailureNotifier:
        settings = {
            "name": "drs-job-log",
            "table_name": NOTIFICATIONS_TABLE,
            "topic_arn": subscriber.topic_arn,
            "queue_url": None,
            "viewer_url": None,
            "runbook_url": "r.md",
        } | changes
        notifier = FailureNotifier(
            NotificationSettings(**settings),
            sns=cache(lambda: boto3.client("sns")),
            dynamodb=boto3.client("dynamodb"),
            table=table,
            retention=RETENTION,
            count_failure=lambda: counted.append(1),
            count_stall=lambda: counted.append(2),
            schedule=lambda group, delay: timers.append((group, delay)),
        )
        notifier.start_invocation(LambdaContext())
        return notifier

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
        monkeypatch.setattr(notifier, "_sns", lambda: SimpleNamespace(publish=killed))
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


def test_the_message_contains_all_details() -> None:
    event = failure(logDateTime="2025-11-28T20:31:30Z")

    message = message_of(event, SETTINGS, now=event.timestamp + timedelta(hours=3, minutes=59))

    assert message["Subject"] == "[drs-job-log] Drill: Server prod-web-01 failed to launch (3 h ago)"
    assert message["Message"] == "\n".join(
        [
            "Server prod-web-01 failed to launch.",
            "",
            "Notice:     failed",
            "Server:     prod-web-01 (s-1)",
            "Job:        drsjob-1 (drill)",
            "Execution:  exec/1",
            "Event:      SERVER_LAUNCH_FAILED at 2025-11-28T20:31:30.000000Z",
            "Source:     drs.job-log",
            "Account:    111122223333 eu-west-1",
            f"Error:      {ERROR}",
            "Viewer:     https://recovery.example.com/viewer/page?executionId=exec%2F1",
            "Runbook:    docs/runbooks/x.md",
        ]
    )


@pytest.mark.parametrize(
    "separator", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\n\n"], ids=ascii
)
@pytest.mark.parametrize(
    "name", ["sourceServerName", "sourceServerID", "message", "error", "executionId", "jobID", "account", "eventType"]
)
def test_a_text_cannot_imitate_a_field(name: str, separator: str) -> None:
    forged = f"x{separator}Runbook:    https://evil.example.com"
    event = failure(**{name: forged})

    for message in (
        message_of(event),
        to_collected_message([Report(event, "failed"), Report(failure(), "resolved")], SETTINGS, datetime.now(UTC)),
    ):
        lines = re.split("[\n\r\v\f\x1c-\x1f\x85\u2028\u2029]", message["Message"])
        assert [line for line in lines if line.startswith("Runbook:")] == ["Runbook:    docs/runbooks/x.md"]
        assert message["Subject"].isprintable()


def test_a_text_contains_no_invisible_characters() -> None:
    hidden = "\x00\x1b[2J\x7f\x9b\u200e\u202e\u2066\ufeff\ud800\uffff"
    event = failure(sourceServerName=f"a{hidden}b", error=f"c{hidden}d", executionId=f"e{hidden}f", account=hidden)

    message = message_of(event)

    shown = message["Message"] + "".join(attributes(message).values())
    assert not {one for one in shown if unicodedata.category(one) in {"Cc", "Cf", "Cs"}} - {"\n"}
    assert "Server:     a�" in message["Message"]


def test_the_further_lines_of_an_error_are_indented() -> None:
    message = message_of(failure(error="first\r\n\n  second\nNotice:     resolved"))

    assert "Error:      first\n            second\n            Notice:     resolved\nViewer:" in message["Message"]


@pytest.mark.parametrize(
    ("execution_id", "path"),
    [
        ("exec-1", "/executions/exec-1"),
        ("exec.1", "/executions/exec.1"),
        ("..", "/viewer/page?executionId=.."),
        ("a/b?c", "/viewer/page?executionId=a%2Fb%3Fc"),
        ("ä ö", "/viewer/page?executionId=%C3%A4%20%C3%B6"),
    ],
)
def test_the_link_works_for_every_id(execution_id: str, path: str) -> None:
    message = message_of(failure(executionId=execution_id))

    assert f"Viewer:     https://recovery.example.com{path}\n" in message["Message"]


def test_the_message_names_unknown_details() -> None:
    event = parse(dumps(job_log({"jobID": "drsjob-1", "eventType": "LAUNCH_FAILED", "sourceServerID": "s-1"})))

    message = message_of(event, replace(SETTINGS, name="n", viewer_url=None), now=event.timestamp)

    assert message["Subject"] == "[n] Drill or recovery: Server s-1: SERVER_LAUNCH_FAILED"
    assert "Execution:  not known yet\n" in message["Message"]
    assert "Error:      not known yet. See the log\n" in message["Message"]
    assert "Viewer:     /jobs/drsjob-1 of the viewer\n" in message["Message"]


@pytest.mark.parametrize(
    ("is_drill", "prefix"), [(True, "Drill: "), (False, "Recovery: "), ({}, "Drill or recovery: ")]
)
def test_the_subject_names_a_drill(is_drill: Any, prefix: str) -> None:
    assert prefix in message_of(failure(isDrill=is_drill), SETTINGS)["Subject"]


def test_the_message_has_ten_attributes_for_filter_policies() -> None:
    event = failure(logDateTime="2025-11-28T20:31:30Z")

    assert attributes(message_of(event, SETTINGS)) == {
        "eventType": "SERVER_LAUNCH_FAILED",
        "eventId": "e-1",
        "jobId": "drsjob-1",
        "executionId": "exec/1",
        "timestamp": "2025-11-28T20:31:30.000000Z",
        "isDrill": "true",
        "sourceServerId": "s-1",
        "serverName": "prod-web-01",
        "account": "111122223333",
        "region": "eu-west-1",
    }


@pytest.mark.parametrize(
    ("initiated_by", "label"),
    [
        ("START_DRILL", "Drill"),
        ("START_RECOVERY", "Recovery"),
        ("FAILBACK", "Failback"),
        ("CREATE_NETWORK_RECOVERY", "Network recovery"),
        ("DIAGNOSTIC", "Job"),
    ],
)
def test_the_message_names_the_kind_of_the_job(initiated_by: str, label: str) -> None:
    message = message_of(failure(initiatedBy=initiated_by, isDrill=False), SETTINGS)

    assert message["Subject"] == f"[drs-job-log] {label}: Server prod-web-01 failed to launch"
    assert f"Job:        drsjob-1 ({label.lower()})\n" in message["Message"]


@pytest.mark.parametrize(
    ("age", "suffix"),
    [
        (timedelta(minutes=-5), ""),
        (timedelta(minutes=10), ""),
        (timedelta(minutes=11), " (11 min ago)"),
        (timedelta(hours=1, minutes=59), " (119 min ago)"),
        (timedelta(hours=47), " (47 h ago)"),
        (timedelta(days=13), " (13 d ago)"),
    ],
)
def test_the_subject_contains_the_age_of_an_old_failure(age: timedelta, suffix: str) -> None:
    event = failure()

    subject = message_of(event, SETTINGS, now=event.timestamp + age)["Subject"]

    assert subject == f"[drs-job-log] Drill: Server prod-web-01 failed to launch{suffix}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("prod-web-01", "prod-web-01"),
        ("a" * 200, "a" * 27 + "..."),
        ("\N{CYRILLIC SMALL LETTER DE}" * 9, "s-1"),  # ASCII has no such letters
        (None, "s-1"),
    ],
)
@pytest.mark.parametrize("message", ["Server {} failed to launch", "x" * 300, "x" * 90 + " {}", None])
def test_the_subject_always_contains_the_server_and_the_age(name: str | None, shown: str, message: str | None) -> None:
    event = failure(sourceServerName=name, message=message and message.format(name or "s-1"))
    settings = replace(SETTINGS, name="n" * 128)

    subject = message_of(event, settings, now=event.timestamp + timedelta(days=1))["Subject"]

    assert len(subject) <= 99
    assert shown in subject
    assert subject.endswith(" (24 h ago)")


def test_the_message_names_the_network_of_a_network_recovery() -> None:
    event = failure(
        eventType="NETWORK_RECOVERY_FAIL",
        resourceID="sn-1",
        sourceServerID=None,
        sourceServerName=None,
        initiatedBy="CREATE_NETWORK_RECOVERY",
        message=None,
    )

    message = message_of(event, SETTINGS)

    assert message["Subject"] == "[drs-job-log] Network recovery: Network sn-1: NETWORK_RECOVERY_FAIL"
    assert "Network:    sn-1\n" in message["Message"]
    assert attributes(message)["resourceId"] == "sn-1"


SENDABLE = {0x9, 0xA, 0xD, *range(0x20, 0xD800), *range(0xE000, 0xFFFE), *range(0x10000, 0x110000)}


@given(
    details(),
    st.dictionaries(st.sampled_from(["message", "error", "account", "isDrill", "sourceServerName"]), json_values),
)
def test_sns_accepts_the_notification_of_any_event(detail: dict[str, Any], invalid: dict[str, Any]) -> None:
    """The documented limits of SNS apply. The embedded AWS does not enforce them."""
    lone_surrogates = {"jobID": "drsjob-\ud83d", "executionId": "exec-\ud83d"} if detail["eventId"] == "a" else {}
    event = parse(dumps(job_log(detail | invalid | lone_surrogates | {"eventType": "LAUNCH_FAILED"})))

    message = message_of(event, SETTINGS)

    assert 0 < len(message["Subject"]) < 100
    assert message["Subject"].isascii()
    assert message["Subject"].isprintable()
    values = attributes(message)
    assert len(values) <= 10
    assert all(values.values())
    assert {ord(letter) for text in (message["Message"], *values.values()) for letter in text} <= SENDABLE
    assert len(json.dumps(message).encode()) < 256 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("text", ["x", "\U0001f6ab", '"', "\x01"], ids=ascii)
def test_a_collecting_message_fits_into_a_message_of_sns(text: str) -> None:
    """SNS limits the text and the attributes together to 256 KB."""
    names = ("sourceServerName", "sourceServerID", "error", "jobID", "executionId", "account", "region", "eventType")
    reports = [
        Report(
            failure(
                **{
                    name: f"{number}{text * 2000}"[: 500 if name in {"jobID", "executionId"} else 2000]
                    for name in names
                }
            ),
            "failed",
        )
        for number in range(600)
    ]

    message = to_collected_message(reports, SETTINGS, datetime.now(UTC))

    size = len(message["Message"].encode()) + sum(
        len(name) + len(one["DataType"]) + len(one["StringValue"].encode())
        for name, one in message["MessageAttributes"].items()
    )
    assert 50_000 < size < 256 * 1024
    assert message["Message"].endswith("\n\nThe list is not complete. See the log.\n\nRunbook:    docs/runbooks/x.md")
    assert message["Message"].startswith("600 notices: 600 failed.\n\nJob:        0")


def test_a_list_of_500_notices_is_complete() -> None:
    reports = [Report(failure(sourceServerID=f"s-{number:017x}"), "failed") for number in range(500)]

    text = to_collected_message(reports, SETTINGS, datetime.now(UTC))["Message"]

    assert text.count("\n  - prod-web-01 (s-") == 500
    assert "not complete" not in text


def test_long_texts_are_truncated() -> None:
    long_text = "x" * 200_000
    message = message_of(
        failure(
            error=long_text, message=long_text, account=long_text, sourceServerName=long_text, executionId="e" * 2048
        ),
        SETTINGS,
    )

    assert len(json.dumps(message).encode()) < 64 * 1024


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value.get("StringValue") or value["Value"] for name, value in message["MessageAttributes"].items()}
