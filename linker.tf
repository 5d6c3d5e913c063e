# Linker function: links stored events to executions that became known later.

module "linker" {
  source = "./modules/function"

  name        = "${local.prefix}-linker"
  description = "Links stored DRS job log events to executions"
  handler     = "drs_job_log.link.handler.lambda_handler"
  timeout     = 55 # ends before the next scheduled invocation
  memory_size = local.memory_sizes.linker
  defaults    = local.function_defaults

  environment     = merge(local.shared_environment, local.executions_table_environment, local.collector_sources_environment)
  policy_document = data.aws_iam_policy_document.linker.json

  alarms = local.scheduled_alarms
  tags   = var.tags
}

data "aws_iam_policy_document" "linker" {
  source_policy_documents = [data.aws_iam_policy_document.execution_history.json]

  statement {
    sid       = "FindUnlinkedEvents"
    actions   = ["dynamodb:Scan"]
    resources = ["${local.events_table_arn}/index/UnlinkedIndex"]
  }
  # The scan is for the manual request that adds the events of earlier versions to the ledger.
  statement {
    sid       = "ReadEvents"
    actions   = ["dynamodb:Query", "dynamodb:Scan"]
    resources = [local.events_table_arn]
  }
  statement {
    sid       = "LinkEvents"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.events_table_arn]

    # ForAllValues checks every attribute of the request. Null denies requests without an attribute.
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:Attributes"
      values   = concat(local.updated_event_attributes, local.ledger_attributes)
    }
    condition {
      test     = "Null"
      variable = "dynamodb:Attributes"
      values   = ["false"]
    }
  }
  # The linker checks in each run whether the module supports the table.
  dynamic "statement" {
    for_each = var.execution_history != null ? [1] : []

    content {
      sid       = "ReadKeysOfExecutionHistory"
      actions   = ["dynamodb:DescribeTable"]
      resources = [local.executions_table_arn]
    }
  }
  dynamic "statement" {
    for_each = try(var.execution_history.allow_scan, false) ? [1] : []

    content {
      sid       = "ScanExecutionHistory"
      actions   = ["dynamodb:Scan"]
      resources = [local.executions_table_arn]
    }
  }
  # If ingest uses the table too, the shared permissions contain the key.
  dynamic "statement" {
    for_each = try(var.execution_history.allow_scan, false) && !local.ingest_uses_executions_table ? local.executions_table_kms_key_arns : []

    content {
      sid       = "UseKeyOfExecutionHistory"
      actions   = ["kms:Decrypt", "kms:DescribeKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.*"]
      }
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
