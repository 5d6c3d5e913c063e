variable "name" {
  description = "Name of the function. The role's is this and the Region: 64 characters together."
  type        = string
}

variable "description" {
  description = "What the function does."
  type        = string
}

variable "handler" {
  description = "Python path of the handler."
  type        = string
}

variable "timeout" {
  description = "Seconds after which an invocation is ended."
  type        = number
}

variable "reserved_concurrency" {
  description = "How many invocations may run at the same time; -1: as many as the account allows."
  type        = number
  default     = -1
}

variable "environment" {
  description = "Environment variables of this function."
  type        = map(string)
}

variable "policy_document" {
  description = "IAM policy document (JSON) of what the function may do, besides writing logs and traces."
  type        = string
}

variable "defaults" {
  description = "What all functions of the package share; see `functions` and `package` of the root module."
  type = object({
    package = object({
      filename          = optional(string)
      s3_bucket         = optional(string)
      s3_key            = optional(string)
      s3_object_version = optional(string)
      source_code_hash  = optional(string)
    })
    runtime                = string
    architecture           = string
    memory_size            = number
    layers                 = list(string)
    log_retention_in_days  = number
    log_level              = string
    tracing                = bool
    permissions_boundary   = optional(string)
    role_path              = string
    additional_environment = map(string)
    kms_key_arn            = optional(string)
  })
}

variable "alarms" {
  description = "Whether to make alarms, the ARNs they tell, their thresholds, and where the runbooks are that they point to; see `alarms` of the root module."
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
  description = "Tags of every resource."
  type        = map(string)
}
