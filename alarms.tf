# Alarms. Those of a function stand beside it, in modules/function. docs/runbooks has a page for each.

locals {
  runbooks = var.alarms.runbooks

  function_alarms = {
    enabled          = var.alarms.enabled
    actions          = var.alarm_actions
    errors           = var.alarms.function_errors
    throttles        = var.alarms.function_throttles
    duration_percent = var.alarms.function_duration_percent
    runbooks         = local.runbooks
  }

  # One that runs once a minute fails five times in five minutes at the most.
  scheduled_alarms = merge(local.function_alarms, { errors = min(3, local.function_alarms.errors) })

  own_metrics = {
    namespace  = local.shared_environment.POWERTOOLS_METRICS_NAMESPACE
    dimensions = { service = local.shared_environment.POWERTOOLS_SERVICE_NAME }
  }

  # Not by one that is tried once more.
  queue_age_seconds = max(var.alarms.queue_age_seconds, local.visibility_timeout + 60) + var.ingest.batching_window_seconds
  # As wanted with the default poll interval, 3 s: what is read less often comes so much later.
  event_lag_milliseconds = var.alarms.event_lag_milliseconds + 1000 * (
    var.ingest.batching_window_seconds + (var.collector.enabled ? max(0, var.collector.poll_interval_seconds - 3) : 0)
  )
  unlinked_after_minutes = try(coalesce(var.alarms.unlinked_after_minutes, var.execution_history == null ? null : 60), null)

  rule_alarms = {
    failed-invocations = {
      metric_name = "FailedInvocations"
      description = "EventBridge failed to hand events to the queue. They wait in the delivery DLQ, unless the alarm …-events-lost fires too."
    }
    sent-to-dlq = {
      metric_name = "InvocationsSentToDlq"
      description = "EventBridge put events that it could not hand to the queue into the delivery DLQ. They are not in the table."
    }
    events-lost = {
      metric_name = "InvocationsFailedToBeSentToDlq"
      description = "EventBridge could not even put events into the delivery DLQ. They are lost."
    }
  }
  table_alarms = {
    write = { operation = "PutItem", description = "storing events" }
    read  = { operation = "Query", description = "reading events" }
  }

  # One row an alarm. Most metrics fall silent when nothing happens, which is well; but SQS may also fall silent about a
  # queue that nobody touches, and what lies in a DLQ still lies there: its alarm stays as it was.
  pipeline_alarms = merge(
    {
      processing-dlq-not-empty = {
        description        = "Events failed five times and wait in the processing DLQ: they are not in the table, or what follows from them (a failure notice, an execution's status) is not done."
        runbook            = "processing-dlq-not-empty"
        namespace          = "AWS/SQS"
        metric_name        = "ApproximateNumberOfMessagesVisible"
        dimensions         = { QueueName = local.queue_names.processing_dlq }
        statistic          = "Maximum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "ignore"
      }
      delivery-dlq-not-empty = {
        description        = "EventBridge could not deliver events to the queue: they wait in the delivery DLQ. They are not in the table."
        runbook            = "delivery-dlq-not-empty"
        namespace          = "AWS/SQS"
        metric_name        = "ApproximateNumberOfMessagesVisible"
        dimensions         = { QueueName = local.queue_names.delivery_dlq }
        statistic          = "Maximum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "ignore"
      }
      queue-age = {
        description        = "An event waits in the ingest queue for ${local.queue_age_seconds} seconds: ingest is down, throttled or failing, or this event is one that it rejects."
        runbook            = "queue-age"
        namespace          = "AWS/SQS"
        metric_name        = "ApproximateAgeOfOldestMessage"
        dimensions         = { QueueName = local.queue_names.ingest }
        statistic          = "Maximum"
        threshold          = local.queue_age_seconds
        periods            = 1
        treat_missing_data = "notBreaching"
      }
      event-lag = {
        description        = "Half of the events are stored more than ${local.event_lag_milliseconds} ms after they happened, for three minutes in a row."
        runbook            = "event-lag"
        namespace          = local.own_metrics.namespace
        metric_name        = "EventLag"
        dimensions         = local.own_metrics.dimensions
        statistic          = "p50"
        threshold          = local.event_lag_milliseconds
        periods            = 3
        treat_missing_data = "notBreaching"
      }
    },
    {
      for key, part in local.table_alarms : "table-${key}-throttles" => {
        description        = "DynamoDB throttles ${part.description}: ${var.alarms.table_throttles} or more times in a minute."
        runbook            = "table-throttles"
        namespace          = "AWS/DynamoDB"
        metric_name        = "ThrottledRequests"
        dimensions         = { TableName = local.table_name, Operation = part.operation }
        statistic          = "Sum"
        threshold          = var.alarms.table_throttles
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    {
      for key, part in local.table_alarms : "table-${key}-errors" => {
        description        = "DynamoDB fails ${part.description} by errors of its own: ${var.alarms.table_errors} or more in a minute."
        runbook            = "table-errors"
        namespace          = "AWS/DynamoDB"
        metric_name        = "SystemErrors"
        dimensions         = { TableName = local.table_name, Operation = part.operation }
        statistic          = "Sum"
        threshold          = var.alarms.table_errors
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    {
      for pair in setproduct(keys(local.rules), keys(local.rule_alarms)) : "${pair[0]}-rule-${pair[1]}" => {
        description = "Rule ${local.rule_names[pair[0]]}: ${local.rule_alarms[pair[1]].description}"
        runbook     = "rule-${pair[1]}"
        namespace   = "AWS/Events"
        metric_name = local.rule_alarms[pair[1]].metric_name
        # On the default bus the metric has the rule's name alone; a dimension too many would never fire.
        dimensions = merge(
          { RuleName = local.rule_names[pair[0]] },
          local.rules[pair[0]].event_bus_name == "default" ? {} : { EventBusName = local.rules[pair[0]].event_bus_name },
        )
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    local.unlinked_after_minutes == null ? {} : {
      unlinked-events = {
        description        = "Events have had no execution for ${local.unlinked_after_minutes} minutes: an execution does not show all of its log."
        runbook            = "unlinked-events"
        namespace          = local.own_metrics.namespace
        metric_name        = "OldestUnlinkedEventAge"
        dimensions         = local.own_metrics.dimensions
        statistic          = "Maximum"
        threshold          = local.unlinked_after_minutes * 60
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    local.own_topic ? {
      notices-undelivered = {
        description        = "SNS could not deliver a failure notice to a subscriber."
        runbook            = "notices-undelivered"
        namespace          = "AWS/SNS"
        metric_name        = "NumberOfNotificationsFailed"
        dimensions         = { TopicName = local.topic_name }
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    var.api.enabled ? {
      api-5xx = {
        description        = "The API answers with errors of its own: ${var.alarms.api_5xx} or more in five minutes."
        runbook            = "api-5xx"
        namespace          = "AWS/ApiGateway"
        metric_name        = "5xx"
        dimensions         = { ApiId = aws_apigatewayv2_api.this[0].id }
        statistic          = "Sum"
        threshold          = var.alarms.api_5xx
        periods            = 1
        period             = 300 # a viewer that is answered with errors asks ever less often
        treat_missing_data = "notBreaching"
      }
      api-latency = {
        description        = "One in ten answers of the API takes ${var.alarms.api_latency_milliseconds} ms or longer, for five minutes in a row."
        runbook            = "api-latency"
        namespace          = "AWS/ApiGateway"
        metric_name        = "Latency"
        dimensions         = { ApiId = aws_apigatewayv2_api.this[0].id }
        statistic          = "p90"
        threshold          = var.alarms.api_latency_milliseconds
        periods            = 5
        period             = 60
        treat_missing_data = "notBreaching"
      }
    } : {},
  )

  # Those that are no fault of the pipeline, but what it is there to tell.
  recovery_alarms = merge(
    {
      server-failed = {
        description        = "A server failed to recover. The failure notice says which and why; so does the viewer. This alarm is over in a minute, the failure is not."
        runbook            = "server-failed"
        namespace          = local.own_metrics.namespace
        metric_name        = "ServerFailures"
        dimensions         = local.own_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    var.collector.enabled ? {
      server-stalled = {
        description        = "A server of a running DRS job had no new log item for ${var.collector.stalled_after_minutes} minutes. This alarm is over in a minute, whatever became of the server."
        runbook            = "server-stalled"
        namespace          = local.own_metrics.namespace
        metric_name        = "ServersStalled"
        dimensions         = local.own_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
  )

  one_time_metrics = [
    "FailedInvocations", "InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq", "NumberOfNotificationsFailed",
    "ServerFailures", "ServersStalled",
  ]

  # What each scheduled function tells when it ran to its end: the collector only where all was read, the linker always.
  heartbeats = merge(
    {
      linker = {
        description = "For five minutes the linker did not run to its end: what was stored before its execution was known stays unlinked."
        metric_name = "OldestUnlinkedEventAge"
        statistic   = "SampleCount"
      }
    },
    var.collector.enabled ? {
      collector = {
        description = "For five minutes the collector could not read the whole DRS job log, be it one job or one account, or did not run, or what it put on the bus does not reach the table: items are late or missing."
        metric_name = "CollectorHeartbeat"
        statistic   = "Sum"
      }
    } : {},
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for key, alarm in merge(local.pipeline_alarms, local.recovery_alarms) : key => alarm if var.alarms.enabled }

  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = "${each.value.description} What to do: ${local.runbooks}/${each.value.runbook}.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric_name
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  period              = lookup(each.value, "period", 60)
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = each.value.treat_missing_data
  alarm_actions       = var.alarm_actions
  # What happened does not unhappen when its metric falls silent: a pager would close what is not over.
  ok_actions = contains(local.one_time_metrics, each.value.metric_name) ? [] : var.alarm_actions
  tags       = var.tags

  lifecycle {
    create_before_destroy = true # see modules/function
  }
}

# Unlike all others, these fire when they hear nothing: also when the function does not run at all.
resource "aws_cloudwatch_metric_alarm" "heartbeat" {
  for_each = var.alarms.enabled ? local.heartbeats : {}

  alarm_name          = "${local.prefix}-${each.key}-heartbeat"
  alarm_description   = "${each.value.description} What to do: ${local.runbooks}/${each.key}-heartbeat.md"
  namespace           = local.own_metrics.namespace
  metric_name         = each.value.metric_name
  dimensions          = local.own_metrics.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 5
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags

  lifecycle {
    create_before_destroy = true # see modules/function
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# All of them in two, for two pagers: who keeps the pipeline, and who leads the recovery
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # Every alarm by its name without the prefix.
  all_alarms = merge(
    { for key, alarm in aws_cloudwatch_metric_alarm.this : key => { name = alarm.alarm_name, arn = alarm.arn } },
    { for task, alarm in aws_cloudwatch_metric_alarm.heartbeat : "${task}-heartbeat" => { name = alarm.alarm_name, arn = alarm.arn } },
    { for key, alarm in module.ingest.alarms : "ingest-${key}" => alarm },
    { for key, alarm in module.linker.alarms : "linker-${key}" => alarm },
    merge([for collector in module.collector : { for key, alarm in collector.alarms : "collector-${key}" => alarm }]...),
  )

  # One without actions is not made: it would cost as much as five others.
  composite_alarms = { for key, alarm in local.possible_composite_alarms : key => alarm if var.alarms.enabled && length(alarm.actions) > 0 }
  possible_composite_alarms = {
    pipeline-unhealthy = {
      description = "The pipeline of the DRS job log is unhealthy: events are late, or wait, or are lost. Which alarm it is says what to do."
      runbook     = "pipeline-unhealthy"
      # Unlinked events are no fault of it, and one job that nobody links would keep it from telling of anything else.
      alarms  = setsubtract(keys(local.all_alarms), concat(keys(local.recovery_alarms), ["unlinked-events"]))
      actions = var.alarms.pipeline_actions
    }
    recovery-needs-a-person = {
      description = "A recovery needs a person: a server failed, or stands still."
      runbook     = "recovery-needs-a-person"
      alarms      = keys(local.recovery_alarms)
      actions     = var.alarms.recovery_actions
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "this" {
  for_each = local.composite_alarms

  alarm_name        = "${local.prefix}-${each.key}"
  alarm_description = "${each.value.description} What to do: ${local.runbooks}/${each.value.runbook}.md"
  alarm_rule        = join(" OR ", [for key in sort(each.value.alarms) : "ALARM(\"${local.all_alarms[key].name}\")"])
  alarm_actions     = each.value.actions
  ok_actions        = each.key == "pipeline-unhealthy" ? each.value.actions : []
  tags              = var.tags
}
