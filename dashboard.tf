# The dashboard: what runs and how it fares on top, the health of the pipeline below.

locals {
  alarm_arn_prefix = "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${local.prefix}"

  lambda = { for task, function in local.functions : task => { namespace = "AWS/Lambda", dimensions = { FunctionName = function.name } } }
  sqs    = { for key, name in local.queue_names : key => { namespace = "AWS/SQS", dimensions = { QueueName = name } } }
  http   = [for api in aws_apigatewayv2_api.this : { namespace = "AWS/ApiGateway", dimensions = { ApiId = api.id } }]

  # A graph's lines: where the metric is, its name, its statistic, what it is called, and perhaps its colour.
  recovery_graphs = [
    {
      shown = var.collector.enabled, width = 6, view = "singleValue", title = "Running now", unit = ""
      lines = [
        [local.own_metrics, "RunningExecutions", "Maximum", "executions"],
        [local.own_metrics, "RunningJobs", "Maximum", "DRS jobs"],
      ]
    },
    {
      shown = var.collector.enabled, width = 12, view = "stacked", title = "Servers of running jobs", unit = "servers"
      lines = [
        [local.own_metrics, "ServersFailed", "Maximum", "failed", "#d62728"],
        [local.own_metrics, "ServersLaunched", "Maximum", "launched", "#2ca02c"],
        [local.own_metrics, "ServersLaunching", "Maximum", "launching", "#1f77b4"],
        [local.own_metrics, "ServersConverting", "Maximum", "converting", "#ff7f0e"],
        [local.own_metrics, "ServersPending", "Maximum", "pending", "#7f7f7f"],
      ]
    },
    {
      shown = true, width = 6, view = "timeSeries", title = "Servers in trouble", unit = "servers"
      lines = [
        [local.own_metrics, "ServerFailures", "Sum", "failed", "#d62728"],
        [local.own_metrics, "ServersStalled", "Sum", "stand still", "#9467bd"],
      ]
    },
    {
      shown = true, width = 12, view = "timeSeries", title = "How long a server's steps take", unit = "seconds"
      lines = [
        [local.own_metrics, "SnapshotDuration", "Average", "snapshot, average", "#7f7f7f"],
        [local.own_metrics, "ConversionDuration", "Average", "conversion, average", "#ff7f0e"],
        [local.own_metrics, "ConversionDuration", "Maximum", "conversion, longest", "#ffbb78"],
        [local.own_metrics, "LaunchDuration", "Average", "launch, average", "#1f77b4"],
        [local.own_metrics, "LaunchDuration", "Maximum", "launch, longest", "#aec7e8"],
      ]
    },
    {
      shown = true, width = 12, view = "timeSeries", title = "How long a DRS job takes", unit = "seconds"
      lines = [
        [local.own_metrics, "JobDuration", "Average", "average"],
        [local.own_metrics, "JobDuration", "Maximum", "longest"],
      ]
    },
  ]
  pipeline_graphs = [
    {
      shown = true, width = 8, view = "timeSeries", title = "From what happened to its row", unit = "milliseconds"
      lines = [
        [local.own_metrics, "EventLag", "p50", "half within"],
        [local.own_metrics, "EventLag", "p99", "99 % within"],
      ]
    },
    {
      shown = true, width = 8, view = "timeSeries", title = "Events", unit = "a minute"
      lines = [
        [local.own_metrics, "EventsStored", "Sum", "stored"],
        [local.own_metrics, "EventsRepeated", "Sum", "known already"],
        [local.own_metrics, "EventsUnlinked", "Sum", "without an execution yet"],
      ]
    },
    {
      shown = true, width = 8, view = "timeSeries", title = "Waiting in the ingest queue", unit = "messages"
      lines = [
        [local.sqs.ingest, "ApproximateNumberOfMessagesVisible", "Maximum", "waiting"],
        [local.sqs.ingest, "ApproximateNumberOfMessagesNotVisible", "Maximum", "in work, or to be tried again"],
      ]
    },
    {
      shown = true, width = 8, view = "timeSeries", title = "Dead letters: each is an event that is not handled", unit = "messages"
      lines = [
        [local.sqs.processing_dlq, "ApproximateNumberOfMessagesVisible", "Maximum", "processing DLQ", "#d62728"],
        [local.sqs.delivery_dlq, "ApproximateNumberOfMessagesVisible", "Maximum", "delivery DLQ", "#9467bd"],
      ]
    },
    {
      shown = true, width = 8, view = "timeSeries", title = "Functions: errors and throttles", unit = "invocations"
      lines = concat(
        [for task, function in local.lambda : [function, "Errors", "Sum", "${task} failed"]],
        [for task, function in local.lambda : [function, "Throttles", "Sum", "${task} throttled"]],
      )
    },
    {
      shown = true, width = 8, view = "timeSeries", title = "Functions: longest invocation", unit = "milliseconds"
      lines = [for task, function in local.lambda : [function, "Duration", "Maximum", task]]
    },
    {
      shown = var.api.enabled, width = 8, view = "timeSeries", title = "API: answers", unit = "requests"
      lines = concat(
        [for api in local.http : [api, "Count", "Sum", "all"]],
        [for api in local.http : [api, "4xx", "Sum", "refused (4xx)"]],
        [for api in local.http : [api, "5xx", "Sum", "failed (5xx)", "#d62728"]],
      )
    },
    {
      shown = var.api.enabled, width = 8, view = "timeSeries", title = "API: time of an answer", unit = "milliseconds"
      lines = concat(
        [for api in local.http : [api, "Latency", "p50", "half within"]],
        [for api in local.http : [api, "Latency", "p90", "90 % within"]],
      )
    },
    {
      shown = true, width = 8, view = "timeSeries", title = "Oldest event without an execution", unit = "seconds"
      lines = [[local.own_metrics, "OldestUnlinkedEventAge", "Maximum", "age"]]
    },
  ]

  graphs = {
    for part, graphs in { recoveries = local.recovery_graphs, pipeline = local.pipeline_graphs } : part => [
      for graph in graphs : {
        type   = "metric"
        width  = graph.width
        height = 6
        properties = {
          for name, value in {
            title   = graph.title
            region  = local.region
            period  = 60
            view    = graph.view == "stacked" ? "timeSeries" : graph.view
            stacked = graph.view == "stacked"
            yAxis   = { left = { min = 0, label = graph.unit, showUnits = false } }
            metrics = [
              for line in graph.lines : concat(
                [line[0].namespace, line[1]],
                flatten([for name, value in line[0].dimensions : [name, value]]),
                [merge({ stat = line[2], label = line[3] }, { for color in slice(line, 4, length(line)) : "color" => color })],
              )
            ]
          } : name => value if graph.view != "singleValue" || !contains(["stacked", "yAxis"], name)
        }
      } if graph.shown
    ]
  }
  shown_composites = { for key in keys(local.possible_composite_alarms) : key => contains(keys(local.composite_alarms), key) ? [key] : [] }
  alarm_widgets = {
    for part, widget in {
      recoveries = { title = "Does a recovery need a person?", alarms = concat(local.shown_composites["recovery-needs-a-person"], keys(local.recovery_alarms)) }
      pipeline   = { title = "Is the pipeline healthy?", alarms = concat(local.shown_composites["pipeline-unhealthy"], keys(local.pipeline_alarms), [for task in keys(local.heartbeats) : "${task}-heartbeat"]) }
      } : part => [
      for title in var.alarms.enabled ? [widget.title] : [] : {
        type       = "alarm"
        width      = 24
        height     = part == "pipeline" ? 4 : 2
        properties = { title = title, alarms = [for key in widget.alarms : "${local.alarm_arn_prefix}-${key}"] }
      }
    ]
  }
}

# CloudWatch places the widgets in their order, from left to right, 24 columns wide.
resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  dashboard_name = "${local.prefix}-${local.region}" # dashboards belong to the account, not to a Region
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type   = "text"
        width  = 24
        height = 3
        properties = {
          markdown = join("\n", [
            "# ${var.name}: recoveries by AWS Elastic Disaster Recovery",
            "The servers of the DRS jobs that run now: each waits (pending), is converted, launches, and then is launched or has failed. Which server it is, and its error, the viewer says, or `GET /executions/{executionId}/logs` of the API.",
            "Below: the pipeline that tells all this. What to do when an alarm fires stands in its description.",
          ])
        }
      }],
      local.alarm_widgets.recoveries,
      local.graphs.recoveries,
      [{ type = "text", width = 24, height = 1, properties = { markdown = "## The pipeline" } }],
      local.alarm_widgets.pipeline,
      local.graphs.pipeline,
    )
  })
}
