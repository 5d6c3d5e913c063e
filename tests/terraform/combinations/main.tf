# Inputs that are invalid only in combination with another input. Used by test_refusals.py.

provider "aws" {}

module "lookback_longer_than_retention" {
  source = "../../.."

  retention_days = 2
  collector      = { lookback_hours = 49 }
}

module "history_shorter_than_retention" {
  source = "../../.."

  history_days   = 29
  retention_days = 30
}

module "drill_check_longer_than_history" {
  source = "../../.."

  history_days = 90
  readiness    = { max_days_without_drill = 91 }
}

module "drill_check_without_the_collector" {
  source = "../../.."

  collector = { enabled = false }
  readiness = { max_days_without_drill = 90 }
}

module "layer_dropped_without_a_package" {
  source = "../../.."

  functions = { powertools_layer = { enabled = false } }
}

module "key_given_and_made" {
  source = "../../.."

  create_kms_key = true
  kms_key_arn    = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
}

module "alarm_actions_twice" {
  source = "../../.."

  alarm_actions = ["arn:aws:sns:us-east-1:000000000000:on-call"]
  alarms        = { actions = ["arn:aws:sns:us-east-1:000000000000:on-call"] }
}

module "signed_code_without_a_package" {
  source = "../../.."

  functions = {
    code_signing_config_arn = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"
    powertools_layer        = { arn = "arn:aws:lambda:us-east-1:000000000000:layer:powertools:1" }
  }
}

module "signed_code_with_the_public_layer" {
  source = "../../.."

  package   = { s3_bucket = "artifacts", s3_key = "drs-job-log.zip" }
  functions = { code_signing_config_arn = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0" }
}

module "alarms_with_too_many_actions_together" {
  source = "../../.."

  readiness = { replication_stalled = true }
  alarms = {
    actions          = [for number in range(3) : "arn:aws:sns:us-east-1:000000000000:on-call-${number}"]
    recovery_actions = [for number in range(3) : "arn:aws:sns:us-east-1:000000000000:recovery-${number}"]
  }
}

module "evidence_bucket_with_a_reserved_name" {
  source = "../../.."

  name     = "XN--recovery"
  evidence = { bucket = "create" }
}
