"""The policies in docs/permissions.md suffice to deploy the module. The embedded AWS enforces authorization here."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.deployment import apply
from tests.support.issuer import Issuer
from tests.support.ministack import REGION, MiniStack
from tests.support.permissions import Policy, actions, document, policies
from tests.support.terraform import ROOT, Terraform, TerraformError, working_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT: Final = "000000000000"
ROLE: Final = "deployer"

# The embedded AWS derives no or another resource from requests for these actions. The test allows them everywhere. It
# shows that the page allows the actions, but not that it allows them for the right resources.
WITHOUT_RESOURCE: Final = {
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DeleteDashboards",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "cloudwatch:PutDashboard",
    "cloudwatch:TagResource",
    "dynamodb:ListTagsOfResource",
    "dynamodb:TagResource",
    "events:CreateArchive",
    "events:DeleteArchive",
    "events:DescribeArchive",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "events:TagResource",
    "events:UpdateArchive",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "lambda:CreateFunction",
    "scheduler:CreateSchedule",
    "scheduler:DeleteSchedule",
    "scheduler:GetSchedule",
    "scheduler:ListTagsForResource",
    "scheduler:TagResource",
    "scheduler:UpdateSchedule",
    "sns:ListTagsForResource",
    "sns:TagResource",
}

# The embedded AWS checks this action for GetEventSourceMapping.
MISNAMED: Final = "lambda:ListEventSourceMappings"

# Name of a service in the provider's log → prefix of its actions.
PREFIXES: Final = {
    "ApiGatewayV2": "apigateway",
    "CloudWatch": "cloudwatch",
    "CloudWatch Logs": "logs",
    "DynamoDB": "dynamodb",
    "EventBridge": "events",
    "IAM": "iam",
    "KMS": "kms",
    "Lambda": "lambda",
    "S3": "s3",
    "SNS": "sns",
    "SQS": "sqs",
    "STS": "sts",
    "Scheduler": "scheduler",
}
# The actions of API Gateway are HTTP methods.
METHODS: Final = {"Create": "POST", "Get": "GET", "Update": "PATCH", "Delete": "DELETE", "Tag": "POST"}
# The actions of S3 whose names differ from those of the operations.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
S3_ACTIONS: Final = {
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}


def documented() -> Policy:
    """Return the statements of the page for the account and Region of the tests."""
    statements = [statement for policy in policies(ACCOUNT, REGION) for statement in policy]
    for statement in statements:
        if statement["Sid"] == "QueueTrigger":
            del statement["Condition"]  # the embedded AWS does not support lambda:FunctionArn
    return statements


def allow(stack: MiniStack, statements: Policy) -> None:
    """Give the role these statements and no other."""
    everywhere = [MISNAMED, *sorted(actions(statements) & WITHOUT_RESOURCE)]
    policy = document([*statements, {"Effect": "Allow", "Action": everywhere, "Resource": "*"}])
    stack.client("iam").put_role_policy(RoleName=ROLE, PolicyName="deploy", PolicyDocument=policy)


def prepare(stack: MiniStack) -> dict[str, str]:
    """Create the event bus and the role. Return the credentials of the role as environment variables."""
    stack.client("events").create_event_bus(Name="recovery")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    role = stack.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=document([trust]))["Role"]["Arn"]
    allow(stack, documented())
    answer = stack.client("sts").assume_role(RoleArn=role, RoleSessionName="terraform")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer["SessionToken"],
    }


@pytest.fixture(scope="module")
def deployer() -> Iterator[tuple[MiniStack, Terraform]]:
    """Return a root module whose Terraform has the credentials of the role."""
    with Issuer() as issuer, working_copy() as copy:
        settings = {"AUTH": "true", "SSL_CERT_FILE": str(issuer.ca_file)}
        with MiniStack(settings, tls=True) as stack:
            folder = shutil.copytree(ROOT / "tests/e2e/deploying_role", copy / "tests/e2e/deploying_role")
            shutil.copy(copy / "examples/basic/tested_override.tf", folder)
            terraform = Terraform(folder, stack.environment | prepare(stack) | {"TF_VAR_issuer": issuer.address})
            terraform.init()
            yield stack, terraform


def called(log: Path) -> set[str]:
    """Return the IAM actions of the requests in a log of the provider."""
    found = set()
    for line in log.read_text().splitlines():
        operation, service = (re.search(rf'rpc\.{key}=(?:"([^"]+)"|(\S+))', line) for key in ("method", "service"))
        if operation and service:
            prefix, name = PREFIXES[service[1] or service[2]], operation[2]
            if prefix == "apigateway":
                name = next(method for verb, method in METHODS.items() if name.startswith(verb))
            elif prefix == "s3":
                name = S3_ACTIONS.get(name, name)
            found.add(f"{prefix}:{name}")
    return found


def test_the_role_plans_applies_changes_and_destroys_the_module(
    deployer: tuple[MiniStack, Terraform], tmp_path: Path
) -> None:
    stack, terraform = deployer
    log = tmp_path / "log"
    terraform.environment |= {"TF_LOG_PROVIDER": "DEBUG", "TF_LOG_PATH": str(log), "TF_VAR_days": "7"}

    def reset() -> None:
        stack.reset()
        terraform.environment |= prepare(stack)

    apply(terraform, SimpleNamespace(reset=reset))
    terraform.environment["TF_VAR_days"] = "14"
    terraform.apply()
    allow(stack, [statement for statement in documented() if statement["Sid"] != "Queues"])
    with pytest.raises(TerraformError, match="not authorized to perform: sqs:GetQueueAttributes"):
        terraform.plan()
    allow(stack, documented())
    terraform.destroy()

    # The embedded AWS does not check each action of Lambda. The log has all of them.
    assert len(called(log)) > 90
    assert called(log) - actions(documented()) == {"sts:GetCallerIdentity"}  # needs no permission
