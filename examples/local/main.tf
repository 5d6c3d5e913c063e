# What `make demo` applies on the embedded AWS: the defaults, but gone without a trace afterwards.

module "drs_job_log" {
  source = "../.."

  table = { deletion_protection = false }
}
