# Inputs that are invalid only in combination with another input. Used by test_refusals.py.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {}

module "lookback_longer_than_retention" {
  source = "../../.."

  retention_days = 2
  collector      = { lookback_hours = 49 }
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
