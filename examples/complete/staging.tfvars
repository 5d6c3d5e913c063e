environment         = "staging"
retention_days      = 7
deletion_protection = false
cors_origins        = ["https://staging.recovery.example.com"]
viewer_url          = "https://staging.recovery.example.com"

jwt = {
  # Replace by your issuer. It must serve /.well-known/openid-configuration when you apply.
  issuer   = "https://login.example.com"
  audience = ["recovery-staging"]
}
