from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError
from drs_job_log.collect import handler as collector
from drs_job_log.collect.collector import PassRequest, PassResult
from drs_job_log.collect.poll_lock import PollLock

from tests.support.functions import LambdaContext
from tests.unit.conftest import NOTIFICATIONS_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

JOB = "drsjob-556c7b1d99221f996"
CLOUD_TRAIL = {"detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": "StartRecovery"}}


def done(**changes: Any) -> PassResult:
    return PassResult(
        **{
            "jobs": 1,
            "emitted": 2,
            "running_jobs": 0,
            "running_executions": 0,
            "executions_over_rto": 0,
            "invalid_rto_tags": 0,
            "active_jobs": changes.get("running_jobs", 0),
            "servers": {},
            "failures": {},
        }
        | changes
    )


@dataclass
class Clock(LambdaContext):
    """A context and clock that only `sleep` and passes advance."""

    now: float = 0.0
    timeout: float = 63.0

    def get_remaining_time_in_millis(self) -> float:
        return (self.timeout - self.now) * 1000

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeCollector:
    clock: Clock
    passes: Callable[[int], PassResult]
    seconds: float = 0.5
    requests: list[PassRequest] = field(default_factory=list)
    began: list[float] = field(default_factory=list)

    def collect(self, request: PassRequest, _now: datetime, seconds_left: Callable[[], float]) -> PassResult:
        assert seconds_left() >= 5
        self.requests.append(request)
        self.began.append(self.clock.now)
        self.clock.now += self.seconds
        return self.passes(len(self.requests))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, dynamodb: DynamoDBClient) -> Callable[..., FakeCollector]:
    monkeypatch.setattr(collector, "poll_lock", PollLock(dynamodb, NOTIFICATIONS_TABLE))

    def play(event: dict[str, Any], passes: Callable[[int], PassResult], seconds: float = 0.5) -> FakeCollector:
        clock = Clock()
        fake = FakeCollector(clock, passes, seconds)
        monkeypatch.setattr(collector, "collector", fake)
        monkeypatch.setattr(collector.time, "sleep", clock.sleep)
        monkeypatch.setattr(collector.time, "monotonic", lambda: clock.now)
        collector.lambda_handler(event, clock)
        return fake

    return play


def test_the_function_ends_after_one_pass_if_no_job_runs(play: Callable[..., FakeCollector]) -> None:
    assert play({}, lambda _: done()).requests == [PassRequest()]


@pytest.mark.parametrize("event", [{}, CLOUD_TRAIL])
def test_a_pass_starts_every_three_seconds_while_a_job_runs(
    play: Callable[..., FakeCollector], event: dict[str, Any]
) -> None:
    fake = play(event, lambda _: done(running_jobs=1))

    assert fake.began == [3 * number for number in range(20)]


@pytest.mark.parametrize(("event", "is_woken"), [({}, False), (CLOUD_TRAIL, True)])
def test_the_first_pass_of_a_woken_function_lists_recovery_plans(
    play: Callable[..., FakeCollector], event: dict[str, Any], is_woken: bool
) -> None:
    fake = play(event, lambda _: done(running_jobs=1))

    assert [request.is_woken for request in fake.requests[:3]] == [is_woken, False, False]


def test_the_function_ends_with_the_last_job(play: Callable[..., FakeCollector]) -> None:
    assert len(play({}, lambda number: done(running_jobs=int(number < 5))).requests) == 5


def test_the_function_ends_if_no_running_job_is_read_in_each_pass(play: Callable[..., FakeCollector]) -> None:
    assert len(play({}, lambda _: done(running_jobs=1, active_jobs=0)).requests) == 1


def test_a_pass_longer_than_the_poll_interval_is_followed_by_the_next_one(play: Callable[..., FakeCollector]) -> None:
    """The pass that would start at 50 s needs 10 s and a reserve of 3 s, and Lambda ends the function after 63 s."""
    assert play({}, lambda _: done(running_jobs=1), seconds=10).began == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("interval", [1, 2, 3, 5, 10, 15, 20, 30])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 2.0])
def test_the_last_pass_starts_one_interval_before_the_next_invocation(
    monkeypatch: pytest.MonkeyPatch, interval: int, seconds: float
) -> None:
    clock = Clock(timeout=66 - interval, now=0.05)

    class Lock:
        """Each request takes 30 ms."""

        def take_over(self, *_: Any) -> None:
            clock.now += 0.03

        def is_free_for(self, *_: Any) -> bool:
            clock.now += 0.03
            return True

        def release(self, *_: Any) -> None:
            clock.now += 0.03

    fake = FakeCollector(clock, lambda _: done(running_jobs=1), seconds)
    for name, value in {"collector": fake, "poll_lock": Lock()}.items():
        monkeypatch.setattr(collector, name, value)
    monkeypatch.setattr(collector.time, "sleep", clock.sleep)
    monkeypatch.setattr(collector.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(collector, "settings", replace(collector.settings, poll_interval=timedelta(seconds=interval)))

    collector.lambda_handler({}, clock)

    assert 60 - fake.began[-1] <= max(interval, seconds) + 1.5
    assert clock.now < clock.timeout - 2


def test_no_pass_starts_after_a_lock_request_that_took_long(
    play: Callable[..., FakeCollector], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any) -> bool:
        collector.time.sleep(15)
        return True

    monkeypatch.setattr(collector.poll_lock, "is_free_for", slow)

    assert play({}, lambda _: done(running_jobs=1)).began[-1] < 63 - 5


def test_a_manual_request_is_a_single_pass(play: Callable[..., FakeCollector]) -> None:
    ids = [JOB, JOB[:-1] + "0"]

    assert play({"jobIds": ids}, lambda _: done(running_jobs=1)).requests == [PassRequest(job_ids=tuple(ids))]


def test_one_of_many_woken_invocations_polls(play: Callable[..., FakeCollector], dynamodb: DynamoDBClient) -> None:
    """An orchestrator starts 20 jobs at once, and CloudTrail reports each of them."""
    others: list[dict[str, int]] = []

    def passes(number: int) -> PassResult:
        if number == 1:
            others.extend(collector.lambda_handler(CLOUD_TRAIL, Clock(aws_request_id=f"{n}")) for n in range(19))
        return done(running_jobs=1)

    assert len(play(CLOUD_TRAIL, passes).requests) == 20  # of the first invocation
    assert others == [{"passes": 0, "jobs": 0, "emitted": 0}] * 19
    assert dynamodb.scan(TableName=NOTIFICATIONS_TABLE)["Items"] == []  # the lock is released
    assert len(play(CLOUD_TRAIL, lambda _: done()).requests) == 1


def test_a_woken_invocation_ends_if_the_scheduled_one_takes_over(
    play: Callable[..., FakeCollector], dynamodb: DynamoDBClient
) -> None:
    """Two instances would otherwise read the same jobs and put the same events on the bus."""
    lock = PollLock(dynamodb, NOTIFICATIONS_TABLE)

    def passes(number: int) -> PassResult:
        if number == 5:
            lock.take_over("scheduled", datetime.now(UTC), 60)
        return done(running_jobs=1)

    assert len(play(CLOUD_TRAIL, passes).requests) == 5
    assert not lock.acquire("another", datetime.now(UTC), 60)  # the woken invocation does not release it


def test_the_scheduled_invocation_takes_the_lock_for_its_further_passes(
    play: Callable[..., FakeCollector], dynamodb: DynamoDBClient
) -> None:
    lock, held = PollLock(dynamodb, NOTIFICATIONS_TABLE), []
    assert lock.acquire("woken", datetime.now(UTC), 60)

    def passes(_: int) -> PassResult:
        held.append(lock.is_free_for("request", datetime.now(UTC)))
        return done(running_jobs=1)

    play({}, passes)

    assert held == [False] + [True] * 19
    assert lock.acquire("another", datetime.now(UTC), 60)


def test_a_scheduled_invocation_without_a_running_job_does_not_take_over(
    play: Callable[..., FakeCollector], dynamodb: DynamoDBClient
) -> None:
    lock = PollLock(dynamodb, NOTIFICATIONS_TABLE)
    assert lock.acquire("woken", datetime.now(UTC), 60)

    assert play({}, lambda _: done()).requests == [PassRequest()]
    assert not lock.is_free_for("another", datetime.now(UTC))


def test_an_invocation_that_was_killed_does_not_keep_the_lock(dynamodb: DynamoDBClient) -> None:
    lock, now = PollLock(dynamodb, NOTIFICATIONS_TABLE), datetime.now(UTC)
    assert lock.acquire("killed", now, 60)

    assert not lock.is_free_for("next", now + timedelta(seconds=59))
    assert lock.is_free_for("next", now + timedelta(seconds=62))
    assert not lock.acquire("next", now + timedelta(seconds=59), 60)
    assert lock.acquire("next", now + timedelta(seconds=62), 60)


def test_a_repeated_request_for_the_lock_has_the_same_result(dynamodb: DynamoDBClient) -> None:
    """boto3 repeats a request if its response is lost."""
    lock, now = PollLock(dynamodb, NOTIFICATIONS_TABLE), datetime.now(UTC)

    assert [lock.acquire("one", now, 60), lock.acquire("one", now, 60)] == [True, True]
    lock.release("another")
    assert not lock.acquire("another", now, 60)
    lock.release("one")
    lock.release("one")
    assert lock.acquire("another", now, 60)


@pytest.mark.parametrize("event", [{}, CLOUD_TRAIL])
def test_an_invocation_polls_if_dynamodb_does_not_answer(
    play: Callable[..., FakeCollector], monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    class Down:
        def __getattr__(self, _: str) -> Any:
            def request(**_: Any) -> Any:
                raise EndpointConnectionError(endpoint_url="dynamodb")

            return request

    monkeypatch.setattr(collector.poll_lock, "_client", Down())

    assert len(play(event, lambda _: done(running_jobs=1)).requests) == 20


def test_the_smoke_test_reads_no_jobs_from_before_the_look_back_period(
    play: Callable[..., FakeCollector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their failures would be notified."""
    monkeypatch.setattr(collector.smoke_test, "run", lambda *_: timedelta(seconds=1))
    monkeypatch.setattr(collector, "settings", replace(collector.settings, lookback=timedelta(hours=1)))

    (request,) = play({"smokeTest": True}, lambda _: done()).requests

    assert request.since is not None
    assert abs(datetime.now(UTC) - timedelta(hours=1) - request.since) < timedelta(minutes=1)


def test_since_is_parsed_as_a_time(play: Callable[..., FakeCollector]) -> None:
    (request,) = play({"since": "2025-11-28T20:30:15Z"}, lambda _: done()).requests

    assert request.since is not None
    assert request.since.isoformat() == "2025-11-28T20:30:15+00:00"


def test_the_smoke_test_reads_the_jobs_of_a_day_and_then_sends_a_test_event(
    play: Callable[..., FakeCollector], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Any] = []

    def run(*arguments: Any) -> timedelta:
        runs.append(arguments)
        return timedelta(seconds=1.5)

    monkeypatch.setattr(collector.smoke_test, "run", run)
    (request,) = play({"smokeTest": True}, lambda _: done(running_jobs=1)).requests
    assert request.since is not None
    assert abs(datetime.now(UTC) - timedelta(days=1) - request.since) < timedelta(minutes=1)
    ((bus, table, test_id, seconds_left),) = runs
    assert (bus, table, test_id) == (collector.bus, collector.table, "request")
    assert seconds_left() == 62.5
    assert collector.lambda_handler({"smokeTest": True}, Clock())["storedAfterMilliseconds"] == 1500

    with pytest.raises(collector.CollectionError, match="DRS in us-east-1: denied"):
        play({"smokeTest": True}, lambda _: done(failures={"DRS in us-east-1": "denied"}))
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"smokeTest": False}, "the event must be {} for all due jobs"),
        ({"drillCheck": False}, 'or {"drillCheck": true} for a check of the drills, not'),
        ({"drillCheck": True, "jobIds": [JOB]}, "the event must be {}"),
        ({"smokeTest": True, "jobIds": [JOB]}, "the event must be {}"),
        ({"jobIds": []}, "the event must be {} for all due jobs"),
        ({"jobIds": JOB}, "the event must be {}"),
        ({"jobIDs": [JOB]}, "the event must be {}"),
        ({"jobIds": [JOB], "since": "2025-11-28T20:30:15Z"}, "the event must be {}"),
        ({"jobIds": [JOB, "drsjob-1"]}, "jobIds must be DRS job IDs like drsjob-556c7b1d99221f996, not 'drsjob-1'"),
        ({"jobIds": [7]}, "jobIds must be DRS job IDs"),
        ({"since": "yesterday"}, "since must be an ISO 8601 time like 2025-11-28T20:30:15Z, not 'yesterday'"),
        ({"since": None}, "since must be an ISO 8601 time"),
    ],
)
def test_an_invalid_event_is_rejected_with_the_remedy(event: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        collector.lambda_handler(event, Clock())


def test_a_failure_of_the_last_pass_is_an_error_of_the_function(play: Callable[..., FakeCollector]) -> None:
    with pytest.raises(collector.CollectionError, match="DRS in eu-west-1: AccessDenied"):
        play({}, lambda _: done(failures={"DRS in eu-west-1": "AccessDenied"}))


def test_a_failure_that_a_later_pass_corrects_is_no_error(play: Callable[..., FakeCollector]) -> None:
    play({}, lambda number: done(running_jobs=int(number < 2), failures={"a": "b"} if number < 2 else {}))


def test_metrics_count_passes_and_failures(
    play: Callable[..., FakeCollector], capsys: pytest.CaptureFixture[str]
) -> None:
    play(
        {},
        lambda number: done(
            running_jobs=int(number < 4) * number,
            running_executions=int(number < 4),
            servers={"pending": 10 - number, "launched": number, "skipped": 1} if number < 4 else {},
            failures={"a": "b", "c": "d"} if number == 2 else {},
        ),
    )

    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert metrics["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "DRSJobLog",
            "Dimensions": [["service"]],
            "Metrics": [
                {"Name": "CollectorFailures", "Unit": "Count"},
                {"Name": "CollectorHeartbeat", "Unit": "Count"},
                {"Name": "RunningJobs", "Unit": "Count"},
                {"Name": "RunningExecutions", "Unit": "Count"},
                {"Name": "ServersPending", "Unit": "Count"},
                {"Name": "ServersConverting", "Unit": "Count"},
                {"Name": "ServersLaunching", "Unit": "Count"},
                {"Name": "ServersLaunched", "Unit": "Count"},
                {"Name": "ServersFailed", "Unit": "Count"},
            ],
        }
    ]
    assert (metrics["CollectorHeartbeat"], metrics["CollectorFailures"]) == ([3], [2])
    assert metrics["EventsEmitted"] == 8
    assert (metrics["RunningJobs"], metrics["RunningExecutions"]) == ([3], [1])
    states = ("Pending", "Converting", "Launching", "Launched", "Failed")
    assert [metrics[f"Servers{state}"] for state in states] == [[7], [0], [0], [3], [0]]


def test_executions_over_their_objective_and_invalid_tags_are_counted_if_there_are_any(
    play: Callable[..., FakeCollector], capsys: pytest.CaptureFixture[str]
) -> None:
    play(
        {},
        lambda number: done(
            running_jobs=int(number < 4), executions_over_rto=2 - number % 2, invalid_rto_tags=int(number == 1)
        ),
    )

    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert (metrics["ExecutionsOverRto"], metrics["InvalidRtoTags"]) == ([2], [1])


def test_only_the_heartbeat_is_sent_if_no_job_runs(
    play: Callable[..., FakeCollector], capsys: pytest.CaptureFixture[str]
) -> None:
    play({}, lambda _: done())

    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    (group,) = metrics["_aws"]["CloudWatchMetrics"]
    assert [metric["Name"] for metric in group["Metrics"]] == ["CollectorHeartbeat"]


def test_a_manual_request_sends_no_heartbeat_and_no_server_metrics(
    play: Callable[..., FakeCollector], capsys: pytest.CaptureFixture[str]
) -> None:
    play({"jobIds": [JOB]}, lambda _: done(running_jobs=1))

    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    (group,) = metrics["_aws"]["CloudWatchMetrics"]
    assert group["Metrics"] == [{"Name": "CollectorFailures", "Unit": "Count"}]
    assert metrics["EventsEmitted"] == 2


def test_metrics_count_a_failed_pass(play: Callable[..., FakeCollector], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(collector.CollectionError):
        play({}, lambda _: done(failures={"a": "b"}))

    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert (metrics["CollectorHeartbeat"], metrics["CollectorFailures"]) == ([0], [1])
