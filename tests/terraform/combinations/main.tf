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

module "layer_dropped_without_a_package" {
  source = "../../.."

  functions = { powertools_layer = { enabled = false } }
}
