variable "name" {
  description = "Name of the function. The role name is this name, a hyphen and the Region, at most 64 characters."
  type        = string
}

variable "description" {
  description = "Description of the function."
  type        = string
}

variable "handler" {
  description = "Handler, as MODULE.FUNCTION."
  type        = string
}

variable "timeout" {
  description = "Timeout of an invocation, in seconds."
  type        = number
}

variable "memory_size" {
  description = "Memory, in MB."
  type        = number
}

variable "reserved_concurrency" {
  description = "Reserved concurrency. -1 reserves none."
  type        = number
  default     = -1
}

variable "has_throttles_alarm" {
  description = "Create the alarm for throttled invocations. False for a function that is sometimes throttled without harm."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Environment variables of this function."
  type        = map(string)
}

variable "policy_document" {
  description = "IAM policy document (JSON) of the function. The module adds the permissions to write logs and traces."
  type        = string
}

variable "defaults" {
  description = "Settings that all functions share: account, partition and Region of the provider, and `functions` and `package` of the root module."
  type = object({
    account_id = string
    partition  = string
    region     = string
    package = object({
      filename          = optional(string)
      s3_bucket         = optional(string)
      s3_key            = optional(string)
      s3_object_version = optional(string)
      source_code_hash  = optional(string)
    })
    runtime                 = string
    architecture            = string
    layers                  = list(string)
    log_retention_in_days   = number
    log_skip_destroy        = bool
    log_level               = string
    tracing                 = bool
    permissions_boundary    = optional(string)
    role_path               = string
    additional_environment  = map(string)
    kms_key_arn             = optional(string)
    code_signing_config_arn = optional(string)
    vpc = optional(object({
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
  })
}

variable "alarms" {
  description = <<-EOT
    Alarms of the function: whether to create them, their actions and thresholds, and the base path of the runbooks. See `alarms` of the root module.
  EOT
  type = object({
    enabled          = bool
    actions          = list(string)
    errors           = number
    throttles        = number
    duration_percent = number
    runbooks         = string
  })
}

variable "tags" {
  description = "Tags for all resources."
  type        = map(string)
}
