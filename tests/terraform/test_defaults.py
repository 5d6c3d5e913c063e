"""One plan of the basic example, for `make check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.terraform import ROOT, Terraform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.ministack import MiniStack

FUNCTIONS = {
    "api": "drs_job_log.api.handler.lambda_handler",
    "collector": "drs_job_log.collect.handler.lambda_handler",
    "ingest": "drs_job_log.ingest.handler.lambda_handler",
    "linker": "drs_job_log.link.handler.lambda_handler",
}


def test_the_basic_example_plans_all_functions(copy: Path, stack: MiniStack) -> None:
    terraform = Terraform(copy / "examples/basic", stack.environment)
    terraform.init()

    changes = [change for change in terraform.plan()["resource_changes"] if change["mode"] == "managed"]

    assert {action for change in changes for action in change["change"]["actions"]} == {"create"}
    handlers = {
        change["change"]["after"]["function_name"]: change["change"]["after"]["handler"]
        for change in changes
        if change["type"] == "aws_lambda_function"
    }
    assert handlers == {f"drs-job-log-{name}": handler for name, handler in FUNCTIONS.items()}
    alarms = [change for change in changes if change["type"] == "aws_cloudwatch_metric_alarm"]
    assert len(alarms) == 29
    assert f"| {len(alarms)} alarms, one dashboard |" in (ROOT / "README.md").read_text()
