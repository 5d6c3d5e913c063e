from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities.idempotency.persistence.dynamodb import DynamoDBPersistenceLayer
from botocore.exceptions import ClientError
from drs_job_log.config import NotificationSettings
from drs_job_log.model.events import SERVER_FAILURES, parse
from drs_job_log.notify import notifier as notify
from drs_job_log.notify.message import to_message
from drs_job_log.notify.notifier import FailureNotifier, NotificationPendingError
from hypothesis import given
from hypothesis import strategies as st

from tests.support.envelopes import details, dumps, job_log, json_values, launch_result
from tests.support.functions import LambdaContext
from tests.unit.conftest import NOTICES, RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.unit.conftest import Subscriber

SETTINGS = NotificationSettings(
    name="drs-job-log",
    table_name=NOTICES,
    topic_arn=None,
    viewer_url="https://recovery.example.com",
    runbook_url="docs/runbooks/x.md",
)
counted: list[int] = []

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


@pytest.fixture
def make_notices(store: JobLogTable, subscriber: Subscriber) -> Callable[..., FailureNotifier]:
    counted.clear()

    def make(**changes: Any) -> FailureNotifier:
        settings = {
            "name": "drs-job-log",
            "table_name": NOTICES,
            "topic_arn": subscriber.topic_arn,
            "viewer_url": None,
            "runbook_url": "r.md",
        } | changes
        notices = FailureNotifier(
            NotificationSettings(**settings),
            sns=cache(lambda: boto3.client("sns")),
            persistence_store=DynamoDBPersistenceLayer(NOTICES),
            table=store,
            retention=RETENTION,
            count_failure=lambda: counted.append(1),
        )
        notices.start_invocation(LambdaContext())
        return notices

    return make


# ---------------------------------------------------------------------------------------------------------------------
# Who is told, and how often
# ---------------------------------------------------------------------------------------------------------------------


def test_each_server_of_a_job_is_told_once_whoever_reports_it(
    make_notices: Callable[..., FailureNotifier], subscriber: Subscriber
) -> None:
    notices = make_notices()
    now = datetime.now(UTC).isoformat()

    told = [
        notices.notify(event)
        for event in (
            failure(),
            failure(),  # a repeat
            failure(eventType="CONVERSION_FAIL", eventId="e-2"),  # its second failure
            parse(dumps(launch_result(state="RECOVERY_LAUNCH_FAILED") | {"time": now})),  # DRS's own word
            failure(sourceServerID="s-2"),
            failure(jobID="drsjob-2"),
        )
    ]

    assert told == [True, False, False, False, True, True]
    assert len(counted) == 3
    servers = [(notice["jobId"], notice["sourceServerId"]) for notice in map(attributes, subscriber.take())]
    assert servers == [("drsjob-1", "s-1"), ("drsjob-1", "s-2"), ("drsjob-2", "s-1")]


@pytest.mark.parametrize("event_type", ["LAUNCH_END", "JOB_END", "CLEANUP_FAIL", "SOMETHING_NEW"])
def test_nothing_else_is_told(
    make_notices: Callable[..., FailureNotifier], subscriber: Subscriber, event_type: str
) -> None:
    assert not make_notices().notify(failure(eventType=event_type))
    assert subscriber.take() == []


@pytest.mark.parametrize("event_type", sorted(SERVER_FAILURES))
def test_every_kind_of_failure_is(make_notices: Callable[..., FailureNotifier], event_type: str) -> None:
    assert make_notices().notify(failure(eventType=event_type))


def test_without_its_memory_it_is_not_told_but_counted(
    make_notices: Callable[..., FailureNotifier], dynamodb: DynamoDBClient, subscriber: Subscriber
) -> None:
    dynamodb.delete_table(TableName=NOTICES)

    with pytest.raises(Exception, match="Failed to save in progress record"):
        make_notices().notify(failure())

    assert len(counted) == 1
    assert subscriber.take() == []


def test_without_time_it_comes_again(
    make_notices: Callable[..., FailureNotifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = make_notices()
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: 5_000.0)

    with pytest.raises(NotificationPendingError, match="too little time"):
        notices.notify(failure())


def test_where_the_table_cannot_be_asked_what_the_event_knows_is_told(
    make_notices: Callable[..., FailureNotifier],
    store: JobLogTable,
    subscriber: Subscriber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def throttled(_: JobLogEvent) -> JobLogEvent:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Query")

    notices = make_notices()
    monkeypatch.setattr(store, "enrich", throttled)

    assert notices.notify(failure(sourceServerName=None))
    assert len(subscriber.take()) == 1


def test_it_is_remembered_for_as_long_as_it_may_come_again(
    make_notices: Callable[..., FailureNotifier], dynamodb: DynamoDBClient
) -> None:
    make_notices().notify(failure())

    (row,) = dynamodb.scan(TableName=NOTICES)["Items"]
    lasts = timedelta(seconds=int(row["expiration"]["N"]) - datetime.now(UTC).timestamp())
    assert RETENTION - timedelta(minutes=1) < lasts <= RETENTION


def test_a_failure_older_than_the_table_keeps_is_no_news(make_notices: Callable[..., FailureNotifier]) -> None:
    def age(age: timedelta) -> JobLogEvent:
        return failure(logDateTime=(datetime.now(UTC) - age).isoformat(), sourceServerID=str(age))

    assert make_notices().notify(age(RETENTION - timedelta(minutes=1)))
    assert not make_notices().notify(age(RETENTION + timedelta(minutes=1)))


def test_a_failure_of_a_server_that_is_not_named_is_told_by_itself(
    make_notices: Callable[..., FailureNotifier],
) -> None:
    notices = make_notices()

    assert notices.notify(failure(sourceServerID=None))
    assert not notices.notify(failure(sourceServerID=None))
    assert notices.notify(failure(sourceServerID=None, eventId="e-2"))


def test_without_a_topic_nobody_is_told_but_it_counts_once(
    make_notices: Callable[..., FailureNotifier], subscriber: Subscriber
) -> None:
    notices = make_notices(topic_arn=None)

    assert [notices.notify(failure()) for _ in range(3)] == [True, False, False]
    assert subscriber.take() == []


def test_a_notice_that_could_not_be_sent_is_sent_when_the_event_comes_again(
    make_notices: Callable[..., FailureNotifier], subscriber: Subscriber
) -> None:
    with pytest.raises(Exception, match="NotFound"):
        make_notices(topic_arn=f"{subscriber.topic_arn}-gone").notify(failure())

    assert make_notices().notify(failure())
    assert len(subscriber.take()) == 1


def test_a_notice_that_was_cut_off_is_sent_by_the_next_and_not_while_it_may_still_be_sent(
    make_notices: Callable[..., FailureNotifier], subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(**_: object) -> None:
        raise KilledError

    def after(milliseconds: int) -> FailureNotifier:
        notices = make_notices()
        monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: milliseconds)
        monkeypatch.setattr(notices, "_sns", lambda: SimpleNamespace(publish=killed))
        with pytest.raises(KilledError):
            notices.notify(failure(sourceServerID=f"s-{milliseconds}"))
        assert counted  # though it was not told
        return make_notices()

    monkeypatch.setattr(notify, "_MIN_SECONDS_TO_NOTIFY", -1)
    with pytest.raises(NotificationPendingError, match="for s-30000 of drsjob-1"):  # and so it comes again
        after(30_000).notify(failure(sourceServerID="s-30000"))
    assert after(-1).notify(failure(sourceServerID="s--1"))
    assert len(subscriber.take()) == 1


# ---------------------------------------------------------------------------------------------------------------------
# What is told
# ---------------------------------------------------------------------------------------------------------------------


def test_what_drs_itself_does_not_say_is_told_from_what_the_log_said_before(
    make_notices: Callable[..., FailureNotifier], store: JobLogTable, subscriber: Subscriber
) -> None:
    store.put(failure(eventType="CLEANUP_FAIL", eventId="e-9", error="another failure's"), RETENTION)
    before = {"eventType": "CONVERSION_START", "eventId": "e-0", "error": None}
    older = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    store.put(failure(**before, logDateTime=older, sourceServerName="an older name"), RETENTION)
    store.put(failure(**before | {"eventId": "e-1"}), RETENTION)
    store.put(failure(**before | {"eventId": "e-2"}, sourceServerID="s-2", sourceServerName="another"), RETENTION)
    now = datetime.now(UTC).isoformat()

    make_notices().notify(parse(dumps(launch_result(state="RECOVERY_LAUNCH_FAILED") | {"time": now})))

    (notice,) = subscriber.take()
    assert "Server:     prod-web-01 (s-1)\n" in notice["Message"]
    assert "Execution:  exec/1\n" in notice["Message"]
    assert "Error:      not known yet. See the log\n" in notice["Message"]
    assert attributes(notice)["serverName"] == "prod-web-01"


def test_a_person_can_act_on_it() -> None:
    event = failure(logDateTime="2025-11-28T20:31:30Z")

    message = to_message(event, SETTINGS)

    assert message["Subject"] == "[drs-job-log] Drill: Server prod-web-01 failed to launch"
    assert message["Message"] == "\n".join(
        [
            "Server prod-web-01 failed to launch.",
            "",
            "Server:     prod-web-01 (s-1)",
            "Job:        drsjob-1 (drill)",
            "Execution:  exec/1",
            "Event:      SERVER_LAUNCH_FAILED at 2025-11-28T20:31:30.000000Z",
            "Account:    111122223333 eu-west-1",
            f"Error:      {ERROR}",
            "Viewer:     https://recovery.example.com/executions/exec%2F1",
            "Runbook:    docs/runbooks/x.md",
        ]
    )


def test_what_is_not_known_is_said_to_be_so() -> None:
    event = parse(dumps(job_log({"jobID": "drsjob-1", "eventType": "LAUNCH_FAILED", "sourceServerID": "s-1"})))

    message = to_message(event, replace(SETTINGS, name="n", viewer_url=None))

    assert message["Subject"] == "[n] Drill or recovery: Server s-1: SERVER_LAUNCH_FAILED"
    assert "Execution:  not known yet\n" in message["Message"]
    assert "Error:      not known yet. See the log\n" in message["Message"]
    assert "Viewer:     /jobs/drsjob-1 of the viewer\n" in message["Message"]


@pytest.mark.parametrize(("is_drill", "said"), [(True, "Drill: "), (False, "Recovery: "), ({}, "Drill or recovery: ")])
def test_whether_it_is_a_drill_is_in_the_subject(is_drill: Any, said: str) -> None:
    assert said in to_message(failure(isDrill=is_drill), SETTINGS)["Subject"]


def test_machines_filter_by_attributes_of_which_raw_delivery_takes_ten() -> None:
    event = failure(logDateTime="2025-11-28T20:31:30Z")

    assert attributes(to_message(event, SETTINGS)) == {
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


SENDABLE = {0x9, 0xA, 0xD, *range(0x20, 0xD800), *range(0xE000, 0xFFFE), *range(0x10000, 0x110000)}


@given(
    details(),
    st.dictionaries(st.sampled_from(["message", "error", "account", "isDrill", "sourceServerName"]), json_values),
)
def test_whatever_the_event_holds_sns_takes_the_notice(detail: dict[str, Any], odd: dict[str, Any]) -> None:
    """By its documented limits, which the embedded AWS does not know."""
    half = {"jobID": "drsjob-\ud83d", "executionId": "exec-\ud83d"} if detail["eventId"] == "a" else {}
    event = parse(dumps(job_log(detail | odd | half | {"eventType": "LAUNCH_FAILED"})))

    message = to_message(event, SETTINGS)

    assert 0 < len(message["Subject"]) < 100
    assert message["Subject"].isascii()
    assert message["Subject"].isprintable()
    told = attributes(message)
    assert len(told) <= 10
    assert all(told.values())
    assert {ord(letter) for text in (message["Message"], *told.values()) for letter in text} <= SENDABLE
    assert len(json.dumps(message).encode()) < 256 * 1024


def test_a_long_text_is_cut() -> None:
    long = "x" * 200_000
    message = to_message(
        failure(error=long, message=long, account=long, sourceServerName=long, executionId="e" * 2048), SETTINGS
    )

    assert len(json.dumps(message).encode()) < 64 * 1024


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value.get("StringValue") or value["Value"] for name, value in message["MessageAttributes"].items()}
