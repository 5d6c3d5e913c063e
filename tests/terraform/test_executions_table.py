"""The check of the executions table: each difference to the settings is a warning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ministack import MiniStack
from tests.terraform.conftest import root_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.terraform import Terraform

TABLE = "orchestrator-executions"
MATCHING = {
    "table_name": TABLE,
    "execution_id_attribute": "ExecutionId",
    "key_attributes": ["PlanId", "ExecutionId"],
    "job_id_index": "by-job",
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[MiniStack]:
    """An embedded AWS that enforces the policies of IAM users, with tables."""
    with MiniStack({"AUTH": "true"}) as stack:
        create_table(stack, TABLE, {"ExecutionId": "S", "PlanId": "S"}, index="by-job")
        create_table(stack, "numbered", {"ExecutionId": "N"})
        yield stack


def create_table(stack: MiniStack, name: str, keys: dict[str, str], index: str | None = None) -> None:
    attributes = keys | ({"JobId": "S"} if index else {})
    indexes: dict[str, Any] = {
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index,
                "KeySchema": [{"AttributeName": "JobId", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]
    }
    stack.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in attributes.items()],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        **(indexes if index else {}),
    )


@pytest.fixture(scope="module")
def compare(copy: Path, guarded: MiniStack) -> Callable[..., list[str]]:
    """Return a function that returns the warnings of a plan. It fails if there is an error."""
    terraform = root_module(copy, "executions_table", guarded)

    def compare(**changes: Any) -> list[str]:
        return warnings(terraform, MATCHING | changes)

    return compare


def warnings(terraform: Terraform, settings: dict[str, Any]) -> list[str]:
    output = terraform.run("plan", "-input=false", "-json", f"-var=settings={json.dumps(settings)}")
    found = [message["diagnostic"] for message in map(json.loads, output.splitlines()) if "diagnostic" in message]
    assert {diagnostic["severity"] for diagnostic in found} <= {"warning"}
    return [f"{diagnostic['summary']}: {diagnostic['detail']}" for diagnostic in found]


def test_a_table_that_matches_the_settings_has_no_warning(compare: Callable[..., list[str]]) -> None:
    assert compare() == []
    assert compare(key_attributes=None, job_id_index=None) == []


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"execution_id_attribute": "PlanId"},
            ["execution_id_attribute is PlanId", "is ExecutionId", "set execution_id_attribute to it"],
        ),
        ({"key_attributes": ["ExecutionId"]}, ['Set key_attributes to ["ExecutionId","PlanId"]']),
        ({"job_id_index": "by-wave"}, ["job_id_index is by-wave", "no such global secondary index"]),
        ({"table_name": "numbered", "key_attributes": None, "job_id_index": None}, ["must be a string (type S)"]),
    ],
)
def test_a_difference_is_a_warning_with_the_remedy(
    compare: Callable[..., list[str]], changes: dict[str, Any], texts: list[str]
) -> None:
    (warning,) = compare(**changes)

    for text in texts:
        assert text in warning


def test_a_table_that_does_not_exist_is_a_warning(compare: Callable[..., list[str]]) -> None:
    assert any("absent" in warning for warning in compare(table_name="absent"))


def test_a_missing_permission_is_a_warning(compare: Callable[..., list[str]], copy: Path, guarded: MiniStack) -> None:
    iam = guarded.client("iam")
    iam.create_user(UserName="planner")
    key = iam.create_access_key(UserName="planner")["AccessKey"]
    terraform = root_module(copy, "executions_table", guarded)
    terraform.environment |= {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }

    assert any("dynamodb:DescribeTable" in warning for warning in warnings(terraform, MATCHING))
    assert compare() == []


def test_the_module_reads_the_table_after_the_linker_has_changed(plan: dict[str, Any]) -> None:
    # The tables do not exist: a read during the plan would be a warning.
    compared = {
        check["address"]["module"]: check["status"]
        for check in plan["checks"]
        if check["address"].get("name") == "executions_table"
    }

    for name, status in {"read_only_history": "unknown", "updated_history": "unknown", "default": "pass"}.items():
        assert compared[f"module.{name}.module.executions_table_check"] == status
