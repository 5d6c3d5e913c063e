variable "environment" {
  description = "Name of the environment. It is part of all resource names."
  type        = string
}

variable "retention_days" {
  description = "Number of days to keep an event and its archived copy."
  type        = number
}

variable "deletion_protection" {
  description = "Prevent the deletion of the tables."
  type        = bool
  default     = true
}

variable "jwt" {
  description = "Issuer and audience of the tokens that the API accepts."
  type = object({
    issuer   = string
    audience = list(string)
  })
}

variable "viewer_url" {
  description = "Base URL of the viewer. Failure notifications link to it."
  type        = string
}

variable "cors_origins" {
  description = "Origins of web pages that may call the API."
  type        = list(string)
}
