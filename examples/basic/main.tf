# The minimal configuration. The defaults are meant for production.

module "drs_job_log" {
  source = "../.."
}
