# Ingest queue with its dead-letter queue, and the dead-letter queue of the EventBridge rules. Names and policies of all queues.

locals {
  queue_names = merge(
    {
      ingest         = "${local.prefix}-ingest"
      processing_dlq = "${local.prefix}-processing-dlq"
      delivery_dlq   = "${local.prefix}-delivery-dlq"
    },
    var.evidence == null ? {} : {
      evidence     = "${local.prefix}-evidence"
      evidence_dlq = "${local.prefix}-evidence-dlq"
    },
  )
  queue_arns = {
    for key, name in local.queue_names : key => "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${name}"
  }

  # Composed from names too: with an unknown value, the plan would show no variable of the function.
  queue_urls = {
    for key, name in local.queue_names : key => "https://sqs.${local.region}.${local.dns_suffix}/${local.account_id}/${name}"
  }

  # The maximum of SQS. A message keeps its age when it moves to a DLQ, so this is the time in both queues together.
  message_retention_seconds = 14 * 24 * 60 * 60

  visibility_timeout         = coalesce(var.ingest.visibility_timeout_seconds, local.minimum_visibility_timeout)
  minimum_visibility_timeout = 6 * var.ingest.timeout_seconds + var.ingest.batching_window_seconds
}

# Policies are arguments of the queues and not separate resources. SQS takes about 25 s for each change, and a queue
# must not exist without its policy.
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

  redrive_allow_policy = jsonencode({ redrivePermission = "denyAll" }) # the source is EventBridge, not a queue
}

data "aws_iam_policy_document" "queue" {
  for_each = local.queue_arns

  # Only SQS itself writes to the DLQs of queues, which needs no policy.
  dynamic "statement" {
    for_each = contains(["processing_dlq", "evidence_dlq"], each.key) ? [] : [1]

    content {
      sid       = "AllowEventBridgeRules"
      actions   = ["sqs:SendMessage"]
      resources = [each.value]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
      # No aws:SourceAccount: the rule ARNs contain the account, and AWS does not document that EventBridge sends this
      # key to SQS. If it does not, the condition denies every delivery.
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [for key, rule in local.rules : local.rule_arns[key] if contains([rule.queue, "delivery_dlq"], each.key)]
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
