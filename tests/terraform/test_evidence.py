"""The plan of the reports of executions: bucket, queue, function, schedule, alarms, and the route of the API."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.envelopes import dumps
from tests.terraform.conftest import ACCOUNT
from tests.terraform.test_observability import alarms, composites, evaluation, metrics, metrics_of, widgets
from tests.terraform.test_plan import EVENTS, KEY, SQS, allow, queue_policy, role_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.ministack import MiniStack
    from tests.terraform.conftest import Planned

EVIDENCE_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/77777777-2222-3333-4444-555555555555"
TABLES = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table"
LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
FUNCTION = "module.evidence[0].aws_lambda_function.this"

# The copies with reports, and the names of their buckets.
CREATED = {"evidence": "With_Reports", "evidence_with_options": "evidence"}
BUCKETS = {
    copy_name: f"{name.lower().replace('_', '-')}-evidence-{digest}"
    for copy_name, name in CREATED.items()
    for digest in [hashlib.sha256(f"{ACCOUNT} us-east-1 {name}".encode()).hexdigest()[:12]]
} | {"evidence_in_a_bucket": "recovery.evidence"}
PREFIXES = {"evidence": "drs-job-log/", "evidence_with_options": "", "evidence_in_a_bucket": "drs/reports/"}


def of_type(resources: Planned, kind: str) -> dict[str, dict[str, Any]]:
    return {address: values for address, values in resources.items() if address.startswith(f"{kind}.")}


def variables(resources: Planned, function: str = FUNCTION) -> dict[str, str]:
    (environment,) = resources[function]["environment"]
    found: dict[str, str] = environment["variables"]
    return found


@pytest.mark.parametrize("copy_name", ["default", "everything"])
def test_without_the_input_there_is_nothing(planned: Callable[[str], Planned], copy_name: str) -> None:
    resources = planned(copy_name)

    assert [address for address in resources if re.search("evidence|_s3_", address)] == []
    assert "evidence" not in json.dumps(resources).lower()
    assert "s3:" not in json.dumps(resources)


# ---------------------------------------------------------------------------------------------------------------------
# The bucket
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy_name", CREATED)
def test_the_bucket_is_private_versioned_and_can_have_locks(planned: Callable[[str], Planned], copy_name: str) -> None:
    resources = planned(copy_name)

    bucket = resources["aws_s3_bucket.evidence[0]"]
    assert (bucket["bucket"], bucket["object_lock_enabled"]) == (BUCKETS[copy_name], True)
    assert not bucket["force_destroy"]
    (versioning,) = resources["aws_s3_bucket_versioning.evidence[0]"]["versioning_configuration"]
    assert versioning["status"] == "Enabled"
    block = resources["aws_s3_bucket_public_access_block.evidence[0]"]
    names = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    assert [block[name] for name in names] == [True] * 4
    ownership = resources["aws_s3_bucket_ownership_controls.evidence[0]"]["rule"]
    assert ownership == [{"object_ownership": "BucketOwnerEnforced"}]
    arn = f"arn:aws:s3:::{BUCKETS[copy_name]}"
    (statement,) = json.loads(resources["aws_s3_bucket_policy.evidence[0]"]["policy"])["Statement"]
    assert (sorted(statement.pop("Resource")), statement) == (
        [arn, f"{arn}/*"],
        {
            "Sid": "DenyInsecureTransport",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
    of_bucket = [values["bucket"] for values in resources.values() if "bucket" in values]
    assert of_bucket == [BUCKETS[copy_name]] * 7


@pytest.mark.parametrize(
    ("copy_name", "algorithm", "key"),
    [("evidence", "AES256", None), ("evidence_with_options", "aws:kms", EVIDENCE_KEY)],
)
def test_the_bucket_encrypts_with_the_key_of_s3_or_the_given_one(
    planned: Callable[[str], Planned], copy_name: str, algorithm: str, key: str | None
) -> None:
    (rule,) = planned(copy_name)["aws_s3_bucket_server_side_encryption_configuration.evidence[0]"]["rule"]

    (default,) = rule["apply_server_side_encryption_by_default"]
    assert default["sse_algorithm"] == algorithm
    assert (default["kms_master_key_id"] or None) == key
    assert bool(rule["bucket_key_enabled"]) == (key is not None)


@pytest.mark.parametrize(("copy_name", "days"), [("evidence", 2557), ("evidence_with_options", 1)])
def test_all_versions_expire_and_results_of_queries_after_a_week(
    planned: Callable[[str], Planned], copy_name: str, days: int
) -> None:
    rules = {
        rule["id"]: rule for rule in planned(copy_name)["aws_s3_bucket_lifecycle_configuration.evidence[0]"]["rule"]
    }

    prefix = PREFIXES[copy_name]
    assert {name: (rule["status"], rule["filter"][0]["prefix"]) for name, rule in rules.items()} == {
        "reports": ("Enabled", prefix),
        "delete-markers": ("Enabled", prefix),
        "athena-results": ("Enabled", f"{prefix}athena-results/"),
    }
    for name, expected in (("reports", days), ("athena-results", 7)):
        assert rules[name]["expiration"][0]["days"] == expected
        assert rules[name]["noncurrent_version_expiration"][0]["noncurrent_days"] == expected
    assert rules["reports"]["abort_incomplete_multipart_upload"] == [{"days_after_initiation": 7}]
    # An expiry by days and one of delete markers exclude each other.
    assert rules["delete-markers"]["expiration"][0]["expired_object_delete_marker"] is True
    assert not rules["delete-markers"]["expiration"][0].get("days")


def test_a_bucket_of_the_user_is_not_changed(planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence_in_a_bucket")

    assert [address for address in resources if "_s3_" in address] == []
    assert variables(resources)["EVIDENCE_BUCKET"] == "recovery.evidence"


# ---------------------------------------------------------------------------------------------------------------------
# The rule and the queue
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("copy_name", "source", "bus"),
    [
        ("evidence", "drs.job-log.With_Reports", "default"),
        ("evidence_in_a_bucket", "drs.job-log.own-bucket", "recovery"),
    ],
)
def test_settled_executions_go_to_the_queue(
    planned: Callable[[str], Planned], stack: MiniStack, copy_name: str, source: str, bus: str
) -> None:
    resources = planned(copy_name)

    rule = resources['aws_cloudwatch_event_rule.this["evidence"]']
    assert json.loads(rule["event_pattern"]) == {"source": [source], "detail-type": ["DRS Execution Settled"]}
    assert (rule["event_bus_name"], rule["state"]) == (bus, "ENABLED")
    target = resources['aws_cloudwatch_event_target.queue["evidence"]']
    assert target["target_id"] == "evidence-queue"
    assert target["retry_policy"] == [{"maximum_event_age_in_seconds": 86400, "maximum_retry_attempts": 185}]
    assert len(target["dead_letter_config"]) == 1
    # As before, so that Terraform replaces no target.
    assert resources['aws_cloudwatch_event_target.queue["job-log"]']["target_id"] == "ingest-queue"
    for detail_type, is_matched in (("DRS Execution Settled", True), ("DRS Execution Started", False)):
        event = {
            "id": "1",
            "account": ACCOUNT,
            "time": "2025-11-28T20:30:15Z",
            "region": "us-east-1",
            "resources": [],
            "source": source,
            "detail-type": detail_type,
            "detail": {},
        }
        answer = stack.client("events").test_event_pattern(EventPattern=rule["event_pattern"], Event=dumps(event))
        assert answer["Result"] is is_matched


def test_each_rule_may_send_to_its_queue_only(planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence_in_a_bucket")

    def policy(queue: str) -> Any:
        return json.loads(resources[f"aws_sqs_queue.{queue}"]["policy"])

    evidence, job_log = f"{EVENTS}/recovery/own-bucket-evidence", f"{EVENTS}/recovery/own-bucket-job-log"
    launch_results = f"{EVENTS}/own-bucket-launch-results"
    assert policy("evidence[0]") == queue_policy(f"{SQS}:own-bucket-evidence", evidence)
    assert policy("evidence_dlq[0]") == queue_policy(f"{SQS}:own-bucket-evidence-dlq", None)
    assert policy("ingest") == queue_policy(f"{SQS}:own-bucket-ingest", [job_log, launch_results])
    all_rules = [job_log, launch_results, evidence]
    (found,) = [one for one in policy("delivery_dlq")["Statement"] if one["Effect"] == "Allow"]
    assert sorted(found["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(all_rules)


def test_a_message_is_tried_every_12_minutes_for_a_day(plan: dict[str, Any], planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence")

    queue, dlq = resources["aws_sqs_queue.evidence[0]"], resources["aws_sqs_queue.evidence_dlq[0]"]
    assert (queue["name"], dlq["name"]) == ("With_Reports-evidence", "With_Reports-evidence-dlq")
    assert queue["visibility_timeout_seconds"] == 720 == 6 * resources[FUNCTION]["timeout"]
    module = plan["configuration"]["root_module"]["module_calls"]["evidence"]["module"]
    (configured,) = [one for one in module["resources"] if one["address"] == "aws_sqs_queue.evidence"]
    assert "aws_sqs_queue.evidence_dlq" in configured["expressions"]["redrive_policy"]["references"]
    assert json.loads(queue["redrive_allow_policy"]) == {"redrivePermission": "denyAll"}
    assert json.loads(dlq["redrive_allow_policy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [f"{SQS}:With_Reports-evidence"],
    }
    for one in ("evidence[0]", "evidence_dlq[0]"):
        assert resources[f"aws_sqs_queue.{one}"]["message_retention_seconds"] == 14 * 24 * 3600
        assert resources[f"aws_sqs_queue.{one}"]["sqs_managed_sse_enabled"] is True
        assert planned("evidence_in_a_bucket")[f"aws_sqs_queue.{one}"]["kms_master_key_id"] == KEY


def test_settled_executions_are_not_archived(planned: Callable[[str], Planned]) -> None:
    assert list(of_type(planned("evidence"), "aws_cloudwatch_event_archive")) == [
        'aws_cloudwatch_event_archive.this["job-log"]'
    ]


# ---------------------------------------------------------------------------------------------------------------------
# The function
# ---------------------------------------------------------------------------------------------------------------------


def test_the_function_with_defaults(planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence")

    function = resources[FUNCTION]
    assert function["function_name"] == "With_Reports-evidence"
    assert function["handler"] == "drs_job_log.evidence.handler.lambda_handler"
    assert (function["timeout"], function["memory_size"]) == (120, 512)
    assert variables(resources) == {
        "EVENT_SOURCE": "drs.job-log.With_Reports",
        "EVIDENCE_BUCKET": BUCKETS["evidence"],
        "EVIDENCE_PREFIX": "drs-job-log/",
        "EVIDENCE_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/With_Reports-evidence",
        "EVIDENCE_RETENTION_DAYS": "2557",
        "JOB_LOG_EVENTS_TABLE": "With_Reports-events",
        "POWERTOOLS_METRICS_NAMESPACE": "DRSJobLog",
        "POWERTOOLS_SERVICE_NAME": "With_Reports",
        "RETENTION_DAYS": "30",
    }
    mapping = resources["aws_lambda_event_source_mapping.evidence[0]"]
    assert (mapping["batch_size"], mapping["function_response_types"]) == (1, ["ReportBatchItemFailures"])
    assert mapping["scaling_config"] == [{"maximum_concurrency": 2}]


def test_the_function_with_options(planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence_in_a_bucket")

    found = variables(resources)
    assert {name: found[name] for name in found if re.match("EVIDENCE|R[PT]O|EXECUTION_HISTORY_TABLE", name)} == {
        "EVIDENCE_BUCKET": "recovery.evidence",
        "EVIDENCE_KMS_KEY_ARN": EVIDENCE_KEY,
        "EVIDENCE_OBJECT_LOCK_MODE": "COMPLIANCE",
        "EVIDENCE_PREFIX": "drs/reports/",
        "EVIDENCE_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/own-bucket-evidence",
        "EVIDENCE_RETENTION_DAYS": "3650",
        "EVIDENCE_TABLES": "true",
        "EXECUTION_HISTORY_TABLE": "executions",
        "RPO_MINUTES": "30",
        "RTO_MINUTES": "240",
    }
    assert resources[FUNCTION]["memory_size"] == 1024
    assert variables(planned("evidence_with_options"))["EVIDENCE_PREFIX"] == ""
    assert "EVIDENCE_TABLES" not in variables(planned("evidence_with_options"))


def reports(copy_name: str) -> tuple[str, str]:
    """Return the ARN of the bucket and of the objects of a copy."""
    bucket = f"arn:aws:s3:::{BUCKETS[copy_name]}"
    return bucket, f"{bucket}/{PREFIXES[copy_name]}*"


def via(*services: str) -> dict[str, Any]:
    values = [f"{service}.us-east-1.*" for service in services]
    return {"StringLike": {"kms:ViaService": values if len(values) > 1 else values[0]}}


@pytest.mark.parametrize(("copy_name", "name"), CREATED.items())
def test_the_role_of_the_function_has_only_the_necessary_permissions(
    planned: Callable[[str], Planned], copy_name: str, name: str
) -> None:
    policy = role_policy(planned(copy_name), "evidence[0]")

    bucket, objects = reports(copy_name)
    table = f"{TABLES}/{name}-events"
    condition = {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "evidence#*"},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    by_options = {
        "LockReports": allow(["s3:PutObjectRetention"], objects),
        "EncryptReports": allow(["kms:Decrypt", "kms:GenerateDataKey"], EVIDENCE_KEY, via("s3")),
    }
    assert policy == {
        "ConsumeQueue": allow(
            ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], f"{SQS}:{name}-evidence"
        ),
        "QueueExecutions": allow(["sqs:SendMessage"], f"{SQS}:{name}-evidence"),
        "ReadEvents": allow(
            ["dynamodb:Query"],
            [
                *(f"{table}/index/{index}" for index in ("LedgerIndex", "ExecutionLedgerIndex", "ExecutionIdIndex")),
                table,
            ],
        ),
        "RecordReports": allow(["dynamodb:PutItem"], table, condition),
        "WriteReports": allow(["s3:GetObject", "s3:PutObject"], objects),
        "FindReports": allow(["s3:ListBucket"], bucket, {"StringLike": {"s3:prefix": f"{PREFIXES[copy_name]}*"}}),
        "CheckVersioning": allow(["s3:GetBucketVersioning"], bucket),
        "WriteLogs": allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{name}-evidence:*",
        ),
        **(by_options if copy_name == "evidence_with_options" else {}),
    }


def test_the_role_can_use_each_key_only_via_its_service(planned: Callable[[str], Planned]) -> None:
    policy = role_policy(planned("evidence_in_a_bucket"), "evidence[0]")

    assert policy["EncryptReports"] == allow(["kms:Decrypt", "kms:GenerateDataKey"], EVIDENCE_KEY, via("s3"))
    assert policy["UseCustomerKey"] == allow(
        ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        KEY,
        via("dynamodb", "sqs"),
    )
    assert policy["ReadExecutionHistory"] == allow(["dynamodb:Query"], f"{TABLES}/executions")
    assert policy["UseKeyOfExecutionHistory"] == allow(["kms:Decrypt", "kms:DescribeKey"], KEY, via("dynamodb"))
    assert policy["LockReports"] == allow(["s3:PutObjectRetention"], reports("evidence_in_a_bucket")[1])


def test_missing_reports_are_written_once_a_day(planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence")

    schedule = resources["aws_scheduler_schedule.evidence[0]"]
    assert (schedule["name"], schedule["group_name"]) == ("With_Reports-evidence", "With_Reports")
    assert (schedule["schedule_expression"], schedule["schedule_expression_timezone"]) == ("cron(30 5 * * ? *)", "UTC")
    (target,) = schedule["target"]
    assert json.loads(target["input"]) == {"reconcile": True}
    (statement,) = json.loads(resources["aws_iam_role_policy.scheduler"]["policy"])["Statement"]
    assert set(statement["Resource"]) == {
        f"{LAMBDA}:With_Reports-{function}" for function in ("collector", "linker", "evidence")
    }
    # Not every minute as the others.
    assert sorted(of_type(resources, "aws_scheduler_schedule")) == [
        "aws_scheduler_schedule.drill_check[0]",
        "aws_scheduler_schedule.evidence[0]",
        'aws_scheduler_schedule.this["collector"]',
        'aws_scheduler_schedule.this["linker"]',
    ]


# ---------------------------------------------------------------------------------------------------------------------
# The API
# ---------------------------------------------------------------------------------------------------------------------

ROUTE = "GET /executions/{executionId}/report"


def test_the_api_returns_reports(planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence")

    assert resources[f'aws_apigatewayv2_route.this["{ROUTE}"]']["authorization_type"] == "AWS_IAM"
    permission = resources[f'aws_lambda_permission.api["{ROUTE}"]']
    assert permission["statement_id"] == "AllowGETExecutionsExecutionIdReport"
    found = variables(resources, "module.api[0].aws_lambda_function.this")
    assert {name: value for name, value in found.items() if "EVIDENCE" in name} == {
        "EVIDENCE_BUCKET": BUCKETS["evidence"],
        "EVIDENCE_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/With_Reports-evidence",
    }
    assert found["RETENTION_DAYS"] == "30"


def test_notifications_link_to_reports(planned: Callable[[str], Planned]) -> None:
    ingest = "module.ingest.aws_lambda_function.this"

    assert variables(planned("evidence"), ingest)["EVIDENCE_REPORTS"] == "true"
    assert "EVIDENCE_REPORTS" not in variables(planned("everything"), ingest)


def test_the_api_can_only_read_reports_and_ask_for_them(planned: Callable[[str], Planned]) -> None:
    policy = role_policy(planned("evidence"), "api[0]")
    assert {sid: policy[sid] for sid in policy if "Report" in sid} == {
        "ReadReports": allow(["s3:GetObject"], reports("evidence")[1]),
        "RequestReports": allow(["sqs:SendMessage"], f"{SQS}:With_Reports-evidence"),
    }
    assert policy["ReadEvents"]["Resource"][-1] == f"{TABLES}/With_Reports-events"

    policy = role_policy(planned("evidence_in_a_bucket"), "api[0]")
    assert {sid: policy[sid] for sid in policy if "Report" in sid} == {
        "ReadReports": allow(["s3:GetObject"], reports("evidence_in_a_bucket")[1]),
        "DecryptReports": allow(["kms:Decrypt"], EVIDENCE_KEY, via("s3")),
        "RequestReports": allow(["sqs:SendMessage"], f"{SQS}:own-bucket-evidence"),
        "EncryptRequestsOfReports": allow(["kms:Decrypt", "kms:GenerateDataKey"], KEY, via("sqs")),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Alarms and dashboard
# ---------------------------------------------------------------------------------------------------------------------


def test_missing_reports_have_alarms(planned: Callable[[str], Planned]) -> None:
    resources = planned("evidence_with_options")
    found = {
        alarm["alarm_name"].removeprefix("evidence-"): alarm
        for alarm in alarms(resources)
        if alarm["alarm_name"].startswith("evidence-evidence-")
    }

    how = {name: (metrics(alarm)[0], *evaluation(alarm), alarm["period"]) for name, alarm in found.items()}
    function = {"FunctionName": "evidence-evidence"}
    rule = {"RuleName": "evidence-evidence"}
    once = (">=", 1, 1, 1)
    assert how == {
        # Longer than the 12 minutes between two attempts, so that the alarm does not return to OK between them.
        "evidence-missing": (("DRSJobLog", "EvidenceFailures", {"service": "evidence"}, "Sum"), *once, 900),
        "evidence-dlq-not-empty": (
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "evidence-evidence-dlq"}, "Maximum"),
            *(*once, 60),
        ),
        "evidence-rule-failed-invocations": (("AWS/Events", "FailedInvocations", rule, "Sum"), *once, 60),
        "evidence-rule-events-lost": (("AWS/Events", "InvocationsFailedToBeSentToDlq", rule, "Sum"), *once, 60),
        # alarms.function_errors = 4 does not apply, because the function runs rarely.
        "evidence-errors": (("AWS/Lambda", "Errors", function, "Sum"), *once, 300),
        "evidence-throttles": (("AWS/Lambda", "Throttles", function, "Sum"), *once, 300),
        "evidence-duration": (("AWS/Lambda", "Duration", function, "Maximum"), ">=", 114000, 1, 1, 60),
    }
    treatment = {name: alarm["treat_missing_data"] for name, alarm in found.items()}
    assert treatment == dict.fromkeys(treatment, "notBreaching") | {"evidence-dlq-not-empty": "ignore"}
    for name in ("evidence-missing", "evidence-dlq-not-empty"):
        description = found[name]["alarm_description"]
        assert description.endswith(" What to do: docs/runbooks/evidence-missing.md")
        assert description.startswith("The report of an execution c")
        assert found[name]["ok_actions"] == [f"arn:aws:sns:us-east-1:{ACCOUNT}:on-call"]
    assert BUCKETS["evidence_with_options"] in found["evidence-missing"]["alarm_description"]
    rule_of_pipeline = composites(resources)["evidence-pipeline-unhealthy"]["alarm_rule"]
    assert set(re.findall(r'ALARM\("evidence-(evidence-[a-z-]+)"\)', rule_of_pipeline)) == set(found)


def test_the_dashboard_shows_the_queue_the_rule_and_the_function(planned: Callable[[str], Planned]) -> None:
    labels = {
        widget["properties"].get("title"): [line[-1]["label"] for line in metrics_of(widget)]
        for widget in widgets(planned("evidence_with_options"))
    }

    assert labels["Unprocessed events in the dead-letter queues"] == ["processing DLQ", "delivery DLQ", "evidence DLQ"]
    assert {"evidence", "evidence failed"} <= set(labels["Event rules"])
    assert "evidence failed" in labels["Functions: errors and throttles"]
