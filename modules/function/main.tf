# A Lambda function with its role, log group and alarms.

locals {
  log_group_name = "/aws/lambda/${var.name}"
  environment    = merge(var.environment, var.defaults.additional_environment)
  log_group_arn = join(":", [
    "arn", var.defaults.partition, "logs", var.defaults.region, var.defaults.account_id, "log-group", local.log_group_name,
  ])
}

# ---------------------------------------------------------------------------------------------------------------------
# Role
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "this" {
  # Role names are global, so the Region is part of the name for copies of the module in other Regions.
  name                 = "${var.name}-${var.defaults.region}"
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

  # No CreateLogGroup: a log group that the function creates would have no retention and no key.
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
      resources = ["*"] # these actions do not support resource-level permissions
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Function
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key. kms_key_arn or create_kms_key sets a customer key
  #checkov:skip=CKV_AWS_338:Input functions.log_retention_in_days. The events, not the logs, are the record of a recovery
  name              = local.log_group_name
  retention_in_days = var.defaults.log_retention_in_days
  kms_key_id        = var.defaults.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:Optional: functions.tracing. It costs more than everything else while no job runs
  #checkov:skip=CKV_AWS_116:The queue has a DLQ, schedules repeat each minute, and API callers get the error
  #checkov:skip=CKV_AWS_117:Calls AWS APIs only, over TLS. No resource that it needs is in a VPC
  #checkov:skip=CKV_AWS_173:The environment of the module contains no secret. Lambda encrypts it with its own key
  #checkov:skip=CKV_AWS_272:Use the input package for signed code. The default package is zipped from local sources
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
    variables = local.environment
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

  # Triggers are created after the function. Without the policy, the first invocations would fail.
  depends_on = [aws_iam_role_policy.this]

  lifecycle {
    precondition {
      condition     = var.defaults.package.filename == null || fileexists(coalesce(var.defaults.package.filename, "-"))
      error_message = "The deployment package ${coalesce(var.defaults.package.filename, "-")} does not exist. If you changed lambda_src, run make package and commit the result. Otherwise, get an unchanged copy of the module. To use your own package, set package."
    }
    precondition {
      condition     = length(setintersection(keys(var.environment), keys(var.defaults.additional_environment))) == 0
      error_message = "functions.environment must not set ${join(", ", setintersection(keys(var.environment), keys(var.defaults.additional_environment)))}: the module sets these variables. Remove them from functions.environment."
    }
    # Lambda measures the environment as a JSON object. Base64 has four characters for three bytes.
    precondition {
      condition     = length(base64encode(jsonencode(local.environment))) * 3 / 4 <= 4096
      error_message = "The environment of ${var.name} has more than 4,096 bytes. Shorten functions.environment or collector.targets[*].external_id."
    }
    precondition {
      condition     = alltrue([for layer in var.defaults.layers : layer != null])
      error_message = "AWS publishes no Powertools layer in this partition or Region. Set functions.powertools_layer.arn to your own copy, or set functions.powertools_layer.enabled = false and use a package that contains Powertools."
    }
  }
}

# ---------------------------------------------------------------------------------------------------------------------
# Alarms
# ---------------------------------------------------------------------------------------------------------------------

locals {
  alarms = { for key, alarm in local.possible_alarms : key => alarm if key != "throttles" || var.has_throttles_alarm }
  possible_alarms = {
    errors = {
      description = "${var.name} failed ${var.alarms.errors} or more times in five minutes."
      metric_name = "Errors"
      statistic   = "Sum"
      period      = 300
      threshold   = var.alarms.errors
    }
    throttles = {
      description = "${var.name} was throttled ${var.alarms.throttles} or more times in five minutes. The account has no unreserved concurrency left."
      metric_name = "Throttles"
      statistic   = "Sum"
      period      = 300
      threshold   = var.alarms.throttles
    }
    duration = {
      description = "An invocation of ${var.name} took at least ${var.alarms.duration_percent} % of its timeout of ${var.timeout} s. It timed out or is close to it."
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
  dimensions          = { FunctionName = var.name }
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching" # no invocation, no metric
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.actions
  tags                = var.tags
}
