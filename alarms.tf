# CloudWatch alarms. modules/function has the alarms of the functions, docs/runbooks a page per alarm.

locals {
  runbooks = var.alarms.runbooks
  # A validation ensures that one of the two is empty.
  alarm_actions = concat(var.alarms.actions, var.alarm_actions)

  function_alarms = {
    enabled          = var.alarms.enabled
    actions          = local.alarm_actions
    errors           = var.alarms.function_errors
    throttles        = var.alarms.function_throttles
    duration_percent = var.alarms.function_duration_percent
    runbooks         = local.runbooks
  }

  # A function that runs once a minute can fail at most five times in five minutes.
  scheduled_alarms = merge(local.function_alarms, { errors = min(3, local.function_alarms.errors) })
  # One message fails every 12 minutes, and the daily run once a day.
  evidence_alarms = merge(local.function_alarms, { errors = 1 })

  module_metrics = {
    namespace  = local.shared_environment.POWERTOOLS_METRICS_NAMESPACE
    dimensions = { service = local.shared_environment.POWERTOOLS_SERVICE_NAME }
  }

  # Longer than the visibility timeout, so that one retry does not raise the alarm.
  queue_age_seconds = max(var.alarms.queue_age_seconds, local.visibility_timeout + 60) + var.ingest.batching_window_seconds
  # The threshold is for the default poll interval of 3 s. A longer interval delays events by the difference.
  event_lag_milliseconds = var.alarms.event_lag_milliseconds + 1000 * (
    var.ingest.batching_window_seconds + (var.collector.enabled ? max(0, var.collector.poll_interval_seconds - 3) : 0)
  )
  unlinked_after_minutes = try(coalesce(var.alarms.unlinked_after_minutes, var.execution_history == null ? null : 60), null)

  rule_alarms = {
    failed-invocations = {
      metric_name = "FailedInvocations"
      description = "EventBridge failed to send events to the queue. They are in the delivery DLQ, unless the alarm …-events-lost is also in ALARM state."
    }
    events-lost = {
      metric_name = "InvocationsFailedToBeSentToDlq"
      description = "EventBridge failed to send events to the queue and to the delivery DLQ. They are lost."
    }
  }
  # Throttling depends on the operation and its index, so these alarms add all operations that the functions often use.
  # Internal errors of DynamoDB affect all operations, so one operation is sufficient. An alarm costs $0.10 a month for each
  # of its metrics: without this restriction, the alarms of all operations would cost $1.60.
  table_alarms = {
    table-write-throttles   = { table = local.events_table_name, operations = ["PutItem", "UpdateItem"], kind = "throttles" }
    table-read-throttles    = { table = local.events_table_name, operations = ["Query", "Scan"], kind = "throttles" }
    table-write-errors      = { table = local.events_table_name, operations = ["PutItem"], kind = "errors" }
    table-read-errors       = { table = local.events_table_name, operations = ["Query"], kind = "errors" }
    notices-table-throttles = { table = local.notifications_table_name, operations = ["PutItem"], kind = "throttles" }
  }
  table_alarm_kinds = {
    throttles = { metric_name = "ThrottledRequests", threshold = var.alarms.table_throttles, description = "throttled" }
    errors    = { metric_name = "SystemErrors", threshold = var.alarms.table_errors, description = "had internal errors for" }
  }

  # Most metrics have no data while nothing happens, which is healthy. But SQS also stops sending metrics of an inactive
  # queue that still has messages, so the alarms of the DLQs keep their state.
  pipeline_alarms = merge(
    {
      processing-dlq-not-empty = {
        description = join(" ", [
          "Ingest failed five times to process events, which are now in the processing DLQ.",
          "They are not in the events table, or a follow-up action (failure notification, execution status) is missing.",
        ])
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
        description        = "EventBridge failed to send events to the queue. They are in the delivery DLQ and not in the events table."
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
        description = join(" ", [
          "An event has been in the ingest queue for ${local.queue_age_seconds} seconds.",
          "Ingest is down, throttled or failing, or it rejects this event.",
        ])
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
        description = "In three of ten minutes, half of the events were stored ${local.event_lag_milliseconds} ms or more after they happened."
        runbook     = "event-lag"
        namespace   = local.module_metrics.namespace
        metric_name = "EventLag"
        dimensions  = local.module_metrics.dimensions
        statistic   = "p50"
        threshold   = local.event_lag_milliseconds
        # Not consecutive: a small job has events in few minutes. Not two: a new job is found up to a minute late, which is normal.
        datapoints         = 3
        periods            = 10
        treat_missing_data = "notBreaching"
      }
    },
    {
      for key, alarm in local.table_alarms : key => {
        description = join(" ", [
          "In a minute, DynamoDB ${local.table_alarm_kinds[alarm.kind].description}",
          "${local.table_alarm_kinds[alarm.kind].threshold} or more ${join(" and ", alarm.operations)} requests for ${alarm.table}.",
        ])
        runbook = "table-${alarm.kind}"
        # DynamoDB sends these metrics only if there are throttled requests or errors. FILL sets the other minutes to 0,
        # because an alarm of a DynamoDB metric keeps its state while data is missing. FILL also sets the last minutes to 0
        # until their data arrives, so the alarm evaluates five minutes.
        expression = join(" + ", [for operation in alarm.operations : "FILL(${lower(operation)}, 0)"])
        metrics = {
          for operation in alarm.operations : lower(operation) => {
            namespace   = "AWS/DynamoDB"
            metric_name = local.table_alarm_kinds[alarm.kind].metric_name
            dimensions  = { TableName = alarm.table, Operation = operation }
            statistic   = "Sum"
          }
        }
        threshold          = local.table_alarm_kinds[alarm.kind].threshold
        datapoints         = 1
        periods            = 5
        treat_missing_data = "notBreaching"
      }
    },
    {
      for pair in setproduct(keys(local.rules), keys(local.rule_alarms)) : "${pair[0]}-rule-${pair[1]}" => {
        description = "Rule ${local.rule_names[pair[0]]}: ${local.rule_alarms[pair[1]].description}"
        runbook     = "rule-${pair[1]}"
        namespace   = "AWS/Events"
        metric_name = local.rule_alarms[pair[1]].metric_name
        # On the default bus the metric has only the dimension RuleName. With more dimensions the alarm never fires.
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
    var.collector.enabled ? {
      collector-rule-failed-invocations = {
        description = join(" ", [
          "EventBridge failed to invoke the collector when a DRS job started.",
          "The collector finds a new job up to a minute late.",
        ])
        runbook            = "collector-rule-failed-invocations"
        namespace          = "AWS/Events"
        metric_name        = "FailedInvocations"
        dimensions         = { RuleName = local.wake_rule_name } # on the default bus, as above
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    local.unlinked_after_minutes == null ? {} : {
      unlinked-events = {
        description        = "Events have been without an execution for ${local.unlinked_after_minutes} minutes. The log of an execution is incomplete."
        runbook            = "unlinked-events"
        namespace          = local.module_metrics.namespace
        metric_name        = "OldestUnlinkedEventAge"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Maximum"
        threshold          = local.unlinked_after_minutes * 60
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    var.execution_history == null ? {} : {
      executions-table-rejected = {
        description = join(" ", [
          "The module cannot use the executions table, because it does not match the input execution_history.",
          "The module does not read or set the status of executions, or does not find the executions of jobs.",
        ])
        runbook            = "executions-table-rejected"
        namespace          = local.module_metrics.namespace
        metric_name        = "ExecutionsTableRejected"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    local.executions_table_is_updated ? {
      executions-missing = {
        description = join(" ", [
          "A job ended, and the executions table does not contain the job in the record of its execution.",
          "The module did not set the status of this execution.",
        ])
        runbook            = "executions-missing"
        namespace          = local.module_metrics.namespace
        metric_name        = "ExecutionsMissing"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    var.evidence == null ? {} : {
      evidence-missing = {
        description        = "The report of an execution cannot be written to the bucket ${local.evidence_bucket}. The module tries again every 12 minutes and once a day."
        runbook            = "evidence-missing"
        namespace          = local.module_metrics.namespace
        metric_name        = "EvidenceFailures"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        period             = 900 # longer than the time between two attempts
        treat_missing_data = "notBreaching"
      }
    },
    var.evidence == null ? {} : {
      evidence-dlq-not-empty = {
        description        = "The report of an execution could not be written for a day. The request for it is in the evidence DLQ."
        runbook            = "evidence-missing"
        namespace          = "AWS/SQS"
        metric_name        = "ApproximateNumberOfMessagesVisible"
        dimensions         = { QueueName = local.queue_names.evidence_dlq }
        statistic          = "Maximum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "ignore"
      }
    },
    local.create_failure_topic ? {
      notices-undelivered = {
        description        = "SNS failed to deliver a failure notification to a subscriber."
        runbook            = "notices-undelivered"
        namespace          = "AWS/SNS"
        metric_name        = "NumberOfNotificationsFailed"
        dimensions         = { TopicName = local.failure_topic_name }
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    var.api.enabled ? {
      api-5xx = {
        description        = "The API returned ${var.alarms.api_5xx} or more 5xx errors in five minutes."
        runbook            = "api-5xx"
        namespace          = "AWS/ApiGateway"
        metric_name        = "5xx"
        dimensions         = { ApiId = aws_apigatewayv2_api.this[0].id }
        statistic          = "Sum"
        threshold          = var.alarms.api_5xx
        periods            = 1
        period             = 300 # after errors, the viewer retries at increasing intervals
        treat_missing_data = "notBreaching"
      }
      api-latency = {
        description        = "For five consecutive minutes, at least 10 % of the API requests took ${var.alarms.api_latency_milliseconds} ms or longer."
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

  # These alarms report problems of a recovery or of the readiness for it, not of the pipeline.
  recovery_alarms = merge(
    {
      server-failed = {
        description = join(" ", [
          "A server or a network failed to recover. The failure notification and the viewer show it and the reason.",
          "This alarm returns to OK after a minute, although the server or network still needs attention.",
        ])
        runbook            = "server-failed"
        namespace          = local.module_metrics.namespace
        metric_name        = "ServerFailures"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    },
    var.collector.enabled ? {
      server-stalled = {
        description = join(" ", [
          "A server or a network of a running DRS job had no new log item for ${var.collector.stalled_after_minutes} minutes.",
          "This alarm returns to OK after a minute, even if it is still stalled.",
        ])
        runbook            = "server-stalled"
        namespace          = local.module_metrics.namespace
        metric_name        = "ServersStalled"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    local.reads_plans ? {
      plan-step-failed = {
        description = join(" ", [
          "A step of a recovery plan failed or timed out, or a plan failed before its first step. After a failed step, the plan waits for a person.",
          "This alarm returns to OK after a minute, although the plan still waits.",
        ])
        runbook            = "plan-step-failed"
        namespace          = local.module_metrics.namespace
        metric_name        = "PlanFailures"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    var.readiness.replication_stalled ? {
      replication-stalled = {
        description = join(" ", [
          "The data replication of a server stalled: a recovery of the server uses older data. The notice names the server.",
          "This alarm returns to OK after a minute, even if the replication is still stalled.",
        ])
        runbook            = "replication-stalled"
        namespace          = local.module_metrics.namespace
        metric_name        = "ReplicationStalls"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Sum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
    var.collector.enabled && var.objectives.rto_minutes != null ? {
      rto-exceeded = {
        description = join(" ", [
          "An execution runs longer than its recovery time objective: objectives.rto_minutes = ${var.objectives.rto_minutes}, or the tag RtoMinutes of its jobs.",
          "Some of its servers are not launched.",
        ])
        runbook            = "rto-exceeded"
        namespace          = local.module_metrics.namespace
        metric_name        = "ExecutionsOverRto"
        dimensions         = local.module_metrics.dimensions
        statistic          = "Maximum"
        threshold          = 1
        periods            = 1
        treat_missing_data = "notBreaching"
      }
    } : {},
  )

  # These alarms notify the leader of the recovery themselves, and are not in the composite alarm. An execution can exceed
  # its objective for hours, and would hide a server that fails in this time. Replication stalls when no recovery runs.
  single_recovery_alarms = ["rto-exceeded", "replication-stalled"]

  one_time_metrics = [
    "FailedInvocations", "InvocationsFailedToBeSentToDlq", "NumberOfNotificationsFailed",
    "ServerFailures", "ServersStalled", "PlanFailures", "ReplicationStalls", "ExecutionsMissing",
  ]

  minute_of_heartbeat = join(" + ", [
    for function, factor in { "YEAR" = 100000000, "MONTH" = 1000000, "DATE" = 10000, "HOUR" = 100, "MINUTE" = 1 } : "${function}(heartbeat) * ${factor}"
  ])

  # Metrics that the scheduled functions send: the collector after a pass without failures, the linker after every run.
  heartbeats = merge(
    {
      linker = {
        description = "The linker completed no run for five minutes. Events that were stored before their execution was known stay unlinked."
        metric_name = "OldestUnlinkedEventAge"
        statistic   = "SampleCount"
      }
    },
    var.collector.enabled ? {
      collector = {
        description = join(" ", [
          "No pass of the collector succeeded for five minutes.",
          "The collector does not run, fails to read a job or an account, or sends events that do not arrive in the events table.",
          "Items are late or missing.",
        ])
        metric_name = "CollectorHeartbeat"
        statistic   = "Sum"
      }
    } : {},
  )
}

check "alarm_actions" {
  assert {
    condition     = length(var.alarm_actions) == 0
    error_message = "The input alarm_actions is deprecated. Move its ARNs to alarms.actions, and remove alarm_actions."
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for key, alarm in merge(local.pipeline_alarms, local.recovery_alarms) : key => alarm if var.alarms.enabled }

  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = "${each.value.description} What to do: ${local.runbooks}/${each.value.runbook}.md"
  namespace           = lookup(each.value, "namespace", null)
  metric_name         = lookup(each.value, "metric_name", null)
  dimensions          = lookup(each.value, "dimensions", null)
  statistic           = can(regex("^p", each.value.statistic)) ? null : lookup(each.value, "statistic", null)
  extended_statistic  = can(regex("^p", each.value.statistic)) ? each.value.statistic : null
  period              = can(each.value.expression) ? null : lookup(each.value, "period", 60)
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = lookup(each.value, "datapoints", null)
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = each.value.treat_missing_data
  alarm_actions       = concat(local.alarm_actions, contains(local.single_recovery_alarms, each.key) ? var.alarms.recovery_actions : [])
  # No OK action for one-time events: the metric ends after a minute, and a pager would close an open incident.
  ok_actions = contains(local.one_time_metrics, lookup(each.value, "metric_name", "")) ? [] : local.alarm_actions
  tags       = var.tags

  dynamic "metric_query" {
    for_each = lookup(each.value, "metrics", {})

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric_name
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.statistic
        period      = 60
      }
    }
  }
  dynamic "metric_query" {
    for_each = can(each.value.expression) ? [each.value.expression] : []

    content {
      id          = "total"
      expression  = metric_query.value
      label       = "all operations"
      return_data = true
    }
  }
}

# The time until which a new heartbeat alarm is OK, as a number: 202511282045 is 2025-11-28 20:45 UTC.
resource "terraform_data" "heartbeat_start" {
  for_each = var.alarms.enabled ? local.heartbeats : {}

  input            = formatdate("YYYYMMDDhhmm", timeadd(timestamp(), "15m"))
  triggers_replace = local.prefix # with another name, the alarm is new

  lifecycle {
    ignore_changes = [input]
  }
}

# Unlike the other alarms, these fire when data is missing, for example if the function does not run. CloudWatch evaluates
# a new alarm at once, when the functions have not sent a metric yet. The expression therefore returns 1 in the first 15
# minutes. The time functions also return a value for minutes without data. After 15 minutes, the expression is the
# metric. Missing data is then missing in the expression too.
resource "aws_cloudwatch_metric_alarm" "heartbeat" {
  for_each = var.alarms.enabled ? local.heartbeats : {}

  alarm_name          = "${local.prefix}-${each.key}-heartbeat"
  alarm_description   = "${each.value.description} What to do: ${local.runbooks}/${each.key}-heartbeat.md"
  evaluation_periods  = 5
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags

  metric_query {
    id = "heartbeat"

    metric {
      namespace   = local.module_metrics.namespace
      metric_name = each.value.metric_name
      dimensions  = local.module_metrics.dimensions
      stat        = each.value.statistic
      period      = 60
    }
  }
  metric_query {
    id          = "since_start"
    expression  = "IF(${local.minute_of_heartbeat} < ${terraform_data.heartbeat_start[each.key].output}, 1, heartbeat)"
    label       = "heartbeats, 1 until ${terraform_data.heartbeat_start[each.key].output}"
    return_data = true
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Composite alarms: one for the operators of the pipeline, one for the leader of the recovery
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # Keys: alarm names without the prefix.
  all_alarms = merge(
    { for key, alarm in aws_cloudwatch_metric_alarm.this : key => { name = alarm.alarm_name, arn = alarm.arn } },
    { for key, alarm in aws_cloudwatch_metric_alarm.heartbeat : "${key}-heartbeat" => { name = alarm.alarm_name, arn = alarm.arn } },
    { for key, alarm in module.ingest.alarms : "ingest-${key}" => alarm },
    { for key, alarm in module.linker.alarms : "linker-${key}" => alarm },
    merge([for collector in module.collector : { for key, alarm in collector.alarms : "collector-${key}" => alarm }]...),
    merge([for evidence in module.evidence : { for key, alarm in evidence.alarms : "evidence-${key}" => alarm }]...),
  )

  # No composite alarm without actions, because it costs as much as five metric alarms.
  composite_alarms = { for key, alarm in local.possible_composite_alarms : key => alarm if var.alarms.enabled && length(alarm.actions) > 0 }
  possible_composite_alarms = {
    pipeline-unhealthy = {
      description = "The pipeline of the DRS job log is unhealthy. Events are late, not processed or lost. See the individual alarms in ALARM state."
      runbook     = "pipeline-unhealthy"
      # Unlinked events are not a fault of the pipeline. One job without an execution would hide all other alarms.
      alarms  = setsubtract(keys(local.all_alarms), concat(keys(local.recovery_alarms), ["unlinked-events"]))
      actions = var.alarms.pipeline_actions
    }
    recovery-needs-a-person = {
      description = "A recovery needs a person. A server or a network failed or stalled."
      runbook     = "recovery-needs-a-person"
      alarms      = setsubtract(keys(local.recovery_alarms), local.single_recovery_alarms)
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

  lifecycle {
    replace_triggered_by = [terraform_data.alarms_of_composite[each.key]]
  }
}

# CloudWatch refuses to delete an alarm that a composite alarm uses. Therefore, Terraform replaces a composite alarm if its
# alarms change: it deletes the composite alarm, then the alarm, and then creates the composite alarm.
resource "terraform_data" "alarms_of_composite" {
  for_each = local.composite_alarms

  input = sort(each.value.alarms)
}
