# Collector function: reads the DRS job log and sends new items to the event bus.

locals {
  this_target = { region = null, role_arn = null, external_id = null }
  targets     = concat(var.collector.include_this_account ? [local.this_target] : [], var.collector.targets)
  targets_json = jsonencode([
    for target in local.targets : {
      for name, value in { region = target.region, roleArn = target.role_arn, externalId = target.external_id } : name => value if value != null
    }
  ])

  # The environment of a function has 4 KB, and the inline policies of a role have 10,240 characters. More targets than
  # this have SSM parameters and managed policies. By number, because a count cannot depend on a role of the same apply.
  has_many_targets = var.collector.enabled && length(var.collector.targets) > 10

  reads_plans = var.collector.enabled && var.collector.recovery_plans

  target_roles = distinct([for target in local.targets : target.role_arn if target.role_arn != null])
  target_job_arns = distinct([
    for target in local.targets : "arn:${local.partition}:drs:${coalesce(target.region, local.region)}:${local.account_id}:job/*" if target.role_arn == null
  ])
  # A managed policy has at most 6,144 characters. The chunks have equal numbers of roles, whose ARNs differ in length.
  target_role_chunks = local.has_many_targets ? chunklist(
    local.target_roles,
    floor(5800 / max(1, [for arn in local.target_roles : length(arn) + 3]...))
  ) : []

  targets_parameter_path = "/drs-job-log/${local.prefix}/targets"
  # A parameter has at most 4,096 characters.
  targets_parameter_values = local.has_many_targets ? [
    for start in range(0, length(local.targets_json), 4096) : substr(local.targets_json, start, 4096)
  ] : []
  # The digest is in the names of the parameters and in the environment: while Terraform changes the list, the function has
  # a complete one, and when the environment changes, the function reads the new one.
  targets_digest = sha256(local.targets_json)
  targets_environment = local.has_many_targets ? {
    DRS_TARGETS_PARAMETERS = join(",", aws_ssm_parameter.targets[*].name)
    DRS_TARGETS_SHA256     = local.targets_digest
  } : { DRS_TARGETS = local.targets_json }

  wake_rule_name = "${local.prefix}-collector"
  wake_rule_arn  = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${local.wake_rule_name}"
}

module "collector" {
  source = "./modules/function"
  count  = var.collector.enabled ? 1 : 0

  name        = "${local.prefix}-collector"
  description = "Sends the items of the DRS job log to the event bus"
  handler     = "drs_job_log.collect.handler.lambda_handler"
  # While a job runs, an invocation polls until one interval before the next minute. Then the next invocation continues.
  # A pass starts only if the duration of the previous one and 3 s remain, and at least 5 s.
  timeout              = 60 - var.collector.poll_interval_seconds + 6
  memory_size          = local.memory_sizes.collector
  reserved_concurrency = var.collector.reserved_concurrency
  defaults             = local.function_defaults

  environment = merge(
    local.shared_environment,
    local.collector_sources_environment,
    local.targets_environment,
    local.rto_environment,
    {
      EVENT_BUS_NAME        = var.event_bus_name
      EXECUTION_ID_TAG      = var.execution_id_tag
      LOOKBACK_HOURS        = tostring(var.collector.lookback_hours)
      NOTICES_TABLE         = local.notifications_table_name
      ONLY_TAGGED           = jsonencode(var.collector.only_tagged)
      POLL_INTERVAL_SECONDS = tostring(var.collector.poll_interval_seconds)
      RECOVERY_PLANS        = tostring(var.collector.recovery_plans)
      RETENTION_DAYS        = tostring(var.retention_days)
      STALLED_AFTER_MINUTES = tostring(var.collector.stalled_after_minutes)
    },
    local.checks_drills ? { MAX_DAYS_WITHOUT_DRILL = tostring(var.readiness.max_days_without_drill) } : {},
    local.checks_instances ? { DRILL_INSTANCES_HOURS = tostring(var.readiness.drill_instances_hours) } : {},
  )
  policy_document = data.aws_iam_policy_document.collector.json

  # Invocations normally use almost the whole timeout, so only the full timeout is an alarm. Many new jobs at once can
  # throttle the function for a moment. The alarm collector-heartbeat reports a throttle that lasts.
  alarms              = merge(local.scheduled_alarms, { duration_percent = 100 })
  has_throttles_alarm = false
  tags                = var.tags
}

data "aws_iam_policy_document" "collector" {
  dynamic "statement" {
    for_each = length(local.target_job_arns) > 0 ? [1] : []

    content {
      sid       = "ReadJobs"
      actions   = ["drs:DescribeJobs", "drs:DescribeRecoveryInstances", "drs:DescribeSourceServers"]
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
    for_each = local.reads_plans && length(local.target_job_arns) > 0 ? [1] : []

    content {
      sid = "ReadRecoveryPlans"
      actions = [
        "drs:GetRecoveryPlan",
        "drs:GetRecoveryPlanExecution",
        "drs:GetRecoveryPlanExecutionStep",
        "drs:ListRecoveryPlanExecutionSteps",
        "drs:ListRecoveryPlanExecutions",
      ]
      resources = ["*"] # the documentation of these actions does not say whether they support resource-level permissions
    }
  }
  dynamic "statement" {
    for_each = length(local.target_roles) > 0 && !local.has_many_targets ? [1] : []

    content {
      sid       = "AssumeRolesOfTargets"
      actions   = ["sts:AssumeRole"]
      resources = local.target_roles
    }
  }
  dynamic "statement" {
    for_each = local.has_many_targets ? [1] : []

    content {
      sid       = "ReadTargets"
      actions   = ["ssm:GetParameters"]
      resources = ["arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter${local.targets_parameter_path}/*"]
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
      values   = [local.event_source]
    }
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "events:detail-type"
      values   = concat(["DRS Job Log"], local.checks_drills ? ["DRS Drill Check"] : [])
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
    resources = concat([local.events_table_arn], local.checks_drills ? ["${local.events_table_arn}/index/ServerLedgerIndex"] : [])
  }
  # One item of the table, with which a single invocation at a time polls, and one with the targets that were checked today.
  # Items with the time of each event of a recovery plan.
  statement {
    sid       = "LockPolling"
    actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
    resources = [local.notifications_table_arn]

    # ForAllValues checks every key of the request. Null denies requests without a key.
    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = concat(["collector"], local.has_daily_check ? ["drill-check"] : [], local.reads_plans ? ["plan-event#*"] : [])
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
  dynamic "statement" {
    for_each = local.kms_key_arns

    content {
      sid       = "UseCustomerKey"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
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
# More than 10 targets: their list in SSM parameters, and the roles in managed policies
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_ssm_parameter" "targets" {
  #checkov:skip=CKV2_AWS_34:The ARNs of roles and external IDs are no secrets
  #checkov:skip=CKV_AWS_337:The ARNs of roles and external IDs are no secrets
  count = length(local.targets_parameter_values)

  name        = "${local.targets_parameter_path}/${substr(local.targets_digest, 0, 8)}/${count.index}"
  description = "Part ${count.index + 1} of ${length(local.targets_parameter_values)} of the targets of ${var.name}-collector"
  type        = "String"
  tags        = var.tags

  insecure_value = local.targets_parameter_values[count.index] # not a secret, so that the plan shows it

  lifecycle {
    create_before_destroy = true # Terraform deletes the previous list after the function uses the new one
  }
}

resource "aws_iam_policy" "targets" {
  count = length(local.target_role_chunks)

  name        = "${local.prefix}-targets-${count.index}-${local.region}" # like the name of the role, with the Region
  description = "Roles that the collector of ${var.name} may assume, part ${count.index + 1} of ${length(local.target_role_chunks)}"
  path        = var.functions.role_path
  policy      = data.aws_iam_policy_document.targets[count.index].json
  tags        = var.tags

  lifecycle {
    precondition {
      condition     = length(local.target_role_chunks) <= 10
      error_message = "collector.targets needs ${length(local.target_role_chunks)} IAM policies, and a role can have 10. Use shorter role names."
    }
  }
}

data "aws_iam_policy_document" "targets" {
  count = length(local.target_role_chunks)

  statement {
    sid       = "AssumeRolesOfTargets"
    actions   = ["sts:AssumeRole"]
    resources = local.target_role_chunks[count.index]
  }
}

resource "aws_iam_role_policy_attachment" "targets" {
  count = length(local.target_role_chunks)

  role       = module.collector[0].role_name
  policy_arn = aws_iam_policy.targets[count.index].arn
}

# ---------------------------------------------------------------------------------------------------------------------
# Rule that invokes the collector between two scheduled invocations. AWS sends these events on a best-effort basis and
# only with a trail. Launch results do not invoke it: a job that launches a server runs for minutes, so the collector
# already polls, and a large job would start hundreds of invocations. No dead-letter queue: a lost event delays the
# collector by at most one minute.
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "wake" {
  count = var.collector.enabled ? 1 : 0

  name        = local.wake_rule_name
  description = "Invokes the collector of ${var.name} when a DRS job starts"
  state       = "ENABLED" # so that a plan shows a disabled rule
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.drs"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["drs.amazonaws.com"]
      eventName = concat(
        ["StartRecovery", "TerminateRecoveryInstances", "StartFailbackLaunch"],
        local.reads_plans ? ["StartRecoveryPlanExecution", "RetryRecoveryPlanExecutionStep", "UpdateRecoveryPlanExecutionStep", "CancelRecoveryPlanExecution"] : [],
      )
      errorCode = [{ exists = false }]
    }
  })
}

resource "aws_cloudwatch_event_target" "wake" {
  count = var.collector.enabled ? 1 : 0

  rule      = aws_cloudwatch_event_rule.wake[0].name
  target_id = "collector"
  arn       = module.collector[0].function.arn

  # Retries within the minute, so that a short error of Lambda does not raise the alarm.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 185
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
