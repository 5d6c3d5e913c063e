# Alarms of the pipeline. Those of a function stand beside it, in modules/function.

locals {
  rule_alarms = {
    failed-invocations = {
      metric_name = "FailedInvocations"
      description = "EventBridge failed to hand events to the queue: look into the delivery DLQ."
    }
    events-lost = {
      metric_name = "InvocationsFailedToBeSentToDlq"
      description = "EventBridge could not even put events into the delivery DLQ. They are lost: mend the queue policy or the key, or, where an event is over 256 KB, make it smaller, and have the sender repeat them."
    }
  }

  # One row an alarm: all of them fire on a sum or maximum within one period. Most metrics fall silent when nothing
  # happens, which is well; but SQS may also fall silent about a queue that nobody touches, and what lies in a DLQ still
  # lies there: its alarm stays as it was.
  pipeline_alarms = merge(
    {
      processing-dlq-not-empty = {
        description        = "Events failed five times and wait in the processing DLQ. They are not in the table."
        namespace          = "AWS/SQS"
        metric_name        = "ApproximateNumberOfMessagesVisible"
        dimensions         = { QueueName = local.queue_names.processing_dlq }
        statistic          = "Maximum"
        threshold          = 1
        treat_missing_data = "ignore"
      }
      delivery-dlq-not-empty = {
        description        = "EventBridge could not deliver events to the queue: they wait in the delivery DLQ. They are not in the table."
        namespace          = "AWS/SQS"
        metric_name        = "ApproximateNumberOfMessagesVisible"
        dimensions         = { QueueName = local.queue_names.delivery_dlq }
        statistic          = "Maximum"
        threshold          = 1
        treat_missing_data = "ignore"
      }
      queue-age = {
        description        = "An event waits in the ingest queue for five minutes: ingest is down, throttled or failing, or this event is one that it rejects."
        namespace          = "AWS/SQS"
        metric_name        = "ApproximateAgeOfOldestMessage"
        dimensions         = { QueueName = local.queue_names.ingest }
        statistic          = "Maximum"
        threshold          = 300 + var.ingest.batching_window_seconds
        treat_missing_data = "notBreaching"
      }
      table-throttles = {
        description        = "DynamoDB throttled writes of events. They are tried again; if it lasts, they end in the processing DLQ."
        namespace          = "AWS/DynamoDB"
        metric_name        = "ThrottledRequests"
        dimensions         = { TableName = local.table_name, Operation = "PutItem" }
        statistic          = "Sum"
        threshold          = 1
        treat_missing_data = "notBreaching"
      }
    },
    var.collector.enabled ? {
      server-stalled = {
        description        = "A server of a running DRS job had no new log item for ${var.collector.stalled_after_minutes} minutes. The collector's log (\"Servers stand still\") says which."
        namespace          = local.shared_environment.POWERTOOLS_METRICS_NAMESPACE
        metric_name        = "ServersStalled"
        dimensions         = { service = local.shared_environment.POWERTOOLS_SERVICE_NAME }
        statistic          = "Sum"
        threshold          = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    var.api.enabled ? {
      api-5xx = {
        description        = "The API answered five requests of a minute with an error of its own: its function failed, was throttled or took too long, or may not be invoked. Look into the function's log and, by \"integrationError\", into the API's access log."
        namespace          = "AWS/ApiGateway"
        metric_name        = "5xx"
        dimensions         = { ApiId = aws_apigatewayv2_api.this[0].id }
        statistic          = "Sum"
        threshold          = 5
        treat_missing_data = "notBreaching"
      }
    } : {},
    {
      for pair in setproduct(keys(local.rules), keys(local.rule_alarms)) : "${pair[0]}-rule-${pair[1]}" => {
        description = "Rule ${local.rule_names[pair[0]]}: ${local.rule_alarms[pair[1]].description}"
        namespace   = "AWS/Events"
        metric_name = local.rule_alarms[pair[1]].metric_name
        # On the default bus the metric has the rule's name alone; a dimension too many would never fire.
        dimensions = merge(
          { RuleName = local.rule_names[pair[0]] },
          local.rules[pair[0]].event_bus_name == "default" ? {} : { EventBusName = local.rules[pair[0]].event_bus_name },
        )
        statistic          = "Sum"
        threshold          = 1
        treat_missing_data = "notBreaching"
      }
    },
  )
}

locals {
  # What each scheduled function tells in every invocation that gets through.
  heartbeats = merge(
    {
      linker = {
        description = "For five minutes the linker did not run to its end: what was stored before its execution was known stays unlinked. Its log says what failed."
        metric_name = "OldestUnlinkedEventAge"
        statistic   = "SampleCount"
      }
    },
    var.collector.enabled ? {
      collector = {
        description = "For five minutes the collector could not read the whole DRS job log, or did not run: items of running jobs are late or missing. Its log says what failed."
        metric_name = "CollectorHeartbeat"
        statistic   = "Sum"
      }
    } : {},
  )
}

# Unlike all others, these fire when they hear nothing: also when the function does not run at all.
resource "aws_cloudwatch_metric_alarm" "heartbeat" {
  for_each = var.alarms.enabled ? local.heartbeats : {}

  depends_on = [aws_scheduler_schedule.this] # before its first minute there is nothing to hear

  alarm_name          = "${local.prefix}-${each.key}-heartbeat"
  alarm_description   = each.value.description
  namespace           = local.shared_environment.POWERTOOLS_METRICS_NAMESPACE
  metric_name         = each.value.metric_name
  dimensions          = { service = local.shared_environment.POWERTOOLS_SERVICE_NAME }
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 5
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "pipeline" {
  for_each = var.alarms.enabled ? local.pipeline_alarms : {}

  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric_name
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = each.value.treat_missing_data
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}
