# Athena: tables over the rows that the function of evidence writes, a workgroup, and saved queries. They exist with evidence.athena.

locals {
  athena_enabled = try(var.evidence.athena, false)

  # Glue and Athena need lower case. Without "-", a name needs no quotation marks in most statements.
  # https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html
  athena_database = replace(lower(local.prefix), "-", "_")

  athena_queries = {
    failures-by-shape     = "Failures of the last 12 months by the shape of their error."
    launch-time-drift     = "The median time to launch of each server by quarter, and its change."
    rto-by-quarter        = "Recovery time objective (RTO) by quarter and recovery plan."
    servers-never-drilled = "Servers that were in a job of the last 12 months, and that no drill launched."
    slowest-servers       = "The slowest servers of the last 12 months, and the slowest step of each."
  }

  # Name, type and comment of each column. The name is the key in the rows (lambda_src/drs_job_log/evidence/tables.py).
  # Times are strings, because the SerDe has no documented format for ISO 8601. from_iso8601_timestamp reads them.
  # A column of the type double needs JSON numbers with a decimal point, and a column of the type int numbers without one.
  athena_columns = {
    executions = [
      ["version", "string", "Version of the schema of this row."],
      ["id", "string", "ID of the execution, or of the job if it belongs to no execution."],
      ["executionid", "string", "ID of the execution. Null for a job without an execution."],
      ["jobid", "string", "ID of the job. Null with an execution."],
      ["name", "string", "Name of the recovery plan. Null without one."],
      ["revision", "int", "Number of this revision of the evidence, from 1. The table has the newest one."],
      ["supersedes", "string", "SHA-256 of summary.json of the previous revision. Null in the first one."],
      ["status", "string", "COMPLETED, PARTIAL, FAILED or TERMINATED."],
      ["statusreason", "string", "Reason of the status. Null if there is none."],
      ["isdrill", "boolean", "Whether the execution is a drill. Null if it is not known."],
      ["startedat", "string", "Start, ISO 8601 in UTC."],
      ["endedat", "string", "End, ISO 8601 in UTC."],
      ["durationseconds", "double", "Seconds from the start to the end."],
      ["requestedby", "string", "ARN of the identity that requested the recovery. Null if it is not known."],
      ["accounts", "array<string>", "AWS accounts of the jobs."],
      ["regions", "array<string>", "AWS Regions of the jobs."],
      ["rto", "struct<targetminutes:int,actualseconds:double,result:string>", "Recovery time objective. result is MET or MISSED. Null without an objective."],
      ["rpo", "struct<targetminutes:int,seconds:double,result:string,serversover:int>", "Recovery point objective. serversover is the number of servers that missed it. Null without an objective."],
      ["counts", "struct<${join(",", [for key in local.athena_counts : "${key}:int"])}>", "Number of servers by state."],
      ["waves", "array<struct<number:int,name:string,status:string,jobids:array<string>,startedat:string,endedat:string,waitminutes:int,attempt:int,servers:int,launched:int,failed:int>>", "Waves, or steps of the recovery plan."],
      ["jobs", "array<struct<jobid:string,jobtype:string,initiatedby:string,isdrill:boolean,requestedby:string,status:string,createdat:string,endedat:string,account:string,region:string>>", "Jobs of the execution."],
      ["recoveryplan", "struct<name:string,planarn:string,executionarn:string,status:string,error:string>", "Run of the DRS recovery plan. Null without one."],
      ["eventcount", "int", "Number of events in the log."],
      ["lasteventat", "string", "Time of the newest event, ISO 8601 in UTC."],
      ["files", "map<string,struct<sha256:string,bytes:int>>", "SHA-256 and size of each other file of the evidence, by its name."],
    ]
    servers = [
      ["executionid", "string", "ID of the execution. Null for a job without an execution."],
      ["jobid", "string", "ID of the job."],
      ["wave", "int", "Number of the wave, from 1. Null if it is not known."],
      ["isdrill", "boolean", "Whether the job is a drill. Null if it is not known."],
      ["account", "string", "AWS account of the job."],
      ["region", "string", "AWS Region of the job."],
      ["sourceserverid", "string", "ID of the source server."],
      ["servername", "string", "Name of the source server. Null if it is not known."],
      ["state", "string", "Final state in the job: LAUNCHED, FAILED, SKIPPED, TERMINATED or COMPLETED."],
      ["jobcreatedat", "string", "Creation of the job, ISO 8601 in UTC."],
      ["endedat", "string", "When the server entered its final state, ISO 8601 in UTC."],
      ["seconds", "double", "Seconds from jobcreatedat to endedat."],
      ["snapshotseconds", "double", "Duration of the snapshot in seconds."],
      ["waitseconds", "double", "Seconds between the snapshot and the conversion."],
      ["conversionseconds", "double", "Duration of the conversion in seconds."],
      ["launchseconds", "double", "Duration of the launch step in seconds."],
      ["ec2instanceid", "string", "ID of the launched instance."],
      ["terminatedat", "string", "When the instance was terminated, ISO 8601 in UTC."],
      ["pointintime", "string", "Recovery point of the data, ISO 8601 in UTC."],
      ["rposeconds", "double", "Age of the recovery point in seconds."],
      ["error", "string", "Error of DRS."],
      ["errorshape", "string", "The error without IDs and numbers. Equal for failures with the same cause."],
      ["failedactions", "array<struct<name:string,error:string>>", "Post-launch actions that failed."],
    ]
    events = [
      ["jobid", "string", "ID of the job, or of the run of the recovery plan."],
      ["eventkey", "string", "Key of the event in its job. Sorts the events by time."],
      ["eventid", "string", "ID of the event."],
      ["eventtype", "string", "Type of the event."],
      ["eventtime", "string", "Time of the event, ISO 8601 in UTC."],
      ["source", "string", "Source of the event on EventBridge."],
      ["executionid", "string", "ID of the execution."],
      ["sourceserverid", "string", "ID of the source server."],
      ["sourceservername", "string", "Name of the source server."],
      ["ec2instanceid", "string", "ID of the launched instance."],
      ["message", "string", "Sentence for people."],
      ["error", "string", "Error of DRS."],
      ["eventdata", "string", "The complete event as JSON text. Read it with json_extract_scalar."],
      ["truncated", "boolean", "Whether texts of the event were truncated."],
      ["ingestedat", "string", "When the event was stored, ISO 8601 in UTC."],
    ]
  }

  # The keys of Progress.summary in lambda_src/drs_job_log/model/progress.py.
  athena_counts = [
    "totalservers", "pending", "converting", "launching", "skipped", "completed", "launched", "failed", "terminated",
  ]

  athena_table_comments = {
    executions = "Evidence: one row for each execution."
    servers    = "Evidence: one row for each server in each job that launched it."
    events     = "Evidence: one row for each event of an execution."
  }
}

resource "aws_glue_catalog_database" "evidence" {
  count = local.athena_enabled ? 1 : 0

  name        = local.athena_database
  description = "Evidence of recoveries and drills of ${var.name}."
  tags        = var.tags
}

resource "aws_glue_catalog_table" "evidence" {
  for_each = local.athena_enabled ? local.athena_columns : {}

  database_name = aws_glue_catalog_database.evidence[0].name
  name          = each.key
  description   = local.athena_table_comments[each.key]
  table_type    = "EXTERNAL_TABLE"

  # Athena computes the partitions from these properties, so that no crawler and no ALTER TABLE is necessary.
  # https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
  parameters = {
    "EXTERNAL"                  = "TRUE"
    classification              = "json"
    "projection.enabled"        = "true"
    "projection.year.type"      = "integer"
    "projection.year.range"     = "2020,2100"
    "projection.month.type"     = "integer"
    "projection.month.range"    = "1,12"
    "projection.month.digits"   = "2"
    "storage.location.template" = "s3://${local.evidence_bucket}/${var.evidence.prefix}tables/${each.key}/year=$${year}/month=$${month}/"
  }

  partition_keys {
    name    = "year"
    type    = "int"
    comment = "Year of the start of the execution in UTC."
  }
  partition_keys {
    name    = "month"
    type    = "int"
    comment = "Month of the start of the execution in UTC, 1 to 12."
  }

  storage_descriptor {
    location      = "s3://${local.evidence_bucket}/${var.evidence.prefix}tables/${each.key}/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    # It needs no properties: the keys of the rows are in lower case, also in structs. AWS recommends it in place of the OpenX
    # SerDe, whose results can be non-deterministic. https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html
    ser_de_info {
      serialization_library = "org.apache.hive.hcatalog.data.JsonSerDe"
    }

    dynamic "columns" {
      for_each = each.value
      content {
        name    = columns.value[0]
        type    = columns.value[1]
        comment = columns.value[2]
      }
    }
  }
}

resource "aws_athena_workgroup" "evidence" {
  count = local.athena_enabled ? 1 : 0

  name        = local.prefix
  description = "Queries of the evidence of ${var.name}."
  tags        = var.tags

  # Without it, AWS does not delete a workgroup in which a query was run. The workgroup contains only the history of
  # queries and saved queries: the evidence and the results are in the bucket.
  force_destroy = true

  configuration {
    enforce_workgroup_configuration    = true
    bytes_scanned_cutoff_per_query     = var.evidence.athena_scan_limit_gb * 1024 * 1024 * 1024
    publish_cloudwatch_metrics_enabled = false # nothing in the module reads them

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location = "s3://${local.evidence_bucket}/${var.evidence.prefix}athena-results/"

      encryption_configuration {
        encryption_option = var.evidence.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.evidence.kms_key_arn
      }
    }
  }
}

resource "aws_athena_named_query" "evidence" {
  for_each = local.athena_enabled ? local.athena_queries : {}

  name        = each.key
  description = each.value
  workgroup   = aws_athena_workgroup.evidence[0].name
  database    = aws_glue_catalog_database.evidence[0].name
  query       = templatefile("${path.module}/athena/${each.key}.sql", { database = local.athena_database })
}
