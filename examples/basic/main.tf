# The shortest block that works: the defaults are meant for production.

module "drs_job_log" {
  source = "../.."
}
