"""The module after an apply, and a second plan."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from pytest_terraform import terraform

from tests.support import hcl
from tests.support.issuer import Issuer
from tests.terraform.conftest import ACCOUNT, resources_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_terraform.tf import TerraformTestApi

    from tests.support.ministack import MiniStack

HERE = Path(__file__).parent / "applied"
# MiniStack does not return these attributes of a metric alarm, so a second plan sets them again.
MISSING_IN_MINISTACK = {
    *("actions_enabled", "alarm_actions", "alarm_description", "dimensions", "extended_statistic"),
    *("ok_actions", "period", "statistic", "treat_missing_data"),
}


@pytest.fixture(scope="module", autouse=True)
def _stack(as_aws: MiniStack) -> Iterator[None]:
    """Remove the files of an apply before and after it."""
    assert as_aws.endpoint
    leftovers = [HERE / ".terraform.lock.hcl", HERE / "tf_resources.json"]
    for file in leftovers:
        file.unlink(missing_ok=True)
    yield
    for file in leftovers:
        file.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def state(applied: TerraformTestApi) -> dict[str, dict[str, Any]]:
    """Return each resource of the module by its address in the module."""
    (module,) = applied.terraform.show()["values"]["root_module"]["child_modules"]

    return {name.removeprefix("module.drs_job_log."): values for name, values in resources_of(module).items()}


@terraform("applied", scope="module")
def test_the_outputs_describe_the_created_resources(
    applied: TerraformTestApi, state: dict[str, dict[str, Any]], stack: MiniStack
) -> None:
    outputs = applied.outputs["module"]["value"]

    assert set(outputs) == set(hcl.blocks("outputs.tf", "output"))
    for queue, output in (("ingest", "queue"), ("processing_dlq", "processing_dlq"), ("delivery_dlq", "delivery_dlq")):
        values = state[f"aws_sqs_queue.{queue}"]
        assert (outputs[f"{output}_arn"], outputs[f"{output}_url"]) == (values["arn"], values["url"])
    assert outputs["table_name"] in stack.client("dynamodb").list_tables()["TableNames"]
    assert outputs["table_arn"] == state["aws_dynamodb_table.job_log_events"]["arn"]
    assert outputs["notices_table_name"] == state["aws_dynamodb_table.notices"]["name"]
    assert outputs["api_id"] == state["aws_apigatewayv2_api.this[0]"]["id"]
    group = state["aws_cloudwatch_log_group.api_access[0]"]
    assert (outputs["api_access_log_group_name"], outputs["api_access_log_group_arn"]) == (group["name"], group["arn"])
    assert outputs["event_rule_arn"] == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/recovery/applied-job-log"
    assert outputs["event_source"] == "drs.job-log.applied"
    assert outputs["functions"]["ingest"] == {
        "name": "applied-ingest",
        "arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:applied-ingest",
        "role_name": "applied-ingest-us-east-1",
        "role_arn": f"arn:aws:iam::{ACCOUNT}:role/applied-ingest-us-east-1",
        "log_group_name": "/aws/lambda/applied-ingest",
    }
    assert outputs["functions"]["collector"]["name"] == "applied-collector"
    assert outputs["functions"]["linker"]["name"] == "applied-linker"
    assert set(outputs["alarm_arns"]) == {
        *("processing-dlq-not-empty", "delivery-dlq-not-empty", "queue-age", "event-lag"),
        *("unlinked-events", "executions-table-rejected"),
        *("table-write-throttles", "table-read-throttles", "table-write-errors", "table-read-errors"),
        *("notices-table-throttles", "collector-rule-failed-invocations"),
        *("job-log-rule-failed-invocations", "launch-results-rule-failed-invocations"),
        *("job-log-rule-events-lost", "launch-results-rule-events-lost"),
        *("ingest-errors", "ingest-throttles", "ingest-duration"),
        *("collector-errors", "collector-duration", "collector-heartbeat"),
        *("linker-errors", "linker-throttles", "linker-duration", "linker-heartbeat"),
        *("api-5xx", "api-latency", "server-failed", "server-stalled", "plan-step-failed", "replication-stalled"),
        *("pipeline-unhealthy", "recovery-needs-a-person"),
        *("evidence-missing", "evidence-dlq-not-empty", "evidence-errors", "evidence-throttles", "evidence-duration"),
        *("evidence-rule-failed-invocations", "evidence-rule-events-lost"),
    }
    assert outputs["alarm_arns"]["ingest-errors"].endswith(":alarm:applied-ingest-errors")


def test_messages_move_to_the_processing_dlq_after_five_attempts(state: dict[str, dict[str, Any]]) -> None:
    assert json.loads(state["aws_sqs_queue.ingest"]["redrive_policy"]) == {
        "deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:applied-processing-dlq",
        "maxReceiveCount": 5,
    }


@pytest.mark.parametrize("rule", ["job-log", "launch-results"])
def test_both_rules_send_to_the_queue_and_use_the_delivery_dlq(state: dict[str, dict[str, Any]], rule: str) -> None:
    target = state[f'aws_cloudwatch_event_target.queue["{rule}"]']

    assert target["arn"] == f"arn:aws:sqs:us-east-1:{ACCOUNT}:applied-ingest"
    assert target["dead_letter_config"] == [{"arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:applied-delivery-dlq"}]


def test_the_queue_policies_allow_the_created_rules(state: dict[str, dict[str, Any]]) -> None:
    def arns(*rules: str) -> set[str]:
        return {state[f'aws_cloudwatch_event_rule.this["{rule}"]']["arn"] for rule in rules}

    for queue, allowed in (
        ("ingest", arns("job-log", "launch-results")),
        ("evidence[0]", arns("evidence")),
        ("delivery_dlq", arns("job-log", "launch-results", "evidence")),
    ):
        allow, _ = json.loads(state[f"aws_sqs_queue.{queue}"]["policy"])["Statement"]
        sources = allow["Condition"]["ArnEquals"]["aws:SourceArn"]
        assert ({sources} if isinstance(sources, str) else set(sources)) == allowed
        assert allow["Resource"] == state[f"aws_sqs_queue.{queue}"]["arn"]


def test_the_ingest_policy_allows_the_created_resources(
    state: dict[str, dict[str, Any]], applied: TerraformTestApi
) -> None:
    executions_arn = applied.outputs["execution_history_arn"]["value"]
    outputs = applied.outputs["module"]["value"]
    policy = json.loads(state["module.ingest.aws_iam_role_policy.this"]["policy"])
    resources = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}

    assert resources == {
        "ConsumeQueue": state["aws_sqs_queue.ingest"]["arn"],
        "StoreEvents": state["aws_dynamodb_table.job_log_events"]["arn"],
        "RecordNotifications": state["aws_dynamodb_table.notices"]["arn"],
        "PublishNotifications": outputs["failure_topic_arn"],
        "DelayMessages": state["aws_sqs_queue.ingest"]["arn"],
        "ReadEvents": [
            *(
                f"{state['aws_dynamodb_table.job_log_events']['arn']}/index/{index}"
                for index in ("ServerLedgerIndex", "LedgerIndex", "ExecutionLedgerIndex", "ExecutionIdIndex")
            ),
            state["aws_dynamodb_table.job_log_events"]["arn"],
        ],
        "ReportFacts": f"arn:aws:events:us-east-1:{outputs['table_arn'].split(':')[4]}:event-bus/recovery",
        "UseKeyOfFailureTopic": outputs["kms_key_arn"],
        "ReadKeysOfExecutionHistory": executions_arn,
        "FindExecutionsOfJobs": f"{executions_arn}/index/by-job",
        "UseCustomerKey": state["aws_dynamodb_table.job_log_events"]["server_side_encryption"][0]["kms_key_arn"],
        "DecryptEnvironment": outputs["kms_key_arn"],
        "ManageNetworkInterfaces": "arn:aws:ec2:us-east-1:*:*/*",
        "DescribeNetwork": "*",
        "DenyNetworkAccessToCode": "*",
        "WriteLogs": state["module.ingest.aws_cloudwatch_log_group.this"]["arn"] + ":*",
        "WriteTraces": "*",
    }


def test_the_collector_policy_allows_the_created_bus_and_table(
    state: dict[str, dict[str, Any]], stack: MiniStack
) -> None:
    policy = json.loads(state["module.collector[0].aws_iam_role_policy.this"]["policy"])
    resources = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}

    assert resources["PutEvents"] == stack.client("events").describe_event_bus(Name="recovery")["Arn"]
    assert resources["ReadStoredEvents"] == state["aws_dynamodb_table.job_log_events"]["arn"]


def test_the_linker_policy_allows_the_created_tables(
    state: dict[str, dict[str, Any]], applied: TerraformTestApi
) -> None:
    policy = json.loads(state["module.linker.aws_iam_role_policy.this"]["policy"])
    resources = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}

    assert resources["LinkEvents"] == state["aws_dynamodb_table.job_log_events"]["arn"]
    executions_arn = applied.outputs["execution_history_arn"]["value"]
    assert resources["FindExecutionsOfJobs"] == f"{executions_arn}/index/by-job"


def test_the_schedules_and_the_rule_invoke_their_functions(state: dict[str, dict[str, Any]]) -> None:
    arn = state["module.collector[0].aws_lambda_function.this"]["arn"]
    linker = state["module.linker.aws_lambda_function.this"]["arn"]

    for task, function in (("collector", arn), ("linker", linker)):
        schedule = state[f'aws_scheduler_schedule.this["{task}"]']["target"][0]
        assert (schedule["arn"], schedule["role_arn"]) == (function, state["aws_iam_role.scheduler"]["arn"])
    assert state["aws_cloudwatch_event_target.wake[0]"]["arn"] == arn
    assert state["aws_lambda_permission.wake[0]"]["source_arn"] == state["aws_cloudwatch_event_rule.wake[0]"]["arn"]
    policy = json.loads(state["aws_iam_role_policy.scheduler"]["policy"])
    evidence = state["module.evidence[0].aws_lambda_function.this"]["arn"]
    assert state["aws_scheduler_schedule.evidence[0]"]["target"][0]["arn"] == evidence
    assert set(policy["Statement"][0]["Resource"]) == {arn, linker, evidence}
    trust = json.loads(state["aws_iam_role.scheduler"]["assume_role_policy"])
    group = trust["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert group == state["aws_scheduler_schedule_group.this"]["arn"]


def test_the_routes_invoke_the_function_and_use_the_authorizer(
    state: dict[str, dict[str, Any]], applied: TerraformTestApi
) -> None:
    outputs = applied.outputs["module"]["value"]
    api, integration = state["aws_apigatewayv2_api.this[0]"], state["aws_apigatewayv2_integration.this[0]"]
    assert (outputs["api_endpoint"], outputs["api_execution_arn"]) == (api["api_endpoint"], api["execution_arn"])
    assert integration["integration_uri"] == outputs["functions"]["api"]["arn"]
    assert integration["payload_format_version"] == "2.0"
    assert outputs["viewer_url"] == f"{api['api_endpoint']}/executions"
    authorizer = state["aws_apigatewayv2_authorizer.jwt[0]"]["id"]
    for route, path, authorizer_id in (
        ("GET /executions/{executionId}/logs", "executions/*/logs", authorizer),
        ("GET /jobs/{jobId}/logs", "jobs/*/logs", authorizer),
        ("GET /logs", "logs", authorizer),
        ("GET /", "", ""),
        ("GET /executions/{executionId}", "executions/*", ""),
        ("GET /jobs/{jobId}", "jobs/*", ""),
        ("GET /viewer/{file}", "viewer/*", ""),
    ):
        values = state[f'aws_apigatewayv2_route.this["{route}"]']
        assert values["target"] == f"integrations/{integration['id']}"
        assert (values["authorizer_id"] or "") == authorizer_id
        permission = state[f'aws_lambda_permission.api["{route}"]']
        assert permission["source_arn"] == f"{api['execution_arn']}/*/GET/{path}"
        assert permission["principal"] == "apigateway.amazonaws.com"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 200),
        ({"aud": ["others", "recovery"], "scope": "profile logs.read"}, 200),
        ({"aud": "others"}, 401),
        ({"iss": "https://login.example.com"}, 401),
        ({"exp": int(time.time()) - 1}, 401),
        ({"scope": "profile"}, 403),
    ],
)
def test_only_tokens_with_the_issuer_audience_and_scope_are_accepted(
    applied: TerraformTestApi, stack: MiniStack, issuer: Issuer, claims: dict[str, Any], status: int
) -> None:
    url = f"{stack.url(applied.outputs['module']['value']['api_endpoint'])}/jobs/drsjob-1/logs"
    token = issuer.token(**({"aud": "recovery", "scope": "logs.read"} | claims))

    answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    assert answer.status_code == status, answer.text
    assert status == 200 or list(answer.json()) == ["message"]


def test_the_viewer_is_public_and_logs_require_a_token(applied: TerraformTestApi, stack: MiniStack) -> None:
    url = stack.url(applied.outputs["module"]["value"]["api_endpoint"])

    for path in ("", "jobs/drsjob-1", "executions/exec-1", "viewer/drs-job-log.js"):
        assert requests.get(f"{url}/{path}", timeout=30).status_code == 200
    assert requests.get(f"{url}/executions/exec-1/logs", timeout=30).status_code == 401


def test_the_pages_sign_in_at_the_issuer(applied: TerraformTestApi, stack: MiniStack, issuer: Issuer) -> None:
    outputs = applied.outputs["module"]["value"]
    url = stack.url(outputs["api_endpoint"])

    for path in ("", "jobs/drsjob-1", "executions/exec-1", "viewer/page"):
        page = requests.get(f"{url}/{path}", timeout=30)
        (settings,) = re.findall('<meta name="sign-in" content="(.*)" />', page.text)
        assert json.loads(html.unescape(settings)) == {
            "authority": issuer.address,
            "clientId": "viewer",
            "scope": "openid logs.read",
            "parameters": {},
            "origins": [issuer.address],
        }
        assert f"connect-src 'self' {issuer.address};" in page.headers["Content-Security-Policy"]
    assert outputs["viewer_redirect_uri"] == f"{outputs['api_endpoint']}/viewer/page"


def test_missing_and_forged_tokens_are_rejected(applied: TerraformTestApi, stack: MiniStack, issuer: Issuer) -> None:
    url = f"{stack.url(applied.outputs['module']['value']['api_endpoint'])}/jobs/drsjob-1/logs"
    with Issuer() as other_issuer:
        forged = other_issuer.token(iss=issuer.address, aud="recovery", scope="logs.read")

    for headers in ({}, {"Authorization": f"Bearer {forged}"}, {"Authorization": "Bearer"}):
        assert requests.get(url, headers=headers, timeout=30).status_code == 401


def test_the_alarms_of_the_api_monitor_the_created_api(state: dict[str, dict[str, Any]], stack: MiniStack) -> None:
    alarms = stack.client("cloudwatch").describe_alarms(AlarmNames=["applied-api-5xx", "applied-api-latency"])

    assert len(alarms["MetricAlarms"]) == 2
    for alarm in alarms["MetricAlarms"]:
        assert alarm["Dimensions"] == [{"Name": "ApiId", "Value": state["aws_apigatewayv2_api.this[0]"]["id"]}]


@pytest.mark.parametrize("function", ["collector", "linker"])
def test_a_heartbeat_alarm_is_ok_in_the_first_15_minutes(state: dict[str, dict[str, Any]], function: str) -> None:
    queries = state[f'aws_cloudwatch_metric_alarm.heartbeat["{function}"]']["metric_query"]
    (expression,) = [query["expression"] for query in queries if query["return_data"]]

    # IF returns 1 while the condition is true, and else the metric. The time functions return a value for each minute.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    condition = re.fullmatch(r"IF\((?P<minute>[^<]+) < (?P<end>\d{12}), 1, heartbeat\)", expression)
    assert condition is not None
    end = datetime.strptime(condition["end"], "%Y%m%d%H%M").replace(tzinfo=UTC)
    assert timedelta(0) < end - datetime.now(UTC) <= timedelta(minutes=15)
    parts = {"YEAR": "year", "MONTH": "month", "DATE": "day", "HOUR": "hour", "MINUTE": "minute"}

    def number(time: datetime) -> int:
        terms = re.findall(r"([A-Z]+)\(heartbeat\) \* (\d+)", condition["minute"])
        assert len(terms) == condition["minute"].count("+") + 1
        return sum(getattr(time, parts[name]) * int(factor) for name, factor in terms)

    assert number(end) == int(condition["end"])
    for later in (end, datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)):
        assert number(later - timedelta(minutes=1)) < number(later)


def test_the_composite_alarms_contain_the_created_alarms(state: dict[str, dict[str, Any]]) -> None:
    created = {values["alarm_name"] for address, values in state.items() if "aws_cloudwatch_metric_alarm." in address}

    rules = [values["alarm_rule"] for address, values in state.items() if "aws_cloudwatch_composite_alarm." in address]
    named = [name for rule in rules for name in re.findall(r'ALARM\("([^"]+)"\)', rule)]
    assert sorted(named) == sorted(created - {"applied-replication-stalled", "applied-unlinked-events"})


def test_the_dashboard_shows_the_created_resources(state: dict[str, dict[str, Any]], applied: TerraformTestApi) -> None:
    assert applied.outputs["module"]["value"]["dashboard_name"] == "applied-us-east-1"
    body = state["aws_cloudwatch_dashboard.this[0]"]["dashboard_body"]
    created = {name for address, values in state.items() for name in metric_dimension_values(address, values)}

    widgets = [widget["properties"] for widget in json.loads(body)["widgets"]]
    lines = [line for widget in widgets for line in widget.get("metrics", []) if len(line) > 1]
    shown = {line[place] for line in lines for place in range(3, len(line) - 1, 2)}
    assert shown <= created
    assert {"applied-ingest", "applied-api", state["aws_apigatewayv2_api.this[0]"]["id"]} <= shown
    alarms = {arn for widget in widgets for arn in widget.get("alarms", [])}
    assert alarms <= set(applied.outputs["module"]["value"]["alarm_arns"].values())
    assert len(alarms) > 20


def metric_dimension_values(address: str, values: dict[str, Any]) -> list[str]:
    """Return the values of metric dimensions that identify a resource."""
    kinds = {
        "aws_cloudwatch_event_rule": "name",
        "aws_lambda_function": "function_name",
        "aws_sqs_queue": "name",
        "aws_apigatewayv2_api": "id",
    }
    # "recovery" is the name of the event bus.
    return ["applied", "recovery", *(values[name] for kind, name in kinds.items() if f"{kind}." in address)]


def test_the_archives_have_the_patterns_of_their_rules(
    state: dict[str, dict[str, Any]], applied: TerraformTestApi, stack: MiniStack
) -> None:
    arns = applied.outputs["module"]["value"]["archive_arns"]

    assert set(arns) == {"job-log", "launch-results"}
    for key, arn in arns.items():
        archive = stack.client("events").describe_archive(ArchiveName=arn.rpartition("/")[2])
        rule = state[f'aws_cloudwatch_event_rule.this["{key}"]']
        assert archive["EventSourceArn"].endswith(f":event-bus/{rule['event_bus_name']}")
        assert json.loads(archive["EventPattern"]) == json.loads(rule["event_pattern"])


def test_the_check_passes_with_an_executions_table_of_the_same_apply(applied: TerraformTestApi) -> None:
    checks = {check["address"]["to_display"]: check for check in applied.terraform.show()["checks"]}
    (instance,) = checks["module.drs_job_log.module.executions_table_check.check.executions_table"]["instances"]

    assert instance["status"] == "pass"


def test_the_queue_invokes_the_function(state: dict[str, dict[str, Any]]) -> None:
    mapping = state["aws_lambda_event_source_mapping.ingest"]

    assert mapping["event_source_arn"] == state["aws_sqs_queue.ingest"]["arn"]
    assert mapping["function_arn"] == state["module.ingest.aws_lambda_function.this"]["arn"]


def test_ingest_can_send_to_the_url_of_the_created_queue(state: dict[str, dict[str, Any]], stack: MiniStack) -> None:
    url = state["module.ingest.aws_lambda_function.this"]["environment"][0]["variables"]["QUEUE_URL"]

    answer = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    assert answer["Attributes"]["QueueArn"] == state["aws_sqs_queue.ingest"]["arn"]


def test_settled_executions_go_to_the_function_that_writes_reports(state: dict[str, dict[str, Any]]) -> None:
    target = state['aws_cloudwatch_event_target.queue["evidence"]']
    queue, dlq = state["aws_sqs_queue.evidence[0]"], state["aws_sqs_queue.evidence_dlq[0]"]
    mapping = state["aws_lambda_event_source_mapping.evidence[0]"]

    assert target["arn"] == queue["arn"]
    assert target["dead_letter_config"] == [{"arn": state["aws_sqs_queue.delivery_dlq"]["arn"]}]
    assert json.loads(queue["redrive_policy"]) == {"deadLetterTargetArn": dlq["arn"], "maxReceiveCount": 120}
    assert mapping["event_source_arn"] == queue["arn"]
    assert mapping["function_arn"] == state["module.evidence[0].aws_lambda_function.this"]["arn"]


def test_the_function_and_the_api_have_the_names_of_the_created_bucket_queue_and_key(
    state: dict[str, dict[str, Any]], applied: TerraformTestApi, stack: MiniStack
) -> None:
    output = applied.outputs["module"]["value"]["evidence"]
    functions = [state[f"module.{name}[0].aws_lambda_function.this"] for name in ("evidence", "api")]
    evidence, api = (function["environment"][0]["variables"] for function in functions)

    bucket = stack.client("s3").get_bucket_versioning(Bucket=output["bucket"])
    assert bucket["Status"] == "Enabled"
    assert evidence["EVIDENCE_BUCKET"] == api["EVIDENCE_BUCKET"] == output["bucket"]
    assert (output["bucket_arn"], output["prefix"]) == (f"arn:aws:s3:::{output['bucket']}", "drs-job-log/")
    assert evidence["EVIDENCE_KMS_KEY_ARN"] == applied.outputs["module"]["value"]["kms_key_arn"]
    for kind in ("queue", "dlq"):
        values = state[f"aws_sqs_queue.evidence{'_dlq' if kind == 'dlq' else ''}[0]"]
        assert (output[f"{kind}_arn"], output[f"{kind}_url"]) == (values["arn"], values["url"])
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=api["EVIDENCE_QUEUE_URL"], AttributeNames=["QueueArn"])
    assert answer["Attributes"]["QueueArn"] == output["queue_arn"]


def test_each_function_uses_the_created_network_and_key(applied: TerraformTestApi, stack: MiniStack) -> None:
    for function in applied.outputs["module"]["value"]["functions"].values():
        created = stack.client("lambda").get_function_configuration(FunctionName=function["name"])
        assert created["KMSKeyArn"] == applied.outputs["module"]["value"]["kms_key_arn"]
        assert created["VpcConfig"]["SubnetIds"] == [applied.outputs["subnet_id"]["value"]]
        assert created["VpcConfig"]["SecurityGroupIds"] == [applied.outputs["security_group_id"]["value"]]


def test_the_function_uses_the_created_log_group(state: dict[str, dict[str, Any]]) -> None:
    logging = state["module.ingest.aws_lambda_function.this"]["logging_config"][0]

    assert logging["log_group"] == state["module.ingest.aws_cloudwatch_log_group.this"]["name"]


def test_a_second_plan_is_empty_except_for_differences_of_the_embedded_aws(applied: TerraformTestApi) -> None:
    runner = applied.terraform
    plan_file = Path(runner.work_dir) / "again"
    runner.plan(plan_file)
    environment = os.environ | {"TF_DATA_DIR": runner.work_dir}
    command = ["terraform", "show", "-json", plan_file]
    shown = subprocess.run(command, cwd=HERE, env=environment, check=True, capture_output=True)
    plan = json.loads(shown.stdout)

    differences = {
        change["address"].removeprefix("module.drs_job_log."): {
            name
            for name in change["change"]["before"] | change["change"]["after"]
            if change["change"]["before"].get(name) != change["change"]["after"].get(name)
        }
        for change in plan["resource_changes"]
        if change["change"]["actions"] != ["no-op"] and change["mode"] == "managed"
    }
    # MiniStack does not return the payload format of a JWT authorizer.
    assert differences.pop("aws_apigatewayv2_authorizer.jwt[0]") == {"authorizer_payload_format_version"}
    # MiniStack does not return composite alarms, so their differences mean nothing.
    composites = [address for address in differences if "aws_cloudwatch_composite_alarm." in address]
    assert len(composites) == 2
    for address in composites:
        del differences[address]
    alarms = {address for address in differences if "aws_cloudwatch_metric_alarm." in address}
    assert set(differences) == alarms
    assert len(alarms) == 39
    assert set().union(*differences.values()) == MISSING_IN_MINISTACK
