# Inputs that are wrong only beside another input: see test_refusals.py.

terraform {
  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = "2.7.1"
    }
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
