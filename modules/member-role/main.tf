# The role that the collector assumes in a member account. It reads the DRS jobs of all Regions of the account.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # The trust is in the root of the central account, so that this role can be created before the role of the collector.
  # The condition on the ARN restricts it to this role, also if somebody deletes the role and creates it again.
  central_account_id = split(":", var.collector_role_arn)[4]
}

resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = var.path
  description          = "Allows the DRS job log collector of account ${local.central_account_id} to read DRS jobs"
  permissions_boundary = var.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  tags                 = var.tags
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "AllowCollector"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.central_account_id}:root"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = [var.collector_role_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "read-drs-jobs"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ReadJobs"
    actions   = ["drs:DescribeJobs", "drs:DescribeRecoveryInstances", "drs:DescribeSourceServers"]
    resources = ["*"] # these actions do not support resource-level permissions
  }
  statement {
    sid       = "ReadJobLogs"
    actions   = ["drs:DescribeJobLogItems"]
    resources = ["arn:${local.partition}:drs:*:${local.account_id}:job/*"]
  }
  statement {
    sid = "ReadRecoveryPlans"
    actions = [
      "drs:GetRecoveryPlan",
      "drs:GetRecoveryPlanExecution",
      "drs:GetRecoveryPlanExecutionStep",
      "drs:ListRecoveryPlanExecutionSteps",
      "drs:ListRecoveryPlanExecutions",
    ]
    resources = ["*"] # the documentation of these actions does not say whether they support resource-level permissions
  }
}
