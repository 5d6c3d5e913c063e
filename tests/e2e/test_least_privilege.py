"""Each function's role has the permissions that it needs. The embedded AWS enforces authorization here."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from botocore.credentials import Credentials

from tests.support import played, scripts
from tests.support.deployment import Deployment, Signed, deployed, eventually
from tests.support.documented import Block, Shell, with_aws_cli
from tests.support.drs import Simulator
from tests.support.terraform import ROOT
from tests.support.viewer_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def strict() -> Iterator[Deployment]:
    # With authorization, the policies of the queues refuse plain HTTP.
    inputs = "readiness = { max_days_without_drill = 30 }"
    with deployed(Simulator(speed=20), settings={"AUTH": "true"}, tls=True, inputs=inputs) as deployment:
        # The embedded AWS does not support events:source and events:detail-type, and dynamodb:Attributes not for
        # updates. The tests in tests/terraform assert these conditions.
        for function in ("collector", "ingest", "linker"):
            change(
                deployment,
                deployment.outputs[f"{function}_role_name"],
                lambda statement: {name: value for name, value in statement.items() if name != "Condition"},
            )
        yield deployment


def test_ingest_can_send_messages_to_its_queue_only(strict: Deployment) -> None:
    queue_arn, *others = (
        strict.stack.client("sqs").get_queue_attributes(QueueUrl=strict.outputs[queue], AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        for queue in ("queue_url", "processing_dlq_url", "delivery_dlq_url")
    )
    iam = strict.stack.client("iam")
    role = iam.get_role(RoleName=strict.outputs["ingest_role_name"])["Role"]["Arn"]

    decisions = {
        arn: iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["sqs:SendMessage"], ResourceArns=[arn])[
            "EvaluationResults"
        ][0]["EvalDecision"]
        for arn in (queue_arn, *others)
    }

    assert decisions == {queue_arn: "allowed"} | dict.fromkeys(others, "implicitDeny")


def change(deployment: Deployment, role: str, changed: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Change the statements of a role. Remove those for which ``changed`` returns None."""
    iam = deployment.stack.client("iam")
    policy = iam.get_role_policy(RoleName=role, PolicyName="function")["PolicyDocument"]
    statements = [statement for old in policy["Statement"] if (statement := changed(old))]
    assert statements != policy["Statement"]
    document = json.dumps(policy | {"Statement": statements})
    iam.put_role_policy(RoleName=role, PolicyName="function", PolicyDocument=document)


def put(deployment: Deployment, job: str) -> None:
    deployment.put_events([{"jobID": job, "eventType": "JOB_START", "eventId": "1"}])


def test_the_role_of_ingest_suffices(strict: Deployment) -> None:
    put(strict, "allowed")

    eventually(lambda: len(strict.rows("allowed")) == 1)


def test_the_role_of_the_collector_suffices(strict: Deployment) -> None:
    job_id = strict.drs.start(scripts.silent_failure(["s-51d6b65c73391918f"]))

    eventually(
        lambda: len(strict.rows(job_id)) == 5, seconds=120
    )  # the schedule invokes the collector with its own role


def test_the_role_of_the_collector_suffices_to_check_drills(strict: Deployment) -> None:
    server = scripts.server_id(7)
    strict.drs.names[server] = "web"
    drill = played.details(
        scripts.launch([server]),
        "strict-drill",
        created=datetime.now(UTC) - timedelta(days=1),
        execution_id="exec-drill",
    )
    strict.put_events(drill)
    eventually(lambda: len(strict.rows("strict-drill")) == len(drill))

    # The schedule checks at 06:00 UTC, and a target is checked once a day.
    strict.stack.client("dynamodb").delete_item(TableName="drs-job-log-notices", Key={"id": {"S": "drill-check"}})
    # DRS does not list the drill, so the collector reads it from the ledger.
    assert strict.collect({"drillCheck": True})["Payload"] == {
        "targets": 1,
        "servers": 1,
        "notDrilled": 0,
        "drillInstances": 0,
    }
    # The target is recorded as done.
    assert strict.collect({"drillCheck": True})["Payload"] == {
        "targets": 0,
        "servers": 0,
        "notDrilled": 0,
        "drillInstances": 0,
    }


def test_the_roles_suffice_to_link_and_to_update_an_execution(strict: Deployment) -> None:
    untagged = played.details(
        scripts.silent_failure(["s-51d6b65c73391918f"]), "strict-1", created=datetime.now(UTC), execution_id=None
    )
    strict.put_events(untagged)
    strict.put_execution("exec-strict", ["strict-1"])

    # The linker's role links the events and updates the execution.
    eventually(lambda: any("UnlinkedJobId" in row for row in strict.rows("strict-1")))
    strict.link()
    eventually(lambda: strict.execution("exec-strict")["Status"] == "FAILED", seconds=150)
    eventually(lambda: {row.get("ExecutionId") for row in strict.rows("strict-1")} == {"exec-strict"})

    # The API's role reads them.
    assert strict.get("/executions/exec-strict/logs")[1]["status"] == "FAILED"
    assert strict.get("/jobs/strict-1/logs")[1]["executionId"] == "exec-strict"

    # If the execution's record is written after its job ended, ingest's role marks the events and the linker's role
    # updates the execution.
    silent = scripts.silent_failure(["s-51d6b65c73391918f"])
    strict.put_events(played.details(silent, "strict-2", created=datetime.now(UTC), execution_id="exec-late"))
    eventually(lambda: any("UnlinkedJobId" in row for row in strict.rows("strict-2")))
    strict.put_execution("exec-late", ["strict-2"])
    strict.link()
    eventually(lambda: strict.execution("exec-late")["Status"] == "FAILED", seconds=150)

    # Ingest's role updates the execution.
    strict.put_execution("exec-strict", ["strict-1"])
    strict.put_events([untagged[-1] | {"executionId": "exec-strict"}])
    eventually(lambda: strict.execution("exec-strict")["Status"] == "FAILED")


def test_the_api_requires_permission_to_invoke_it(strict: Deployment) -> None:
    iam = strict.stack.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = Signed(Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    path = "/executions/exec-1/logs"

    assert strict.get(path, auth=None)[0] == 403
    assert strict.get(path, auth=reader)[0] == 403

    # The policy in the documentation.
    allow = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"{strict.outputs['api_execution_arn']}/*/GET/*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=document)
    assert strict.get(path, auth=reader)[0] == 200
    assert strict.get(path, auth=Signed(Credentials(key["AccessKeyId"], "guessed")))[0] == 403

    # The signing proxy for the viewer, with the same permission.
    environment = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_CA_BUNDLE": strict.stack.environment["AWS_CA_BUNDLE"],
    }
    with proxied(strict.api_url, **environment) as port:
        answer = requests.get(f"http://localhost:{port}{path}", timeout=60)
        assert (answer.status_code, answer.json()["executionId"]) == (200, "exec-1")
        foreign = {"Host": f"evil.example.com:{port}"}
        assert requests.get(f"http://localhost:{port}{path}", headers=foreign, timeout=60).status_code == 403


def test_the_runbook_finds_requests_that_another_policy_denies(strict: Deployment, tmp_path: Path) -> None:
    shell = Shell(tmp_path, with_aws_cli(tmp_path, strict.stack.environment))
    iam, sqs = strict.stack.client("iam"), strict.stack.client("sqs")
    ingest, collector = (strict.outputs[f"{function}_role_name"] for function in ("ingest", "collector"))

    def run(code: str) -> str:
        number = len(list(tmp_path.glob("output-*"))) + 1
        block = Block(page=ROOT / "docs/runbooks/denied-requests.md", number=1, line=number, code=code, reason="")
        result = shell.run(block, seconds=120)
        (tmp_path / f"output-{number}").write_text(result.stdout)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def deny(role: str, *actions: str) -> None:
        statement = {"Effect": "Deny", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        # Not in the state of Terraform, so a plan does not show it.
        iam.put_role_policy(RoleName=role, PolicyName="guardrail", PolicyDocument=document)

    assert run("simulate ingest") == ""
    smoke_test = """invoke collector '{"smokeTest": true}'"""
    assert json.loads(run(smoke_test))["storedAfterMilliseconds"] > 0

    deny(ingest, "dynamodb:PutItem", "sns:Publish")
    deny(collector, "events:PutEvents")

    found = {tuple(line.split("\t")[::2]) for line in run("simulate ingest # again").splitlines()}
    assert found == {("dynamodb:PutItem", "explicitDeny"), ("sns:Publish", "explicitDeny")}
    assert "events:PutEvents" in json.loads(run(f"{smoke_test} # again"))["errorMessage"]
    put(strict, "guarded")
    eventually(
        lambda: "drs-job-log-ingest:" in (log := run(f"denied 15 # {time.monotonic()}")) and "dynamodb:PutItem" in log
    )

    for role in (ingest, collector):
        iam.delete_role_policy(RoleName=role, PolicyName="guardrail")
    sqs.purge_queue(QueueUrl=strict.outputs["queue_url"])


@pytest.mark.parametrize("sid", ["PutEvents", "ReadStoredEvents"])
def test_the_collector_reports_a_missing_permission(strict: Deployment, sid: str) -> None:
    job_id = strict.drs.start(scripts.silent_failure(["s-51d6b65c73391918f"]))
    change(strict, strict.outputs["collector_role_name"], lambda old: None if old["Sid"] == sid else old)

    eventually(lambda: strict.drs.is_over(job_id))
    answer = strict.collect({"jobIds": [job_id]})

    assert "AccessDenied" in answer["Payload"]["errorMessage"]


def test_without_put_item_an_event_stays_in_the_queue(strict: Deployment) -> None:
    change(strict, strict.outputs["ingest_role_name"], lambda old: None if old["Sid"] == "StoreEvents" else old)
    put(strict, "denied")

    eventually(lambda: "AccessDenied" in strict.stack.log.read_text())
    assert strict.rows("denied") == []
    assert strict.waiting() == 1
