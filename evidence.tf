# Evidence: a function writes a report of each execution that has settled to an S3 bucket. Its queue is in this file, its rule in
# events.tf, and the route that returns a report in api.tf.

locals {
  creates_evidence_bucket = try(var.evidence.bucket == "create", false)

  # Bucket names are global and lower case, with at most 63 characters. The digest differs between accounts, Regions and copies.
  evidence_bucket = !local.creates_evidence_bucket ? try(var.evidence.bucket, null) : join("-", [
    lower(replace(local.prefix, "_", "-")), "evidence", substr(sha256("${local.account_id} ${local.region} ${var.name}"), 0, 12),
  ])
  evidence_bucket_arn  = var.evidence == null ? null : "arn:${local.partition}:s3:::${local.evidence_bucket}"
  evidence_objects_arn = var.evidence == null ? null : "${local.evidence_bucket_arn}/${var.evidence.prefix}*"

  evidence_kms_key_arns = try(var.evidence.kms_key_arn, null) == null ? [] : [var.evidence.kms_key_arn]
  evidence_timeout      = 120
}

# ---------------------------------------------------------------------------------------------------------------------
# Bucket
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_s3_bucket" "evidence" {
  #checkov:skip=CKV_AWS_18:Access logs need another bucket. A trail of CloudTrail with data events records the access
  #checkov:skip=CKV_AWS_144:A copy in another Region is a decision of the user, who can pass a replicated bucket
  #checkov:skip=CKV_AWS_145:Set by evidence.kms_key_arn. By default, S3 encrypts with its own key
  #checkov:skip=CKV2_AWS_62:Nothing reacts to new reports
  count = local.creates_evidence_bucket ? 1 : 0

  bucket = local.evidence_bucket
  tags   = var.tags

  # Always, also without a lock: object_lock_mode can then be set later, and nobody can suspend the versioning. Without a
  # default retention, objects are not locked unless the function locks them.
  object_lock_enabled = true
}

resource "aws_s3_bucket_versioning" "evidence" {
  count = local.creates_evidence_bucket ? 1 : 0

  bucket = aws_s3_bucket.evidence[0].bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "evidence" {
  count = local.creates_evidence_bucket ? 1 : 0

  bucket                  = aws_s3_bucket.evidence[0].bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "evidence" {
  count = local.creates_evidence_bucket ? 1 : 0

  bucket = aws_s3_bucket.evidence[0].bucket

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "evidence" {
  count = local.creates_evidence_bucket ? 1 : 0

  bucket = aws_s3_bucket.evidence[0].bucket

  rule {
    bucket_key_enabled = var.evidence.kms_key_arn == null ? null : true

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.evidence.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.evidence.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_policy" "evidence" {
  count = local.creates_evidence_bucket ? 1 : 0

  bucket = aws_s3_bucket.evidence[0].bucket
  policy = data.aws_iam_policy_document.evidence_bucket[0].json

  depends_on = [aws_s3_bucket_public_access_block.evidence] # S3 refuses changes of both at the same time
}

data "aws_iam_policy_document" "evidence_bucket" {
  count = local.creates_evidence_bucket ? 1 : 0

  statement {
    sid       = "DenyInsecureTransport"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.evidence_bucket_arn, "${local.evidence_bucket_arn}/*"]

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

# The expiry of a report makes its newest version noncurrent, and S3 counts the days of a noncurrent version from then on. S3 thus
# deletes the newest version after twice the retention. A shorter time would delete versions that a later revision superseded.
# S3 deletes no version before its lock ends.
resource "aws_s3_bucket_lifecycle_configuration" "evidence" {
  count = local.creates_evidence_bucket ? 1 : 0

  bucket = aws_s3_bucket.evidence[0].bucket

  rule {
    id     = "reports"
    status = "Enabled"

    filter {
      prefix = var.evidence.prefix
    }
    expiration {
      days = var.evidence.retention_days
    }
    noncurrent_version_expiration {
      noncurrent_days = var.evidence.retention_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
  # An expiry by days and one of delete markers need two rules.
  rule {
    id     = "delete-markers"
    status = "Enabled"

    filter {
      prefix = var.evidence.prefix
    }
    expiration {
      expired_object_delete_marker = true
    }
  }
  # Of two rules for an object, S3 applies the earlier expiry.
  rule {
    id     = "athena-results"
    status = "Enabled"

    filter {
      prefix = "${var.evidence.prefix}athena-results/"
    }
    expiration {
      days = 7
    }
    noncurrent_version_expiration {
      noncurrent_days = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.evidence] # for the rules of noncurrent versions
}

# ---------------------------------------------------------------------------------------------------------------------
# Queue
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_sqs_queue" "evidence" {
  count = var.evidence == null ? 0 : 1

  name                       = local.queue_names.evidence
  visibility_timeout_seconds = 6 * local.evidence_timeout # as AWS recommends for a function
  message_retention_seconds  = local.message_retention_seconds
  sqs_managed_sse_enabled    = local.kms_key_arn == null ? true : null
  kms_master_key_id          = local.kms_key_arn
  policy                     = data.aws_iam_policy_document.queue["evidence"].json
  tags                       = var.tags

  # An attempt every 12 minutes for a day, because people repair a bucket in this time. Then the daily run tries again.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.evidence_dlq[0].arn
    maxReceiveCount     = 120
  })
  redrive_allow_policy = jsonencode({ redrivePermission = "denyAll" })
}

resource "aws_sqs_queue" "evidence_dlq" {
  count = var.evidence == null ? 0 : 1

  name                      = local.queue_names.evidence_dlq
  message_retention_seconds = local.message_retention_seconds
  sqs_managed_sse_enabled   = local.kms_key_arn == null ? true : null
  kms_master_key_id         = local.kms_key_arn
  policy                    = data.aws_iam_policy_document.queue["evidence_dlq"].json
  tags                      = var.tags

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns.evidence]
  })
}

# ---------------------------------------------------------------------------------------------------------------------
# Function
# ---------------------------------------------------------------------------------------------------------------------

module "evidence" {
  source = "./modules/function"
  count  = var.evidence == null ? 0 : 1

  name        = "${local.prefix}-evidence"
  description = "Writes a report of each execution that has settled to an S3 bucket"
  handler     = "drs_job_log.evidence.handler.lambda_handler"
  timeout     = local.evidence_timeout
  memory_size = local.memory_sizes.evidence
  defaults    = local.function_defaults

  environment = merge(
    local.shared_environment,
    local.executions_table_environment,
    local.objectives_environment,
    {
      EVENT_SOURCE            = local.event_source
      EVIDENCE_BUCKET         = local.evidence_bucket
      EVIDENCE_PREFIX         = var.evidence.prefix
      EVIDENCE_QUEUE_URL      = local.queue_urls.evidence
      EVIDENCE_RETENTION_DAYS = tostring(var.evidence.retention_days)
      RETENTION_DAYS          = tostring(var.retention_days)
    },
    var.evidence.object_lock_mode == null ? {} : { EVIDENCE_OBJECT_LOCK_MODE = var.evidence.object_lock_mode },
    var.evidence.kms_key_arn == null ? {} : { EVIDENCE_KMS_KEY_ARN = var.evidence.kms_key_arn },
    var.evidence.athena ? { EVIDENCE_TABLES = "true" } : {},
  )
  policy_document = data.aws_iam_policy_document.evidence[0].json

  alarms = local.evidence_alarms
  tags   = var.tags
}

data "aws_iam_policy_document" "evidence" {
  count = var.evidence == null ? 0 : 1

  statement {
    sid       = "ConsumeQueue"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [local.queue_arns.evidence]
  }
  # The daily run sends a message for each execution.
  statement {
    sid       = "QueueExecutions"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns.evidence]
  }
  statement {
    sid     = "ReadEvents"
    actions = ["dynamodb:Query"]
    resources = concat([local.events_table_arn], [
      for index in ["ExecutionIdIndex", "ExecutionLedgerIndex", "LedgerIndex"] : "${local.events_table_arn}/index/${index}"
    ])
  }
  # Only the items that say which reports were written, no events.
  statement {
    sid       = "RecordReports"
    actions   = ["dynamodb:PutItem"]
    resources = [local.events_table_arn]

    # ForAllValues checks every key of the request. Null denies requests without a key.
    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = ["evidence#*"]
    }
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
  statement {
    sid       = "WriteReports"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [local.evidence_objects_arn]
  }
  # Without it, the answer for a missing object is 403 and not 404. S3 takes the key of such a request as its prefix.
  statement {
    sid       = "FindReports"
    actions   = ["s3:ListBucket"]
    resources = [local.evidence_bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.evidence.prefix}*"]
    }
  }
  # In a bucket without versioning, the function writes nothing.
  statement {
    sid       = "CheckVersioning"
    actions   = ["s3:GetBucketVersioning"]
    resources = [local.evidence_bucket_arn]
  }
  dynamic "statement" {
    for_each = var.evidence.object_lock_mode == null ? [] : [1]

    content {
      sid       = "LockReports"
      actions   = ["s3:PutObjectRetention"]
      resources = [local.evidence_objects_arn]
    }
  }
  dynamic "statement" {
    for_each = local.evidence_kms_key_arns

    content {
      sid       = "EncryptReports"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["s3.${local.region}.*"]
      }
    }
  }
  dynamic "statement" {
    for_each = var.execution_history == null ? [] : [1]

    content {
      sid       = "ReadExecutionHistory"
      actions   = ["dynamodb:Query"]
      resources = [local.executions_table_arn]
    }
  }
  dynamic "statement" {
    for_each = local.executions_table_kms_key_arns

    content {
      sid       = "UseKeyOfExecutionHistory"
      actions   = ["kms:Decrypt", "kms:DescribeKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.*"]
      }
    }
  }
  # Only DynamoDB and SQS may use the key on behalf of the function.
  dynamic "statement" {
    for_each = local.kms_key_arns

    content {
      sid       = "UseCustomerKey"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.*", "sqs.${local.region}.*"]
      }
    }
  }
}

resource "aws_lambda_event_source_mapping" "evidence" {
  count = var.evidence == null ? 0 : 1

  event_source_arn        = aws_sqs_queue.evidence[0].arn
  function_name           = module.evidence[0].function.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = 2 # the minimum of Lambda
  }

  # Nothing is written before the bucket is complete. The environment contains only its name.
  depends_on = [
    aws_s3_bucket_lifecycle_configuration.evidence,
    aws_s3_bucket_ownership_controls.evidence,
    aws_s3_bucket_policy.evidence,
    aws_s3_bucket_server_side_encryption_configuration.evidence,
  ]
}

# The daily run writes the reports that are missing, for example after a message was in the DLQ. Lambda repeats a failed run twice.
resource "aws_scheduler_schedule" "evidence" {
  #checkov:skip=CKV_AWS_297:The schedule stores only the input {"reconcile": true}
  count = var.evidence == null ? 0 : 1

  name                = "${local.prefix}-evidence"
  description         = "Invokes ${local.prefix}-evidence to write missing reports"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = "cron(30 5 * * ? *)" # UTC

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.evidence[0].function.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ reconcile = true })

    # For a short error of Lambda. The next run is a day later.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }
  }

  depends_on = [
    aws_iam_role_policy.scheduler,
    aws_lambda_event_source_mapping.evidence, # and so after the bucket
  ]
}
