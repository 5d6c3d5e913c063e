output "second" {
  description = "The second output."
  value       = var.tags
}

output "first" {
  description = "The first output, with a_name."
  value       = var.name
}
