# The module with its defaults. Used by test_upgrades.py, which writes the state of an earlier version.

provider "aws" {}

module "drs_job_log" {
  source = "../../.."
}
