"""Executions of recovery plans on the embedded AWS: from DRS to the log, steps, status, notices and a metric."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.collect.plans import execution_id_of

from tests.support import scripts
from tests.support.deployment import Deployment, deployed, eventually
from tests.support.drs import Simulator
from tests.support.plans import Plan, ServerStep, WaitStep
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MINUTE = timedelta(minutes=1)
SPEED = 60
SERVERS = [server_id(number) for number in range(12)]
# Longer than the pause between two invocations of the collector.
PATIENCE = 110


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    names = {server: f"prod-web-{number:02}" for number, server in enumerate(SERVERS)}
    with deployed(Simulator(speed=SPEED, names=names)) as deployment:
        yield deployment


def failing(*servers: str) -> Callable[..., scripts.Script]:
    return partial(scripts.launch, failing=dict.fromkeys(servers, "no capacity"))


def slow(servers: list[str], *, drill: bool) -> scripts.Script:
    """Return a launch that takes eight times as long."""
    script = scripts.launch(servers, drill=drill)
    steps = [replace(step, after=8 * step.after) for step in script.steps]
    return replace(script, steps=steps, end=8 * script.end if script.end else None)


def plan_of(name: str, servers: list[str], first: Any = scripts.launch, last: Any = scripts.launch) -> Plan:
    """Return a plan: a critical server, a wait of 5 minutes, a critical and an optional server."""
    return Plan(
        name=name,
        steps=[
            ServerStep(name="data", critical=servers[:1], attempts=[first]),
            WaitStep(name="warm up", minutes=5),
            ServerStep(name="web", critical=servers[1:2], optional=servers[2:], attempts=[last]),
        ],
    )


def answer_of(deployment: Deployment, arn: str) -> dict[str, Any]:
    status, answer = deployment.get(f"/executions/{execution_id_of(arn)}/logs?limit=1000")
    assert status == 200, answer
    return answer


def steps_of(answer: dict[str, Any]) -> list[str]:
    return [wave["stepStatus"] for wave in answer["waves"]]


def types_of(answer: dict[str, Any]) -> list[str]:
    return [event["eventType"] for event in answer["logs"] if event["eventType"].startswith("PLAN_")]


def test_plans_with_all_actions_at_the_same_time(deployment: Deployment) -> None:
    """A retried critical failure, an optional failure, a skipped step and a cancelled plan, each with a WAIT step."""
    drs = deployment.drs
    deployment.put_execution("exec-other", ["drsjob-other"])
    before = deployment.execution("exec-other")
    queue_url = deployment.subscribe()
    retried = drs.start_plan(plan_of("retried", SERVERS[:3], first=failing(SERVERS[0])))
    optional = drs.start_plan(plan_of("optional", SERVERS[3:6], last=failing(SERVERS[5])))
    skipped = drs.start_plan(plan_of("skipped", SERVERS[6:9]))
    # A slow machine cancels it while its first step runs.
    cancelled = drs.start_plan(plan_of("cancelled", SERVERS[9:], first=slow))
    drs.skip(skipped, 3)
    deployment.wake()
    eventually(lambda: "PLAN_STARTED" in types_of(answer_of(deployment, cancelled)), seconds=PATIENCE)
    drs.cancel(cancelled)
    eventually(lambda: "PLAN_FAILED" in types_of(answer_of(deployment, retried)), seconds=PATIENCE)
    failed = answer_of(deployment, retried)
    assert (failed["status"], steps_of(failed)) == ("FAILED", ["FAILED", "NOT_STARTED", "NOT_STARTED"])
    assert failed["recoveryPlan"]["status"] == "FAILED"
    drs.retry(retried, 1)
    deployment.wake()

    for arn, end in {
        retried: "PLAN_COMPLETED",
        optional: "PLAN_COMPLETED",
        skipped: "PLAN_COMPLETED",
        cancelled: "PLAN_CANCELLED",
    }.items():
        eventually(lambda arn=arn, end=end: end in types_of(answer_of(deployment, arn)), seconds=PATIENCE)  # type: ignore[misc]
    eventually(lambda: deployment.waiting() == 0)
    answers = [answer_of(deployment, arn) for arn in (retried, optional, skipped, cancelled)]

    assert [answer["status"] for answer in answers] == ["COMPLETED", "PARTIAL", "PARTIAL", "TERMINATED"]
    assert [steps_of(answer) for answer in answers] == [
        ["COMPLETED"] * 3,
        ["COMPLETED"] * 3,
        ["COMPLETED", "COMPLETED", "SKIPPED"],
        ["COMPLETED", "SKIPPED", "SKIPPED"],
    ]
    assert [answer["statusReason"] for answer in answers] == [
        None,
        "DRS reports the recovery plan as completed. It has servers that are not launched: 1.",
        'DRS reports the recovery plan as completed. It has skipped steps: "web".',
        None,
    ]
    assert [answer["summary"]["launched"] for answer in answers] == [3, 2, 1, 1]
    first = answers[0]["waves"][0]
    assert (first["attempt"], len(first["jobIds"])) == (2, 2)
    for answer, arn in zip(answers, (retried, optional, skipped, cancelled), strict=True):
        jobs = [job_id for wave in answer["waves"] for job_id in wave["jobIds"]]
        assert {event["jobId"] for event in answer["logs"]} == {*jobs, execution_id_of(arn)}
        for job_id in jobs:
            types = [row["EventType"] for row in deployment.rows(job_id)]
            assert (len(types), types.count("JOB_LINKED")) == (len(drs.whole_log(job_id)) + 1, 1)
        assert types_of(answer)[0] == "PLAN_STARTED"
        assert len({event["eventId"] for event in answer["logs"] if event["jobId"] == execution_id_of(arn)}) == len(
            types_of(answer)
        )

    def notices() -> list[dict[str, Any]]:
        found.extend(json.loads(body) for body in deployment.take_all(queue_url))
        return [one for message in found for one in message["notices"] if one["kind"] == "plan_failed"]

    found: list[dict[str, Any]] = []
    eventually(lambda: bool(notices()))
    (notice,) = notices()
    assert (notice["executionId"], notice["eventType"]) == (execution_id_of(retried), "PLAN_STEP_FAILED")
    assert [line["PlanFailures"] for line in deployment.metrics() if "PlanFailures" in line] == [[1]]
    # The executions are those of DRS. The table of the orchestrator has none of them.
    assert deployment.execution("exec-other") == before
    assert (
        deployment.stack.client("dynamodb").scan(
            TableName=deployment.outputs["execution_history_table_name"], Select="COUNT"
        )["Count"]
        == 1
    )
    assert deployment.take_all(deployment.outputs["processing_dlq_url"]) == []
