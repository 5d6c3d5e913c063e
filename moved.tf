# Addresses that earlier versions of the module used. The objects stay the same, so Terraform must not replace them.
# Terraform itself moves NAME[0] to NAME, for example aws_iam_role.scheduler[0].

moved {
  from = aws_scheduler_schedule.collector[0]
  to   = aws_scheduler_schedule.this["collector"]
}

moved {
  from = aws_lambda_function_event_invoke_config.collector[0]
  to   = aws_lambda_function_event_invoke_config.scheduled["collector"]
}

moved {
  from = aws_cloudwatch_metric_alarm.collector_heartbeat[0]
  to   = aws_cloudwatch_metric_alarm.heartbeat["collector"]
}

moved {
  from = aws_cloudwatch_metric_alarm.pipeline
  to   = aws_cloudwatch_metric_alarm.this
}
