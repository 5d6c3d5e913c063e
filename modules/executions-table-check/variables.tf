variable "execution_history" {
  description = "The table, and the settings that must match its keys. See `execution_history` of the root module."
  type = object({
    table_name             = string
    execution_id_attribute = string
    key_attributes         = optional(list(string))
    job_id_index           = optional(string)
  })
}
