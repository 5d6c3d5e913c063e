# The deployment package and the Powertools layer.

# ---------------------------------------------------------------------------------------------------------------------
# Deployment package: bundled in lambda_package, or your own (input package)
# ---------------------------------------------------------------------------------------------------------------------

locals {
  source_dir   = "${path.module}/lambda_src"
  source_files = fileset(local.source_dir, "drs_job_log/**/*.{py,html,css,js,svg,gz,txt}")

  # Identifies the sources. The name of the package contains it, so that no package of other sources can be deployed.
  source_hash = substr(sha256(join("", [for file in local.source_files : "${filesha256("${local.source_dir}/${file}")}  ${file}\n"])), 0, 16)

  # The package is a file of the module and not built by Terraform: each machine that plans or applies has the same file.
  package_source = var.package != null ? var.package : {
    filename          = "${path.module}/lambda_package/drs_job_log-${local.source_hash}.zip"
    s3_bucket         = null
    s3_key            = null
    s3_object_version = null
  }

  # Without the condition, a missing file would be an error that names no remedy. See modules/function.
  package = merge(local.package_source, {
    source_code_hash = local.package_source.filename == null ? null : (
      fileexists(local.package_source.filename) ? filebase64sha256(local.package_source.filename) : null
    )
  })
}

# ---------------------------------------------------------------------------------------------------------------------
# Powertools layer, published by AWS
# https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # Layer version 27 is Powertools 3.23.0. requirements-dev.in pins the same version for the tests.
  powertools_layer_version = 27

  # Publishing accounts: one for the commercial partition, one per Region in GovCloud. AWS publishes no layer in aws-eusc.
  powertools_layer_accounts = {
    aws           = "017000801446"
    us-gov-east-1 = "165087284144"
    us-gov-west-1 = "165093116878"
  }
  powertools_layer_account = try(
    local.powertools_layer_accounts[local.partition],
    local.powertools_layer_accounts[local.region],
    null,
  )
  powertools_layer_name = join("-", [
    "AWSLambdaPowertoolsPythonV3",
    replace(var.functions.runtime, ".", ""),
    var.functions.architecture,
  ])
  powertools_layer_public_arn = local.powertools_layer_account == null ? null : join(":", [
    "arn", local.partition, "lambda", local.region, local.powertools_layer_account,
    "layer", local.powertools_layer_name, local.powertools_layer_version,
  ])
  powertools_layer_arn = try(coalesce(var.functions.powertools_layer.arn, local.powertools_layer_public_arn), null)
}
