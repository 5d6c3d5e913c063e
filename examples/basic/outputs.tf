output "table_name" {
  description = "Name of the events table."
  value       = module.drs_job_log.table_name
}
