"""The estimate of a running execution: what is read from the ledger, how often, and what happens without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log import estimates
from drs_job_log.estimates import Estimator
from drs_job_log.ledger import Ledger
from drs_job_log.model.events import format_time, parse
from drs_job_log.model.progress import job_state_of

from tests.support import played, played_plans, scripts
from tests.support.envelopes import dumps, request
from tests.support.plans import Action, Plan, ServerStep, WaitStep
from tests.support.scripts import server_id
from tests.unit.conftest import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.progress import JobState
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.slow

HISTORY = timedelta(days=5000)
STALLED = timedelta(minutes=45)
NOW = datetime(2026, 11, 28, 20, 30, tzinfo=UTC)
ONE, TWO, THREE, FOUR, NEW = (server_id(number) for number in (1, 2, 3, 4, 99))


class CountingLedger(Ledger):
    """The ledger, with the number of its reads."""

    def __init__(self, client: DynamoDBClient) -> None:
        super().__init__(client, TABLE)
        self.servers: list[str] = []
        self.error: Exception | None = None

    def launches_of_server(self, server_id: str, limit: int, before: datetime | None = None) -> Any:
        self.servers.append(server_id)
        if self.error:
            raise self.error
        return super().launches_of_server(server_id, limit, before)


@pytest.fixture
def ledger(dynamodb: DynamoDBClient) -> CountingLedger:
    return CountingLedger(dynamodb)


def store(
    table: JobLogTable, job_id: str, servers: Sequence[str], created: datetime, execution_id: str = "exec-0"
) -> datetime:
    """Store a drill, and return its end."""
    events = played.events(scripts.launch(servers), job_id, created=created, execution_id=execution_id)
    for event in events:
        table.put(event, HISTORY)
    return events[-1].timestamp


def running(servers: Sequence[str], elapsed: timedelta, job_id: str = "drsjob-9") -> dict[str, JobState]:
    """Return the state of a job that has run for a time."""
    events = played.events(scripts.launch(servers), job_id, created=NOW - elapsed, execution_id="exec-9")
    return {job_id: job_state_of(job_id, [event for event in events if event.timestamp <= NOW])}


def test_an_execution_is_estimated_from_the_earlier_launches_of_its_servers(
    table: JobLogTable, ledger: CountingLedger
) -> None:
    start = NOW - timedelta(days=30)
    duration = store(table, "drsjob-1", [ONE, TWO], start) - start
    store(table, "drsjob-2", [ONE, TWO], NOW - timedelta(days=20))

    found = Estimator(ledger, STALLED).estimate("exec-9", running([ONE, TWO], timedelta(minutes=3)), NOW)

    assert found.basis == "server"
    assert found.expected_end is not None
    assert abs(found.expected_end - (NOW - timedelta(minutes=3) + duration)) < timedelta(minutes=1)
    assert sorted(found.servers) == [ONE, TWO]
    assert sorted(ledger.servers) == [ONE, TWO]


def test_a_server_without_earlier_launches_is_estimated_from_the_ledger(
    table: JobLogTable, ledger: CountingLedger
) -> None:
    store(table, "drsjob-1", [ONE, TWO], NOW - timedelta(days=30))

    found = Estimator(ledger, STALLED).estimate("exec-9", running([NEW], timedelta(minutes=3)), NOW)

    assert (found.basis, found.servers[NEW].basis) == ("ledger", "ledger")


def test_an_execution_without_any_history_has_no_estimate(ledger: CountingLedger) -> None:
    found = Estimator(ledger, STALLED).estimate("exec-9", running([NEW], timedelta(minutes=3)), NOW)

    assert (found.expected_end, found.basis) == (None, None)


def test_the_running_job_is_not_its_own_history(table: JobLogTable, ledger: CountingLedger) -> None:
    """The servers that it has launched are in the ledger already."""
    store(table, "drsjob-9", [ONE, TWO], NOW - timedelta(minutes=20))

    found = Estimator(ledger, STALLED).estimate("exec-9", running([ONE, TWO], timedelta(minutes=1)), NOW)

    assert found.basis is None


def test_an_execution_that_has_ended_reads_nothing(ledger: CountingLedger) -> None:
    ended = running([ONE], timedelta(hours=1))

    assert Estimator(ledger, STALLED).estimate("exec-9", ended, NOW).expected_end is None
    assert Estimator(ledger, STALLED).estimate("exec-9", {}, NOW).expected_end is None
    assert ledger.servers == []


def test_a_server_and_an_execution_that_end_have_no_estimate_at_once(
    table: JobLogTable, ledger: CountingLedger
) -> None:
    """Although an estimate is valid for ten seconds."""
    store(table, "drsjob-1", [ONE, TWO], NOW - timedelta(days=30))
    estimator = Estimator(ledger, STALLED)
    states = running([ONE, TWO], timedelta(minutes=3))
    assert sorted(estimator.estimate("exec-9", states, NOW).servers) == [ONE, TWO]

    states["drsjob-9"].servers[ONE].state = "LAUNCHED"
    found = estimator.estimate("exec-9", states, NOW + timedelta(seconds=3))
    assert (list(found.servers), found.basis) == ([TWO], "server")
    states["drsjob-9"].ended_at = NOW
    assert estimator.estimate("exec-9", states, NOW + timedelta(seconds=6)).basis is None


def test_a_cleanup_job_has_no_estimate(ledger: CountingLedger) -> None:
    events = played.events(scripts.terminate([ONE]), "drsjob-9", created=NOW)[:1]

    assert Estimator(ledger, STALLED).estimate("exec-9", {"a": job_state_of("drsjob-9", events)}, NOW).basis is None
    assert ledger.servers == []


def test_what_was_read_is_valid_for_ten_minutes(table: JobLogTable, ledger: CountingLedger) -> None:
    store(table, "drsjob-1", [ONE], NOW - timedelta(days=30))
    estimator = Estimator(ledger, STALLED)
    for minutes in (0, 5, 9, 11):
        estimator.estimate("exec-9", running([ONE], timedelta(minutes=3)), NOW + timedelta(minutes=minutes))

    assert ledger.servers == [ONE, ONE]


def test_an_estimate_is_valid_for_ten_seconds_and_never_past(table: JobLogTable, ledger: CountingLedger) -> None:
    store(table, "drsjob-1", [ONE], NOW - timedelta(days=30))
    estimator = Estimator(ledger, STALLED)
    states = running([ONE], timedelta(minutes=3))
    first = estimator.estimate("exec-9", states, NOW)
    assert first.earliest_end is not None

    assert estimator.estimate("exec-9", states, NOW + timedelta(seconds=9)) == first

    # Ten seconds can pass the earliest end.
    estimator._estimates["exec-9"] = replace(estimator._estimates["exec-9"], at=first.earliest_end)
    later = estimator.estimate("exec-9", states, first.earliest_end + timedelta(seconds=5))
    for one in (later, *later.servers.values()):
        assert one.expected_end is not None
        assert one.expected_end >= first.earliest_end + timedelta(seconds=5)
        assert one.earliest_end == first.earliest_end + timedelta(seconds=5)
    assert estimator.estimate("exec-9", states, first.earliest_end + timedelta(seconds=10)) not in (first, later)


def test_there_is_no_estimate_until_all_servers_are_read(table: JobLogTable, ledger: CountingLedger) -> None:
    """A request reads a limited number of servers, and the next one continues."""
    servers = [server_id(number) for number in range(25)]
    store(table, "drsjob-1", servers, NOW - timedelta(days=30))
    estimator = Estimator(ledger, STALLED)
    states = running(servers, timedelta(minutes=3))

    found = [estimator.estimate("exec-9", states, NOW + timedelta(seconds=3 * number)) for number in range(3)]

    assert [one.basis for one in found] == [None, None, "server"]
    assert sorted(ledger.servers) == sorted(servers)


def test_an_index_that_does_not_exist_yet_causes_no_error(table: JobLogTable, ledger: CountingLedger) -> None:
    store(table, "drsjob-1", [ONE], NOW - timedelta(days=30))
    estimator = Estimator(ledger, STALLED)
    states = running([ONE], timedelta(minutes=3))
    ledger.error = ClientError({"Error": {"Code": "ValidationException", "Message": "no such index"}}, "Query")

    assert estimator.estimate("exec-9", states, NOW).basis is None
    assert estimator.estimate("exec-9", states, NOW + timedelta(seconds=59)).basis is None
    assert len(ledger.servers) == 1
    assert estimator.estimate("exec-8", states, NOW).basis is None
    assert len(ledger.servers) == 2
    ledger.error = None
    assert estimator.estimate("exec-9", states, NOW + timedelta(seconds=60)).basis == "server"


def test_an_invalid_event_of_another_sender_does_not_stop_estimates(table: JobLogTable, ledger: CountingLedger) -> None:
    store(table, "drsjob-1", [ONE], NOW - timedelta(days=30))
    created = {"createdAt": "9999-12-31T23:59:59.9Z"}
    events = played.events(scripts.launch(["s" * 3000]), "drsjob-8", created=NOW - timedelta(minutes=3))[:3]
    foreign = job_state_of("drsjob-8", [replace(one, detail={**one.detail, **created}) for one in events])

    found = Estimator(ledger, STALLED).estimate(
        "exec-9", running([ONE], timedelta(minutes=3)) | {"drsjob-8": foreign}, NOW
    )

    assert found.servers[ONE].basis == "server"


def test_the_launches_in_memory_are_limited(
    table: JobLogTable, ledger: CountingLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(table, "drsjob-1", [ONE, TWO, THREE], NOW - timedelta(days=30))
    monkeypatch.setattr(estimates, "_MAX_SERVERS", 1)
    estimator = Estimator(ledger, STALLED)
    for name, servers in (("a", [ONE, TWO]), ("b", [ONE, TWO, THREE]), ("c", [THREE])):
        assert estimator.estimate(name, running(servers, timedelta(minutes=3)), NOW).basis == "server"

    assert sorted(ledger.servers) == [ONE, TWO, THREE]
    assert list(estimator._launches) == [THREE]


def test_old_launches_are_used_while_they_are_read_again(
    table: JobLogTable, ledger: CountingLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(table, "drsjob-1", [ONE], NOW - timedelta(days=30))
    estimator = Estimator(ledger, STALLED)
    states = running([ONE], timedelta(minutes=3))
    estimator.estimate("exec-9", states, NOW)
    monkeypatch.setattr(estimator, "_max_reads", 0)

    assert estimator.estimate("exec-9", states, NOW + timedelta(minutes=11)).basis == "server"
    assert ledger.servers == [ONE]


def test_planned_waves_have_the_servers_of_the_execution_before(table: JobLogTable, ledger: CountingLedger) -> None:
    """Of the one with most servers in common, and of several, the most recent one."""
    monday, friday = NOW - timedelta(days=11), NOW - timedelta(days=7)
    store(table, "drsjob-0", [ONE, THREE], NOW - timedelta(days=2), "exec-other")
    for number, (day, second) in enumerate(((monday, [FOUR]), (friday, [THREE, FOUR]))):
        end = store(table, f"drsjob-{number}-1", [ONE, TWO], day, f"exec-{number}")
        store(table, f"drsjob-{number}-2", second, end + timedelta(minutes=7), f"exec-{number}")
    estimator = Estimator(ledger, STALLED)
    states = running([ONE, TWO], timedelta(minutes=3))

    alone = estimator.estimate("one wave", states, NOW, 1)
    both = estimator.estimate("two waves", states, NOW, 2)
    three = estimator.estimate("three waves", states, NOW, 3)

    assert alone.expected_end is not None
    assert both.expected_end is not None
    assert timedelta(minutes=14) < both.expected_end - alone.expected_end < timedelta(minutes=25)
    assert set(ledger.servers) == {ONE, TWO, THREE, FOUR}
    assert three.expected_end is None  # the servers of the third wave are not known
    assert three.servers[ONE].expected_end is not None


def test_retries_and_the_accounts_of_a_wave_are_no_waves(table: JobLogTable, ledger: CountingLedger) -> None:
    """Neither in the running execution nor in the one before."""
    week = NOW - timedelta(days=7)
    store(table, "drsjob-1", [ONE], week, "exec-1")
    end = store(table, "drsjob-2", [TWO], week + timedelta(seconds=30), "exec-1")
    store(table, "drsjob-3", [THREE, FOUR], end + timedelta(minutes=7), "exec-1")
    store(table, "drsjob-4", [FOUR], end + timedelta(minutes=60), "exec-1")
    estimator = Estimator(ledger, STALLED)
    one_job = running([ONE, TWO], timedelta(minutes=3))
    two_jobs = running([ONE], timedelta(minutes=3)) | running([TWO], timedelta(minutes=3), "drsjob-10")
    retried = one_job | running([TWO], timedelta(minutes=1), "drsjob-11")

    ends = [
        estimator.estimate(name, states, NOW, 2).expected_end
        for name, states in (("one job", one_job), ("two jobs", two_jobs), ("retried", retried))
    ]

    for expected in ends:
        assert expected is not None
        assert timedelta(minutes=18) < expected - NOW < timedelta(minutes=35)


def test_between_two_waves_the_planned_one_is_estimated(table: JobLogTable, ledger: CountingLedger) -> None:
    end = store(table, "drsjob-1", [ONE], NOW - timedelta(days=7), "exec-1")
    store(table, "drsjob-2", [TWO], end + timedelta(minutes=7), "exec-1")
    ended = running([ONE], timedelta(minutes=15))
    assert all(state.ended_at for state in ended.values())

    found = Estimator(ledger, STALLED).estimate("exec-9", ended, NOW, 2)

    assert found.basis == "server"
    assert found.expected_end is not None
    assert found.expected_end > NOW + timedelta(minutes=5), format_time(found.expected_end)


@pytest.mark.parametrize("planned", [None, 1, 3])
def test_the_request_of_a_job_is_no_basis_of_an_estimate(
    table: JobLogTable, ledger: CountingLedger, planned: int | None
) -> None:
    """Nothing is known about the servers of the job yet. The estimate of the earlier wave does not change."""
    store(table, "drsjob-1", [ONE, TWO], NOW - timedelta(days=30))
    asked = parse(dumps(request({"jobID": "drsjob-10"}, eventTime=format_time(NOW))))
    requested = {"drsjob-10": job_state_of("drsjob-10", [asked])}
    states = running([ONE], timedelta(minutes=5))

    assert Estimator(ledger, STALLED).estimate("exec-9", requested, NOW, planned).expected_end is None
    with_request = Estimator(ledger, STALLED).estimate("exec-9", states | requested, NOW, planned)
    assert with_request == Estimator(ledger, STALLED).estimate("exec-9", states, NOW, planned)


PLAN = Plan(
    name="shop",
    steps=[
        ServerStep(name="data", critical=[ONE]),
        WaitStep(name="warm up", minutes=30),
        ServerStep(name="web", critical=[TWO], optional=[THREE]),
    ],
)
MINUTE = timedelta(minutes=1)


def of_plan(elapsed: timedelta, *actions: Action, plan: Plan = PLAN) -> dict[str, JobState]:
    """Return the states of an execution of a plan, and of its jobs, that has run for a time."""
    by_job: dict[str, list[JobLogEvent]] = {}
    for event in played_plans.events(plan, created=NOW - elapsed, now=NOW, actions=actions):
        by_job.setdefault(event.job_id, []).append(event)
    return {job_id: job_state_of(job_id, of_job) for job_id, of_job in by_job.items()}


def whole_plan() -> timedelta:
    """Return the duration of the plan."""
    states = of_plan(timedelta(hours=5)).values()
    return next(state.plan.ended_at - state.plan.started_at for state in states if state.plan and state.plan.ended_at)


@pytest.mark.parametrize(
    ("minutes", "statuses"),
    [
        pytest.param(0, ["NOT_STARTED", "NOT_STARTED", "NOT_STARTED"], id="before its first job"),
        pytest.param(5, ["EXECUTING", "NOT_STARTED", "NOT_STARTED"], id="first step"),
        pytest.param(25, ["COMPLETED", "WAITING", "NOT_STARTED"], id="waits"),
        pytest.param(50, ["COMPLETED", "COMPLETED", "EXECUTING"], id="last step"),
    ],
)
def test_all_steps_of_a_recovery_plan_are_estimated(
    table: JobLogTable, ledger: CountingLedger, minutes: int, statuses: list[str]
) -> None:
    store(table, "drsjob-1", [ONE, TWO, THREE], NOW - timedelta(days=7))
    states = of_plan(minutes * MINUTE)
    assert [[step.status for step in state.plan.steps] for state in states.values() if state.plan] == [statuses]

    found = Estimator(ledger, STALLED).estimate("exec-9", states, NOW)

    assert found.basis == "server"
    assert found.expected_end is not None
    assert abs(found.expected_end - (NOW - minutes * MINUTE + whole_plan())) < 6 * MINUTE


def test_a_step_that_has_started_without_a_known_job_is_estimated(table: JobLogTable, ledger: CountingLedger) -> None:
    store(table, "drsjob-1", [ONE, TWO, THREE], NOW - timedelta(days=7))
    states = of_plan(MINUTE)
    plan = {id_: state for id_, state in states.items() if state.plan}
    assert next(step.status for state in plan.values() if state.plan for step in state.plan.steps) == "EXECUTING"

    found = Estimator(ledger, STALLED).estimate("exec-9", plan, NOW)

    assert found.expected_end is not None
    assert abs(found.expected_end - (NOW - MINUTE + whole_plan())) < 6 * MINUTE


@pytest.mark.parametrize(
    ("elapsed", "actions", "plan"),
    [
        pytest.param(5 * timedelta(hours=1), [], PLAN, id="complete"),
        pytest.param(25 * MINUTE, [Action(20 * MINUTE, "cancel")], PLAN, id="cancelled while it waits"),
        pytest.param(
            25 * MINUTE,
            [],
            replace(PLAN, steps=[replace(PLAN.steps[0], attempts=["The template is not valid."]), *PLAN.steps[1:]]),
            id="waits for a person",
        ),
    ],
)
def test_a_recovery_plan_that_does_not_continue_alone_has_no_estimate(
    table: JobLogTable, ledger: CountingLedger, elapsed: timedelta, actions: list[Action], plan: Plan
) -> None:
    store(table, "drsjob-1", [ONE, TWO, THREE], NOW - timedelta(days=7))

    found = Estimator(ledger, STALLED).estimate("exec-9", of_plan(elapsed, *actions, plan=plan), NOW)

    assert (found.expected_end, found.basis) == (None, None)
