# The way in: rule on the event bus → queue → ingest, with a dead-letter queue for each of the two steps.

# ---------------------------------------------------------------------------------------------------------------------
# Rules
# ---------------------------------------------------------------------------------------------------------------------

locals {
  job_log_pattern = {
    source      = distinct(concat([var.event_source], var.event_sources))
    detail-type = ["DRS Job Log"]
    detail      = { jobID = [{ exists = true }] }
  }
  launch_result_pattern = {
    source      = ["aws.drs"]
    detail-type = ["DRS Source Server Launch Result"]
  }

  rules = merge(
    {
      job-log = {
        event_bus_name = var.event_bus_name
        description    = "DRS job log events and launch results, to the ingest queue of ${var.name}"
        event_pattern  = { "$or" = [local.job_log_pattern, local.launch_result_pattern] }
      }
    },
    # AWS services put their events on the default bus only.
    var.event_bus_name == "default" ? {} : {
      launch-results = {
        event_bus_name = "default"
        description    = "DRS launch results from the default bus, to the ingest queue of ${var.name}"
        event_pattern  = local.launch_result_pattern
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
  event_pattern  = jsonencode(each.value.event_pattern)
  tags           = var.tags
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = aws_cloudwatch_event_rule.this

  rule           = each.value.name
  event_bus_name = each.value.event_bus_name
  target_id      = "ingest-queue"
  arn            = aws_sqs_queue.ingest.arn

  # EventBridge's own maximum, said aloud: after it the event goes to the delivery DLQ.
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.delivery_dlq.arn
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Archive: what the rules take, kept to be replayed
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_event_archive" "this" {
  for_each = { for key, rule in local.rules : key => rule if var.archive_days != null }

  name             = "${local.prefix}-${ { job-log = "job-log", launch-results = "launches" }[each.key]}" # 48 letters at most
  description      = "What the rule ${local.rule_names[each.key]} takes"
  event_source_arn = local.rule_bus_arns[each.key]
  event_pattern    = jsonencode(each.value.event_pattern)
  retention_days   = var.archive_days
}

# ---------------------------------------------------------------------------------------------------------------------
# Queues
# ---------------------------------------------------------------------------------------------------------------------

locals {
  queue_names = {
    ingest         = "${local.prefix}-ingest"
    processing_dlq = "${local.prefix}-processing-dlq"
    delivery_dlq   = "${local.prefix}-delivery-dlq"
  }
  queue_arns = {
    for key, name in local.queue_names : key => "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${name}"
  }

  # A message's age counts from its first arrival, also in a DLQ: a shorter time in the queue would only lose more.
  message_retention_seconds = 14 * 24 * 60 * 60

  visibility_timeout         = coalesce(var.ingest.visibility_timeout_seconds, local.minimum_visibility_timeout)
  minimum_visibility_timeout = 6 * var.ingest.timeout_seconds + var.ingest.batching_window_seconds
}

# Queue policies and redrive-allow policies stand in the queues themselves rather than in resources of their own:
# SQS takes about 25 s to settle after each change, and no queue is reachable before its policy stands.
resource "aws_sqs_queue" "ingest" {
  name                       = local.queue_names.ingest
  visibility_timeout_seconds = local.visibility_timeout
  message_retention_seconds  = local.message_retention_seconds
  sqs_managed_sse_enabled    = local.kms_key_arn == null ? true : null
  kms_master_key_id          = local.kms_key_arn
  policy                     = data.aws_iam_policy_document.queue["ingest"].json
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.processing_dlq.arn
    maxReceiveCount     = 5
  })
  redrive_allow_policy = jsonencode({ redrivePermission = "denyAll" })
}

resource "aws_sqs_queue" "processing_dlq" {
  name                      = local.queue_names.processing_dlq
  message_retention_seconds = local.message_retention_seconds
  sqs_managed_sse_enabled   = local.kms_key_arn == null ? true : null
  kms_master_key_id         = local.kms_key_arn
  policy                    = data.aws_iam_policy_document.queue["processing_dlq"].json
  tags                      = var.tags

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns.ingest]
  })
}

resource "aws_sqs_queue" "delivery_dlq" {
  name                      = local.queue_names.delivery_dlq
  message_retention_seconds = local.message_retention_seconds
  sqs_managed_sse_enabled   = local.kms_key_arn == null ? true : null
  kms_master_key_id         = local.kms_key_arn
  policy                    = data.aws_iam_policy_document.queue["delivery_dlq"].json
  tags                      = var.tags

  redrive_allow_policy = jsonencode({ redrivePermission = "denyAll" }) # EventBridge's DLQ, no queue's
}

data "aws_iam_policy_document" "queue" {
  for_each = local.queue_arns

  # Only SQS itself writes to the processing DLQ, and needs no policy for it.
  dynamic "statement" {
    for_each = each.key == "processing_dlq" ? [] : [1]

    content {
      sid       = "AllowEventBridgeRules"
      actions   = ["sqs:SendMessage"]
      resources = [each.value]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
      # The rules' ARNs name this account too. aws:SourceAccount would say it twice, and EventBridge does not document
      # that it sends it to a queue: where it does not, every delivery would be denied.
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = values(local.rule_arns)
      }
    }
  }

  statement {
    sid       = "DenyInsecureTransport"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
