# Notifications: the SNS topic, and the table that prevents a second message for the same fact.

locals {
  failure_topic_name   = "${local.prefix}-failures"
  create_failure_topic = var.notifications.enabled && var.notifications.create_topic
  failure_topic_arn = (
    !var.notifications.enabled ? null :
    var.notifications.create_topic ? "arn:${local.partition}:sns:${local.region}:${local.account_id}:${local.failure_topic_name}" :
    var.notifications.topic_arn
  )
  # With AWS_IAM, a browser cannot open the viewer at the URL of the API. Then only viewer_url gives a working link.
  link_to_viewer = var.notifications.viewer_url != null || (var.api.enabled && var.api.viewer && var.api.authorization != "AWS_IAM")

  notice_kinds = [
    "started", "job_ended", "settled", "failed", "resolved", "stalled", "slow", "at_risk", "action_failed", "plan_failed",
    "drill_instances",
  ]
  readiness_kinds = concat(
    var.readiness.replication_stalled ? ["replication_stalled"] : [],
    local.checks_drills ? ["not_drilled"] : [],
  )

  notifications_table_name = "${local.prefix}-notices"
  notifications_table_arn  = "${local.table_arn_prefix}/${local.notifications_table_name}"
}

resource "aws_sns_topic" "failures" {
  count = local.create_failure_topic ? 1 : 0

  name              = local.failure_topic_name
  kms_master_key_id = coalesce(local.kms_key_arn, "alias/aws/sns")
  policy            = data.aws_iam_policy_document.topic.json
  tags              = var.tags
}

# Only IAM policies of this account allow publishing and subscribing. This policy only denies requests without TLS.
data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "DenyInsecureTransport"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = ["arn:${local.partition}:sns:${local.region}:${local.account_id}:${local.failure_topic_name}"]

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

# Schema of the Powertools idempotency utility:
# https://docs.aws.amazon.com/powertools/python/latest/utilities/idempotency/#dynamodb-table
resource "aws_dynamodb_table" "notices" {
  #checkov:skip=CKV_AWS_119:Set by kms_key_arn or create_kms_key, which checkov cannot resolve
  #checkov:skip=CKV_AWS_28:No backup needed. If a record is lost, one notification may be sent again
  name         = local.notifications_table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  tags         = var.tags

  attribute {
    name = "id"
    type = "S"
  }

  ttl {
    attribute_name = "expiration"
    enabled        = true
  }

  server_side_encryption {
    enabled     = local.kms_key_arn != null
    kms_key_arn = local.kms_key_arn
  }
}
