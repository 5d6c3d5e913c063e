output "role_arn" {
  description = "ARN of the role: `role_arn` of the target. Terraform knows it at plan time."
  value       = "arn:${local.partition}:iam::${local.account_id}:role${var.path}${var.name}"
}

output "external_id" {
  description = "External ID: `external_id` of the target."
  value       = var.external_id
}
