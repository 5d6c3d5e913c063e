# A protected copy of the module with everything that can hold data. Used by test_lifecycle.py.

provider "aws" {}

variable "name" {
  description = "Name of the copy."
  type        = string
  default     = "lifecycle"
}

variable "collector" {
  description = "Create the collector."
  type        = bool
  default     = true
}

resource "aws_sns_topic" "on_call" {
  name = "lifecycle-on-call"
}

module "drs_job_log" {
  source = "../../.."

  name         = var.name
  archive_days = 1
  collector    = { enabled = var.collector }
  alarms       = { pipeline_actions = [aws_sns_topic.on_call.arn], recovery_actions = [aws_sns_topic.on_call.arn] }
}
