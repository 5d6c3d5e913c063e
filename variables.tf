# ---------------------------------------------------------------------------------------------------------------------
# Names and settings of all functions: main.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "name" {
  description = "Prefix of every resource's name: changing it replaces everything, the table included. Copies of the module in one account and Region need names that differ, case aside."
  type        = string
  default     = "drs-job-log"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_-]{0,127}$", var.name))
    error_message = "name must begin with a letter and hold only letters, digits, \"-\" and \"_\", 128 at most: for example \"drs-job-log\"."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "functions" {
  description = <<-EOT
    What all Lambda functions share:
    - `runtime`, `architecture` ("arm64" or "x86_64"), `memory_size` (MB).
    - `log_retention_in_days`: as CloudWatch Logs takes it, of the API's access log too. `log_level`: "INFO" or "DEBUG".
    - `tracing`: X-Ray traces of each invocation: two a minute when nothing happens, some $0.40 a month.
    - `powertools_layer`: `arn` replaces the layer that AWS publishes; `enabled = false` drops it, for a `package` that brings Powertools along.
    - `environment`: further environment variables.
    - `permissions_boundary`: ARN of a policy. `role_path`: path of the roles.
  EOT
  type = object({
    runtime               = optional(string, "python3.13")
    architecture          = optional(string, "arm64")
    memory_size           = optional(number, 256)
    log_retention_in_days = optional(number, 30)
    log_level             = optional(string, "INFO")
    tracing               = optional(bool, false)
    powertools_layer = optional(object({
      enabled = optional(bool, true)
      arn     = optional(string)
    }), {})
    environment          = optional(map(string), {})
    permissions_boundary = optional(string)
    role_path            = optional(string, "/")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["python3.11", "python3.12", "python3.13"], var.functions.runtime)
    error_message = "functions.runtime must be \"python3.11\", \"python3.12\" or \"python3.13\"."
  }
  validation {
    condition     = contains(["arm64", "x86_64"], var.functions.architecture)
    error_message = "functions.architecture must be \"arm64\" or \"x86_64\"."
  }
  validation {
    condition     = var.functions.memory_size >= 128 && var.functions.memory_size <= 10240 && floor(var.functions.memory_size) == var.functions.memory_size
    error_message = "functions.memory_size must be a whole number of MB from 128 to 10240."
  }
  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.functions.log_retention_in_days)
    error_message = "functions.log_retention_in_days must be a value that CloudWatch Logs takes: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, or 0 to keep logs for ever."
  }
  validation {
    condition     = var.functions.powertools_layer.enabled || var.package != null
    error_message = "functions.powertools_layer.enabled may be false only beside a package that brings Powertools along: give package, or keep the layer."
  }
  validation {
    condition     = contains(["DEBUG", "INFO"], var.functions.log_level)
    error_message = "functions.log_level must be \"INFO\" or \"DEBUG\". Above INFO Lambda would drop the lines that carry the metrics."
  }
  validation {
    condition = alltrue([
      for name in keys(var.functions.environment) :
      can(regex("^[A-Za-z][A-Za-z0-9_]+$", name)) && !can(regex("^(AWS_(REGION|DEFAULT_REGION|ACCESS_KEY|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_.*)|LAMBDA_(TASK_ROOT|RUNTIME_DIR))$", name))
    ])
    error_message = "functions.environment must have names of letters, digits and \"_\" that begin with a letter, and none that Lambda keeps for itself, such as AWS_REGION or AWS_LAMBDA_*."
  }
  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.functions.role_path))
    error_message = "functions.role_path must begin and end with \"/\": for example \"/platform/\"."
  }
  validation {
    condition     = var.functions.permissions_boundary == null || can(regex("^arn:[a-z0-9-]+:iam::([0-9]{12}|aws):policy/.+$", var.functions.permissions_boundary))
    error_message = "functions.permissions_boundary must be the ARN of an IAM policy, arn:PARTITION:iam::ACCOUNT:policy/NAME."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Deployment package: package.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "package" {
  description = <<-EOT
    A prebuilt deployment package instead of the one that Terraform zips from this module's sources:
    - `filename`: path of a local zip; or
    - `s3_bucket`, `s3_key`, `s3_object_version`: a zip in S3. Without a version Terraform does not see that the object changed.
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
    error_message = "package takes either filename (a local zip) or s3_bucket and s3_key (a zip in S3): give exactly one of the two."
  }
  validation {
    condition     = var.package == null || try((var.package.s3_bucket == null) == (var.package.s3_key == null), false)
    error_message = "package.s3_bucket and package.s3_key belong together: give both or neither."
  }
  validation {
    condition     = var.package == null || try(var.package.s3_object_version == null || var.package.s3_bucket != null, false)
    error_message = "package.s3_object_version needs package.s3_bucket and package.s3_key."
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
  description = "Name of the event bus on which \"DRS Job Log\" events travel. It must exist, and its name be known while planning: of a bus made beside the module pass `.name`, not `.id`. Launch results of DRS itself are taken from the default bus too, the only one AWS puts them on."
  type        = string
  default     = "default"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]{1,256}$", var.event_bus_name))
    error_message = "event_bus_name must be the name of an event bus (not its ARN): letters, digits, \".\", \"_\", \"/\" and \"-\", 256 at most."
  }
}

variable "event_source" {
  description = "Source that the module's own \"DRS Job Log\" events carry."
  type        = string
  default     = "drs.job-log"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]{1,256}$", var.event_source)) && !startswith(var.event_source, "aws.")
    error_message = "event_source must be letters, digits, \".\", \"_\", \"/\" and \"-\", 256 at most, and must not begin with \"aws.\", which EventBridge keeps for AWS: for example \"drs.job-log\"."
  }
}

variable "event_sources" {
  description = "Other sources whose \"DRS Job Log\" events are stored, besides `event_source`. Whoever may put events with one of these sources on the bus may write into the log."
  type        = list(string)
  default     = ["aws.drs"]
  nullable    = false

  validation {
    condition     = alltrue([for source in var.event_sources : can(regex("^[A-Za-z0-9._/-]{1,256}$", source))])
    error_message = "event_sources must each be letters, digits, \".\", \"_\", \"/\" and \"-\", 256 at most: for example [\"aws.drs\"]."
  }
}

variable "archive_days" {
  description = "Days for which EventBridge archives every event that the rules take, to be replayed should the table ever need it; under a key of EventBridge's own, also where you give one. Null: no archive, and none of what was archived."
  type        = number
  default     = null

  validation {
    condition     = var.archive_days == null || try(var.archive_days >= 1 && var.archive_days <= 3650 && floor(var.archive_days) == var.archive_days, false)
    error_message = "archive_days must be a whole number of days from 1 to 3650, or null for no archive."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Ingest: queues.tf, ingest.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "ingest" {
  description = <<-EOT
    How the queue is read:
    - `timeout_seconds`: of one batch of at most 10 events.
    - `batching_window_seconds`: how long to wait for a fuller batch; 0 stores events at once.
    - `maximum_concurrency`: batches in work at the same time.
    - `visibility_timeout_seconds`: null derives 6 × `timeout_seconds` + `batching_window_seconds`, the least that is safe.
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
    error_message = "ingest.timeout_seconds must be a whole number from 25 to 900: below 25, one connection that hangs would fail its whole batch."
  }
  validation {
    condition     = var.ingest.batching_window_seconds >= 0 && var.ingest.batching_window_seconds <= 300 && floor(var.ingest.batching_window_seconds) == var.ingest.batching_window_seconds
    error_message = "ingest.batching_window_seconds must be a whole number from 0 to 300."
  }
  validation {
    condition     = var.ingest.maximum_concurrency >= 2 && var.ingest.maximum_concurrency <= 1000 && floor(var.ingest.maximum_concurrency) == var.ingest.maximum_concurrency
    error_message = "ingest.maximum_concurrency must be a whole number from 2 to 1000, Lambda's limits for a queue."
  }
  validation {
    condition = var.ingest.visibility_timeout_seconds == null || try(
      var.ingest.visibility_timeout_seconds >= 6 * var.ingest.timeout_seconds + var.ingest.batching_window_seconds && var.ingest.visibility_timeout_seconds <= 43200,
      false
    )
    error_message = "ingest.visibility_timeout_seconds must be at least 6 × timeout_seconds + batching_window_seconds = ${6 * var.ingest.timeout_seconds + var.ingest.batching_window_seconds}, or a batch still in work is handed out again, and at most 43200. Leave it null to derive it."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Collector: collector.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "collector" {
  description = <<-EOT
    How the DRS job log is read:
    - `enabled`: false leaves a module that only stores what others put on the bus. It removes the collector with its logs: no pause button.
    - `poll_interval_seconds`: how often a running job's log is read. While none runs, DRS is asked once a minute.
    - `lookback_hours`: jobs that ended within so many hours are read again after an outage. Running ones always are.
    - `stalled_after_minutes`: a server of a running job without a new item for so long counts as stalled.
    - `reserved_concurrency`: how many invocations may run at the same time: one a minute by the clock, others by job starts, launch results and hand. -1 for an account whose concurrency quota leaves nothing to reserve.
    - `targets`: accounts and Regions to collect from, **instead of** this one: `region` (null: this Region), `role_arn` to assume (null: this account) and its `external_id`. `{}` in the list is this account and Region. A role must allow `drs:DescribeJobs`, `drs:DescribeJobLogItems` and `drs:DescribeSourceServers`. Jobs elsewhere are noticed within a minute; only this account and Region wake the collector at once.
  EOT
  type = object({
    enabled               = optional(bool, true)
    poll_interval_seconds = optional(number, 3)
    lookback_hours        = optional(number, 24)
    stalled_after_minutes = optional(number, 45)
    reserved_concurrency  = optional(number, 3)
    targets = optional(list(object({
      region      = optional(string)
      role_arn    = optional(string)
      external_id = optional(string)
    })), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.collector.poll_interval_seconds >= 1 && var.collector.poll_interval_seconds <= 30 && floor(var.collector.poll_interval_seconds) == var.collector.poll_interval_seconds
    error_message = "collector.poll_interval_seconds must be a whole number from 1 to 30."
  }
  validation {
    condition     = var.collector.lookback_hours >= 1 && var.collector.lookback_hours <= 24 * var.retention_days && floor(var.collector.lookback_hours) == var.collector.lookback_hours
    error_message = "collector.lookback_hours must be a whole number from 1 to 24 × retention_days = ${24 * var.retention_days}: the table keeps nothing older."
  }
  validation {
    condition     = var.collector.stalled_after_minutes >= 1 && var.collector.stalled_after_minutes <= 1440 && floor(var.collector.stalled_after_minutes) == var.collector.stalled_after_minutes
    error_message = "collector.stalled_after_minutes must be a whole number from 1 to 1440. DRS is often quiet for 16 minutes."
  }
  validation {
    condition     = var.collector.reserved_concurrency == -1 || (var.collector.reserved_concurrency >= 2 && floor(var.collector.reserved_concurrency) == var.collector.reserved_concurrency)
    error_message = "collector.reserved_concurrency must be a whole number of at least 2, or -1 to reserve none: with one, nobody could call the collector by hand while a job runs."
  }
  validation {
    condition     = alltrue([for target in var.collector.targets : target.region == null || can(regex("^[a-z]{2,}(-[a-z]+)+-[0-9]+$", target.region))])
    error_message = "collector.targets must each have a region like \"eu-west-1\", or none for this one."
  }
  validation {
    condition     = alltrue([for target in var.collector.targets : target.role_arn == null || can(regex("^arn:[a-z0-9-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", target.role_arn))])
    error_message = "collector.targets must each have as role_arn the ARN of an IAM role, arn:PARTITION:iam::ACCOUNT:role/NAME, or none for this account."
  }
  validation {
    condition     = alltrue([for target in var.collector.targets : target.external_id == null || (target.role_arn != null && can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", target.external_id)) && try(length(target.external_id) <= 1224, false))])
    error_message = "collector.targets must have an external_id only beside a role_arn: 2 to 1224 letters, digits and \"_+=,.@:/-\"."
  }
  validation {
    condition     = length(distinct([for target in var.collector.targets : "${coalesce(target.region, data.aws_region.current.id)} ${try(split(":", target.role_arn)[4], data.aws_caller_identity.current.account_id)}"])) == length(var.collector.targets)
    error_message = "collector.targets must not name an account and Region twice: its jobs would be collected twice."
  }
}

variable "execution_id_tag" {
  description = "Tag of a DRS job that holds your execution's id: give it to StartRecovery in `tags`, and every event of the job carries it."
  type        = string
  default     = "ExecutionId"
  nullable    = false

  validation {
    condition     = can(regex("^[^\\s].{0,127}$", var.execution_id_tag)) && !startswith(lower(var.execution_id_tag), "aws:")
    error_message = "execution_id_tag must be the key of a tag: 1 to 128 characters that do not begin with a space or \"aws:\"."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Executions table: executions.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "execution_history" {
  description = <<-EOT
    Your platform's DynamoDB table of executions, in this account and Region, for jobs whose tag does not say their execution. Its partition key is the execution's id; it may have a range key. Null: no such table.
    - `table_name`, and `kms_key_arn` where a customer managed key encrypts it.
    - `execution_id_attribute`, `status_attribute`, `end_time_attribute`.
    - `waves_attribute`: waves as a list of maps, a map by name or JSON text of these. `job_id_attribute`: within a wave, at any depth, the id of its DRS job. An item without waves is one.
    - `wave_count_attribute`: how many waves there will be, where your platform adds each to the waves only when it begins.
    - `job_id_index`: a global secondary index whose partition key is a job's id: with it events are linked as they are stored.
    - `allow_scan`: whether the linker may scan the whole table, at most once a minute and only while there are unlinked events. It costs as much as the table is large.
    - `update_status`: set status (COMPLETED, PARTIAL or FAILED) and end time when the last wave's job has ended, unless the status says already that it ended (COMPLETED, PARTIAL, FAILED, CANCELLED and the like). Each record must name all its waves, or their number, from the start.
    - `end_time_format`: "ISO8601" (text) or "EPOCH_SECONDS" (number).
  EOT
  type = object({
    table_name             = string
    kms_key_arn            = optional(string)
    execution_id_attribute = optional(string, "ExecutionId")
    waves_attribute        = optional(string, "Waves")
    wave_count_attribute   = optional(string, "TotalWaves")
    job_id_attribute       = optional(string, "JobId")
    status_attribute       = optional(string, "Status")
    end_time_attribute     = optional(string, "EndTime")
    end_time_format        = optional(string, "ISO8601")
    job_id_index           = optional(string)
    allow_scan             = optional(bool, false)
    update_status          = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.execution_history == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.execution_history.table_name))
    error_message = "execution_history.table_name must be the name of a table (not its ARN): 3 to 255 letters, digits, \"_\", \".\" and \"-\"."
  }
  validation {
    condition     = try(var.execution_history.job_id_index, null) == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.execution_history.job_id_index))
    error_message = "execution_history.job_id_index must be the name of a global secondary index of the table: 3 to 255 letters, digits, \"_\", \".\" and \"-\"; or null where it has none."
  }
  validation {
    condition     = try(var.execution_history.kms_key_arn, null) == null || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.execution_history.kms_key_arn))
    error_message = "execution_history.kms_key_arn must be the ARN of the key (not of an alias) that encrypts the table, arn:PARTITION:kms:REGION:ACCOUNT:key/ID; or null where AWS owns it."
  }
  validation {
    condition     = contains(["ISO8601", "EPOCH_SECONDS"], try(var.execution_history.end_time_format, "ISO8601"))
    error_message = "execution_history.end_time_format must be \"ISO8601\" or \"EPOCH_SECONDS\"."
  }
  validation {
    condition = var.execution_history == null || alltrue([
      for name, value in coalesce(var.execution_history, {}) : length(value) > 0 && length(value) <= 255 if endswith(name, "_attribute")
    ])
    error_message = "execution_history must have attribute names of 1 to 255 characters."
  }
  validation {
    condition = var.execution_history == null || length(distinct([
      for name, value in coalesce(var.execution_history, {}) : value if endswith(name, "_attribute") && name != "job_id_attribute"
    ])) == 5
    error_message = "execution_history must have different names for execution_id_, waves_, wave_count_, status_ and end_time_attribute: one attribute cannot hold two things."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Events table: storage.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "retention_days" {
  description = "Days for which an event is kept, counted from when it happened. DynamoDB deletes it within a few days after that."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 3650 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number of days from 1 to 3650."
  }
}

variable "table" {
  description = <<-EOT
    The table of events:
    - `deletion_protection`: nobody deletes the table, Terraform included, until this is false and applied.
    - `point_in_time_recovery`: continuous backups, restorable to any second of the last 35 days.
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
    - `enabled`: false leaves it out.
    - `authorization`: who may read the logs. "AWS_IAM": signed requests of principals that may `execute-api:Invoke`. "JWT": tokens of `jwt`. "NONE": **everybody on the internet**.
    - `jwt`: `issuer`, written just as its tokens have it in `iss`, which must answer `/.well-known/openid-configuration` when this is applied; `audience` (any one of them), `scopes` (any one of them; none: not asked for).
    - `viewer`: whether the API also serves the viewer, a page for people, at `/executions/{executionId}` and `/jobs/{jobId}`. The page holds no data and asks the API like anybody else. With "JWT" everybody can open the page, which then asks for a token; else it is as closed as the logs.
    - `cors_origins`: origins whose pages may call the API, such as "https://recovery.example.com".
    - `throttling_rate_limit` (requests a second) and `throttling_burst_limit` of each route.
    - `reserved_concurrency`: how many requests may be in work at the same time, kept for these and never more; -1: as many as the account has to spare. In an account whose functions share a small quota it keeps many viewers from starving the pipeline.
  EOT
  type = object({
    enabled       = optional(bool, true)
    authorization = optional(string, "AWS_IAM")
    jwt = optional(object({
      issuer   = string
      audience = list(string)
      scopes   = optional(list(string), [])
    }))
    viewer                 = optional(bool, true)
    cors_origins           = optional(list(string), [])
    throttling_rate_limit  = optional(number, 100)
    throttling_burst_limit = optional(number, 200)
    reserved_concurrency   = optional(number, -1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["AWS_IAM", "JWT", "NONE"], var.api.authorization)
    error_message = "api.authorization must be \"AWS_IAM\", \"JWT\" or \"NONE\"."
  }
  validation {
    condition     = (var.api.authorization == "JWT") == (var.api.jwt != null)
    error_message = "api.jwt belongs to api.authorization = \"JWT\": give both or neither."
  }
  validation {
    condition     = var.api.jwt == null || (can(regex("^https://[^\\s/?#]+(/[^\\s?#]*)?$", var.api.jwt.issuer)) && !can(regex("/\\.well-known/", var.api.jwt.issuer)))
    error_message = "api.jwt.issuer must be the \"iss\" of the tokens, an address that begins with \"https://\", without \"/.well-known/openid-configuration\": for example \"https://login.example.com\"."
  }
  validation {
    condition     = var.api.jwt == null || try(length(var.api.jwt.audience) > 0 && alltrue([for audience in var.api.jwt.audience : can(regex("^\\S+$", audience))]), false)
    error_message = "api.jwt.audience must have at least one audience, and none that is empty: without one, every token of the issuer would do."
  }
  validation {
    condition     = alltrue([for scope in try(var.api.jwt.scopes, null) == null ? [] : var.api.jwt.scopes : can(regex("^\\S+$", scope))])
    error_message = "api.jwt.scopes must each be one scope, without spaces: for example [\"logs.read\"]."
  }
  validation {
    condition     = alltrue([for origin in var.api.cors_origins : can(regex("^https?://[a-z0-9.-]+(:[0-9]{1,5})?$", origin))])
    error_message = "api.cors_origins must each be an origin as browsers send it: scheme, host in small letters and perhaps port, without a path or \"*\": for example \"https://recovery.example.com\"."
  }
  validation {
    condition     = alltrue([for limit in [var.api.throttling_rate_limit, var.api.throttling_burst_limit] : limit >= 1 && limit <= 10000 && floor(limit) == limit])
    error_message = "api.throttling_rate_limit and api.throttling_burst_limit must be whole numbers from 1 to 10000."
  }
  validation {
    condition     = var.api.reserved_concurrency == -1 || (var.api.reserved_concurrency >= 1 && floor(var.api.reserved_concurrency) == var.api.reserved_concurrency)
    error_message = "api.reserved_concurrency must be a whole number of at least 1, or -1 to reserve none."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Failure notifications: notifications.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "notifications" {
  description = <<-EOT
    The failure notice: a message to an SNS topic at the first failure of each server of a job, at once.
    - `enabled`: false sends none; failures are still counted, and the alarm `server-failed` tells.
    - `create_topic`: the module makes the topic `NAME-failures`: subscribe to the output `failure_topic_arn`.
    - `topic_arn`: your own topic, with `create_topic = false`; `kms_key_arn`, where a customer managed key encrypts it. Its policy must let this account publish, which a topic in this account does by itself.
    - `viewer_url`: where people open the viewer, such as your proxy or front end: a notice links to `/executions/{executionId}` there. Null: the API itself, unless it wants signed requests, which no browser makes.
  EOT
  type = object({
    enabled      = optional(bool, true)
    create_topic = optional(bool, true)
    topic_arn    = optional(string)
    kms_key_arn  = optional(string)
    viewer_url   = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.notifications.viewer_url == null || can(regex("^https?://\\S+[^/\\s]$", var.notifications.viewer_url))
    error_message = "notifications.viewer_url must be an address without \"/\" at its end, to which /executions/ID is added: for example \"https://recovery.example.com\"."
  }
  validation {
    condition     = !var.notifications.enabled || var.notifications.create_topic == (var.notifications.topic_arn == null)
    error_message = "notifications takes either create_topic = true (the default) or create_topic = false and the topic_arn of your own topic."
  }
  validation {
    condition     = var.notifications.topic_arn == null || can(regex("^arn:[a-z0-9-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.notifications.topic_arn))
    error_message = "notifications.topic_arn must be the ARN of a standard SNS topic, arn:PARTITION:sns:REGION:ACCOUNT:NAME. A FIFO topic cannot call or mail anybody."
  }
  validation {
    condition     = var.notifications.kms_key_arn == null || (var.notifications.enabled && !var.notifications.create_topic)
    error_message = "notifications.kms_key_arn is of your own topic: give it beside create_topic = false and topic_arn. The module's own topic is under kms_key_arn."
  }
  validation {
    condition     = var.notifications.topic_arn == null || try(split(":", var.notifications.topic_arn)[3] == data.aws_region.current.id, true)
    error_message = "notifications.topic_arn must be of a topic in this Region, ${data.aws_region.current.id}: SNS takes a message in the topic's own Region only."
  }
  validation {
    condition     = var.notifications.kms_key_arn == null || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.notifications.kms_key_arn))
    error_message = "notifications.kms_key_arn must be the ARN of the key (not of an alias) that encrypts your topic, arn:PARTITION:kms:REGION:ACCOUNT:key/ID; or null."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Encryption: encryption.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "create_kms_key" {
  description = "Whether the module makes a customer managed KMS key of its own, with the key policy that it needs, for tables, queues, topic and logs. It costs $1 a month. To give it up again see docs/encryption.md: what waits in the queues, backups and logs stay under it."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.create_kms_key || var.kms_key_arn == null
    error_message = "create_kms_key and kms_key_arn exclude each other: give your key, or let the module make one."
  }
}

variable "kms_key_arn" {
  description = "ARN of your own customer managed KMS key (a key's, not an alias's) for the same. docs/encryption.md has the key policy that it needs. Before you change it, let both queues run empty: what waits in them stays under the old key, which ingest may then no longer use. Null: keys that AWS owns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, arn:PARTITION:kms:REGION:ACCOUNT:key/ID. An alias will not do: EventBridge cannot use alias/aws/sqs, and policies need the key itself."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Alarms: alarms.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "alarms" {
  description = <<-EOT
    CloudWatch alarms: each costs $0.10 a month, the two composite ones $0.50, where they have actions: else they are not made.
    - `enabled`: false leaves them all out.
    - `runbooks`: where docs/runbooks is: each alarm's description and each failure notice points there. The address of your copy, if people cannot find the path in this repository at night.
    - `pipeline_actions`, `recovery_actions`: ARNs told by the composite alarms "the pipeline is unhealthy" (any other alarm but `unlinked-events`; once, until all are over) and "a recovery needs a person". How many there are must be known while planning: no `compact` or `distinct` of what the same apply makes. `alarm_actions` are those of every single alarm.
    - `queue_age_seconds`: an event waits in the ingest queue for so long, and longer than until it is tried once more.
    - `event_lag_milliseconds`: half of the events are stored later than this after they happened, for three minutes in a row; with a `poll_interval_seconds` over 3, so much later.
    - `unlinked_after_minutes`: an event has had no execution for so long. Null: 60 with `execution_history`, else no such alarm, for in an account where nobody names executions it would fire for ever.
    - `function_errors` (three at most for collector and linker, which run once a minute), `function_throttles` in five minutes; `function_duration_percent` of a function's timeout.
    - `table_throttles`, `table_errors` of DynamoDB's own, in a minute, of writes and of reads. The clients try again by themselves.
    - `api_5xx` in five minutes; `api_latency_milliseconds`: one answer in ten takes longer, for five minutes in a row.
  EOT
  type = object({
    enabled                   = optional(bool, true)
    runbooks                  = optional(string, "docs/runbooks")
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
    error_message = "alarms must have thresholds of at least 1; to leave alarms out, set alarms.enabled = false."
  }
  validation {
    condition     = var.alarms.function_duration_percent <= 100
    error_message = "alarms.function_duration_percent must be at most 100: a function that reached its timeout was cut off."
  }
  validation {
    condition     = can(regex("^\\S{1,500}$", var.alarms.runbooks)) && !endswith(var.alarms.runbooks, "/")
    error_message = "alarms.runbooks must be a path or an address without spaces and without \"/\" at its end: for example \"https://wiki.example.com/drs-job-log/runbooks\"."
  }
  validation {
    condition = alltrue([
      for arns in [var.alarms.pipeline_actions, var.alarms.recovery_actions] :
      alltrue([for arn in arns : can(regex("^arn:[a-z0-9-]+:[a-z0-9-]+:", arn))]) && length(arns) <= 5
    ])
    error_message = "alarms.pipeline_actions and alarms.recovery_actions must be ARNs, five at most each: for example [\"arn:aws:sns:eu-west-1:111122223333:on-call\"]."
  }
}

variable "alarm_actions" {
  description = "ARNs told when an alarm fires and, unless it tells of what cannot be undone, when it is over, such as SNS topics; not the module's own `failure_topic_arn`, to which CloudWatch may not publish."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_actions : can(regex("^arn:[a-z0-9-]+:[a-z0-9-]+:", arn))]) && length(var.alarm_actions) <= 5
    error_message = "alarm_actions must be ARNs, five at most: for example [\"arn:aws:sns:eu-west-1:111122223333:on-call\"]."
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Dashboard: dashboard.tf
# ---------------------------------------------------------------------------------------------------------------------

variable "dashboard" {
  description = "Whether to make a CloudWatch dashboard. An account's first three are free; others cost $3 a month."
  type        = bool
  default     = true
  nullable    = false
}
