# Names, ARNs and settings that all files share.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {
  lifecycle {
    postcondition {
      condition     = self.partition != "aws-cn"
      error_message = "AWS Elastic Disaster Recovery (DRS) has no endpoint in the Regions of China. Use the module in a Region with DRS."
    }
  }
}

# The only data source with the Region in providers 5 and 6: in aws_region, "region" is missing in 5, and "name" and "id"
# are deprecated in 6. It sends no request.
data "aws_service" "drs" {
  service_id = "drs"
}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  region     = data.aws_service.drs.region

  # 38 characters plus the longest suffix stay within 64, the limit for functions, roles and rules.
  # A longer name is truncated and gets a digest, because two truncated names could collide.
  prefix = length(var.name) <= 38 ? var.name : "${substr(var.name, 0, 31)}-${substr(sha256(var.name), 0, 6)}"

  # ARNs are composed from names, so that the plan shows every policy in full.
  events_table_name = "${local.prefix}-events"
  events_table_arn  = "${local.table_arn_prefix}/${local.events_table_name}"
  table_arn_prefix  = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table"
}

locals {
  function_defaults = {
    account_id              = local.account_id
    partition               = local.partition
    region                  = local.region
    package                 = local.package
    runtime                 = var.functions.runtime
    architecture            = var.functions.architecture
    layers                  = var.functions.powertools_layer.enabled ? [local.powertools_layer_arn] : []
    log_retention_in_days   = var.functions.log_retention_in_days
    log_skip_destroy        = var.functions.log_skip_destroy
    log_level               = var.functions.log_level
    tracing                 = var.functions.tracing
    permissions_boundary    = var.functions.permissions_boundary
    role_path               = var.functions.role_path
    additional_environment  = var.functions.environment
    kms_key_arn             = local.kms_key_arn
    code_signing_config_arn = var.functions.code_signing_config_arn
    vpc                     = var.functions.vpc
  }
  # In MB. docs/performance.md has the measurements for these defaults.
  default_memory_sizes = { api = 1024, collector = 256, evidence = 512, ingest = 512, linker = 256 }
  memory_sizes = {
    for name, default in local.default_memory_sizes : name => coalesce(var.functions.memory_sizes[name], var.functions.memory_size, default)
  }
  shared_environment = {
    JOB_LOG_EVENTS_TABLE         = local.events_table_name
    POWERTOOLS_METRICS_NAMESPACE = "DRSJobLog"
    POWERTOOLS_SERVICE_NAME      = var.name # the only dimension of the metrics: it separates copies of the module
  }
  rto_environment = var.objectives.rto_minutes == null ? {} : { RTO_MINUTES = tostring(var.objectives.rto_minutes) }
  objectives_environment = merge(
    local.rto_environment,
    var.objectives.rpo_minutes == null ? {} : { RPO_MINUTES = tostring(var.objectives.rpo_minutes) },
  )

  # Keys: ingest, linker, collector, api, evidence.
  functions = merge(
    { ingest = module.ingest.function, linker = module.linker.function },
    { for collector in module.collector : "collector" => collector.function },
    { for api in module.api : "api" => api.function },
    { for evidence in module.evidence : "evidence" => evidence.function },
  )
}
