# EventBridge rules that send events to the queues, and the archive of the events for the ingest queue.

# ---------------------------------------------------------------------------------------------------------------------
# Rules
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # A copy of the module has its own source, so that copies on one bus do not receive each other's events.
  event_source = coalesce(var.event_source, var.name == "drs-job-log" ? "drs.job-log" : "drs.job-log.${var.name}")

  # Sources of the collector, now and before. A sender in event_sources is never the collector.
  previous_event_sources = setsubtract(var.previous_event_sources, concat([local.event_source], var.event_sources))
  collector_sources_environment = {
    EVENT_SOURCE           = local.event_source
    PREVIOUS_EVENT_SOURCES = join(",", local.previous_event_sources)
  }

  job_log_pattern = {
    source      = distinct(concat([local.event_source], var.event_sources))
    detail-type = ["DRS Job Log"]
    detail      = { jobID = [{ exists = true }] }
  }
  # Launch results and requests contain no tags of the job. With only_tagged, nobody knows whether its job has the tags.
  stores_launch_results = length(var.collector.only_tagged) == 0
  # A request alone does not end a job, so it is stored only if the collector follows the jobs of this account.
  stores_requests = local.stores_launch_results && var.collector.enabled && var.collector.include_this_account

  # Events of AWS services that ingest receives.
  aws_events = [
    for event in [
      {
        is_handled = local.stores_launch_results
        name       = "launch results"
        pattern = {
          source      = ["aws.drs"]
          detail-type = ["DRS Source Server Launch Result"]
        }
      },
      {
        is_handled = local.stores_requests
        name       = "requests of jobs"
        # A failed call has no job in its response.
        pattern = {
          source      = ["aws.drs"]
          detail-type = ["AWS API Call via CloudTrail"]
          detail = {
            eventSource      = ["drs.amazonaws.com"]
            responseElements = { job = { jobID = [{ exists = true }] } }
          }
        }
      },
      {
        is_handled = var.readiness.replication_stalled # counted and notified, not stored
        name       = "changes of data replication"
        pattern = {
          source      = ["aws.drs"]
          detail-type = ["DRS Source Server Data Replication Stalled Change"]
        }
      },
    ] : event if event.is_handled
  ]
  aws_patterns = [for event in local.aws_events : event.pattern]

  checks_drills    = var.collector.enabled && var.readiness.max_days_without_drill != null
  checks_instances = var.collector.enabled && var.readiness.drill_instances_hours > 0
  has_daily_check  = local.checks_drills || local.checks_instances
  drill_check_patterns = local.checks_drills ? [{
    source      = [local.event_source]
    detail-type = ["DRS Drill Check"]
  }] : []

  rules = merge(
    {
      job-log = {
        queue          = "ingest"
        event_bus_name = var.event_bus_name
        description    = "Sends to the ingest queue of ${var.name}: ${join(", ", concat(["DRS job log events"], local.aws_events[*].name, local.checks_drills ? ["checks of drills"] : []))}"
        patterns       = concat([local.job_log_pattern], local.aws_patterns, local.drill_check_patterns)
      }
    },
    # AWS services send their events to the default bus only.
    var.event_bus_name == "default" || length(local.aws_events) == 0 ? {} : {
      launch-results = {
        queue          = "ingest"
        event_bus_name = "default"
        description    = "Sends from the default bus to the ingest queue of ${var.name}: ${join(", ", local.aws_events[*].name)}"
        patterns       = local.aws_patterns
      }
    },
    var.evidence == null ? {} : {
      evidence = {
        queue          = "evidence"
        event_bus_name = var.event_bus_name
        description    = "Sends to the evidence queue of ${var.name}: executions that have settled"
        patterns = [{
          source      = [local.event_source]
          detail-type = ["DRS Execution Settled"]
        }]
      }
    },
  )
  # "$or" needs two patterns.
  event_patterns = {
    for key, rule in local.rules : key => length(rule.patterns) == 1 ? jsonencode(rule.patterns[0]) : jsonencode({ "$or" = rule.patterns })
  }

  rule_names = { for key in keys(local.rules) : key => "${local.prefix}-${key}" }
  rule_bus_arns = {
    for key, rule in local.rules : key => "arn:${local.partition}:events:${local.region}:${local.account_id}:event-bus/${rule.event_bus_name}"
  }
  rule_arns = {
    for key, rule in local.rules : key => join("", [
      "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/",
      rule.event_bus_name == "default" ? "" : "${rule.event_bus_name}/",
      local.rule_names[key],
    ])
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name           = local.rule_names[each.key]
  description    = each.value.description
  event_bus_name = each.value.event_bus_name
  event_pattern  = local.event_patterns[each.key]
  state          = "ENABLED" # so that a plan shows a disabled rule
  tags           = var.tags
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = aws_cloudwatch_event_rule.this

  rule           = each.value.name
  event_bus_name = each.value.event_bus_name
  target_id      = "${local.rules[each.key].queue}-queue"
  arn            = local.rules[each.key].queue == "evidence" ? aws_sqs_queue.evidence[0].arn : aws_sqs_queue.ingest.arn

  # The maximum of EventBridge. After it, the event goes to the delivery DLQ.
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.delivery_dlq.arn
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Archive: events that match the rules of the ingest queue, for replay
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_archive" "this" {
  # Without the rule for evidence: its daily run does the work of a replay.
  for_each = { for key, rule in local.rules : key => rule if var.archive_days != null && rule.queue == "ingest" }

  name             = "${local.prefix}-${ { job-log = "job-log", launch-results = "launches" }[each.key]}" # at most 48 characters
  description      = "Events that match the rule ${local.rule_names[each.key]}"
  event_source_arn = local.rule_bus_arns[each.key]
  event_pattern    = local.event_patterns[each.key]
  retention_days   = var.archive_days
}
