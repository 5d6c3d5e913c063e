# A Lambda function with its role, log group and alarms.

locals {
  # Older versions of boto3 use the global endpoint of STS, which an interface endpoint in a VPC does not serve.
  vpc_environment = var.defaults.vpc == null ? {} : { AWS_STS_REGIONAL_ENDPOINTS = "regional" }
  environment     = merge(var.environment, local.vpc_environment, var.defaults.additional_environment)

  # ARNs are composed from names: the policy must exist before the function, and the plan shows it in full.
  log_group_name = "/aws/lambda/${var.name}"
  log_group_arn  = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${local.log_group_name}"
  function_arn   = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${var.name}"

  account_id = var.defaults.account_id
  partition  = var.defaults.partition
  region     = var.defaults.region
}

# ---------------------------------------------------------------------------------------------------------------------
# Role
# ---------------------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "this" {
  # Role names are global, so the Region is part of the name for copies of the module in other Regions.
  name                 = "${var.name}-${local.region}"
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

  # Lambda decrypts the environment with this role when an execution environment starts.
  dynamic "statement" {
    for_each = var.defaults.kms_key_arn == null ? [] : [var.defaults.kms_key_arn]

    content {
      sid       = "DecryptEnvironment"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:lambda:FunctionArn"
        values   = [local.function_arn]
      }
    }
  }

  # Lambda creates and deletes the network interfaces with this role. A shared subnet belongs to another account.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
  dynamic "statement" {
    for_each = var.defaults.vpc == null ? [] : [1]

    content {
      sid       = "ManageNetworkInterfaces"
      actions   = local.network_interface_actions
      resources = ["arn:${local.partition}:ec2:${local.region}:*:*/*"]
    }
  }
  dynamic "statement" {
    for_each = var.defaults.vpc == null ? [] : [1]

    content {
      sid       = "DescribeNetwork"
      actions   = local.network_describe_actions
      resources = ["*"] # these actions do not support resource-level permissions
    }
  }
  # The permissions are for the Lambda service. The code of the function must not have them.
  dynamic "statement" {
    for_each = var.defaults.vpc == null ? [] : [1]

    content {
      sid       = "DenyNetworkAccessToCode"
      effect    = "Deny"
      actions   = concat(local.network_interface_actions, local.network_describe_actions)
      resources = ["*"]

      condition {
        test     = "ArnEquals"
        variable = "lambda:SourceFunctionArn"
        values   = [local.function_arn]
      }
    }
  }
}

locals {
  network_interface_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses",
  ]
  network_describe_actions = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
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
  skip_destroy      = var.defaults.log_skip_destroy
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:Optional: functions.tracing. It costs more than everything else while no job runs
  #checkov:skip=CKV_AWS_116:The queue has a DLQ, schedules repeat each minute, and API callers get the error
  #checkov:skip=CKV_AWS_117:Optional: functions.vpc. The functions call AWS APIs only, over TLS
  #checkov:skip=CKV_AWS_173:Optional: kms_key_arn or create_kms_key. The environment of the module contains no secret
  #checkov:skip=CKV_AWS_272:Optional: functions.code_signing_config_arn. It requires a signed package
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  handler       = var.handler
  runtime       = var.defaults.runtime
  architectures = [var.defaults.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout
  layers        = var.defaults.layers
  tags          = var.tags

  reserved_concurrent_executions = var.reserved_concurrency

  filename          = var.defaults.package.filename
  s3_bucket         = var.defaults.package.s3_bucket
  s3_key            = var.defaults.package.s3_key
  s3_object_version = var.defaults.package.s3_object_version
  source_code_hash  = var.defaults.package.source_code_hash

  code_signing_config_arn = var.defaults.code_signing_config_arn

  environment {
    variables = local.environment
  }
  kms_key_arn = var.defaults.kms_key_arn # encrypts the environment

  dynamic "vpc_config" {
    for_each = var.defaults.vpc == null ? [] : [var.defaults.vpc]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
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
      error_message = <<-EOT
        The deployment package ${coalesce(var.defaults.package.filename, "-")} does not exist.
        If you changed lambda_src, run make package and commit the result. Otherwise, get an unchanged copy of the module. To use your own package, set package.
      EOT
    }
    precondition {
      condition     = length(setintersection(keys(var.environment), keys(var.defaults.additional_environment))) == 0
      error_message = <<-EOT
        functions.environment must not set ${join(", ", setintersection(keys(var.environment), keys(var.defaults.additional_environment)))}: the module sets
        these variables. Remove them from functions.environment.
      EOT
    }
    # Lambda measures the environment as a JSON object. Base64 has four characters for three bytes.
    precondition {
      condition     = length(base64encode(jsonencode(local.environment))) * 3 / 4 <= 4096
      error_message = "The environment of ${var.name} has more than 4,096 bytes. Shorten functions.environment or collector.targets[*].external_id."
    }
    precondition {
      condition     = alltrue([for layer in var.defaults.layers : layer != null])
      error_message = <<-EOT
        AWS publishes no Powertools layer in this partition or Region.
        Set functions.powertools_layer.arn to your own copy, or set functions.powertools_layer.enabled = false and use a package that contains Powertools.
      EOT
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
      description = join(" ", [
        "An invocation of ${var.name} took at least ${var.alarms.duration_percent} % of its timeout of ${var.timeout} s.",
        "It timed out or is close to it.",
      ])
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
