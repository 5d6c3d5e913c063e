# CloudWatch dashboard: running recoveries at the top, readiness for a recovery, health of the pipeline below.

locals {
  alarm_arn_prefix = "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${local.prefix}"

  function_metrics = { for key, function in local.functions : key => { namespace = "AWS/Lambda", dimensions = { FunctionName = function.name } } }
  # On the default bus, the metrics of a rule have only the dimension RuleName.
  rule_metrics = merge(
    {
      for key, name in local.rule_names : key => {
        namespace  = "AWS/Events"
        dimensions = merge(local.rules[key].event_bus_name == "default" ? {} : { EventBusName = local.rules[key].event_bus_name }, { RuleName = name })
      }
    },
    var.collector.enabled ? { collector = { namespace = "AWS/Events", dimensions = { RuleName = local.wake_rule_name } } } : {},
  )
  queue_metrics = { for key, name in local.queue_names : key => { namespace = "AWS/SQS", dimensions = { QueueName = name } } }
  api_metrics   = [for api in aws_apigatewayv2_api.this : { namespace = "AWS/ApiGateway", dimensions = { ApiId = api.id } }]

  # Lines of a graph: [namespace and dimensions, metric, statistic, label, optional color].
  recovery_graphs = [
    {
      enabled = var.collector.enabled, width = 6, view = "singleValue", title = "Running executions and jobs", unit = ""
      lines = [
        [local.module_metrics, "RunningExecutions", "Maximum", "executions"],
        [local.module_metrics, "RunningJobs", "Maximum", "DRS jobs"],
      ]
    },
    {
      enabled = var.collector.enabled, width = 12, view = "stacked", title = "Servers of running jobs", unit = "servers"
      lines = [
        [local.module_metrics, "ServersFailed", "Maximum", "failed", "#d62728"],
        [local.module_metrics, "ServersLaunched", "Maximum", "launched", "#2ca02c"],
        [local.module_metrics, "ServersLaunching", "Maximum", "launching", "#1f77b4"],
        [local.module_metrics, "ServersConverting", "Maximum", "converting", "#ff7f0e"],
        [local.module_metrics, "ServersPending", "Maximum", "pending", "#7f7f7f"],
      ]
    },
    {
      enabled = true, width = 6, view = "timeSeries", title = "Failed and stalled servers, failed plan steps", unit = "failures and stalls"
      lines = [
        [local.module_metrics, "ServerFailures", "Sum", "failed", "#d62728"],
        [local.module_metrics, "ServersStalled", "Sum", "stalled", "#9467bd"],
        [local.module_metrics, "PlanFailures", "Sum", "failed plan steps", "#ff7f0e"],
      ]
    },
    {
      enabled = true, width = 12, view = "timeSeries", title = "Duration of server steps", unit = "seconds"
      lines = [
        [local.module_metrics, "SnapshotDuration", "Average", "snapshot, average", "#7f7f7f"],
        [local.module_metrics, "ConversionDuration", "Average", "conversion, average", "#ff7f0e"],
        [local.module_metrics, "ConversionDuration", "Maximum", "conversion, maximum", "#ffbb78"],
        [local.module_metrics, "LaunchDuration", "Average", "launch, average", "#1f77b4"],
        [local.module_metrics, "LaunchDuration", "Maximum", "launch, maximum", "#aec7e8"],
      ]
    },
    {
      enabled = true, width = 12, view = "timeSeries", title = "Duration of DRS jobs", unit = "seconds"
      lines = [
        [local.module_metrics, "JobDuration", "Average", "average"],
        [local.module_metrics, "JobDuration", "Maximum", "maximum"],
      ]
    },
  ]
  # The last three graphs show metrics of DRS in this account and Region: in seconds, bytes and seconds. A search also finds the
  # metrics of new servers. It states no dimension, because DRS documents none.
  # https://docs.aws.amazon.com/drs/latest/userguide/monitoring-event-bridge-metrics.html
  # https://github.com/aws-samples/drs-tools/blob/main/drs-observability/drs-cloudwatch-dashboard-per-account.yaml (namespace, period)
  readiness_graphs = [
    {
      enabled = var.readiness.replication_stalled, width = 6, view = "timeSeries", title = "Stalled data replication", unit = "servers"
      lines   = [[local.module_metrics, "ReplicationStalls", "Sum", "stalled", "#d62728"]]
    },
    {
      enabled = true, width = 6, view = "timeSeries", title = "Replication lag: age of the latest snapshot", unit = "seconds"
      lines   = []
      search  = "LagDuration"
    },
    {
      enabled = true, width = 6, view = "timeSeries", title = "Replication backlog", unit = "bytes"
      lines   = []
      search  = "Backlog"
    },
    {
      enabled = true, width = 6, view = "timeSeries", title = "Time since the last launch", unit = "seconds"
      lines   = []
      search  = "DurationSinceLastSuccessfulRecoveryLaunch"
    },
  ]
  pipeline_graphs = [
    {
      enabled = true, width = 8, view = "timeSeries", title = "Time from event to events table", unit = "milliseconds"
      lines = [
        [local.module_metrics, "EventLag", "p50", "median"],
        [local.module_metrics, "EventLag", "p99", "99th percentile"],
      ]
    },
    {
      enabled = true, width = 8, view = "timeSeries", title = "Events", unit = "events per minute"
      lines = [
        [local.module_metrics, "EventsStored", "Sum", "stored"],
        [local.module_metrics, "EventsRepeated", "Sum", "duplicate"],
        [local.module_metrics, "EventsUnlinked", "Sum", "unlinked"],
      ]
    },
    {
      enabled = true, width = 8, view = "timeSeries", title = "Event rules", unit = "events per minute"
      lines = concat(
        [for key, rule in local.rule_metrics : [rule, "Invocations", "Sum", key]],
        [for key, rule in local.rule_metrics : [rule, "FailedInvocations", "Sum", "${key} failed"]],
      )
    },
    {
      enabled = true, width = 8, view = "timeSeries", title = "Messages in the ingest queue", unit = "messages"
      lines = [
        [local.queue_metrics.ingest, "ApproximateNumberOfMessagesVisible", "Maximum", "waiting"],
        [local.queue_metrics.ingest, "ApproximateNumberOfMessagesNotVisible", "Maximum", "in flight"],
      ]
    },
    {
      enabled = true, width = 8, view = "timeSeries", title = "Unprocessed events in the dead-letter queues", unit = "messages"
      lines = concat(
        [
          [local.queue_metrics.processing_dlq, "ApproximateNumberOfMessagesVisible", "Maximum", "processing DLQ", "#d62728"],
          [local.queue_metrics.delivery_dlq, "ApproximateNumberOfMessagesVisible", "Maximum", "delivery DLQ", "#9467bd"],
        ],
        [
          for key, queue in local.queue_metrics : [queue, "ApproximateNumberOfMessagesVisible", "Maximum", "evidence DLQ", "#ff7f0e"]
          if key == "evidence_dlq"
        ],
      )
    },
    {
      enabled = true, width = 8, view = "timeSeries", title = "Functions: errors and throttles", unit = "invocations"
      lines = concat(
        [for key, function in local.function_metrics : [function, "Errors", "Sum", "${key} failed"]],
        [for key, function in local.function_metrics : [function, "Throttles", "Sum", "${key} throttled"]],
      )
    },
    {
      enabled = true, width = 8, view = "timeSeries", title = "Functions: maximum duration", unit = "milliseconds"
      lines   = [for key, function in local.function_metrics : [function, "Duration", "Maximum", key]]
    },
    {
      enabled = var.api.enabled, width = 8, view = "timeSeries", title = "API: requests", unit = "requests"
      lines = concat(
        [for api in local.api_metrics : [api, "Count", "Sum", "all"]],
        [for api in local.api_metrics : [api, "4xx", "Sum", "client errors (4xx)"]],
        [for api in local.api_metrics : [api, "5xx", "Sum", "server errors (5xx)", "#d62728"]],
      )
    },
    {
      enabled = var.api.enabled, width = 8, view = "timeSeries", title = "API: latency", unit = "milliseconds"
      lines = concat(
        [for api in local.api_metrics : [api, "Latency", "p50", "median"]],
        [for api in local.api_metrics : [api, "Latency", "p90", "90th percentile"]],
      )
    },
    {
      enabled = true, width = 8, view = "timeSeries", title = "Age of the oldest unlinked event", unit = "seconds"
      lines   = [[local.module_metrics, "OldestUnlinkedEventAge", "Maximum", "age"]]
    },
  ]

  graphs = {
    for part, graphs in { recoveries = local.recovery_graphs, readiness = local.readiness_graphs, pipeline = local.pipeline_graphs } : part => [
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
            # A single value is 0 while the metric has no data, and not its last value.
            metrics = concat(
              [
                for name in compact([lookup(graph, "search", "")]) : [{
                  expression = "SEARCH('Namespace=\"AWS/DRS\" MetricName=\"${name}\"', 'Maximum', 300)"
                  label      = "" # each line has the label of its metric
                }]
              ],
              [
                for place, line in graph.lines : [{ expression = "FILL(m${place}, 0)", label = line[3] }] if graph.view == "singleValue"
              ],
              [
                for place, line in graph.lines : concat(
                  [line[0].namespace, line[1]],
                  flatten([for name, value in line[0].dimensions : [name, value]]),
                  [merge(
                    { stat = line[2], label = line[3] },
                    { for color in slice(line, 4, length(line)) : "color" => color },
                    { for name, value in { id = "m${place}", visible = false } : name => value if graph.view == "singleValue" },
                  )],
                )
              ],
            )
          } : name => value if graph.view != "singleValue" || !contains(["stacked", "yAxis"], name)
        }
      } if graph.enabled
    ]
  }
  dashboard_composite_alarms = { for key in keys(local.possible_composite_alarms) : key => contains(keys(local.composite_alarms), key) ? [key] : [] }
  alarm_widgets = {
    for part, widget in {
      recoveries = {
        title  = "Does a recovery need a person?"
        alarms = concat(local.dashboard_composite_alarms["recovery-needs-a-person"], keys(local.recovery_alarms))
      }
      pipeline = {
        title = "Is the pipeline healthy?"
        alarms = concat(
          local.dashboard_composite_alarms["pipeline-unhealthy"],
          keys(local.pipeline_alarms),
          [for key in keys(local.heartbeats) : "${key}-heartbeat"],
        )
      }
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

# CloudWatch places the widgets in this order, from left to right, in 24 columns.
resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  dashboard_name = "${local.prefix}-${local.region}" # dashboard names are unique per account, not per Region
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type   = "text"
        width  = 24
        height = 3
        properties = {
          markdown = join("\n", [
            "# ${var.name}: recoveries with AWS Elastic Disaster Recovery",
            "The graphs count the servers of the running DRS jobs: pending, converting, launching, then launched or failed.",
            "To see the individual servers and their errors, open the viewer or call `GET /executions/{executionId}/logs`.",
            "The lower part shows the pipeline that provides this data. The description of each alarm links to its runbook.",
          ])
        }
      }],
      local.alarm_widgets.recoveries,
      local.graphs.recoveries,
      [{ type = "text", width = 24, height = 1, properties = { markdown = "## Readiness: servers in this account and Region" } }],
      local.graphs.readiness,
      [{ type = "text", width = 24, height = 1, properties = { markdown = "## Pipeline" } }],
      local.alarm_widgets.pipeline,
      local.graphs.pipeline,
    )
  })
}
