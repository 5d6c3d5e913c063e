output "api_endpoint" {
  description = "URL of the API."
  value       = module.drs_job_log.api_endpoint
}

output "on_call_topic_arn" {
  description = "ARN of the topic for an unhealthy pipeline. Subscribe the pager of the pipeline's operators."
  value       = aws_sns_topic.on_call.arn
}

output "recovery_topic_arn" {
  description = "ARN of the topic for failed and stalled servers. Subscribe the pager of the recovery leader."
  value       = aws_sns_topic.recovery.arn
}
