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
  description = "ARNs of the alarms by their names without the prefix; `pipeline-unhealthy` and `recovery-needs-a-person` only where they have actions."
  value = merge(
    { for key, alarm in local.all_alarms : key => alarm.arn },
    { for key, alarm in aws_cloudwatch_composite_alarm.this : key => alarm.arn },
  )
}

output "failure_topic_arn" {
  description = "ARN of the topic that failure notices go to: subscribe to it. Null where none are sent."
  value       = local.own_topic ? aws_sns_topic.failures[0].arn : local.failure_topic_arn
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard; null where it is left out."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}

output "archive_arns" {
  description = "ARNs of the archives of events by the rule whose events they keep: `job-log` and, beside a custom bus, `launch-results`. Empty without `archive_days`."
  value       = { for key, archive in aws_cloudwatch_event_archive.this : key => archive.arn }
}

output "kms_key_arn" {
  description = "ARN of the customer managed key, yours or the one that was made; null where there is none."
  value       = local.kms_key_arn
}
