variable "slack_workspace_id" {
  description = "ID of the Slack workspace. Authorize the workspace in the console of Amazon Q Developer in chat applications and copy the ID from there."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Z]{1,255}$", var.slack_workspace_id))
    error_message = "slack_workspace_id must have capital letters and digits only. Example: \"T07EA123LEP\"."
  }
}

variable "slack_channel_id" {
  description = "ID of the Slack channel: the last part of the link of the channel."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9]{1,255}$", var.slack_channel_id))
    error_message = "slack_channel_id must have letters and digits only. Example: \"C07EZ1ABC23\"."
  }
}

variable "configuration_name" {
  description = "Name of the channel configuration, the IAM role and the policy."
  type        = string
  default     = "drs-job-log"

  # 58 characters: the IAM role has 5 more, and at most 64.
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,58}$", var.configuration_name))
    error_message = "configuration_name must have 1 to 58 letters, digits, hyphens and underscores."
  }
}

variable "teams" {
  description = "The Microsoft Teams channel: IDs of the tenant, the team and the channel. Null: no Teams channel."
  type = object({
    tenant_id  = string
    team_id    = string
    channel_id = string
  })
  default = null

  validation {
    condition = var.teams == null ? true : alltrue([
      for id in [var.teams.tenant_id, var.teams.team_id] : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", lower(id)))
    ])
    error_message = "teams.tenant_id and teams.team_id must be UUIDs. Example: \"74361522-da01-538d-aa2e-ac7918c6bb92\"."
  }
  # https://docs.aws.amazon.com/chatbot/latest/APIReference/API_TeamsChannelConfiguration.html
  validation {
    condition     = var.teams == null ? true : can(regex("(?i)^[a-z0-9-_=+/.,]*%3a[a-z0-9-_=+/.,]*%40[a-z0-9-_=+/.,]*$", var.teams.channel_id))
    error_message = "teams.channel_id must be the encoded ID in the link of the channel. Example: \"19%3aab6ef35dc342d56ba5654e6fc6d25a071%40thread.tacv2\"."
  }
}
