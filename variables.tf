# ---------------------------------------------------------------------------------------------------------------------
# Names and settings of all functions: main.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "name" {
  description = <<-EOT
    Prefix of all resource names. If you change it, Terraform replaces every resource, including the events table.
    Copies of the module in one account and Region need names that differ in more than upper and lower case.
  EOT
  type        = string
  default     = "drs-job-log"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_-]{0,127}$", var.name))
    error_message = "name must begin with a letter and contain only letters, digits, \"-\" and \"_\", at most 128 characters. Example: \"drs-job-log\"."
  }
}

variable "tags" {
  description = "Tags for all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "functions" {
  description = <<-EOT
    Settings that all Lambda functions share:
    - `runtime` (string, default "python3.13"): "python3.11", "python3.12", "python3.13" or "python3.14".
      "python3.14" needs a recent version 6 of the AWS provider.
    - `architecture` (string, default "arm64"): "arm64" or "x86_64".
    - `memory_size` (number, MB, default null): memory of all functions. Null: 1024 for the API, 512 for ingest and evidence, 256 for the others.
      Lambda allocates CPU in proportion to memory: 1,769 MB are one core.
    - `memory_sizes` (object, default {}): memory of one function, instead of `memory_size`.
    - `memory_sizes.api`, `.collector`, `.evidence`, `.ingest`, `.linker` (number, MB, default null): null is `memory_size`.
    - `log_retention_in_days` (number, days, default 30): retention of the function logs and of the API's access log. 0 keeps logs forever.
    - `log_skip_destroy` (bool, default false): if you destroy the module, keep the log groups. Terraform only removes them from its state.
      Apply this value before you destroy the module. Before you create it again with the same name, import the log groups.
    - `log_level` (string, default "INFO"): "INFO" or "DEBUG". The AWS SDK always logs at INFO, because it logs credentials at DEBUG.
    - `tracing` (bool, default false): record an X-Ray trace of each invocation.
      While no job runs, the module has two invocations per minute, which costs about $0.40 per month.
    - `powertools_layer.arn` (string, default null): Lambda layer to use instead of the Powertools layer that AWS publishes.
    - `powertools_layer.enabled` (bool, default true): false removes the layer. Use it only with a `package` that contains Powertools.
    - `environment` (map of string, default {}): additional environment variables.
    - `permissions_boundary` (string, default null): ARN of the IAM policy that is the permissions boundary of all roles.
    - `role_path` (string, default "/"): IAM path of all roles.
    - `vpc` (object, default null): connect the functions to a VPC.
      The VPC needs endpoints, or a route, for the AWS services that the functions call. See docs/vpc.md.
    - `vpc.subnet_ids` (list of string, required): subnets, in at least two Availability Zones for high availability.
    - `vpc.security_group_ids` (list of string, required): one to five security groups. They must allow outbound HTTPS.
    - `code_signing_config_arn` (string, default null): ARN of a Lambda code signing configuration. It requires a signed `package`,
      and a `powertools_layer` that is signed or disabled. See docs/operations.md.
  EOT
  type = object({
    runtime      = optional(string, "python3.13")
    architecture = optional(string, "arm64")
    memory_size  = optional(number)
    memory_sizes = optional(object({
      api       = optional(number)
      collector = optional(number)
      evidence  = optional(number)
      ingest    = optional(number)
      linker    = optional(number)
    }), {})
    log_retention_in_days = optional(number, 30)
    log_skip_destroy      = optional(bool, false)
    log_level             = optional(string, "INFO")
    tracing               = optional(bool, false)
    powertools_layer = optional(object({
      enabled = optional(bool, true)
      arn     = optional(string)
    }), {})
    environment          = optional(map(string), {})
    permissions_boundary = optional(string)
    role_path            = optional(string, "/")
    vpc = optional(object({
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
    code_signing_config_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["python3.11", "python3.12", "python3.13", "python3.14"], var.functions.runtime)
    error_message = "functions.runtime must be \"python3.11\", \"python3.12\", \"python3.13\" or \"python3.14\"."
  }
  validation {
    condition     = contains(["arm64", "x86_64"], var.functions.architecture)
    error_message = "functions.architecture must be \"arm64\" or \"x86_64\"."
  }
  validation {
    condition = alltrue([
      for size in concat([var.functions.memory_size], values(var.functions.memory_sizes)) :
      size == null ? true : size >= 128 && size <= 10240 && floor(size) == size
    ])
    error_message = "functions.memory_size and functions.memory_sizes.* must each be a whole number of MB from 128 to 10240."
  }
  validation {
    condition = (
      contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.functions.log_retention_in_days)
      || contains([1096, 1827, 2192, 2557, 2922, 3288, 3653], var.functions.log_retention_in_days)
    )
    error_message = <<-EOT
      functions.log_retention_in_days must be a value that CloudWatch Logs accepts: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827,
      2192, 2557, 2922, 3288, 3653, or 0 to keep logs forever.
    EOT
  }
  validation {
    condition     = var.functions.powertools_layer.enabled || var.package != null
    error_message = "functions.powertools_layer.enabled = false requires a package that contains Powertools. Set package or keep the layer."
  }
  validation {
    condition     = contains(["DEBUG", "INFO"], var.functions.log_level)
    error_message = "functions.log_level must be \"INFO\" or \"DEBUG\". With a higher level, Lambda would drop the log lines that contain the metrics."
  }
  validation {
    condition     = alltrue([for name in keys(var.functions.environment) : can(regex("^[A-Za-z][A-Za-z0-9_]+$", name))])
    error_message = "functions.environment must have names of at least two letters, digits and \"_\" that begin with a letter. Rename the variable."
  }
  validation {
    condition = alltrue([
      for name in keys(var.functions.environment) :
      !can(regex("^(AWS_((DEFAULT_)?REGION|ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_.*)|LAMBDA_(TASK_ROOT|RUNTIME_DIR))$", name))
    ])
    error_message = "functions.environment must not have names that Lambda reserves, such as AWS_REGION and AWS_LAMBDA_*. Rename the variable."
  }
  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.functions.role_path))
    error_message = "functions.role_path must begin and end with \"/\". Example: \"/platform/\"."
  }
  validation {
    condition = (
      var.functions.permissions_boundary == null
      || can(regex("^arn:[a-z0-9-]+:iam::([0-9]{12}|aws):policy/.+$", var.functions.permissions_boundary))
    )
    error_message = "functions.permissions_boundary must be the ARN of an IAM policy, arn:PARTITION:iam::ACCOUNT:policy/NAME."
  }
  validation {
    condition = var.functions.vpc == null || try(
      length(var.functions.vpc.subnet_ids) >= 1 && alltrue([for id in var.functions.vpc.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]),
      false
    )
    error_message = "functions.vpc.subnet_ids must contain at least one subnet ID. Example: [\"subnet-0123456789abcdef0\"]."
  }
  validation {
    condition = var.functions.vpc == null || try(
      length(var.functions.vpc.security_group_ids) >= 1 && length(var.functions.vpc.security_group_ids) <= 5
      && alltrue([for id in var.functions.vpc.security_group_ids : can(regex("^sg-[0-9a-f]+$", id))]),
      false
    )
    error_message = "functions.vpc.security_group_ids must contain one to five security group IDs. Example: [\"sg-0123456789abcdef0\"]."
  }
  validation {
    condition = var.functions.code_signing_config_arn == null || can(
      regex("^arn:[a-z0-9-]+:lambda:[a-z0-9-]+:[0-9]{12}:code-signing-config:csc-[a-z0-9]+$", var.functions.code_signing_config_arn)
    )
    error_message = "functions.code_signing_config_arn must be an ARN of the form arn:PARTITION:lambda:REGION:ACCOUNT:code-signing-config:ID."
  }
  validation {
    condition = var.functions.code_signing_config_arn == null || (
      var.package != null && (!var.functions.powertools_layer.enabled || var.functions.powertools_layer.arn != null)
    )
    error_message = "functions.code_signing_config_arn requires a signed package. Set package, and functions.powertools_layer.arn or enabled = false."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Deployment package: package.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "package" {
  description = <<-EOT
    A prebuilt deployment package. Null: the package that the module contains. Set either `filename`, or `s3_bucket` and `s3_key`:
    - `filename` (string, default null): path of a local zip file.
    - `s3_bucket` (string, default null): S3 bucket of a zip file.
    - `s3_key` (string, default null): S3 object key of the zip file.
    - `s3_object_version` (string, default null): version of the S3 object. Without it, Terraform does not detect that the object changed.
  EOT
  type = object({
    filename          = optional(string)
    s3_bucket         = optional(string)
    s3_key            = optional(string)
    s3_object_version = optional(string)
  })
  default = null

  validation {
    condition     = var.package == null || try((var.package.filename == null) != (var.package.s3_bucket == null), false)
    error_message = "package must have either filename (a local zip file) or s3_bucket and s3_key (a zip file in S3). Set exactly one of the two."
  }
  validation {
    condition     = var.package == null || try((var.package.s3_bucket == null) == (var.package.s3_key == null), false)
    error_message = "package.s3_bucket and package.s3_key require each other. Set both or neither."
  }
  validation {
    condition     = var.package == null || try(var.package.s3_object_version == null || var.package.s3_bucket != null, false)
    error_message = "package.s3_object_version requires package.s3_bucket and package.s3_key. Set them or remove the version."
  }
  validation {
    condition     = try(var.package.filename, null) == null || try(fileexists(var.package.filename), false)
    error_message = "package.filename must be the path of an existing zip file."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Events: events.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "event_bus_name" {
  description = <<-EOT
    Name of the event bus for "DRS Job Log" events. The bus must exist, and Terraform must know its name at plan time.
    If the same configuration creates the bus, pass its `.name`, not its `.id`.
    The module also receives launch results, requests of jobs and changes of data replication from the default bus, the only bus to which AWS sends them.
  EOT
  type        = string
  default     = "default"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]{1,256}$", var.event_bus_name))
    error_message = <<-EOT
      event_bus_name must be the name of an event bus, not its ARN: letters, digits, ".", "_", "/" and "-", at most 256 characters. Example: "recovery".
    EOT
  }
}

variable "event_source" {
  description = <<-EOT
    Source of the "DRS Job Log" events that the collector sends. Copies of the module on one event bus need different sources.
    Null: "drs.job-log" if `name` is "drs-job-log", otherwise "drs.job-log." followed by `name`.
    If you change it, add the previous source to `previous_event_sources`.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.event_source == null || try(can(regex("^[A-Za-z0-9._/-]{1,256}$", var.event_source)) && !startswith(var.event_source, "aws."), false)
    error_message = <<-EOT
      event_source must contain only letters, digits, ".", "_", "/" and "-", at most 256 characters, and must not begin with "aws.", which EventBridge reserves
      for AWS. Example: "drs.job-log".
    EOT
  }
}

variable "previous_event_sources" {
  description = <<-EOT
    Sources that the collector of this copy used before. The module treats stored events with these sources, and events
    that are still in a queue, as events of the collector. It does not receive new events with these sources.
    A source in `event_sources` is not one of them.
  EOT
  type        = list(string)
  default     = ["drs.job-log"]
  nullable    = false

  validation {
    condition     = alltrue([for source in var.previous_event_sources : can(regex("^[A-Za-z0-9._/-]{1,256}$", source)) && !startswith(source, "aws.")])
    error_message = "previous_event_sources must contain only values that event_source can have. Example: [\"drs.job-log\"]. Remove the others."
  }
}

variable "event_sources" {
  description = <<-EOT
    Sources of "DRS Job Log" events that the module stores, in addition to `event_source`.
    A principal that may put events with one of these sources on the bus can write to the log.
  EOT
  type        = list(string)
  default     = ["aws.drs"]
  nullable    = false

  validation {
    condition     = alltrue([for source in var.event_sources : can(regex("^[A-Za-z0-9._/-]{1,256}$", source))])
    error_message = <<-EOT
      event_sources must contain only values of letters, digits, ".", "_", "/" and "-", at most 256 characters each. Example: ["aws.drs"].
    EOT
  }
}

variable "archive_days" {
  description = <<-EOT
    Number of days for which EventBridge archives all events that match the rules of the ingest queue. You can replay the archive to restore the events table.
    EventBridge encrypts the archive with a key that AWS owns, even if you set `kms_key_arn`. Null: no archive.
    If you change it to null, Terraform deletes the existing archive.
  EOT
  type        = number
  default     = null

  validation {
    condition     = var.archive_days == null || try(var.archive_days >= 1 && var.archive_days <= 3650 && floor(var.archive_days) == var.archive_days, false)
    error_message = "archive_days must be a whole number of days from 1 to 3650. Use null for no archive."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Ingest: queues.tf, ingest.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "ingest" {
  description = <<-EOT
    How the ingest function reads the queue:
    - `timeout_seconds` (number, seconds, default 30): timeout for a batch of at most 10 events.
    - `batching_window_seconds` (number, seconds, default 0): time to wait for more events before a batch starts. 0 stores events immediately.
    - `maximum_concurrency` (number, default 10): number of batches that run at the same time.
    - `visibility_timeout_seconds` (number, seconds, default null): visibility timeout of the queue.
      Null: 6 × `timeout_seconds` + `batching_window_seconds`, which is also the minimum.
  EOT
  type = object({
    timeout_seconds            = optional(number, 30)
    batching_window_seconds    = optional(number, 0)
    maximum_concurrency        = optional(number, 10)
    visibility_timeout_seconds = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.ingest.timeout_seconds >= 25 && var.ingest.timeout_seconds <= 900 && floor(var.ingest.timeout_seconds) == var.ingest.timeout_seconds
    error_message = "ingest.timeout_seconds must be a whole number from 25 to 900. With less than 25, one connection that hangs would fail its whole batch."
  }
  validation {
    condition = (
      var.ingest.batching_window_seconds >= 0
      && var.ingest.batching_window_seconds <= 300
      && floor(var.ingest.batching_window_seconds) == var.ingest.batching_window_seconds
    )
    error_message = "ingest.batching_window_seconds must be a whole number from 0 to 300."
  }
  validation {
    condition = (
      var.ingest.maximum_concurrency >= 2
      && var.ingest.maximum_concurrency <= 1000
      && floor(var.ingest.maximum_concurrency) == var.ingest.maximum_concurrency
    )
    error_message = "ingest.maximum_concurrency must be a whole number from 2 to 1000, the limits of Lambda for a queue."
  }
  validation {
    condition = var.ingest.visibility_timeout_seconds == null || try(
      var.ingest.visibility_timeout_seconds >= 6 * var.ingest.timeout_seconds + var.ingest.batching_window_seconds
      && var.ingest.visibility_timeout_seconds <= 43200,
      false
    )
    error_message = <<-EOT
      ingest.visibility_timeout_seconds must be at least 6 × timeout_seconds + batching_window_seconds
      = ${6 * var.ingest.timeout_seconds + var.ingest.batching_window_seconds} and at most 43200.
      With less, SQS would deliver a batch again while it is processed. Use null to derive it.
    EOT
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Collector: collector.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "collector" {
  description = <<-EOT
    How the module reads the DRS job log:
    - `enabled` (bool, default true): false removes the collector and its logs. The module then stores only events that others put on the bus.
      Do not use it to pause the collector.
    - `poll_interval_seconds` (number, seconds, default 3): interval between two reads of a running job's log.
      While no job runs, the collector calls DRS once per minute.
    - `lookback_hours` (number, hours, default 24): after an outage, the collector reads the jobs that ended in this period. It always reads running jobs.
    - `stalled_after_minutes` (number, minutes, default 45): a server of a running job is stalled if it has no new log item for this time.
    - `reserved_concurrency` (number, default -1): reserved and maximum number of concurrent invocations, at least 2. -1 reserves none.
    - `include_this_account` (bool, default true): read this account and Region. `targets` are read in addition.
    - `targets` (list of objects, default [], at most 400): other accounts and Regions to read. `{}` is this account and Region.
      The collector detects a new job of a target within a minute.
      With more than 10 targets, the module stores them in SSM parameters, and Terraform must know the targets at plan time.
    - `targets[*].region` (string, default null): Region of the target. Null: this Region.
    - `targets[*].role_arn` (string, default null): IAM role to assume. Null: this account. The module `modules/member-role` creates such a role.
    - `targets[*].external_id` (string, default null): external ID for the role.
    - `recovery_plans` (bool, default true): also read the executions of DRS recovery plans, link the jobs of their steps to them, and publish their steps.
      A tag of a job takes precedence.
    - `only_tagged` (map of string, default {}): read only jobs, and executions of recovery plans, that have all these tags.
      Use it if several copies of the module read the same account and Region.
      The module then reads a cleanup job (type TERMINATE), which has no tags, if a job that launched one of its servers has the tags.
      The module does not store the launch results of DRS, which contain no tags. Empty: read all jobs.
  EOT
  type = object({
    enabled               = optional(bool, true)
    poll_interval_seconds = optional(number, 3)
    lookback_hours        = optional(number, 24)
    stalled_after_minutes = optional(number, 45)
    reserved_concurrency  = optional(number, -1)
    include_this_account  = optional(bool, true)
    targets = optional(list(object({
      region      = optional(string)
      role_arn    = optional(string)
      external_id = optional(string)
    })), [])
    recovery_plans = optional(bool, true)
    only_tagged    = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition = (
      var.collector.poll_interval_seconds >= 1
      && var.collector.poll_interval_seconds <= 30
      && floor(var.collector.poll_interval_seconds) == var.collector.poll_interval_seconds
    )
    error_message = "collector.poll_interval_seconds must be a whole number from 1 to 30."
  }
  validation {
    condition = (
      var.collector.lookback_hours >= 1
      && var.collector.lookback_hours <= 24 * var.retention_days
      && floor(var.collector.lookback_hours) == var.collector.lookback_hours
    )
    error_message = <<-EOT
      collector.lookback_hours must be a whole number from 1 to 24 × retention_days = ${24 * var.retention_days}, because the events table keeps no older
      events. Decrease it or increase retention_days.
    EOT
  }
  validation {
    condition = (
      var.collector.stalled_after_minutes >= 1
      && var.collector.stalled_after_minutes <= 1440
      && floor(var.collector.stalled_after_minutes) == var.collector.stalled_after_minutes
    )
    error_message = <<-EOT
      collector.stalled_after_minutes must be a whole number from 1 to 1440. Use more than 16, because DRS often writes no log item for 16 minutes.
    EOT
  }
  validation {
    condition = (
      (var.collector.reserved_concurrency >= 2 && floor(var.collector.reserved_concurrency) == var.collector.reserved_concurrency)
      || var.collector.reserved_concurrency == -1
    )
    error_message = <<-EOT
      collector.reserved_concurrency must be a whole number of at least 2, or -1 to reserve none.
      With 1, you could not invoke the collector manually while a job runs.
    EOT
  }
  validation {
    condition     = alltrue([for target in var.collector.targets : target.region == null || can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", target.region))])
    error_message = "collector.targets[*].region must be the name of a Region. Example: \"eu-west-1\". Omit it for this Region."
  }
  validation {
    condition = alltrue([
      for target in var.collector.targets :
      target.role_arn == null || can(regex("^arn:[a-z0-9-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", target.role_arn))
    ])
    error_message = "collector.targets[*].role_arn must be the ARN of an IAM role, arn:PARTITION:iam::ACCOUNT:role/NAME. Omit it for this account."
  }
  validation {
    condition = alltrue([
      for target in var.collector.targets : target.external_id == null || (
        target.role_arn != null
        && can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", target.external_id))
        && try(length(target.external_id) <= 1224, false)
      )
    ])
    error_message = <<-EOT
      collector.targets[*].external_id requires role_arn and must have 2 to 1224 letters, digits and characters of "_+=,.@:/-".
      Add role_arn or remove external_id.
    EOT
  }
  validation {
    condition     = !var.collector.enabled || var.collector.include_this_account || length(var.collector.targets) > 0
    error_message = "collector.include_this_account = false requires at least one target in collector.targets. Add one, or set it to true."
  }
  validation {
    condition     = length(var.collector.targets) <= 400
    error_message = "collector.targets must have at most 400 targets. Move some of them to a second copy of the module."
  }
  validation {
    condition = length(distinct([
      for target in var.collector.targets :
      "${coalesce(target.region, local.region)} ${try(split(":", target.role_arn)[4], local.account_id)}"
    ])) == length(var.collector.targets)
    error_message = <<-EOT
      collector.targets must not contain the same account and Region twice, because the collector would read each job twice. Remove the duplicate.
    EOT
  }
  validation {
    condition = !var.collector.include_this_account || !anytrue([
      for target in var.collector.targets : (
        target.role_arn != null
        && coalesce(target.region, local.region) == local.region
        && try(split(":", target.role_arn)[4], "") == local.account_id
      )
    ])
    error_message = "collector.targets must not contain a role of this account for this Region. Remove it, or set include_this_account = false."
  }
  validation {
    condition = alltrue([
      for key, value in var.collector.only_tagged :
      length(key) >= 1 && length(key) <= 128 && value != null && try(length(value) <= 256, false)
    ])
    error_message = "collector.only_tagged must have keys of 1 to 128 and values of at most 256 characters. Example: { team = \"web\" }."
  }
}

variable "execution_id_tag" {
  description = <<-EOT
    Key of the DRS job tag that contains the execution ID. Pass the tag to StartRecovery in `tags`. Then every event of the job contains the execution ID.
    The principal needs `drs:TagResource` in addition to `drs:StartRecovery`.
    TerminateRecoveryInstances takes no tags: the module links a cleanup job (type TERMINATE) to the execution of the jobs that launched its servers.
  EOT
  type        = string
  default     = "ExecutionId"
  nullable    = false

  validation {
    condition     = can(regex("^[^\\s].{0,127}$", var.execution_id_tag)) && !startswith(lower(var.execution_id_tag), "aws:")
    error_message = "execution_id_tag must be a tag key of 1 to 128 characters that does not begin with a space or \"aws:\". Example: \"ExecutionId\"."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Executions table: executions.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "execution_history" {
  description = <<-EOT
    The executions table: the DynamoDB table of your orchestrator in this account and Region.
    The module uses it to link jobs without the tag `execution_id_tag`. The partition key must be the execution ID. Otherwise, the module cannot use the table.
    A sort key is optional. Null: no executions table.
    - `table_name` (string, required): name of the table.
    - `kms_key_arn` (string, default null): ARN of the customer managed key that encrypts the table. Null: a key that AWS owns.
    - `execution_id_attribute` (string, default "ExecutionId"): attribute with the execution ID.
    - `key_attributes` (list of string, default null): all key attributes of the table, for example `["ExecutionId"]` without a sort key.
      With `update_status`, IAM then denies updates that use other attributes than the keys, the status, the end time and the waves. Null:
      IAM allows updates of all attributes.
    - `waves_attribute` (string, default "Waves"): attribute with the waves: a list of maps, a map by name, or either as JSON text.
      The module treats an item without this attribute as one wave.
    - `wave_count_attribute` (string, default "TotalWaves"): attribute with the number of waves, for orchestrators that add each wave only when it starts.
    - `job_id_attribute` (string, default "JobId"): attribute with the DRS job ID within a wave, at any depth.
    - `status_attribute` (string, default "Status"): attribute with the status of the execution.
    - `end_time_attribute` (string, default "EndTime"): attribute with the end time of the execution.
    - `end_time_format` (string, default "ISO8601"): "ISO8601" (string) or "EPOCH_SECONDS" (number).
    - `job_id_index` (string, default null): global secondary index with the job ID as its partition key.
      With it, the ingest function links events when it stores them.
    - `allow_scan` (bool, default false): allow the linker to scan the whole table, at most once per minute and only while there are unlinked events.
      The cost grows with the size of the table.
    - `update_status` (bool, default false): when the job of the last wave has ended, set the status (COMPLETED, PARTIAL, FAILED or TERMINATED) and the end
      time. The module replaces only the statuses in `running_statuses`. If DRS corrects a result later, the module corrects the status that it set.
      Each record must list all waves, or their number, from the start.
    - `running_statuses` (list of string, default: see the type): the statuses that mean that an execution runs. The list replaces the default.
      The comparison ignores case, "_", "-" and spaces. A missing status also means that the execution runs. Every other status is final.
  EOT
  type = object({
    table_name             = string
    kms_key_arn            = optional(string)
    execution_id_attribute = optional(string, "ExecutionId")
    key_attributes         = optional(list(string))
    waves_attribute        = optional(string, "Waves")
    wave_count_attribute   = optional(string, "TotalWaves")
    job_id_attribute       = optional(string, "JobId")
    status_attribute       = optional(string, "Status")
    end_time_attribute     = optional(string, "EndTime")
    end_time_format        = optional(string, "ISO8601")
    job_id_index           = optional(string)
    allow_scan             = optional(bool, false)
    update_status          = optional(bool, false)
    running_statuses = optional(list(string), [
      "RUNNING", "IN_PROGRESS", "PENDING", "STARTED", "STARTING", "POLLING", "QUEUED", "CREATED", "CREATING",
      "INITIATED", "INITIATING", "INITIALIZING", "WAITING", "WAITING_FOR_APPROVAL", "PENDING_APPROVAL", "PAUSED", "RESUMED", "RESUMING",
      "EXECUTING", "ACTIVE", "LAUNCHING", "SUBMITTED", "SCHEDULED", "NOT_STARTED", "PROCESSING", "RETRYING",
    ])
  })
  default = null

  validation {
    condition     = var.execution_history == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.execution_history.table_name))
    error_message = "execution_history.table_name must be the name of a DynamoDB table, not its ARN: 3 to 255 letters, digits, \"_\", \".\" and \"-\"."
  }
  validation {
    condition     = try(var.execution_history.job_id_index, null) == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.execution_history.job_id_index))
    error_message = <<-EOT
      execution_history.job_id_index must be the name of a global secondary index of the table: 3 to 255 letters, digits, "_", "." and "-".
      Use null if the table has no such index.
    EOT
  }
  validation {
    condition = (
      try(var.execution_history.kms_key_arn, null) == null
      || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.execution_history.kms_key_arn))
    )
    error_message = <<-EOT
      execution_history.kms_key_arn must be the ARN of the key that encrypts the table, not of an alias: arn:PARTITION:kms:REGION:ACCOUNT:key/ID.
      Use null for a key that AWS owns.
    EOT
  }
  validation {
    condition     = contains(["ISO8601", "EPOCH_SECONDS"], try(var.execution_history.end_time_format, "ISO8601"))
    error_message = "execution_history.end_time_format must be \"ISO8601\" or \"EPOCH_SECONDS\"."
  }
  validation {
    condition = try(var.execution_history.key_attributes, null) == null || try(
      contains(var.execution_history.key_attributes, var.execution_history.execution_id_attribute)
      && length(distinct(var.execution_history.key_attributes)) == length(var.execution_history.key_attributes)
      && length(var.execution_history.key_attributes) <= 2
      && alltrue([for name in var.execution_history.key_attributes : length(name) >= 1 && length(name) <= 255]),
      false
    )
    error_message = <<-EOT
      execution_history.key_attributes must contain execution_id_attribute and, if the table has a sort key, its name. Use null if you do not know the keys.
    EOT
  }
  validation {
    condition = var.execution_history == null || try(
      length(var.execution_history.running_statuses) > 0 && alltrue([for word in var.execution_history.running_statuses : can(regex("[^\\s_-]", word))]),
      false
    )
    error_message = <<-EOT
      execution_history.running_statuses must contain at least one status, and no empty status.
      Add the statuses that your orchestrator sets while an execution runs, or omit running_statuses to use the default.
    EOT
  }
  validation {
    condition = var.execution_history == null || length(setintersection(
      [for word in coalesce(try(var.execution_history.running_statuses, null), []) : upper(replace(coalesce(word, "-"), "/[\\s_-]/", ""))],
      ["COMPLETED", "PARTIAL", "FAILED", "TERMINATED"],
    )) == 0
    error_message = <<-EOT
      execution_history.running_statuses must not contain COMPLETED, PARTIAL, FAILED or TERMINATED, because the module sets these statuses when an execution
      has ended. Remove them.
    EOT
  }
  validation {
    condition = alltrue(try([
      for name, value in var.execution_history : length(value) > 0 && length(value) <= 255 if endswith(name, "_attribute")
    ], []))
    error_message = "execution_history.*_attribute must be attribute names of 1 to 255 characters. Omit an attribute to use its default."
  }
  validation {
    condition = var.execution_history == null || length(distinct(try([
      for name, value in var.execution_history : value if endswith(name, "_attribute") && name != "job_id_attribute"
    ], []))) == 5
    error_message = <<-EOT
      execution_history must have different values for execution_id_attribute, waves_attribute, wave_count_attribute, status_attribute and end_time_attribute.
      Change the duplicate.
    EOT
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Objectives
# ---------------------------------------------------------------------------------------------------------------------

variable "objectives" {
  description = <<-EOT
    Objectives of a recovery:
    - `rto_minutes` (number, default null: none): the recovery time objective, from the creation of the first job of an execution until all its servers are launched.
      The tag `RtoMinutes` of a DRS job overrides it. The API reports whether an execution met it. The alarm `NAME-rto-exceeded`, which exists only with this input,
      fires while a running execution exceeds it.
    - `rpo_minutes` (number, default null: none): the recovery point objective, from the recovery point of a server until the creation of its job.
      The API and the notice of the end report the achieved recovery point objective, also without this input.
  EOT
  type = object({
    rto_minutes = optional(number)
    rpo_minutes = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition = var.objectives.rto_minutes == null ? true : (
      var.objectives.rto_minutes >= 1 && var.objectives.rto_minutes <= 43200 && floor(var.objectives.rto_minutes) == var.objectives.rto_minutes
    )
    error_message = "objectives.rto_minutes must be a whole number of minutes from 1 to 43200 (30 days), or null for no objective."
  }
  validation {
    condition = var.objectives.rpo_minutes == null ? true : (
      var.objectives.rpo_minutes >= 1 && var.objectives.rpo_minutes <= 43200 && floor(var.objectives.rpo_minutes) == var.objectives.rpo_minutes
    )
    error_message = "objectives.rpo_minutes must be a whole number of minutes from 1 to 43200 (30 days), or null for no objective."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Readiness: events.tf, schedules.tf and alarms.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "readiness" {
  description = <<-EOT
    Readiness for a recovery:
    - `replication_stalled` (bool, default true): count the servers of this account and Region whose data replication stalls, and notify of them.
      The alarm `NAME-replication-stalled` exists only with it. If several copies of the module are in the account and Region, set false in all but one.
    - `max_days_without_drill` (number, days, default null: no check): check each day whether each server of each target had a successful drill in this number of days.
      The result is a "DRS Drill Check" event and a notice. A server that was added to DRS less than this number of days ago is not reported.
      From 1 to 400, and at most `history_days`. It needs the collector.
    - `drill_instances_hours` (number, hours, default 24): check each day whether instances of a drill of each target are not terminated this number of hours after
      the creation of their job. The result is an event `DRILL_INSTANCES_LEFT` of the job, and a notice of the kind "drill_instances". From 1 to 8760. 0: no check.
  EOT
  type = object({
    replication_stalled    = optional(bool, true)
    max_days_without_drill = optional(number)
    drill_instances_hours  = optional(number, 24)
  })
  default  = {}
  nullable = false

  validation {
    condition = var.readiness.max_days_without_drill == null ? true : (
      var.readiness.max_days_without_drill >= 1
      && var.readiness.max_days_without_drill <= 400
      && floor(var.readiness.max_days_without_drill) == var.readiness.max_days_without_drill
    )
    error_message = "readiness.max_days_without_drill must be a whole number of days from 1 to 400, or null for no check."
  }
  validation {
    # Not null for no check: Terraform replaces null by the default.
    condition = (
      var.readiness.drill_instances_hours >= 0
      && var.readiness.drill_instances_hours <= 8760
      && floor(var.readiness.drill_instances_hours) == var.readiness.drill_instances_hours
    )
    error_message = "readiness.drill_instances_hours must be a whole number of hours from 1 to 8760, or 0 for no check."
  }
  validation {
    condition     = var.readiness.max_days_without_drill == null ? true : var.readiness.max_days_without_drill <= var.history_days
    error_message = <<-EOT
      readiness.max_days_without_drill must be at most history_days = ${var.history_days}, because the module knows the drills of this time only.
      Decrease it or increase history_days.
    EOT
  }
  validation {
    condition     = var.readiness.max_days_without_drill == null || var.collector.enabled
    error_message = "readiness.max_days_without_drill requires the collector. Remove it, or set collector.enabled = true."
  }
  validation {
    # CloudWatch accepts five actions of an alarm. Two alarms have both lists.
    condition = length(distinct(concat(var.alarms.actions, var.alarm_actions, var.alarms.recovery_actions))) <= 5 || !(
      var.alarms.enabled && (var.readiness.replication_stalled || var.objectives.rto_minutes != null)
    )
    error_message = <<-EOT
      alarms.actions and alarms.recovery_actions must together have at most five ARNs, because the alarms replication-stalled and rto-exceeded have both.
      Remove some, send them through one topic, or set readiness.replication_stalled = false and objectives.rto_minutes = null.
    EOT
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Evidence: evidence.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "evidence" {
  description = <<-EOT
    A report of each execution that has settled, in an S3 bucket, as evidence for years: an HTML page, its data, and its events.
    Null: no reports.
    - `bucket` (string, required): "create" creates a bucket with versioning, Object Lock, encryption and an expiry. Otherwise the name of a bucket of yours in
      this Region, with versioning. The module changes nothing in it: you set its encryption, expiry and access.
      Terraform must know the name at plan time. If the same configuration creates the bucket, pass its `.bucket`, not its `.id`.
    - `prefix` (string, default "drs-job-log/"): beginning of all object keys. Empty, or it ends with "/". Copies of the module need different prefixes in a bucket.
    - `retention_days` (number, days, default 2557, which is seven years): how long to keep a report. From 1 to 36500. With "create", S3 then hides the report,
      and deletes it after the same number of days again. If you change it, the new value applies to all reports of the bucket, except to the locks of
      existing ones.
    - `object_lock_mode` (string, default null: no lock): "GOVERNANCE" or "COMPLIANCE". The module locks each object for `retention_days` from its write. Until
      then, nobody can delete it, with "GOVERNANCE" only principals with the permission `s3:BypassGovernanceRetention`. Your own bucket needs Object Lock.
    - `kms_key_arn` (string, default null): ARN of the customer managed key that encrypts the objects. Null: the key of S3, or the default of your own bucket.
      If the default of your own bucket is a customer managed key, set its ARN. The input of the module for other resources, `kms_key_arn`, does not apply.
    - `athena` (bool, default false): also create tables to query the reports of all executions with Amazon Athena.
    - `athena_scan_limit_gb` (number, GB, default 10): maximum of the data that one query reads. From 1 to 10240.
  EOT
  type = object({
    bucket               = string
    prefix               = optional(string, "drs-job-log/")
    retention_days       = optional(number, 2557)
    object_lock_mode     = optional(string)
    kms_key_arn          = optional(string)
    athena               = optional(bool, false)
    athena_scan_limit_gb = optional(number, 10)
  })
  default = null

  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
  validation {
    condition = var.evidence == null || try(
      can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.evidence.bucket))
      && !can(regex("[.][.]|^[0-9]+([.][0-9]+){3}$|^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|[.]mrap|--x-s3|--table-s3)$", var.evidence.bucket)),
      false
    )
    error_message = <<-EOT
      evidence.bucket must be "create", or the name of a general purpose bucket, not its ARN: 3 to 63 lower-case letters, digits, "." and "-", without a prefix or
      suffix that S3 reserves. Example: "recovery-evidence".
    EOT
  }
  validation {
    condition     = try(var.evidence.bucket, null) != "create" || !can(regex("^(xn--|sthree-|amzn-s3-demo-)", replace(lower(var.name), "_", "-")))
    error_message = <<-EOT
      evidence.bucket = "create" names the bucket after name, and S3 reserves names that begin with "xn--", "sthree-" and "amzn-s3-demo-". Change name, or pass
      the name of a bucket of yours.
    EOT
  }
  validation {
    condition = var.evidence == null || try(
      can(regex("^([A-Za-z0-9][A-Za-z0-9._-]*/)*$", var.evidence.prefix)) && length(var.evidence.prefix) <= 200,
      false
    )
    error_message = <<-EOT
      evidence.prefix must be empty or end with "/", with at most 200 characters. Each part before a "/" must begin with a letter or digit and contain only letters,
      digits, ".", "_" and "-". Example: "drs-job-log/".
    EOT
  }
  validation {
    condition = var.evidence == null || try(
      var.evidence.retention_days >= 1 && var.evidence.retention_days <= 36500 && floor(var.evidence.retention_days) == var.evidence.retention_days,
      false
    )
    error_message = "evidence.retention_days must be a whole number of days from 1 to 36500 (100 years, the maximum of Object Lock)."
  }
  validation {
    condition     = try(var.evidence.object_lock_mode, null) == null || contains(["COMPLIANCE", "GOVERNANCE"], coalesce(try(var.evidence.object_lock_mode, null), "-"))
    error_message = "evidence.object_lock_mode must be \"GOVERNANCE\" or \"COMPLIANCE\", or null for no lock."
  }
  validation {
    condition = (
      try(var.evidence.kms_key_arn, null) == null
      || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.evidence.kms_key_arn))
    )
    error_message = <<-EOT
      evidence.kms_key_arn must be the ARN of the key that encrypts the reports, not of an alias: arn:PARTITION:kms:REGION:ACCOUNT:key/ID.
      Use null for the key of S3.
    EOT
  }
  validation {
    condition     = try(var.evidence.kms_key_arn, null) == null || try(split(":", var.evidence.kms_key_arn)[3] == local.region, true)
    error_message = "evidence.kms_key_arn must be a key in this Region, ${local.region}. S3 encrypts objects only with a key in the Region of the bucket."
  }
  validation {
    condition = var.evidence == null || try(
      var.evidence.athena_scan_limit_gb >= 1
      && var.evidence.athena_scan_limit_gb <= 10240
      && floor(var.evidence.athena_scan_limit_gb) == var.evidence.athena_scan_limit_gb,
      false
    )
    error_message = "evidence.athena_scan_limit_gb must be a whole number of GB from 1 to 10240."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Events table: storage.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "retention_days" {
  description = <<-EOT
    Number of days to keep an event after it happened. DynamoDB deletes expired events within a few days.
    If you change it, the new value applies to new events. Stored events keep their expiry. docs/operations.md contains a command that changes it.
  EOT
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 3650 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number of days from 1 to 3650."
  }
}

variable "history_days" {
  description = <<-EOT
    Number of days to keep the ledger: the start and the end of each job, and the final event of each server. With it, the API lists recoveries, compares
    them and estimates the end of a running one. The default is 400, so that a yearly drill has its predecessor. Not less than `retention_days`.
    If you change it, the new value applies to new events. docs/operations.md contains a command that changes the expiry of stored events.
  EOT
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.history_days <= 3650 && floor(var.history_days) == var.history_days
    error_message = "history_days must be a whole number of days, at most 3650."
  }
  validation {
    condition     = var.history_days >= var.retention_days
    error_message = "history_days must be at least retention_days = ${var.retention_days}, because the ledger is a part of the events. Increase it or decrease retention_days."
  }
}

variable "table" {
  description = <<-EOT
    Protection of the events table:
    - `deletion_protection` (bool, default true): prevent the deletion of the table, also by Terraform. To delete the table, first apply with false.
    - `point_in_time_recovery` (bool, default true): continuous backups. You can restore the table to any second of the last 35 days.
  EOT
  type = object({
    deletion_protection    = optional(bool, true)
    point_in_time_recovery = optional(bool, true)
  })
  default  = {}
  nullable = false
}

# ---------------------------------------------------------------------------------------------------------------------
# API: api.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "api" {
  description = <<-EOT
    The HTTP API:
    - `enabled` (bool, default true): false removes the API.
    - `authorization` (string, default "AWS_IAM"): who can read the logs. "AWS_IAM": principals with the permission `execute-api:Invoke`, in signed requests.
      "JWT": holders of a token that matches `jwt`. "NONE": **everyone on the internet**.
    - `jwt.issuer` (string): exact value of the claim `iss` in the tokens. The issuer must serve `/.well-known/openid-configuration` when you apply.
    - `jwt.audience` (list of string): accepted audiences. A token needs one of them.
    - `jwt.scopes` (list of string, default []): accepted scopes. A token needs one of them. Empty: no scope is required.
    - `jwt.sign_in` (object, default null): users of the viewer sign in at the identity provider: OpenID Connect, authorization code with PKCE.
      Register a public client (single-page application) there, with the output `viewer_redirect_uri`. Null: the viewer asks for a token. See docs/viewer.md.
    - `jwt.sign_in.client_id` (string, required): ID of the client.
    - `jwt.sign_in.scope` (string, default "openid"): scopes to request, separated by spaces. The access token must have one of `jwt.scopes`.
    - `jwt.sign_in.authority` (string, default `jwt.issuer`): URL of the identity provider, without `/.well-known/openid-configuration`.
    - `jwt.sign_in.origins` (list of string, default []): origin of the token endpoint, if it is not that of the authority.
      Amazon Cognito: "https://DOMAIN.auth.REGION.amazoncognito.com".
    - `jwt.sign_in.parameters` (map of string, default {}): further parameters of the authorization request, for example `audience` for Auth0.
    - `viewer` (bool, default true): also serve the viewer, web pages for people, at `/`, `/executions/{executionId}` and `/jobs/{jobId}`.
      The pages contain no data and get it from the API. With "JWT" they are public, and their users sign in or enter a token.
      Otherwise they have the same authorization as the logs.
    - `cors_origins` (list of string, default []): origins of web pages that may call the API, for example "https://recovery.example.com".
    - `throttling_rate_limit` (number, requests per second, default 20): steady-state request limit of each route.
      An open viewer sends a request every 3 seconds, so 20 is sufficient for 60 viewers.
    - `throttling_burst_limit` (number, requests, default 20): burst limit of each route.
    - `viewer_throttling_rate_limit` (number, requests per second, default 10): steady-state request limit of each route of the viewer,
      instead of `throttling_rate_limit`. With "JWT", these routes are public.
    - `viewer_throttling_burst_limit` (number, requests, default 20): burst limit of each route of the viewer.
    - `reserved_concurrency` (number, default -1): reserved and maximum number of concurrent requests. -1 reserves none.
      Lambda refuses a reservation in an account with a small concurrency quota. The request limits protect the pipeline there.
  EOT
  type = object({
    enabled       = optional(bool, true)
    authorization = optional(string, "AWS_IAM")
    jwt = optional(object({
      issuer   = string
      audience = list(string)
      scopes   = optional(list(string), [])
      sign_in = optional(object({
        client_id  = string
        scope      = optional(string, "openid")
        authority  = optional(string)
        origins    = optional(list(string), [])
        parameters = optional(map(string), {})
      }))
    }))
    viewer                        = optional(bool, true)
    cors_origins                  = optional(list(string), [])
    throttling_rate_limit         = optional(number, 20)
    throttling_burst_limit        = optional(number, 20)
    viewer_throttling_rate_limit  = optional(number, 10)
    viewer_throttling_burst_limit = optional(number, 20)
    reserved_concurrency          = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["AWS_IAM", "JWT", "NONE"], var.api.authorization)
    error_message = "api.authorization must be \"AWS_IAM\", \"JWT\" or \"NONE\"."
  }
  validation {
    condition     = (var.api.authorization == "JWT") == (var.api.jwt != null)
    error_message = "api.jwt and api.authorization = \"JWT\" require each other. Set both or neither."
  }
  validation {
    condition = (
      var.api.jwt == null
      || (can(regex("^https://[^\\s/?#]+(/[^\\s?#]*)?$", var.api.jwt.issuer)) && !can(regex("/\\.well-known/", var.api.jwt.issuer)))
    )
    error_message = <<-EOT
      api.jwt.issuer must be the "iss" claim of the tokens: a URL that begins with "https://", without "/.well-known/openid-configuration". Example:
      "https://login.example.com".
    EOT
  }
  validation {
    condition = (
      var.api.jwt == null
      || try(length(var.api.jwt.audience) > 0 && alltrue([for audience in var.api.jwt.audience : can(regex("^\\S+$", audience))]), false)
    )
    error_message = "api.jwt.audience must have at least one audience without spaces. Otherwise the API would accept every token of the issuer."
  }
  validation {
    condition     = alltrue([for scope in try(var.api.jwt.scopes, null) == null ? [] : var.api.jwt.scopes : can(regex("^\\S+$", scope))])
    error_message = "api.jwt.scopes must have one scope per list item, without spaces. Example: [\"logs.read\"]."
  }
  validation {
    condition     = try(var.api.jwt.sign_in, null) == null || var.api.viewer
    error_message = "api.jwt.sign_in is the sign-in of the viewer. Set api.viewer = true, or remove api.jwt.sign_in."
  }
  validation {
    condition     = try(var.api.jwt.sign_in, null) == null || can(regex("^[[:graph:]]+$", var.api.jwt.sign_in.client_id))
    error_message = "api.jwt.sign_in.client_id must be the client ID that the identity provider assigned, without spaces."
  }
  validation {
    condition     = try(var.api.jwt.sign_in, null) == null || can(regex("^[[:graph:]]+( [[:graph:]]+)*$", var.api.jwt.sign_in.scope))
    error_message = "api.jwt.sign_in.scope must be the scopes to request, separated by single spaces. Example: \"openid logs.read\"."
  }
  validation {
    # The Content-Security-Policy of the pages contains its origin.
    condition = try(var.api.jwt.sign_in, null) == null || (
      can(regex("^https://[a-z0-9.-]+(:[0-9]{1,5})?(/[^\\s?#]*)?$", coalesce(var.api.jwt.sign_in.authority, var.api.jwt.issuer)))
      && !can(regex("/\\.well-known/", coalesce(var.api.jwt.sign_in.authority, var.api.jwt.issuer)))
    )
    error_message = <<-EOT
      api.jwt.sign_in.authority, by default api.jwt.issuer, must be a URL that begins with "https://" and a host in lowercase, without
      "/.well-known/openid-configuration". Example: "https://login.example.com".
    EOT
  }
  validation {
    condition = alltrue([
      for origin in try(var.api.jwt.sign_in.origins, null) == null ? [] : var.api.jwt.sign_in.origins :
      can(regex("^https://[a-z0-9.-]+(:[0-9]{1,5})?$", origin))
    ])
    error_message = <<-EOT
      api.jwt.sign_in.origins must contain origins: "https://", host in lowercase and optional port, without a path or "*". Example:
      "https://recovery.auth.eu-west-1.amazoncognito.com".
    EOT
  }
  validation {
    condition = length(setintersection(keys(try(var.api.jwt.sign_in.parameters, null) == null ? {} : var.api.jwt.sign_in.parameters), [
      "client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_mode", "response_type", "scope", "state"
    ])) == 0
    error_message = "api.jwt.sign_in.parameters must not contain client_id, scope, state, redirect_uri, response_type, response_mode, code_challenge or code_challenge_method: the viewer sets them."
  }
  validation {
    condition     = alltrue([for origin in var.api.cors_origins : can(regex("^https?://[a-z0-9.-]+(:[0-9]{1,5})?$", origin))])
    error_message = <<-EOT
      api.cors_origins must contain origins as browsers send them: scheme, host in lowercase and optional port, without a path or "*". Example:
      "https://recovery.example.com".
    EOT
  }
  validation {
    condition = alltrue([
      for limit in [var.api.throttling_rate_limit, var.api.throttling_burst_limit] :
      limit >= 1 && limit <= 10000 && floor(limit) == limit
    ])
    error_message = "api.throttling_rate_limit and api.throttling_burst_limit must be whole numbers from 1 to 10000."
  }
  validation {
    condition = alltrue([
      for limit in [var.api.viewer_throttling_rate_limit, var.api.viewer_throttling_burst_limit] :
      limit >= 1 && limit <= 10000 && floor(limit) == limit
    ])
    error_message = "api.viewer_throttling_rate_limit and api.viewer_throttling_burst_limit must be whole numbers from 1 to 10000."
  }
  validation {
    condition = (
      (var.api.reserved_concurrency >= 1 && floor(var.api.reserved_concurrency) == var.api.reserved_concurrency)
      || var.api.reserved_concurrency == -1
    )
    error_message = "api.reserved_concurrency must be a whole number of at least 1, or -1 to reserve none."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Notifications: notifications.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "notifications" {
  description = <<-EOT
    Notifications: the ingest function publishes SNS messages about executions and their servers, for e-mail, chat, SQS and Lambda. docs/notifications.md
    describes them. The first three messages of a job about its servers are sent at once. Later ones, and messages about events of more than an hour ago, are
    collected in one message.
    - `enabled` (bool, default true): false sends no notifications. The module still counts failures, and the alarm `server-failed` still fires.
    - `kinds` (list of string, default ["started", "failed", "resolved", "stalled", "at_risk", "settled", "plan_failed", "drill_instances"]): what to notify.
      - "started": an execution started. "job_ended": a job (a wave) ended. "settled": an execution ended, and nothing more is expected.
      - "failed": a server or a network failed, its failure is final, or its error became known. "resolved": it launched after a failure.
      - "stalled": a server has no new log item for `collector.stalled_after_minutes`. "slow": a server takes longer than in its earlier launches.
      - "at_risk": a running execution exceeds its recovery time objective, or is expected to.
      - "action_failed": a post-launch action failed.
      - "plan_failed": a step of a recovery plan failed or timed out, or the plan failed before its first step. After a failed step, the plan waits for a person.
      - "drill_instances": instances of a drill are not terminated `readiness.drill_instances_hours` after it. Once a day and job.
      The input `readiness` selects the notifications about data replication and missing drills.
    - `create_topic` (bool, default true): create the topic `NAME-failures`. Subscribe to the output `failure_topic_arn`.
    - `topic_arn` (string, default null): ARN of your own topic, with `create_topic = false`. Its policy must allow this account to publish.
      The default policy of a topic in this account does.
    - `kms_key_arn` (string, default null): ARN of the customer managed key that encrypts your own topic.
    - `viewer_url` (string, default null): base URL of the viewer, for example of your proxy or front end.
      Notifications link to `/executions/{executionId}` below it, or to `/viewer/page?executionId={executionId}` if the ID has characters that a path cannot
      have. A notification about one server adds the query parameter `server`. Null: the URL of the API.
      There is then no link if the viewer is disabled or `api.authorization` is "AWS_IAM", because a browser cannot sign requests.
  EOT
  type = object({
    enabled      = optional(bool, true)
    kinds        = optional(list(string), ["started", "failed", "resolved", "stalled", "at_risk", "settled", "plan_failed", "drill_instances"])
    create_topic = optional(bool, true)
    topic_arn    = optional(string)
    kms_key_arn  = optional(string)
    viewer_url   = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(var.notifications.kinds) > 0 && length(setsubtract(var.notifications.kinds, local.notice_kinds)) == 0
    error_message = <<-EOT
      notifications.kinds has ${length(var.notifications.kinds) == 0 ? "no kind" : "the unknown kinds ${join(", ", setsubtract(var.notifications.kinds, local.notice_kinds))}"}.
      Use at least one of ${join(", ", local.notice_kinds)}. To send no notifications, set enabled = false.
    EOT
  }
  validation {
    condition     = var.notifications.viewer_url == null || can(regex("^https?://\\S+[^/\\s]$", var.notifications.viewer_url))
    error_message = <<-EOT
      notifications.viewer_url must be a URL without a trailing "/". The module appends /executions/ID. Example: "https://recovery.example.com".
    EOT
  }
  validation {
    condition     = !var.notifications.enabled || var.notifications.create_topic == (var.notifications.topic_arn == null)
    error_message = <<-EOT
      notifications must have either create_topic = true (the default), or create_topic = false and the topic_arn of your own topic. Set one of the two.
    EOT
  }
  validation {
    condition     = var.notifications.topic_arn == null || can(regex("^arn:[a-z0-9-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.notifications.topic_arn))
    error_message = <<-EOT
      notifications.topic_arn must be the ARN of a standard SNS topic, arn:PARTITION:sns:REGION:ACCOUNT:NAME. A FIFO topic cannot send email or SMS.
    EOT
  }
  validation {
    condition     = var.notifications.kms_key_arn == null || (var.notifications.enabled && !var.notifications.create_topic)
    error_message = <<-EOT
      notifications.kms_key_arn is for your own topic and requires create_topic = false and topic_arn. To encrypt the topic of the module, set kms_key_arn.
    EOT
  }
  validation {
    condition     = var.notifications.topic_arn == null || try(split(":", var.notifications.topic_arn)[3] == local.region, true)
    error_message = "notifications.topic_arn must be the ARN of a topic in this Region, ${local.region}. SNS accepts messages only in the Region of the topic."
  }
  validation {
    condition     = var.notifications.kms_key_arn == null || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.notifications.kms_key_arn))
    error_message = <<-EOT
      notifications.kms_key_arn must be the ARN of the key that encrypts your topic, not of an alias: arn:PARTITION:kms:REGION:ACCOUNT:key/ID.
      Use null if no customer managed key encrypts it.
    EOT
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Encryption: encryption.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "create_kms_key" {
  description = <<-EOT
    Create a customer managed KMS key for tables, queues, topic, logs and the environment of the functions, with the required key policy.
    The key costs $1 per month. Before you set it back to false, read docs/encryption.md: messages in the queues, backups and existing
    logs stay encrypted with the key.
  EOT
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.create_kms_key || var.kms_key_arn == null
    error_message = <<-EOT
      create_kms_key and kms_key_arn are mutually exclusive. Remove kms_key_arn to create a key, or set create_kms_key = false to use your own key.
    EOT
  }
}

variable "kms_key_arn" {
  description = <<-EOT
    ARN of your own customer managed KMS key for tables, queues, topic, logs and the environment of the functions. Use the ARN of the key,
    not of an alias. docs/encryption.md contains the required key policy. Before you change the key, wait until the ingest queue and the
    DLQs are empty: their messages stay encrypted with the old key, which ingest may no longer use. Null: keys that AWS owns.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = <<-EOT
      kms_key_arn must be the ARN of a KMS key, arn:PARTITION:kms:REGION:ACCOUNT:key/ID. Replace an alias by the ARN of its key.
      Use a customer managed key, because EventBridge cannot use alias/aws/sqs.
    EOT
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Alarms: alarms.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "alarms" {
  description = <<-EOT
    CloudWatch alarms. A metric alarm costs $0.10 per month for each of its metrics, a composite alarm $0.50.
    The module creates a composite alarm only if it has actions. The description of each threshold states when the alarm fires.
    - `enabled` (bool, default true): false creates no alarms.
    - `runbooks` (string, default "docs/runbooks"): base path or URL of the runbooks. Alarm descriptions and notifications link to it.
      Set the URL of your copy if your on-call staff cannot open this repository.
    - `actions` (list of string, default []): ARNs, for example of SNS topics, to notify when any alarm fires and when it returns to OK.
      Alarms for one-time events, such as a failed server, do not notify on OK. Do not use the output `failure_topic_arn`: CloudWatch
      may not publish to this topic.
    - `pipeline_actions` (list of string, default []): ARNs for the composite alarm `pipeline-unhealthy`.
      It combines all alarms of the pipeline except `unlinked-events`, notifies once, and notifies again when all of them are OK.
      Terraform must know the number of ARNs at plan time: do not use `compact` or `distinct` with values of the same apply.
    - `recovery_actions` (list of string, default []): ARNs for the composite alarm `recovery-needs-a-person`, and for the alarms `rto-exceeded` and
      `replication-stalled`. They are not notified on OK. Together with `actions`, at most five.
      Terraform must know the number of these ARNs too.
    - `queue_age_seconds` (number, seconds, default 300): an event is in the ingest queue for this time.
      The threshold is at least the visibility timeout plus 60 seconds, so that one retry does not raise the alarm. The batching window is added.
    - `event_lag_milliseconds` (number, milliseconds, default 5000): in three of ten minutes, half of the events are stored at least this time after they
      happened. A `poll_interval_seconds` above 3 and the batching window of `ingest` raise the threshold.
    - `unlinked_after_minutes` (number, minutes, default null): an event is unlinked for this time. Use less than 1440, because the linker gives up after a day.
      Null: 60 with `execution_history`, otherwise no such alarm, because it would always fire in accounts where jobs have no executions.
    - `function_errors` (number, default 5): errors of a function in five minutes. At most 3 for the collector and the linker, which run once per minute.
      Always 1 for the function of `evidence`, which runs rarely.
    - `function_throttles` (number, default 1): throttled invocations of a function in five minutes.
    - `function_duration_percent` (number, percent, default 95): duration of an invocation, relative to the timeout. 100 for the collector.
    - `table_throttles` (number, default 10): throttled reads or writes of the events table, or writes of the notifications table, in a minute.
      The clients retry them.
    - `table_errors` (number, default 10): internal DynamoDB errors of reads or writes of the events table in a minute. The clients retry them.
    - `api_5xx` (number, default 5): 5xx errors of the API in five minutes.
    - `api_latency_milliseconds` (number, milliseconds, default 500): for five consecutive minutes, 10 % of the requests take at least this time.
  EOT
  type = object({
    enabled                   = optional(bool, true)
    runbooks                  = optional(string, "docs/runbooks")
    actions                   = optional(list(string), [])
    pipeline_actions          = optional(list(string), [])
    recovery_actions          = optional(list(string), [])
    queue_age_seconds         = optional(number, 300)
    event_lag_milliseconds    = optional(number, 5000)
    unlinked_after_minutes    = optional(number)
    function_errors           = optional(number, 5)
    function_throttles        = optional(number, 1)
    function_duration_percent = optional(number, 95)
    table_throttles           = optional(number, 10)
    table_errors              = optional(number, 10)
    api_5xx                   = optional(number, 5)
    api_latency_milliseconds  = optional(number, 500)
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for name, value in var.alarms : try(value >= 1, false)
      if value != null && can(regex("_(seconds|milliseconds|minutes|errors|throttles|percent|5xx)$", name))
    ])
    error_message = "alarms must have thresholds of at least 1. To create no alarms, set alarms.enabled = false."
  }
  validation {
    condition     = var.alarms.function_duration_percent <= 100
    error_message = "alarms.function_duration_percent must be at most 100, because no invocation exceeds its timeout."
  }
  validation {
    condition     = can(regex("^\\S{1,500}$", var.alarms.runbooks)) && !endswith(var.alarms.runbooks, "/")
    error_message = <<-EOT
      alarms.runbooks must be a path or URL of at most 500 characters, without spaces and without a trailing "/". Example:
      "https://wiki.example.com/drs-job-log/runbooks".
    EOT
  }
  validation {
    condition = alltrue([
      for arns in [var.alarms.actions, var.alarms.pipeline_actions, var.alarms.recovery_actions] :
      alltrue([for arn in arns : can(regex("^arn:[a-z0-9-]+:[a-z0-9-]+:", arn))]) && length(arns) <= 5
    ])
    error_message = "alarms.actions, alarms.pipeline_actions and alarms.recovery_actions must each be a list of at most five ARNs, for example of topics."
  }
}

variable "alarm_actions" {
  description = "Deprecated, use `alarms.actions`. A later release removes this input."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_actions : can(regex("^arn:[a-z0-9-]+:[a-z0-9-]+:", arn))]) && length(var.alarm_actions) <= 5
    error_message = "alarm_actions must be a list of at most five ARNs. Example: [\"arn:aws:sns:eu-west-1:111122223333:on-call\"]."
  }
  validation {
    condition     = length(var.alarm_actions) == 0 || length(var.alarms.actions) == 0
    error_message = "alarm_actions and alarms.actions are mutually exclusive. Move the ARNs to alarms.actions, and remove the deprecated input alarm_actions."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Dashboard: dashboard.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "dashboard" {
  description = "Create a CloudWatch dashboard. The first three dashboards of an account are free. Each additional one costs $3 per month."
  type        = bool
  default     = true
  nullable    = false
}
