# Outputs for the demo and the end-to-end tests.

output "table_name" {
  description = "Name of the events table."
  value       = module.drs_job_log.table_name
}

output "event_source" {
  description = "Source of the \"DRS Job Log\" events that the module sends."
  value       = module.drs_job_log.event_source
}

output "queue_url" {
  description = "URL of the ingest queue."
  value       = module.drs_job_log.queue_url
}

output "processing_dlq_url" {
  description = "URL of the processing DLQ."
  value       = module.drs_job_log.processing_dlq_url
}

output "collector_function_name" {
  description = "Name of the collector function."
  value       = module.drs_job_log.functions.collector.name
}

output "collector_role_name" {
  description = "Name of the role of the collector function."
  value       = module.drs_job_log.functions.collector.role_name
}

output "ingest_function_name" {
  description = "Name of the ingest function."
  value       = module.drs_job_log.functions.ingest.name
}

output "ingest_role_name" {
  description = "Name of the role of the ingest function."
  value       = module.drs_job_log.functions.ingest.role_name
}

output "linker_function_name" {
  description = "Name of the linker function."
  value       = module.drs_job_log.functions.linker.name
}

output "linker_role_name" {
  description = "Name of the role of the linker function."
  value       = module.drs_job_log.functions.linker.role_name
}

output "execution_history_table_name" {
  description = "Name of the executions table."
  value       = aws_dynamodb_table.executions.name
}

output "api_endpoint" {
  description = "URL of the API."
  value       = module.drs_job_log.api_endpoint
}

output "api_execution_arn" {
  description = "Execution ARN of the API, for the policies of its callers."
  value       = module.drs_job_log.api_execution_arn
}

output "delivery_dlq_url" {
  description = "URL of the delivery DLQ."
  value       = module.drs_job_log.delivery_dlq_url
}

output "failure_topic_arn" {
  description = "ARN of the SNS topic for failure notifications."
  value       = module.drs_job_log.failure_topic_arn
}

output "evidence" {
  description = "Bucket and queue of the reports of executions. Null without the input evidence."
  value       = module.drs_job_log.evidence
}

output "evidence_function_name" {
  description = "Name of the function that writes the reports. Null without the input evidence."
  value       = try(module.drs_job_log.functions.evidence.name, null)
}
