# The Lambda functions: what each is called by, what it knows and what it may do.

locals {
  # What every function of the package shares.
  function_defaults = {
    package                = local.package
    runtime                = var.functions.runtime
    architecture           = var.functions.architecture
    memory_size            = var.functions.memory_size
    layers                 = var.functions.powertools_layer.enabled ? [local.powertools_layer_arn] : []
    log_retention_in_days  = var.functions.log_retention_in_days
    log_level              = var.functions.log_level
    tracing                = var.functions.tracing
    permissions_boundary   = var.functions.permissions_boundary
    role_path              = var.functions.role_path
    additional_environment = var.functions.environment
    kms_key_arn            = local.kms_key_arn
  }
  shared_environment = {
    JOB_LOG_EVENTS_TABLE         = local.table_name
    POWERTOOLS_METRICS_NAMESPACE = "DRSJobLog"
    POWERTOOLS_SERVICE_NAME      = var.name # the metrics' one dimension: tells two copies apart
  }

  # By their tasks.
  functions = merge(
    { ingest = module.ingest.function, linker = module.linker.function },
    { for collector in module.collector : "collector" => collector.function },
    { for api in module.api : "api" => api.function },
  )
}

# ---------------------------------------------------------------------------------------------------------------------
# The platform's execution history table
# ---------------------------------------------------------------------------------------------------------------------

locals {
  execution_history_table_arn  = var.execution_history == null ? null : "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${var.execution_history.table_name}"
  execution_history_has_index  = try(var.execution_history.job_id_index, null) != null
  execution_history_is_updated = try(var.execution_history.update_status, false)
  # Beside the API, which asks it how an execution stands.
  execution_history_is_used = local.execution_history_has_index || local.execution_history_is_updated || try(var.execution_history.allow_scan, false)
  execution_history_environment = var.execution_history == null ? {} : {
    EXECUTION_HISTORY_TABLE = var.execution_history.table_name
    EXECUTION_HISTORY_SETTINGS = jsonencode({
      for name, value in {
        executionIdAttribute = var.execution_history.execution_id_attribute
        wavesAttribute       = var.execution_history.waves_attribute
        waveCountAttribute   = var.execution_history.wave_count_attribute
        jobIdAttribute       = var.execution_history.job_id_attribute
        statusAttribute      = var.execution_history.status_attribute
        endTimeAttribute     = var.execution_history.end_time_attribute
        endTimeFormat        = var.execution_history.end_time_format
        jobIdIndex           = var.execution_history.job_id_index
        allowScan            = var.execution_history.allow_scan
        updateStatus         = var.execution_history.update_status
      } : name => value if value != null
    })
  }
}

# What ingest and the linker may both do with it.
data "aws_iam_policy_document" "execution_history" {
  dynamic "statement" {
    for_each = local.execution_history_has_index || local.execution_history_is_updated ? [1] : []

    content {
      sid       = "ReadKeysOfExecutionHistory"
      actions   = ["dynamodb:DescribeTable"]
      resources = [local.execution_history_table_arn]
    }
  }
  dynamic "statement" {
    for_each = local.execution_history_has_index ? [1] : []

    content {
      sid       = "FindExecutionsOfJobs"
      actions   = ["dynamodb:Query"]
      resources = ["${local.execution_history_table_arn}/index/${var.execution_history.job_id_index}"]
    }
  }
  dynamic "statement" {
    for_each = local.execution_history_is_updated ? [1] : []

    content {
      sid       = "SetExecutionStatus"
      actions   = ["dynamodb:Query", "dynamodb:UpdateItem"]
      resources = [local.execution_history_table_arn]
    }
  }
  dynamic "statement" {
    for_each = !local.execution_history_is_used || try(var.execution_history.kms_key_arn, null) == null ? [] : [var.execution_history.kms_key_arn]

    content {
      sid       = "UseKeyOfExecutionHistory"
      actions   = concat(["kms:Decrypt", "kms:DescribeKey"], local.execution_history_is_updated ? ["kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"] : [])
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
# Ingest: queue → table
# ---------------------------------------------------------------------------------------------------------------------

module "ingest" {
  source = "./modules/function"

  name        = "${local.prefix}-ingest"
  description = "Stores DRS job log events, each once"
  handler     = "drs_job_log.ingest.handler.lambda_handler"
  timeout     = var.ingest.timeout_seconds
  defaults    = local.function_defaults

  environment = merge(
    local.shared_environment,
    local.execution_history_environment,
    {
      NOTICES_TABLE  = local.notices_table_name
      RETENTION_DAYS = tostring(var.retention_days)
      RUNBOOKS       = local.runbooks
    },
    var.notifications.enabled ? { FAILURE_TOPIC_ARN = local.failure_topic_arn } : {},
    local.notices_link ? { VIEWER_URL = coalesce(var.notifications.viewer_url, one(aws_apigatewayv2_api.this[*].api_endpoint)) } : {},
  )
  policy_document = data.aws_iam_policy_document.ingest.json

  alarms = local.function_alarms
  tags   = var.tags
}

data "aws_iam_policy_document" "ingest" {
  source_policy_documents = [data.aws_iam_policy_document.execution_history.json]

  statement {
    sid       = "ConsumeQueue"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [local.queue_arns.ingest]
  }
  statement {
    sid       = "StoreEvents"
    actions   = ["dynamodb:PutItem"]
    resources = [local.table_arn]
  }
  statement {
    sid       = "RememberNotices"
    actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [local.notices_table_arn]
  }
  dynamic "statement" {
    for_each = var.notifications.enabled ? [1] : []

    content {
      sid       = "TellOfFailures"
      actions   = ["sns:Publish"]
      resources = [local.failure_topic_arn]
    }
  }
  # A server's name and error, where the event that is told of lacks them.
  dynamic "statement" {
    for_each = var.notifications.enabled ? [1] : []

    content {
      sid       = "ReadEventsOfFailures"
      actions   = ["dynamodb:Query"]
      resources = [local.table_arn]
    }
  }
  dynamic "statement" {
    for_each = var.notifications.kms_key_arn == null ? [] : [var.notifications.kms_key_arn]

    content {
      sid       = "UseKeyOfFailureTopic"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["sns.${local.region}.*"]
      }
    }
  }
  # An execution has ended when all of its jobs have; one that its platform has not written down yet is left to the linker.
  dynamic "statement" {
    for_each = local.execution_history_is_updated ? [1] : []

    content {
      sid       = "FinishExecutions"
      actions   = ["dynamodb:Query", "dynamodb:UpdateItem"]
      resources = [local.table_arn]
    }
  }

  # Queue, tables and topic under a customer's key: through them only.
  dynamic "statement" {
    for_each = local.kms_key_arns

    content {
      sid       = "UseCustomerKey"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = concat(["dynamodb.${local.region}.*", "sqs.${local.region}.*"], local.own_topic ? ["sns.${local.region}.*"] : [])
      }
    }
  }
}

resource "aws_lambda_event_source_mapping" "ingest" {
  depends_on = [aws_dynamodb_table.notices, aws_sns_topic.failures] # which the function knows by their names

  event_source_arn                   = aws_sqs_queue.ingest.arn
  function_name                      = module.ingest.function.arn
  batch_size                         = 10
  maximum_batching_window_in_seconds = var.ingest.batching_window_seconds
  function_response_types            = ["ReportBatchItemFailures"]
  tags                               = var.tags

  scaling_config {
    maximum_concurrency = var.ingest.maximum_concurrency
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Collector: DRS → event bus
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # None given: this account and Region.
  targets = length(var.collector.targets) > 0 ? var.collector.targets : [{ region = null, role_arn = null, external_id = null }]

  target_roles       = distinct([for target in local.targets : target.role_arn if target.role_arn != null])
  target_job_arns    = distinct([for target in local.targets : "arn:${local.partition}:drs:${coalesce(target.region, local.region)}:${local.account_id}:job/*" if target.role_arn == null])
  wake_rule_name     = "${local.prefix}-collector"
  wake_rule_arn      = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/${local.wake_rule_name}"
  schedule_group_arn = "arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule-group/${local.prefix}"
}

module "collector" {
  source = "./modules/function"
  count  = var.collector.enabled ? 1 : 0

  name        = "${local.prefix}-collector"
  description = "Puts the items of the DRS job log on the event bus"
  handler     = "drs_job_log.collect.handler.lambda_handler"
  # While a job runs, it polls until one interval before the next minute, whose invocation goes on in step. A pass
  # begins only with more than 5 s left.
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

  # It polls until its time is nearly over: it is late only when that is over.
  alarms = merge(local.scheduled_alarms, { duration_percent = 100 })
  tags   = var.tags
}

data "aws_iam_policy_document" "collector" {
  dynamic "statement" {
    for_each = length(local.target_job_arns) > 0 ? [1] : []

    content {
      sid       = "ReadJobs"
      actions   = ["drs:DescribeJobs", "drs:DescribeSourceServers"]
      resources = ["*"] # DRS has no resource for these
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

    # IAM may see one value for each entry of a request: each must be this one, and there must be one.
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
    resources = [local.table_arn]
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
# Linker: links what was stored before its execution was known
# ---------------------------------------------------------------------------------------------------------------------

module "linker" {
  source = "./modules/function"

  name        = "${local.prefix}-linker"
  description = "Links stored DRS job log events to executions"
  handler     = "drs_job_log.link.handler.lambda_handler"
  timeout     = 55 # over before the next minute's invocation
  defaults    = local.function_defaults

  environment     = merge(local.shared_environment, local.execution_history_environment)
  policy_document = data.aws_iam_policy_document.linker.json

  alarms = local.scheduled_alarms
  tags   = var.tags
}

data "aws_iam_policy_document" "linker" {
  source_policy_documents = [data.aws_iam_policy_document.execution_history.json]

  statement {
    sid       = "FindUnlinkedEvents"
    actions   = ["dynamodb:Scan"]
    resources = ["${local.table_arn}/index/UnlinkedIndex"]
  }
  statement {
    sid       = "LinkEvents"
    actions   = ["dynamodb:Query", "dynamodb:UpdateItem"]
    resources = [local.table_arn]
  }
  dynamic "statement" {
    for_each = try(var.execution_history.allow_scan, false) ? [1] : []

    content {
      sid       = "ScanExecutionHistory"
      actions   = ["dynamodb:Scan"]
      resources = [local.execution_history_table_arn]
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
# Schedules: collector and linker, every minute
# ---------------------------------------------------------------------------------------------------------------------

locals {
  scheduled = { for task, function in local.functions : task => function if contains(["collector", "linker"], task) }
}

# The next minute's invocation is the retry: a failed or late one repeated besides would only call more often.
resource "aws_lambda_function_event_invoke_config" "scheduled" {
  for_each = local.scheduled

  function_name                = each.value.name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_scheduler_schedule_group" "this" {
  name = local.prefix
  tags = var.tags
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:It holds the input {} and nothing else
  for_each = local.scheduled

  name                = each.value.name
  description         = "Invokes ${each.value.name}"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = each.value.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({})

    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }

  # Not before all that its events go through: what is put on a bus without a target reaches nobody.
  depends_on = [
    aws_dynamodb_table.notices,
    aws_sns_topic.failures,
    aws_cloudwatch_event_target.queue,
    aws_dynamodb_table.job_log_events,
    aws_iam_role_policy.scheduler,
    aws_lambda_event_source_mapping.ingest,
    aws_lambda_function_event_invoke_config.scheduled,
  ]
}

resource "aws_iam_role" "scheduler" {
  name                 = "${local.prefix}-scheduler-${local.region}"
  description          = "Lets EventBridge Scheduler invoke the functions of ${var.name}"
  path                 = var.functions.role_path
  permissions_boundary = var.functions.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.scheduler_assume_role.json
  tags                 = var.tags
}

data "aws_iam_policy_document" "scheduler_assume_role" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    # For no schedule but those of this module: Scheduler sends the group's ARN, not the schedule's.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.schedule_group_arn]
    }
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "invoke"
  role   = aws_iam_role.scheduler.name
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "InvokeFunctions"
    actions   = ["lambda:InvokeFunction"]
    resources = [for task in keys(local.scheduled) : "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.prefix}-${task}"]
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# What wakes the collector between two minutes. AWS sends these on a best-effort basis, CloudTrail's need a trail, and
# one that is lost costs no event but at the most a minute: hence no dead-letter queue.
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "wake" {
  count = var.collector.enabled ? 1 : 0

  name        = local.wake_rule_name
  description = "A DRS job began or launched a server: wakes the collector of ${var.name}"
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

  depends_on = [aws_scheduler_schedule.this] # and so after all that events go through
}

resource "aws_lambda_permission" "wake" {
  count = var.collector.enabled ? 1 : 0

  statement_id  = "AllowEventBridgeRule"
  action        = "lambda:InvokeFunction"
  function_name = module.collector[0].function.name
  principal     = "events.amazonaws.com"
  source_arn    = local.wake_rule_arn
}
