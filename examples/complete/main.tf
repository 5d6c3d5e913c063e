# The module beside a platform's own execution history: tokens of an identity provider, alarms to a topic, one
# configuration for two environments:
#
#   terraform workspace select -or-create staging && terraform apply -var-file=staging.tfvars

module "drs_job_log" {
  source = "../.."

  name           = "drs-job-log-${var.environment}"
  tags           = { environment = var.environment }
  retention_days = var.retention_days
  archive_days   = var.retention_days
  table          = { deletion_protection = var.deletion_protection }

  # Two pagers: who keeps the pipeline, and who leads the recovery. The latter is told of each failed server too.
  alarms        = { pipeline_actions = [aws_sns_topic.on_call.arn], recovery_actions = [aws_sns_topic.recovery.arn] }
  notifications = { create_topic = false, topic_arn = aws_sns_topic.recovery.arn, viewer_url = var.viewer_url }

  # The platform tags its jobs, so that nothing need be looked up; its table is told how each execution ended.
  execution_history = {
    table_name    = aws_dynamodb_table.executions.name
    update_status = true
  }

  api = {
    authorization = "JWT"
    jwt           = var.jwt
    cors_origins  = var.cors_origins
  }
}

# Not under alias/aws/sns: CloudWatch may not use that key, and alarms would reach nobody.
resource "aws_sns_topic" "on_call" {
  #checkov:skip=CKV_AWS_26:Not encrypted in this example: it would take a key whose policy admits cloudwatch.amazonaws.com
  name = "drs-on-call-${var.environment}"
}

resource "aws_sns_topic" "recovery" {
  #checkov:skip=CKV_AWS_26:Not encrypted in this example, as the other
  name = "drs-recovery-${var.environment}"
}

# Stands for the table that your platform has.
resource "aws_dynamodb_table" "executions" {
  #checkov:skip=CKV_AWS_119:Stands for the table that your platform has
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
