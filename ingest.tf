# Ingest function: stores each event of the queue once, sends notifications, and reports facts about executions.

module "ingest" {
  source = "./modules/function"

  name        = "${local.prefix}-ingest"
  description = "Stores each DRS job log event once and sends notifications"
  handler     = "drs_job_log.ingest.handler.lambda_handler"
  timeout     = var.ingest.timeout_seconds
  memory_size = local.memory_sizes.ingest
  defaults    = local.function_defaults

  environment = merge(
    local.shared_environment,
    local.executions_table_environment,
    local.collector_sources_environment,
    local.objectives_environment,
    {
      EVENT_BUS_NAME        = var.event_bus_name
      HISTORY_DAYS          = tostring(var.history_days)
      NOTICE_KINDS          = join(",", concat(var.notifications.kinds, local.readiness_kinds))
      NOTICES_TABLE         = local.notifications_table_name
      QUEUE_URL             = local.queue_urls.ingest
      RETENTION_DAYS        = tostring(var.retention_days)
      RUNBOOKS              = local.runbooks
      STALLED_AFTER_MINUTES = tostring(var.collector.stalled_after_minutes)
    },
    var.notifications.enabled ? { FAILURE_TOPIC_ARN = local.failure_topic_arn } : {},
    local.link_to_viewer ? { VIEWER_URL = coalesce(var.notifications.viewer_url, one(aws_apigatewayv2_api.this[*].api_endpoint)) } : {},
    var.evidence != null && var.api.enabled ? { EVIDENCE_REPORTS = "true" } : {},
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
    resources = [local.events_table_arn]
  }
  statement {
    sid       = "RecordNotifications"
    actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [local.notifications_table_arn]
  }
  dynamic "statement" {
    for_each = local.ingest_uses_executions_table ? [1] : []

    content {
      sid       = "ReadKeysOfExecutionHistory"
      actions   = ["dynamodb:DescribeTable"]
      resources = [local.executions_table_arn]
    }
  }
  dynamic "statement" {
    for_each = var.notifications.enabled ? [1] : []

    content {
      sid       = "PublishNotifications"
      actions   = ["sns:Publish"]
      resources = [local.failure_topic_arn]
    }
  }
  # Ingest sends itself delayed messages: to collect failures into one notification, and to check an execution again.
  statement {
    sid       = "DelayMessages"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns.ingest]
  }
  # Ingest reads the other events of a failed server, all events of an execution that it checks, and the earlier launches of
  # its servers. With update_status, it also reads whether all jobs of the execution have ended.
  statement {
    sid     = "ReadEvents"
    actions = ["dynamodb:Query"]
    resources = concat([local.events_table_arn], [
      for index in ["ExecutionIdIndex", "ExecutionLedgerIndex", "LedgerIndex", "ServerLedgerIndex"] :
      "${local.events_table_arn}/index/${index}"
    ])
  }
  # Only facts about executions, so that ingest cannot send job log events.
  statement {
    sid       = "ReportFacts"
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
      values   = ["DRS Execution At Risk", "DRS Execution Continued", "DRS Execution Settled", "DRS Execution Started"]
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
  # If the executions table has no record yet, ingest adds the event to UnlinkedIndex, so that the linker retries.
  dynamic "statement" {
    for_each = local.executions_table_is_updated ? [1] : []

    content {
      sid       = "FinishExecutions"
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.events_table_arn]

      # ForAllValues checks every attribute of the request. Null denies requests without an attribute.
      condition {
        test     = "ForAllValues:StringEquals"
        variable = "dynamodb:Attributes"
        values   = local.updated_event_attributes
      }
      condition {
        test     = "Null"
        variable = "dynamodb:Attributes"
        values   = ["false"]
      }
    }
  }

  # Only DynamoDB, SQS and SNS may use the key on behalf of the function.
  dynamic "statement" {
    for_each = local.kms_key_arns

    content {
      sid       = "UseCustomerKey"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = concat(["dynamodb.${local.region}.*", "sqs.${local.region}.*"], local.create_failure_topic ? ["sns.${local.region}.*"] : [])
      }
    }
  }
}

resource "aws_lambda_event_source_mapping" "ingest" {
  # The environment of the function contains only their names, so Terraform cannot derive the dependency.
  depends_on = [aws_dynamodb_table.notices, aws_sns_topic.failures]

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
