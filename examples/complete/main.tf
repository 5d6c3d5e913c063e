# The module with an executions table, tokens of an identity provider, alarms to SNS topics, and one configuration for
# two environments:
#
#   terraform workspace select -or-create staging && terraform apply -var-file=staging.tfvars

module "drs_job_log" {
  source = "../.."

  name           = "drs-job-log-${var.environment}"
  tags           = { environment = var.environment }
  retention_days = var.retention_days
  archive_days   = var.retention_days
  table          = { deletion_protection = var.deletion_protection }

  # Both environments can be in one account and Region. Each reads only its own jobs: those with this tag.
  # The name of each copy gives it an event source of its own.
  collector = { only_tagged = { environment = var.environment } }

  # Two pagers: one for the operators of the pipeline, one for the leader of the recovery. The recovery leader also gets
  # each failure notification.
  alarms        = { pipeline_actions = [aws_sns_topic.on_call.arn], recovery_actions = [aws_sns_topic.recovery.arn] }
  notifications = { create_topic = false, topic_arn = aws_sns_topic.recovery.arn, viewer_url = var.viewer_url }

  # The orchestrator tags its jobs, so no lookup is needed. The module writes the final status to the executions table.
  execution_history = {
    table_name     = aws_dynamodb_table.executions.name
    key_attributes = ["ExecutionId", "PlanId"]
    update_status  = true
  }

  api = {
    authorization = "JWT"
    jwt           = var.jwt
    cors_origins  = var.cors_origins
  }
}

# Do not use alias/aws/sns: CloudWatch may not use that key, so alarms would not be delivered.
resource "aws_sns_topic" "on_call" {
  #checkov:skip=CKV_AWS_26:Not encrypted here. Encryption needs a key whose policy allows cloudwatch.amazonaws.com
  name = "drs-on-call-${var.environment}"
}

resource "aws_sns_topic" "recovery" {
  #checkov:skip=CKV_AWS_26:Not encrypted in this example, like the other topic
  name = "drs-recovery-${var.environment}"
}

# Placeholder for the executions table of your orchestrator.
resource "aws_dynamodb_table" "executions" {
  #checkov:skip=CKV_AWS_119:Placeholder for the table of your orchestrator
  name                        = "executions-${var.environment}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "ExecutionId"
  range_key                   = "PlanId"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "ExecutionId"
    type = "S"
  }
  attribute {
    name = "PlanId"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }
}
