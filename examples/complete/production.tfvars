environment         = "production"
retention_days      = 90
deletion_protection = true
cors_origins        = ["https://recovery.example.com"]
viewer_url          = "https://recovery.example.com"

jwt = {
  # Replace by your issuer. It must serve /.well-known/openid-configuration when you apply.
  issuer   = "https://login.example.com"
  audience = ["recovery-production"]
}
