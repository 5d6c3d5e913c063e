variable "name" {
  description = "Name of the role. Use the same name in all member accounts."
  type        = string
  default     = "drs-job-log-reader"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.name))
    error_message = "name must be the name of an IAM role: 1 to 64 letters, digits and characters of \"_+=,.@-\". Example: \"drs-job-log-reader\"."
  }
}

variable "path" {
  description = "IAM path of the role."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.path))
    error_message = "path must begin and end with \"/\". Example: \"/platform/\"."
  }
}

variable "permissions_boundary" {
  description = "ARN of the IAM policy that is the permissions boundary of the role. Null: no boundary."
  type        = string
  default     = null
}

variable "collector_role_arn" {
  description = <<-EOT
    ARN of the role of the collector in the central account: `functions.collector.role_arn` in the outputs of the root module.
    The role does not have to exist yet. Its name is `NAME-collector-REGION`.
  EOT
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z0-9-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", var.collector_role_arn))
    error_message = "collector_role_arn must be the ARN of an IAM role, arn:PARTITION:iam::ACCOUNT:role/NAME, without wildcards."
  }
}

variable "external_id" {
  description = "External ID that the collector must send: `external_id` of the target. It is not a secret."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", var.external_id)) && length(var.external_id) <= 1224
    error_message = "external_id must have 2 to 1224 letters, digits and characters of \"_+=,.@:/-\". Example: \"drs-job-log\"."
  }
}

variable "tags" {
  description = "Tags for the role."
  type        = map(string)
  default     = {}
  nullable    = false
}
