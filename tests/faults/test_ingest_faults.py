"""Ingest under faults: 10,000 events of 100 jobs in each test, or a fifth of that (see tests/support/profile.py).

Some servers fail, and some messages are invalid. Each test asserts that every valid event is stored once, that every
invalid message is in the dead-letter queue, and that each failed server has a failure notification: exactly one if the
fault does not affect the notification, otherwise at least one.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from drs_job_log.ingest import handler as ingest
from drs_job_log.model.events import SERVER_FAILURES, parse

from tests.support import functions, played, scripts
from tests.support.envelopes import dumps, job_log, launch_result
from tests.support.faults import EventsTable, Faults, Queue
from tests.support.functions import LambdaContext
from tests.support.profile import scaled
from tests.support.scripts import server_id
from tests.unit.conftest import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.conftest import Subscriber

JOBS = scaled(100)
SERVERS = [server_id(number) for number in range(16)]


@dataclass(frozen=True)
class Load:
    """Valid messages with the expected rows and failed servers, and invalid messages."""

    valid: Sequence[str]
    rows: frozenset[tuple[str, str]]
    failures: frozenset[tuple[str, str]]
    invalid: Sequence[str]


@cache
def load() -> Load:
    """Jobs of 100 events each. Two servers of each job fail, which DRS events report too. 1 % more is invalid."""
    now = datetime.now(UTC).replace(microsecond=0)
    valid: list[str] = []
    for job in range(JOBS):
        failing = {SERVERS[job % 16]: "no rights", SERVERS[(job + 5) % 16]: "no rights either"}
        script = scripts.launch(SERVERS, failing=failing, cleaned=SERVERS[:1], seed=job)
        created = now - timedelta(hours=1)
        details = played.details(script, f"drsjob-{job}", created=created, execution_id=f"exec-{job}")
        assert len(details) == 100
        valid += [dumps(job_log(detail)) for detail in details]
        for server in failing:
            result = launch_result(state="RECOVERY_LAUNCH_FAILED", **{"job-id": f"drsjob-{job}"})
            arn = f"arn:aws:drs:us-east-1:111122223333:source-server/{server}"
            valid.append(dumps(result | {"id": f"{job} {server}", "resources": [arn], "time": now.isoformat()}))
    events = [parse(body) for body in valid]
    invalid = [
        ["no JSON", dumps(job_log({"jobID": "drsjob-1"})), dumps(job_log({"jobID": "x" * 3000, "eventType": "A"}))][
            n % 3
        ]
        + " " * n
        for n in range(len(valid) // 100)
    ]
    return Load(
        valid=valid,
        rows=frozenset((event.job_id, event.key) for event in events),
        failures=frozenset(
            (event.job_id, event.source_server_id or "") for event in events if event.event_type in SERVER_FAILURES
        ),
        invalid=invalid,
    )


@dataclass
class Pipeline:
    """The queue, the function, the table and the topic."""

    queue: Queue
    events: EventsTable
    subscriber: Subscriber
    table: Faults
    topic: Faults

    def run(self, load: Load, bodies: Sequence[str] | None = None) -> Counter[tuple[str, str]]:
        """Process all messages and assert that none is lost. Return the number of notifications of each server."""
        self.queue.drain([*(bodies or load.valid), *load.invalid])
        return self.check(load)

    def check(self, load: Load, dead: Sequence[str] = ()) -> Counter[tuple[str, str]]:
        assert set(self.events.rows) == load.rows
        assert sorted(self.queue.dead) == sorted([*load.invalid, *dead])
        assert self.queue.metrics["ServerFailures"] >= len(load.failures)
        notifications = Counter(
            (
                notification["MessageAttributes"]["jobId"]["Value"],
                notification["MessageAttributes"]["sourceServerId"]["Value"],
            )
            for notification in self.subscriber.take()
        )
        assert set(notifications) == load.failures
        return notifications


@pytest.fixture
def pipeline(subscriber: Subscriber) -> Pipeline:
    events = EventsTable(TABLE)
    table, topic = Faults(answer=events), Faults(chance=random.Random(2))  # noqa: S311

    def start() -> None:
        """Replace the function's environment, as Lambda does after it ends one."""
        # The threads of an invocation that was ended complete their requests first.
        ingest.ConcurrentBatchProcessor._threads.shutdown()
        functions.cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn)
        table.at(ingest.dynamodb)
        topic.at(ingest.sns())

    start()
    queue = Queue(ingest.lambda_handler, LambdaContext(), start)
    table.clock = topic.clock = lambda: queue.now
    return Pipeline(queue, events, subscriber, table, topic)


@pytest.fixture(autouse=True)
def _short_invocations(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of a killed invocation, another invocation sends its notification."""
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: 300.0)
    monkeypatch.setattr("drs_job_log.notify.notifier._MIN_SECONDS_TO_NOTIFY", 0)
    monkeypatch.setattr("drs_job_log.notify.notifier._IN_PROGRESS_WAITS", (0, 0, 0))


@pytest.fixture
def _no_killed_invocations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims do not expire, so that a slow machine causes no second notification, and the queue need not wait."""
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: 30_000.0)
    monkeypatch.setattr("tests.support.faults.time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.usefixtures("_no_killed_invocations")
def test_each_event_is_stored_and_notified_once_without_faults(pipeline: Pipeline, count: Callable[..., None]) -> None:
    notifications = pipeline.run(load())

    assert set(notifications.values()) == {1}
    assert pipeline.queue.metrics["EventsStored"] == len(load().valid)
    assert pipeline.queue.metrics["ServerFailures"] == len(load().failures)
    count("no fault", stored=len(load().rows), dead=len(load().invalid), notifications=notifications.total())


def test_no_event_is_lost_if_dynamodb_throttles_30_percent_of_requests(
    pipeline: Pipeline, count: Callable[..., None]
) -> None:
    pipeline.table.chances = {"throttled": 0.3}

    notifications = pipeline.run(load())

    assert pipeline.table.happened["throttled"] > scaled(3000)
    # A notification is sent again if its status could not be stored.
    count(
        "throttled",
        requests=pipeline.table.happened["throttled"],
        stored=len(load().rows),
        notifications=notifications.total(),
    )


def test_no_event_is_lost_if_dynamodb_is_down_for_a_minute(pipeline: Pipeline, count: Callable[..., None]) -> None:
    pipeline.table.outage = (10.0, 70.0)

    notifications = pipeline.run(load())

    assert pipeline.table.happened["down"] > scaled(1000)
    count(
        "down for 60 s",
        requests=pipeline.table.happened["down"],
        stored=len(load().rows),
        notifications=notifications.total(),
    )


def test_no_event_is_lost_if_responses_are_lost_after_the_write(pipeline: Pipeline, count: Callable[..., None]) -> None:
    pipeline.table.chances = {"lost": 0.1}

    notifications = pipeline.run(load())

    assert pipeline.table.happened["lost"] > scaled(1000)
    count(
        "responses lost",
        requests=pipeline.table.happened["lost"],
        stored=len(load().rows),
        notifications=notifications.total(),
    )


def test_no_event_is_lost_if_the_function_is_killed_during_batches(
    pipeline: Pipeline, count: Callable[..., None]
) -> None:
    pipeline.table.chances = {"killed": 0.01}
    pipeline.topic.chances = {"killed": 0.1}

    notifications = pipeline.run(load())

    assert pipeline.queue.killed > scaled(50)
    count("killed", invocations=pipeline.queue.killed, stored=len(load().rows), notifications=notifications.total())


def test_no_notification_is_lost_if_sns_is_down(pipeline: Pipeline, count: Callable[..., None]) -> None:
    """SNS is down for the first two attempts of each message. Then 20 % of its responses are lost."""
    pipeline.topic.outage = (0.0, 320.0)
    pipeline.topic.chances = {"lost": 0.2}

    notifications = pipeline.run(load())

    assert pipeline.topic.happened["down"] > scaled(200)
    count(
        "SNS down",
        requests=pipeline.topic.happened.total(),
        stored=len(load().rows),
        notifications=notifications.total(),
    )


@pytest.mark.usefixtures("_no_killed_invocations")
def test_no_notification_is_lost_if_sns_is_down_for_longer_than_the_retries(
    pipeline: Pipeline, count: Callable[..., None]
) -> None:
    """The events are stored. Failures stay in the dead-letter queue, and the redrive sends their notifications."""
    pipeline.topic.outage = (0.0, 5000.0)
    pipeline.queue.drain([*load().valid, *load().invalid])
    assert pipeline.subscriber.take() == []
    pending = [body for body in pipeline.queue.dead if body not in load().invalid]
    assert {(event.job_id, event.source_server_id) for event in map(parse, pending)} == load().failures
    pipeline.topic.outage = None

    pipeline.queue.dead = [body for body in pipeline.queue.dead if body in load().invalid]
    pipeline.queue.drain(pending)

    notifications = pipeline.check(load())
    assert set(notifications.values()) == {1}
    count("SNS down for an hour", redriven=len(pending), stored=len(load().rows), notifications=notifications.total())


@pytest.mark.usefixtures("_no_killed_invocations")
def test_each_event_is_stored_once_if_messages_are_delivered_three_times_out_of_order(
    pipeline: Pipeline, count: Callable[..., None]
) -> None:
    notifications = pipeline.run(load(), [body for body in load().valid for _ in range(3)])

    assert set(notifications.values()) == {1}
    assert pipeline.queue.metrics["EventsStored"] == len(load().valid)
    assert pipeline.queue.metrics["EventsRepeated"] == 2 * len(load().valid)
    count("three times", delivered=3 * len(load().valid), stored=len(load().rows), notifications=notifications.total())
