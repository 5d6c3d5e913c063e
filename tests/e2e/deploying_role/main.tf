# The module with resources that the defaults do not create. Used by test_deploying_role.py.

provider "aws" {}

variable "issuer" {
  description = "Issuer of the tokens that the API accepts."
  type        = string
}

variable "days" {
  description = "A value that an update changes in each kind of resource."
  type        = number
}

module "drs_job_log" {
  source = "../../.."

  tags           = { days = var.days }
  event_bus_name = "recovery"
  retention_days = var.days
  archive_days   = var.days
  create_kms_key = true
  table          = { deletion_protection = false, point_in_time_recovery = var.days == 7 }
  alarm_actions  = ["arn:aws:sns:us-east-1:000000000000:on-call"]
  alarms         = { function_errors = var.days, pipeline_actions = ["arn:aws:sns:us-east-1:000000000000:on-call"] }
  functions      = { log_retention_in_days = var.days, memory_size = 256 + var.days }
  ingest         = { maximum_concurrency = var.days, visibility_timeout_seconds = 600 + var.days }
  collector      = { reserved_concurrency = var.days }
  evidence       = { bucket = "create", retention_days = var.days }

  api = {
    authorization         = "JWT"
    jwt                   = { issuer = var.issuer, audience = ["recovery"] }
    throttling_rate_limit = var.days
  }
}
