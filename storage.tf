# Events table: one row per event, sorted by time within a job.

locals {
  # The attributes that updates of events use: the keys, and what the functions change. IAM denies other updates.
  updated_event_attributes = ["JobId", "EventKey", "ExecutionId", "LateAt", "UnlinkedJobId"]
  # What the linker adds to events of earlier versions.
  ledger_attributes = ["LedgerKey", "LedgerMonth", "LedgerServerId", "Servers", "Summary"]
}

resource "aws_dynamodb_table" "job_log_events" {
  #checkov:skip=CKV_AWS_119:Set by kms_key_arn or create_kms_key, which checkov cannot resolve
  #checkov:skip=CKV_AWS_28:Enabled by default: table.point_in_time_recovery
  name                        = local.events_table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "JobId"
  range_key                   = "EventKey"
  deletion_protection_enabled = var.table.deletion_protection
  tags                        = var.tags

  attribute {
    name = "JobId"
    type = "S"
  }
  attribute {
    name = "EventKey"
    type = "S"
  }
  attribute {
    name = "ExecutionId"
    type = "S"
  }
  attribute {
    name = "Timestamp"
    type = "S"
  }
  attribute {
    name = "UnlinkedJobId"
    type = "S"
  }
  attribute {
    name = "LateAt"
    type = "S"
  }
  attribute {
    name = "LedgerMonth"
    type = "S"
  }
  attribute {
    name = "LedgerKey"
    type = "S"
  }
  attribute {
    name = "LedgerServerId"
    type = "S"
  }

  global_secondary_index {
    name            = "ExecutionIdIndex"
    hash_key        = "ExecutionId"
    range_key       = "Timestamp"
    projection_type = "ALL"
  }

  # Sparse index: only unlinked events have UnlinkedJobId.
  global_secondary_index {
    name            = "UnlinkedIndex"
    hash_key        = "UnlinkedJobId"
    range_key       = "EventKey"
    projection_type = "KEYS_ONLY"
  }

  # Sparse index: only events that were linked or stored late have LateAt. With it, the API reads only new events.
  global_secondary_index {
    name            = "LateIndex"
    hash_key        = "ExecutionId"
    range_key       = "LateAt"
    projection_type = "ALL"
  }

  # The ledger: three sparse indexes of the rows that are kept for history_days. The start and the end of each job have
  # LedgerKey, which sorts them by the creation of the job.
  global_secondary_index {
    name               = "LedgerIndex"
    hash_key           = "LedgerMonth"
    range_key          = "LedgerKey"
    projection_type    = "INCLUDE"
    non_key_attributes = ["EventType", "ExecutionId", "Summary", "Timestamp"]
  }

  global_secondary_index {
    name               = "ExecutionLedgerIndex"
    hash_key           = "ExecutionId"
    range_key          = "LedgerKey"
    projection_type    = "INCLUDE"
    non_key_attributes = ["EventType", "Summary", "Timestamp"]
  }

  # The final event of each server in a job.
  global_secondary_index {
    name               = "ServerLedgerIndex"
    hash_key           = "LedgerServerId"
    range_key          = "Timestamp"
    projection_type    = "INCLUDE"
    non_key_attributes = ["Ec2InstanceId", "EventData", "EventId", "EventType", "ExecutionId", "Source", "SourceServerName", "Summary"]
  }

  ttl {
    attribute_name = "TTL"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = var.table.point_in_time_recovery
  }

  # Always present: if the block is removed, the table stays on the old key, which the functions may no longer use.
  # enabled = false selects a key that AWS owns.
  server_side_encryption {
    enabled     = local.kms_key_arn != null
    kms_key_arn = local.kms_key_arn
  }

  # Terraform creates the table last and destroys it first. If deletion protection stops a destroy or a change of the
  # name, everything else still exists. These resources depend on all others: a test compares them with the graph.
  depends_on = [
    aws_apigatewayv2_stage.this,
    aws_athena_named_query.evidence,
    aws_cloudwatch_composite_alarm.this,
    aws_cloudwatch_dashboard.this,
    aws_cloudwatch_event_archive.this,
    aws_cloudwatch_event_target.wake,
    aws_cloudwatch_metric_alarm.heartbeat,
    aws_cloudwatch_metric_alarm.this,
    aws_glue_catalog_table.evidence,
    aws_kms_alias.this,
    aws_lambda_permission.api,
    aws_lambda_permission.wake,
    aws_scheduler_schedule.drill_check,
    aws_scheduler_schedule.evidence,
    aws_scheduler_schedule.this,
  ]
}
