# The module with inputs that the same apply creates and that are unknown at plan time. Used by test_applied.py.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {}

variable "issuer" {
  description = "Issuer of the tokens that the API accepts."
  type        = string
}

resource "aws_cloudwatch_event_bus" "recovery" {
  name = "recovery"
}

resource "aws_kms_key" "customer" {
  description = "Customer managed key"
}

resource "aws_sns_topic" "on_call" {
  name = "on-call"
}

resource "aws_iam_policy" "boundary" {
  name = "boundary"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }]
  })
}

resource "aws_vpc" "functions" {
  cidr_block = "10.0.0.0/24"
}

resource "aws_subnet" "functions" {
  vpc_id     = aws_vpc.functions.id
  cidr_block = "10.0.0.0/28"
}

resource "aws_security_group" "functions" {
  name   = "functions"
  vpc_id = aws_vpc.functions.id
}

resource "aws_dynamodb_table" "executions" {
  name         = "executions"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "ExecutionId"
  range_key    = "PlanId"

  dynamic "attribute" {
    for_each = ["ExecutionId", "PlanId", "JobId"]

    content {
      name = attribute.value
      type = "S"
    }
  }
  global_secondary_index {
    name            = "by-job"
    hash_key        = "JobId"
    projection_type = "KEYS_ONLY"
  }
}

module "drs_job_log" {
  source = "../../.."

  name           = "applied"
  tags           = { team = "platform" }
  event_bus_name = aws_cloudwatch_event_bus.recovery.name
  kms_key_arn    = aws_kms_key.customer.arn
  table          = { deletion_protection = false }
  archive_days   = 7
  alarms = {
    actions          = [aws_sns_topic.on_call.arn]
    pipeline_actions = [aws_sns_topic.on_call.arn]
    recovery_actions = [aws_sns_topic.on_call.arn]
  }
  notifications = { create_topic = false, topic_arn = aws_sns_topic.on_call.arn, kms_key_arn = aws_kms_key.customer.arn }
  functions = {
    permissions_boundary = aws_iam_policy.boundary.arn
    tracing              = true
    vpc                  = { subnet_ids = [aws_subnet.functions.id], security_group_ids = [aws_security_group.functions.id] }
  }

  api = {
    authorization = "JWT"
    jwt = {
      issuer   = var.issuer
      audience = ["recovery"]
      scopes   = ["logs.read"]
      sign_in  = { client_id = "viewer", scope = "openid logs.read" }
    }
  }

  evidence = { bucket = "create", object_lock_mode = "GOVERNANCE", kms_key_arn = aws_kms_key.customer.arn }

  execution_history = {
    table_name   = aws_dynamodb_table.executions.name
    job_id_index = "by-job"
  }
}

output "module" {
  description = "All outputs of the module."
  value       = module.drs_job_log
}

output "execution_history_arn" {
  description = "ARN of the executions table."
  value       = aws_dynamodb_table.executions.arn
}

output "subnet_id" {
  description = "ID of the subnet of the functions."
  value       = aws_subnet.functions.id
}

output "security_group_id" {
  description = "ID of the security group of the functions."
  value       = aws_security_group.functions.id
}
