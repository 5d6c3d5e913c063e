"""Executions of recovery plans, from the answers of DRS to the API's answer and the notifications."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from drs_job_log.collect.collector import PassRequest
from drs_job_log.collect.plans import execution_id_of
from drs_job_log.model.events import parse_time

from tests.support import executions, scripts
from tests.support.drs import ApiError, throttling
from tests.support.functions import LambdaContext
from tests.support.pipeline import SETTINGS
from tests.support.plans import Plan, ServerStep, WaitStep
from tests.support.scripts import server_id
from tests.support.tables import rows as rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.pipeline import Pipeline
    from tests.unit.conftest import Subscriber

pytestmark = pytest.mark.slow  # together a minute

MINUTE: Final = timedelta(minutes=1)
DB, WEB, REPORTS = (server_id(number) for number in (1, 2, 3))

SHOP: Final = Plan(
    name="shop",
    steps=[
        ServerStep(name="data", critical=[DB]),
        WaitStep(name="warm up", minutes=10),
        ServerStep(name="web", critical=[WEB], optional=[REPORTS]),
    ],
)


def rows(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return the items of the events table."""
    return rows_of(pipeline.table._client, pipeline.table._table_name)


def failing(*servers: str) -> Callable[..., scripts.Script]:
    return partial(scripts.launch, failing=dict.fromkeys(servers, "no capacity"))


def start(pipeline: Pipeline, plan: Plan = SHOP, **options: Any) -> tuple[str, str]:
    """Start a plan. Return the ARN and the ID of its execution."""
    arn = pipeline.simulator.start_plan(plan, **options)
    return arn, execution_id_of(arn)


def plan_types(answer: dict[str, Any]) -> list[str]:
    return [event["eventType"] for event in answer["logs"] if event["eventType"].startswith("PLAN_")]


def subjects(subscriber: Subscriber) -> list[str]:
    return [message["Subject"] for message in subscriber.take()]


def listed(pipeline: Pipeline, execution_id: str) -> dict[str, Any]:
    """Return the execution in the list of executions."""
    request = {"routeKey": "GET /executions", "rawPath": "/executions", "queryStringParameters": {}}
    answer = pipeline.api.lambda_handler(request, LambdaContext())
    assert answer["statusCode"] == 200, answer
    (found,) = (one for one in json.loads(answer["body"])["executions"] if one["executionId"] == execution_id)
    return dict(found)


def assert_listed_as_in_its_log(pipeline: Pipeline, execution_id: str) -> None:
    answer, entry = pipeline.execution(execution_id), listed(pipeline, execution_id)
    names = ("status", "settled", "durationSeconds")
    assert {name: entry[name] for name in names[:2]} == {name: answer[name] for name in names[:2]}
    assert entry["counts"]["launched"] == answer["summary"]["launched"]


def statuses(answer: dict[str, Any]) -> list[str]:
    return [wave["stepStatus"] for wave in answer["waves"]]


def test_plan_that_succeeds(pipeline: Pipeline, subscriber: Subscriber) -> None:
    _, execution_id = start(pipeline)
    pipeline.play(90 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert plan_types(answer) == [
        "PLAN_STARTED",
        "PLAN_STEP_STARTED",
        "PLAN_STEP_COMPLETED",
        "PLAN_STEP_WAITING",
        "PLAN_STEP_COMPLETED",
        "PLAN_STEP_STARTED",
        "PLAN_STEP_COMPLETED",
        "PLAN_COMPLETED",
    ]
    assert [event["message"] for event in answer["logs"] if event["eventType"].startswith("PLAN_")] == [
        "Recovery plan shop started: 3 steps",
        'Step 1 "data" started with 1 server',
        'Step 1 "data" completed',
        'Step 2 "warm up" waits for 10 minutes',
        'Step 2 "warm up" completed',
        'Step 3 "web" started with 2 servers',
        'Step 3 "web" completed',
        "Recovery plan shop completed",
    ]
    assert (answer["status"], answer["settled"], answer["statusReason"]) == ("COMPLETED", True, None)
    assert answer["summary"]["launched"] == answer["summary"]["totalServers"] == 3
    assert (answer["recoveryPlan"]["name"], answer["recoveryPlan"]["status"]) == ("shop", "COMPLETED")
    first, second = answer["jobs"]
    assert [wave["jobIds"] for wave in answer["waves"]] == [[first["jobId"]], [], [second["jobId"]]]
    assert statuses(answer) == ["COMPLETED"] * 3
    assert [(wave["kind"], wave["criticalServers"], wave["optionalServers"]) for wave in answer["waves"]] == [
        ("SERVERS", [DB], []),
        ("WAIT", [], []),
        ("SERVERS", [WEB], [REPORTS]),
    ]
    assert_listed_as_in_its_log(pipeline, execution_id)
    assert subjects(subscriber) == []


def test_nothing_is_settled_while_a_step_waits(pipeline: Pipeline) -> None:
    """The first job ended more than 15 minutes ago, when no further wave is expected without a plan."""
    plan = replace(SHOP, steps=[SHOP.steps[0], WaitStep(name="warm up", minutes=100), SHOP.steps[2]])
    _, execution_id = start(pipeline, plan)
    pipeline.play(60 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert answer["jobs"][0]["status"] == "COMPLETED"
    assert (answer["status"], answer["settled"], answer["plannedWaves"]) == ("IN_PROGRESS", False, 3)
    waiting = answer["waves"][1]
    assert (waiting["stepStatus"], waiting["waitMinutes"], waiting["jobId"]) == ("WAITING", 100, None)
    since = pipeline.simulator.steps(next(iter(pipeline.simulator.executions)))[1]["updatedAt"]
    assert parse_time("waitingUntil", waiting["waitingUntil"]) == parse_time("", since) + 100 * MINUTE
    assert_listed_as_in_its_log(pipeline, execution_id)


def test_failed_step_waits_for_a_person_who_retries_it(pipeline: Pipeline, subscriber: Subscriber) -> None:
    plan = replace(SHOP, steps=[replace(SHOP.steps[0], attempts=[failing(DB)]), *SHOP.steps[1:]])
    arn, execution_id = start(pipeline, plan)
    pipeline.play(40 * MINUTE)

    failed = pipeline.execution(execution_id)

    assert plan_types(failed)[2:] == ["PLAN_STEP_FAILED", "PLAN_FAILED"]
    assert (failed["status"], failed["recoveryPlan"]["status"]) == ("FAILED", "FAILED")
    assert statuses(failed) == ["FAILED", "NOT_STARTED", "NOT_STARTED"]
    assert_listed_as_in_its_log(pipeline, execution_id)
    (notice,) = [message for message in subscriber.take() if "Recovery plan" in message["Subject"]]
    assert notice["Subject"].startswith('[drs-job-log] Drill: Recovery plan shop: Step 1 "data" failed')
    (document,) = notice["Document"]["notices"]
    assert (document["kind"], document["executionId"]) == ("plan_failed", execution_id)

    pipeline.simulator.retry(arn, 1)
    pipeline.play(60 * MINUTE)
    answer = pipeline.execution(execution_id)

    assert Counter(plan_types(answer)) == {
        "PLAN_STARTED": 1,
        "PLAN_STEP_STARTED": 3,
        "PLAN_STEP_FAILED": 1,
        "PLAN_FAILED": 1,
        "PLAN_STEP_WAITING": 1,
        "PLAN_STEP_COMPLETED": 3,
        "PLAN_COMPLETED": 1,
    }
    # A server that launched in the second attempt counts once.
    assert (answer["status"], answer["settled"], answer["summary"]["launched"]) == ("COMPLETED", True, 3)
    assert (answer["waves"][0]["attempt"], len(answer["waves"][0]["jobIds"])) == (2, 2)
    assert {row["ExecutionId"] for row in rows(pipeline) if row["JobId"].startswith("drsjob")} == {execution_id}
    assert_listed_as_in_its_log(pipeline, execution_id)


def test_events_that_a_pass_had_no_time_to_send_are_sent_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(pipeline)
    with monkeypatch.context() as patched:
        patched.setattr(pipeline.collector, "_plan_entries", lambda: iter(()))
        pipeline.collect()
    assert "PLAN_STARTED" not in [event["eventType"] for event in pipeline.published]

    pipeline.collect(timedelta(seconds=3))

    assert Counter(event["eventType"] for event in pipeline.published)["PLAN_STARTED"] == 1


def test_action_that_wakes_the_collector_is_read_at_once(pipeline: Pipeline) -> None:
    """A failed plan is listed about once a minute, and the WAIT step that follows starts no job."""
    plan = replace(SHOP, steps=[replace(SHOP.steps[0], attempts=[failing(DB)]), *SHOP.steps[1:]])
    arn, _ = start(pipeline, plan)
    pipeline.play(40 * MINUTE)
    pipeline.collect(MINUTE)
    pipeline.simulator.skip(arn, 1)

    assert pipeline.collect(timedelta(seconds=1)).emitted == 0
    pipeline.collector.collect(PassRequest(is_woken=True), pipeline.now)
    assert "PLAN_STEP_WAITING" in [event["eventType"] for event in pipeline.published]


def test_retry_that_fails_again_is_another_failure(pipeline: Pipeline, subscriber: Subscriber) -> None:
    step = replace(SHOP.steps[0], attempts=[failing(DB), failing(DB)])
    arn, execution_id = start(pipeline, replace(SHOP, steps=[step]))
    pipeline.play(20 * MINUTE)
    pipeline.simulator.retry(arn, 1)
    pipeline.play(20 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert Counter(plan_types(answer))["PLAN_STEP_FAILED"] == 2
    assert Counter(plan_types(answer))["PLAN_FAILED"] == 2
    assert sum("Recovery plan" in subject for subject in subjects(subscriber)) == 2
    assert (answer["waves"][0]["stepStatus"], answer["waves"][0]["attempt"]) == ("FAILED", 2)


def test_retry_that_fails_again_without_a_job_is_another_failure(pipeline: Pipeline) -> None:
    """Between two lists. Only the attempt of the step changed, which the list does not have."""
    invalid = "The launch template is not valid."
    plan = replace(SHOP, steps=[replace(SHOP.steps[0], attempts=[invalid] * 4), *SHOP.steps[1:]])
    arn, execution_id = start(pipeline, plan)
    pipeline.play(2 * MINUTE)
    assert Counter(plan_types(pipeline.execution(execution_id)))["PLAN_STEP_FAILED"] == 1

    pipeline.simulator.retry(arn, 1)
    pipeline.play(2 * MINUTE)

    answer = pipeline.execution(execution_id)
    assert Counter(plan_types(answer))["PLAN_STEP_FAILED"] == 2
    assert answer["waves"][0]["attempt"] > 1


def test_completed_plan_with_a_failed_optional_server_is_partial(pipeline: Pipeline) -> None:
    step = replace(SHOP.steps[2], attempts=[failing(REPORTS)])
    _, execution_id = start(pipeline, replace(SHOP, steps=[SHOP.steps[0], step]))
    pipeline.play(90 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert (answer["status"], answer["settled"], answer["recoveryPlan"]["status"]) == ("PARTIAL", True, "COMPLETED")
    assert answer["statusReason"] == (
        "DRS reports the recovery plan as completed. It has servers that are not launched: 1."
    )
    assert_listed_as_in_its_log(pipeline, execution_id)


def test_completed_plan_with_a_skipped_step_is_partial(pipeline: Pipeline) -> None:
    arn, execution_id = start(pipeline)
    pipeline.play(MINUTE)
    pipeline.simulator.skip(arn, 3)
    pipeline.play(60 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert plan_types(answer)[-2:] == ["PLAN_STEP_COMPLETED", "PLAN_COMPLETED"]
    assert "PLAN_STEP_SKIPPED" in plan_types(answer)
    assert answer["logs"][-1]["message"] == 'Recovery plan shop completed without the step "web"'
    assert (answer["status"], answer["settled"]) == ("PARTIAL", True)
    assert answer["statusReason"] == 'DRS reports the recovery plan as completed. It has skipped steps: "web".'
    assert_listed_as_in_its_log(pipeline, execution_id)


def test_cancelled_plan(pipeline: Pipeline) -> None:
    arn, execution_id = start(pipeline)
    pipeline.play(MINUTE)
    pipeline.simulator.cancel(arn)
    pipeline.collect(MINUTE)
    assert pipeline.execution(execution_id)["recoveryPlan"]["status"] in {"CANCELLING", "IN_PROGRESS"}
    pipeline.play(60 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert plan_types(answer)[-1] == "PLAN_CANCELLED"
    assert (answer["status"], answer["settled"]) == ("TERMINATED", True)
    assert statuses(answer) == ["COMPLETED", "SKIPPED", "SKIPPED"]
    assert_listed_as_in_its_log(pipeline, execution_id)


def test_step_that_times_out(pipeline: Pipeline, subscriber: Subscriber) -> None:
    step = replace(SHOP.steps[0], attempts=[partial(scripts.launch, stuck=[DB])])
    _, execution_id = start(pipeline, replace(SHOP, steps=[step, *SHOP.steps[1:]], limit=30 * MINUTE))
    pipeline.play(40 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert plan_types(answer)[-2:] == ["PLAN_STEP_TIMED_OUT", "PLAN_FAILED"]
    assert sum("timed out" in subject for subject in subjects(subscriber)) == 1


def test_plan_that_fails_before_its_first_step(pipeline: Pipeline, subscriber: Subscriber) -> None:
    _, execution_id = start(pipeline, replace(SHOP, invalid="the role AWSElasticDisasterRecovery is missing"))
    pipeline.play(20 * MINUTE)

    answer = pipeline.execution(execution_id)

    assert plan_types(answer) == ["PLAN_STARTED", "PLAN_FAILED"]
    assert (answer["status"], answer["jobs"]) == ("FAILED", [])
    assert_listed_as_in_its_log(pipeline, execution_id)
    (message,) = subscriber.take()
    assert "AWSElasticDisasterRecovery is missing" in message["Message"]


DENIED: Final = ApiError("AccessDeniedException", "not authorized", status=403)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("ListRecoveryPlanExecutions", DENIED),
        ("ListRecoveryPlanExecutionSteps", DENIED),
        ("GetRecoveryPlan", DENIED),
        ("GetRecoveryPlanExecution", DENIED),
        ("GetRecoveryPlanExecutionStep", DENIED),
        ("ListRecoveryPlanExecutions", throttling("600")),
        ("ListRecoveryPlanExecutions", ApiError("UnknownOperationException", status=404)),
        ("ListRecoveryPlanExecutions", ApiError("InternalServerException", status=500)),
    ],
    ids=lambda value: value.code if isinstance(value, ApiError) else value,
)
def test_log_of_a_job_is_complete_without_the_operations_of_plans(
    operation: str, error: ApiError, pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    start(pipeline)
    pipeline.simulator.fail(operation, *[error] * 2000)
    result = None
    for _ in range(20):
        result = pipeline.collect(MINUTE)
        assert result.failures == {}
    job_id = min(pipeline.simulator.jobs, key=lambda job: pipeline.simulator.jobs[job].began)

    assert result
    assert result.unread_plans == 1
    assert len([row for row in rows(pipeline) if row["JobId"] == job_id]) == len(pipeline.simulator.whole_log(job_id))
    assert caplog.text.count("Recovery plans not read") == 1


@pytest.mark.parametrize("minutes", [3, 40])
def test_plan_that_could_not_be_read_is_linked_later(minutes: int, pipeline: Pipeline) -> None:
    """Its first job runs, or has ended long ago."""
    _, execution_id = start(pipeline)
    pipeline.simulator.fail("ListRecoveryPlanExecutions", *[DENIED] * minutes)
    pipeline.play(minutes * MINUTE, MINUTE)
    pipeline.simulator.clear_faults()
    pipeline.play(50 * MINUTE)
    jobs = sorted({row["JobId"] for row in rows(pipeline) if "ExecutionId" not in row})
    pipeline.linker.lambda_handler({"jobIds": jobs}, LambdaContext())

    answer = pipeline.execution(execution_id)

    assert jobs
    assert (plan_types(answer)[0], plan_types(answer)[-1]) == ("PLAN_STARTED", "PLAN_COMPLETED")
    assert {row.get("ExecutionId") for row in rows(pipeline)} == {execution_id}
    assert [len(wave["jobIds"]) for wave in answer["waves"]] == [1, 0, 1]
    assert (answer["status"], answer["summary"]["launched"]) == ("COMPLETED", 3)


def test_plan_changes_nothing_in_an_executions_table(
    make_pipeline: Callable[..., Pipeline], dynamodb: DynamoDBClient
) -> None:
    pipeline = make_pipeline(allowScan=True)
    executions.write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[])
    before = executions.records(dynamodb)
    _, execution_id = start(pipeline)
    pipeline.play(60 * MINUTE)

    assert pipeline.execution(execution_id)["status"] == "COMPLETED"
    assert executions.records(dynamodb) == before


def test_other_instances_store_nothing_twice(pipeline: Pipeline) -> None:
    """Each pass is that of a new instance, before the events of the pass before are stored."""
    plan = replace(SHOP, steps=[replace(SHOP.steps[0], attempts=[failing(DB)]), *SHOP.steps[1:]])
    arn, execution_id = start(pipeline, plan)
    for number in range(130):
        if number == 60:
            pipeline.simulator.retry(arn, 1)
        pipeline.now += 40 * timedelta(seconds=1)
        for _ in range(2):
            pipeline.cold_start()
            pipeline.collector.collect(PassRequest(), pipeline.now)
        if number % 3 == 0:
            pipeline.deliver()
    pipeline.deliver()

    types = Counter(plan_types(pipeline.execution(execution_id)))

    assert max(count for name, count in types.items() if name not in {"PLAN_STEP_STARTED", "PLAN_STEP_COMPLETED"}) == 1
    assert (types["PLAN_STEP_STARTED"], types["PLAN_STEP_COMPLETED"]) == (3, 3)


def test_plans_are_not_read_if_it_is_disabled(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    pipeline.settings = replace(SETTINGS, reads_plans=False)
    pipeline.cold_start()
    start(pipeline)
    pipeline.play(5 * MINUTE)

    assert {row["EventType"] for row in rows(pipeline)} >= {"JOB_STARTED"}
    assert not any("Plan" in operation for operation in pipeline.simulator.calls)


def test_only_plans_with_the_tags_are_read(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline()
    pipeline.settings = replace(SETTINGS, only_tagged={"Team": "shop"})
    pipeline.cold_start()
    _, own = start(pipeline, tags={"Team": "shop"})
    _, other = start(pipeline, replace(SHOP, name="other", steps=[ServerStep(name="x", critical=[server_id(9)])]))
    pipeline.play(40 * MINUTE)

    assert plan_types(pipeline.execution(own))[:3] == ["PLAN_STARTED", "PLAN_STEP_STARTED", "PLAN_STEP_COMPLETED"]
    assert pipeline.execution(own)["jobs"]
    assert pipeline.execution(other)["logs"] == []
