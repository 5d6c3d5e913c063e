# Schedules that invoke the collector and the linker every minute, and the collector for the daily check of drills. Their role,
# which evidence.tf uses too.

locals {
  schedule_group_arn  = "arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule-group/${local.prefix}"
  scheduled_functions = { for key, function in local.functions : key => function if contains(["collector", "linker"], key) }
}

# No retries: the next scheduled invocation, one minute later, does the same work.
resource "aws_lambda_function_event_invoke_config" "scheduled" {
  for_each = local.scheduled_functions

  function_name                = each.value.name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_scheduler_schedule_group" "this" {
  name = local.prefix
  tags = var.tags
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:The schedule stores only the input {}
  for_each = local.scheduled_functions

  name                = each.value.name
  description         = "Invokes ${each.value.name} every minute"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = each.value.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({})

    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }

  # The collector must not run before the rules and the queues exist: events without a matching rule and target are lost.
  # The events table is created later. Until then, runs fail, and SQS keeps the events.
  depends_on = [
    aws_dynamodb_table.notices,
    aws_sns_topic.failures,
    aws_cloudwatch_event_target.queue,
    aws_iam_role_policy_attachment.targets,
    aws_iam_role_policy.scheduler,
    aws_lambda_event_source_mapping.ingest,
    aws_lambda_function_event_invoke_config.scheduled,
  ]
}

# A run checks the targets that are not done on this day, so only what failed is repeated. No retries: the next run is a
# minute later. If three runs fail, the alarm collector-errors fires. The runs at 12:00 and 18:00 are for longer outages.
resource "aws_scheduler_schedule" "drill_check" {
  #checkov:skip=CKV_AWS_297:The schedule stores only the input {"drillCheck": true}
  count = local.has_daily_check ? 1 : 0

  name                = "${local.prefix}-drill-check"
  description         = "Invokes ${local.prefix}-collector for the check of drills"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = "cron(0-4 6,12,18 * * ? *)" # UTC

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.collector[0].function.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ drillCheck = true })

    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }

  depends_on = [aws_scheduler_schedule.this] # and so after everything that these schedules depend on
}

resource "aws_iam_role" "scheduler" {
  name                 = "${local.prefix}-scheduler-${local.region}"
  description          = "Allows EventBridge Scheduler to invoke the functions of ${var.name}"
  path                 = var.functions.role_path
  permissions_boundary = var.functions.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.scheduler_assume_role.json
  tags                 = var.tags
}

data "aws_iam_policy_document" "scheduler_assume_role" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    # Only for schedules of this module. Scheduler sends the ARN of the schedule group, not of the schedule.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.schedule_group_arn]
    }
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "invoke"
  role   = aws_iam_role.scheduler.name
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid     = "InvokeFunctions"
    actions = ["lambda:InvokeFunction"]
    resources = [
      for key in concat(keys(local.scheduled_functions), var.evidence == null ? [] : ["evidence"]) :
      "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.prefix}-${key}"
    ]
  }
}
