"""The check of drill instances, from DRS to the notice and the answers of the API."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from drs_job_log.collect.drill_check import DrillCheck, DrillCheckResult, Place
from drs_job_log.collect.drill_instances import DrillInstanceCheck, left_instances, left_item
from drs_job_log.collect.drs_client import DrsClient
from drs_job_log.collect.event_bus import EventBus
from drs_job_log.config import CollectorSettings, Target
from drs_job_log.ledger import Ledger
from drs_job_log.model.events import format_time

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator
from tests.support.pipeline import SETTINGS, Pipeline
from tests.support.scripts import server_id
from tests.unit.conftest import NOTIFICATIONS_TABLE, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.unit.conftest import Subscriber

pytestmark = pytest.mark.slow

HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
ONE, TWO, THREE = (server_id(number) for number in (1, 2, 3))
CALL: Final = "DescribeRecoveryInstances"
LEFT: Final = "DRILL_INSTANCES_LEFT"
TODAY: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DRILLED: Final = TODAY - 48 * HOUR + 30 * MINUTE  # two checks follow
FIRST: Final = TODAY - 18 * HOUR  # 06:00
SECOND: Final = TODAY + 6 * HOUR
OWN: Final = Place(account="111122223333", region="us-east-1")


@dataclass
class World:
    """The module with the daily check. ``check`` stores its events."""

    pipeline: Pipeline
    dynamodb: DynamoDBClient
    settings: CollectorSettings = field(default_factory=lambda: SETTINGS)

    def check(self, now: datetime, hours: int = 24) -> DrillCheckResult:
        self.pipeline.now = now
        bus = EventBus(self.pipeline, "default", "drs.job-log")  # type: ignore[arg-type]
        check = DrillCheck(
            [(Target(), self.pipeline.drs)],
            ledger=Ledger(self.dynamodb, TABLE),
            bus=bus,
            dynamodb=self.dynamodb,
            notices_table_name=NOTIFICATIONS_TABLE,
            max_days=None,
            instances=DrillInstanceCheck(self.pipeline.table, bus, self.settings, hours),
        )
        result = check.run(OWN, now, lambda: 60.0)
        self.pipeline.deliver()
        return result

    def forget(self) -> None:
        """Forget which targets are done, as if the invocation had ended before."""
        self.dynamodb.delete_item(TableName=NOTIFICATIONS_TABLE, Key={"id": {"S": "drill-check"}})

    def drill(self, script: scripts.Script | None = None, **tags: str) -> str:
        """Play a drill at ``DRILLED``, and return the ID of its job."""
        self.pipeline.now = DRILLED
        job_id = self.pipeline.start(script or scripts.launch([ONE, TWO]), **tags)
        self.pipeline.now += HOUR
        assert self.pipeline.collect().failures == {}
        return job_id

    @property
    def left(self) -> list[dict[str, Any]]:
        return [detail for detail in self.pipeline.published if detail["eventType"] == LEFT]


@pytest.fixture
def make_world(
    dynamodb: DynamoDBClient, table: JobLogTable, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    with DrsServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)

        def make(**settings: Any) -> World:
            server.simulator = Simulator(names={ONE: "prod-web-01", TWO: "prod-db-01"})
            environment = {"FAILURE_TOPIC_ARN": subscriber.topic_arn, "NOTICE_KINDS": "drill_instances"}
            chosen = replace(SETTINGS, lookback=timedelta(days=4), **settings)
            pipeline = Pipeline(server.simulator, DrsClient(Target()), table, environment, settings=chosen)
            return World(pipeline, dynamodb, chosen)

        yield make


def test_drill_instances_that_are_left_are_reported_once_a_day(
    make_world: Callable[..., World], subscriber: Subscriber
) -> None:
    world = make_world()
    job_id = world.drill(ExecutionId="exec-1")

    first = world.check(FIRST + 3 * timedelta(seconds=1))
    world.forget()
    world.check(FIRST + 6 * HOUR)  # a repeated check of the day
    (notice,) = [message["Document"]["notices"][0] for message in subscriber.take()]
    assert world.check(SECOND).instances == 2

    assert (first.targets, first.instances, first.failures) == (1, 2, {})
    one, repeated, other = world.left
    assert (one["eventId"], one["logDateTime"]) == (repeated["eventId"], repeated["logDateTime"])
    assert one["eventId"] != other["eventId"]
    instances = [scripts.instance_id(ONE), scripts.instance_id(TWO)]
    assert (one["jobID"], one["executionId"], one["isDrill"]) == (job_id, "exec-1", True)
    assert (one["instanceIDs"], one["count"]) == (instances, 2)
    assert one["checkedAt"] == format_time(FIRST + 3 * timedelta(seconds=1))
    assert [server["sourceServerName"] for server in one["servers"]] == ["prod-web-01", "prod-db-01"]
    assert (notice["kind"], notice["executionId"], notice["jobId"]) == ("drill_instances", "exec-1", job_id)
    assert notice["summary"] == (
        f"2 drill instances of job {job_id} are not terminated 24 hours after the drill. Terminate them"
    )
    assert [server["detail"] for server in notice["servers"]] == [f"{id_} (running)" for id_ in instances]
    assert len(subscriber.take()) == 1  # of the next day
    (job,) = world.pipeline.get("executions", "exec-1")["jobs"]
    assert job["drillInstances"] == {"count": 2, "instanceIds": instances, "checkedAt": format_time(SECOND)}


def test_the_report_changes_nothing_else_of_the_execution(make_world: Callable[..., World]) -> None:
    world = make_world()
    job_id = world.drill(ExecutionId="exec-1")

    def facts() -> dict[str, Any]:
        world.pipeline.cold_start()
        body = world.pipeline.get("executions", "exec-1")
        jobs = [{key: job[key] for key in job.keys() - {"drillInstances"}} for job in body["jobs"]]
        return {key: body[key] for key in body.keys() - {"logs", "now", "readAt"}} | {"jobs": jobs}

    before, ledger = facts(), Ledger(world.dynamodb, TABLE).job(job_id)
    assert before["settled"] is True
    world.check(FIRST)
    world.pipeline.play(15 * MINUTE)

    assert facts() == before
    assert Ledger(world.dynamodb, TABLE).job(job_id) == ledger
    assert len(world.left) == 1
    assert len(world.pipeline.get("jobs", job_id)["logs"]) == len({d["eventId"] for d in world.pipeline.published})


@pytest.mark.parametrize(
    "script",
    [
        scripts.launch([ONE], drill=False),
        scripts.launch([ONE], failing={ONE: "no rights"}),
        replace(scripts.launch([ONE]), end=None, steps=scripts.launch([ONE]).steps[:-1]),  # the job runs
    ],
)
def test_other_instances_are_not_reported(make_world: Callable[..., World], script: scripts.Script) -> None:
    world = make_world()
    world.drill(script)

    assert world.check(FIRST).instances == 0
    assert world.left == []


def test_terminated_instances_and_those_of_a_recent_drill_are_not_reported(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.drill()

    assert world.check(DRILLED + 23 * HOUR).instances == 0
    world.forget()
    world.pipeline.now = FIRST - HOUR
    world.pipeline.start(scripts.terminate([ONE]))
    world.check(FIRST)

    (left,) = world.left
    assert left["instanceIDs"] == [scripts.instance_id(TWO)]


def test_a_job_that_is_not_in_the_table_is_not_reported(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.pipeline.now = DRILLED
    world.pipeline.start(scripts.launch([ONE]))

    assert world.check(FIRST).instances == 0


def test_a_job_without_the_tags_of_the_collector_is_not_reported(make_world: Callable[..., World]) -> None:
    world = make_world(only_tagged={"team": "a"})
    world.drill(scripts.launch([ONE]), team="a")
    world.drill(scripts.launch([TWO]))

    world.check(FIRST)

    assert [left["instanceIDs"] for left in world.left] == [[scripts.instance_id(ONE)]]


def test_a_job_that_drs_no_longer_lists_is_reported(make_world: Callable[..., World]) -> None:
    world = make_world()
    script = replace(scripts.launch([ONE]), deleted=2 * HOUR)
    job_id = world.drill(script)

    world.check(FIRST)

    (left,) = world.left
    assert (left["jobID"], left["instanceIDs"], left["isDrill"]) == (job_id, [scripts.instance_id(ONE)], True)


def test_a_failed_check_is_repeated(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.drill()
    world.pipeline.simulator.fail(CALL, ApiError("ValidationException"))

    failed = world.check(FIRST)
    assert (failed.targets, list(failed.failures)) == (0, [str(OWN)])
    assert world.left == []
    assert world.check(FIRST + MINUTE).instances == 2
    assert world.check(FIRST + 2 * MINUTE) == DrillCheckResult()  # done


def test_a_lost_answer_of_the_bus_repeats_the_same_event(
    make_world: Callable[..., World], subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    job_id = world.drill()
    put = world.pipeline.put_events

    def lose(**request: Any) -> dict[str, Any]:
        put(**request)
        raise ConnectionError

    monkeypatch.setattr(world.pipeline, "put_events", lose)
    assert world.check(FIRST).failures
    monkeypatch.undo()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", "unused")
    world.check(FIRST + MINUTE)

    assert len(world.left) == 2
    logs = world.pipeline.get("jobs", job_id)["logs"]
    assert sum(entry["eventType"] == LEFT for entry in logs) == 1
    assert len(subscriber.take()) == 1


def test_a_denied_request_is_logged_and_no_failure(
    make_world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world()
    world.drill()
    world.pipeline.simulator.fail(CALL, ApiError("AccessDeniedException", "no", status=403))

    assert world.check(FIRST) == DrillCheckResult(targets=1)
    assert any("lacks the permission drs:DescribeRecoveryInstances" in one.getMessage() for one in caplog.records)


@pytest.mark.parametrize(
    ("state", "is_left"),
    [
        *((state, True) for state in ("PENDING", "RUNNING", "STOPPING", "STOPPED")),
        *((state, False) for state in ("SHUTTING-DOWN", "TERMINATED", "NOT_FOUND")),
    ],
)
def test_an_instance_is_left_until_it_is_terminated(state: Any, is_left: bool) -> None:
    assert bool(left_instances([{"isDrill": True, "ec2InstanceState": state, "jobID": "drsjob-1"}])) == is_left


@pytest.mark.parametrize(
    ("now", "time"),
    [
        (FIRST + 7 * HOUR, FIRST),
        (FIRST + 13 * HOUR, FIRST),
        (FIRST - HOUR, FIRST - 6 * HOUR),
    ],
)
def test_the_time_of_the_event_is_the_same_for_all_checks_of_a_day(now: datetime, time: datetime) -> None:
    job: Any = {"jobID": "drsjob-1", "creationDateTime": DRILLED.isoformat()}

    assert left_item(job, [], {}, 1, now).timestamp == time
    recent: Any = {"jobID": "drsjob-1", "creationDateTime": (FIRST + 10 * MINUTE).isoformat()}
    assert left_item(recent, [], {}, 1, FIRST + 7 * HOUR).timestamp == FIRST + HOUR + 10 * MINUTE
