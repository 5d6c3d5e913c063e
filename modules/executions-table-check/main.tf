# Compares the keys of the executions table with the input execution_history. Every result is a warning: the apply never
# fails. A module of its own, because a data source in a check block cannot have `count`.

check "executions_table" {
  # If Terraform cannot read the table, for example without permission, this is a warning too.
  data "aws_dynamodb_table" "this" {
    name = var.execution_history.table_name
  }

  assert {
    condition = data.aws_dynamodb_table.this.hash_key == var.execution_history.execution_id_attribute
    error_message = join(" ", [
      "execution_history.execution_id_attribute is ${var.execution_history.execution_id_attribute},",
      "but the partition key of the table ${var.execution_history.table_name} is ${data.aws_dynamodb_table.this.hash_key}.",
      "If ${data.aws_dynamodb_table.this.hash_key} contains the execution ID, set execution_id_attribute to it.",
      "Otherwise, the module does not support the table: tag the jobs, and remove execution_history.",
    ])
  }
  assert {
    condition = alltrue([
      for attribute in data.aws_dynamodb_table.this.attribute : attribute.type == "S" if attribute.name == data.aws_dynamodb_table.this.hash_key
    ])
    error_message = join(" ", [
      "The partition key of the table ${var.execution_history.table_name} must be a string (type S), because execution IDs are strings.",
      "The module does not support the table: tag the jobs, and remove execution_history.",
    ])
  }
  assert {
    condition = var.execution_history.key_attributes == null || try(
      toset(var.execution_history.key_attributes) == toset(compact([data.aws_dynamodb_table.this.hash_key, data.aws_dynamodb_table.this.range_key])),
      false
    )
    error_message = join(" ", [
      "execution_history.key_attributes must contain exactly the keys of the table ${var.execution_history.table_name}.",
      "Otherwise, IAM denies every update of an execution. Set key_attributes to",
      "${jsonencode(compact([data.aws_dynamodb_table.this.hash_key, data.aws_dynamodb_table.this.range_key]))}.",
    ])
  }
  assert {
    condition = var.execution_history.job_id_index == null || contains(
      data.aws_dynamodb_table.this.global_secondary_index[*].name, coalesce(var.execution_history.job_id_index, "none")
    )
    error_message = join(" ", [
      "execution_history.job_id_index is ${coalesce(var.execution_history.job_id_index, "null")},",
      "but the table ${var.execution_history.table_name} has no such global secondary index. Create the index, or remove job_id_index.",
    ])
  }
}
