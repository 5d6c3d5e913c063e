output "api_endpoint" {
  description = "Address of the API."
  value       = module.drs_job_log.api_endpoint
}

output "on_call_topic_arn" {
  description = "ARN of the topic that tells of an unhealthy pipeline: subscribe the platform's pager."
  value       = aws_sns_topic.on_call.arn
}

output "recovery_topic_arn" {
  description = "ARN of the topic that tells of failed and stalled servers: subscribe the pager of who leads a recovery."
  value       = aws_sns_topic.recovery.arn
}
