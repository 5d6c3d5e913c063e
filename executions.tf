# Executions table of the orchestrator: settings and permissions. The input is `execution_history`.

locals {
  executions_table_arn        = var.execution_history == null ? null : "${local.table_arn_prefix}/${var.execution_history.table_name}"
  executions_table_has_index  = try(var.execution_history.job_id_index, null) != null
  executions_table_is_updated = try(var.execution_history.update_status, false)
  # Otherwise, only the linker (allow_scan) and the API use the table.
  ingest_uses_executions_table  = local.executions_table_has_index || local.executions_table_is_updated
  executions_table_kms_key_arns = try(var.execution_history.kms_key_arn, null) == null ? [] : [var.execution_history.kms_key_arn]
  executions_table_environment = var.execution_history == null ? {} : {
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
        runningStatuses      = var.execution_history.running_statuses
      } : name => value if value != null
    })
  }
}

# Permissions that ingest and the linker share.
data "aws_iam_policy_document" "execution_history" {
  dynamic "statement" {
    for_each = local.executions_table_has_index ? [1] : []

    content {
      sid       = "FindExecutionsOfJobs"
      actions   = ["dynamodb:Query"]
      resources = ["${local.executions_table_arn}/index/${var.execution_history.job_id_index}"]
    }
  }
  dynamic "statement" {
    for_each = local.executions_table_is_updated ? [1] : []

    content {
      sid       = "ReadExecutions"
      actions   = ["dynamodb:Query"]
      resources = [local.executions_table_arn]
    }
  }
  dynamic "statement" {
    for_each = local.executions_table_is_updated ? [1] : []

    content {
      sid       = "SetExecutionStatus"
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.executions_table_arn]

      # ForAllValues checks every attribute of the request, also those that it only compares: the keys and the waves. If
      # the name of a sort key is missing, DynamoDB denies every update, so there is no condition without key_attributes.
      dynamic "condition" {
        for_each = var.execution_history.key_attributes == null ? {} : {
          "ForAllValues:StringEquals" = concat(var.execution_history.key_attributes, [
            var.execution_history.status_attribute, var.execution_history.end_time_attribute, var.execution_history.waves_attribute,
          ])
          "Null" = ["false"]
        }

        content {
          test     = condition.key
          variable = "dynamodb:Attributes"
          values   = condition.value
        }
      }
    }
  }
  dynamic "statement" {
    for_each = local.ingest_uses_executions_table ? local.executions_table_kms_key_arns : []

    content {
      sid       = "UseKeyOfExecutionHistory"
      actions   = concat(["kms:Decrypt", "kms:DescribeKey"], local.executions_table_is_updated ? ["kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"] : [])
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.*"]
      }
    }
  }
}

# Warns if the table does not match the input. It depends on the linker, which has the input in its environment. If the input
# changes, for example with a table of the same apply, Terraform reads the table after the linker has changed.
module "executions_table_check" {
  source = "./modules/executions-table-check"
  count  = var.execution_history == null ? 0 : 1

  execution_history = var.execution_history

  depends_on = [module.linker]
}
