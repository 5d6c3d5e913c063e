output "topic_arn" {
  description = "ARN of the topic of the notices."
  value       = module.drs_job_log.failure_topic_arn
}

output "slack_configuration_arn" {
  description = "ARN of the Slack channel configuration."
  value       = aws_chatbot_slack_channel_configuration.this.chat_configuration_arn
}

output "teams_configuration_arn" {
  description = "ARN of the Teams channel configuration. Null without the input teams."
  value       = one(aws_chatbot_teams_channel_configuration.this[*].chat_configuration_arn)
}
