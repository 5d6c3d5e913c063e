"""The policies of docs/permissions.md. tests/e2e/test_deploying_role.py deploys the module with them."""

from __future__ import annotations

from typing import Final

from tests.support import provider_schema
from tests.support.permissions import actions, document, listed, policies

DEFAULT, *OTHERS = policies()
STATEMENTS: Final = [statement for policy in (DEFAULT, *OTHERS) for statement in policy]

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_MANAGED_POLICY_CHARACTERS: Final = 6144

# Prefix of a resource type → prefix of the actions that manage it.
SERVICES: Final = {
    "aws_apigatewayv2_": "apigateway",
    "aws_athena_": "athena",
    "aws_cloudwatch_composite_alarm": "cloudwatch",
    "aws_cloudwatch_dashboard": "cloudwatch",
    "aws_cloudwatch_event_": "events",
    "aws_cloudwatch_log_": "logs",
    "aws_cloudwatch_metric_alarm": "cloudwatch",
    "aws_dynamodb_": "dynamodb",
    "aws_glue_": "glue",
    "aws_iam_": "iam",
    "aws_kms_": "kms",
    "aws_lambda_": "lambda",
    "aws_s3_": "s3",
    "aws_scheduler_": "scheduler",
    "aws_sns_": "sns",
    "aws_sqs_": "sqs",
    "aws_ssm_": "ssm",
}


def test_the_policy_fits_into_a_managed_policy() -> None:
    assert len(document(DEFAULT)) <= MAX_MANAGED_POLICY_CHARACTERS


def test_only_actions_without_a_name_apply_to_all_resources() -> None:
    everywhere = {statement["Sid"] for statement in STATEMENTS if "*" in listed(statement["Resource"])}

    assert everywhere == {"QueueTrigger", "AccessLog", "ReadAlarms", "CreateKey", "FindParameters", "Vpc"}


def test_no_action_is_a_pattern_except_for_encryption() -> None:
    patterns = {action for action in actions(STATEMENTS) if "*" in action}

    assert patterns == {"kms:GenerateDataKey*", "kms:ReEncrypt*"}


def test_the_policies_have_actions_for_each_type_of_resource() -> None:
    types = {
        use.type
        for file in provider_schema.files()
        if "examples" not in file.parts
        for use in provider_schema.uses(file)
        if use.kind == "resource"
    }
    services = {action.partition(":")[0] for action in actions(STATEMENTS)}

    assert len(types) > 20
    managed = {
        type_
        for type_ in types
        for prefix, service in SERVICES.items()
        if type_.startswith(prefix) and service in services
    }
    assert types - managed == set(), "add the permissions to docs/permissions.md"
