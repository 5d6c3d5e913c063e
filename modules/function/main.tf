# One Lambda function with its role, its log group and its alarms.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  log_group_name = "/aws/lambda/${var.name}"
  log_group_arn  = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:log-group:${local.log_group_name}"
}

# ---------------------------------------------------------------------------------------------------------------------
# Role
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "this" {
  # Roles are global: with its Region in the name, a copy of the module in another Region does not clash.
  name                 = "${var.name}-${data.aws_region.current.id}"
  description          = "Execution role of the Lambda function ${var.name}"
  path                 = var.defaults.role_path
  permissions_boundary = var.defaults.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.assume_role.json
  tags                 = var.tags
}

data "aws_iam_policy_document" "assume_role" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "function"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = [var.policy_document]

  # No CreateLogGroup: a group that the function made would have no retention and no key.
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arn}:*"]
  }

  dynamic "statement" {
    for_each = var.defaults.tracing ? [1] : []

    content {
      sid       = "WriteTraces"
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"] # X-Ray has no resource for these
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Function
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  retention_in_days = var.defaults.log_retention_in_days
  kms_key_id        = var.defaults.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:By functions.tracing: it costs more than all else that runs when nothing happens
  #checkov:skip=CKV_AWS_116:What it is called with is in a queue that has a dead-letter queue, comes again in a minute, or is a request
  #checkov:skip=CKV_AWS_117:It calls AWS only, over TLS; nothing that it needs is in a VPC
  #checkov:skip=CKV_AWS_173:What the module puts into its environment is no secret; it is encrypted by Lambda's own key
  #checkov:skip=CKV_AWS_272:Signed code comes as a package of the user's own; this one is zipped from the sources beside it
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  handler       = var.handler
  runtime       = var.defaults.runtime
  architectures = [var.defaults.architecture]
  memory_size   = var.defaults.memory_size
  timeout       = var.timeout
  layers        = var.defaults.layers
  tags          = var.tags

  reserved_concurrent_executions = var.reserved_concurrency

  filename          = var.defaults.package.filename
  s3_bucket         = var.defaults.package.s3_bucket
  s3_key            = var.defaults.package.s3_key
  s3_object_version = var.defaults.package.s3_object_version
  source_code_hash  = var.defaults.package.source_code_hash

  environment {
    variables = merge(var.environment, var.defaults.additional_environment)
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = var.defaults.log_level
    system_log_level      = "WARN"
  }

  tracing_config {
    mode = var.defaults.tracing ? "Active" : "PassThrough"
  }

  # Whatever calls the function is made after it: without the policy its first calls would fail.
  depends_on = [aws_iam_role_policy.this]

  lifecycle {
    precondition {
      condition     = length(setintersection(keys(var.environment), keys(var.defaults.additional_environment))) == 0
      error_message = "functions.environment must not set ${join(", ", setintersection(keys(var.environment), keys(var.defaults.additional_environment)))}: the module sets it itself."
    }
    precondition {
      condition     = alltrue([for layer in var.defaults.layers : layer != null])
      error_message = "AWS publishes no Powertools layer in this partition or Region: set functions.powertools_layer.arn to your own copy, or functions.powertools_layer.enabled = false with a package that brings Powertools along."
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Alarms
# ---------------------------------------------------------------------------------------------------------------------

locals {
  alarms = { for key, alarm in local.possible_alarms : key => alarm if key != "throttles" || var.reserved_concurrency == -1 }
  possible_alarms = {
    errors = {
      description = "${var.name} fails: ${var.alarms.errors} or more times in five minutes."
      metric_name = "Errors"
      statistic   = "Sum"
      period      = 300
      threshold   = var.alarms.errors
    }
    # Not of a function with a limit of its own, which is there to throttle it.
    throttles = {
      description = "${var.name} is throttled, ${var.alarms.throttles} or more times in five minutes: the account has no concurrency left."
      metric_name = "Throttles"
      statistic   = "Sum"
      period      = 300
      threshold   = var.alarms.throttles
    }
    duration = {
      description = "${var.name} takes ${var.alarms.duration_percent} % of its ${var.timeout} s: it is cut off, or soon will be."
      metric_name = "Duration"
      statistic   = "Maximum"
      period      = 60
      threshold   = var.timeout * 1000 * var.alarms.duration_percent / 100
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = var.alarms.enabled ? local.alarms : {}

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} What to do: ${var.alarms.runbooks}/function-${each.key}.md"
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric_name
  dimensions          = { FunctionName = var.name } # not the function's own: what follows would go over to it
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching" # no invocation, no metric
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.actions
  tags                = var.tags

  lifecycle {
    # One that a composite alarm names cannot be deleted: that one lets go of it first. It goes over to whatever an alarm
    # refers to, whose name could then not be kept: hence no such reference.
    create_before_destroy = true
  }
}
