"""A plan with the state of an earlier version of the module."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.terraform.conftest import root_module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.ministack import MiniStack

# Every address that a commit of the main branch had and that changed, with the address of the same object today. Not
# here: two alarms that have no successor, `table-throttles` and `errors` of the API's function.
MOVED: Final = {
    "aws_iam_role.scheduler[0]": "aws_iam_role.scheduler",
    "aws_iam_role_policy.scheduler[0]": "aws_iam_role_policy.scheduler",
    "aws_lambda_function_event_invoke_config.collector[0]": (
        'aws_lambda_function_event_invoke_config.scheduled["collector"]'
    ),
    "aws_scheduler_schedule.collector[0]": 'aws_scheduler_schedule.this["collector"]',
    "aws_scheduler_schedule_group.this[0]": "aws_scheduler_schedule_group.this",
    "aws_cloudwatch_metric_alarm.collector_heartbeat[0]": 'aws_cloudwatch_metric_alarm.heartbeat["collector"]',
    **{
        f'aws_cloudwatch_metric_alarm.pipeline["{key}"]': f'aws_cloudwatch_metric_alarm.this["{key}"]'
        for key in (
            *("api-5xx", "delivery-dlq-not-empty", "job-log-rule-events-lost", "job-log-rule-failed-invocations"),
            *("processing-dlq-not-empty", "queue-age", "server-stalled"),
        )
    },
}
MODULE: Final = "module.drs_job_log"


@pytest.fixture(scope="module")
def changes(copy: Path, stack: MiniStack) -> dict[str, dict[str, Any]]:
    """Return the changes of a plan with the state of an earlier version, by their addresses in the module."""
    terraform = root_module(copy, "upgrades", stack)
    created = changes_of(terraform.plan())
    resources = [old_resource(old, created[new]) for old, new in MOVED.items()]
    state = {"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "upgrades", "resources": resources}
    (terraform.folder / "terraform.tfstate").write_text(json.dumps(state))
    return changes_of(terraform.plan("-refresh=false"))


def changes_of(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        change["address"].removeprefix(f"{MODULE}."): change
        for change in plan["resource_changes"]
        if change["mode"] == "managed"
    }


def old_resource(address: str, planned: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of a state: an object as it is planned today, at its earlier address."""
    match = re.fullmatch(r'(?P<type>\w+)\.(?P<name>\w+)\[(?P<key>\d+|"[^"]+")\]', address)
    assert match, address
    attributes = planned["change"]["after"] | {"id": address}
    return {
        "module": MODULE,
        "mode": "managed",
        "type": match["type"],
        "name": match["name"],
        "provider": f'provider["{planned["provider_name"]}"]',
        "instances": [{"index_key": json.loads(match["key"]), "schema_version": 0, "attributes": attributes}],
    }


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_object_keeps_its_identity(changes: dict[str, dict[str, Any]], old: str, new: str) -> None:
    change = changes[new]

    assert change["previous_address"] == f"{MODULE}.{old}"
    assert change["change"]["actions"] in (["no-op"], ["update"])


def test_nothing_is_destroyed(changes: dict[str, dict[str, Any]]) -> None:
    assert [address for address, change in changes.items() if "delete" in change["change"]["actions"]] == []
    assert len(changes) > len(MOVED)
