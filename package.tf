# The deployment package and the Powertools layer.

# ---------------------------------------------------------------------------------------------------------------------
# Deployment package: zipped from lambda_src, or prebuilt
# ---------------------------------------------------------------------------------------------------------------------

locals {
  source_dir   = "${path.module}/lambda_src"
  source_files = fileset(local.source_dir, "drs_job_log/**/*.{py,html,css,js,svg}")

  package = var.package != null ? {
    filename          = var.package.filename
    s3_bucket         = var.package.s3_bucket
    s3_key            = var.package.s3_key
    s3_object_version = var.package.s3_object_version
    source_code_hash  = var.package.filename != null ? try(filebase64sha256(var.package.filename), null) : null
    } : {
    filename          = one(data.archive_file.package[*].output_path)
    s3_bucket         = null
    s3_key            = null
    s3_object_version = null
    # Hash of the sources, not of the zip: zips of equal sources can differ between machines and would cause updates.
    source_code_hash = base64sha256(jsonencode({ for file in local.source_files : file => filesha256("${local.source_dir}/${file}") }))
  }
}

data "archive_file" "package" {
  count = var.package == null ? 1 : 0

  type             = "zip"
  source_dir       = local.source_dir
  excludes         = setsubtract(fileset(local.source_dir, "**"), local.source_files)
  output_file_mode = "0644"
  # Two copies of the module in one configuration, for example in two Regions, must not write the same file.
  output_path = "${path.module}/builds/${local.prefix}-${local.account_id}-${local.region}.zip"
}

# ---------------------------------------------------------------------------------------------------------------------
# Powertools layer, published by AWS
# https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/
# ---------------------------------------------------------------------------------------------------------------------

locals {
  # Layer version 27 is Powertools 3.23.0. requirements-dev.in pins the same version for the tests.
  powertools_layer_version = 27

  # Publishing accounts: one for the commercial partition, one per Region elsewhere.
  powertools_layer_accounts = {
    aws           = "017000801446"
    us-gov-east-1 = "165087284144"
    us-gov-west-1 = "165093116878"
    cn-north-1    = "498634801083"
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
