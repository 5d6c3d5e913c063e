from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import hcl
from tests.terraform.conftest import root_module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.ministack import MiniStack

REJECTED = {
    "name_with_a_space": "name must begin with a letter",
    "name_empty": "name must begin with a letter",
    "name_begins_with_a_digit": "name must begin with a letter",
    "name_too_long": "at most 128 characters",
    "event_bus_name_an_arn": "event_bus_name must be the name of an event bus, not its ARN",
    "event_source_of_aws": 'must not begin with "aws."',
    "event_source_with_a_space": "event_source must contain only letters, digits",
    "event_sources_with_an_empty_one": "event_sources must contain only values of letters",
    "retention_days_zero": "retention_days must be a whole number of days from 1 to 3650",
    "retention_days_a_fraction": "retention_days must be a whole number of days from 1 to 3650",
    "history_days_a_fraction": "history_days must be a whole number of days, at most 3650",
    "history_days_too_many": "history_days must be a whole number of days, at most 3650",
    "rto_zero": "objectives.rto_minutes must be a whole number of minutes from 1 to 43200",
    "rto_a_fraction": "objectives.rto_minutes must be a whole number of minutes from 1 to 43200",
    "rto_too_long": "objectives.rto_minutes must be a whole number of minutes from 1 to 43200",
    "rpo_zero": "objectives.rpo_minutes must be a whole number of minutes from 1 to 43200",
    "rpo_a_fraction": "objectives.rpo_minutes must be a whole number of minutes from 1 to 43200",
    "rpo_too_long": "objectives.rpo_minutes must be a whole number of minutes from 1 to 43200",
    "evidence_bucket_an_arn": 'evidence.bucket must be "create", or the name of a general purpose bucket, not its ARN',
    "evidence_bucket_in_upper_case": 'evidence.bucket must be "create", or the name',
    "evidence_bucket_an_ip_address": 'evidence.bucket must be "create", or the name',
    "evidence_bucket_too_short": 'evidence.bucket must be "create", or the name',
    "evidence_bucket_too_long": 'evidence.bucket must be "create", or the name',
    "evidence_bucket_with_two_dots": 'evidence.bucket must be "create", or the name',
    "evidence_bucket_an_alias": "without a prefix or suffix that S3 reserves",
    "evidence_bucket_a_directory": 'evidence.bucket must be "create", or the name of a general purpose bucket',
    "evidence_prefix_without_a_slash": 'evidence.prefix must be empty or end with "/"',
    "evidence_prefix_begins_with_a_slash": 'evidence.prefix must be empty or end with "/"',
    "evidence_prefix_with_two_slashes": 'evidence.prefix must be empty or end with "/"',
    "evidence_prefix_with_a_wildcard": 'contain only letters, digits, ".", "_" and "-"',
    "evidence_prefix_a_parent": "must begin with a letter or digit",
    "evidence_prefix_too_long": "with at most 200 characters",
    "evidence_retention_zero": "evidence.retention_days must be a whole number of days from 1 to 36500",
    "evidence_retention_a_fraction": "evidence.retention_days must be a whole number of days from 1 to 36500",
    "evidence_retention_too_long": "evidence.retention_days must be a whole number of days from 1 to 36500",
    "evidence_lock_in_lower_case": 'evidence.object_lock_mode must be "GOVERNANCE" or "COMPLIANCE", or null',
    "evidence_key_an_alias": "evidence.kms_key_arn must be the ARN of the key that encrypts the reports",
    "evidence_scan_limit_zero": "evidence.athena_scan_limit_gb must be a whole number of GB from 1 to 10240",
    "evidence_scan_limit_a_fraction": "evidence.athena_scan_limit_gb must be a whole number of GB from 1 to 10240",
    "evidence_scan_limit_too_large": "evidence.athena_scan_limit_gb must be a whole number of GB from 1 to 10240",
    "drill_instances_negative": "readiness.drill_instances_hours must be a whole number of hours from 1 to 8760",
    "drill_instances_a_fraction": "readiness.drill_instances_hours must be a whole number of hours from 1 to 8760",
    "drill_instances_too_long": "readiness.drill_instances_hours must be a whole number of hours from 1 to 8760",
    "drill_check_zero": "readiness.max_days_without_drill must be a whole number of days from 1 to 400",
    "drill_check_a_fraction": "readiness.max_days_without_drill must be a whole number of days from 1 to 400",
    "drill_check_too_long": "readiness.max_days_without_drill must be a whole number of days from 1 to 400",
    "archive_days_zero": "archive_days must be a whole number of days from 1 to 3650",
    "kms_key_an_alias": "kms_key_arn must be the ARN of a KMS key",
    "poll_interval_zero": "collector.poll_interval_seconds must be a whole number from 1 to 30",
    "stalled_after_too_long": "collector.stalled_after_minutes must be a whole number from 1 to 1440",
    "target_region_unknown": "collector.targets[*].region must be the name of a Region",
    "target_role_a_name": "collector.targets[*].role_arn must be the ARN of an IAM role",
    "target_external_id_alone": "collector.targets[*].external_id requires role_arn",
    "target_role_a_pattern": "collector.targets[*].role_arn must be the ARN of an IAM role",
    "previous_event_sources_of_aws": "previous_event_sources must contain only values that event_source can have",
    "targets_missing": "collector.include_this_account = false requires at least one target",
    "targets_too_many": "collector.targets must have at most 400 targets",
    "tag_without_a_key": "collector.only_tagged must have keys of 1 to 128",
    "reserved_concurrency_one": "collector.reserved_concurrency must be a whole number of at least 2",
    "execution_id_tag_of_aws": "execution_id_tag must be a tag key",
    "history_an_arn": "execution_history.table_name must be the name of a DynamoDB table, not its ARN",
    "history_index_without_a_table": "execution_history.table_name must be the name of a DynamoDB table, not its ARN",
    "history_index_empty": "execution_history.job_id_index must be the name of a global secondary index",
    "history_key_an_alias": "execution_history.kms_key_arn must be the ARN of the key",
    "history_keys_without_the_execution": "execution_history.key_attributes must contain execution_id_attribute",
    "history_three_keys": "execution_history.key_attributes must contain execution_id_attribute",
    "history_key_twice": "execution_history.key_attributes must contain execution_id_attribute",
    "history_end_time_unknown": 'execution_history.end_time_format must be "ISO8601" or "EPOCH_SECONDS"',
    "history_no_running_status": "execution_history.running_statuses must contain at least one status",
    "history_running_status_empty": "omit running_statuses to use the default",
    "history_running_status_final": "execution_history.running_statuses must not contain COMPLETED, PARTIAL",
    "history_attribute_empty": "execution_history.*_attribute must be attribute names of 1 to 255 characters",
    "history_attribute_twice": "execution_history must have different values for execution_id_attribute,",
    "api_authorization_unknown": 'api.authorization must be "AWS_IAM"',
    "api_jwt_missing": 'api.jwt and api.authorization = "JWT" require each other',
    "api_jwt_unused": 'api.jwt and api.authorization = "JWT" require each other',
    "api_jwt_without_audience": "at least one audience",
    "api_jwt_issuer_a_name": 'api.jwt.issuer must be the "iss" claim of the tokens',
    "api_jwt_issuer_its_configuration": 'without "/.well-known/openid-configuration"',
    "api_sign_in_without_a_viewer": "api.jwt.sign_in is the sign-in of the viewer. Set api.viewer = true",
    "api_sign_in_client_empty": "api.jwt.sign_in.client_id must be the client ID",
    "api_sign_in_scope_a_list": "api.jwt.sign_in.scope must be the scopes to request, separated by single spaces",
    "api_sign_in_authority_a_name": "api.jwt.sign_in.authority, by default api.jwt.issuer, must be a URL",
    "api_sign_in_issuer_in_capitals": "a host in lowercase",
    "api_sign_in_origin_with_a_path": "api.jwt.sign_in.origins must contain origins",
    "api_sign_in_origin_any": "api.jwt.sign_in.origins must contain origins",
    "api_sign_in_parameter_of_the_viewer": "api.jwt.sign_in.parameters must not contain client_id",
    "api_jwt_audience_empty": "at least one audience",
    "api_jwt_scopes_in_one_text": "api.jwt.scopes must have one scope per list item",
    "api_reserved_concurrency_zero": "api.reserved_concurrency must be a whole number of at least 1",
    "api_origin_any": "api.cors_origins must contain origins",
    "api_origin_in_capitals": "host in lowercase",
    "api_origin_with_a_path": "api.cors_origins must contain origins",
    "api_limit_zero": "api.throttling_rate_limit and api.throttling_burst_limit must be whole numbers from 1 to 10000",
    "api_viewer_limit_zero": "api.viewer_throttling_burst_limit must be whole numbers from 1 to 10000",
    "api_viewer_limit_a_fraction": "api.viewer_throttling_burst_limit must be whole numbers from 1 to 10000",
    "timeout_too_short": "ingest.timeout_seconds must be a whole number from 25 to 900",
    "timeout_too_long": "ingest.timeout_seconds must be a whole number from 25 to 900",
    "window_too_long": "ingest.batching_window_seconds must be a whole number from 0 to 300",
    "concurrency_one": "ingest.maximum_concurrency must be a whole number from 2 to 1000",
    "visibility_timeout_too_small": "timeout_seconds + batching_window_seconds = 185 and at most 43200",
    "visibility_timeout_too_large": "at most 43200",
    "runtime_unknown": 'functions.runtime must be "python3.11"',
    "architecture_unknown": 'functions.architecture must be "arm64" or "x86_64"',
    "memory_too_small": "functions.memory_size and functions.memory_sizes.* must each be a whole number of MB",
    "memory_of_api_too_large": "functions.memory_sizes.* must each be a whole number of MB from 128 to 10240",
    "memory_of_linker_a_fraction": "functions.memory_sizes.* must each be a whole number of MB from 128 to 10240",
    "log_retention_unknown": "functions.log_retention_in_days must be a value that CloudWatch Logs accepts",
    "log_level_above_info": 'functions.log_level must be "INFO" or "DEBUG"',
    "environment_that_lambda_keeps": "functions.environment must not have names that Lambda reserves",
    "environment_with_a_hyphen": "functions.environment must have names",
    "role_path_open": 'functions.role_path must begin and end with "/"',
    "permissions_boundary_a_name": "functions.permissions_boundary must be the ARN of an IAM policy",
    "package_of_both_kinds": "Set exactly one of the two",
    "package_of_no_kind": "Set exactly one of the two",
    "package_without_key": "package.s3_bucket and package.s3_key require each other",
    "package_version_without_bucket": "package.s3_object_version requires package.s3_bucket",
    "package_missing": "package.filename must be the path of an existing zip file",
    "alarm_threshold_zero": "alarms must have thresholds of at least 1",
    "alarm_percent_over_a_hundred": "alarms.function_duration_percent must be at most 100",
    "alarm_runbooks_with_a_slash": "alarms.runbooks must be a path or URL",
    "alarm_pipeline_actions_a_name": "alarms.pipeline_actions and alarms.recovery_actions must each be a list",
    "notifications_without_a_topic": "notifications must have either create_topic = true",
    "notifications_with_two_topics": "notifications must have either create_topic = true",
    "notifications_of_an_unknown_kind": "notifications.kinds has the unknown kinds finished. Use at least one of",
    "notifications_of_no_kind": (
        "notifications.kinds has no kind. Use at least one of started, job_ended, settled, failed, resolved, stalled, "
        "slow, at_risk, action_failed, plan_failed, drill_instances. To send no notifications, set enabled = false."
    ),
    "notifications_fifo": "notifications.topic_arn must be the ARN of a standard SNS topic",
    "notifications_key_an_alias": "notifications.kms_key_arn must be the ARN of the key that encrypts your topic",
    "notifications_key_of_the_modules_topic": "notifications.kms_key_arn is for your own topic",
    "notifications_viewer_with_a_slash": "notifications.viewer_url must be a URL without",
    "alarms_actions_a_name": "alarms.pipeline_actions and alarms.recovery_actions must each be a list",
    "vpc_without_subnets": "functions.vpc.subnet_ids must contain at least one subnet ID",
    "vpc_subnet_a_name": "functions.vpc.subnet_ids must contain at least one subnet ID",
    "vpc_without_security_groups": "functions.vpc.security_group_ids must contain one to five security group IDs",
    "vpc_six_security_groups": "functions.vpc.security_group_ids must contain one to five security group IDs",
    "vpc_security_group_a_name": "functions.vpc.security_group_ids must contain one to five security group IDs",
    "code_signing_an_id": "functions.code_signing_config_arn must be an ARN",
    "alarm_actions_a_name": "alarm_actions must be a list of at most five ARNs",
}
REJECTED_BY_PRECONDITIONS = [
    "functions.environment must not set RETENTION_DAYS",
    "Set functions.powertools_layer.arn to your own copy",
    "collector.targets must not contain the same account and Region twice",
    "collector.targets must not contain a role of this account for this Region",
    "The environment of environment-too-large-",
    "collector.targets needs 11 IAM policies, and a role can have 10",
    "notifications.topic_arn must be the ARN of a topic in this Region, us-east-1",
    "evidence.kms_key_arn must be a key in this Region, us-east-1",
    "DRS) has no endpoint in the Regions of China. Use the module in a Region with DRS",
    "expected runtime to be one of",
]


def flat(message: str) -> str:
    """Return a message in one line."""
    return " ".join(message.split())


@pytest.fixture(scope="module")
def refusals(copy: Path, stack: MiniStack) -> list[dict[str, Any]]:
    return root_module(copy, "refusals", stack).refusals()


@pytest.fixture(scope="module")
def combinations(copy: Path, stack: MiniStack) -> list[dict[str, Any]]:
    return root_module(copy, "combinations", stack).refusals()


@pytest.fixture(scope="module")
def precondition_refusals(copy: Path, stack: MiniStack) -> list[dict[str, Any]]:
    return root_module(copy, "preconditions", stack).refusals()


@pytest.mark.parametrize(("case", "message"), REJECTED.items())
def test_an_invalid_input_is_rejected_with_the_remedy(refusals: list[dict[str, Any]], case: str, message: str) -> None:
    errors = [flat(error["detail"]) for error in refusals if error["snippet"]["context"] == f'module "{case}"']

    assert len(errors) == 1, errors
    assert message in errors[0]


def test_no_other_input_is_rejected(refusals: list[dict[str, Any]]) -> None:
    assert {diagnostic["snippet"]["context"] for diagnostic in refusals} == {f'module "{case}"' for case in REJECTED}


def test_preconditions_reject_invalid_combinations(precondition_refusals: list[dict[str, Any]]) -> None:
    # One function or all functions report an error. Terraform adds a line with the rule of a variable.
    # An error of the provider has no detail.
    errors = {
        re.sub("-large-[a-z]+", "-large-", flat((diagnostic["detail"] or diagnostic["summary"]).split("\n\n")[0]))
        for diagnostic in precondition_refusals
    }

    assert len(errors) == len(REJECTED_BY_PRECONDITIONS), errors
    assert all(any(message in detail for detail in errors) for message in REJECTED_BY_PRECONDITIONS)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("layer_dropped_without_a_package", "requires a package that contains Powertools"),
        ("key_given_and_made", "create_kms_key and kms_key_arn are mutually exclusive"),
        ("history_shorter_than_retention", "history_days must be at least retention_days = 30, because the ledger"),
        ("drill_check_longer_than_history", "readiness.max_days_without_drill must be at most history_days = 90"),
        ("alarms_with_too_many_actions_together", "must together have at most five ARNs"),
        ("drill_check_without_the_collector", "readiness.max_days_without_drill requires the collector"),
        ("lookback_longer_than_retention", "retention_days = 48, because the events table keeps no older events"),
        ("alarm_actions_twice", "Move the ARNs to alarms.actions"),
        ("evidence_bucket_with_a_reserved_name", "Change name, or pass the name of a bucket of yours"),
        ("signed_code_without_a_package", "functions.code_signing_config_arn requires a signed package"),
        ("signed_code_with_the_public_layer", "Set package, and functions.powertools_layer.arn or enabled = false"),
    ],
)
def test_validations_reject_invalid_combinations(combinations: list[dict[str, Any]], case: str, message: str) -> None:
    (error,) = [flat(d["detail"]) for d in combinations if d["snippet"]["context"] == f'module "{case}"']

    assert message in error
    assert len(combinations) == 11


def test_each_validation_of_the_module_rejects_an_input(
    refusals: list[dict[str, Any]], combinations: list[dict[str, Any]], precondition_refusals: list[dict[str, Any]]
) -> None:
    errors = flat("\n".join(diagnostic["detail"] for diagnostic in refusals + combinations + precondition_refusals))
    rules = [
        # The text before the first interpolation, because its value differs.
        flat(re.split(r"\$\{", rule["error_message"])[0])
        for variable in hcl.blocks("variables.tf", "variable").values()
        for rule in variable.get("validation", [])
    ]

    assert len(rules) > 20
    assert [rule for rule in rules if rule not in errors] == []
