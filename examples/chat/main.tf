# Notices in a Slack channel, and optionally in a Microsoft Teams channel, by Amazon Q Developer in chat applications.

module "drs_job_log" {
  source = "../.."
}

# Amazon Q Developer assumes this role. Members of the channel get its permissions.
# https://docs.aws.amazon.com/chatbot/latest/adminguide/understanding-permissions.html
resource "aws_iam_role" "chat" {
  name               = "${var.configuration_name}-chat"
  assume_role_policy = data.aws_iam_policy_document.chat_trust.json
}

data "aws_iam_policy_document" "chat_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["chatbot.amazonaws.com"]
    }
  }
}

# The "Notification permissions" of AWS, which AWS states as the minimum. They let Amazon Q Developer draw the graph of
# an alarm. The notices of the module need no permission.
# https://docs.aws.amazon.com/chatbot/latest/adminguide/chatbot-iam-policies.html
resource "aws_iam_policy" "chat" {
  name   = "${var.configuration_name}-chat"
  policy = data.aws_iam_policy_document.chat.json
}

data "aws_iam_policy_document" "chat" {
  #checkov:skip=CKV_AWS_356:The policy of AWS, which reads metrics and alarms of any name and changes nothing
  statement {
    actions   = ["cloudwatch:Describe*", "cloudwatch:Get*", "cloudwatch:List*"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy_attachment" "chat" {
  role       = aws_iam_role.chat.name
  policy_arn = aws_iam_policy.chat.arn
}

# Creates the https subscription of the topic. Without guardrail_policy_arns, AWS applies AdministratorAccess.
resource "aws_chatbot_slack_channel_configuration" "this" {
  configuration_name    = var.configuration_name
  slack_team_id         = var.slack_workspace_id
  slack_channel_id      = var.slack_channel_id
  iam_role_arn          = aws_iam_role.chat.arn
  guardrail_policy_arns = [aws_iam_policy.chat.arn]
  sns_topic_arns        = [module.drs_job_log.failure_topic_arn]
  logging_level         = "ERROR"
}

resource "aws_chatbot_teams_channel_configuration" "this" {
  count = var.teams == null ? 0 : 1

  configuration_name    = "${var.configuration_name}-teams"
  tenant_id             = var.teams.tenant_id
  team_id               = var.teams.team_id
  channel_id            = var.teams.channel_id
  iam_role_arn          = aws_iam_role.chat.arn
  guardrail_policy_arns = [aws_iam_policy.chat.arn]
  sns_topic_arns        = [module.drs_job_log.failure_topic_arn]
  logging_level         = "ERROR"
}
