environment         = "production"
retention_days      = 90
deletion_protection = true
cors_origins        = ["https://recovery.example.com"]
viewer_url          = "https://recovery.example.com"

jwt = {
  # Yours: it must answer /.well-known/openid-configuration when this is applied.
  issuer   = "https://login.example.com"
  audience = ["recovery-production"]
}
