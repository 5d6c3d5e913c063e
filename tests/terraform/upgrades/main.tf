# The module with its defaults. Used by test_upgrades.py, which writes the state of an earlier version.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {}

module "drs_job_log" {
  source = "../../.."
}
