# Copies of the module with and without evidence.athena. Used by test_athena.py.

provider "aws" {}

module "with_athena" {
  source = "../../.."

  name     = "Acme-DRS_log"
  tags     = { team = "platform" }
  evidence = { bucket = "acme-evidence", athena = true }
}

module "with_key" {
  source = "../../.."

  name = "keyed"
  evidence = {
    bucket               = "create"
    prefix               = ""
    kms_key_arn          = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    athena               = true
    athena_scan_limit_gb = 1
  }
}

module "without_athena" {
  source = "../../.."

  name     = "plain"
  evidence = { bucket = "acme-evidence" }
}

module "without_evidence" {
  source = "../../.."
}

output "athena" {
  description = "The output of each copy."
  value = {
    with_athena      = module.with_athena.athena
    without_athena   = module.without_athena.athena
    without_evidence = module.without_evidence.athena
  }
}
