environment         = "staging"
retention_days      = 7
deletion_protection = false
cors_origins        = ["https://staging.recovery.example.com"]

jwt = {
  issuer   = "https://login.example.com"
  audience = ["recovery-staging"]
}
