"""Ingest under faults: 10,000 events of 100 jobs in each test, or a fifth of that (see tests/support/profile.py).

Some servers fail, some launch after a failed attempt, and some messages are invalid. A hostile sender, which is
permitted, forges events with the identity of the collector's events. Each test asserts that every valid event is stored
once, that every invalid message is in the dead-letter queue, and that the notifications of each server tell its result:
each exactly once if the fault does not affect the notification, otherwise at least once.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import inf
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest
from drs_job_log.ingest import handler as ingest
from drs_job_log.ingest.checks import check_of
from drs_job_log.model.estimate import ExecutionEstimate, ServerEstimate
from drs_job_log.model.events import SERVER_FAILURES, parse
from drs_job_log.notify.outbox import due_group

from tests.support import functions, played, scripts
from tests.support.envelopes import dumps, job_log, launch_result
from tests.support.faults import EventsTable, Faults, Queue, answer
from tests.support.functions import LambdaContext
from tests.support.profile import scaled
from tests.support.scripts import server_id
from tests.unit.conftest import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from drs_job_log.model.progress import JobState

    from tests.unit.conftest import Subscriber

JOBS = scaled(100)
SERVERS = [server_id(number) for number in range(16)]


# The events that the hostile sender tries to suppress.
REPORTS: Final = frozenset({"SERVER_LAUNCHED", "SERVER_LAUNCH_FAILED", "JOB_COMPLETED", "JOB_FAILED"})

# The notifications of a server (kind and error) that are correct together. If a later event is stored before the
# notification of an earlier one is decided, the earlier one is not necessary.
Notices = frozenset[tuple[str, str | None]]
FAILED: Final = [frozenset({("failed", "no rights")})]
RETRIED: Final = [*FAILED, frozenset({("failed", "busy"), ("failed (final)", "no rights")})]
RECOVERED: Final = [frozenset[tuple[str, str | None]](), frozenset({("failed", "busy"), ("resolved", None)})]


ENDED_FACTS: Final = ("started", "job ended", "stalled", "post-launch action failed", "settled")
RUNNING_FACTS: Final = ("started", "objective missed", "slow")
LATE_FACTS: Final = (*RUNNING_FACTS, "settled (corrected)")
KINDS: Final = "started,job_ended,settled,failed,resolved,stalled,slow,at_risk,action_failed"


@dataclass(frozen=True)
class Load:
    """Valid messages with the expected rows, failed servers and notifications, and invalid messages.

    ``rows`` are the job ID, the key, the type and the source of each event. ``facts`` are those about executions and
    jobs, and those about servers that are no failures.
    """

    valid: Sequence[str]
    rows: frozenset[tuple[str, str, str, str]]
    failures: frozenset[tuple[str, str]]
    notices: Mapping[tuple[str, str], Sequence[Notices]]
    facts: frozenset[Fact]
    invalid: Sequence[str]


@cache
def load() -> Load:
    """Jobs of 100 events each. Two servers of each job fail, which DRS events report too. 1 % more is invalid.

    One of the failed servers, and one that launches, have a failed first attempt. The hostile sender forges a harmless
    event for each event that reports a failure or a launch, and events that no valid sender sends.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    valid: list[str] = []
    notices: dict[tuple[str, str], Sequence[Notices]] = {}
    facts: set[Fact] = set()
    for job in range(JOBS):
        job_id = f"drsjob-{job}"
        retried, failing, recovered = (SERVERS[(job + place) % 16] for place in (0, 5, 7))
        script = scripts.launch(
            SERVERS, failing=dict.fromkeys((retried, failing), "no rights"), cleaned=SERVERS[:1], seed=job
        )
        # In the last minutes, so that no failure becomes older than an hour while the tests run.
        created = now - timedelta(minutes=20)
        details = played.details(script, job_id, created=created, execution_id=f"exec-{job}")
        assert len(details) == 100
        details += [first_attempt(detail) for server in (retried, recovered) if (detail := last_of(server, details))]
        details += [
            other(detail, "SERVER_STALLED") for detail in details if detail["eventType"] == "CONVERSION_STARTED"
        ][:1]
        details += [
            other(detail, "LAUNCH_ACTION_FAILED") for detail in details if detail["eventType"] == "SERVER_LAUNCHED"
        ][:1]
        facts |= {(f"exec-{job}", label) for label in ENDED_FACTS}
        valid += [dumps(job_log(detail)) for detail in details]
        reports = [detail for detail in details if detail["eventType"] in REPORTS]
        valid += [dumps(job_log(detail | {"eventType": "A_NOTE"}, source="acme.tool")) for detail in reports]
        for server in (retried, failing):
            result = launch_result(state="RECOVERY_LAUNCH_FAILED", **{"job-id": job_id})
            arn = f"arn:aws:drs:us-east-1:111122223333:source-server/{server}"
            valid.append(dumps(result | {"id": f"{job} {server}", "resources": [arn], "time": now.isoformat()}))
        notices |= {(job_id, retried): RETRIED, (job_id, failing): FAILED, (job_id, recovered): RECOVERED}
    for job in range(JOBS // 10):  # they run longer than their objective
        script = scripts.launch(SERVERS[:1], stuck=SERVERS[:1])
        created = now - timedelta(minutes=20)
        details = played.details(script, f"drsjob-stuck-{job}", created=created, execution_id=f"exec-stuck-{job}")
        facts |= {(f"exec-stuck-{job}", label) for label in RUNNING_FACTS}
        valid += [dumps(job_log(detail)) for detail in details]
    events = [parse(body) for body in valid]
    refused = [
        "no JSON",
        dumps(job_log({"jobID": "drsjob-1"})),
        dumps(job_log({"jobID": "x" * 3000, "eventType": "A"})),
        *(
            dumps(
                job_log({"jobID": "drsjob-1", "eventType": "LAUNCH_END", "eventId": "x"} | detail, source="acme.tool")
            )
            for detail in (
                {"logDateTime": "1970-01-01T00:00:00Z"},
                {"logDateTime": "9999-12-31T23:59:59Z"},
                {"sourceServerIDs": ["s-1"] * 1001},
            )
        ),
    ]
    invalid = [refused[n % len(refused)] + " " * n for n in range(len(valid) // 100)]
    return Load(
        valid=valid,
        rows=frozenset((event.job_id, event.key, event.event_type, event.source) for event in events),
        failures=frozenset(
            (event.job_id, event.source_server_id or "") for event in events if event.event_type in SERVER_FAILURES
        ),
        notices=notices,
        facts=frozenset(facts),
        invalid=invalid,
    )


def first_of(event_type: str, details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the first event of a type."""
    return next(detail for detail in details if detail["eventType"] == event_type)


def other(detail: dict[str, Any], event_type: str) -> dict[str, Any]:
    """Return another event of the server of an event, at the same time."""
    return detail | {"eventType": event_type, "eventId": f"{detail['eventId']}-{event_type}"}


def last_of(server: str, details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the launch or the failure of a server."""
    ends = ("SERVER_LAUNCHED", "SERVER_LAUNCH_FAILED")
    return next(detail for detail in details if detail.get("sourceServerID") == server and detail["eventType"] in ends)


def first_attempt(end: dict[str, Any]) -> dict[str, Any]:
    """Return a failed attempt, a minute before the launch or the failure of a server."""
    time = datetime.fromisoformat(end["logDateTime"]) - timedelta(minutes=1)
    attempt = {"attempt": 1, "maxAttempts": 3, "error": "busy", "eventId": f"{end['eventId']}-1"}
    return end | attempt | {"eventType": "SERVER_LAUNCH_FAILED", "logDateTime": time.isoformat()}


Notification = tuple[str, str, str, str | None]

# An execution and a label.
Fact = tuple[str, str]

# Label of a fact → the event on the bus.
DETAIL_TYPES: Final = {
    "started": "DRS Execution Started",
    "settled": "DRS Execution Settled",
    "settled (corrected)": "DRS Execution Settled",
    "objective missed": "DRS Execution At Risk",
}


@dataclass
class Pipeline:
    """The queue, the function, the table and the topic."""

    queue: Queue
    events: EventsTable
    subscriber: Subscriber
    table: Faults
    topic: Faults
    bus: EventBus
    bus_faults: Faults

    def run(self, load: Load, bodies: Sequence[str] | None = None, *, is_exact: bool = False) -> Counter[Notification]:
        """Process all messages and assert that none is lost. Return how often each notification was sent."""
        self.queue.drain([*(bodies or load.valid), *load.invalid])
        if not is_exact:
            self.redrive(load)
        return self.check(load, is_exact=is_exact)

    def redrive(self, load: Load) -> None:
        """Redrive the valid messages of the dead-letter queue: a fault can affect all tries of a message by chance."""
        invalid = set(load.invalid)
        valid = [body for body in self.queue.dead if body not in invalid]
        # Killed invocations affect every fifth batch, so that all five tries of 1 of 3,000 messages fail by chance.
        assert len(valid) <= 3 + len(load.valid) / 1000
        self.queue.dead = [body for body in self.queue.dead if body in invalid]
        self.queue.drain(valid)

    def check(self, load: Load, *, is_exact: bool) -> Counter[Notification]:
        """Assert that all is stored and notified. ``is_exact``: no fault affects the notifications."""
        rows = {(*key, row["EventType"]["S"], row["Source"]["S"]) for key, row in self.events.rows.items()}
        assert rows == load.rows
        assert sorted(self.queue.dead) == sorted(load.invalid)
        notices = notices_of(self.subscriber.take())
        sent = Counter(notification_of(notice) for notice in notices if notice["kind"] in {"failed", "resolved"})
        self.check_facts(
            load,
            Counter(fact_of(notice) for notice in notices if notice["kind"] not in {"failed", "resolved"}),
            is_exact=is_exact,
        )
        told: dict[tuple[str, str], set[tuple[str, str | None]]] = {server: set() for server in load.notices}
        for job_id, server, notice, error in sent:
            told[job_id, server].add((notice, error))
        wrong = {
            server: notices
            for server, notices in told.items()
            if notices not in load.notices[server] and (is_exact or not tells(notices, load.notices[server]))
        }
        assert wrong == {}
        failures = {server for server, notices in told.items() if notices - {("resolved", None)}}
        assert self.queue.metrics["ServerFailures"] >= len(failures)
        if is_exact:
            assert set(sent.values()) == {1}
            assert self.queue.metrics["ServerFailures"] == len(failures)
        return sent

    def check_facts(self, load: Load, notices: Counter[Fact], *, is_exact: bool) -> None:
        """Assert that each fact about an execution is reported, and is put on the bus if it has an event."""
        on_bus = Counter(self.bus.facts)
        # The end of a job, or its failed post-launch action, that is stored late is not known in time.
        late = set() if is_exact else {(f"exec-{job}", label) for job in range(JOBS) for label in LATE_FACTS}
        assert load.facts <= set(notices) <= load.facts | late
        expected = {fact for fact in load.facts if fact[1] in DETAIL_TYPES}
        assert expected <= set(on_bus) <= expected | late
        if is_exact:
            assert set(notices.values()) == {1}
            assert set(on_bus.values()) == {1}


def tells(notices: set[tuple[str, str | None]], correct: Sequence[Notices]) -> bool:
    """Whether the notifications of a server tell its result. Some may be sent without their claims being stored."""
    failed = {("failed", "no rights"), ("failed (final)", "no rights")}
    result = {("resolved", None)} if correct is RECOVERED else failed
    return notices <= frozenset().union(*correct) and bool(notices & result)


def notices_of(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the notices of messages."""
    documents = [message["Document"] for message in messages]
    assert all(document["isComplete"] for document in documents)
    return [notice for document in documents for notice in document["notices"]]


def notification_of(notice: Mapping[str, Any]) -> Notification:
    """Return the job, the server, the label and the error of a notice about a failure."""
    return notice["jobId"], notice["servers"][0]["id"], notice["label"], notice["error"]


def fact_of(notice: Mapping[str, Any]) -> Fact:
    """Return the execution and the label of a notice about an execution, a job, or an event of a server."""
    return notice["executionId"], notice["label"]


class EventBus:
    """The event bus. It keeps the facts that are put on it."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def __call__(self, event_name: str, request: AWSPreparedRequest) -> AWSResponse:
        assert event_name.endswith(".PutEvents")
        entries = json.loads(request.body or b"")["Entries"]
        details = [json.loads(entry["Detail"]) for entry in entries]
        assert [entry["DetailType"] for entry in entries] == [DETAIL_TYPES[detail["label"]] for detail in details]
        self.facts += [fact_of(detail) for detail in details]
        return answer(request, 200, {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in entries]})


@pytest.fixture
def pipeline(subscriber: Subscriber) -> Pipeline:
    events = EventsTable(TABLE)
    table, topic = Faults(answer=events), Faults(chance=random.Random(2))  # noqa: S311

    bus = EventBus()
    bus_faults = Faults(answer=bus, chance=random.Random(3))  # noqa: S311

    def schedule_check(message: str, _: timedelta) -> None:
        """The jobs that run are checked twice, and not until they end."""
        check = check_of(message)
        if check and (check.phase == "end" or check.number < 2):
            queue.send_delayed(message)

    def start() -> None:
        """Replace the function's environment, as Lambda does after it ends one."""
        # The threads of an invocation that was ended complete their requests first.
        ingest.ConcurrentBatchProcessor._threads.shutdown()
        environment = {"FAILURE_TOPIC_ARN": subscriber.topic_arn, "NOTICE_KINDS": KINDS, "RTO_MINUTES": "19"}
        functions.cold_start("ingest", **environment)
        table.at(ingest.dynamodb)
        topic.at(ingest.client("sns"))
        bus_faults.at(ingest.client("events"))
        ingest.notifier._outbox._schedule = lambda message, _delay: queue.send_delayed(message)
        ingest.checks._schedule = schedule_check
        ingest.checks._estimator.estimate = estimate

    queue = Queue(ingest.lambda_handler, LambdaContext(), start)
    start()
    table.clock = topic.clock = bus_faults.clock = lambda: queue.now
    return Pipeline(queue, events, subscriber, table, topic, bus, bus_faults)


def estimate(_key: str, states: Mapping[str, JobState], *_: object) -> ExecutionEstimate:
    """Each running server is slow. The ledger, of which nothing is expected here, is not read."""
    running = [server.id for state in states.values() for server in state.servers.values() if not state.ended_at]
    return ExecutionEstimate(servers={id_: ServerEstimate(is_slow=True) for id_ in running})


@pytest.fixture(autouse=True)
def _short_invocations(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of a killed invocation, another invocation sends its notification."""
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: 300.0)
    monkeypatch.setattr("drs_job_log.notify.notifier._MIN_SECONDS_TO_NOTIFY", 0)
    monkeypatch.setattr("drs_job_log.notify.notifier._IN_PROGRESS_WAITS", (0, 0, 0))
    # Launch results always wait for their error, however slow the machine is.
    monkeypatch.setattr("drs_job_log.notify.notifier._ERROR_GRACE", timedelta(days=1))
    # The time of the queue is simulated.
    monkeypatch.setattr("drs_job_log.notify.outbox.MIN_INTERVAL", timedelta(0))
    # The jobs that ended are settled at their first check.
    monkeypatch.setattr("drs_job_log.model.progress._NEXT_WAVE_GRACE", timedelta(0))


@pytest.fixture
def _no_killed_invocations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims do not expire, so that a slow machine causes no second notification, and the queue need not wait."""
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: 30_000.0)
    monkeypatch.setattr("tests.support.faults.time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.usefixtures("_no_killed_invocations")
def test_each_event_is_stored_and_notified_once_without_faults(pipeline: Pipeline, count: Callable[..., None]) -> None:
    notifications = pipeline.run(load(), is_exact=True)

    assert pipeline.queue.metrics["EventsStored"] == len(load().valid)
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
def test_no_fact_is_lost_if_the_event_bus_is_down(pipeline: Pipeline, count: Callable[..., None]) -> None:
    """EventBridge is down for the first two attempts of each check. Then 20 % of its responses are lost."""
    pipeline.bus_faults.outage = (0.0, 320.0)
    pipeline.bus_faults.chances = {"lost": 0.2}

    notifications = pipeline.run(load())

    assert pipeline.bus_faults.happened["down"] > scaled(200)
    count(
        "EventBridge down",
        requests=pipeline.bus_faults.happened.total(),
        stored=len(load().rows),
        notifications=notifications.total(),
    )


@pytest.mark.usefixtures("_no_killed_invocations")
def test_no_notification_is_lost_if_sns_is_down_for_longer_than_the_retries(
    pipeline: Pipeline, count: Callable[..., None]
) -> None:
    """The events are stored. Failures stay in the dead-letter queue, and the redrive sends their notifications."""
    pipeline.topic.outage = (0.0, inf)
    pipeline.queue.drain([*load().valid, *load().invalid])
    assert pipeline.subscriber.take() == []
    pending = [body for body in pipeline.queue.dead if body not in load().invalid]
    collected = {group for body in pending if (group := due_group(body))}
    events = [parse(body) for body in pending if not due_group(body) and not check_of(body)]
    servers = {(event.job_id, event.source_server_id) for event in events if event.event_type in SERVER_FAILURES}
    failed = {server for server, notices in load().notices.items() if notices is not RECOVERED}
    assert servers <= load().failures
    assert {job for job, _ in failed - servers} <= collected
    pipeline.topic.outage = None

    pipeline.queue.dead = [body for body in pipeline.queue.dead if body in load().invalid]
    pipeline.queue.drain(pending)

    notifications = pipeline.check(load(), is_exact=False)
    assert set(notifications.values()) == {1}
    count("SNS down for an hour", redriven=len(pending), stored=len(load().rows), notifications=notifications.total())


@pytest.mark.usefixtures("_no_killed_invocations")
def test_each_event_is_stored_once_if_messages_are_delivered_three_times_out_of_order(
    pipeline: Pipeline, count: Callable[..., None]
) -> None:
    notifications = pipeline.run(load(), [body for body in load().valid for _ in range(3)], is_exact=True)

    assert pipeline.queue.metrics["EventsStored"] == len(load().valid)
    # Launch results that waited for their error are repeated once more.
    assert pipeline.queue.metrics["EventsRepeated"] >= 2 * len(load().valid)
    count("three times", delivered=3 * len(load().valid), stored=len(load().rows), notifications=notifications.total())
