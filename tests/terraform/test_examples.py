from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.terraform import Terraform

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
    assert json.loads(rule["event_pattern"])["source"] == [f"drs.job-log.drs-job-log-{environment}", "aws.drs"]
    assert variables("linker")["EXECUTION_HISTORY_TABLE"] == f"executions-{environment}"
    assert json.loads(variables("linker")["EXECUTION_HISTORY_SETTINGS"])["updateStatus"] is True
