"""The simulator plays recovery plans and recovery instances."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator, check
from tests.support.plans import Plan, ServerStep, WaitStep
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator

DB, WEB, REPORTS = (server_id(number) for number in (1, 2, 3))
START = datetime(2026, 9, 1, 12, tzinfo=UTC)

failing_db = partial(scripts.launch, failing={DB: "no capacity"})
TWO_STEPS = Plan(name="shop", steps=[ServerStep(name="data", critical=[DB]), ServerStep(name="web", critical=[WEB])])
FAILING = replace(TWO_STEPS, steps=[replace(TWO_STEPS.steps[0], attempts=[failing_db]), TWO_STEPS.steps[1]])


class World:
    """A simulator whose clock a test sets, and a client of it."""

    def __init__(self) -> None:
        self.now = START
        self.simulator = Simulator(clock=lambda: self.now)
        self.drs: Any = None

    def start(self, plan: Plan, **options: Any) -> str:
        self.arn = self.simulator.start_plan(plan, **options)
        return self.arn

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def status(self) -> str:
        answer = self.drs.get_recovery_plan_execution(recoveryPlanExecutionArn=self.arn)
        return answer["recoveryPlanExecution"]["status"]

    def steps(self) -> list[dict[str, Any]]:
        answer = self.drs.list_recovery_plan_execution_steps(recoveryPlanExecutionArn=self.arn)
        return answer["recoveryPlanExecutionSteps"]

    def statuses(self) -> list[str]:
        return [step["status"] for step in self.steps()]

    def jobs(self, step: int) -> dict[str, str]:
        """Return the job IDs of the servers of a step that have one."""
        servers = self.steps()[step - 1]["configuration"]["executionServerStepConfiguration"]["servers"]
        return {server["serverArn"].rpartition("/")[2]: server["jobID"] for server in servers if "jobID" in server}

    def instances(self, **filters: Any) -> list[dict[str, Any]]:
        return self.drs.describe_recovery_instances(filters=filters)["items"]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with DrsServer(world.simulator) as server:
        world.drs = boto3.client("drs", region_name="us-east-1", endpoint_url=server.endpoint)
        yield world


# ---------------------------------------------------------------------------------------------------------------------
# Executions
# ---------------------------------------------------------------------------------------------------------------------


def test_each_step_starts_a_job_when_the_step_before_has_ended(world: World) -> None:
    arn = world.start(TWO_STEPS, tags={"Team": "shop"})
    assert (world.status(), world.statuses(), world.jobs(1)) == ("CREATED", ["NOT_STARTED", "NOT_STARTED"], {})

    world.wait(seconds=2.5)  # the step has begun, but not its job
    assert (world.status(), world.statuses(), world.jobs(1)) == ("IN_PROGRESS", ["EXECUTING", "NOT_STARTED"], {})
    assert world.drs.describe_jobs()["items"] == []

    world.wait(seconds=1)
    (job,) = world.drs.describe_jobs()["items"]
    assert world.jobs(1) == {DB: job["jobID"]}
    assert (job["initiatedBy"], job["tags"]) == ("START_DRILL", {})
    assert job["creationDateTime"] == "2026-09-01T12:00:03+00:00"

    first = world.simulator.jobs[job["jobID"]]
    world.now = first.began + first.script.end
    assert world.statuses() == ["COMPLETED", "EXECUTING"]
    world.wait(seconds=1)
    assert world.jobs(1) == {DB: job["jobID"]}
    second = world.simulator.jobs[world.jobs(2)[WEB]]
    assert second.began == world.now

    world.wait(hours=30)  # the limit of 24 hours concerns running steps only
    assert (world.status(), world.statuses()) == ("COMPLETED", ["COMPLETED", "COMPLETED"])
    execution = world.simulator.execution(arn)
    assert execution["completedAt"] == (second.began + second.script.end).isoformat()
    assert (execution["startedAt"], execution["tags"]) == ("2026-09-01T12:00:00+00:00", {"Team": "shop"})
    assert "errorDetail" not in execution


def test_a_recovery_starts_recovery_jobs(world: World) -> None:
    world.start(TWO_STEPS, mode="RECOVERY")
    world.wait(seconds=5)

    assert [job["initiatedBy"] for job in world.drs.describe_jobs()["items"]] == ["START_RECOVERY"]


def test_a_wait_step_waits_until_its_minutes_are_over(world: World) -> None:
    world.start(Plan(name="p", steps=[TWO_STEPS.steps[0], WaitStep(name="warm up", minutes=10), TWO_STEPS.steps[1]]))
    world.wait(minutes=20)
    (job,) = (world.simulator.jobs[job] for job in world.jobs(1).values())
    end = job.began + job.script.end

    world.now = end + timedelta(minutes=9, seconds=59)
    assert world.statuses() == ["COMPLETED", "WAITING", "NOT_STARTED"]
    assert world.steps()[1]["configuration"] == {"waitStepConfiguration": {"waitDurationMinutes": 10}}
    world.wait(seconds=1)
    assert world.statuses() == ["COMPLETED", "COMPLETED", "EXECUTING"]


def test_a_failed_critical_server_stops_the_plan_until_a_retry(world: World) -> None:
    step = ServerStep(name="data", critical=[DB, WEB], optional=[REPORTS], attempts=[failing_db])
    arn = world.start(Plan(name="p", steps=[step, ServerStep(name="next", critical=[server_id(4)])]))
    world.wait(hours=2)

    assert (world.status(), world.statuses()) == ("FAILED", ["FAILED", "NOT_STARTED"])
    assert DB in world.steps()[0]["errorDetail"]["message"]
    assert world.simulator.execution(arn)["errorDetail"] == world.steps()[0]["errorDetail"]
    before = world.jobs(1)

    world.simulator.retry(arn, 1)
    world.wait(seconds=2)
    assert (world.status(), world.statuses()) == ("IN_PROGRESS", ["EXECUTING", "NOT_STARTED"])
    assert "errorDetail" not in world.simulator.execution(arn)
    assert world.simulator.steps(arn)[0]["attempt"] == 2
    after = world.jobs(1)
    assert after[DB] != before[DB]
    assert {server: after[server] for server in (WEB, REPORTS)} == {server: before[server] for server in (WEB, REPORTS)}
    assert world.simulator.jobs[after[DB]].script.servers == [DB]

    world.wait(hours=2)
    assert (world.status(), world.statuses()) == ("COMPLETED", ["COMPLETED", "COMPLETED"])


def test_a_step_can_fail_again(world: World) -> None:
    step = ServerStep(name="data", critical=[DB], attempts=[failing_db, failing_db])
    arn = world.start(Plan(name="p", steps=[step]))
    for attempt in (1, 2):
        world.wait(hours=1)
        assert (world.statuses(), world.simulator.steps(arn)[0]["attempt"]) == (["FAILED"], attempt)
        world.simulator.retry(arn, 1)
    world.wait(hours=1)

    assert (world.status(), world.simulator.steps(arn)[0]["attempt"]) == ("COMPLETED", 3)
    assert len(world.drs.describe_jobs()["items"]) == 3


def test_a_failed_step_can_be_skipped(world: World) -> None:
    arn = world.start(FAILING)
    world.wait(hours=1)
    world.simulator.skip(arn, 1)
    world.wait(seconds=2)
    assert (world.status(), world.statuses()) == ("IN_PROGRESS", ["SKIPPED", "EXECUTING"])

    world.wait(hours=1)
    assert world.status() == "COMPLETED"
    assert world.simulator.execution(arn)["errorDetail"]["message"].startswith("Completed with skipped steps.")


def test_a_later_step_can_be_skipped_in_advance(world: World) -> None:
    arn = world.start(TWO_STEPS)
    world.wait(seconds=10)
    world.simulator.skip(arn, 2)
    assert world.statuses() == ["EXECUTING", "SKIPPED"]

    world.wait(hours=1)
    assert (world.status(), world.statuses(), world.jobs(2)) == ("COMPLETED", ["COMPLETED", "SKIPPED"], {})


def test_a_failed_optional_server_does_not_stop_the_plan(world: World) -> None:
    failing = partial(scripts.launch, failing={REPORTS: "no capacity"})
    step = ServerStep(name="web", critical=[WEB], optional=[REPORTS], attempts=[failing])
    arn = world.start(Plan(name="p", steps=[step]))
    world.wait(hours=1)

    assert (world.status(), world.statuses()) == ("COMPLETED", ["COMPLETED"])
    assert REPORTS in world.steps()[0]["errorDetail"]["message"]
    servers = world.steps()[0]["configuration"]["executionServerStepConfiguration"]["servers"]
    assert [server.get("impactLevel") for server in servers] == [None, "OPTIONAL"]
    assert "errorDetail" not in world.simulator.execution(arn)


def test_a_cancelled_execution_continues_the_running_step(world: World) -> None:
    arn = world.start(TWO_STEPS)
    world.wait(seconds=10)
    world.simulator.cancel(arn)
    assert (world.status(), world.statuses()) == ("CANCELLING", ["EXECUTING", "SKIPPED"])

    world.wait(hours=1)
    assert (world.status(), world.statuses(), world.jobs(2)) == ("CANCELLED", ["COMPLETED", "SKIPPED"], {})
    (job,) = world.simulator.jobs.values()
    assert world.simulator.execution(arn)["completedAt"] == (job.began + job.script.end).isoformat()


def test_an_execution_that_is_cancelled_before_its_first_step_starts_no_job(world: World) -> None:
    world.simulator.cancel(world.start(TWO_STEPS))
    world.wait(hours=1)

    assert (world.status(), world.statuses()) == ("CANCELLED", ["SKIPPED", "SKIPPED"])
    assert world.drs.describe_jobs()["items"] == []


@pytest.mark.parametrize(
    "step",
    [
        ServerStep(name="data", critical=[DB], attempts=[partial(scripts.launch, stuck=[DB])]),
        WaitStep(name="w", minutes=9),
    ],
)
def test_the_running_step_times_out_at_the_limit_of_the_execution(world: World, step: ServerStep | WaitStep) -> None:
    arn = world.start(Plan(name="p", steps=[step, TWO_STEPS.steps[1]], limit=timedelta(minutes=5)))
    world.wait(minutes=4, seconds=59)
    assert (world.status(), world.statuses()[1]) == ("IN_PROGRESS", "NOT_STARTED")
    world.wait(seconds=1)
    assert (world.status(), world.statuses()) == ("TIMED_OUT", ["TIMED_OUT", "NOT_STARTED"])

    world.wait(hours=30)
    assert (world.status(), world.statuses()) == ("TIMED_OUT", ["TIMED_OUT", "NOT_STARTED"])
    with pytest.raises(ApiError):
        world.simulator.skip(arn, 1)


def test_without_a_limit_in_the_plan_an_execution_times_out_after_24_hours(world: World) -> None:
    stuck = ServerStep(name="data", critical=[DB], attempts=[partial(scripts.launch, stuck=[DB])])
    world.start(Plan(name="p", steps=[stuck]))
    world.wait(hours=24, seconds=-1)
    assert world.status() == "IN_PROGRESS"
    world.wait(seconds=1)
    assert world.status() == "TIMED_OUT"


def test_a_plan_that_fails_its_validation_runs_no_step(world: World) -> None:
    world.start(replace(TWO_STEPS, invalid="s-1 has no recovery point"))
    assert world.status() == "CREATED"
    world.wait(hours=1)

    assert (world.status(), world.statuses()) == ("FAILED", ["NOT_STARTED", "NOT_STARTED"])
    assert world.drs.describe_jobs()["items"] == []


def test_a_step_that_fails_its_validation_has_no_job_until_a_retry(world: World) -> None:
    step = ServerStep(name="data", critical=[DB], attempts=["another job is running"])
    arn = world.start(Plan(name="p", steps=[step]))
    world.wait(hours=1)
    assert (world.status(), world.statuses(), world.jobs(1)) == ("FAILED", ["FAILED"], {})

    world.simulator.retry(arn, 1)
    world.wait(hours=1)
    assert (world.status(), list(world.jobs(1))) == ("COMPLETED", [DB])


def test_a_step_can_have_a_job_for_each_server(world: World) -> None:
    step = ServerStep(name="data", critical=[DB, WEB, REPORTS], servers_per_job=1, attempts=[failing_db])
    world.start(Plan(name="p", steps=[step]))
    world.wait(hours=1)

    assert world.statuses() == ["FAILED"]
    assert len(set(world.jobs(1).values())) == 3
    assert set(world.jobs(1).values()) == {job["jobID"] for job in world.drs.describe_jobs()["items"]}


def test_the_state_depends_only_on_the_plan_the_actions_and_the_clock(world: World) -> None:
    """A test that does not look for an hour sees the same times as one that looks each second."""
    arn = world.start(FAILING)
    world.wait(hours=1)
    world.simulator.retry(arn, 1)
    world.wait(hours=2)
    late = (world.simulator.execution(arn), world.simulator.steps(arn), world.drs.describe_jobs()["items"])

    played = world.simulator.executions[arn]
    world.simulator.jobs.clear()
    world.simulator.executions = {arn: played}
    world.now = START
    seen = []
    while world.now < START + timedelta(hours=3):
        seen.append(world.status())
        world.wait(minutes=1)
    assert (world.simulator.execution(arn), world.simulator.steps(arn), world.drs.describe_jobs()["items"]) == late
    assert list(dict.fromkeys(seen)) == ["CREATED", "IN_PROGRESS", "FAILED", "COMPLETED"]


def test_a_faster_simulator_plays_a_plan_faster(world: World) -> None:
    world.simulator.speed = 60
    arn = world.start(Plan(name="p", steps=[WaitStep(name="w", minutes=10), TWO_STEPS.steps[0]]))
    world.wait(seconds=10.04)  # the validation takes 2 s
    assert world.statuses() == ["COMPLETED", "EXECUTING"]
    world.wait(hours=1)
    assert world.status() == "COMPLETED"

    (job,) = world.simulator.jobs.values()
    assert job.began == START + timedelta(minutes=10, seconds=3) / 60
    assert world.simulator.execution(arn)["completedAt"] == (job.began + job.script.end / 60).isoformat()


# ---------------------------------------------------------------------------------------------------------------------
# Actions
# ---------------------------------------------------------------------------------------------------------------------


def test_people_act_through_the_api_too(world: World) -> None:
    arn = world.start(FAILING)
    world.wait(hours=1)
    step = f"{arn}/step/1"

    retried = world.drs.retry_recovery_plan_execution_step(recoveryPlanExecutionStepArn=step)
    assert retried["recoveryPlanExecutionStep"]["attempt"] == 2
    got = world.drs.get_recovery_plan_execution_step(recoveryPlanExecutionStepArn=step)
    assert got["recoveryPlanExecutionStep"] == retried["recoveryPlanExecutionStep"]
    skipped = world.drs.update_recovery_plan_execution_step(
        recoveryPlanExecutionStepArn=f"{arn}/step/2", status="SKIPPED"
    )
    assert skipped["recoveryPlanExecutionStep"]["status"] == "SKIPPED"
    cancelled = world.drs.cancel_recovery_plan_execution(recoveryPlanExecutionArn=arn)
    assert cancelled["recoveryPlanExecution"]["status"] == "CANCELLING"


@pytest.mark.parametrize("action", ["retry", "skip", "cancel"])
def test_an_action_that_the_state_does_not_allow_is_a_conflict(world: World, action: str) -> None:
    arn = world.start(TWO_STEPS)
    world.wait(hours=3)  # COMPLETED

    with pytest.raises(ApiError) as error:
        getattr(world.simulator, action)(*([arn] if action == "cancel" else [arn, 1]))
    assert error.value.code == "ConflictException"


def test_a_running_step_cannot_be_skipped_and_a_failed_execution_cannot_be_cancelled(world: World) -> None:
    arn = world.start(FAILING)
    world.wait(seconds=10)
    with pytest.raises(ApiError, match="step 1 is EXECUTING"):
        world.simulator.skip(arn, 1)
    world.wait(hours=1)
    with pytest.raises(ApiError, match="the execution is FAILED"):
        world.simulator.cancel(arn)


def test_a_plan_has_one_active_execution(world: World) -> None:
    failed = world.start(FAILING)
    with pytest.raises(ApiError, match="already active"):
        world.start(TWO_STEPS)  # the same name
    world.start(replace(TWO_STEPS, name="another"))
    world.start(TWO_STEPS, region="eu-west-1")

    world.wait(hours=1)
    world.start(TWO_STEPS)
    with pytest.raises(ApiError, match="already active"):
        world.simulator.retry(failed, 1)


# ---------------------------------------------------------------------------------------------------------------------
# Lists
# ---------------------------------------------------------------------------------------------------------------------


def test_lists_have_pages(world: World) -> None:
    world.simulator.page_size = 2
    arns = []
    for number in range(5):
        arns.append(world.start(Plan(name=f"p{number}", steps=[WaitStep(name=f"w{n}", minutes=1) for n in range(5)])))
        world.wait(seconds=1)

    pages = list(world.drs.get_paginator("list_recovery_plan_executions").paginate())
    listed = [item["recoveryPlanExecutionArn"] for page in pages for item in page["recoveryPlanExecutions"]]
    assert (len(pages), listed) == (3, arns[::-1])
    paginator = world.drs.get_paginator("list_recovery_plan_execution_steps")
    pages = list(paginator.paginate(recoveryPlanExecutionArn=arns[0]))
    steps = [step["stepName"] for page in pages for step in page["recoveryPlanExecutionSteps"]]
    assert (len(pages), steps) == (3, ["w0", "w1", "w2", "w3", "w4"])


def test_lists_have_filters(world: World) -> None:
    failed, other = world.start(FAILING), world.start(replace(TWO_STEPS, name="another"))
    world.start(TWO_STEPS, region="eu-west-1")
    world.wait(hours=2)

    def listed(**request: Any) -> list[str]:
        items = world.drs.list_recovery_plan_executions(**request)["recoveryPlanExecutions"]
        return [item["recoveryPlanExecutionArn"] for item in items]

    plan = world.simulator.execution(failed)["recoveryPlanArn"]
    assert sorted(listed()) == sorted([failed, other])
    assert (listed(status="FAILED"), listed(status="COMPLETED")) == ([failed], [other])
    assert listed(recoveryPlanArn=plan) == [failed]
    answer = world.drs.list_recovery_plan_execution_steps(
        recoveryPlanExecutionArn=failed, filter={"status": "NOT_STARTED"}
    )
    assert [step["stepIndex"] for step in answer["recoveryPlanExecutionSteps"]] == [2]
    assert world.drs.get_recovery_plan(recoveryPlanArn=plan)["recoveryPlan"]["name"] == "shop"


def test_summaries_have_only_the_members_of_the_model(world: World) -> None:
    world.start(TWO_STEPS, tags={"Team": "shop"})
    world.wait(hours=3)

    (listed,) = world.drs.list_recovery_plan_executions()["recoveryPlanExecutions"]
    assert listed.keys() == {"recoveryPlanExecutionArn", "recoveryPlanArn", "mode", "status", "startedAt"}
    assert world.steps()[0].keys() == {
        *("recoveryPlanExecutionStepArn", "stepIndex", "stepName", "status", "configuration")
    }


def test_unknown_executions_are_not_found(world: World) -> None:
    arn = world.start(TWO_STEPS, region="eu-west-1")  # of another Region than the client

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        world.drs.list_recovery_plan_execution_steps(recoveryPlanExecutionArn=arn)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        world.drs.get_recovery_plan(recoveryPlanArn=arn)


def test_faults_and_calls_are_those_of_the_operation(world: World) -> None:
    world.simulator.fail("ListRecoveryPlanExecutions", ApiError("AccessDeniedException", "no rights", status=403))

    with pytest.raises(ClientError, match="no rights"):
        world.drs.list_recovery_plan_executions()
    assert world.drs.list_recovery_plan_executions()["recoveryPlanExecutions"] == []
    assert world.simulator.calls["ListRecoveryPlanExecutions"] == 2


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(name="p", steps=[WaitStep(name="w", minutes=121)]), "121 is more than 120"),
        (Plan(name="p", steps=[WaitStep(name="w", minutes=1)] * 21), "21 is more than 20"),
        (Plan(name="p", steps=[WaitStep(name="<w>", minutes=1)]), "does not match"),
        (Plan(name="p", steps=[ServerStep(name="s", critical=[server_id(n) for n in range(101)])]), "more than 100"),
    ],
)
def test_answers_are_checked_against_the_model(world: World, plan: Plan, message: str) -> None:
    arn = world.simulator.start_plan(plan)
    operation = world.drs.meta.service_model.operation_model("ListRecoveryPlanExecutionSteps")

    with pytest.raises(ValueError, match=message):
        world.simulator.answer(operation, {"recoveryPlanExecutionArn": arn}, "us-east-1")


def test_requests_are_checked_against_the_model(world: World) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        world.drs.list_recovery_plan_executions(maxResults=1001)
    with pytest.raises(ClientError, match="ValidationException"):
        world.drs.get_recovery_plan_execution(recoveryPlanExecutionArn="arn:aws:drs:us-east-1:111122223333:<b>")


def test_every_status_of_a_step_is_in_the_model(world: World) -> None:
    status = world.drs.meta.service_model.shape_for("RecoveryPlanExecutionStepStatus")
    with pytest.raises(ValueError, match="'STARTED' is not in"):
        check(status, "STARTED")


# ---------------------------------------------------------------------------------------------------------------------
# Recovery instances
# ---------------------------------------------------------------------------------------------------------------------


def test_a_launched_server_has_a_recovery_instance(world: World) -> None:
    world.simulator.names = {DB: "db", WEB: "web"}
    job = world.simulator.start(scripts.launch([DB, WEB], failing={WEB: "no capacity"}, drill=False))
    world.wait(minutes=1)
    assert world.instances() == []

    world.wait(minutes=19)
    (instance,) = world.instances()
    assert instance == {
        "recoveryInstanceID": scripts.instance_id(DB),
        "arn": f"arn:aws:drs:us-east-1:111122223333:recovery-instance/{scripts.instance_id(DB)}",
        "ec2InstanceID": scripts.instance_id(DB),
        "ec2InstanceState": "RUNNING",
        "sourceServerID": DB,
        "jobID": job,
        "isDrill": False,
        "tags": {"Name": "db"},
        "pointInTimeSnapshotDateTime": "2026-09-01T11:55:00+00:00",
    }


def test_a_script_sets_the_point_in_time(world: World) -> None:
    points = {DB: timedelta(hours=-3), WEB: None}
    world.simulator.start(replace(scripts.launch([DB, WEB]), recovery_points=points))
    world.wait(minutes=20)

    listed = {instance["sourceServerID"]: instance.get("pointInTimeSnapshotDateTime") for instance in world.instances()}
    assert listed == {DB: "2026-09-01T09:00:00+00:00", WEB: None}


def test_recovery_instances_have_filters_pages_and_a_region(world: World) -> None:
    servers = [server_id(number) for number in range(5)]
    world.simulator.start(scripts.launch(servers))
    world.simulator.start(scripts.launch([server_id(9)]), region="eu-west-1")
    world.wait(minutes=20)

    assert [instance["sourceServerID"] for instance in world.instances()] == servers
    assert [i["sourceServerID"] for i in world.instances(sourceServerIDs=servers[:2])] == servers[:2]
    ids = [scripts.instance_id(servers[3])]
    assert [i["sourceServerID"] for i in world.instances(recoveryInstanceIDs=ids)] == [servers[3]]
    world.simulator.page_size = 2
    pages = list(world.drs.get_paginator("describe_recovery_instances").paginate())
    assert [len(page["items"]) for page in pages] == [2, 2, 1]


def test_a_terminate_job_deletes_recovery_instances(world: World) -> None:
    world.simulator.start(scripts.launch([DB, WEB]))
    world.wait(minutes=20)
    world.simulator.start(scripts.terminate([DB]))

    def states() -> dict[str, str]:
        return {instance["sourceServerID"]: instance["ec2InstanceState"] for instance in world.instances()}

    assert states() == {DB: "RUNNING", WEB: "RUNNING"}
    world.wait(seconds=2)
    assert states() == {DB: "SHUTTING-DOWN", WEB: "RUNNING"}
    world.wait(seconds=29)
    assert states() == {DB: "TERMINATED", WEB: "RUNNING"}
    world.wait(seconds=10)
    assert states() == {WEB: "RUNNING"}


def test_a_later_launch_replaces_the_recovery_instance(world: World) -> None:
    first = world.simulator.start(scripts.launch([DB]))
    world.wait(minutes=20)
    second = world.simulator.start(scripts.launch([DB], cleaned=[DB], drill=False))
    world.wait(seconds=10)
    (instance,) = world.instances()
    assert (instance["jobID"], instance["ec2InstanceState"], instance["isDrill"]) == (first, "TERMINATED", True)

    world.wait(minutes=20)
    (instance,) = world.instances()
    assert (instance["jobID"], instance["ec2InstanceState"], instance["isDrill"]) == (second, "RUNNING", False)
