variable "name" {
  description = "A text with a | and with `code | of two parts`."
  type        = string
}

variable "settings" {
  description = <<-EOT
    Lines:
    - `first_one` (string, default "a"): "a" | "b".
    - `second` (object): nested.

    A last paragraph with *stars* and snake_case.
  EOT
  type = object({
    first_one = optional(string, "a")
    second = optional(object({
      list = optional(list(string), [])
    }), {})
  })
  default = {}
}

variable "tags" {
  description = "A map."
  type        = map(string)
  default     = { team = "a|b" }
}

variable "empty" {
  description = "Null by default."
  type        = list(string)
  default     = null
}

variable "numbers" {
  description = "A list."
  type        = list(number)
  default     = [1, 2.5]
}
