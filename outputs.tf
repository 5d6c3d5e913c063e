output "table_name" {
  description = "Name of the events table."
  value       = aws_dynamodb_table.job_log_events.name
}

output "table_arn" {
  description = "ARN of the events table."
  value       = aws_dynamodb_table.job_log_events.arn
}

output "notices_table_name" {
  description = "Name of the notifications table. It records which notifications were sent."
  value       = aws_dynamodb_table.notices.name
}

output "event_rule_arn" {
  description = "ARN of the EventBridge rule on `event_bus_name` that sends events to the ingest queue."
  value       = aws_cloudwatch_event_rule.this["job-log"].arn
}

output "event_source" {
  description = "Source of the events that the module sends: \"DRS Job Log\", \"DRS Execution …\" and \"DRS Drill Check\". Use it in the event patterns of your own rules."
  value       = local.event_source
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
  description = "URL of the processing DLQ. It holds events that ingest failed to process five times."
  value       = aws_sqs_queue.processing_dlq.url
}

output "processing_dlq_arn" {
  description = "ARN of the processing DLQ. It holds events that ingest failed to process five times."
  value       = aws_sqs_queue.processing_dlq.arn
}

output "delivery_dlq_url" {
  description = "URL of the delivery DLQ. It holds events that EventBridge failed to deliver to the ingest queue."
  value       = aws_sqs_queue.delivery_dlq.url
}

output "delivery_dlq_arn" {
  description = "ARN of the delivery DLQ. It holds events that EventBridge failed to deliver to the ingest queue."
  value       = aws_sqs_queue.delivery_dlq.arn
}

output "functions" {
  description = <<-EOT
    Map of Lambda function (`ingest`, `collector`, `linker`, `api`, `evidence`) to `name`, `arn`, `role_name`, `role_arn` and `log_group_name`.
    Disabled functions are absent.
  EOT
  value       = local.functions
}

output "api_endpoint" {
  description = "URL of the API, without a trailing slash. Null if the API is disabled."
  value       = one(aws_apigatewayv2_api.this[*].api_endpoint)

  # The API answers only when these exist.
  depends_on = [aws_apigatewayv2_route.this, aws_apigatewayv2_stage.this, aws_lambda_permission.api]
}

output "api_id" {
  description = "ID of the API. Null if the API is disabled."
  value       = one(aws_apigatewayv2_api.this[*].id)
}

output "api_access_log_group_name" {
  description = "Name of the log group with the access log of the API. Null if the API is disabled."
  value       = one(aws_cloudwatch_log_group.api_access[*].name)
}

output "api_access_log_group_arn" {
  description = "ARN of the log group with the access log of the API. Null if the API is disabled."
  value       = one(aws_cloudwatch_log_group.api_access[*].arn)
}

output "api_execution_arn" {
  description = <<-EOT
    Execution ARN of the API. In the policies of its callers, allow `execute-api:Invoke` on this ARN followed by `/*/GET/*`. Null if the API is disabled.
  EOT
  value       = one(aws_apigatewayv2_api.this[*].execution_arn)
}

output "viewer_url" {
  description = "Base URL of the viewer. Append `/` and an execution ID. Null if the viewer is disabled."
  value       = var.api.viewer ? one([for api in aws_apigatewayv2_api.this : "${api.api_endpoint}/executions"]) : null
}

output "viewer_redirect_uri" {
  description = "Redirect URI to register at the identity provider for `api.jwt.sign_in`. Null if the viewer is disabled."
  value       = var.api.viewer ? one([for api in aws_apigatewayv2_api.this : "${api.api_endpoint}/viewer/page"]) : null
}

output "alarm_arns" {
  description = "Map of alarm name, without the prefix, to ARN. It contains `pipeline-unhealthy` and `recovery-needs-a-person` only if they have actions."
  value = merge(
    { for key, alarm in local.all_alarms : key => alarm.arn },
    { for key, alarm in aws_cloudwatch_composite_alarm.this : key => alarm.arn },
  )
}

output "failure_topic_arn" {
  description = "ARN of the SNS topic for notifications. Subscribe to it. Null if notifications are disabled."
  value       = local.create_failure_topic ? aws_sns_topic.failures[0].arn : local.failure_topic_arn
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard. Null if the dashboard is disabled."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}

output "archive_arns" {
  description = "Map of rule to the ARN of its event archive: `job-log` and, with a custom event bus, `launch-results`. Empty without `archive_days`."
  value       = { for key, archive in aws_cloudwatch_event_archive.this : key => archive.arn }
}

output "evidence" {
  description = <<-EOT
    Where the reports of executions are: `bucket` (its name), `bucket_arn`, `prefix`, and the queue of requests for reports with its DLQ: `queue_url`, `queue_arn`,
    `dlq_url` and `dlq_arn`. Null without the input `evidence`.
  EOT
  value = var.evidence == null ? null : {
    bucket     = local.creates_evidence_bucket ? aws_s3_bucket.evidence[0].bucket : local.evidence_bucket
    bucket_arn = local.evidence_bucket_arn
    prefix     = var.evidence.prefix
    queue_url  = aws_sqs_queue.evidence[0].url
    queue_arn  = aws_sqs_queue.evidence[0].arn
    dlq_url    = aws_sqs_queue.evidence_dlq[0].url
    dlq_arn    = aws_sqs_queue.evidence_dlq[0].arn
  }
}

output "kms_key_arn" {
  description = "ARN of the customer managed key, given or created. Null if there is none."
  value       = local.kms_key_arn
}

output "athena" {
  description = <<-EOT
    Athena: `database`, `workgroup`, and `named_queries`, a map of the name of each saved query to its ID. A changed query has a new ID.
    Null without `evidence.athena`.
  EOT
  value = local.athena_enabled ? {
    database      = aws_glue_catalog_database.evidence[0].name
    workgroup     = aws_athena_workgroup.evidence[0].name
    named_queries = { for name, query in aws_athena_named_query.evidence : name => query.id }
  } : null

  # Queries need the tables.
  depends_on = [aws_glue_catalog_table.evidence]
}
