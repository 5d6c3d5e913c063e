"""Destroy, rename and change a stack whose table has deletion protection. Plan on one machine, apply on another."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support import package
from tests.support.deployment import apply
from tests.support.terraform import Terraform, TerraformError, working_copy
from tests.terraform.conftest import root_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.ministack import MiniStack

PROTECTED = "Table is protected|deletion protection|DeletionProtection"


def test_the_events_table_is_destroyed_first(copy: Path, stack: MiniStack) -> None:
    """Each resource of the module is, directly or not, a dependency of the events table, so it is destroyed later."""
    graph = root_module(copy, "lifecycle", stack).run("graph")
    edges = re.findall(r'"(?:\[root\] )?([^"]+)" -> "(?:\[root\] )?([^"]+)"', graph)
    dependencies: dict[str, set[str]] = {}
    for resource, dependency in edges:
        dependencies.setdefault(resource, set()).add(dependency)
    table = "module.drs_job_log.aws_dynamodb_table.job_log_events"
    found, new = set[str](), {table}
    while new:
        found |= new
        new = {dependency for resource in new for dependency in dependencies.get(resource, ())} - found

    everything = {node for edge in edges for node in edge if node.startswith("module.drs_job_log.")}
    managed = {node for node in everything if ".data." not in node}
    assert len(managed) > 40
    assert managed - found == set()


@pytest.fixture(scope="module")
def protected(copy: Path, stack: MiniStack) -> Terraform:
    terraform = root_module(copy, "lifecycle", stack)
    apply(terraform, stack)
    return terraform


def resources(stack: MiniStack) -> dict[str, set[str]]:
    """Return the names of what exists in the embedded AWS, by type of resource."""

    def names(service: str, operation: str, list_key: str, name_key: str | None = None) -> set[str]:
        client = stack.client(service)
        pages = (
            client.get_paginator(operation).paginate()
            if client.can_paginate(operation)
            else [getattr(client, operation)()]
        )
        found = [item for page in pages for item in page.get(list_key, [])]
        return {str(item if name_key is None else item[name_key]) for item in found}

    found = {
        "queues": names("sqs", "list_queues", "QueueUrls"),
        "tables": names("dynamodb", "list_tables", "TableNames"),
        "functions": names("lambda", "list_functions", "Functions", "FunctionName"),
        "mappings": names("lambda", "list_event_source_mappings", "EventSourceMappings", "FunctionArn"),
        "log groups": names("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "topics": names("sns", "list_topics", "Topics", "TopicArn"),
        "archives": names("events", "list_archives", "Archives", "ArchiveName"),
        "rules": names("events", "list_rules", "Rules", "Name"),
        "schedules": names("scheduler", "list_schedules", "Schedules", "Name"),
        "roles": names("iam", "list_roles", "Roles", "RoleName"),
        "APIs": names("apigatewayv2", "get_apis", "Items", "Name"),
        "dashboards": names("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
        "alarms": names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "composite alarms": {
            alarm["AlarmName"]
            for alarm in stack.client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        },
    }
    return {kind: {name for name in values if "lifecycle" in name} for kind, values in found.items()}


def test_a_refused_destroy_or_rename_deletes_nothing(protected: Terraform, stack: MiniStack) -> None:
    before = resources(stack)
    assert all(before.values()), before
    assert len(before["alarms"]) == 29

    with pytest.raises(TerraformError, match=PROTECTED):
        protected.destroy()
    assert resources(stack) == before

    with pytest.raises(TerraformError, match=PROTECTED):
        protected.apply("-var=name=lifecycle-renamed")
    assert resources(stack) == before

    # Back to the old name: nothing was changed, and nothing is created.
    protected.apply()
    assert resources(stack) == before


def test_a_composite_alarm_is_deleted_before_its_alarms(protected: Terraform, stack: MiniStack) -> None:
    """CloudWatch refuses to delete an alarm that a composite alarm uses. The embedded AWS does not."""
    output = protected.run("apply", "-input=false", "-no-color", "-auto-approve", "-var=collector=false")

    composite = output.index('composite_alarm.this["pipeline-unhealthy"]: Destruction complete')
    metric = output.index('metric_alarm.heartbeat["collector"]: Destroying')
    assert composite < metric < output.index('composite_alarm.this["pipeline-unhealthy"]: Creation complete')
    answer = stack.client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])
    rules = {alarm["AlarmName"]: alarm["AlarmRule"] for alarm in answer["CompositeAlarms"]}
    assert "linker-heartbeat" in rules["lifecycle-pipeline-unhealthy"]
    assert "collector-heartbeat" not in rules["lifecycle-pipeline-unhealthy"]


LINKER = "module.drs_job_log.module.linker.aws_lambda_function.this"


@pytest.fixture
def other_machine(protected: Terraform, stack: MiniStack) -> Iterator[Terraform]:
    """A second checkout of the module with the same state, in another folder."""
    with working_copy() as checkout:
        terraform = Terraform(checkout / "tests/terraform/lifecycle", stack.environment)
        terraform.init()
        shutil.copy(protected.folder / "terraform.tfstate", terraform.folder)
        yield terraform


def planned_hash(terraform: Terraform) -> str:
    """Return the code hash of the linker in a plan."""
    changes = terraform.plan("-var=collector=false")["resource_changes"]
    (after,) = [change["change"]["after"] for change in changes if change["address"] == LINKER]
    return str(after["source_code_hash"])


def test_another_machine_applies_a_saved_plan(protected: Terraform, other_machine: Terraform, stack: MiniStack) -> None:
    before = stack.client("lambda").get_function_configuration(FunctionName="lifecycle-linker")
    plan = protected.folder / "saved.tfplan"
    protected.run("plan", "-input=false", "-var=collector=false", f"-replace={LINKER}", f"-out={plan}")

    other_machine.run("apply", "-input=false", str(plan))

    after = stack.client("lambda").get_function_configuration(FunctionName="lifecycle-linker")
    assert after["CodeSha256"] == before["CodeSha256"]
    assert after["LastModified"] != before["LastModified"]


def test_a_missing_package_is_an_error_of_the_plan(other_machine: Terraform) -> None:
    (other_machine.folder / "../../../lambda_package" / package.name()).unlink()

    messages = {" ".join(diagnostic["detail"].split()) for diagnostic in other_machine.refusals()}

    assert len(messages) == 1
    assert re.search(r"package .*/drs_job_log-[0-9a-f]{16}\.zip does not exist.* run make package", messages.pop())


def test_the_package_of_other_sources_is_not_deployed(other_machine: Terraform) -> None:
    source = other_machine.folder / "../../../lambda_src/drs_job_log/table.py"
    source.write_text(source.read_text() + "# a change\n")

    messages = {" ".join(diagnostic["detail"].split()) for diagnostic in other_machine.refusals()}

    assert len(messages) == 1
    assert "does not exist. If you changed lambda_src, run make package" in messages.pop()


def test_the_plan_shows_a_package_of_other_content(other_machine: Terraform) -> None:
    before = planned_hash(other_machine)
    zipped = other_machine.folder / "../../../lambda_package" / package.name()
    zipped.write_bytes(zipped.read_bytes() + b"\0")

    assert planned_hash(other_machine) != before
