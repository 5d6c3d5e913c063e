# The configuration that `make demo` applies on the embedded AWS: the defaults with an executions table and without
# deletion protection.

module "drs_job_log" {
  source = "../.."

  table = { deletion_protection = false }

  execution_history = {
    table_name     = aws_dynamodb_table.executions.name
    key_attributes = ["ExecutionId", "PlanId"]
    allow_scan     = true
    update_status  = true
  }
}

# Same schema as public orchestrators: the jobs are inside the waves, so there is no index on them.
resource "aws_dynamodb_table" "executions" {
  #checkov:skip=CKV_AWS_119:Exists only during the demo
  #checkov:skip=CKV_AWS_28:Exists only during the demo
  name         = "executions"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "ExecutionId"
  range_key    = "PlanId"

  attribute {
    name = "ExecutionId"
    type = "S"
  }
  attribute {
    name = "PlanId"
    type = "S"
  }
}
