# Copies of the module with one invalid input each, all in one plan. Used by test_refusals.py.

provider "aws" {}

module "name_with_a_space" {
  source = "../../.."

  name = "drs job log"
}

module "name_empty" {
  source = "../../.."

  name = ""
}

module "name_begins_with_a_digit" {
  source = "../../.."

  name = "1st"
}

module "name_too_long" {
  source = "../../.."

  name = join("", [for _ in range(13) : "drs-joblog"])
}

module "event_bus_name_an_arn" {
  source = "../../.."

  event_bus_name = "arn:aws:events:us-east-1:000000000000:event-bus/recovery"
}

module "event_source_of_aws" {
  source = "../../.."

  event_source = "aws.drs"
}

module "event_source_with_a_space" {
  source = "../../.."

  event_source = "drs job log"
}

module "event_sources_with_an_empty_one" {
  source = "../../.."

  event_sources = ["aws.drs", ""]
}

module "retention_days_zero" {
  source = "../../.."

  retention_days = 0
}

module "retention_days_a_fraction" {
  source = "../../.."

  retention_days = 1.5
}

module "history_days_a_fraction" {
  source = "../../.."

  history_days = 400.5
}

module "history_days_too_many" {
  source = "../../.."

  history_days = 3651
}

module "rto_zero" {
  source = "../../.."

  objectives = { rto_minutes = 0 }
}

module "rto_a_fraction" {
  source = "../../.."

  objectives = { rto_minutes = 1.5 }
}

module "rto_too_long" {
  source = "../../.."

  objectives = { rto_minutes = 43201 }
}

module "rpo_zero" {
  source = "../../.."

  objectives = { rpo_minutes = 0 }
}

module "rpo_a_fraction" {
  source = "../../.."

  objectives = { rpo_minutes = 1.5 }
}

module "rpo_too_long" {
  source = "../../.."

  objectives = { rpo_minutes = 43201 }
}

module "drill_instances_negative" {
  source = "../../.."

  readiness = { drill_instances_hours = -1 }
}

module "drill_instances_a_fraction" {
  source = "../../.."

  readiness = { drill_instances_hours = 1.5 }
}

module "drill_instances_too_long" {
  source = "../../.."

  readiness = { drill_instances_hours = 8761 }
}

module "drill_check_zero" {
  source = "../../.."

  readiness = { max_days_without_drill = 0 }
}

module "drill_check_a_fraction" {
  source = "../../.."

  readiness = { max_days_without_drill = 30.5 }
}

module "drill_check_too_long" {
  source = "../../.."

  history_days = 800
  readiness    = { max_days_without_drill = 401 }
}

module "kms_key_an_alias" {
  source = "../../.."

  kms_key_arn = "alias/aws/sqs"
}

module "poll_interval_zero" {
  source = "../../.."

  collector = { poll_interval_seconds = 0 }
}

module "stalled_after_too_long" {
  source = "../../.."

  collector = { stalled_after_minutes = 1441 }
}

module "target_region_unknown" {
  source = "../../.."

  collector = { targets = [{ region = "Ireland" }] }
}

module "target_role_a_name" {
  source = "../../.."

  collector = { targets = [{ role_arn = "drs-reader" }] }
}

module "target_role_a_pattern" {
  source = "../../.."

  collector = { targets = [{ role_arn = "arn:aws:iam::111122223333:role/*" }] }
}

module "previous_event_sources_of_aws" {
  source = "../../.."

  previous_event_sources = ["aws.drs"]
}

module "targets_missing" {
  source = "../../.."

  collector = { include_this_account = false }
}

module "targets_too_many" {
  source = "../../.."

  collector = { targets = [for number in range(401) : { role_arn = "arn:aws:iam::${111122220000 + number}:role/reader" }] }
}

module "tag_without_a_key" {
  source = "../../.."

  collector = { only_tagged = { "" = "production" } }
}

module "reserved_concurrency_one" {
  source = "../../.."

  collector = { reserved_concurrency = 1 }
}

module "target_external_id_alone" {
  source = "../../.."

  collector = { targets = [{ external_id = "secret" }] }
}

module "execution_id_tag_of_aws" {
  source = "../../.."

  execution_id_tag = "aws:execution"
}

module "timeout_too_short" {
  source = "../../.."

  ingest = { timeout_seconds = 24 }
}

module "timeout_too_long" {
  source = "../../.."

  ingest = { timeout_seconds = 901 }
}

module "window_too_long" {
  source = "../../.."

  ingest = { batching_window_seconds = 301 }
}

module "concurrency_one" {
  source = "../../.."

  ingest = { maximum_concurrency = 1 }
}

module "visibility_timeout_too_small" {
  source = "../../.."

  ingest = { timeout_seconds = 30, batching_window_seconds = 5, visibility_timeout_seconds = 184 }
}

module "visibility_timeout_too_large" {
  source = "../../.."

  ingest = { visibility_timeout_seconds = 43201 }
}

module "runtime_unknown" {
  source = "../../.."

  functions = { runtime = "python3.8" }
}

module "architecture_unknown" {
  source = "../../.."

  functions = { architecture = "arm" }
}

module "memory_too_small" {
  source = "../../.."

  functions = { memory_size = 64 }
}

module "memory_of_api_too_large" {
  source = "../../.."

  functions = { memory_sizes = { api = 10241 } }
}

module "memory_of_linker_a_fraction" {
  source = "../../.."

  functions = { memory_size = 256, memory_sizes = { linker = 256.5 } }
}

module "log_retention_unknown" {
  source = "../../.."

  functions = { log_retention_in_days = 31 }
}

module "log_level_above_info" {
  source = "../../.."

  functions = { log_level = "ERROR" }
}

module "role_path_open" {
  source = "../../.."

  functions = { role_path = "/platform" }
}

module "permissions_boundary_a_name" {
  source = "../../.."

  functions = { permissions_boundary = "boundary" }
}

module "package_of_both_kinds" {
  source = "../../.."

  package = { filename = "main.tf", s3_bucket = "artifacts", s3_key = "drs-job-log.zip" }
}

module "package_of_no_kind" {
  source = "../../.."

  package = {}
}

module "package_without_key" {
  source = "../../.."

  package = { s3_bucket = "artifacts" }
}

module "package_version_without_bucket" {
  source = "../../.."

  package = { filename = "main.tf", s3_object_version = "7" }
}

module "package_missing" {
  source = "../../.."

  package = { filename = "no-such.zip" }
}

module "alarms_actions_a_name" {
  source = "../../.."

  alarms = { actions = ["on-call"] }
}

module "vpc_without_subnets" {
  source = "../../.."

  functions = { vpc = { subnet_ids = [], security_group_ids = ["sg-0a"] } }
}

module "vpc_subnet_a_name" {
  source = "../../.."

  functions = { vpc = { subnet_ids = ["private"], security_group_ids = ["sg-0a"] } }
}

module "vpc_without_security_groups" {
  source = "../../.."

  functions = { vpc = { subnet_ids = ["subnet-0a"], security_group_ids = [] } }
}

module "vpc_six_security_groups" {
  source = "../../.."

  functions = { vpc = { subnet_ids = ["subnet-0a"], security_group_ids = [for n in range(6) : "sg-${n}"] } }
}

module "vpc_security_group_a_name" {
  source = "../../.."

  functions = { vpc = { subnet_ids = ["subnet-0a"], security_group_ids = ["default"] } }
}

module "code_signing_an_id" {
  source = "../../.."

  functions = { code_signing_config_arn = "csc-0123456789abcdef0", powertools_layer = { enabled = false } }
  package   = { s3_bucket = "artifacts", s3_key = "drs-job-log.zip" }
}

module "alarm_actions_a_name" {
  source = "../../.."

  alarm_actions = ["on-call"]
}

module "environment_that_lambda_keeps" {
  source = "../../.."

  functions = { environment = { AWS_REGION = "us-east-1" } }
}

module "environment_with_a_hyphen" {
  source = "../../.."

  functions = { environment = { my-key = "1" } }
}

module "history_an_arn" {
  source = "../../.."

  execution_history = { table_name = "arn:aws:dynamodb:us-east-1:000000000000:table/executions" }
}

module "history_index_without_a_table" {
  source = "../../.."

  execution_history = { table_name = "", job_id_index = "by-job" }
}

module "history_index_empty" {
  source = "../../.."

  execution_history = { table_name = "executions", job_id_index = "" }
}

module "history_key_an_alias" {
  source = "../../.."

  execution_history = { table_name = "executions", kms_key_arn = "alias/executions" }
}

module "history_keys_without_the_execution" {
  source = "../../.."

  execution_history = { table_name = "executions", key_attributes = ["executionId", "PlanId"] }
}

module "history_three_keys" {
  source = "../../.."

  execution_history = { table_name = "executions", key_attributes = ["ExecutionId", "PlanId", "Region"] }
}

module "history_key_twice" {
  source = "../../.."

  execution_history = { table_name = "executions", key_attributes = ["ExecutionId", "ExecutionId"] }
}

module "history_end_time_unknown" {
  source = "../../.."

  execution_history = { table_name = "executions", end_time_format = "RFC3339" }
}

module "history_no_running_status" {
  source = "../../.."

  execution_history = { table_name = "executions", running_statuses = [] }
}

module "history_running_status_empty" {
  source = "../../.."

  execution_history = { table_name = "executions", running_statuses = ["RUNNING", " - "] }
}

module "history_running_status_final" {
  source = "../../.."

  execution_history = { table_name = "executions", running_statuses = ["RUNNING", "Completed"] }
}

module "history_attribute_empty" {
  source = "../../.."

  execution_history = { table_name = "executions", waves_attribute = "" }
}

module "history_attribute_twice" {
  source = "../../.."

  execution_history = { table_name = "executions", end_time_attribute = "Status" }
}

module "api_authorization_unknown" {
  source = "../../.."

  api = { authorization = "COGNITO" }
}

module "api_jwt_missing" {
  source = "../../.."

  api = { authorization = "JWT" }
}

module "api_jwt_unused" {
  source = "../../.."

  api = { jwt = { issuer = "https://login.example.com", audience = ["recovery"] } }
}

module "api_jwt_without_audience" {
  source = "../../.."

  api = { authorization = "JWT", jwt = { issuer = "https://login.example.com", audience = [] } }
}

module "api_jwt_issuer_a_name" {
  source = "../../.."

  api = { authorization = "JWT", jwt = { issuer = "login.example.com", audience = ["recovery"] } }
}

module "api_jwt_issuer_its_configuration" {
  source = "../../.."

  api = { authorization = "JWT", jwt = { issuer = "https://login.example.com/.well-known/openid-configuration", audience = ["recovery"] } }
}

module "api_sign_in_without_a_viewer" {
  source = "../../.."

  api = {
    authorization = "JWT"
    viewer        = false
    jwt           = { issuer = "https://login.example.com", audience = ["recovery"], sign_in = { client_id = "viewer" } }
  }
}

module "api_sign_in_client_empty" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://login.example.com", audience = ["recovery"], sign_in = { client_id = "" } }
  }
}

module "api_sign_in_scope_a_list" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://login.example.com", audience = ["recovery"], sign_in = { client_id = "viewer", scope = "openid, logs.read " } }
  }
}

module "api_sign_in_authority_a_name" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://login.example.com", audience = ["recovery"], sign_in = { client_id = "viewer", authority = "login.example.com" } }
  }
}

module "api_sign_in_issuer_in_capitals" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://Login.example.com", audience = ["recovery"], sign_in = { client_id = "viewer" } }
  }
}

module "api_sign_in_origin_with_a_path" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://login.example.com", audience = ["recovery"], sign_in = { client_id = "viewer", origins = ["https://login.example.com/token"] } }
  }
}

module "api_sign_in_origin_any" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://login.example.com", audience = ["recovery"], sign_in = { client_id = "viewer", origins = ["*"] } }
  }
}

module "api_sign_in_parameter_of_the_viewer" {
  source = "../../.."

  api = {
    authorization = "JWT"
    jwt           = { issuer = "https://login.example.com", audience = ["recovery"], sign_in = { client_id = "viewer", parameters = { redirect_uri = "https://recovery.example.com" } } }
  }
}

module "api_jwt_audience_empty" {
  source = "../../.."

  api = { authorization = "JWT", jwt = { issuer = "https://login.example.com", audience = [""] } }
}

module "api_jwt_scopes_in_one_text" {
  source = "../../.."

  api = { authorization = "JWT", jwt = { issuer = "https://login.example.com", audience = ["recovery"], scopes = ["logs.read logs.write"] } }
}

module "api_reserved_concurrency_zero" {
  source = "../../.."

  api = { reserved_concurrency = 0 }
}

module "api_origin_any" {
  source = "../../.."

  api = { cors_origins = ["*"] }
}

module "api_origin_with_a_path" {
  source = "../../.."

  api = { cors_origins = ["https://recovery.example.com/"] }
}

module "api_origin_in_capitals" {
  source = "../../.."

  api = { cors_origins = ["https://Recovery.example.com"] }
}

module "api_limit_zero" {
  source = "../../.."

  api = { throttling_rate_limit = 0 }
}

module "api_viewer_limit_zero" {
  source = "../../.."

  api = { viewer_throttling_burst_limit = 0 }
}

module "api_viewer_limit_a_fraction" {
  source = "../../.."

  api = { viewer_throttling_rate_limit = 0.5 }
}

module "archive_days_zero" {
  source = "../../.."

  archive_days = 0
}

module "alarm_threshold_zero" {
  source = "../../.."

  alarms = { function_errors = 0 }
}

module "alarm_percent_over_a_hundred" {
  source = "../../.."

  alarms = { function_duration_percent = 101 }
}

module "alarm_runbooks_with_a_slash" {
  source = "../../.."

  alarms = { runbooks = "https://wiki.example.com/" }
}

module "alarm_pipeline_actions_a_name" {
  source = "../../.."

  alarms = { pipeline_actions = ["on-call"] }
}

module "notifications_of_an_unknown_kind" {
  source = "../../.."

  notifications = { kinds = ["failed", "finished"] }
}

module "notifications_of_no_kind" {
  source = "../../.."

  notifications = { kinds = [] }
}

module "notifications_without_a_topic" {
  source = "../../.."

  notifications = { create_topic = false }
}

module "notifications_with_two_topics" {
  source = "../../.."

  notifications = { topic_arn = "arn:aws:sns:us-east-1:000000000000:failures" }
}

module "notifications_fifo" {
  source = "../../.."

  notifications = { create_topic = false, topic_arn = "arn:aws:sns:us-east-1:000000000000:failures.fifo" }
}

module "notifications_key_an_alias" {
  source = "../../.."

  notifications = { create_topic = false, topic_arn = "arn:aws:sns:us-east-1:000000000000:failures", kms_key_arn = "alias/aws/sns" }
}

module "notifications_key_of_the_modules_topic" {
  source = "../../.."

  notifications = { kms_key_arn = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555" }
}

module "notifications_viewer_with_a_slash" {
  source = "../../.."

  notifications = { viewer_url = "https://recovery.example.com/" }
}

module "evidence_bucket_an_arn" {
  source = "../../.."

  evidence = { bucket = "arn:aws:s3:::recovery-evidence" }
}

module "evidence_bucket_in_upper_case" {
  source = "../../.."

  evidence = { bucket = "Recovery-evidence" }
}

module "evidence_bucket_an_ip_address" {
  source = "../../.."

  evidence = { bucket = "192.0.2.1" }
}

module "evidence_bucket_too_short" {
  source = "../../.."

  evidence = { bucket = "ab" }
}

module "evidence_bucket_too_long" {
  source = "../../.."

  evidence = { bucket = join("", [for _ in range(16) : "abcd"]) }
}

module "evidence_bucket_with_two_dots" {
  source = "../../.."

  evidence = { bucket = "recovery..evidence" }
}

module "evidence_bucket_an_alias" {
  source = "../../.."

  evidence = { bucket = "reports-0123-s3alias" }
}

module "evidence_bucket_a_directory" {
  source = "../../.."

  evidence = { bucket = "reports--use1-az4--x-s3" }
}

module "evidence_prefix_without_a_slash" {
  source = "../../.."

  evidence = { bucket = "create", prefix = "reports" }
}

module "evidence_prefix_begins_with_a_slash" {
  source = "../../.."

  evidence = { bucket = "create", prefix = "/reports/" }
}

module "evidence_prefix_with_two_slashes" {
  source = "../../.."

  evidence = { bucket = "create", prefix = "reports//drs/" }
}

module "evidence_prefix_with_a_wildcard" {
  source = "../../.."

  evidence = { bucket = "create", prefix = "rep*rts/" }
}

module "evidence_prefix_a_parent" {
  source = "../../.."

  evidence = { bucket = "create", prefix = "../" }
}

module "evidence_prefix_too_long" {
  source = "../../.."

  evidence = { bucket = "create", prefix = "${join("", [for _ in range(20) : "0123456789"])}/" }
}

module "evidence_retention_zero" {
  source = "../../.."

  evidence = { bucket = "create", retention_days = 0 }
}

module "evidence_retention_a_fraction" {
  source = "../../.."

  evidence = { bucket = "create", retention_days = 1.5 }
}

module "evidence_retention_too_long" {
  source = "../../.."

  evidence = { bucket = "create", retention_days = 36501 }
}

module "evidence_lock_in_lower_case" {
  source = "../../.."

  evidence = { bucket = "create", object_lock_mode = "compliance" }
}

module "evidence_key_an_alias" {
  source = "../../.."

  evidence = { bucket = "create", kms_key_arn = "arn:aws:kms:us-east-1:000000000000:alias/evidence" }
}

module "evidence_scan_limit_zero" {
  source = "../../.."

  evidence = { bucket = "create", athena = true, athena_scan_limit_gb = 0 }
}

module "evidence_scan_limit_a_fraction" {
  source = "../../.."

  evidence = { bucket = "create", athena = true, athena_scan_limit_gb = 1.5 }
}

module "evidence_scan_limit_too_large" {
  source = "../../.."

  evidence = { bucket = "create", athena = true, athena_scan_limit_gb = 10241 }
}
