# The table job-log-events: every event once, ordered within its job.

resource "aws_dynamodb_table" "job_log_events" {
  #checkov:skip=CKV_AWS_119:By kms_key_arn or create_kms_key, which checkov does not see through
  #checkov:skip=CKV_AWS_28:On unless the user turns it off: table.point_in_time_recovery
  name                        = local.table_name
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

  global_secondary_index {
    name            = "ExecutionIdIndex"
    hash_key        = "ExecutionId"
    range_key       = "Timestamp"
    projection_type = "ALL"
  }

  # Sparse: only events without an execution carry UnlinkedJobId.
  global_secondary_index {
    name            = "UnlinkedIndex"
    hash_key        = "UnlinkedJobId"
    range_key       = "EventKey"
    projection_type = "KEYS_ONLY"
  }

  # Sparse: only events that came to their execution late, which whoever knows the rest finds by when they came.
  global_secondary_index {
    name            = "LateIndex"
    hash_key        = "ExecutionId"
    range_key       = "LateAt"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "TTL"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = var.table.point_in_time_recovery
  }

  # Always written: a block that went away would leave the table on the old key, with nobody allowed to use it.
  # enabled = false is a key that AWS owns.
  server_side_encryption {
    enabled     = local.kms_key_arn != null
    kms_key_arn = local.kms_key_arn
  }
}
