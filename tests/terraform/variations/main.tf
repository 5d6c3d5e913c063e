# Copies of the module with different inputs, all in one plan. Used by test_plan.py and test_observability.py.

provider "aws" {}

locals {
  on_call = ["arn:aws:sns:us-east-1:000000000000:on-call"]
}

# The provider derives the partition from the Region. The embedded AWS has only one partition, so do not ask it.
provider "aws" {
  alias  = "europe"
  region = "eusc-de-east-1"

  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias  = "govcloud"
  region = "us-gov-west-1"

  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias  = "iso"
  region = "us-iso-east-1"

  skip_credentials_validation = true
  skip_requesting_account_id  = true
}

module "default" {
  source = "../../.."
}

module "everything" {
  source = "../../.."

  name           = "other"
  tags           = { team = "platform" }
  event_bus_name = "recovery"
  event_source   = "example.job-log"
  event_sources  = ["example.replay", "example.job-log", "example.other"]

  previous_event_sources = ["drs.job-log", "example.old", "example.other", "example.job-log"]
  retention_days         = 7
  history_days           = 800
  objectives             = { rto_minutes = 240, rpo_minutes = 30 }
  readiness              = { max_days_without_drill = 365, drill_instances_hours = 48 }
  table                  = { deletion_protection = false, point_in_time_recovery = false }
  kms_key_arn            = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
  archive_days           = 90

  alarms = {
    actions                   = local.on_call
    runbooks                  = "https://wiki.example.com/drs"
    pipeline_actions          = ["arn:aws:sns:us-east-1:000000000000:platform"]
    recovery_actions          = ["arn:aws:sns:us-east-1:000000000000:recovery"]
    queue_age_seconds         = 600
    event_lag_milliseconds    = 20000
    unlinked_after_minutes    = 15
    function_errors           = 2
    function_throttles        = 3
    function_duration_percent = 50
    table_throttles           = 4
    table_errors              = 6
    api_5xx                   = 7
    api_latency_milliseconds  = 800
  }
  notifications = {
    kinds        = ["failed", "slow"]
    create_topic = false
    topic_arn    = "arn:aws:sns:us-east-1:000000000000:failures"
    kms_key_arn  = "arn:aws:kms:us-east-1:000000000000:key/66666666-2222-3333-4444-555555555555"
    viewer_url   = "https://recovery.example.com"
  }

  execution_id_tag = "Execution"
  execution_history = {
    table_name             = "executions"
    kms_key_arn            = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    execution_id_attribute = "executionId"
    key_attributes         = ["executionId", "planId"]
    waves_attribute        = "waves"
    wave_count_attribute   = "totalWaves"
    job_id_attribute       = "jobId"
    status_attribute       = "status"
    end_time_attribute     = "endTime"
    end_time_format        = "EPOCH_SECONDS"
    job_id_index           = "by-job"
    allow_scan             = true
    update_status          = true
    running_statuses       = ["On its way"]
  }

  api = {
    authorization = "JWT"
    jwt = {
      issuer   = "https://login.example.com"
      audience = ["recovery"]
      scopes   = ["logs.read"]
      sign_in = {
        client_id  = "viewer"
        scope      = "openid logs.read"
        authority  = "https://sts.example.com/tenant"
        origins    = ["https://recovery.example.com"]
        parameters = { audience = "recovery" }
      }
    }
    cors_origins                  = ["https://recovery.example.com"]
    throttling_rate_limit         = 5
    throttling_burst_limit        = 10
    viewer_throttling_rate_limit  = 2
    viewer_throttling_burst_limit = 4
    reserved_concurrency          = 5
  }

  collector = {
    poll_interval_seconds = 10
    lookback_hours        = 48
    stalled_after_minutes = 60
    reserved_concurrency  = 4
    only_tagged           = { environment = "production" }
    targets = [
      {},
      { region = "eu-west-1" },
      { region = "eu-west-1", role_arn = "arn:aws:iam::111122223333:role/drs-reader", external_id = "secret" },
      { region = "eu-central-1", role_arn = "arn:aws:iam::111122223333:role/drs-reader", external_id = "secret" },
    ]
  }

  ingest = {
    timeout_seconds            = 60
    batching_window_seconds    = 5
    maximum_concurrency        = 50
    visibility_timeout_seconds = 900
  }

  functions = {
    runtime               = "python3.12"
    architecture          = "x86_64"
    memory_size           = 512
    memory_sizes          = { api = 2048, collector = 384 }
    log_retention_in_days = 90
    log_level             = "DEBUG"
    tracing               = true
    powertools_layer      = { arn = "arn:aws:lambda:us-east-1:000000000000:layer:powertools:1" }
    environment           = { TEAM = "platform" }
    permissions_boundary  = "arn:aws:iam::000000000000:policy/boundary"
    role_path             = "/platform/"
    log_skip_destroy      = true
    vpc                   = { subnet_ids = ["subnet-0a", "subnet-0b"], security_group_ids = ["sg-0a"] }
  }
}

module "custom_bus" {
  source = "../../.."

  name           = "custom-bus"
  event_bus_name = "recovery"
  archive_days   = 90
  functions      = { memory_sizes = { ingest = 1769, linker = 128 } }
}

module "without_alarms" {
  source = "../../.."

  name          = "without-alarms"
  alarms        = { enabled = false }
  notifications = { enabled = false }
  dashboard     = false
}

module "own_key" {
  source = "../../.."

  name           = "own-key"
  create_kms_key = true
  archive_days   = 1
}

module "without_collector" {
  source = "../../.."

  name          = "without-collector"
  collector     = { enabled = false }
  alarms        = { pipeline_actions = local.on_call, recovery_actions = local.on_call }
  alarm_actions = local.on_call # deprecated
}

module "read_only_history" {
  source = "../../.."

  name = "read-only-history"
  execution_history = {
    table_name  = "executions"
    kms_key_arn = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
  }
}

module "scanned_history" {
  source = "../../.."

  name = "scanned-history"
  execution_history = {
    table_name             = "executions"
    kms_key_arn            = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    execution_id_attribute = "id"
    job_id_attribute       = "id" # within a wave
    allow_scan             = true
  }
}

module "updated_history" {
  source = "../../.."

  name = "updated-history"
  execution_history = {
    table_name    = "executions"
    kms_key_arn   = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    update_status = true
  }
}

module "open_api" {
  source = "../../.."

  name = "open-api"
  api  = { authorization = "NONE", viewer = false }
}

module "sign_in" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://login.example.com/pool", audience = ["viewer"], sign_in = { client_id = "viewer" } }
  }
}

module "without_api" {
  source = "../../.."

  name   = "without"
  api    = { enabled = false }
  alarms = { pipeline_actions = local.on_call, recovery_actions = local.on_call }
}

module "without_drs" {
  source = "../../.."

  name      = "without-drs"
  api       = { enabled = false }
  alarms    = { recovery_actions = local.on_call }
  collector = { recovery_plans = false }
  readiness = { replication_stalled = false, drill_instances_hours = 0 }
}

module "other_accounts_only" {
  source = "../../.."

  name      = "other-accounts-only"
  collector = { include_this_account = false, targets = [{ role_arn = "arn:aws:iam::111122223333:role/drs-reader" }] }
}

# Reports in a bucket of the module.
module "evidence" {
  source = "../../.."

  name         = "With_Reports"
  archive_days = 30
  evidence     = { bucket = "create" }
}

module "evidence_with_options" {
  source = "../../.."

  name   = "evidence"
  api    = { enabled = false }
  alarms = { actions = local.on_call, pipeline_actions = local.on_call, function_errors = 4 }
  evidence = {
    bucket           = "create"
    prefix           = ""
    retention_days   = 1
    object_lock_mode = "GOVERNANCE"
    kms_key_arn      = "arn:aws:kms:us-east-1:000000000000:key/77777777-2222-3333-4444-555555555555"
  }
}

# Reports in a bucket of the user, with everything else that changes their permissions.
module "evidence_in_a_bucket" {
  source = "../../.."

  name           = "own-bucket"
  event_bus_name = "recovery"
  kms_key_arn    = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
  objectives     = { rto_minutes = 240, rpo_minutes = 30 }
  functions      = { memory_sizes = { evidence = 1024 } }
  execution_history = {
    table_name  = "executions"
    kms_key_arn = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
  }
  evidence = {
    bucket               = "recovery.evidence"
    prefix               = "drs/reports/"
    retention_days       = 3650
    object_lock_mode     = "COMPLIANCE"
    kms_key_arn          = "arn:aws:kms:us-east-1:000000000000:key/77777777-2222-3333-4444-555555555555"
    athena               = true
    athena_scan_limit_gb = 100
  }
}

# Twenty accounts in ten Regions, with long names, an external ID and a large environment.
module "many_targets" {
  source = "../../.."

  name      = "many-targets"
  functions = { environment = { LARGE = join("", [for _ in range(250) : "0123456789"]) } }
  collector = {
    targets = [
      for number in range(200) : {
        region      = "eu-west-${number % 10 + 1}"
        role_arn    = "arn:aws:iam::${111122220000 + number}:role/recovery/drs-job-log-reader-with-a-long-name"
        external_id = "11111111-2222-3333-4444-555555555555"
      }
    ]
  }
}

# The same apply creates the role, so its ARN is unknown at plan time.
resource "aws_iam_role" "reader" {
  name               = "drs-reader"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}

module "role_of_the_same_apply" {
  source = "../../.."

  name      = "role-of-the-same-apply"
  collector = { targets = [{ region = "eu-west-1", role_arn = aws_iam_role.reader.arn }] }
}

module "member_role" {
  source = "../../../modules/member-role"

  collector_role_arn = "arn:aws:iam::111122223333:role/platform/drs-job-log-collector-us-east-1"
  external_id        = "drs-job-log"
}

module "member_role_in_govcloud" {
  source    = "../../../modules/member-role"
  providers = { aws = aws.govcloud }

  name                 = "reader"
  path                 = "/platform/"
  permissions_boundary = "arn:aws-us-gov:iam::000000000000:policy/boundary"
  collector_role_arn   = "arn:aws-us-gov:iam::111122223333:role/drs-job-log-collector-us-gov-west-1"
  external_id          = "other"
  tags                 = { team = "platform" }
}

output "member_role" {
  value = module.member_role
}

# The first 120 characters of the two names are equal.
module "long_name_a" {
  source = "../../.."

  name     = "${join("", [for _ in range(12) : "drs-joblog"])}-a"
  evidence = { bucket = "create" }
}

module "long_name_b" {
  source = "../../.."

  name     = "${join("", [for _ in range(12) : "drs-joblog"])}-b"
  evidence = { bucket = "create" }
}

module "prebuilt_file" {
  source = "../../.."

  name      = "prebuilt-file"
  package   = { filename = "${path.module}/package.zip" }
  functions = { powertools_layer = { enabled = false } }
}

module "prebuilt_object" {
  source = "../../.."

  name = "prebuilt-object"
  package = {
    s3_bucket         = "artifacts"
    s3_key            = "drs-job-log.zip"
    s3_object_version = "7"
  }
  functions = {
    code_signing_config_arn = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"
    powertools_layer        = { arn = "arn:aws:lambda:us-east-1:000000000000:layer:powertools:1" }
  }
}

# AWS publishes no Powertools layer in this partition. Version 5 of the provider rejects ARNs with its Region, so this copy
# has no layer, no key and no collector.
module "europe" {
  source    = "../../.."
  providers = { aws = aws.europe }

  name      = "europe"
  collector = { enabled = false }
  package   = { filename = "${path.module}/package.zip" }
  functions = {
    powertools_layer = { enabled = false }
    vpc              = { subnet_ids = ["subnet-0a"], security_group_ids = ["sg-0a"] }
  }
}

module "govcloud" {
  source    = "../../.."
  providers = { aws = aws.govcloud }

  name     = "govcloud"
  evidence = { bucket = "create" }
}

# AWS publishes no Powertools layer in this partition.
module "iso" {
  source    = "../../.."
  providers = { aws = aws.iso }

  name      = "iso"
  functions = { powertools_layer = { arn = "arn:aws-iso:lambda:us-iso-east-1:000000000000:layer:powertools:1" } }
}
