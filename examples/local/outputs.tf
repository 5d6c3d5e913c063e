output "table_name" {
  description = "Name of the table of events."
  value       = module.drs_job_log.table_name
}

output "event_source" {
  description = "Source of \"DRS Job Log\" events that the rule takes."
  value       = module.drs_job_log.event_source
}
