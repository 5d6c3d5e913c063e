# Inputs that are invalid only in their context, one per copy of the module. Used by test_refusals.py.

provider "aws" {}

# The provider derives the partition from the Region. The embedded AWS has only one partition, so do not ask it.
provider "aws" {
  alias  = "iso"
  region = "us-iso-east-1"

  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias  = "china"
  region = "cn-north-1"

  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

module "environment_of_the_module" {
  source = "../../.."

  name      = "environment-of-the-module"
  functions = { environment = { RETENTION_DAYS = "1" } }
}

# Terraform finds the duplicate only when it knows the account and Region of the provider.
module "target_twice" {
  source = "../../.."

  name      = "target-twice"
  collector = { targets = [{}, { region = "us-east-1" }] }
}

module "target_of_this_account" {
  source = "../../.."

  name      = "target-of-this-account"
  collector = { targets = [{ role_arn = "arn:aws:iam::000000000000:role/reader" }] }
}

module "environment_too_large" {
  source = "../../.."

  name      = "environment-too-large"
  functions = { environment = { LARGE = join("", [for _ in range(400) : "0123456789"]) } }
}

module "role_arns_too_long" {
  source = "../../.."

  name = "role-arns-too-long"
  collector = {
    targets = [
      for number in range(120) : {
        role_arn = "arn:aws:iam::${111122220000 + number}:role/${join("/", [for _ in range(54) : "recovery"])}/reader"
      }
    ]
  }
}

module "layer_not_published_here" {
  source = "../../.."

  name      = "layer-not-published-here"
  providers = { aws = aws.iso }
}

module "notifications_of_another_region" {
  source = "../../.."

  notifications = { create_topic = false, topic_arn = "arn:aws:sns:eu-west-1:000000000000:failures" }
}

module "evidence_key_of_another_region" {
  source = "../../.."

  name     = "evidence-key-of-another-region"
  evidence = { bucket = "create", kms_key_arn = "arn:aws:kms:eu-west-1:000000000000:key/11111111-2222-3333-4444-555555555555" }
}

module "region_without_drs" {
  source = "../../.."

  name      = "region-without-drs"
  providers = { aws = aws.china }
}

# The module accepts this runtime. Version 5 of the provider does not.
module "runtime_of_provider_6" {
  source = "../../.."

  name      = "runtime-of-provider-6"
  functions = { runtime = "python3.14" }
}
