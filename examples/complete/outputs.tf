output "api_endpoint" {
  description = "Address of the API."
  value       = module.drs_job_log.api_endpoint
}

output "on_call_topic_arn" {
  description = "ARN of the topic that alarms go to: subscribe your pager."
  value       = aws_sns_topic.on_call.arn
}
