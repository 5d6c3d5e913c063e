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
    kms_key_arn            = var.kms_key_arn
  }
  shared_environment = {
    JOB_LOG_EVENTS_TABLE         = local.table_name
    POWERTOOLS_METRICS_NAMESPACE = "DRSJobLog"
    POWERTOOLS_SERVICE_NAME      = var.name # the metrics' one dimension: tells two copies apart
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Ingest: queue → table
# ---------------------------------------------------------------------------------------------------------------------

module "ingest" {
  source = "./modules/function"

  name        = "${local.prefix}-ingest"
  description = "Stores DRS job log events, each once"
  handler     = "drs_job_log.ingest.handler"
  timeout     = var.ingest.timeout_seconds
  defaults    = local.function_defaults

  environment = merge(local.shared_environment, {
    RETENTION_DAYS = tostring(var.retention_days)
  })
  policy_document = data.aws_iam_policy_document.ingest.json

  alarms                      = { enabled = var.alarms.enabled, actions = var.alarm_actions }
  alarm_duration_milliseconds = 5000
  tags                        = var.tags
}

data "aws_iam_policy_document" "ingest" {
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

  # Queue and table under a customer's key: their consumer must be able to use it, through them only. A dynamic block
  # and not a document of its own: the key may be made in the same apply, where nothing can be counted by it.
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseCustomerKey"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.*", "sqs.${local.region}.*"]
      }
    }
  }
}

resource "aws_lambda_event_source_mapping" "ingest" {
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
