environment         = "production"
retention_days      = 90
deletion_protection = true
cors_origins        = ["https://recovery.example.com"]

jwt = {
  issuer   = "https://login.example.com"
  audience = ["recovery-production"]
}
