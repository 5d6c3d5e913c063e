# A second copy of the module in an account and Region with another one, copies with the same name in another Region and in
# another account, and a member account. Used by test_copies.py.

provider "aws" {}

# On the embedded AWS, an access key of 12 digits is an account.
provider "aws" {
  alias      = "member"
  access_key = "111122223333"
  secret_key = "test"
}

provider "aws" {
  alias  = "other_region"
  region = "eu-west-1"
}

module "member_role" {
  source    = "../../../modules/member-role"
  providers = { aws = aws.member }

  collector_role_arn = module.drs_job_log.functions.collector.role_arn
  external_id        = "second"
}

# 200 targets besides this account. The role of the first one exists.
module "drs_job_log" {
  source = "../../.."

  name          = "second"
  table         = { deletion_protection = false }
  alarms        = { enabled = false }
  notifications = { enabled = false }
  api           = { enabled = false }
  dashboard     = false

  collector = {
    only_tagged = { environment = "second" }
    targets = concat(
      [{ region = "eu-west-1", role_arn = module.member_role.role_arn, external_id = module.member_role.external_id }],
      [
        for number in range(199) : {
          region      = "eu-west-2"
          role_arn    = "arn:aws:iam::${222233330000 + number}:role/drs-job-log-reader"
          external_id = "second"
        }
      ],
    )
  }
}

# The defaults, except for what takes long to create and is the same everywhere.
module "other_region" {
  source    = "../../.."
  providers = { aws = aws.other_region }

  name   = "second"
  table  = { deletion_protection = false }
  alarms = { enabled = false }
}

module "other_account" {
  source    = "../../.."
  providers = { aws = aws.member }

  name   = "second"
  table  = { deletion_protection = false }
  alarms = { enabled = false }
}

output "other_copies" {
  description = "Names and ARNs of the copies with the same name."
  value = {
    for key, copy in { region = module.other_region, account = module.other_account } : key => {
      table_arn               = copy.table_arn
      event_source            = copy.event_source
    }
  }
}

output "drs_job_log" {
  description = "All outputs of the module."
  value       = module.drs_job_log
}

output "member_role_arn" {
  description = "ARN of the role in the member account."
  value       = module.member_role.role_arn
}
