# HTTP API for the logs and the history, and the viewer. One function serves both. Its permissions are read-only,
# except that it can ask the function of evidence for a report.

locals {
  # Authorization per route. With JWT, the routes of the viewer are public: a browser sends no token when it opens a
  # page, and the page and its files contain no data.
  api_routes = var.api.enabled ? merge(
    { for route in local.data_routes : route => var.api.authorization },
    { for route in local.viewer_routes : route => var.api.authorization == "JWT" ? "NONE" : var.api.authorization },
  ) : {}
  data_routes = concat(
    [
      "GET /executions",
      "GET /executions/{executionId}/comparison",
      "GET /executions/{executionId}/logs",
      "GET /failures",
      "GET /jobs",
      "GET /jobs/{jobId}/logs",
      "GET /logs",
      "GET /servers/{sourceServerId}",
    ],
    var.evidence == null ? [] : ["GET /executions/{executionId}/report"],
  )
  viewer_routes = var.api.viewer ? [
    "GET /",
    "GET /executions/{executionId}",
    "GET /jobs/{jobId}",
    "GET /viewer/{file}",
  ] : []

  # The sign-in of the viewer. Its pages may send requests to the API and to these origins only.
  sign_in   = try(var.api.jwt.sign_in, null)
  authority = local.sign_in == null ? null : coalesce(local.sign_in.authority, var.api.jwt.issuer)
  sign_in_environment = local.sign_in == null ? {} : {
    SIGN_IN = jsonencode({
      authority  = local.authority
      clientId   = local.sign_in.client_id
      scope      = local.sign_in.scope
      parameters = local.sign_in.parameters
      origins    = distinct(concat([regex("^https://[^/]+", local.authority)], local.sign_in.origins))
    })
  }

  # With this prefix, the log group needs no resource policy. AWS limits the number of these policies per account.
  access_log_group_name = "/aws/vendedlogs/apis/${local.prefix}"
}

module "api" {
  source = "./modules/function"
  count  = var.api.enabled ? 1 : 0

  name        = "${local.prefix}-api"
  description = "Returns the DRS job log of an execution or a job, and the history of recoveries"
  handler     = "drs_job_log.api.handler.lambda_handler"
  timeout     = 20
  memory_size = local.memory_sizes.api
  defaults    = local.function_defaults

  reserved_concurrency = var.api.reserved_concurrency

  environment = merge(
    local.shared_environment,
    local.executions_table_environment,
    local.objectives_environment,
    local.sign_in_environment,
    {
      HISTORY_DAYS          = tostring(var.history_days)
      STALLED_AFTER_MINUTES = tostring(var.collector.stalled_after_minutes)
    },
    var.evidence == null ? {} : {
      EVIDENCE_BUCKET    = local.evidence_bucket
      EVIDENCE_QUEUE_URL = local.queue_urls.evidence
      RETENTION_DAYS     = tostring(var.retention_days)
    },
  )
  policy_document = data.aws_iam_policy_document.api.json

  # No alarms of the function: the alarms of the API cover it, and also failed invocations by API Gateway.
  alarms = merge(local.function_alarms, { enabled = false })
  tags   = var.tags
}

data "aws_iam_policy_document" "api" {
  statement {
    sid     = "ReadEvents"
    actions = ["dynamodb:Query"]
    resources = concat([local.events_table_arn], [
      for index in ["ExecutionIdIndex", "ExecutionLedgerIndex", "LateIndex", "LedgerIndex", "ServerLedgerIndex"] :
      "${local.events_table_arn}/index/${index}"
    ])
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
    for_each = local.kms_key_arns

    content {
      sid       = "UseCustomerKey"
      actions   = ["kms:Decrypt", "kms:DescribeKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.*"]
      }
    }
  }
  dynamic "statement" {
    for_each = try(var.execution_history.kms_key_arn, null) == null ? [] : [var.execution_history.kms_key_arn]

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
  dynamic "statement" {
    for_each = var.evidence == null ? [] : [1]

    content {
      sid       = "ReadReports"
      actions   = ["s3:GetObject"]
      resources = [local.evidence_objects_arn]
    }
  }
  dynamic "statement" {
    for_each = local.evidence_kms_key_arns

    content {
      sid       = "DecryptReports"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["s3.${local.region}.*"]
      }
    }
  }
  # If an execution has no report yet, the API asks the function for it.
  dynamic "statement" {
    for_each = var.evidence == null ? [] : [1]

    content {
      sid       = "RequestReports"
      actions   = ["sqs:SendMessage"]
      resources = [local.queue_arns.evidence]
    }
  }
  dynamic "statement" {
    for_each = var.evidence == null ? [] : local.kms_key_arns

    content {
      sid       = "EncryptRequestsOfReports"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["sqs.${local.region}.*"]
      }
    }
  }
}

resource "aws_apigatewayv2_api" "this" {
  count = var.api.enabled ? 1 : 0

  name          = local.prefix
  description   = "DRS job log of ${var.name}"
  protocol_type = "HTTP"
  tags          = var.tags

  dynamic "cors_configuration" {
    for_each = length(var.api.cors_origins) > 0 ? [1] : []

    content {
      allow_origins = var.api.cors_origins
      allow_methods = ["GET"]
      # Headers of tokens, of signed requests, and of the viewer, which asks whether an answer changed.
      allow_headers  = ["authorization", "if-none-match", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]
      expose_headers = ["etag", "retry-after"]
      max_age        = 600
    }
  }
}

resource "aws_apigatewayv2_stage" "this" {
  count = var.api.enabled ? 1 : 0

  api_id      = aws_apigatewayv2_api.this[0].id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_burst_limit = var.api.throttling_burst_limit
    throttling_rate_limit  = var.api.throttling_rate_limit
  }

  # The routes of the viewer can be public, so they have lower limits of their own.
  dynamic "route_settings" {
    for_each = toset(local.viewer_routes)

    content {
      route_key              = route_settings.value
      throttling_burst_limit = var.api.viewer_throttling_burst_limit
      throttling_rate_limit  = var.api.viewer_throttling_rate_limit
    }
  }

  # API Gateway does not escape values, so a value with a quotation mark makes the line invalid JSON. Each value here has
  # a fixed format, or it is from AWS or from a verified token. The format has no path and no error message, because
  # both can contain text of the caller. messageString is no alternative: without an error, it is "-" without quotes.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api_access[0].arn
    format = jsonencode({
      requestId          = "$context.requestId"
      requestTime        = "$context.requestTime"
      sourceIp           = "$context.identity.sourceIp"
      caller             = "$context.identity.userArn"
      subject            = "$context.authorizer.claims.sub"
      routeKey           = "$context.routeKey"
      status             = "$context.status"
      responseLength     = "$context.responseLength"
      responseLatency    = "$context.responseLatency"
      integrationLatency = "$context.integrationLatency"
      integrationStatus  = "$context.integration.integrationStatus"
      errorType          = "$context.error.responseType"
    })
  }

  depends_on = [aws_apigatewayv2_route.this] # API Gateway refuses settings of a route that does not exist
}

resource "aws_cloudwatch_log_group" "api_access" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key. kms_key_arn or create_kms_key sets a customer key
  #checkov:skip=CKV_AWS_338:Input functions.log_retention_in_days. The events, not the logs, are the record of a recovery
  count = var.api.enabled ? 1 : 0

  name              = local.access_log_group_name
  retention_in_days = var.functions.log_retention_in_days
  kms_key_id        = local.kms_key_arn
  skip_destroy      = var.functions.log_skip_destroy
  tags              = var.tags
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count = var.api.enabled && var.api.authorization == "JWT" ? 1 : 0

  api_id           = aws_apigatewayv2_api.this[0].id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.api.jwt.issuer
    audience = var.api.jwt.audience
  }

  # API Gateway refuses to delete an authorizer that a route uses, so Terraform must update the routes first.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_integration" "this" {
  count = var.api.enabled ? 1 : 0

  api_id                 = aws_apigatewayv2_api.this[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.api[0].function.arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:AWS_IAM by default. NONE if the user sets it, and with JWT for the viewer, whose files contain no data
  for_each = local.api_routes

  api_id               = aws_apigatewayv2_api.this[0].id
  route_key            = each.key
  target               = "integrations/${aws_apigatewayv2_integration.this[0].id}"
  authorization_type   = each.value
  authorizer_id        = each.value == "JWT" ? aws_apigatewayv2_authorizer.jwt[0].id : null
  authorization_scopes = each.value == "JWT" ? var.api.jwt.scopes : null
}

resource "aws_lambda_permission" "api" {
  for_each = local.api_routes

  # AllowGETExecutionsExecutionIdLogs, …
  statement_id  = "Allow${replace(title(replace(each.key, "/[^A-Za-z]+/", " ")), " ", "")}"
  action        = "lambda:InvokeFunction"
  function_name = module.api[0].function.name
  principal     = "apigateway.amazonaws.com"
  # Stage, method and path, with a wildcard for the ID: arn:…:execute-api:…:API/*/GET/jobs/*/logs.
  source_arn = "${aws_apigatewayv2_api.this[0].execution_arn}/*/${replace(replace(each.key, " ", ""), "/{[A-Za-z]+}/", "*")}"
}
