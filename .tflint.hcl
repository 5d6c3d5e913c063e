# tflint --init && tflint --recursive --config "$(pwd)/.tflint.hcl"

config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}

plugin "aws" {
  enabled = true
  version = "0.48.0"
  source  = "github.com/terraform-linters/tflint-ruleset-aws"
}

# One file for each concern, not one main.tf: see docs/design.md.
rule "terraform_standard_module_structure" {
  enabled = false
}
