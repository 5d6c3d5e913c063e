output "table_name" {
  description = "Name of the table of events."
  value       = module.drs_job_log.table_name
}
