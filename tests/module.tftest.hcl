# Tests that need no Python and no AWS account: terraform init && terraform test
# The provider is real, so the plans contain the real policy documents. Only the identity of the caller is given.

provider "aws" {
  region     = "eu-west-1"
  access_key = "test"
  secret_key = "test"

  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = {
    account_id = "111122223333"
  }
}

run "defaults" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.job_log_events.name == "drs-job-log-events"
    error_message = "The events table is not named after the input name."
  }
  assert {
    condition     = aws_dynamodb_table.job_log_events.deletion_protection_enabled
    error_message = "The events table is not protected against deletion."
  }
  assert {
    condition     = local.events_table_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/drs-job-log-events"
    error_message = "The ARN of the table does not have the Region and account of the provider."
  }
  assert {
    condition     = toset(keys(output.functions)) == toset(["api", "collector", "ingest", "linker"])
    error_message = "The default inputs do not create four functions."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(data.aws_iam_policy_document.collector.json).Statement :
      !strcontains(jsonencode(statement.Action), "*")
    ])
    error_message = "A permission of the collector has a wildcard."
  }
}

run "another_name_and_partition" {
  command = plan

  providers = {
    aws = aws.govcloud
  }
  variables {
    name = "recovery"
  }

  assert {
    condition     = local.events_table_arn == "arn:aws-us-gov:dynamodb:us-gov-west-1:111122223333:table/recovery-events"
    error_message = "The ARN of the table does not have the partition of the provider."
  }
}

run "without_the_optional_parts" {
  command = plan

  variables {
    alarms        = { enabled = false }
    api           = { enabled = false }
    collector     = { enabled = false }
    dashboard     = false
    notifications = { enabled = false }
  }

  assert {
    condition     = toset(keys(output.functions)) == toset(["ingest", "linker"])
    error_message = "The disabled functions are planned."
  }
  assert {
    condition     = length(output.alarm_arns) == 0 && output.api_endpoint == null && output.failure_topic_arn == null
    error_message = "Disabled parts are in the outputs."
  }
}

run "refused_inputs" {
  command = plan

  variables {
    name           = "1st"
    retention_days = 0
    kms_key_arn    = "alias/aws/sqs"
  }

  expect_failures = [var.name, var.retention_days, var.kms_key_arn]
}

provider "aws" {
  alias      = "govcloud"
  region     = "us-gov-west-1"
  access_key = "test"
  secret_key = "test"

  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
