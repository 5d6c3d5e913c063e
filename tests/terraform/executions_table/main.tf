# The comparison of the executions table with the settings. Used by test_executions_table.py.

provider "aws" {}

variable "settings" {
  description = "The settings to compare, see `execution_history` of the module."
  type        = any
}

module "check" {
  source = "../../../modules/executions-table-check"

  execution_history = var.settings
}
