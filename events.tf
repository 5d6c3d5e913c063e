# EventBridge rules that send events to the ingest queue, and the archive of these events.

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
  launch_result_pattern = {
    source      = ["aws.drs"]
    detail-type = ["DRS Source Server Launch Result"]
  }

  # Launch results contain no tags. With only_tagged, nobody knows whether one is about a job with the tags.
  stores_launch_results = length(var.collector.only_tagged) == 0

  rules = merge(
    {
      job-log = {
        event_bus_name = var.event_bus_name
        description    = "Sends DRS job log events${local.stores_launch_results ? " and launch results" : ""} to the ingest queue of ${var.name}"
        event_pattern = (
          local.stores_launch_results ?
          jsonencode({ "$or" = [local.job_log_pattern, local.launch_result_pattern] }) :
          jsonencode(local.job_log_pattern)
        )
      }
    },
    # AWS services send their events to the default bus only.
    var.event_bus_name == "default" || !local.stores_launch_results ? {} : {
      launch-results = {
        event_bus_name = "default"
        description    = "Sends DRS launch results from the default bus to the ingest queue of ${var.name}"
        event_pattern  = jsonencode(local.launch_result_pattern)
      }
    },
  )

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
  event_pattern  = each.value.event_pattern
  state          = "ENABLED" # so that a plan shows a disabled rule
  tags           = var.tags
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = aws_cloudwatch_event_rule.this

  rule           = each.value.name
  event_bus_name = each.value.event_bus_name
  target_id      = "ingest-queue"
  arn            = aws_sqs_queue.ingest.arn

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
# Archive: events that match the rules, for replay
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_archive" "this" {
  for_each = { for key, rule in local.rules : key => rule if var.archive_days != null }

  name             = "${local.prefix}-${ { job-log = "job-log", launch-results = "launches" }[each.key]}" # at most 48 characters
  description      = "Events that match the rule ${local.rule_names[each.key]}"
  event_source_arn = local.rule_bus_arns[each.key]
  event_pattern    = each.value.event_pattern
  retention_days   = var.archive_days
}
