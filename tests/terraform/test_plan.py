from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.config import RUNNING_STATUSES

from tests.support import package
from tests.support.envelopes import dumps, launch_result, request
from tests.terraform.conftest import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.ministack import MiniStack
    from tests.terraform.conftest import Planned
SQS = f"arn:aws:sqs:us-east-1:{ACCOUNT}"
EVENTS = f"arn:aws:events:us-east-1:{ACCOUNT}:rule"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

# Maximum name lengths of AWS.
LIMITS = {
    ("aws_apigatewayv2_api", "name"): 128,
    ("aws_cloudwatch_event_rule", "name"): 64,
    ("aws_cloudwatch_metric_alarm", "alarm_name"): 255,
    ("aws_cloudwatch_log_group", "name"): 512,
    ("aws_dynamodb_table", "name"): 255,
    ("aws_iam_role", "name"): 64,
    ("aws_lambda_function", "function_name"): 64,
    ("aws_s3_bucket", "bucket"): 63,
    ("aws_scheduler_schedule", "name"): 64,
    ("aws_scheduler_schedule_group", "name"): 64,
    ("aws_sqs_queue", "name"): 80,
}


def names(resources: Planned) -> dict[str, tuple[str, int]]:
    """Return the name of each resource and its maximum length, by address."""
    return {
        address: (values[attribute], limit)
        for address, values in resources.items()
        for (kind, attribute), limit in LIMITS.items()
        if f"{kind}." in address
    }


def queue_policy(arn: str, rules: str | list[str] | None) -> dict[str, Any]:
    allow = {
        "Sid": "AllowEventBridgeRules",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rules}},
    }
    deny = {
        "Sid": "DenyInsecureTransport",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [allow, deny] if rules else [deny]}


def role_policy(resources: Planned, function: str = "ingest") -> dict[str, Any]:
    """Return the statements of a function's role by Sid, with sorted actions."""
    policy = json.loads(resources[f"module.{function}.aws_iam_role_policy.this"]["policy"])
    for statement in policy["Statement"]:
        actions = statement["Action"]
        statement["Action"] = sorted([actions] if isinstance(actions, str) else actions)
    return {statement.pop("Sid"): statement for statement in policy["Statement"]}


# ---------------------------------------------------------------------------------------------------------------------
# Events
# ---------------------------------------------------------------------------------------------------------------------


LAUNCH_RESULTS = {"source": ["aws.drs"], "detail-type": ["DRS Source Server Launch Result"]}
REQUESTS = {
    "source": ["aws.drs"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {
        "eventSource": ["drs.amazonaws.com"],
        "responseElements": {"job": {"jobID": [{"exists": True}]}},
    },
}

REPLICATION_CHANGES = {"source": ["aws.drs"], "detail-type": ["DRS Source Server Data Replication Stalled Change"]}


def test_one_rule_on_the_default_bus_matches_all_types_of_events(planned: Callable[[str], Planned]) -> None:
    resources = planned("default")

    (rule,) = [values for address, values in resources.items() if "aws_cloudwatch_event_rule.this" in address]
    assert rule["event_bus_name"] == "default"
    assert json.loads(rule["event_pattern"]) == {
        "$or": [
            {
                "source": ["drs.job-log", "aws.drs"],
                "detail-type": ["DRS Job Log"],
                "detail": {"jobID": [{"exists": True}]},
            },
            LAUNCH_RESULTS,
            REQUESTS,
            REPLICATION_CHANGES,
        ]
    }
    assert rule["description"] == (
        "Sends to the ingest queue of drs-job-log: DRS job log events, launch results, requests of jobs, "
        "changes of data replication"
    )


def test_events_of_aws_are_read_from_the_default_bus_if_the_bus_is_custom(planned: Callable[[str], Planned]) -> None:
    resources = planned("custom_bus")

    job_log = resources['aws_cloudwatch_event_rule.this["job-log"]']
    assert job_log["event_bus_name"] == "recovery"
    assert json.loads(job_log["event_pattern"])["$or"][0]["source"] == ["drs.job-log.custom-bus", "aws.drs"]
    launch_results = resources['aws_cloudwatch_event_rule.this["launch-results"]']
    assert launch_results["event_bus_name"] == "default"
    assert json.loads(launch_results["event_pattern"]) == {"$or": [LAUNCH_RESULTS, REQUESTS, REPLICATION_CHANGES]}
    assert launch_results["description"] == (
        "Sends from the default bus to the ingest queue of custom-bus: launch results, requests of jobs, "
        "changes of data replication"
    )


@pytest.mark.parametrize(
    ("event", "is_matched"),
    [
        (launch_result(), True),
        (request({}), True),
        (request({}, responseElements=None, errorCode="AccessDenied"), False),
        (request({}, responseElements={"items": []}, eventName="DescribeJobs"), False),
        (request({}, eventSource="ec2.amazonaws.com"), False),
        (request({}) | {"source": "my.tool"}, False),
    ],
)
def test_the_rule_matches_only_calls_of_drs_that_created_a_job(
    planned: Callable[[str], Planned], stack: MiniStack, event: dict[str, Any], is_matched: bool
) -> None:
    pattern = planned("custom_bus")['aws_cloudwatch_event_rule.this["launch-results"]']["event_pattern"]

    answer = stack.client("events").test_event_pattern(EventPattern=pattern, Event=dumps(event))

    assert answer["Result"] is is_matched


@pytest.mark.parametrize("copy_name", ["without_collector", "other_accounts_only"])
def test_requests_are_stored_only_if_the_collector_follows_their_jobs(
    planned: Callable[[str], Planned], copy_name: str
) -> None:
    rule = planned(copy_name)['aws_cloudwatch_event_rule.this["job-log"]']

    assert json.loads(rule["event_pattern"])["$or"][1:] == [LAUNCH_RESULTS, REPLICATION_CHANGES]
    assert rule["description"].endswith(": DRS job log events, launch results, changes of data replication")


def test_with_only_tagged_no_events_of_aws_are_stored(planned: Callable[[str], Planned]) -> None:
    """Launch results and requests have no tags, so that nobody knows whether their job has the tags."""
    resources = planned("everything")

    def patterns(resource: str) -> dict[str, Any]:
        return {
            re.findall('"([a-z-]+)"', address)[0]: json.loads(values["event_pattern"])
            for address, values in resources.items()
            if resource in address
        }

    job_log = {
        "source": ["example.job-log", "example.replay", "example.other"],
        "detail-type": ["DRS Job Log"],
        "detail": {"jobID": [{"exists": True}]},
    }
    drill_checks = {"source": ["example.job-log"], "detail-type": ["DRS Drill Check"]}
    assert patterns("aws_cloudwatch_event_rule.this") == {
        "job-log": {"$or": [job_log, REPLICATION_CHANGES, drill_checks]},
        # Stalled replication is a fact about a server, not about a job.
        "launch-results": REPLICATION_CHANGES,
    }
    assert patterns("aws_cloudwatch_event_archive.this") == patterns("aws_cloudwatch_event_rule.this")


def test_stalled_replication_is_not_matched_if_it_is_not_counted(planned: Callable[[str], Planned]) -> None:
    rule = planned("without_drs")['aws_cloudwatch_event_rule.this["job-log"]']

    assert json.loads(rule["event_pattern"])["$or"][1:] == [LAUNCH_RESULTS, REQUESTS]


@pytest.mark.parametrize(
    ("copy_name", "source"),
    [("default", "drs.job-log"), ("govcloud", "drs.job-log.govcloud"), ("everything", "example.job-log")],
)
def test_each_copy_has_its_own_source(planned: Callable[[str], Planned], copy_name: str, source: str) -> None:
    resources = planned(copy_name)

    pattern = json.loads(resources['aws_cloudwatch_event_rule.this["job-log"]']["event_pattern"])
    assert pattern.get("$or", [pattern])[0]["source"][0] == source
    condition = role_policy(resources, "collector[0]")["PutEvents"]["Condition"]["ForAllValues:StringEquals"]
    assert condition["events:source"] == source
    for function in ("collector[0]", "ingest", "linker"):
        (environment,) = resources[f"module.{function}.aws_lambda_function.this"]["environment"]
        assert environment["variables"]["EVENT_SOURCE"] == source
        # The source of earlier versions. It is not that of the collector if another sender uses it.
        previous = {"default": "", "govcloud": "drs.job-log", "everything": "drs.job-log,example.old"}[copy_name]
        assert environment["variables"]["PREVIOUS_EVENT_SOURCES"] == previous


@pytest.mark.parametrize(("copy_name", "buses"), [("default", {"default"}), ("custom_bus", {"recovery", "default"})])
def test_targets_retry_for_a_day_and_then_use_the_delivery_dlq(
    planned: Callable[[str], Planned], copy_name: str, buses: set[str]
) -> None:
    targets = [values for address, values in planned(copy_name).items() if "event_target.queue" in address]

    assert {target["event_bus_name"] for target in targets} == buses
    for target in targets:
        assert target["retry_policy"] == [{"maximum_event_age_in_seconds": 86400, "maximum_retry_attempts": 185}]
        assert len(target["dead_letter_config"]) == 1


@pytest.mark.parametrize(
    ("copy_name", "prefix", "rules"),
    [
        ("default", "drs-job-log", f"{EVENTS}/drs-job-log-job-log"),
        ("custom_bus", "custom-bus", [f"{EVENTS}/recovery/custom-bus-job-log", f"{EVENTS}/custom-bus-launch-results"]),
    ],
)
def test_only_the_rules_may_send_to_the_queues_and_only_over_tls(
    planned: Callable[[str], Planned], copy_name: str, prefix: str, rules: str | list[str]
) -> None:
    resources = planned(copy_name)

    def policy(queue: str) -> Any:
        return json.loads(resources[f"aws_sqs_queue.{queue}"]["policy"])

    assert policy("ingest") == queue_policy(f"{SQS}:{prefix}-ingest", rules)
    assert policy("delivery_dlq") == queue_policy(f"{SQS}:{prefix}-delivery-dlq", rules)
    assert policy("processing_dlq") == queue_policy(f"{SQS}:{prefix}-processing-dlq", None)


def test_queues_are_encrypted_and_keep_messages_for_14_days(planned: Callable[[str], Planned]) -> None:
    for queue in ("ingest", "processing_dlq", "delivery_dlq"):
        values = planned("default")[f"aws_sqs_queue.{queue}"]
        assert values["message_retention_seconds"] == 14 * 24 * 3600
        assert values["sqs_managed_sse_enabled"] is True

        values = planned("everything")[f"aws_sqs_queue.{queue}"]
        assert values["kms_master_key_id"] == KEY


def test_redrive_is_allowed_from_the_ingest_queue_only(planned: Callable[[str], Planned]) -> None:
    resources = planned("default")

    def redrive_allow_policy(queue: str) -> Any:
        return json.loads(resources[f"aws_sqs_queue.{queue}"]["redrive_allow_policy"])

    assert redrive_allow_policy("processing_dlq") == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [f"{SQS}:drs-job-log-ingest"],
    }
    assert redrive_allow_policy("ingest") == {"redrivePermission": "denyAll"}
    assert redrive_allow_policy("delivery_dlq") == {"redrivePermission": "denyAll"}


def test_the_visibility_timeout_is_derived_and_can_be_larger(planned: Callable[[str], Planned]) -> None:
    assert planned("default")["aws_sqs_queue.ingest"]["visibility_timeout_seconds"] == 6 * 30
    assert planned("everything")["aws_sqs_queue.ingest"]["visibility_timeout_seconds"] == 900


# ---------------------------------------------------------------------------------------------------------------------
# Storage
# ---------------------------------------------------------------------------------------------------------------------


def test_the_events_table_with_defaults(planned: Callable[[str], Planned]) -> None:
    table = planned("default")["aws_dynamodb_table.job_log_events"]

    assert (table["name"], table["hash_key"], table["range_key"]) == ("drs-job-log-events", "JobId", "EventKey")
    assert table["billing_mode"] == "PAY_PER_REQUEST"
    assert table["deletion_protection_enabled"] is True
    assert table["point_in_time_recovery"][0]["enabled"] is True
    assert (table["ttl"][0]["attribute_name"], table["ttl"][0]["enabled"]) == ("TTL", True)
    assert {
        (index["name"], index["hash_key"], index["range_key"], index["projection_type"])
        for index in table["global_secondary_index"]
    } == {
        ("ExecutionIdIndex", "ExecutionId", "Timestamp", "ALL"),
        ("UnlinkedIndex", "UnlinkedJobId", "EventKey", "KEYS_ONLY"),
        ("LateIndex", "ExecutionId", "LateAt", "ALL"),
        ("LedgerIndex", "LedgerMonth", "LedgerKey", "INCLUDE"),
        ("ExecutionLedgerIndex", "ExecutionId", "LedgerKey", "INCLUDE"),
        ("ServerLedgerIndex", "LedgerServerId", "Timestamp", "INCLUDE"),
    }
    assert {
        index["name"]: set(index["non_key_attributes"])
        for index in table["global_secondary_index"]
        if index["projection_type"] == "INCLUDE"
    } == {
        "LedgerIndex": {"EventType", "ExecutionId", "Summary", "Timestamp"},
        "ExecutionLedgerIndex": {"EventType", "Summary", "Timestamp"},
        "ServerLedgerIndex": {
            *("Ec2InstanceId", "EventData", "EventId", "EventType", "ExecutionId"),
            *("Source", "SourceServerName", "Summary"),
        },
    }
    # Explicit, so that a table with a customer managed key changes back.
    assert [sse["enabled"] for sse in table["server_side_encryption"]] == [False]


def test_the_events_table_with_options(planned: Callable[[str], Planned]) -> None:
    table = planned("everything")["aws_dynamodb_table.job_log_events"]

    assert table["deletion_protection_enabled"] is False
    assert table["point_in_time_recovery"][0]["enabled"] is False
    assert table["server_side_encryption"] == [{"enabled": True, "kms_key_arn": KEY}]


# ---------------------------------------------------------------------------------------------------------------------
# The memory of the functions
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("copy_name", "memory_sizes"),
    [
        ("default", {"api": 1024, "collector": 256, "ingest": 512, "linker": 256}),
        ("everything", {"api": 2048, "collector": 384, "ingest": 512, "linker": 512}),
        ("custom_bus", {"api": 1024, "collector": 256, "ingest": 1769, "linker": 128}),
    ],
)
def test_the_memory_of_a_function_is_its_own_or_the_common_value_or_its_default(
    planned: Callable[[str], Planned], copy_name: str, memory_sizes: Mapping[str, int]
) -> None:
    functions = [
        resource for address, resource in planned(copy_name).items() if address.endswith(".aws_lambda_function.this")
    ]

    assert {function["function_name"].split("-")[-1]: function["memory_size"] for function in functions} == memory_sizes


# ---------------------------------------------------------------------------------------------------------------------
# The ingest function
# ---------------------------------------------------------------------------------------------------------------------


def test_ingest_with_defaults(planned: Callable[[str], Planned]) -> None:
    function = planned("default")["module.ingest.aws_lambda_function.this"]

    assert function["function_name"] == "drs-job-log-ingest"
    assert function["handler"] == "drs_job_log.ingest.handler.lambda_handler"
    assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"])
    assert function["timeout"] == 30
    assert function["environment"] == [
        {
            "variables": {
                "EVENT_BUS_NAME": "default",
                "EVENT_SOURCE": "drs.job-log",
                "FAILURE_TOPIC_ARN": f"arn:aws:sns:us-east-1:{ACCOUNT}:drs-job-log-failures",
                "JOB_LOG_EVENTS_TABLE": "drs-job-log-events",
                "NOTICE_KINDS": (
                    "started,failed,resolved,stalled,at_risk,settled,plan_failed,drill_instances,replication_stalled"
                ),
                "NOTICES_TABLE": "drs-job-log-notices",
                "PREVIOUS_EVENT_SOURCES": "",
                "STALLED_AFTER_MINUTES": "45",
                "QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/drs-job-log-ingest",
                "HISTORY_DAYS": "400",
                "RETENTION_DAYS": "30",
                "RUNBOOKS": "docs/runbooks",
                "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
                "POWERTOOLS_SERVICE_NAME": "drs-job-log",
            }
        }
    ]
    assert function["logging_config"] == [
        {
            "log_format": "JSON",
            "application_log_level": "INFO",
            "system_log_level": "WARN",
            "log_group": "/aws/lambda/drs-job-log-ingest",
        }
    ]
    assert function["tracing_config"] == [{"mode": "PassThrough"}]
    assert function["layers"] == [
        "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-arm64:27"
    ]


def test_ingest_with_options(planned: Callable[[str], Planned]) -> None:
    resources = planned("everything")

    function = resources["module.ingest.aws_lambda_function.this"]
    assert (function["runtime"], function["architectures"]) == ("python3.12", ["x86_64"])
    assert function["timeout"] == 60
    assert function["environment"][0]["variables"]["TEAM"] == "platform"
    variables = function["environment"][0]["variables"]
    assert (variables["RETENTION_DAYS"], variables["HISTORY_DAYS"]) == ("7", "800")
    assert (variables["RTO_MINUTES"], variables["RPO_MINUTES"]) == ("240", "30")
    assert function["logging_config"][0]["application_log_level"] == "DEBUG"
    assert function["tracing_config"] == [{"mode": "Active"}]
    assert function["layers"] == [f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:powertools:1"]
    log_group = resources["module.ingest.aws_cloudwatch_log_group.this"]
    assert (log_group["retention_in_days"], log_group["kms_key_id"]) == (90, KEY)
    role = resources["module.ingest.aws_iam_role.this"]
    assert (role["permissions_boundary"], role["path"]) == (f"arn:aws:iam::{ACCOUNT}:policy/boundary", "/platform/")


def test_the_log_group_has_a_retention(planned: Callable[[str], Planned]) -> None:
    log_group = planned("default")["module.ingest.aws_cloudwatch_log_group.this"]

    assert (log_group["name"], log_group["retention_in_days"]) == ("/aws/lambda/drs-job-log-ingest", 30)


def test_the_ingest_role_has_only_the_necessary_permissions(planned: Callable[[str], Planned]) -> None:
    resources = planned("default")

    assert role_policy(resources) == {
        "ConsumeQueue": {
            "Effect": "Allow",
            "Action": ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            "Resource": f"{SQS}:drs-job-log-ingest",
        },
        "StoreEvents": {
            "Effect": "Allow",
            "Action": ["dynamodb:PutItem"],
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/drs-job-log-events",
        },
        "RecordNotifications": {
            "Effect": "Allow",
            "Action": ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/drs-job-log-notices",
        },
        "PublishNotifications": {
            "Effect": "Allow",
            "Action": ["sns:Publish"],
            "Resource": f"arn:aws:sns:us-east-1:{ACCOUNT}:drs-job-log-failures",
        },
        "DelayMessages": {
            "Effect": "Allow",
            "Action": ["sqs:SendMessage"],
            "Resource": f"{SQS}:drs-job-log-ingest",
        },
        "ReadEvents": {
            "Effect": "Allow",
            "Action": ["dynamodb:Query"],
            "Resource": [
                f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/drs-job-log-events{index}"
                for index in (
                    *("/index/ServerLedgerIndex", "/index/LedgerIndex"),
                    *("/index/ExecutionLedgerIndex", "/index/ExecutionIdIndex", ""),
                )
            ],
        },
        "ReportFacts": put_events(
            "default",
            "drs.job-log",
            [
                *("DRS Execution At Risk", "DRS Execution Continued"),
                *("DRS Execution Settled", "DRS Execution Started"),
            ],
        ),
        "WriteLogs": {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/drs-job-log-ingest:*",
        },
    }
    assert json.loads(resources["module.ingest.aws_iam_role.this"]["assume_role_policy"])["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]


def test_ingest_sends_to_its_queue_also_without_notifications(planned: Callable[[str], Planned]) -> None:
    def environment(copy_name: str) -> dict[str, str]:
        variables: dict[str, str] = planned(copy_name)["module.ingest.aws_lambda_function.this"]["environment"][0][
            "variables"
        ]
        return variables

    assert environment("everything")["QUEUE_URL"] == f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/other-ingest"
    # The domain differs between partitions.
    assert environment("europe")["QUEUE_URL"] == f"https://sqs.eusc-de-east-1.amazonaws.eu/{ACCOUNT}/europe-ingest"
    assert "FAILURE_TOPIC_ARN" not in environment("without_alarms")
    assert "QUEUE_URL" in environment("without_alarms")
    policy = role_policy(planned("without_alarms"))
    assert "PublishNotifications" not in policy
    assert {"DelayMessages", "ReadEvents", "ReportFacts"} <= set(policy)


def test_the_ingest_role_can_use_the_key_only_via_dynamodb_and_sqs(planned: Callable[[str], Planned]) -> None:
    policy = role_policy(planned("everything"))

    assert policy["UseCustomerKey"] == {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        "Resource": KEY,
        "Condition": {"StringLike": {"kms:ViaService": ["dynamodb.us-east-1.*", "sqs.us-east-1.*"]}},
    }
    assert policy["WriteTraces"] == {
        "Effect": "Allow",
        "Action": ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
        "Resource": "*",
    }


@pytest.mark.parametrize(("copy_name", "window", "concurrency"), [("default", 0, 10), ("everything", 5, 50)])
def test_the_queue_is_read_in_batches_with_partial_failures(
    planned: Callable[[str], Planned], copy_name: str, window: int, concurrency: int
) -> None:
    mapping = planned(copy_name)["aws_lambda_event_source_mapping.ingest"]

    assert mapping["function_response_types"] == ["ReportBatchItemFailures"]
    assert (mapping["batch_size"], mapping["maximum_batching_window_in_seconds"]) == (10, window)
    assert mapping["scaling_config"] == [{"maximum_concurrency": concurrency}]


# ---------------------------------------------------------------------------------------------------------------------
# Inputs that the policies of companies require
# ---------------------------------------------------------------------------------------------------------------------

FUNCTIONS = {
    "module.ingest": "ingest",
    "module.collector[0]": "collector",
    "module.linker": "linker",
    "module.api[0]": "api",
}
MANAGE = [
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    "ec2:UnassignPrivateIpAddresses",
]
DESCRIBE = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
NETWORK_ACTIONS = sorted(MANAGE + DESCRIBE)


@pytest.mark.parametrize(("module", "function"), FUNCTIONS.items())
def test_only_the_lambda_service_can_manage_the_network_interfaces_of_a_function(
    planned: Callable[[str], Planned], module: str, function: str
) -> None:
    resources = planned("everything")

    (config,) = resources[f"{module}.aws_lambda_function.this"]["vpc_config"]
    assert set(config["subnet_ids"]) == {"subnet-0a", "subnet-0b"}
    assert config["security_group_ids"] == ["sg-0a"]
    policy = role_policy(resources, module.removeprefix("module."))
    code = {"ArnEquals": {"lambda:SourceFunctionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:other-{function}"}}
    assert policy["ManageNetworkInterfaces"] == allow(MANAGE, "arn:aws:ec2:us-east-1:*:*/*")
    assert policy["DescribeNetwork"] == allow(DESCRIBE, "*")
    assert policy["DenyNetworkAccessToCode"] == allow(NETWORK_ACTIONS, "*", code) | {"Effect": "Deny"}
    # The role can change network interfaces only in a VPC.
    assert planned("own_key")[f"{module}.aws_lambda_function.this"]["vpc_config"] == []
    assert "ec2:" not in json.dumps(role_policy(planned("default"), module.removeprefix("module.")))


@pytest.mark.parametrize(("module", "function"), FUNCTIONS.items())
def test_the_customer_key_encrypts_the_environment_of_a_function(
    planned: Callable[[str], Planned], module: str, function: str
) -> None:
    resources = planned("everything")

    assert resources[f"{module}.aws_lambda_function.this"]["kms_key_arn"] == KEY
    assert role_policy(resources, module.removeprefix("module."))["DecryptEnvironment"] == {
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": KEY,
        "Condition": {
            "StringEquals": {
                "kms:EncryptionContext:aws:lambda:FunctionArn": (
                    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:other-{function}"
                )
            }
        },
    }
    assert planned("default")[f"{module}.aws_lambda_function.this"]["kms_key_arn"] is None


def test_log_groups_can_survive_a_destroy(planned: Callable[[str], Planned]) -> None:
    for copy_name, is_kept in (("default", False), ("everything", True)):
        groups = {
            address: values["skip_destroy"]
            for address, values in planned(copy_name).items()
            if "aws_cloudwatch_log_group." in address
        }
        assert groups == dict.fromkeys(
            ["aws_cloudwatch_log_group.api_access[0]", *(f"{one}.aws_cloudwatch_log_group.this" for one in FUNCTIONS)],
            is_kept,
        )


def test_functions_can_require_signed_code(planned: Callable[[str], Planned]) -> None:
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:code-signing-config:csc-0123456789abcdef0"

    for module in FUNCTIONS:
        assert planned("prebuilt_object")[f"{module}.aws_lambda_function.this"]["code_signing_config_arn"] == arn
        assert planned("default")[f"{module}.aws_lambda_function.this"]["code_signing_config_arn"] is None


# ---------------------------------------------------------------------------------------------------------------------
# The collector
# ---------------------------------------------------------------------------------------------------------------------


def test_the_collector_with_defaults(planned: Callable[[str], Planned]) -> None:
    function = planned("default")["module.collector[0].aws_lambda_function.this"]

    assert function["function_name"] == "drs-job-log-collector"
    assert function["handler"] == "drs_job_log.collect.handler.lambda_handler"
    assert function["timeout"] == 63
    assert function["reserved_concurrent_executions"] == -1  # no reserved concurrency
    assert function["environment"][0]["variables"] == {
        "DRILL_INSTANCES_HOURS": "24",
        "DRS_TARGETS": "[{}]",
        "EVENT_BUS_NAME": "default",
        "EVENT_SOURCE": "drs.job-log",
        "EXECUTION_ID_TAG": "ExecutionId",
        "NOTICES_TABLE": "drs-job-log-notices",
        "ONLY_TAGGED": "{}",
        "PREVIOUS_EVENT_SOURCES": "",
        "JOB_LOG_EVENTS_TABLE": "drs-job-log-events",
        "LOOKBACK_HOURS": "24",
        "POLL_INTERVAL_SECONDS": "3",
        "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
        "POWERTOOLS_SERVICE_NAME": "drs-job-log",
        "RECOVERY_PLANS": "true",
        "RETENTION_DAYS": "30",
        "STALLED_AFTER_MINUTES": "45",
    }


def test_the_collector_with_options(planned: Callable[[str], Planned]) -> None:
    function = planned("everything")["module.collector[0].aws_lambda_function.this"]

    variables = function["environment"][0]["variables"]
    role = {"roleArn": "arn:aws:iam::111122223333:role/drs-reader", "externalId": "secret"}
    assert json.loads(variables.pop("DRS_TARGETS")) == [
        {},  # this account
        {},  # and once more, as an earlier version required it. The collector reads it once
        {"region": "eu-west-1"},
        {"region": "eu-west-1", **role},
        {"region": "eu-central-1", **role},
    ]
    assert variables == {
        "EVENT_BUS_NAME": "recovery",
        "EVENT_SOURCE": "example.job-log",
        "EXECUTION_ID_TAG": "Execution",
        "NOTICES_TABLE": "other-notices",
        "ONLY_TAGGED": '{"environment":"production"}',
        "PREVIOUS_EVENT_SOURCES": "drs.job-log,example.old",
        "JOB_LOG_EVENTS_TABLE": "other-events",
        "DRILL_INSTANCES_HOURS": "48",
        "LOOKBACK_HOURS": "48",
        "MAX_DAYS_WITHOUT_DRILL": "365",
        "POLL_INTERVAL_SECONDS": "10",
        "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
        "POWERTOOLS_SERVICE_NAME": "other",
        "RECOVERY_PLANS": "true",
        "RETENTION_DAYS": "7",
        "RTO_MINUTES": "240",
        "STALLED_AFTER_MINUTES": "60",
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "TEAM": "platform",
    }
    assert function["timeout"] == 56
    assert function["reserved_concurrent_executions"] == 4


def put_events(bus: str, source: str, detail_type: str | list[str] = "DRS Job Log") -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": ["events:PutEvents"],
        "Resource": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/{bus}",
        "Condition": {
            "ForAllValues:StringEquals": {"events:source": source, "events:detail-type": detail_type},
            "Null": {"events:source": "false", "events:detail-type": "false"},
        },
    }


READ_PLANS = {
    "Effect": "Allow",
    "Action": [
        "drs:GetRecoveryPlan",
        "drs:GetRecoveryPlanExecution",
        "drs:GetRecoveryPlanExecutionStep",
        "drs:ListRecoveryPlanExecutionSteps",
        "drs:ListRecoveryPlanExecutions",
    ],
    "Resource": "*",
}


def test_the_collector_role_has_only_the_necessary_permissions(planned: Callable[[str], Planned]) -> None:
    assert role_policy(planned("default"), "collector[0]") == {
        "ReadJobs": {
            "Effect": "Allow",
            "Action": ["drs:DescribeJobs", "drs:DescribeRecoveryInstances", "drs:DescribeSourceServers"],
            "Resource": "*",
        },
        "ReadJobLogs": {
            "Effect": "Allow",
            "Action": ["drs:DescribeJobLogItems"],
            "Resource": f"arn:aws:drs:us-east-1:{ACCOUNT}:job/*",
        },
        "ReadRecoveryPlans": READ_PLANS,
        "PutEvents": put_events("default", "drs.job-log"),
        "ReadStoredEvents": {
            "Effect": "Allow",
            "Action": ["dynamodb:Query"],
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/drs-job-log-events",
        },
        "LockPolling": {
            "Effect": "Allow",
            "Action": ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/drs-job-log-notices",
            "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["collector", "drill-check", "plan-event#*"]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        },
        "WriteLogs": {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/drs-job-log-collector:*",
        },
    }


def test_the_collector_role_can_read_its_targets_only(
    planned: Callable[[str], Planned],
) -> None:
    assume = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRole"],
        "Resource": "arn:aws:iam::111122223333:role/drs-reader",
    }

    policy = role_policy(planned("everything"), "collector[0]")
    assert policy["AssumeRolesOfTargets"] == assume
    assert set(policy["ReadJobLogs"]["Resource"]) == {
        f"arn:aws:drs:us-east-1:{ACCOUNT}:job/*",
        f"arn:aws:drs:eu-west-1:{ACCOUNT}:job/*",
    }
    assert policy["PutEvents"] == put_events("recovery", "example.job-log", ["DRS Job Log", "DRS Drill Check"])
    assert policy["UseCustomerKey"] == {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        "Resource": KEY,
        "Condition": {"StringLike": {"kms:ViaService": "dynamodb.us-east-1.*"}},
    }
    assert policy["ReadRecoveryPlans"] == READ_PLANS
    policy = role_policy(planned("other_accounts_only"), "collector[0]")
    assert policy["AssumeRolesOfTargets"] == assume
    assert {sid for sid in policy if sid.startswith("Read")} == {"ReadStoredEvents"}


def test_two_hundred_targets_are_in_parameters_and_managed_policies(planned: Callable[[str], Planned]) -> None:
    resources = planned("many_targets")

    parameters = {values["name"]: values for address, values in resources.items() if "aws_ssm_parameter" in address}
    (environment,) = resources["module.collector[0].aws_lambda_function.this"]["environment"]
    names = environment["variables"]["DRS_TARGETS_PARAMETERS"].split(",")
    assert set(names) == set(parameters)
    assert all(len(parameters[name]["insecure_value"]) <= 4096 for name in names)
    text = "".join(parameters[name]["insecure_value"] for name in names)
    assert environment["variables"]["DRS_TARGETS_SHA256"] == hashlib.sha256(text.encode()).hexdigest()
    targets = json.loads(text)
    assert (len(targets), targets[0]) == (201, {})
    assert targets[200] == {
        "region": "eu-west-10",
        "roleArn": "arn:aws:iam::111122220199:role/recovery/drs-job-log-reader-with-a-long-name",
        "externalId": "11111111-2222-3333-4444-555555555555",
    }

    policies = [values["policy"] for address, values in resources.items() if "aws_iam_policy.targets" in address]
    assert all(len("".join(policy.split())) <= 6144 for policy in policies)
    statements = [statement for policy in policies for statement in json.loads(policy)["Statement"]]
    assert {(statement["Effect"], statement["Action"]) for statement in statements} == {("Allow", "sts:AssumeRole")}
    roles = [arn for statement in statements for arn in statement["Resource"]]
    assert sorted(roles) == sorted(target["roleArn"] for target in targets[1:])
    assert sum("aws_iam_role_policy_attachment.targets" in address for address in resources) == len(policies) <= 10
    inline = role_policy(resources, "collector[0]")
    assert "AssumeRolesOfTargets" not in inline
    assert inline["ReadTargets"] == {
        "Effect": "Allow",
        "Action": ["ssm:GetParameters"],
        "Resource": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/drs-job-log/many-targets/targets/*",
    }


def test_the_role_of_a_target_can_be_unknown_at_plan_time(planned: Callable[[str], Planned]) -> None:
    assert "aws_ssm_parameter.targets[0]" not in planned("role_of_the_same_apply")
    assert "module.collector[0].aws_lambda_function.this" in planned("role_of_the_same_apply")


@pytest.mark.parametrize("task", ["collector", "linker"])
def test_schedules_invoke_functions_every_minute_without_retries(planned: Callable[[str], Planned], task: str) -> None:
    resources = planned("default")

    schedule = resources[f'aws_scheduler_schedule.this["{task}"]']
    assert schedule["name"] == f"drs-job-log-{task}"
    assert schedule["schedule_expression"] == "rate(1 minute)"
    assert schedule["flexible_time_window"] == [{"maximum_window_in_minutes": None, "mode": "OFF"}]
    assert schedule["group_name"] == "drs-job-log"
    assert schedule["target"][0]["input"] == "{}"
    once = [{"maximum_event_age_in_seconds": 60, "maximum_retry_attempts": 0}]
    assert schedule["target"][0]["retry_policy"] == once
    invoke = resources[f'aws_lambda_function_event_invoke_config.scheduled["{task}"]']
    assert (invoke["maximum_event_age_in_seconds"], invoke["maximum_retry_attempts"]) == (60, 0)


def test_the_check_of_drills_runs_daily_and_repeats_what_failed(planned: Callable[[str], Planned]) -> None:
    resources = planned("everything")

    schedule = resources["aws_scheduler_schedule.drill_check[0]"]
    assert (schedule["name"], schedule["group_name"]) == ("other-drill-check", "other")
    assert schedule["schedule_expression"] == "cron(0-4 6,12,18 * * ? *)"
    assert schedule["schedule_expression_timezone"] == "UTC"
    assert schedule["flexible_time_window"] == [{"maximum_window_in_minutes": None, "mode": "OFF"}]
    (target,) = schedule["target"]
    assert json.loads(target["input"]) == {"drillCheck": True}
    assert target["retry_policy"] == [{"maximum_event_age_in_seconds": 60, "maximum_retry_attempts": 0}]
    # The runs of five minutes raise the alarm if all of them fail.
    (alarm,) = [values for values in resources.values() if values.get("alarm_name") == "other-collector-errors"]
    assert (alarm["threshold"], alarm["period"], alarm["evaluation_periods"]) == (2, 300, 1)
    (environment,) = resources["module.collector[0].aws_lambda_function.this"]["environment"]
    assert environment["variables"]["MAX_DAYS_WITHOUT_DRILL"] == "365"


def test_the_check_of_drills_may_read_the_launches_of_servers(planned: Callable[[str], Planned]) -> None:
    policy = role_policy(planned("everything"), "collector[0]")

    events = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/other-events"
    assert policy["ReadStoredEvents"] == {
        "Effect": "Allow",
        "Action": ["dynamodb:Query"],
        "Resource": [f"{events}/index/ServerLedgerIndex", events],
    }
    assert policy["LockPolling"]["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["collector", "drill-check", "plan-event#*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def test_by_default_only_drill_instances_are_checked(planned: Callable[[str], Planned]) -> None:
    resources = planned("default")

    assert [address for address in resources if "drill" in address] == ["aws_scheduler_schedule.drill_check[0]"]
    assert "Drill" not in json.dumps(role_policy(resources, "collector[0]"))
    assert "DRS Drill Check" not in resources['aws_cloudwatch_event_rule.this["job-log"]']["event_pattern"]


def test_without_a_daily_check_there_is_no_schedule(planned: Callable[[str], Planned]) -> None:
    for copy_name in ("without_drs", "without_collector"):
        resources = planned(copy_name)
        assert [address for address in resources if "drill" in address] == []
        for address, values in resources.items():
            if address.startswith("module.collector") and "environment" in values:
                assert "DRILL_INSTANCES_HOURS" not in values["environment"][0]["variables"]


@pytest.mark.parametrize(
    ("copy_name", "functions"),
    [
        ("default", ["drs-job-log-linker", "drs-job-log-collector"]),
        ("without_collector", "without-collector-linker"),
    ],
)
def test_the_scheduler_role_can_invoke_the_scheduled_functions(
    planned: Callable[[str], Planned], copy_name: str, functions: list[str] | str
) -> None:
    (statement,) = json.loads(planned(copy_name)["aws_iam_role_policy.scheduler"]["policy"])["Statement"]

    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"
    assert statement == {
        "Sid": "InvokeFunctions",
        "Effect": "Allow",
        "Action": "lambda:InvokeFunction",
        "Resource": arn + functions if isinstance(functions, str) else [arn + name for name in functions],
    }


def test_the_scheduler_role_trusts_the_schedules_of_this_module_only(planned: Callable[[str], Planned]) -> None:
    resources = planned("default")

    role = resources["aws_iam_role.scheduler"]
    assert json.loads(role["assume_role_policy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnEquals": {"aws:SourceArn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/drs-job-log"},
            },
        }
    ]
    role = planned("everything")["aws_iam_role.scheduler"]
    assert (role["permissions_boundary"], role["path"]) == (f"arn:aws:iam::{ACCOUNT}:policy/boundary", "/platform/")


STARTS_OF_JOBS = ["StartRecovery", "TerminateRecoveryInstances", "StartFailbackLaunch"]
ACTIONS_ON_PLANS = (
    *("StartRecoveryPlanExecution", "RetryRecoveryPlanExecutionStep"),
    *("UpdateRecoveryPlanExecutionStep", "CancelRecoveryPlanExecution"),
)


@pytest.mark.parametrize(("copy_name", "prefix"), [("default", "drs-job-log"), ("everything", "other")])
def test_started_jobs_and_recovery_plans_invoke_the_collector(
    planned: Callable[[str], Planned], copy_name: str, prefix: str
) -> None:
    resources = planned(copy_name)

    rule = resources["aws_cloudwatch_event_rule.wake[0]"]
    assert rule["event_bus_name"] == "default"  # AWS services send events to the default bus only
    # Not launch results: a job with 200 servers sends as many.
    assert json.loads(rule["event_pattern"]) == {
        "source": ["aws.drs"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["drs.amazonaws.com"],
            "eventName": [*STARTS_OF_JOBS, *ACTIONS_ON_PLANS],
            "errorCode": [{"exists": False}],
        },
    }
    permission = resources["aws_lambda_permission.wake[0]"]
    assert (permission["principal"], permission["action"]) == ("events.amazonaws.com", "lambda:InvokeFunction")
    assert (permission["function_name"], permission["source_arn"]) == (
        f"{prefix}-collector",
        f"{EVENTS}/{prefix}-collector",
    )


@pytest.mark.parametrize(
    ("event_name", "error", "is_matched"),
    [
        ("StartRecoveryPlanExecution", None, True),
        ("RetryRecoveryPlanExecutionStep", None, True),
        ("UpdateRecoveryPlanExecutionStep", None, True),
        ("CancelRecoveryPlanExecution", None, True),
        ("RetryRecoveryPlanExecutionStep", "ConflictException", False),
        ("GetRecoveryPlanExecution", None, False),
    ],
)
def test_the_start_and_the_retry_of_a_recovery_plan_match_the_rule(
    planned: Callable[[str], Planned], stack: MiniStack, event_name: str, error: str | None, is_matched: bool
) -> None:
    pattern = planned("default")["aws_cloudwatch_event_rule.wake[0]"]["event_pattern"]
    # The response to these requests has no job.
    event = request({}, eventName=event_name, responseElements=None, **({"errorCode": error} if error else {}))

    answer = stack.client("events").test_event_pattern(EventPattern=pattern, Event=dumps(event))

    assert answer["Result"] is is_matched


def test_recovery_plans_can_be_disabled(planned: Callable[[str], Planned]) -> None:
    resources = planned("without_drs")

    (environment,) = resources["module.collector[0].aws_lambda_function.this"]["environment"]
    assert environment["variables"]["RECOVERY_PLANS"] == "false"
    policy = role_policy(resources, "collector[0]")
    assert "RecoveryPlan" not in json.dumps(policy)
    assert policy["LockPolling"]["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "collector"},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    pattern = json.loads(resources["aws_cloudwatch_event_rule.wake[0]"]["event_pattern"])
    assert pattern["detail"]["eventName"] == STARTS_OF_JOBS
    assert not any("plan-step-failed" in str(values.get("alarm_name")) for values in resources.values())
    rules = [values["alarm_rule"] for address, values in resources.items() if "composite_alarm" in address]
    assert rules
    assert "plan-step-failed" not in " ".join(rules)


def test_the_collector_has_no_resources_if_it_is_disabled(planned: Callable[[str], Planned]) -> None:
    resources = planned("without_collector")

    assert [address for address in resources if "collector" in address] == []
    assert [address for address in resources if "aws_lambda_permission.wake" in address] == []
    assert "module.ingest.aws_lambda_function.this" in resources


# ---------------------------------------------------------------------------------------------------------------------
# Executions
# ---------------------------------------------------------------------------------------------------------------------

EVENT_ATTRIBUTES = ["JobId", "EventKey", "ExecutionId", "LateAt", "UnlinkedJobId"]
LEDGER_ATTRIBUTES = ["LedgerKey", "LedgerMonth", "LedgerServerId", "Servers", "Summary"]
EXECUTIONS_TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/executions"
SETTINGS = {
    "executionIdAttribute": "executionId",
    "wavesAttribute": "waves",
    "waveCountAttribute": "totalWaves",
    "jobIdAttribute": "jobId",
    "statusAttribute": "status",
    "endTimeAttribute": "endTime",
    "endTimeFormat": "EPOCH_SECONDS",
    "jobIdIndex": "by-job",
    "allowScan": True,
    "updateStatus": True,
    "runningStatuses": ["On its way"],
}


@pytest.mark.parametrize("function", ["ingest", "linker"])
def test_the_functions_have_the_settings_of_the_executions_table(
    planned: Callable[[str], Planned], function: str
) -> None:
    def environment(copy_name: str) -> dict[str, str]:
        address = f"module.{function}.aws_lambda_function.this"
        variables: dict[str, str] = planned(copy_name)[address]["environment"][0]["variables"]
        return {name: value for name, value in variables.items() if name.startswith("EXECUTION_HISTORY")}

    assert environment("default") == {}
    everything = environment("everything")
    assert everything["EXECUTION_HISTORY_TABLE"] == "executions"
    assert json.loads(everything["EXECUTION_HISTORY_SETTINGS"]) == SETTINGS
    assert json.loads(environment("read_only_history")["EXECUTION_HISTORY_SETTINGS"]) == {
        "executionIdAttribute": "ExecutionId",
        "wavesAttribute": "Waves",
        "waveCountAttribute": "TotalWaves",
        "jobIdAttribute": "JobId",
        "statusAttribute": "Status",
        "endTimeAttribute": "EndTime",
        "endTimeFormat": "ISO8601",
        "allowScan": False,
        "updateStatus": False,
        "runningStatuses": list(RUNNING_STATUSES),
    }


def allow(actions: list[str], resource: str | list[str], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def update(table: str, attributes: list[str]) -> dict[str, Any]:
    """Return a statement that allows updates of these attributes only."""
    condition = {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": attributes},
        "Null": {"dynamodb:Attributes": "false"},
    }
    return allow(["dynamodb:UpdateItem"], table, condition)


def test_the_linker_role_has_only_the_necessary_permissions(planned: Callable[[str], Planned]) -> None:
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/drs-job-log-events"

    assert role_policy(planned("default"), "linker") == {
        "FindUnlinkedEvents": allow(["dynamodb:Scan"], f"{table}/index/UnlinkedIndex"),
        "ReadEvents": allow(["dynamodb:Query", "dynamodb:Scan"], table),
        "LinkEvents": update(table, [*EVENT_ATTRIBUTES, *LEDGER_ATTRIBUTES]),
        "WriteLogs": allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/drs-job-log-linker:*",
        ),
    }


def test_the_executions_table_is_scanned_or_updated_only_if_enabled(
    planned: Callable[[str], Planned],
) -> None:
    def of_executions_table(copy_name: str, function: str) -> dict[str, Any]:
        policy = role_policy(planned(copy_name), function)
        return {sid: statement for sid, statement in policy.items() if "Execution" in sid}

    via = {"StringLike": {"kms:ViaService": "dynamodb.us-east-1.*"}}
    both = {
        "ReadKeysOfExecutionHistory": allow(["dynamodb:DescribeTable"], EXECUTIONS_TABLE),
        "FindExecutionsOfJobs": allow(["dynamodb:Query"], f"{EXECUTIONS_TABLE}/index/by-job"),
        "ReadExecutions": allow(["dynamodb:Query"], EXECUTIONS_TABLE),
        "SetExecutionStatus": update(EXECUTIONS_TABLE, ["executionId", "planId", "status", "endTime", "waves"]),
        "UseKeyOfExecutionHistory": allow(
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"], KEY, via
        ),
    }
    assert of_executions_table("everything", "linker") == both | {
        "ScanExecutionHistory": allow(["dynamodb:Scan"], EXECUTIONS_TABLE)
    }
    assert of_executions_table("everything", "ingest") == both | {
        "FinishExecutions": update(f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/other-events", EVENT_ATTRIBUTES)
    }
    for function in ("ingest", "linker"):
        assert of_executions_table("default", function) == {}
    keys = {"ReadKeysOfExecutionHistory": allow(["dynamodb:DescribeTable"], EXECUTIONS_TABLE)}
    assert of_executions_table("read_only_history", "ingest") == {}
    assert of_executions_table("read_only_history", "linker") == keys
    assert of_executions_table("scanned_history", "ingest") == {}
    assert of_executions_table("scanned_history", "linker") == keys | {
        "ScanExecutionHistory": allow(["dynamodb:Scan"], EXECUTIONS_TABLE),
        "UseKeyOfExecutionHistory": allow(["kms:Decrypt", "kms:DescribeKey"], KEY, via),
    }
    # Without the names of the keys, a condition could deny every update.
    for function in ("ingest", "linker"):
        updated = of_executions_table("updated_history", function)
        assert updated["SetExecutionStatus"] == allow(["dynamodb:UpdateItem"], EXECUTIONS_TABLE)


# ---------------------------------------------------------------------------------------------------------------------
# The API
# ---------------------------------------------------------------------------------------------------------------------

DATA = [
    *("GET /executions/{executionId}/logs", "GET /jobs/{jobId}/logs", "GET /logs"),
    *("GET /executions", "GET /executions/{executionId}/comparison", "GET /jobs"),
    *("GET /servers/{sourceServerId}", "GET /failures"),
]
VIEWER = ["GET /", "GET /executions/{executionId}", "GET /jobs/{jobId}", "GET /viewer/{file}"]


@pytest.mark.parametrize(
    ("copy_name", "data", "viewer"),
    [
        ("default", ("AWS_IAM", None), ("AWS_IAM", None)),
        ("everything", ("JWT", ["logs.read"]), ("NONE", None)),  # the pages are public and contain no data
        ("open_api", ("NONE", None), None),
    ],
)
def test_routes_have_the_configured_authorization(
    planned: Callable[[str], Planned], copy_name: str, data: tuple[str, Any], viewer: tuple[str, Any] | None
) -> None:
    routes = {
        values["route_key"]: (values["authorization_type"], values["authorization_scopes"])
        for address, values in planned(copy_name).items()
        if "aws_apigatewayv2_route.this" in address
    }

    assert routes == dict.fromkeys(DATA, data) | (dict.fromkeys(VIEWER, viewer) if viewer else {})


def test_each_route_can_invoke_the_function(planned: Callable[[str], Planned]) -> None:
    resources = planned("default")

    statements = [
        values["statement_id"] for address, values in resources.items() if "aws_lambda_permission.api" in address
    ]
    assert sorted(statements) == [
        "AllowGET",
        "AllowGETExecutions",
        "AllowGETExecutionsExecutionId",
        "AllowGETExecutionsExecutionIdComparison",
        "AllowGETExecutionsExecutionIdLogs",
        "AllowGETFailures",
        "AllowGETJobs",
        "AllowGETJobsJobId",
        "AllowGETJobsJobIdLogs",
        "AllowGETLogs",
        "AllowGETServersSourceServerId",
        "AllowGETViewerFile",
    ]


def test_the_authorizer_has_the_configured_issuer_and_audience(planned: Callable[[str], Planned]) -> None:
    authorizer = planned("everything")["aws_apigatewayv2_authorizer.jwt[0]"]

    assert authorizer["jwt_configuration"] == [{"issuer": "https://login.example.com", "audience": ["recovery"]}]
    assert authorizer["identity_sources"] == ["$request.header.Authorization"]
    assert "aws_apigatewayv2_authorizer.jwt[0]" not in planned("default")


def test_the_viewer_knows_the_sign_in_and_the_origins_of_the_identity_provider(
    planned: Callable[[str], Planned],
) -> None:
    def variables(variation: str) -> dict[str, str]:
        (environment,) = planned(variation)["module.api[0].aws_lambda_function.this"]["environment"]
        return dict(environment["variables"])

    assert json.loads(variables("everything")["SIGN_IN"]) == {
        "authority": "https://sts.example.com/tenant",
        "clientId": "viewer",
        "scope": "openid logs.read",
        "parameters": {"audience": "recovery"},
        "origins": ["https://sts.example.com", "https://recovery.example.com"],
    }
    assert json.loads(variables("sign_in")["SIGN_IN"]) == {
        "authority": "https://login.example.com/pool",
        "clientId": "viewer",
        "scope": "openid",
        "parameters": {},
        "origins": ["https://login.example.com"],
    }
    assert "SIGN_IN" not in variables("default")


def test_cors_allows_the_configured_origins_only(planned: Callable[[str], Planned]) -> None:
    assert planned("default")["aws_apigatewayv2_api.this[0]"]["cors_configuration"] == []
    (cors,) = planned("everything")["aws_apigatewayv2_api.this[0]"]["cors_configuration"]
    assert (cors["allow_origins"], cors["allow_methods"]) == (["https://recovery.example.com"], ["GET"])
    assert {"authorization", "if-none-match"} < set(cors["allow_headers"])
    assert set(cors["expose_headers"]) == {"etag", "retry-after"}
    assert not cors["allow_credentials"]


def test_requests_are_throttled_and_logged(planned: Callable[[str], Planned]) -> None:
    stage = planned("default")["aws_apigatewayv2_stage.this[0]"]
    assert (stage["name"], stage["auto_deploy"]) == ("$default", True)
    (settings,) = stage["default_route_settings"]
    assert (settings["throttling_rate_limit"], settings["throttling_burst_limit"]) == (20, 20)
    (settings,) = planned("everything")["aws_apigatewayv2_stage.this[0]"]["default_route_settings"]
    assert (settings["throttling_rate_limit"], settings["throttling_burst_limit"]) == (5, 10)
    group = planned("everything")["aws_cloudwatch_log_group.api_access[0]"]
    assert (group["name"], group["retention_in_days"], group["kms_key_id"]) == ("/aws/vendedlogs/apis/other", 90, KEY)


@pytest.mark.parametrize(("copy_name", "limits"), [("default", (10, 20)), ("everything", (2, 4)), ("open_api", None)])
def test_the_viewer_has_its_own_throttle(
    planned: Callable[[str], Planned], copy_name: str, limits: tuple[int, int] | None
) -> None:
    settings = planned(copy_name)["aws_apigatewayv2_stage.this[0]"]["route_settings"]

    assert {
        route["route_key"]: (route["throttling_rate_limit"], route["throttling_burst_limit"]) for route in settings
    } == (dict.fromkeys(VIEWER, limits) if limits else {})


def test_the_throttled_routes_exist_before_the_stage(plan: dict[str, Any]) -> None:
    module = plan["configuration"]["root_module"]["module_calls"]["default"]["module"]
    (stage,) = [one for one in module["resources"] if one["address"] == "aws_apigatewayv2_stage.this"]

    assert stage["depends_on"] == ["aws_apigatewayv2_route.this"]


# Variables of the access log whose value has no quotation mark and no backslash, with an example. Their formats are
# fixed, or AWS sets them, or a verified token contains them.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
SAFE_VARIABLES = {
    "$context.requestId": "JKJaXmPLvHcESHA=",
    "$context.requestTime": "10/Mar/2026:06:28:01 +0000",
    "$context.identity.sourceIp": "192.0.2.1",
    "$context.identity.userArn": "arn:aws:sts::111122223333:assumed-role/reader/jane@example.com",
    "$context.authorizer.claims.sub": "3f1c9f6e-jane",
    "$context.routeKey": "GET /jobs/{jobId}/logs",
    "$context.status": "500",
    "$context.responseLength": "35",
    "$context.responseLatency": "101",
    "$context.integrationLatency": "98",
    "$context.integration.integrationStatus": "200",
    "$context.error.responseType": "INTEGRATION_FAILURE",
}


@pytest.mark.parametrize(
    "hostile",
    ['/jobs/x","status":"200/logs', "\\", '"', "a\nb", '{"a": 1}', "-"],
    ids=["forged", "\\", '"', "\\n", "{}", "-"],
)
def test_each_line_of_the_access_log_is_json_with_the_real_status(
    planned: Callable[[str], Planned], hostile: str
) -> None:
    (settings,) = planned("default")["aws_apigatewayv2_stage.this[0]"]["access_log_settings"]

    # API Gateway inserts values without escaping.
    line = re.sub(r"\$context[\w.]+", lambda variable: SAFE_VARIABLES.get(variable[0], hostile), settings["format"])
    logged = json.loads(line)

    assert (logged["status"], logged["caller"]) == ("500", SAFE_VARIABLES["$context.identity.userArn"])
    assert sorted(logged.values()) == sorted(SAFE_VARIABLES.values())


def test_the_api_role_can_only_read(planned: Callable[[str], Planned]) -> None:
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table"

    assert role_policy(planned("default"), "api[0]") == {
        "ReadEvents": allow(
            ["dynamodb:Query"],
            [
                f"{table}/drs-job-log-events/index/ServerLedgerIndex",
                f"{table}/drs-job-log-events/index/LedgerIndex",
                f"{table}/drs-job-log-events/index/LateIndex",
                f"{table}/drs-job-log-events/index/ExecutionLedgerIndex",
                f"{table}/drs-job-log-events/index/ExecutionIdIndex",
                f"{table}/drs-job-log-events",
            ],
        ),
        "WriteLogs": allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/drs-job-log-api:*",
        ),
    }
    policy = role_policy(planned("everything"), "api[0]")
    assert policy["ReadExecutionHistory"] == allow(["dynamodb:Query"], EXECUTIONS_TABLE)
    assert {action for statement in policy.values() for action in statement["Action"]} == {
        *("dynamodb:Query", "kms:Decrypt", "kms:DescribeKey", "logs:CreateLogStream", "logs:PutLogEvents"),
        *("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
        *NETWORK_ACTIONS,
    }


def test_the_api_has_the_names_of_its_tables(planned: Callable[[str], Planned]) -> None:
    def environment(copy_name: str) -> dict[str, str]:
        function = planned(copy_name)["module.api[0].aws_lambda_function.this"]
        variables: dict[str, str] = function["environment"][0]["variables"]
        return variables

    assert environment("default") == {
        "HISTORY_DAYS": "400",
        "JOB_LOG_EVENTS_TABLE": "drs-job-log-events",
        "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
        "POWERTOOLS_SERVICE_NAME": "drs-job-log",
        "STALLED_AFTER_MINUTES": "45",
    }
    assert environment("everything")["EXECUTION_HISTORY_TABLE"] == "executions"


def test_the_concurrency_of_the_api_can_be_limited(planned: Callable[[str], Planned]) -> None:
    address = "module.api[0].aws_lambda_function.this"

    assert planned("default")[address]["reserved_concurrent_executions"] == -1
    assert planned("everything")[address]["reserved_concurrent_executions"] == 5


def test_the_api_has_no_resources_if_it_is_disabled(planned: Callable[[str], Planned]) -> None:
    resources = planned("without_api")

    assert [address for address in resources if "api" in address] == []
    assert "module.ingest.aws_lambda_function.this" in resources


# ---------------------------------------------------------------------------------------------------------------------
# The package
# ---------------------------------------------------------------------------------------------------------------------


def test_the_package_is_the_file_of_these_sources(planned: Callable[[str], Planned]) -> None:
    function = planned("default")["module.ingest.aws_lambda_function.this"]
    assert function["filename"].endswith(f"/lambda_package/{package.name()}")
    assert function["source_code_hash"] == base64.b64encode(hashlib.sha256(package.content()).digest()).decode()


def test_a_prebuilt_package(planned: Callable[[str], Planned]) -> None:
    function = planned("prebuilt_file")["module.ingest.aws_lambda_function.this"]
    assert function["filename"].endswith("/package.zip")
    digest = hashlib.sha256(b"a prebuilt package").digest()
    assert function["source_code_hash"] == base64.b64encode(digest).decode()
    assert not function["layers"]

    function = planned("prebuilt_object")["module.ingest.aws_lambda_function.this"]
    assert (function["s3_bucket"], function["s3_key"]) == ("artifacts", "drs-job-log.zip")
    assert (function["s3_object_version"], function["filename"]) == ("7", None)


# ---------------------------------------------------------------------------------------------------------------------
# Names, tags, partitions
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy_name", ["default", "everything", "long_name_a"])
def test_names_are_within_the_limits_of_aws(planned: Callable[[str], Planned], copy_name: str) -> None:
    named = names(planned(copy_name))

    assert len(named) > 10
    assert [name for name, limit in named.values() if len(name) > limit] == []


def test_the_longest_suffix_fits_in_the_longest_region(planned: Callable[[str], Planned]) -> None:
    resources = planned("long_name_a")
    prefix = resources["aws_iam_role.scheduler"]["name"].removesuffix("-scheduler-us-east-1")

    assert len(prefix) == 38
    assert len(f"{prefix}-collector-ap-southeast-1") <= 64


def test_no_two_copies_share_a_name(planned: Callable[[str], Planned]) -> None:
    copies = [planned(copy) for copy in ("default", "everything", "long_name_a", "long_name_b")]
    all_names = [name for resources in copies for name, _ in names(resources).values()]

    # A queue and a function can have the same name, so compare names of the same kind.
    for kind, _ in LIMITS:
        of_kind = [name for r in copies for address, (name, _) in names(r).items() if f"{kind}." in address]
        assert len(of_kind) == len(set(of_kind)), kind
    assert len(all_names) > 40


def test_all_resources_have_the_tags(planned: Callable[[str], Planned]) -> None:
    tagged = {address: values["tags"] for address, values in planned("everything").items() if "tags" in values}

    assert len(tagged) > 15
    assert {address for address, tags in tagged.items() if tags != {"team": "platform"}} == set()


@pytest.mark.parametrize(
    ("copy_name", "partition", "region", "layer"),
    [
        ("europe", "aws-eusc", "eusc-de-east-1", None),
        (
            "govcloud",
            "aws-us-gov",
            "us-gov-west-1",
            "165093116878:layer:AWSLambdaPowertoolsPythonV3-python313-arm64:27",
        ),
        ("iso", "aws-iso", "us-iso-east-1", f"{ACCOUNT}:layer:powertools:1"),
    ],
)
def test_all_arns_have_the_partition_of_the_region(
    planned: Callable[[str], Planned], copy_name: str, partition: str, region: str, layer: str | None
) -> None:
    resources = planned(copy_name)

    arns = set(re.findall(r"arn:([a-z-]+):([a-z0-9-]+):([a-z0-9-]*):", json.dumps(resources)))
    assert len(arns) >= 5
    # The ARN of a bucket has no Region.
    assert {(arn[0], arn[2] if arn[1] != "s3" else region) for arn in arns} == {(partition, region)}
    function = resources["module.ingest.aws_lambda_function.this"]
    assert (function["layers"] or []) == ([f"arn:{partition}:lambda:{region}:{layer}"] if layer else [])
