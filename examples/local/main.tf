# What `make demo` applies on the embedded AWS: the defaults beside a platform's own table of executions, but gone without
# a trace afterwards.

module "drs_job_log" {
  source = "../.."

  table = { deletion_protection = false }

  execution_history = {
    table_name    = aws_dynamodb_table.executions.name
    allow_scan    = true
    update_status = true
  }
}

# As public orchestrators have it: no index on the jobs, which stand within the waves.
resource "aws_dynamodb_table" "executions" {
  #checkov:skip=CKV_AWS_119:Gone when the demo is over
  #checkov:skip=CKV_AWS_28:Gone when the demo is over
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
