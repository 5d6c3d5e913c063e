# Customer managed key, given or created, for the tables, queues, topic, log groups and the environment of the functions.

locals {
  kms_key_arn = var.create_kms_key ? aws_kms_key.this[0].arn : var.kms_key_arn
  # A list for dynamic blocks. Its length is known at plan time, also if the same apply creates the key.
  kms_key_arns = var.create_kms_key ? [local.kms_key_arn] : var.kms_key_arn == null ? [] : [var.kms_key_arn]

  log_group_arn_prefix = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group"
}

resource "aws_kms_key" "this" {
  count = var.create_kms_key ? 1 : 0

  description             = "Encrypts tables, queues, topic, logs and function environments of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key[0].json
  tags                    = var.tags

  lifecycle {
    create_before_destroy = true # if the key is removed, all resources stop using it before it is disabled
  }
}

resource "aws_kms_alias" "this" {
  count = var.create_kms_key ? 1 : 0

  name          = "alias/${local.prefix}"
  target_key_id = aws_kms_key.this[0].key_id
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:In a key policy "*" is this key. Without the account root nobody can repair the policy
  #checkov:skip=CKV_AWS_111:In a key policy "*" is this key
  #checkov:skip=CKV_AWS_356:In a key policy "*" is this key
  count = var.create_kms_key ? 1 : 0

  # IAM policies of this account, for example those of the module's roles, grant all other access.
  statement {
    sid       = "AllowIamPolicies"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }
  # EventBridge needs the key to send events to the queues. No condition, as in the AWS documentation: the value of
  # aws:SourceArn is undocumented, and a wrong one would lose events silently. The queue policies name the rules.
  statement {
    sid       = "AllowEventBridge"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
  statement {
    sid       = "AllowLogs"
    actions   = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.${local.dns_suffix}"] # differs between partitions
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values = [
        "${local.log_group_arn_prefix}:/aws/lambda/${local.prefix}-*",
        "${local.log_group_arn_prefix}:${local.access_log_group_name}",
      ]
    }
  }
}
