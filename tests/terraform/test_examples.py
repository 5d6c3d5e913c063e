from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.terraform import Terraform, TerraformError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.ministack import MiniStack


@pytest.fixture(scope="module")
def complete(copy: Path, stack: MiniStack) -> Terraform:
    terraform = Terraform(copy / "examples/complete", stack.environment)
    terraform.init()
    return terraform


@pytest.mark.parametrize(("environment", "days", "is_protected"), [("staging", "7", False), ("production", "90", True)])
def test_the_complete_example_plans_for_both_environments(
    complete: Terraform, environment: str, days: str, is_protected: bool
) -> None:
    plan = complete.plan(f"-var-file={environment}.tfvars")

    module: dict[str, Any] = plan["planned_values"]["root_module"]["child_modules"][0]
    resources = {resource["address"]: resource["values"] for resource in module["resources"]}
    table = resources["module.drs_job_log.aws_dynamodb_table.job_log_events"]
    assert (table["name"], table["deletion_protection_enabled"]) == (f"drs-job-log-{environment}-events", is_protected)
    (jwt,) = resources["module.drs_job_log.aws_apigatewayv2_authorizer.jwt[0]"]["jwt_configuration"]
    assert jwt == {"issuer": "https://login.example.com", "audience": [f"recovery-{environment}"]}
    functions = {
        resource["address"]: resource["values"]
        for child in module["child_modules"]
        for resource in child["resources"]
        if "aws_lambda_function.this" in resource["address"]
    }

    def variables(function: str) -> dict[str, str]:
        values = functions[f"module.drs_job_log.module.{function}.aws_lambda_function.this"]
        found: dict[str, str] = values["environment"][0]["variables"]
        return found

    assert variables("collector[0]")["RETENTION_DAYS"] == days
    # The environments do not mix: each reads its own jobs, and has its own source of events.
    assert json.loads(variables("collector[0]")["ONLY_TAGGED"]) == {"environment": environment}
    rule = resources['module.drs_job_log.aws_cloudwatch_event_rule.this["job-log"]']
    assert json.loads(rule["event_pattern"])["$or"][0]["source"] == [
        f"drs.job-log.drs-job-log-{environment}",
        "aws.drs",
    ]
    assert variables("linker")["EXECUTION_HISTORY_TABLE"] == f"executions-{environment}"
    assert json.loads(variables("linker")["EXECUTION_HISTORY_SETTINGS"])["updateStatus"] is True


SLACK = ("-var=slack_workspace_id=T07EA123LEP", "-var=slack_channel_id=C07EZ1ABC23")
TEAMS = json.dumps(
    {
        "tenant_id": "1b2c3d4e-0000-4000-8000-111122223333",
        "team_id": "74361522-da01-538d-aa2e-ac7918c6bb92",
        "channel_id": "19%3aab6ef35dc342d56ba5654e6fc6d25a071%40thread.tacv2",
    }
)


@pytest.fixture(scope="module")
def chat(copy: Path, stack: MiniStack) -> Terraform:
    terraform = Terraform(copy / "examples/chat", stack.environment)
    terraform.init()
    return terraform


def test_the_chat_example_plans_a_slack_and_a_teams_channel(chat: Terraform) -> None:
    plan = chat.plan(*SLACK, f"-var=teams={TEAMS}")

    resources = {
        resource["address"]: resource["values"] for resource in plan["planned_values"]["root_module"]["resources"]
    }
    slack = resources["aws_chatbot_slack_channel_configuration.this"]
    assert (slack["slack_team_id"], slack["slack_channel_id"]) == ("T07EA123LEP", "C07EZ1ABC23")
    teams = resources["aws_chatbot_teams_channel_configuration.this[0]"]
    assert {name: teams[name] for name in ("tenant_id", "team_id", "channel_id")} == json.loads(TEAMS)
    # The ARNs are known after apply. Without guardrails, AWS applies AdministratorAccess.
    expressions = {
        resource["address"]: resource["expressions"]
        for resource in plan["configuration"]["root_module"]["resources"]
        if "guardrail_policy_arns" in resource["expressions"]
    }
    assert len(expressions) == 2
    for expression in expressions.values():
        assert "module.drs_job_log.failure_topic_arn" in expression["sns_topic_arns"]["references"]
        assert "aws_iam_policy.chat.arn" in expression["guardrail_policy_arns"]["references"]
    policy = json.loads(resources["aws_iam_policy.chat"]["policy"])
    assert {action.split(":")[0] for one in policy["Statement"] for action in one["Action"]} == {"cloudwatch"}
    trust = json.loads(resources["aws_iam_role.chat"]["assume_role_policy"])
    assert [one["Principal"] for one in trust["Statement"]] == [{"Service": "chatbot.amazonaws.com"}]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (("-var=slack_workspace_id=my-team", SLACK[1]), "slack_workspace_id must have capital letters"),
        ((SLACK[0], "-var=slack_channel_id=#dr"), "slack_channel_id must have letters and digits"),
        ((*SLACK, "-var=configuration_name=a b"), "configuration_name must have 1 to 58 letters"),
        ((*SLACK, f"-var=teams={TEAMS.replace('74361522', 'x')}"), "teams.team_id must be UUIDs"),
        ((*SLACK, f"-var=teams={TEAMS.replace('%3a', ':')}"), "teams.channel_id must be the encoded ID"),
    ],
)
def test_the_chat_example_refuses_invalid_ids(chat: Terraform, variables: tuple[str, ...], message: str) -> None:
    with pytest.raises(TerraformError) as refused:
        chat.plan(*variables)

    assert message in " ".join(str(refused.value).replace("│", " ").split())
