environment         = "staging"
retention_days      = 7
deletion_protection = false
cors_origins        = ["https://staging.recovery.example.com"]
viewer_url          = "https://staging.recovery.example.com"

jwt = {
  # Yours: it must answer /.well-known/openid-configuration when this is applied.
  issuer   = "https://login.example.com"
  audience = ["recovery-staging"]
}
