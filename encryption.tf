# The customer's key, theirs or made here, for what holds events: tables, queues, topic and logs.

locals {
  kms_key_arn = var.create_kms_key ? aws_kms_key.this[0].arn : var.kms_key_arn
  # One or none: for dynamic blocks, since a key may be made in the same apply, where nothing can be counted by it.
  kms_key_arns = var.create_kms_key ? [local.kms_key_arn] : var.kms_key_arn == null ? [] : [var.kms_key_arn]

  log_group_arn_prefix = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group"
}

resource "aws_kms_key" "this" {
  count = var.create_kms_key ? 1 : 0

  description             = "Tables, queues, topic and logs of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key[0].json
  tags                    = var.tags

  lifecycle {
    create_before_destroy = true # where it is given up: disabled only when tables, queues and logs have let go of it
  }
}

resource "aws_kms_alias" "this" {
  count = var.create_kms_key ? 1 : 0

  name          = "alias/${local.prefix}"
  target_key_id = aws_kms_key.this[0].key_id
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:In a key's policy "*" is this key, and without the account's root nobody could mend the policy
  #checkov:skip=CKV_AWS_111:In a key's policy "*" is this key
  #checkov:skip=CKV_AWS_356:In a key's policy "*" is this key
  count = var.create_kms_key ? 1 : 0

  # Who else may use or manage it is said by IAM policies in this account: those of the module's roles, for example.
  statement {
    sid       = "AllowIamPolicies"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }
  # For its rules to put events into the queues. Without a condition, as AWS documents it: of aws:SourceArn it does not
  # say what it would hold, and a wrong one would lose events in silence. The queues' policies name the rules.
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
      identifiers = ["logs.${local.region}.${data.aws_partition.current.dns_suffix}"] # the one that differs in China
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
