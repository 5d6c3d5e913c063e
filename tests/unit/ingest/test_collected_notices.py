"""Notices that are collected: many for one job, and old ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from botocore.exceptions import ClientError
from drs_job_log.ingest import handler as ingest
from drs_job_log.notify import outbox
from drs_job_log.notify.outbox import due_group, due_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.envelopes import dumps, job_log, replication_change, sqs_records
from tests.support.functions import LambdaContext, cold_start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.unit.conftest import Subscriber

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:No application metrics to publish")]

numbers = count()


@pytest.fixture
def timers(subscriber: Subscriber) -> list[tuple[str, timedelta]]:
    """The timers that ingest started: group and delay."""
    started: list[tuple[str, timedelta]] = []
    cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn)
    ingest.notifier._outbox._schedule = lambda message, delay: started.append((due_group(message) or "", delay))
    return started


def failure(number: int, job: str = "drsjob-1", age: timedelta = timedelta(minutes=2), **detail: Any) -> str:
    """Return the message of a failed server."""
    values = {
        "jobID": job,
        "eventType": "LAUNCH_FAILED",
        "eventId": f"failure-{number}",
        "logDateTime": (datetime.now(UTC).replace(second=0, microsecond=0) - age).isoformat(),
        "executionId": "exec-1",
        "sourceServerID": f"s-{number}",
        "sourceServerName": f"server-{number}",
        "initiatedBy": "START_DRILL",
        "error": "no rights",
    }
    return dumps(job_log(values | detail))


def run(bodies: Iterable[str]) -> None:
    """Give each message to ingest, and a failed message again. One at a time, so that the first three are immediate."""
    waiting = list(bodies)
    for _ in range(5):
        waiting = [body for body in waiting if fails(body)]
    assert waiting == []


def fails(body: str) -> bool:
    try:
        answer = ingest.lambda_handler(sqs_records([body], first_id=next(numbers)), LambdaContext())
    except BatchProcessingError:
        return True
    return bool(answer["batchItemFailures"])


def pass_time(timers: list[tuple[str, timedelta]]) -> None:
    """Let the time of all timers pass."""
    due = [due_message(group) for group, _ in timers]
    timers.clear()
    run(due)


def servers(message: dict[str, Any]) -> list[str]:
    """Return the servers that a message reports."""
    return re.findall(r"^(?:Server:     |  - )(\S+) \(", message["Message"], re.MULTILINE)


@pytest.mark.slow
def test_a_hundred_servers_that_fail_for_one_cause_are_one_list(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]]
) -> None:
    run(failure(number) for number in range(100))
    first = subscriber.take()
    assert {delay for _, delay in timers} == {timedelta(seconds=15)}
    pass_time(timers)
    (collected,) = subscriber.take()
    pass_time(timers)

    assert len(first) == 3
    assert subscriber.take() == []
    told = [server for message in [*first, collected] for server in servers(message)]
    assert sorted(told) == sorted(f"server-{number}" for number in range(100))
    assert collected["Subject"] == "[drs-job-log] Drill: 97 failed"
    assert re.sub(r"(  - server-\d+ \(s-\d+\)\n)+", "  …\n", collected["Message"]) == "\n".join(
        [
            "97 notices: 97 failed.",
            "",
            "Job:        drsjob-1 (drill)",
            "Execution:  exec-1",
            "Viewer:     /executions/exec-1 of the viewer",
            "failed (97):",
            "  no rights",
            "  …",
            "",
            "Runbook:    docs/runbooks/server-failed.md",
        ]
    )
    values = {
        name: json.loads(one["Value"])
        for name, one in collected["MessageAttributes"].items()
        if one["Type"] != "String"
    }
    assert sorted(values["sourceServerId"]) == sorted(f"s-{name[7:]}" for name in servers(collected))
    assert collected["MessageAttributes"]["jobId"] == {"Type": "String", "Value": "drsjob-1"}


def test_a_group_has_one_message_a_minute(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(failure(number) for number in range(6))
    pass_time(timers)
    assert [servers(message) for message in subscriber.take()][3:] == [["server-3", "server-4", "server-5"]]

    run(failure(number) for number in range(6, 8))
    pass_time(timers)

    assert subscriber.take() == []
    assert all(timedelta(seconds=30) < delay <= timedelta(minutes=1) for _, delay in timers)
    monkeypatch.setattr(outbox, "MIN_INTERVAL", timedelta(0))
    pass_time(timers)
    assert [servers(message) for message in subscriber.take()] == [["server-6", "server-7"]]


def test_one_collected_notice_has_the_usual_message(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]]
) -> None:
    run(failure(number) for number in range(4))
    subscriber.take()

    pass_time(timers)

    (message,) = subscriber.take()
    assert message["Subject"] == "[drs-job-log] Drill: Server server-3: SERVER_LAUNCH_FAILED"
    assert "Error:      no rights\n" in message["Message"]


@pytest.mark.slow
def test_old_failures_of_several_jobs_are_one_message(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]]
) -> None:
    """A new installation, a lost notifications table or a manual ``since`` finds many old failures."""
    age = timedelta(hours=5)
    run(failure(number, f"drsjob-{number % 6}", age) for number in range(114))
    assert subscriber.take() == []

    pass_time(timers)

    (message,) = subscriber.take()
    assert message["Subject"] == "[drs-job-log] Drill: 114 failed (5 h ago)"
    assert len(servers(message)) == 114


def test_follow_ups_are_collected_too(subscriber: Subscriber, timers: list[tuple[str, timedelta]]) -> None:
    run(failure(number) for number in range(3))
    subscriber.take()

    launched = {"eventType": "LAUNCH_END", "error": None}
    run(failure(number, age=timedelta(minutes=1), **launched, eventId=f"launch-{number}") for number in range(3))
    pass_time(timers)

    (message,) = subscriber.take()
    assert message["Subject"] == "[drs-job-log] Drill: 3 resolved"
    assert "resolved (3):\n  - server-0 (s-0)\n" in message["Message"]


def test_a_collecting_message_that_sns_rejects_is_retried(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(failure(number) for number in range(5))
    subscriber.take()
    publish, calls = ingest.client("sns").publish, count()

    def fail_once(**arguments: Any) -> Any:
        if next(calls) == 0:
            raise ConnectionError
        return publish(**arguments)

    monkeypatch.setattr(ingest.client("sns"), "publish", fail_once)
    pass_time(timers[:1])

    assert [servers(message) for message in subscriber.take()] == [["server-3", "server-4"]]


def foreign(body: str) -> str:
    return body.replace('"source": "drs.job-log"', '"source": "acme.tool"')


def test_notices_of_another_sender_do_not_delay_others(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]]
) -> None:
    """They have large, empty and odd values."""
    odd = [" ", "x" * 200_000, "\ud800", '"' * 900]
    forged = [
        {"sourceServerID": one, "sourceServerName": one, "eventId": f"{n} {one[:900]}"} for n, one in enumerate(odd)
    ]
    run(foreign(failure(number, **values)) for number, values in enumerate([*forged, {"resourceID": " "}, {}]))
    subscriber.take()

    run(failure(number) for number in range(5))

    assert [servers(message) for message in subscriber.take()] == [["server-0"], ["server-1"], ["server-2"]]
    assert {group for group, _ in timers} == {"drsjob-1", "drsjob-1 acme.tool"}
    pass_time(timers)
    assert ["server-3", "server-4"] in [servers(message) for message in subscriber.take()]


def test_a_full_group_continues_in_another_one(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item of DynamoDB has at most 400 KB. Here, it has at most two notices."""
    update, sizes = ingest.dynamodb.update_item, Counter[str]()

    def update_item(**request: Any) -> Any:
        if "Collected" in request["UpdateExpression"]:
            if sizes[request["Key"]["id"]["S"]] == 2:
                raise ClientError({"Error": {"Code": "ValidationException"}}, "UpdateItem")
            sizes[request["Key"]["id"]["S"]] += 1
        return update(**request)

    monkeypatch.setattr(ingest.dynamodb, "update_item", update_item)
    run(failure(number) for number in range(8))
    assert [group for group, _ in timers] == ["drsjob-1", "drsjob-1", "drsjob-1 2", "drsjob-1 2", "drsjob-1 2 3"]

    pass_time(timers)

    told = Counter(server for message in subscriber.take() for server in servers(message))
    assert told == Counter(f"server-{number}" for number in range(8))


@pytest.mark.slow
def test_a_message_has_at_most_500_notices(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_NOTICES", 4)
    monkeypatch.setattr(outbox, "MIN_INTERVAL", timedelta(0))
    run(failure(number) for number in range(9))

    while timers:
        pass_time(timers)

    assert [len(servers(message)) for message in subscriber.take()] == [1, 1, 1, 4, 2]


# The servers that fail, some repeatedly, and whether a timer runs after each.
orders = st.lists(st.integers(0, 6), max_size=4).flatmap(lambda repeated: st.permutations([*range(7), *repeated]))


@pytest.mark.slow
@given(orders.flatmap(lambda order: st.tuples(*(st.tuples(st.just(number), st.booleans()) for number in order))))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_each_notice_is_in_one_message_in_any_order(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]], steps: tuple[tuple[int, bool], ...]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "MIN_INTERVAL", timedelta(0))
        job = f"drsjob-{next(numbers)}"
        bodies = [failure(number, job) for number in range(7)]
        for number, is_timer_due in steps:
            run([bodies[number]])
            if is_timer_due:
                run([due_message(job)])
        while timers:
            pass_time(timers)
        run([due_message(job)])

    told = Counter(server for message in subscriber.take() for server in servers(message))
    assert told == Counter(f"server-{number}" for number in range(7))


def test_a_timer_is_a_delayed_message_of_the_ingest_queue(subscriber: Subscriber) -> None:
    cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn)
    sent: list[dict[str, Any]] = []
    ingest.client("sqs").meta.events.register(
        "provide-client-params.sqs.SendMessage", lambda params, **_: sent.append(dict(params))
    )
    run(failure(number) for number in range(4))

    url = boto3.client("sqs").get_queue_url(QueueName="drs-job-log-ingest")["QueueUrl"]
    assert sent == [{"QueueUrl": url, "MessageBody": due_message("drsjob-1"), "DelaySeconds": 15}]


def test_collected_notices_are_read_with_strong_consistency(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]]
) -> None:
    """The timer of the last notice would otherwise miss it."""
    run(failure(number) for number in range(5))
    requests: list[dict[str, Any]] = []
    ingest.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: requests.append(params)
    )

    pass_time(timers)

    assert len(subscriber.take()) == 4
    assert {request["ConsistentRead"] for request in requests} == {True}


@given(st.text(max_size=50))
def test_a_timer_names_its_group(group: str) -> None:
    assert due_group(due_message(group)) == group


def test_an_event_is_no_timer() -> None:
    assert due_group(failure(1)) is None


def test_many_servers_whose_replication_stalls_are_one_list(
    subscriber: Subscriber, timers: list[tuple[str, timedelta]]
) -> None:
    """When a data center is lost, the replication of all its servers stalls."""
    now = datetime.now(UTC).isoformat()
    arns = [f"arn:aws:drs:us-east-1:111122223333:source-server/s-{number:017x}" for number in range(20)]
    run(
        dumps(replication_change("STALLED", resources=[arn], time=now, id=f"stall-{number}"))
        for number, arn in enumerate(arns)
    )
    first = subscriber.take()

    pass_time(timers)

    (collected,) = subscriber.take()
    assert len(first) == 3
    assert collected["Subject"] == "[drs-job-log] 17 replication stalled"
    assert collected["MessageAttributes"]["kind"]["Value"] == "replication_stalled"
    servers = [server["id"] for message in (*first, collected) for server in servers_of(message)]
    assert sorted(servers) == sorted(arn.rpartition("/")[2] for arn in arns)


def servers_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [server for notice in message["Document"]["notices"] for server in notice["servers"]]
