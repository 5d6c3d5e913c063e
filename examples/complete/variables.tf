variable "environment" {
  description = "Name of the environment, part of every name."
  type        = string
}

variable "retention_days" {
  description = "Days for which an event is kept."
  type        = number
}

variable "deletion_protection" {
  description = "Whether nobody may delete the tables."
  type        = bool
  default     = true
}

variable "jwt" {
  description = "Whose tokens the API takes: issuer and audience."
  type = object({
    issuer   = string
    audience = list(string)
  })
}

variable "viewer_url" {
  description = "Where people open the viewer: failure notices link there."
  type        = string
}

variable "cors_origins" {
  description = "Origins whose pages may call the API."
  type        = list(string)
}
