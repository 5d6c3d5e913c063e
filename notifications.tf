# The failure notice: a topic, and the memory of what was told, so that each server that fails is told once in its job.

locals {
  topic_name = "${local.prefix}-failures"
  own_topic  = var.notifications.enabled && var.notifications.create_topic
  failure_topic_arn = (
    !var.notifications.enabled ? null :
    var.notifications.create_topic ? "arn:${local.partition}:sns:${local.region}:${local.account_id}:${local.topic_name}" :
    var.notifications.topic_arn
  )
  # Nobody opens a page of an API that wants signed requests: then people have a proxy, whose address only they know.
  notices_link = var.notifications.viewer_url != null || (var.api.enabled && var.api.viewer && var.api.authorization != "AWS_IAM")

  notices_table_name = "${local.prefix}-notices"
  notices_table_arn  = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${local.notices_table_name}"
}

resource "aws_sns_topic" "failures" {
  count = local.own_topic ? 1 : 0

  name              = local.topic_name
  kms_master_key_id = coalesce(local.kms_key_arn, "alias/aws/sns")
  policy            = data.aws_iam_policy_document.topic.json
  tags              = var.tags
}

# Who may publish and subscribe is said by IAM policies in this account alone; and nobody in the clear.
data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "DenyInsecureTransport"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = ["arn:${local.partition}:sns:${local.region}:${local.account_id}:${local.topic_name}"]

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

# As Powertools' idempotency wants it:
# https://docs.aws.amazon.com/powertools/python/latest/utilities/idempotency/#dynamodb-table
resource "aws_dynamodb_table" "notices" {
  #checkov:skip=CKV_AWS_119:By kms_key_arn or create_kms_key, which checkov does not see through
  #checkov:skip=CKV_AWS_28:A backup of what was told is worth nothing: what is lost is told once more
  name         = local.notices_table_name
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
