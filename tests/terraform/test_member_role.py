"""The role in a member account: the Terraform module and the CloudFormation template."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.terraform.conftest import Planned

MODULE = ROOT / "modules/member-role"
# copy of the module → account, parameters of the template
COPIES: dict[str, dict[str, str]] = {
    "member_role": {
        "AWS::Partition": "aws",
        "RoleName": "drs-job-log-reader",
        "CollectorRoleArn": "arn:aws:iam::111122223333:role/platform/drs-job-log-collector-us-east-1",
        "ExternalId": "drs-job-log",
    },
    "member_role_in_govcloud": {
        "AWS::Partition": "aws-us-gov",
        "RoleName": "reader",
        "CollectorRoleArn": "arn:aws-us-gov:iam::111122223333:role/drs-job-log-collector-us-gov-west-1",
        "ExternalId": "other",
    },
}


def resolved(value: Any, names: Mapping[str, str]) -> Any:  # noqa: PLR0911
    """Return a value of a CloudFormation template with the values of its intrinsic functions."""
    match value:
        case {"Ref": name}:
            return names[name]
        case {"Fn::Split": [separator, text]}:
            return resolved(text, names).split(separator)
        case {"Fn::Select": [place, parts]}:
            return resolved(parts, names)[place]
        case {"Fn::Sub": [text, local]}:
            return resolved({"Fn::Sub": text}, {**names, **resolved(local, names)})
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: names[found[1]], text)
        case dict():
            return {key: resolved(part, names) for key, part in value.items()}
        case list():
            return [resolved(part, names) for part in value]
    return value


def normalized(policy: Any) -> Any:
    """Return a policy with lists of actions in one order."""
    return [
        statement | {"Action": sorted([actions] if isinstance(actions, str) else actions)}
        for statement in policy["Statement"]
        for actions in [statement["Action"]]
    ]


@pytest.fixture
def template() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((MODULE / "stackset.yaml").read_text())
    return parsed


def test_the_role_trusts_the_collector_and_reads_jobs_and_recovery_plans_only(
    planned: Callable[[str], Planned],
) -> None:
    resources = planned("member_role")

    role = resources["aws_iam_role.this"]
    assert json.loads(role["assume_role_policy"])["Statement"] == [
        {
            "Sid": "AllowCollector",
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            # IAM accepts the root of an account before the role of the collector exists.
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Condition": {
                "ArnEquals": {"aws:PrincipalArn": COPIES["member_role"]["CollectorRoleArn"]},
                "StringEquals": {"sts:ExternalId": "drs-job-log"},
            },
        }
    ]
    assert normalized(json.loads(resources["aws_iam_role_policy.this"]["policy"])) == [
        {
            "Sid": "ReadJobs",
            "Effect": "Allow",
            "Action": ["drs:DescribeJobs", "drs:DescribeRecoveryInstances", "drs:DescribeSourceServers"],
            "Resource": "*",
        },
        {
            "Sid": "ReadJobLogs",
            "Effect": "Allow",
            "Action": ["drs:DescribeJobLogItems"],
            "Resource": "arn:aws:drs:*:000000000000:job/*",
        },
        {
            "Sid": "ReadRecoveryPlans",
            "Effect": "Allow",
            "Action": [
                "drs:GetRecoveryPlan",
                "drs:GetRecoveryPlanExecution",
                "drs:GetRecoveryPlanExecutionStep",
                "drs:ListRecoveryPlanExecutionSteps",
                "drs:ListRecoveryPlanExecutions",
            ],
            "Resource": "*",
        },
    ]
    role = planned("member_role_in_govcloud")["aws_iam_role.this"]
    assert (role["path"], role["tags"]) == ("/platform/", {"team": "platform"})
    assert role["permissions_boundary"] == "arn:aws-us-gov:iam::000000000000:policy/boundary"


def test_the_arn_of_the_role_is_known_at_plan_time(plan: dict[str, Any]) -> None:
    assert plan["planned_values"]["outputs"]["member_role"]["value"] == {
        "role_arn": "arn:aws:iam::000000000000:role/drs-job-log-reader",
        "external_id": "drs-job-log",
    }


@pytest.mark.parametrize("copy_name", COPIES)
def test_the_template_describes_the_same_role(
    planned: Callable[[str], Planned], template: dict[str, Any], copy_name: str
) -> None:
    resources = planned(copy_name)
    role = resources["aws_iam_role.this"]
    account = re.search(r"drs:\*:([0-9]*):job", resources["aws_iam_role_policy.this"]["policy"])
    assert account

    names = COPIES[copy_name] | {"AWS::AccountId": account[1]}
    described = resolved(template["Resources"]["Role"]["Properties"], names)

    assert (described["RoleName"], described["Description"]) == (role["name"], role["description"])
    assert normalized(described["AssumeRolePolicyDocument"]) == normalized(json.loads(role["assume_role_policy"]))
    (policy,) = described["Policies"]
    inline = resources["aws_iam_role_policy.this"]
    assert policy["PolicyName"] == inline["name"]
    assert normalized(policy["PolicyDocument"]) == normalized(json.loads(inline["policy"]))
    assert template["Parameters"]["RoleName"]["Default"] == "drs-job-log-reader"


@pytest.mark.parametrize(
    ("parameter", "valid", "invalid"),
    [
        ("CollectorRoleArn", COPIES["member_role"]["CollectorRoleArn"], "arn:aws:iam::111122223333:role/*"),
        ("ExternalId", "drs-job-log", "x"),
        ("RoleName", "drs-job-log-reader", "a role"),
    ],
)
def test_the_template_validates_its_parameters(
    template: dict[str, Any], parameter: str, valid: str, invalid: str
) -> None:
    pattern = template["Parameters"][parameter]["AllowedPattern"]

    assert re.fullmatch(pattern, valid)
    assert not re.fullmatch(pattern, invalid)
