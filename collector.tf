# Collector function: reads the DRS job log and sends new items to the event bus.

locals {
  # By default, the only target is this account and Region.
  targets = length(var.collector.targets) > 0 ? var.collector.targets : [{ region = null, role_arn = null, external_id = null }]

  target_roles    = distinct([for target in local.targets : target.role_arn if target.role_arn != null])
  target_job_arns = distinct([for target in local.targets : "arn:${local.partition}:drs:${coalesce(target.region, local.region)}:${local.account_id}:job/*" if target.role_arn == null])
  wake_rule_name  = "${local.prefix}-collector"
  wake_rule_arn   = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${local.wake_rule_name}"
}

module "collector" {
  source = "./modules/function"
  count  = var.collector.enabled ? 1 : 0

  name        = "${local.prefix}-collector"
  description = "Sends the items of the DRS job log to the event bus"
  handler     = "drs_job_log.collect.handler.lambda_handler"
  # While a job runs, an invocation polls until one interval before the next minute. Then the next invocation continues.
  # A pass starts only if more than 5 s remain.
  timeout              = 60 - var.collector.poll_interval_seconds + 6
  reserved_concurrency = var.collector.reserved_concurrency
  defaults             = local.function_defaults

  environment = merge(local.shared_environment, {
    DRS_TARGETS           = jsonencode([for target in local.targets : { for name, value in { region = target.region, roleArn = target.role_arn, externalId = target.external_id } : name => value if value != null }])
    EVENT_BUS_NAME        = var.event_bus_name
    EVENT_SOURCE          = var.event_source
    EXECUTION_ID_TAG      = var.execution_id_tag
    LOOKBACK_HOURS        = tostring(var.collector.lookback_hours)
    POLL_INTERVAL_SECONDS = tostring(var.collector.poll_interval_seconds)
    RETENTION_DAYS        = tostring(var.retention_days)
    STALLED_AFTER_MINUTES = tostring(var.collector.stalled_after_minutes)
  })
  policy_document = data.aws_iam_policy_document.collector.json

  # Invocations normally use almost the whole timeout, so only the full timeout is an alarm.
  alarms = merge(local.scheduled_alarms, { duration_percent = 100 })
  tags   = var.tags
}

data "aws_iam_policy_document" "collector" {
  dynamic "statement" {
    for_each = length(local.target_job_arns) > 0 ? [1] : []

    content {
      sid       = "ReadJobs"
      actions   = ["drs:DescribeJobs", "drs:DescribeSourceServers"]
      resources = ["*"] # these actions do not support resource-level permissions
    }
  }
  dynamic "statement" {
    for_each = length(local.target_job_arns) > 0 ? [1] : []

    content {
      sid       = "ReadJobLogs"
      actions   = ["drs:DescribeJobLogItems"]
      resources = local.target_job_arns
    }
  }
  dynamic "statement" {
    for_each = length(local.target_roles) > 0 ? [1] : []

    content {
      sid       = "AssumeRolesOfTargets"
      actions   = ["sts:AssumeRole"]
      resources = local.target_roles
    }
  }
  statement {
    sid       = "PutEvents"
    actions   = ["events:PutEvents"]
    resources = [local.rule_bus_arns["job-log"]]

    # ForAllValues checks every entry of the request. Null denies requests without a value.
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "events:source"
      values   = [var.event_source]
    }
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "events:detail-type"
      values   = ["DRS Job Log"]
    }
    condition {
      test     = "Null"
      variable = "events:source"
      values   = ["false"]
    }
    condition {
      test     = "Null"
      variable = "events:detail-type"
      values   = ["false"]
    }
  }
  statement {
    sid       = "ReadStoredEvents"
    actions   = ["dynamodb:Query"]
    resources = [local.events_table_arn]
  }
  dynamic "statement" {
    for_each = local.kms_key_arns

    content {
      sid       = "UseCustomerKey"
      actions   = ["kms:Decrypt", "kms:DescribeKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.*"]
      }
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Rule that invokes the collector between two scheduled invocations. AWS sends these events on a best-effort basis, and
# those of CloudTrail need a trail. No dead-letter queue: a lost event delays the collector by at most one minute.
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "wake" {
  count = var.collector.enabled ? 1 : 0

  name        = local.wake_rule_name
  description = "Invokes the collector of ${var.name} when a DRS job starts or launches a server"
  state       = "ENABLED" # so that a plan shows a disabled rule
  tags        = var.tags

  event_pattern = jsonencode({
    "$or" = [
      {
        source      = ["aws.drs"]
        detail-type = ["AWS API Call via CloudTrail"]
        detail = {
          eventSource = ["drs.amazonaws.com"]
          eventName   = ["StartRecovery", "TerminateRecoveryInstances", "StartFailbackLaunch"]
          errorCode   = [{ exists = false }]
        }
      },
      local.launch_result_pattern,
    ]
  })
}

resource "aws_cloudwatch_event_target" "wake" {
  count = var.collector.enabled ? 1 : 0

  rule      = aws_cloudwatch_event_rule.wake[0].name
  target_id = "collector"
  arn       = module.collector[0].function.arn

  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }

  depends_on = [aws_scheduler_schedule.this] # and so after everything that the schedule depends on
}

resource "aws_lambda_permission" "wake" {
  count = var.collector.enabled ? 1 : 0

  statement_id  = "AllowEventBridgeRule"
  action        = "lambda:InvokeFunction"
  function_name = module.collector[0].function.name
  principal     = "events.amazonaws.com"
  source_arn    = local.wake_rule_arn
}
