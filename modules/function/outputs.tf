output "function" {
  description = "The function: `name`, `arn`, `role_name`, `role_arn` and `log_group_name`."
  value = {
    name           = aws_lambda_function.this.function_name
    arn            = aws_lambda_function.this.arn
    role_name      = aws_iam_role.this.name
    role_arn       = aws_iam_role.this.arn
    log_group_name = aws_cloudwatch_log_group.this.name
  }
}

output "role_name" {
  description = "Name of the role. Unlike `function.role_name`, it does not depend on the function."
  value       = aws_iam_role.this.name
}

output "alarms" {
  description = "Map of alarm (`errors`, `throttles`, `duration`) to `name` and `arn`."
  value       = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => { name = alarm.alarm_name, arn = alarm.arn } }
}
