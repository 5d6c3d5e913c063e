"""Notices about stalled data replication and missing drills: each once, in any order and with any repetitions."""

from __future__ import annotations

import itertools
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from botocore.exceptions import EndpointConnectionError
from drs_job_log.ingest import handler as ingest
from drs_job_log.ingest.readiness import Readiness
from drs_job_log.model.events import InvalidEventError
from drs_job_log.notify.notifier import NotificationPendingError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.envelopes import drill_check, dumps, job_log, replication_change, sqs_records
from tests.support.functions import LambdaContext, cold_start
from tests.support.readiness import FakeNotifier
from tests.support.tables import rows
from tests.unit.conftest import NOTIFICATIONS_TABLE, RETENTION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.unit.conftest import Subscriber

NOW = datetime(2025, 11, 28, 21, 0, tzinfo=UTC)
START = datetime(2025, 11, 28, 20, 0, tzinfo=UTC)


class Setting:
    """The handling of messages, with a server of its own: the notifications table can be that of other examples."""

    def __init__(self, dynamodb: DynamoDBClient, fail: int = 0, error: Exception | None = None) -> None:
        self.notifier = FakeNotifier(dynamodb, NOTIFICATIONS_TABLE, fail, error)
        self.counted = 0
        self.server = f"s-{uuid.uuid4().hex[:17]}"
        self.readiness = Readiness(
            self.notifier,
            dynamodb,
            NOTIFICATIONS_TABLE,
            collector_sources=frozenset({"drs.job-log"}),
            max_age=RETENTION,
            count_stall=self._count,
        )

    def _count(self) -> None:
        self.counted += 1

    def body(self, state: str, minute: int) -> str:
        arn = f"arn:aws:drs:us-east-1:111122223333:source-server/{self.server}"
        time = START + timedelta(minutes=minute)
        return dumps(replication_change(state, resources=[arn], time=time.isoformat(), id=f"event-{state}-{minute}"))

    def handle(self, body: str) -> int:
        """Handle a message and repeat it after a failure, as SQS does. Return the number of notices."""
        before = len(self.notifier.sent)
        for _ in range(4):
            try:
                is_handled = self.readiness.handle(body, NOW)
            except EndpointConnectionError:
                continue
            assert is_handled
            return len(self.notifier.sent) - before
        raise AssertionError("the message is in the dead-letter queue")


# ---------------------------------------------------------------------------------------------------------------------
# Data replication
# ---------------------------------------------------------------------------------------------------------------------


def test_a_stall_is_counted_and_notified_once(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)

    assert [setting.handle(setting.body("STALLED", 10)) for _ in range(3)] == [1, 0, 0]
    assert setting.counted == 1
    (notice,) = setting.notifier.sent
    assert (notice.kind, notice.label) == ("replication_stalled", "replication stalled")
    assert notice.summary == f"The data replication of {setting.server} stalled"
    assert notice.time == START + timedelta(minutes=10)
    assert (notice.account, notice.region) == ("111122223333", "us-east-1")
    assert (notice.event_type, notice.event_id, notice.source) == ("STALLED", "event-STALLED-10", "aws.drs")
    assert [(server.id, server.name, server.state) for server in notice.servers] == [(setting.server, None, None)]


def test_the_end_of_a_stall_is_notified_once(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)
    setting.handle(setting.body("STALLED", 10))

    assert [setting.handle(setting.body("NOT_STALLED", 15)) for _ in range(2)] == [1, 0]
    assert setting.counted == 1
    notice = setting.notifier.sent[-1]
    assert (notice.kind, notice.label) == ("replication_stalled", "replication resumed")
    assert notice.summary == f"The data replication of {setting.server} is no longer stalled"
    assert (notice.event_type, notice.event_id) == ("NOT_STALLED", "event-NOT_STALLED-15")


def test_without_a_stall_nothing_is_notified(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)

    assert setting.handle(setting.body("NOT_STALLED", 15)) == 0
    assert setting.handle(setting.body("STALLED", 20)) == 1
    assert setting.notifier.labels == [("replication stalled", "20")]


def test_a_late_stall_also_causes_the_notice_of_its_end(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)
    resumed = setting.body("NOT_STALLED", 15)

    assert setting.handle(resumed) == 0
    assert setting.handle(setting.body("STALLED", 10)) == 2
    assert setting.handle(resumed) == 0
    assert setting.notifier.labels == [("replication stalled", "10"), ("replication resumed", "15")]
    assert setting.notifier.sent[1].event_id == "event-NOT_STALLED-15"


def test_servers_of_two_accounts_do_not_affect_each_other(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)
    setting.handle(setting.body("STALLED", 10))
    other = json.loads(setting.body("NOT_STALLED", 15)) | {"account": "444455556666"}

    assert setting.handle(dumps(other)) == 0


@pytest.mark.parametrize("fail", [1, 2, 3])
@pytest.mark.parametrize("order", list(itertools.permutations(["STALLED 10", "NOT_STALLED 15", "STALLED 20"])))
def test_a_failed_request_loses_and_repeats_no_notice(
    dynamodb: DynamoDBClient, order: tuple[str, ...], fail: int
) -> None:
    setting = Setting(dynamodb, fail)

    for text in order:
        state, minute = text.split()
        setting.handle(setting.body(state, int(minute)))

    expected = [("replication resumed", "15"), ("replication stalled", "10"), ("replication stalled", "20")]
    assert sorted(setting.notifier.labels) == expected
    assert setting.counted == 2


changes = st.tuples(st.sampled_from(["STALLED", "NOT_STALLED"]), st.integers(0, 4))


@given(changes=st.lists(changes, max_size=8), fail=st.integers(0, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_notices_depend_on_the_set_of_the_events_only(
    dynamodb: DynamoDBClient, changes: list[tuple[str, int]], fail: int
) -> None:
    setting = Setting(dynamodb, fail)

    for state, minute in changes:
        setting.handle(setting.body(state, minute))

    stalls = {minute for state, minute in changes if state == "STALLED"}
    ends = {minute for state, minute in changes if state == "NOT_STALLED" and stalls and min(stalls) < minute}
    expected = [("replication stalled", f"{minute:02}") for minute in stalls]
    expected += [("replication resumed", f"{minute:02}") for minute in ends]
    assert sorted(setting.notifier.labels) == sorted(expected)
    assert setting.counted == len(stalls)


def test_the_alarm_fires_although_no_notice_can_be_sent(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb, fail=1)

    with pytest.raises(EndpointConnectionError, match="Could not connect"):
        setting.readiness.handle(setting.body("STALLED", 10), NOW)

    assert setting.counted == 1


def test_the_state_of_a_server_expires(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)
    setting.handle(setting.body("STALLED", 10))
    later = NOW + timedelta(days=20)
    setting.readiness.handle(setting.body("STALLED", 11), later)

    (item,) = [item for item in rows(dynamodb, NOTIFICATIONS_TABLE) if item["id"].startswith("replication#")]
    assert item["EarliestStall"] == "2025-11-28T20:10:00.000000Z"
    assert int(item["expiration"]) == int((later + timedelta(days=400)).timestamp())


@pytest.mark.parametrize(("age", "sent"), [(timedelta(days=29), 1), (timedelta(days=31), 0)])
def test_an_old_fact_is_neither_counted_nor_notified(dynamodb: DynamoDBClient, age: timedelta, sent: int) -> None:
    """An archive can be replayed after the records of the notices expired."""
    setting = Setting(dynamodb)

    assert setting.readiness.handle(setting.body("STALLED", 10), START + timedelta(minutes=10) + age)

    assert (setting.counted, len(setting.notifier.sent)) == (sent, sent)


# ---------------------------------------------------------------------------------------------------------------------
# Drill check
# ---------------------------------------------------------------------------------------------------------------------

SERVERS = [
    {"sourceServerID": "s-1", "sourceServerName": "web", "lastDrillAt": None},
    {"sourceServerID": "s-2", "sourceServerName": None, "lastDrillAt": "2025-01-02T03:04:05.000000Z"},
]


def test_servers_without_a_drill_are_notified_once_a_day(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)
    checks = ["2025-11-27T06:00:00Z", "2025-11-27T12:00:00Z", "2025-11-28T06:00:00Z"]

    assert [setting.handle(dumps(drill_check(SERVERS, checkedAt=time))) for time in checks] == [1, 0, 1]
    notice = setting.notifier.sent[0]
    assert (notice.kind, notice.label) == ("not_drilled", "not drilled")
    assert notice.summary == "2 of 20 servers had no successful drill in the last 90 days. Start a drill of them"
    assert (notice.account, notice.region) == ("111122223333", "eu-west-1")
    assert [(server.id, server.name, server.detail) for server in notice.servers] == [
        ("s-1", "web", "no successful drill is known"),
        ("s-2", None, "last successful drill: 2025-01-02"),
    ]


def test_each_account_and_region_has_a_notice_of_its_own(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)
    targets = [("111122223333", "eu-west-1"), ("444455556666", "eu-west-1"), ("111122223333", "eu-central-1")]

    for account, region in targets * 2:
        setting.handle(dumps(drill_check(SERVERS, account=account, region=region)))

    assert [(notice.account, notice.region) for notice in setting.notifier.sent] == targets


def test_a_cut_list_is_stated(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)
    setting.handle(dumps(drill_check(SERVERS, serverCount=900, omitted=300)))

    assert setting.notifier.sent[0].summary == (
        "302 of 900 servers had no successful drill in the last 90 days. Start a drill of them. "
        "The notice names 2 of them"
    )


def test_a_check_without_an_overdue_server_causes_no_notice(dynamodb: DynamoDBClient) -> None:
    setting = Setting(dynamodb)

    assert setting.handle(dumps(drill_check([]))) == 0
    assert setting.notifier.sent == []


# ---------------------------------------------------------------------------------------------------------------------
# Messages of the queue
# ---------------------------------------------------------------------------------------------------------------------


def test_other_and_invalid_messages(dynamodb: DynamoDBClient) -> None:
    readiness = Setting(dynamodb).readiness

    assert readiness.handle(dumps(job_log({"jobID": "drsjob-1"})), NOW) is False
    with pytest.raises(InvalidEventError, match=r"detail\.state"):
        readiness.handle(dumps(replication_change("PAUSED")), NOW)


@pytest.fixture
def notifier(dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch) -> FakeNotifier:
    """The notifier of the function, with a fake for SNS."""
    cold_start("ingest")
    notifier = FakeNotifier(dynamodb, NOTIFICATIONS_TABLE)
    for method in ("notify_fact", "count_once"):
        monkeypatch.setattr(ingest.notifier, method, getattr(notifier, method), raising=False)
    return notifier


def run(bodies: list[str]) -> list[str]:
    answer = ingest.lambda_handler(sqs_records(bodies), LambdaContext())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_the_function_handles_facts_and_stores_the_other_events(
    notifier: FakeNotifier, dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    job = dumps(job_log({"jobID": "drsjob-1", "eventType": "JOB_START", "eventId": "a"}))
    bodies = [dumps(replication_change("STALLED")), job, dumps(drill_check([])), dumps(replication_change("PAUSED"))]

    assert run(bodies) == ["message-3"]

    assert [row["EventId"] for row in rows(dynamodb)] == ["a"]
    assert [notice.label for notice in notifier.sent] == ["replication stalled"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    stalls = [line for line in lines if "ReplicationStalls" in line]
    assert [(line["ReplicationStalls"], line["service"]) for line in stalls] == [([1.0], "drs-job-log")]
    (batch,) = [line for line in lines if line not in stalls]
    assert batch["EventsStored"] == [1]
    assert "EventsRepeated" not in batch


def test_subscribers_receive_each_notice_once(subscriber: Subscriber) -> None:
    cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    bodies = [
        dumps(replication_change("STALLED", time=f"{day}T00:00:00Z")),
        dumps(replication_change("NOT_STALLED", time=f"{day}T00:00:01Z")),
        dumps(drill_check(SERVERS, checkedAt=f"{day}T00:00:00Z")),
    ]

    for body in bodies * 2:
        assert run([body]) == []

    messages = subscriber.take()
    assert [message["MessageAttributes"]["kind"]["Value"] for message in messages] == [
        *("replication_stalled", "replication_stalled", "not_drilled"),
    ]
    for message, text in zip(messages, ("stalled", "no longer stalled", "2 of 20 servers"), strict=True):
        assert text in message["Message"]
    assert "s-11111111111111111" in messages[0]["Message"]
    assert "last successful drill: 2025-01-02" in messages[2]["Message"]


@pytest.mark.usefixtures("notifier")
def test_metrics_that_are_zero_are_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """AWS bills a metric for each hour in which it has a value."""
    job = dumps(job_log({"jobID": "drsjob-1", "eventType": "JOB_START", "eventId": "a", "executionId": "exec-1"}))

    run([job])
    run([job])

    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line)
    assert {"EventsRepeated", "EventsUnlinked"} & first.keys() == set()
    assert (second["EventsStored"], second["EventsRepeated"]) == ([0], [1])


def test_a_pending_notice_is_no_error_of_the_function(
    notifier: FakeNotifier, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with(error: Exception) -> None:
        failing = FakeNotifier(dynamodb, NOTIFICATIONS_TABLE, fail=1, error=error)
        monkeypatch.setattr(ingest.notifier, "notify_fact", failing.notify_fact)

    fail_with(NotificationPendingError("too little time is left"))
    assert run([dumps(replication_change("STALLED"))]) == ["message-0"]
    fail_with(IdempotencyAlreadyInProgressError("another invocation"))
    assert run([dumps(replication_change("STALLED"))]) == ["message-0"]
    fail_with(EndpointConnectionError(endpoint_url="https://sns.us-east-1.amazonaws.com"))
    with pytest.raises(BatchProcessingError):
        run([dumps(replication_change("STALLED"))])
    assert notifier.sent == []
