output "table_name" {
  description = "Name of the table of events."
  value       = aws_dynamodb_table.job_log_events.name
}

output "table_arn" {
  description = "ARN of the table of events."
  value       = aws_dynamodb_table.job_log_events.arn
}

output "event_rule_arn" {
  description = "ARN of the rule on `event_bus_name` that takes the events."
  value       = aws_cloudwatch_event_rule.this["job-log"].arn
}

output "event_source" {
  description = "Source that the module's own \"DRS Job Log\" events carry: subscribe to it."
  value       = var.event_source
}

output "queue_url" {
  description = "URL of the ingest queue."
  value       = aws_sqs_queue.ingest.url
}

output "queue_arn" {
  description = "ARN of the ingest queue."
  value       = aws_sqs_queue.ingest.arn
}

output "processing_dlq_url" {
  description = "URL of the queue of events that ingest failed to store five times."
  value       = aws_sqs_queue.processing_dlq.url
}

output "processing_dlq_arn" {
  description = "ARN of the queue of events that ingest failed to store five times."
  value       = aws_sqs_queue.processing_dlq.arn
}

output "delivery_dlq_url" {
  description = "URL of the queue of events that EventBridge failed to deliver to the ingest queue."
  value       = aws_sqs_queue.delivery_dlq.url
}

output "delivery_dlq_arn" {
  description = "ARN of the queue of events that EventBridge failed to deliver to the ingest queue."
  value       = aws_sqs_queue.delivery_dlq.arn
}

output "functions" {
  description = "The Lambda functions by their task: `name`, `arn`, `role_name`, `role_arn` and `log_group_name` of each."
  value       = local.functions
}

output "api_endpoint" {
  description = "Address of the API, without a slash at its end; null where it is left out."
  value       = one(aws_apigatewayv2_api.this[*].api_endpoint)

  # Not before it answers.
  depends_on = [aws_apigatewayv2_route.this, aws_apigatewayv2_stage.this, aws_lambda_permission.api]
}

output "api_execution_arn" {
  description = "ARN of the API for policies of its callers: allow `execute-api:Invoke` on it with `/*/GET/*` behind. Null where it is left out."
  value       = one(aws_apigatewayv2_api.this[*].execution_arn)
}

output "viewer_url" {
  description = "Address of the viewer of executions, to which `/` and the execution's id are added; null where it is left out."
  value       = var.api.viewer ? one([for api in aws_apigatewayv2_api.this : "${api.api_endpoint}/executions"]) : null
}

output "alarm_arns" {
  description = "ARNs of the alarms by their names without the prefix."
  value = merge(
    { for key, alarm in aws_cloudwatch_metric_alarm.pipeline : key => alarm.arn },
    { for key, arn in module.ingest.alarm_arns : "ingest-${key}" => arn },
    { for key, arn in module.linker.alarm_arns : "linker-${key}" => arn },
    { for task, alarm in aws_cloudwatch_metric_alarm.heartbeat : "${task}-heartbeat" => alarm.arn },
    merge([for collector in module.collector : { for key, arn in collector.alarm_arns : "collector-${key}" => arn }]...),
  )
}
