"""Facts about executions: each is reported once, also those that no event triggers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from drs_job_log.collect import plans
from drs_job_log.ingest import handler as ingest
from drs_job_log.ingest.checks import Check, check_of
from drs_job_log.model.events import format_time, parse
from drs_job_log.model.plans import PLAN_ENDS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import executions, played, scripts
from tests.support.checked import Bus, CheckedIngest
from tests.support.envelopes import dumps, job_log
from tests.support.functions import LambdaContext, cold_start
from tests.support.scripts import server_id
from tests.unit.conftest import RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.model.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.unit.conftest import Subscriber

pytestmark = [
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
    pytest.mark.slow,  # together a quarter of a minute
]

ONE, TWO, THREE, FOUR = (server_id(number) for number in range(1, 5))
MINUTE = timedelta(minutes=1)
OPERATOR = "arn:aws:sts::111122223333:assumed-role/Operator/alice"
numbers = count()
TABLE_SETTINGS = '{"allowScan": true}'


@pytest.fixture
def start() -> datetime:
    """A time in the past, so that all simulated times are plausible."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)


@pytest.fixture
def checked(subscriber: Subscriber, start: datetime) -> Callable[..., CheckedIngest]:
    """Start ingest with these environment variables."""

    def make(**environment: str) -> CheckedIngest:
        cold_start("ingest", FAILURE_TOPIC_ARN=subscriber.topic_arn, **environment)
        ingest.claims.start_invocation(LambdaContext())
        return CheckedIngest(ingest, subscriber, start)

    return make


def drill(
    job: str, created: datetime, *servers: str, execution: str | None = "exec-1", **script: Any
) -> list[JobLogEvent]:
    return played.events(scripts.launch(list(servers), **script), job, created=created, execution_id=execution)


def requested(job: str, time: datetime) -> JobLogEvent:
    """Return the event of CloudTrail that says who started a job."""
    detail = {
        "eventTime": time.isoformat(),
        "eventSource": "drs.amazonaws.com",
        "eventName": "StartRecovery",
        "eventID": f"trail-{job}",
        "userIdentity": {"type": "AssumedRole", "arn": OPERATOR},
        "responseElements": {"job": {"jobID": job, "type": "LAUNCH", "initiatedBy": "START_DRILL"}},
    }
    return parse(dumps(job_log(detail, **{"source": "aws.drs", "detail-type": "AWS API Call via CloudTrail"})))


def end_of(events: list[JobLogEvent]) -> datetime:
    return max(event.timestamp for event in events)


def test_an_execution_is_reported_at_its_start_and_when_it_settled(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world, bus = checked(), Bus()
    events = drill("drsjob-1", start, ONE, TWO, failing={TWO: "no rights"})
    world.play(events)
    ended = end_of(events)

    world.run(start + timedelta(seconds=50))
    assert world.notices() == []  # CloudTrail can still say who started it
    world.run(start + timedelta(seconds=85))
    (started,) = world.notices()
    world.run(ended + 14.9 * MINUTE)
    assert world.notices() == []
    world.run(ended + 17 * MINUTE)
    (settled,) = world.notices()
    world.run()

    assert world.notices() == []
    assert started["summary"] == "Execution exec-1 started with 2 servers"
    assert (started["kind"], started["isDrill"], started["requestedBy"]) == ("started", True, None)
    assert settled["summary"] == "Execution exec-1 did not launch all servers"
    assert (settled["kind"], settled["outcome"], settled["revision"]) == ("settled", "PARTIAL", 0)
    assert settled["counts"] == {"totalServers": 2, "launched": 1, "failed": 1}
    assert [(server["id"], server["state"], server["error"]) for server in settled["servers"]] == [
        (TWO, "FAILED", "no rights")
    ]
    assert settled["durationSeconds"] == pytest.approx((ended - start).total_seconds(), abs=0.1)
    on_bus = bus.take()
    assert [event["detail-type"] for event in on_bus] == ["DRS Execution Started", "DRS Execution Settled"]
    assert [event["detail"] for event in on_bus] == [started, settled]


def test_the_end_names_the_servers_over_the_recovery_point_objective(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked(RPO_MINUTES="15")
    script = replace(
        scripts.launch([ONE, TWO, THREE], failing={THREE: "no rights"}),
        recovery_points={ONE: -7 * MINUTE, TWO: -22 * MINUTE},
    )
    world.play(played.events(script, "drsjob-1", created=start, execution_id="exec-1"))

    world.run()

    started, settled = world.notices()
    assert started["rpo"] is None
    assert settled["rpo"] == {"targetMinutes": 15, "seconds": 1320.0, "result": "MISSED", "serversOver": 1}
    assert {(server["id"], server["state"], server["detail"]) for server in settled["servers"]} == {
        (TWO, "RPO_MISSED", "recovery point 22 min before the job"),
        (THREE, "FAILED", None),
    }


def test_without_an_executions_table_an_end_is_checked_every_three_minutes_and_when_it_settles(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked()
    events = drill("drsjob-1", start, ONE)
    world.play(events)
    world.run(end_of(events))

    times = []
    while world.timers:
        world.run(min(world.timers)[0])
        times.append(round((world.now - end_of(events)).total_seconds()))

    assert times == [10, 190, 370, 550, 730, 900]


def test_the_delay_of_a_check_is_limited_if_a_job_ended_in_the_future(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked()
    for event in drill("drsjob-1", start, ONE):
        world.receive(event)

    world.run(start + timedelta(seconds=10))

    assert max(world.timers)[0] == world.now + 3 * MINUTE
    world.run()
    assert world.labels() == ["started", "settled"]


def test_the_start_says_who_started_it(checked: Callable[..., CheckedIngest], start: datetime) -> None:
    world = checked()
    world.play([requested("drsjob-1", start), *drill("drsjob-1", start, ONE)])

    world.run(start + timedelta(seconds=15))

    (started,) = world.notices()
    assert started["requestedBy"] == OPERATOR


def test_a_job_without_an_execution_settles_after_two_minutes(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked()
    events = drill("drsjob-1", start, ONE, execution=None)
    world.play(events)

    world.run(end_of(events) + 2 * MINUTE)
    assert world.labels() == ["started"]
    world.run(end_of(events) + 4 * MINUTE)

    (settled,) = world.notices()
    assert settled["summary"] == "Job drsjob-1 succeeded"
    assert (settled["jobId"], settled["executionId"]) == ("drsjob-1", None)


def test_waves_are_one_execution(checked: Callable[..., CheckedIngest], start: datetime) -> None:
    world = checked()
    first = drill("drsjob-1", start, ONE, TWO)
    second = drill("drsjob-2", end_of(first) + 10 * MINUTE, THREE)
    world.play([*first, *second])

    world.run()

    started, settled = world.notices()
    assert (started["label"], settled["label"]) == ("started", "settled")
    assert settled["jobIds"] == ["drsjob-1", "drsjob-2"]
    assert settled["counts"] == {"totalServers": 3, "launched": 3}
    assert world.now <= end_of(second) + 17 * MINUTE


def test_a_wave_after_the_reported_end_is_a_correction(checked: Callable[..., CheckedIngest], start: datetime) -> None:
    world, bus = checked(), Bus()
    first = drill("drsjob-1", start, ONE)
    second = drill("drsjob-2", end_of(first) + 30 * MINUTE, TWO, failing={TWO: "no rights"})
    world.play([*first, *second])

    world.run()

    started, settled, continued, corrected = world.notices()
    assert [notice["label"] for notice in (started, settled, continued, corrected)] == [
        "started",
        "settled",
        "continued",
        "settled (corrected)",
    ]
    assert continued["summary"] == (
        "Correction: Execution exec-1 has not ended. Job drsjob-2 started after its end was reported"
    )
    assert (continued["previousOutcome"], corrected["previousOutcome"]) == ("COMPLETED", "COMPLETED")
    assert (settled["revision"], continued["revision"], corrected["revision"]) == (0, 1, 2)
    assert (settled["outcome"], continued["outcome"], corrected["outcome"]) == ("COMPLETED", None, "PARTIAL")
    assert [event["detail-type"] for event in bus.take()] == [
        "DRS Execution Started",
        "DRS Execution Settled",
        "DRS Execution Continued",
        "DRS Execution Settled",
    ]


def test_a_corrected_end_corrects_the_reported_one(checked: Callable[..., CheckedIngest], start: datetime) -> None:
    world = checked()
    events = drill("drsjob-1", start, ONE, TWO)
    world.play(events)
    world.run()
    assert world.labels() == ["started", "settled"]
    end = next(event for event in events if event.event_type == "JOB_COMPLETED")
    states = [{"sourceServerID": ONE, "state": "LAUNCHED"}, {"sourceServerID": TWO, "state": "FAILED"}]
    detail = {**end.detail, "participatingServers": states, "outcome": "PARTIAL", "revision": 1}

    world.receive(replace(end, event_id="corrected", detail=detail))
    world.run()

    (corrected,) = world.notices()
    assert (corrected["label"], corrected["outcome"]) == ("settled (corrected)", "PARTIAL")
    assert corrected["previousOutcome"] == "COMPLETED"


def test_a_wave_whose_events_arrive_together_after_the_reported_end_is_corrected(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    """The first check of the wave reads all its events, and reports that the execution continues."""
    world = checked()
    first = drill("drsjob-1", start, ONE)
    world.play(first)
    world.run()
    assert world.labels() == ["started", "settled"]
    silent = played.events(scripts.silent_failure([TWO]), "drsjob-2", created=world.now + MINUTE)
    world.run(end_of(silent))
    for event in silent:
        world.receive(event)

    world.run()

    continued, corrected = world.notices()
    assert (continued["label"], corrected["label"], corrected["outcome"]) == (
        "continued",
        "settled (corrected)",
        "PARTIAL",
    )


def test_an_action_that_fails_after_the_reported_end_corrects_it(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked()
    events = drill("drsjob-1", start, ONE, execution=None)
    world.play(events)
    world.run()
    assert world.labels() == ["started", "settled"]
    launched = next(event for event in events if event.event_type == "SERVER_LAUNCHED")

    world.receive(replace(launched, event_type="LAUNCH_ACTION_FAILED", event_id="action", error="no agent"))
    world.run()

    (corrected,) = world.notices()
    assert corrected["label"] == "settled (corrected)"
    assert [(server["id"], server["state"]) for server in corrected["servers"]] == [(ONE, "ACTION_FAILED")]


def test_an_execution_that_its_platform_never_ends_is_reported_after_a_day(
    checked: Callable[..., CheckedIngest], dynamodb: DynamoDBClient, start: datetime
) -> None:
    executions.create(dynamodb, "ExecutionId", "PlanId")
    executions.write(dynamodb, ExecutionId="exec-1", PlanId="p", Waves=[{"JobId": "drsjob-1"}], Status="POLLING")
    world = checked(EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=TABLE_SETTINGS)
    world.play(drill("drsjob-1", start, ONE))
    ingest_interval = "drs_job_log.ingest.checks._INTERVAL"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest_interval, timedelta(hours=1))  # fewer checks
        world.run()

    assert world.labels() == ["started", "settled"]


def test_facts_of_a_job_that_is_linked_later_are_not_repeated(
    checked: Callable[..., CheckedIngest], dynamodb: DynamoDBClient, start: datetime
) -> None:
    executions.create(dynamodb, "ExecutionId", "PlanId")
    world = checked(EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=TABLE_SETTINGS, RTO_MINUTES="4")
    events = drill("drsjob-1", start, ONE, execution=None)
    world.play(events)
    world.run(start + timedelta(minutes=5.5))
    assert world.labels() == ["started", "objective missed"]
    link(world, events, "exec-7")
    world.timers.append((world.now, Check(job_id="drsjob-1", phase="start", series="again", number=0).to_message()))

    world.run()

    assert world.labels() == ["settled"]


def test_an_unfinished_job_without_servers_is_not_checked_forever(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked(RTO_MINUTES="60")
    (started, *_) = played.events(scripts.network_recovery("sn-1"), "drsjob-1", created=start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drs_job_log.ingest.checks._INTERVAL", timedelta(hours=1))  # fewer checks
        world.play([started])
        world.run()

    assert world.labels() == ["started"]
    assert timedelta(hours=23) < world.now - start < timedelta(hours=26)


def test_one_failure_of_sns_does_not_keep_the_event_from_the_bus(
    checked: Callable[..., CheckedIngest], start: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, bus = checked(), Bus()
    world.play(drill("drsjob-1", start, ONE))

    def reject(_: object) -> None:
        raise RuntimeError("rejected")

    monkeypatch.setattr(ingest.publisher, "publish", reject)
    with pytest.raises(RuntimeError, match="rejected"):
        world.run(start + timedelta(seconds=85))

    assert [event["detail-type"] for event in bus.take()] == ["DRS Execution Started"]


def test_jobs_that_end_together_settle_once(checked: Callable[..., CheckedIngest], start: datetime) -> None:
    world = checked()
    for number, server in enumerate((ONE, TWO, THREE)):
        world.play(drill(f"drsjob-{number}", start, server))

    world.run()

    started, settled = world.notices()
    assert started["counts"]["totalServers"] == 3
    assert settled["counts"] == {"totalServers": 3, "launched": 3}


def test_a_missed_objective_is_reported_once_at_each_stage(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    """Without earlier drills there is no estimate, so the objective is not at risk before it is missed."""
    world, bus = checked(RTO_MINUTES="5"), Bus()
    world.play(drill("drsjob-1", start, ONE, TWO))

    world.run()

    missed = [notice for notice in world.notices() if notice["kind"] == "at_risk"]
    assert [notice["label"] for notice in missed] == ["objective missed"]
    assert missed[0]["outcome"] == "MISSED"
    assert missed[0]["time"] == (start + 5 * MINUTE).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert [event["detail-type"] for event in bus.take()] == [
        "DRS Execution Started",
        "DRS Execution At Risk",
        "DRS Execution Settled",
    ]


def test_an_objective_at_risk_and_slow_servers_are_reported_from_earlier_drills(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    kinds = "started,settled,at_risk,slow"
    world = checked(RTO_MINUTES="11", NOTICE_KINDS=kinds)
    for number in range(4):
        for event in drill(f"drsjob-old-{number}", start - timedelta(days=20 - number), ONE, execution=None):
            ingest.table.put(event, RETENTION)
    slow = [
        event if event.timestamp < start + MINUTE else replace(event, timestamp=start + 3 * (event.timestamp - start))
        for event in drill("drsjob-1", start, ONE)
    ]
    world.play(slow)

    world.run()

    labels = world.labels()
    assert labels.count("objective at risk") == 1
    assert labels.count("objective missed") == 1
    assert labels.count("slow") == 1
    assert labels.index("objective at risk") < labels.index("objective missed")
    assert labels.index("slow") < labels.index("settled")


@pytest.mark.parametrize(
    ("script", "labels"),
    [
        (scripts.terminate([ONE]), []),
        (scripts.converted_snapshot([ONE], "PENDING"), []),
        (scripts.network_recovery("sn-1"), ["started", "settled"]),
        (scripts.silent_failure([ONE]), ["started", "settled"]),
        (scripts.cancelled([ONE]), ["started", "settled"]),
        (scripts.failback([ONE]), ["started", "settled"]),
    ],
)
def test_jobs_that_launch_are_reported(
    checked: Callable[..., CheckedIngest], start: datetime, script: scripts.Script, labels: list[str]
) -> None:
    world = checked()
    world.play(played.events(script, "drsjob-1", created=start))

    world.run()

    assert world.labels() == labels


def test_events_of_other_senders_report_nothing(checked: Callable[..., CheckedIngest], start: datetime) -> None:
    world = checked()
    world.play(replace(event, source="acme.tool", is_foreign=True) for event in drill("drsjob-1", start, ONE))

    world.run()

    assert world.labels() == []


def test_old_executions_are_not_reported(checked: Callable[..., CheckedIngest], start: datetime) -> None:
    """A new installation reads the jobs of the look-back period."""
    world = checked()
    for event in drill("drsjob-1", start - timedelta(days=2), ONE):
        world.receive(event)

    world.run()

    assert world.labels() == []


def test_an_execution_that_was_read_late_is_reported_at_its_end(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    """After an outage of some hours."""
    world = checked()
    for event in drill("drsjob-1", start - timedelta(hours=3), ONE):
        world.receive(event)

    world.run()

    assert world.labels() == ["settled"]


def test_without_a_topic_only_events_are_put(subscriber: Subscriber, start: datetime) -> None:
    cold_start("ingest")
    ingest.claims.start_invocation(LambdaContext())
    world, bus = CheckedIngest(ingest, subscriber, start), Bus()
    world.play(drill("drsjob-1", start, ONE))

    world.run()

    assert world.labels() == []
    assert [event["detail-type"] for event in bus.take()] == ["DRS Execution Started", "DRS Execution Settled"]


# ---------------------------------------------------------------------------------------------------------------------
# The executions table
# ---------------------------------------------------------------------------------------------------------------------


def test_the_executions_table_decides_when_an_execution_settles(
    checked: Callable[..., CheckedIngest], dynamodb: DynamoDBClient, start: datetime
) -> None:
    executions.create(dynamodb, "ExecutionId", "PlanId")
    record: dict[str, Any] = {"ExecutionId": "exec-1", "PlanId": "p", "Waves": [{"JobId": "drsjob-1"}]}
    executions.write(dynamodb, **record, Status="RUNNING")
    world = checked(EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=TABLE_SETTINGS)
    events = drill("drsjob-1", start, ONE)
    world.play(events)

    decided = end_of(events) + 50 * MINUTE
    world.run(decided)
    assert world.labels() == ["started"]
    executions.write(dynamodb, **record, Status="COMPLETED")
    world.run(decided + 2 * MINUTE)

    assert world.labels() == ["settled"]
    world.run()
    assert world.labels() == []


def test_the_start_waits_for_the_linker(
    checked: Callable[..., CheckedIngest], dynamodb: DynamoDBClient, start: datetime
) -> None:
    executions.create(dynamodb, "ExecutionId", "PlanId")
    world = checked(EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=TABLE_SETTINGS)
    events = drill("drsjob-1", start, ONE, execution=None)
    world.play(events)
    world.run(start + 2 * MINUTE)
    assert world.labels() == []
    link(world, events, "exec-7")

    world.run(start + 4 * MINUTE)

    (started,) = world.notices()
    assert started["executionId"] == "exec-7"


def test_a_job_that_is_linked_late_is_not_started_twice(
    checked: Callable[..., CheckedIngest], dynamodb: DynamoDBClient, start: datetime
) -> None:
    executions.create(dynamodb, "ExecutionId", "PlanId")
    world = checked(EXECUTION_HISTORY_TABLE="history", EXECUTION_HISTORY_SETTINGS=TABLE_SETTINGS)
    events = drill("drsjob-1", start, ONE, execution=None)
    world.play(events)
    world.run(start + 5 * MINUTE)
    assert world.labels() == ["started"]
    link(world, events, "exec-7")

    world.run()

    (settled,) = world.notices()
    assert (settled["label"], settled["executionId"]) == ("settled", "exec-7")


def link(world: CheckedIngest, events: list[JobLogEvent], execution: str) -> None:
    """Link the stored events of a job, and those that are not stored yet, as linker and ingest do."""
    world.waiting = [replace(event, execution_id=execution) for event in world.waiting]
    for event in events:
        if event.timestamp <= world.now:
            ingest.table.link(event.job_id, event.key, execution)


# ---------------------------------------------------------------------------------------------------------------------
# Repetition and order
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(data=st.data())
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_fact_is_reported_once_in_any_order_and_with_repetitions(
    checked: Callable[..., CheckedIngest], start: datetime, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Events arrive up to two minutes late and twice. Timers are delivered twice."""
    monkeypatch.setattr("drs_job_log.ingest.checks._INTERVAL", 4 * MINUTE)  # fewer checks
    world = checked(RTO_MINUTES="5")
    number = next(numbers)  # each example has an execution of its own
    execution = f"exec-{number}"
    first = drill(f"drsjob-{number}-1", start, ONE, TWO, execution=execution, failing={TWO: "no rights"})
    pause = data.draw(st.sampled_from([1, 10, 40]), "minutes between the waves")
    second = drill(f"drsjob-{number}-2", end_of(first) + pause * MINUTE, THREE, execution=execution)
    # The steps between do not matter here, and each check reads all events.
    steps = {"JOB_STARTED", "SERVER_LAUNCHED", "SERVER_LAUNCH_FAILED", "JOB_COMPLETED"}
    events = [event for event in (*first, *second) if event.event_type in steps]
    late = data.draw(st.lists(st.integers(0, 110), min_size=len(events), max_size=len(events)), "seconds of delay")
    copies = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)), "delivered twice")
    world.copies = data.draw(st.integers(1, 2), "deliveries of a timer")
    arrivals = sorted(
        (event.timestamp + timedelta(seconds=seconds + 5 * copy), place)
        for place, (event, seconds, twice) in enumerate(zip(events, late, copies, strict=True))
        for copy in range(1 + twice)
    )

    for arrival, place in arrivals:
        world.run(arrival)
        world.receive(events[place])
    world.run()

    labels = world.labels()
    ends = ["settled", "continued", "settled (corrected)"] if pause == 40 else ["settled"]
    assert labels.count("started") == 1
    assert [label for label in labels if label in {"settled", "continued", "settled (corrected)"}] == ends
    assert labels.count("objective missed") == 1
    # The table has the drills of earlier examples, from which the end is estimated.
    assert labels.count("objective at risk") <= 1
    assert len(labels) == len(ends) + 2 + labels.count("objective at risk")
    assert world.now <= end_of(second) + timedelta(minutes=24)


def test_a_check_is_made_once_and_continues_its_series_once(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked()
    world.play(drill("drsjob-1", start, ONE))
    world.run(start + timedelta(seconds=5))
    ((_, message),) = world.timers
    check = check_of(message)
    assert check
    world.timers.clear()

    ingest.checks.make(check, start + timedelta(seconds=15))
    ingest.checks.make(check, start + timedelta(seconds=16))

    assert [check_of(message) for _, message in world.timers] == [replace(check, number=1)]


def test_a_check_waits_while_another_one_reports_the_same_fact(
    checked: Callable[..., CheckedIngest], start: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs of an execution start at the same time. The check is not an error, and is not made."""
    world = checked()
    world.play(drill("drsjob-1", start, ONE))
    world.run(start + timedelta(seconds=85))
    assert world.labels() == ["started"]
    check = Check(job_id="drsjob-1", phase="start", series="other", number=0)

    def report(*_: object) -> None:
        raise IdempotencyAlreadyInProgressError

    with monkeypatch.context() as patch:
        patch.setattr(ingest.checks._notifier, "continued", report)
        world.timers.clear()
        ingest.checks.make(check, world.now)
        ((_, message),) = world.timers

    assert check_of(message) == check
    ingest.checks.make(check, world.now)
    assert len(world.timers) == 1


def test_the_message_of_a_check_is_a_check() -> None:
    check = Check(job_id='a"b', phase="end", series="c", number=3)

    assert check_of(check.to_message()) == check
    assert check_of(dumps(job_log({"jobID": "drsjob-1", "eventType": "check"}))) is None


# ---------------------------------------------------------------------------------------------------------------------
# Recovery plans
# ---------------------------------------------------------------------------------------------------------------------


def plan_events(status: str, start: datetime, now: datetime, wait: str, **execution: str) -> list[JobLogEvent]:
    """Return the events of a plan with a completed step and a step that waits for 60 minutes."""
    arn = "arn:aws:drs:us-east-1:111122223333:recovery-plan-execution/rpe-1"
    times = {"attempt": 1, "updatedAt": now.isoformat()}
    servers = [{"serverArn": f"arn:aws:drs:us-east-1:111122223333:source-server/{one}"} for one in (ONE, TWO)]
    steps = {
        1: {"configuration": {"executionServerStepConfiguration": {"servers": servers}}, "status": "COMPLETED"},
        2: {"configuration": {"waitStepConfiguration": {"waitDurationMinutes": 60}}, "status": wait},
    }
    details = plans.events_of(
        {"recoveryPlanExecutionArn": arn, "recoveryPlanArn": arn, "startedAt": start.isoformat(), "mode": "DRILL"}
        | {"status": status, **execution},
        {index: step | {"stepIndex": index, "stepName": f"step {index}"} | times for index, step in steps.items()},
        "shop",
        now,
    )
    return [
        parse(dumps(job_log(detail | {"logDateTime": format_time(time)}, source="drs.job-log")))
        for time, detail in details.values()
    ]


@pytest.mark.parametrize(
    ("status", "last", "outcome"), [("COMPLETED", "COMPLETED", "COMPLETED"), ("CANCELLED", "SKIPPED", "TERMINATED")]
)
def test_the_end_of_a_recovery_plan_is_reported_and_not_that_of_its_last_job(
    status: str, last: str, outcome: str, checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked()
    events = drill("drsjob-1", start, ONE, TWO, execution="rpe-1")
    ended = end_of(events)
    plan_end = ended + 60 * MINUTE
    waiting = plan_events("IN_PROGRESS", start, ended, "WAITING")
    over = plan_events(status, start, plan_end, last, completedAt=plan_end.isoformat())
    world.play([*events, *waiting, *[event for event in over if event.event_type in PLAN_ENDS]])

    world.run(plan_end - MINUTE)
    (started,) = world.notices()
    world.run(plan_end + 4 * MINUTE)
    (settled,) = world.notices()
    world.run()

    assert world.notices() == []
    assert started["summary"] == "Recovery plan shop (rpe-1) started with 2 servers"
    assert (settled["kind"], settled["outcome"]) == ("settled", outcome)
    assert settled["summary"].startswith("Recovery plan shop (rpe-1) ")


def test_a_recovery_plan_that_starts_no_job_has_no_report_of_an_execution(
    checked: Callable[..., CheckedIngest], start: datetime
) -> None:
    world = checked()
    world.play(plan_events("FAILED", start, start + MINUTE, "NOT_STARTED", completedAt=start.isoformat()))
    world.run()

    assert world.notices() == []
