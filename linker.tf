# Linker.

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
