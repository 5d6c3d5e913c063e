# The executions table.

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
